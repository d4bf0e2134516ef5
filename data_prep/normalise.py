"""Text to its clean form: one line in, one line out, no document is ever lost here."""

import codecs
import html
import re
import unicodedata
from collections.abc import Callable, Iterator

import regex
from datatrove.data import Document

from data_prep.evidence import CleaningStep, Evidence
from data_prep.personal_data import mask_personal_data

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\u00ad]")
_BLOCKS = re.compile(r"<(script|style)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_BREAKS = re.compile(r"</(p|div|li|h[1-6]|tr)\s*>|<br\s*/?>", re.IGNORECASE)
_NAMES = (
    "a|abbr|article|aside|b|blockquote|body|br|button|center|code|dd|div|dl|dt|em|figcaption|figure|font|footer|form|h[1-6]|head|header|hr"
    "|html|i|iframe|img|input|label|li|link|main|meta|nav|noscript|ol|option|p|pre|s|section|select|small|span|strong|sub|sup|svg|table"
    "|tbody|td|textarea|tfoot|th|thead|title|tr|u|ul|video"
)
# Known names, bare or with attributes: "x <b and c> y" is no tag.
_TAGS = re.compile(rf"</?({_NAMES})(\s[^<>]*=[^<>]*|\s*)/?>", re.IGNORECASE)
_SPACES = re.compile(r"(?<=\S)(?:[ \t\u00a0]{2,}|[\t\u00a0])")  # not before the first letter of a line: code keeps its indent
_BLANK_LINES = re.compile(r"\n{3,}")
# Lines that pages repeat around their text: navigation, sharing, rights. Short lines only, so that prose about them stays.
_BOILERPLATE_SIGNS = (
    "all rights",
    "барлық құқ",
    "все права",
    "share this",
    "поделиться:",
    "бөлісіңіз:",
    "cookie",
    "»",
    "!include",
    " | ",
    "©",
    ":::",
    ">",
)
_BOILERPLATE = re.compile(
    r"(all rights reserved|барлық құқықтар қорғал|все права защищены|^share this|^поделиться:|бөлісіңіз:"
    r"|^©|^:::|^\s*> ?(\[!\w+\])?$"  # rights; an image's or a note's mark in Markdown; an empty quotation
    r"|(accept|use|using) cookies|использу\w+ (файлы )?cookie|cookie файлдарын пайдалан)",
    re.IGNORECASE,
)
_FRONT_MATTER = re.compile(r"\A---\n(?:[\w.-]+:.*\n|[ \t-].*\n){2,}---\n")  # of a Markdown page: dates, authors, search keywords
_INCLUDE = re.compile(r"^\[?!include\b", re.IGNORECASE)
_SPACE_BEFORE = re.compile(r"(?<=\S) +(?=[,.;:!?)\]»…])|(?<=%) (?=-\w)")
_SPACE_AFTER = re.compile(r"(?<=[(\[«]) +|(?<=\$) (?=\d)")
_QUOTED = re.compile(r'" ([^"\n]*?) "')
_NAVIGATION = re.compile(r"^[^.!?|]{1,40}( \| [^.!?|]{1,40}){2,}$")
_MIN_MOJIBAKE = 4
_SCRIPTS_MEET = re.compile("[A-Za-zəƏ][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-zəƏ]")
_MIXED = regex.compile(r"\b(?=\w*\p{Cyrillic})(?=\w*[A-Za-zəƏ])[\p{L}\p{M}]+\b")
_SCHWA = str.maketrans("əƏ", "әӘ")  # Latin to Cyrillic: no word of Kazakh, Russian or English has the Latin one beside Cyrillic letters
_LOOK_ALIKES = str.maketrans("aceiopxyhABCEHIKMOPTXY", "асеіорхуһАВСЕНІКМОРТХУ")


class Normalise(CleaningStep):
    """Every document goes on, empty ones too (the length limit names them); boilerplate lines are kept as evidence."""

    name = "normalise"

    def apply(self, document: Document, evidence: Evidence) -> Document:
        """datatrove's document with clean text."""
        document.text = normalise(document.text, lambda line: evidence.cut(document, "boilerplate", line))
        return document


def normalise(text: str, dropped: Callable[[str], None] = lambda line: None) -> str:
    """Repair, strip, compose (NFC), mask. Applying it twice changes nothing more. Boilerplate lines go to `dropped`."""
    for _ in range(100):  # unescaping can uncover tags, and dropping lines can join blank ones: until nothing changes
        before = text
        text = _once(text, dropped)
        if text == before:
            break
    return text


def _once(text: str, dropped: Callable[[str], None]) -> str:
    text = repair_encoding(text.replace("\r\n", "\n").replace("\r", "\n"))
    text = strip_markup(text)
    text = unicodedata.normalize("NFC", _CONTROL.sub("", text)).replace("\u2010", "-").replace("\u2011", "-")
    if matter := _FRONT_MATTER.match(text):
        dropped(matter[0])
        text = text[matter.end() :]
    if "  " in text or "\t" in text or "\u00a0" in text:
        text = _SPACES.sub(" ", text)
    lines = [line.rstrip() for line in text.split("\n")]
    if _has_sign(text):
        lines = list(_without_boilerplate(lines, dropped))
    text = join_tokens(mend_look_alikes("\n".join(lines)))
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return mask_personal_data(text.strip())


def _has_sign(text: str) -> bool:
    """Without one there is no boilerplate; few texts and lines have one, and looking for these is cheap."""
    lowered = text.lower()
    return any(sign in lowered for sign in _BOILERPLATE_SIGNS)


def _without_boilerplate(lines: list[str], dropped: Callable[[str], None]) -> Iterator[str]:
    for before, line, after in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
        if _has_sign(line) and (is_boilerplate(line) or is_navigation(before, line, after)):
            dropped(line)
        else:
            yield line


def mend_look_alikes(text: str) -> str:
    """Latin letters that look Cyrillic, inside words that are mostly Cyrillic, become Cyrillic."""
    return _MIXED.sub(_mend_word, text) if not text.isascii() and _SCRIPTS_MEET.search(text) else text


def _mend_word(match: "regex.Match[str]") -> str:
    word: str = match[0].translate(_SCHWA)
    latin = [letter for letter in word if letter.isascii()]
    mended = word.translate(_LOOK_ALIKES)
    return mended if 2 * len(latin) < len(word) and not any(letter.isascii() for letter in mended) else word


def join_tokens(text: str) -> str:
    """Text that was cut into tokens (`5,1 % , деді " .`) gets the spaces around its punctuation that writers put there."""
    if 2 * text.count(" , ") <= text.count(", "):
        return text
    text = _QUOTED.sub(r'"\1"', text)
    return _SPACE_AFTER.sub("", _SPACE_BEFORE.sub("", text))


def repair_encoding(text: str) -> str:
    """Undo UTF-8 that was read in a one-byte encoding: the whole text, or else each line on its own."""
    if text.isascii():
        return text
    repaired = _redecode(text)
    return "\n".join(_redecode(line) for line in text.split("\n")) if repaired == text else repaired


def _redecode(text: str) -> str:
    """The text as UTF-8 if all of it can be read so. Honest text practically never can; a few letters may by chance, so they stay."""
    if len(text.encode("ascii", "ignore")) > len(text) - _MIN_MOJIBAKE:
        return text
    for encoding in ("latin-1", "cp1252", "cp1251"):
        try:
            return text.encode(encoding, "c1-as-byte").decode("utf-8")
        except UnicodeError:
            continue
    return text


def _c1_as_byte(error: UnicodeError) -> tuple[bytes, int]:
    """Bytes that the code page leaves undefined were passed on as C1 controls by the readers that break text."""
    if not isinstance(error, UnicodeEncodeError) or not "\x80" <= (letter := error.object[error.start]) <= "\x9f":
        raise error
    return letter.encode("latin-1"), error.start + 1


codecs.register_error("c1-as-byte", _c1_as_byte)


def strip_markup(text: str) -> str:
    """HTML to text: scripts out, block ends to line breaks, tags out, entities to letters."""
    if "<" in text:
        text = _BREAKS.sub("\n\n", _BLOCKS.sub("", text))
        text = _TAGS.sub("", text)
    return html.unescape(text) if "&" in text else text


def is_boilerplate(line: str) -> bool:
    """A short line that frames pages rather than says something."""
    return len(line) < 120 and (line == "»" or bool(_BOILERPLATE.search(line) or _INCLUDE.match(line)))


def is_navigation(before: str, line: str, after: str) -> bool:
    """`Home | News | Contact`, standing alone: rows of a table have others beside them."""
    return bool(_NAVIGATION.match(line)) and "|" not in before and "|" not in after
