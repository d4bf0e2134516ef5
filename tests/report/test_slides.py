"""The presentations from folders like those that the stages leave: what is on them, and that it fits."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kishi.errors import RecipeError
from kishi.jsonl import write_json
from recipes.job import Job
from report import slides
from report.collect import Run, collect
from tests.report.test_report import CHROMIUM, EVIL, HARDWARE, RECIPE, _parse, inputs, measured

__all__ = ["inputs", "measured"]  # fixtures

MEASURE = """<script>onload = () => { const d = document.querySelector('iframe').contentDocument, wrong = [];
for (const s of d.querySelectorAll('.slide')) { s.classList.add('current'); s.style.transform = 'none';
 const room = s.querySelector('.columns').clientHeight;
 if (s.scrollHeight > s.clientHeight
  || s.scrollWidth > s.clientWidth || [...s.querySelectorAll('.column')].some(c => c.scrollHeight > room + 1))
  wrong.push(s.querySelector('h2').textContent); s.classList.remove('current'); }
document.title = 'slides ' + d.querySelectorAll('.slide').length + ' too large: ' + wrong.join('; ') + '.'; }</script>"""


def _run(inputs: dict[str, Path]) -> tuple[Run, Path]:
    folder = next(iter(inputs.values())).parent if inputs else Path("nowhere")
    return collect(Job(RECIPE, HARDWARE, folder / "slides", inputs)), folder


def _titles(page: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", page)


def test_the_final_presentation_tells_the_whole_way(inputs: dict[str, Path]) -> None:
    run, folder = _run(inputs)
    page = slides.write(run, folder, None).read_text(encoding="utf-8")
    titles = " ".join(_titles(page))
    assert 12 <= len(_titles(page)) <= 16
    for word in (
        "The way",
        "Data",
        "Tokenizer",
        "Pretraining",
        "Evaluation",
        "Post-training",
        "Quantised",
        "languages",
        "Speed",
        "Cost",
        "Limits",
    ):
        assert word in titles, word
    text = " ".join(_parse(page).text.split())
    for shown in ("3.67M parameters", "5.345 → 5.081", "30 % [19, 44]", "before: 350m 100,000"):
        assert shown in text, shown
    assert page.count("<script") == 1 and EVIL in text and not re.search(r"https?://|url\(|@import", page)


def test_what_has_not_run_is_said_and_no_slide_is_empty(tmp_path: Path) -> None:
    page = slides.write(_run({})[0], tmp_path, None).read_text(encoding="utf-8")
    assert "Not there yet: data, tokenizer, index" in _parse(page).text
    assert all(re.sub(r"<[^>]*>|\s", "", body) for body in re.findall(r'<div class="columns">(.*?)</section>', page, re.S))


def test_the_week_shows_what_was_finished_and_what_moved(inputs: dict[str, Path]) -> None:
    for stage, day in (("sft", "2026-11-20"), ("dpo", "2026-11-23")):
        path = inputs[stage] / "manifest.json"
        kept = json.loads(path.read_bytes())
        if stage == "sft":
            older = {"started": "2026-11-10T00:00:00+00:00", "facts": {"heldout_loss": {"after": 5.2}, "stop_rate": 0.75}}
            write_json(inputs[stage].parent / "history/sft-old.json", kept | older)
        path.write_text(json.dumps(kept | {"started": f"{day}T00:00:00+00:00"}))
    run, folder = _run(inputs)
    for stage in set(run.manifests) - {"sft", "dpo"}:
        run.manifests[stage] = run.manifests[stage].model_copy(update={"started": "2026-11-01T00:00:00+00:00"})
    text = " ".join(_parse(slides.write(run, folder, "2026-11-15").read_text(encoding="utf-8")).text.split())
    assert "2 stages finished" in text
    assert "sft: answers that stop 0.750 0.500 worse" in text and "sft: held-out loss 5.200 5.081 better" in text
    assert "dpo: preference accuracy 0.750 new" in text and "SFT: loss" in text and "Bits per byte of held-out clean" not in text
    with pytest.raises(RecipeError, match="is not a day"):
        slides.write(run, folder, "last week")


def test_the_command_works_before_anything_has_run_and_without_a_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(slides, "BROWSERS", ("no-such-browser",))
    monkeypatch.setenv("KISHI_RUNS", str(tmp_path))
    assert slides.main(["recipes/kishi-tiny.yaml", "--hw", "cpu"]) == 0
    said = capsys.readouterr().out
    assert str(tmp_path / "kishi-tiny/slides/final.html") in said and "print it" in said
    assert slides.main(["recipes/kishi-tiny.yaml", "--since", "soon"]) == 2


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_everything_fits_on_its_slide_and_prints_one_page_each(tmp_path: Path, inputs: dict[str, Path]) -> None:
    run, folder = _run(inputs)
    page = slides.write(run, folder, None)
    count = len(_titles(page.read_text(encoding="utf-8")))
    frame = f'<meta charset="utf-8"><iframe src="{page.as_uri()}" style="border:0;width:1280px;height:720px"></iframe>{MEASURE}'
    (tmp_path / "frame.html").write_text(frame, encoding="utf-8")
    options = ["--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--allow-file-access-from-files"]
    options += [
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
        f"--user-data-dir={tmp_path}/profile",
        "--enable-logging=stderr",
        "--dump-dom",
    ]
    command = [str(CHROMIUM), *options, (tmp_path / "frame.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert f"<title>slides {count} too large: .</title>" in done.stdout, re.findall("<title>.*?</title>", done.stdout)
    assert "CONSOLE" not in done.stderr
    pdf = slides.to_pdf(page)
    assert pdf and len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes())) == count
    shutil.rmtree(tmp_path / "profile", ignore_errors=True)
