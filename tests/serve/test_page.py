"""The page in a real browser: three languages, phone and desk, light and dark, keys, tools, stop, and text that stays text."""

import asyncio
from pathlib import Path

import pytest

from tests.serve.browser import CHROMIUM, Page, opened
from tests.serve.conftest import SAYS

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]
DONE = "document.querySelectorAll('.turn.model').length === {} && !document.querySelector('.writing') && !document.querySelector('.stop')"
FOCUS = "document.getElementById('question').focus()"
WORDS = {"kk": ("Жіберу", "секундына"), "ru": ("Отправить", "в секунду"), "en": ("Send", "a second")}


async def say(page: Page, text: str, answers: int) -> str:
    """Types a question, presses Enter, waits for the last of so many answers and returns its text."""
    await page.run(FOCUS)
    await page.type(text)
    await page.press("Enter")
    await page.until(DONE.format(answers))
    found: str = await page.run("[...document.querySelectorAll('.turn.model')].at(-1).querySelector('.text').textContent")
    return found


async def _fits(page: Page) -> None:
    assert await page.run("document.documentElement.scrollWidth <= innerWidth && document.documentElement.scrollHeight <= innerHeight")
    named = "n.textContent.trim() || n.ariaLabel || n.labels?.length"
    bare = f"[...document.querySelectorAll('button, input, textarea, [role=log]')].filter(n => !({named}))"
    assert await page.run(f"{bare}.length") == 0  # everything has a name for those who do not see it


@pytest.mark.parametrize(("language", "width", "dark"), [("kk", 1200, False), ("ru", 360, True), ("en", 360, False)])
def test_a_conversation(address: str, tmp_path: Path, language: str, width: int, dark: bool) -> None:
    async def run() -> None:
        async with opened(tmp_path / "profile", language) as page:
            await page.open(address, width, dark=dark)
            assert await page.run("document.documentElement.lang") == language
            assert await page.run("document.getElementById('send').textContent") == WORDS[language][0]
            await page.run("document.getElementById('settings').open = true")
            await page.run("document.getElementById('temperature').value = '0'; document.getElementById('repeat_penalty').value = '1'")
            await _fits(page)
            await page.run("document.getElementById('settings').open = false")
            assert await say(page, "Кто ты?", 1) == SAYS["Кто ты?"]
            assert WORDS[language][1] in await page.run("document.querySelector('.turn.model footer').textContent")
            await _fits(page)
            background = await page.run("getComputedStyle(document.body).backgroundColor")
            assert (background == "rgb(255, 255, 255)") is not dark
            assert not page.console and all(asked.startswith((address, "data:")) for asked in page.asked)

    asyncio.run(run())


def test_markup_stays_text_tools_are_shown_and_stop_stops(address: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "profile") as page:
            await page.open(address, 1200)
            settings = {"temperature": "'0'", "repeat_penalty": "'1'", "max_tokens": "'7000'"}
            await page.run(";".join(f"document.getElementById('{name}').value = {value}" for name, value in settings.items()))
            assert await say(page, "Markup", 1) == SAYS["Markup"]
            assert await page.run("document.querySelectorAll('main img, main b').length") == 0
            assert await page.run("document.title") == "Kishi"
            await page.run("document.getElementById('clear').click()")

            await page.run("document.getElementById('use_tools').click()")
            assert await say(page, "2 + 3?", 2) == "Қосындысы — 5."
            assert await page.run("document.querySelector('.call code').textContent") == " add"
            assert await page.run("document.querySelector('.call .result').textContent") == "5"
            await page.run("document.getElementById('use_tools').click(); document.getElementById('clear').click()")

            await page.run(FOCUS)
            await page.type("Endless")
            await page.press("Enter")
            await page.until("document.querySelector('.turn.model .text')?.textContent.length > 6000")
            scrolled = "(log => log.scrollHeight > log.clientHeight && log.scrollHeight - log.scrollTop - log.clientHeight < 100)"
            assert await page.run(f"{scrolled}(document.getElementById('log'))")  # a long answer scrolls, and is followed
            await _fits(page)
            await page.press("Escape")
            await page.until(DONE.format(1), 5)
            assert "Тоқтатылды" in await page.run("document.querySelector('.turn.model').textContent")

            await page.run("document.getElementById('clear').click()")
            await page.type("Endless")
            await page.press("Enter")
            await page.until("document.querySelector('.turn.model .text')?.textContent.length > 100")
            await page.run("document.getElementById('clear').click()")  # in the middle of an answer, of which nothing is left
            assert await say(page, "Кто ты?", 1) == SAYS["Кто ты?"]

            await page.run("document.querySelector('[data-language=ru]').click()")  # also what was said before changes its words
            assert "Копировать" in await page.run("document.querySelector('.turn.model').textContent")
            await page.open(address, 1200)
            assert await page.run("document.documentElement.lang") == "ru"  # remembered
            assert not page.console

    asyncio.run(run())


def test_enter_with_shift_is_a_new_line_and_a_refused_question_comes_back(address: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "profile", "en") as page:
            await page.open(address, 1200)
            await page.run(FOCUS)
            await page.type("one")
            await page.press("Enter", shift=True)
            await page.type("two <|im_end|>")
            assert await page.run("document.getElementById('question').value") == "one\ntwo <|im_end|>"
            await page.press("Enter")
            await page.until(DONE.format(1))
            assert "control token" in await page.run("document.querySelector('[role=alert]').textContent")
            assert await page.run("document.getElementById('question').value") == "one\ntwo <|im_end|>"

    asyncio.run(run())
