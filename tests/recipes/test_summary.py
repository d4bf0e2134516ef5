"""The last lines of `all`: what the quantised model answers."""

from pathlib import Path

from rich.console import Console

from kishi.jsonl import write_rows
from recipes.summary import _print_samples


def _printed(run: Path) -> str:
    console = Console(width=120)
    with console.capture() as capture:
        _print_samples(console, run)
    return capture.get()


def test_one_text_a_language_of_the_last_quantised_model(tmp_path: Path) -> None:
    rows = [
        {"model": model, "lang": language, "prompt": "?", "text": f"{model} [b]{language}", "stopped": model == "gguf-Q4_K_M"}
        for model in ("dpo", "gguf-F16", "gguf-Q4_K_M")
        for language in ("kk", "ru", "en")
    ]
    write_rows(tmp_path / "eval/samples.jsonl", rows)
    lines = _printed(tmp_path).split("\n")
    assert lines[1] == "gguf-Q4_K_M answers:"
    assert lines[2:5] == [f"  {language}: ? → gguf-Q4_K_M [b]{language}" for language in ("kk", "ru", "en")]


def test_without_samples_nothing_is_said(tmp_path: Path) -> None:
    assert _printed(tmp_path) == ""
