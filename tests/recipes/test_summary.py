"""The last lines of `all`: what the quantised model answers."""

from pathlib import Path

from rich.console import Console

from kishi.jsonl import write_rows
from recipes.summary import _models, _print_samples


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


def test_the_table_of_models_is_whole_at_80_columns() -> None:
    accuracy = {"acc": 0.24, "acc_interval": [0.14, 0.38]}
    languages = ("kk", "ru", "en")
    row = {"bits_per_byte": dict.fromkeys(languages, 1.765), "tokens_per_second": 186_657, "bytes": 214_696_248}
    tasks = {f"sample_mcq_{language}@2.1": {"random": 0.25} for language in languages}
    models = {"unigram": {**row, "bytes": None}, "gguf-Q4_K_M": {**row, "tasks": dict.fromkeys(tasks, accuracy)}}
    console = Console(width=80)
    with console.capture() as capture:
        console.print(_models({"models": models, "tasks": {**tasks, "maths_en@1.1": {"baselines": {}}}}))
    text = capture.get()
    assert "…" not in text and "gguf-Q4_K_M" in text and "24 24 24" in text and "186,657" in text and "214.7" in text
    assert "chance 25, +-12" in text
