"""The report from folders like those that the stages leave, whole, in part and damaged."""

import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from kishi import manifest
from kishi.jsonl import write_json, write_rows
from kishi.manifest import Manifest
from recipes.hardware import Hardware
from recipes.job import Job
from recipes.schema import Recipe
from report import records
from report.build import SECTIONS, run
from report.charts import flow_chart
from report.collect import STAGES

GRPO = {"grpo": {"examples": 60, "batch_size": 8, "learning_rate": 1e-6}}  # off in the demo: with it, every stage is in the chain
RECIPE = Recipe.model_validate(yaml.safe_load(Path("recipes/kishi-tiny.yaml").read_text(encoding="utf-8")) | GRPO)
HARDWARE = Hardware.model_validate(yaml.safe_load(Path("nemo_configs/cpu.yaml").read_text(encoding="utf-8")))
CHARTS = (
    "Training loss",
    "Bits per byte of held-out clean text",
    "Bits per byte of held-out dirty text",
    "Multiple choice while training",
    "Learning rate",
    "Bits per byte",
    "SFT: loss",
    "Documents of the dirty tier, step by step",
    "What the sft examples ask for",
    "Speed of training on one device",
    "Device hours",
)
EVIL = '<script>console.error("ran")</script><img src=x onerror="console.error(1)">'
BITS = {"kk": 1.7, "ru": 2.0, "en": 2.9}


def _counts(step: str) -> dict[str, Any]:
    return {"step": step, "documents": {"kk": 154, "ru": 1660, "en": 164}, "bytes": {"kk": 2694, "ru": 269399, "en": 136308}}


FACTS: dict[str, dict[str, Any]] = {
    "data": {
        "bytes": {"dirty": {"kk": 100, "ru": 50, "en": 50}, "clean": {"kk": 90, "ru": 40, "en": 40}},
        "heldout_documents": {"kk": 10, "ru": 10, "en": 10},
        "mix": {"asked": {"kk": 0.5, "ru": 0.25, "en": 0.25}},
        "funnel": {"dirty": [_counts("collected"), _counts("mix")], "clean": [_counts("collected")]},
        "removed": {"dirty": {"near-duplicate": 71}, "clean": {"over-mix": 56}},
        "quarantined": 3,
        "licenses": {f"a source {EVIL}": "Apache-2.0"},
        "cleaning_score": {
            "faults": {"personal_data": {"documents": 92, "removed": 32, "repaired": 44, "left": 16}},
            "undamaged": {"documents": 137, "wrongly_removed": 0},
        },
    },
    "tokenizer": {"vocab_size": 2048, "fertility": {"kk": {"tokens": 3444, "tokens_per_word": 2.88}}},
    "index": {"train": {"dirty": {"kk": {"documents": 1, "tokens": 35080, "bytes": 9}}}},
    "pretrain-phase1": {
        "steps": 120,
        "parameters": 3672832,
        "loss": {"first": 7.6, "last": 5.4},
        "bits_per_byte": {"first": BITS, "last": BITS},
    },
    "pretrain-phase2": {
        "steps": 240,
        "parameters": 3672832,
        "loss": {"first": 5.4, "last": 5.1},
        "bits_per_byte": {"first": BITS, "last": BITS},
    },
    "export-hf": {"phase1": {"max_difference": 0.0}, "phase2": {"max_difference": 1.5e-7}},
    "chat-data": {
        "examples": {"sft": {"train": 1612, "heldout": 79}},
        "kinds": {"sft": {"languages train": {"kk": 900}, "languages heldout": {"kk": 40}, "tasks": {"qa": 36, "headline": 252}}},
        "sources": {f"a set {EVIL}": {"kept": 1612, "refused": 3}},
        "licenses": {f"a set {EVIL}": {"Apache-2.0": 1612}},
        "removed": {"near-duplicate example": 21},
        "decontaminated_against": {"mcq": 300},
    },
    "sft": {"examples": {"train": 162, "heldout": 18}, "heldout_loss": {"before": 5.345, "after": 5.081}, "stop_rate": 0.5},
    "dpo": {"examples": {"train": 81, "heldout": 9}, "heldout": {"accuracy": 0.75, "margin": 0.1, "loss": 0.66}, "stop_rate": 0.0},
    "grpo": {"examples": {"train": 60, "heldout": 6}, "heldout": {"ended": 1.0, "right": 0.5, "before": {"ended": 0.9, "right": 0.25}}},
    "reward": {
        "examples": {"train": 81, "heldout": 9},
        "heldout": {
            "accuracy": 0.6667,
            "pairs": 9,
            "interval": [0.35, 0.88],
            "by_language": {"kk": {"accuracy": 0.75, "pairs": 4}},
            "by_kind": {f"rude {EVIL}": {"accuracy": 0.5, "pairs": 2}},
            "calibration": {"error": 0.1234, "bins": [{"from": 0.5, "to": 0.6, "pairs": 9, "confidence": 0.55, "accuracy": 0.67}]},
            "length": {
                "chosen_tokens": 40.5,
                "rejected_tokens": 52.25,
                "margin_correlation": -0.25,
                "matched_pairs": 0,
                "matched_accuracy": None,
            },
        },
        "comparison": {"prompts": 9, "dpo_over_sft": {"rate": 0.6111, "interval": [0.3, 0.9]}, "answer_tokens": {"sft": 20.0, "dpo": 21.0}},
    },
    "tools": {
        "heldout": {
            **(after := {"n": 9, "malformed": 0.125, "invalid": 0.0, "splits": {"seen": {"ast": 0.8125, "right": 0.75}}}),
            "splits": {
                "seen": {"ast": 0.8125, "right": 0.75, "languages": {"kk": {"ast": 0.7}}, "kinds": {"simple": {"n": 9, "right": 0.9}}}
            },
            "before": {**after, "splits": {"seen": {"ast": 0.0625}}},
        }
    },
    "gguf": {
        "types": {
            "Q8_0": {
                "bytes": 3989120,
                "bits_per_weight": 8.518,
                "perplexity": {"kk": 223.5},
                "tokens_per_second": 53.0,
                "samples": {"kk": "Дала"},
            }
        },
        "reference_perplexity": {"kk": 223.4},
    },
    "eval": {},
}


CHAT_FIGURES = {
    "translation": {"kk-ru": {"chrf": 33.25, "chrf_interval": [30.5, 36.5]}},
    "stop_rate": {"all": 0.98, "all_interval": [0.95, 0.99], "kk": 0.97, "kk_interval": [0.9, 0.99]},
    "answer_language": {"kk": {"n": 9, "too_short": 1}},
}


def _fill(folder: Path, stage: str) -> None:
    if stage.startswith("pretrain"):
        phase = int(stage[-1])
        steps = range(120 * (phase - 1) + 1, 120 * phase + 1)
        rows: list[dict[str, Any]] = [
            {"step": s, "phase": phase, "tokens": s * 2048, "loss": 7 - s / 100, "learning_rate": 1e-3} for s in steps
        ]
        choices = {"mcq_kk": {"acc": 0.3, "acc_norm": 0.32, "n": 50, "random": 0.25, "majority": 0.28}}
        measured = {"phase": phase, "bits_per_byte": BITS, "bits_per_byte_dirty": BITS, "multiple_choice": choices}
        rows += [{"step": s, **measured} for s in (steps[0], steps[-1])]
        write_rows(folder / "metrics.jsonl", rows)
        write_rows(
            folder / "samples.jsonl",
            [{"step": steps[-1], "lang": "kk", "prompt": "Қазақстанда", "text": f"Қазақстанда {EVIL} " + "ә" * 300}],
        )
    elif stage in ("sft", "dpo", "grpo", "reward"):
        rows = [{"step": step, "loss": 6 - step / 9} | ({"margin": step / 9} if stage == "dpo" else {}) for step in range(1, 9)]
        write_rows(folder / "metrics.jsonl", [*rows, {"step": 8, "heldout_loss": 5.1}])
        write_rows(folder / "samples.jsonl", [{"lang": "ru", "prompt": "?", "text": f"ответ {stage}", "stopped": stage == "sft"}])
    elif stage == "tools":
        write_rows(folder / "metrics.jsonl", [*({"step": step, "loss": 2 / step} for step in (1, 2, 3)), {"step": 3, "heldout_loss": 0.7}])
    elif stage == "eval":
        task = {"acc": 0.3, "acc_interval": [0.191, 0.438], "acc_norm": 0.34, "macro_f1": 0.29, "most_frequent_guess": 0.97}
        task |= {"beats_constant": False, "decontamination": "removed from training"}
        models: dict[str, Any] = {
            "unigram": {"bits_per_byte": BITS},
            "phase2": {"bits_per_byte": BITS, "tasks": {"mcq_kk": task}, "bytes": 14696248},
        }
        write_json(
            folder / "results.json",
            {
                "models": models
                | {"sft": {"bits_per_byte": BITS, "chat": CHAT_FIGURES, "tasks": {"maths_en": {"exact_match": 0.25, "n": 4}}}},
                "tasks": {
                    "mcq_kk": {"n": 50, "random": 0.25, "majority": 0.28, "majority_macro_f1": 0.11},
                    "maths_en": {"kind": "maths", "n": 4, "baselines": {"constant": {"exact_match": 0.125}}},
                },
                "chat": {"baselines": {"translation": {"kk-ru": {"copy": {"chrf": 21.5}}}}},
            },
        )
        answers = [
            ("phase2", "continuation", f"дала {EVIL}", False),
            ("gguf-Q8_0", "answer", "Дала жасыл", True),
            ("dpo", "answer", "", True),
        ]
        write_rows(
            folder / "samples.jsonl",
            [{"model": m, "lang": "kk", "mode": mode, "prompt": "?", "text": text, "stopped": end} for m, mode, text, end in answers],
        )


def _stage(root: Path, stage: str) -> Path:
    folder = root / stage
    folder.mkdir(parents=True)
    _fill(folder, stage)
    return _finished(folder, stage)


def _finished(folder: Path, stage: str) -> Path:
    made = Manifest(
        schema_version=1,
        kind=stage,
        command=f"python -m recipes.run recipes/kishi-tiny.yaml {stage}",
        recipe={"name": RECIPE.name},
        recipe_sha256="0" * 64,
        fingerprint="f",
        code={"commit": "da624a0" * 5, "dirty": True},
        environment={"python": "3.12.1", "hardware": {"device": "cpu"}},
        seeds={"recipe": 1234},
        inputs={},
        outputs=manifest.list_outputs(folder),
        facts=FACTS[stage],
        started="2026-11-24T02:43:29+00:00",
        seconds=1.7,
    )
    manifest.write(folder, made)
    return folder


def _report(tmp_path: Path, inputs: dict[str, Path]) -> tuple[dict[str, Any], str]:
    out = tmp_path / "report"
    out.mkdir(exist_ok=True)
    facts = run(Job(RECIPE, HARDWARE, out, inputs))
    return facts, (out / "index.html").read_text(encoding="utf-8")


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def _parse(page: str) -> _Parser:
    parser = _Parser()
    parser.feed(page)
    return parser


@pytest.fixture(autouse=True)
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository's records: one optimisation, before and after."""
    folder = tmp_path / "records/2026-01-02-speed"
    device = {"cpu": "Xeon", "cores": 4, "gpus": ["NVIDIA H100, 81559 MiB"] * 2}
    for name, speed in (("before", 100_000), ("result", 150_000)):
        figures = {"350m": {"tokens_per_second": speed, "ms_per_step": 9.0, "processes": 2, "mfu": 0.4}, "500m": {"error": "not done"}}
        write_json(
            folder / f"{name}.json", {"name": "speed", "date": "2026-01-02", "device": device, "commit": "c" * 40, "figures": figures}
        )
    monkeypatch.setattr(records, "RECORDS", folder.parent)
    return folder


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """The folder of every stage."""
    return {stage: _stage(tmp_path / "runs", stage) for stage in STAGES}


def test_whole_run_fills_every_section_and_shows_the_figures(tmp_path: Path, inputs: dict[str, Path]) -> None:
    facts, page = _report(tmp_path, inputs)
    assert facts["missing"] == [] and facts["remarks"] == []
    assert facts["page_bytes"] == len(page.encode())
    text = _parse(page).text
    for figure in (
        "3,672,832",
        "5.345 → 5.081",
        "75.0 %",
        "223.50",
        "25.0 %",
        "28.0 %",
        "near-duplicate",
        "1.50e-07",
        "97.0 %",
        "0.110",
        "81.2 %",
    ):
        assert figure in text, figure
    assert "30.0 % [19.1 %, 43.8 %]" in text
    for figure in ("66.7 % [35.0 %, 88.0 %]", "61.1 % [30.0 %, 90.0 %]", "-0.250", "0.123", "25.0 % → 50.0 %"):  # reward model, GRPO
        assert figure in text, figure
    assert "sft 1,612 79 900 + 40 0 + 0" in " ".join(text.split()) and "No example repeats a text" in text
    assert "not recorded" not in text and "not run" not in text
    drawn = re.findall(r'class="chart-title">(.*?)</text>', page)
    assert set(CHARTS) <= set(drawn) and len(drawn) == page.count("<svg")
    assert page.count("<polyline") >= 2 + 3 + 3 + 2 + 1 + 2 + 1
    assert "held-out dirty text" in page and "kk: 0.3 to 0.3; random: 0.25 to 0.25" in page


def test_tasks_chat_measures_and_the_suite_stand_in_the_page(tmp_path: Path, inputs: dict[str, Path]) -> None:
    models = {
        f"phase1-step{step:07d}": {"tasks": {"held_kk@1.1": {"bits_per_byte": bits, "n": 9}}} for step, bits in ((400, 2.5), (800, 2))
    }
    write_json(inputs["eval"].parent / "suite/results.json", {"models": models, "tasks": {"held_kk@1.1": {"kind": "bits_per_byte"}}})
    _, page = _report(tmp_path, inputs)
    said = ("phase2 †", "† no better than a constant answer", "decontamination: removed from training", "baseline: copy", "21.5")
    said += ("33.2", "98.0 %", "0.125", "Suite: held_kk@1.1 over training", "phase1-step0000800")
    assert [words for words in said if words not in page] == []


def test_before_and_after_of_an_optimisation_and_what_the_run_took(tmp_path: Path, inputs: dict[str, Path], measured: Path) -> None:
    (measured.parent / "2026-01-03-broken").mkdir()
    page = _report(tmp_path, inputs)[1]
    text = " ".join(_parse(page).text.split())
    assert "before: 350m 100,000 2 40.0 % 2026-01-02-speed" in text and "350m 150,000 2 40.0 % 2026-01-02-speed" in text
    assert "2 x NVIDIA H100" in text and "result.json: FileNotFoundError" in text
    hours = len(STAGES) * 1.7 / 3600  # each stage's seconds
    assert (
        f"all stages {hours:.3g} {100 * hours:.1f} Wh {48 * hours:.1f} g CO2e" in text
        and "Assumed: 100 W the machine without GPU; 480 g CO2e/kWh" in text
    )
    shutil.rmtree(measured.parent)
    facts, _ = _report(tmp_path, inputs)
    assert facts["missing"] == ["optimisations"]


def test_bands_of_the_funnel_grow_thinner(tmp_path: Path, inputs: dict[str, Path]) -> None:
    steps = [{"step": "a", "documents": {"kk": 60, "ru": 40}}, {"step": "b", "documents": {"kk": 30, "ru": 0}}]
    chart = ElementTree.fromstring(str(flow_chart("t", steps, ["kk", "ru"])))
    widths = [float(bar.get("width", 0)) for bar in chart.iter("rect") if bar.get("height") == "14"]
    assert [round(width / widths[0], 2) for width in widths] == [1.0, 0.67, 0.5, 0.0]
    assert "30 (−70)" in "".join(text.text or "" for text in chart.iter("text"))
    assert flow_chart("t", steps[:1], ["kk", "ru"]) is None


def test_answers_of_all_models_stand_side_by_side(tmp_path: Path, inputs: dict[str, Path]) -> None:
    text = " ".join(_parse(_report(tmp_path, inputs)[1]).text.split())
    assert f"phase2 continuation дала {EVIL} … gguf-Q8_0 answer Дала жасыл dpo answer (empty: ended at once)" in text


def test_before_eval_has_run_the_stages_own_answers_are_shown(tmp_path: Path, inputs: dict[str, Path]) -> None:
    del inputs["eval"]
    text = _parse(_report(tmp_path, inputs)[1]).text
    assert "ответ sft" in text and "ответ dpo" in text and "Дала" in text


def test_page_needs_nothing_else_and_runs_nothing(tmp_path: Path, inputs: dict[str, Path]) -> None:
    _, page = _report(tmp_path, inputs)
    parser = _parse(page)
    assert not {"script", "img", "iframe", "object"} & set(parser.tags)
    assert all(link.startswith("#") or link == "data:," for link in parser.links)
    assert not re.search(r"@import|url\(|https?://", page)
    assert EVIL in parser.text  # shown as text


def test_nothing_run_yet_is_said(tmp_path: Path) -> None:
    facts, page = _report(tmp_path, {})
    assert "pretraining" in facts["missing"] and "evaluation" in facts["missing"]
    assert _parse(page).text.count("not run") >= len(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_any_one_stage_may_be_missing_or_know_nothing(tmp_path: Path, inputs: dict[str, Path], stage: str) -> None:
    without = {name: folder for name, folder in inputs.items() if name != stage}
    assert "not run" in _report(tmp_path, without)[1]
    values = json.loads((inputs[stage] / "manifest.json").read_text())
    (inputs[stage] / "manifest.json").write_text(json.dumps({**values, "facts": {}}))
    _report(tmp_path, inputs)


def test_damaged_files_become_remarks(tmp_path: Path, inputs: dict[str, Path]) -> None:
    (inputs["pretrain-phase1"] / "metrics.jsonl").write_bytes(b'{"step":1,"loss":NaN}\n{"step":2,"loss":6.5}\n{"st')
    (inputs["eval"] / "results.json").unlink()
    (inputs["sft"] / "manifest.json").write_text("{}")
    facts, page = _report(tmp_path, inputs)
    remarks = " ".join(facts["remarks"])
    assert "pretrain-phase1/metrics.jsonl" in remarks and "eval/results.json" in remarks and "sft: not a valid manifest" in remarks
    assert "evaluation" in facts["missing"] and "nan" not in "".join(re.findall(r"<svg.*?</svg>", page, re.S)).lower()


def test_stage_of_another_recipe_is_named(tmp_path: Path, inputs: dict[str, Path]) -> None:
    values = json.loads((inputs["dpo"] / "manifest.json").read_text())
    (inputs["dpo"] / "manifest.json").write_text(json.dumps({**values, "recipe": {"seed": 99}}))
    assert _report(tmp_path, inputs)[0]["remarks"] == ["dpo: stale, made with another recipe (seed differ)"]


def _compared(inputs: dict[str, Path], sha256: str | None) -> None:
    """What `make fertility` leaves beside the stages' folders."""
    kazakh = {"tokens_per_word": 1.6, "tokens_against_en": 0.89, "bytes_per_token": 9.0, "whole_words": 0.7}
    row = {"vocab_size": 64000, "exact_round_trips": 216, "hard_texts": 216, "languages": {"kk": kazakh, "en": {"tokens_per_word": 1.419}}}
    pieces = [{"text": f"Сәлем {EVIL}", "ids": [5], "colour": 0}, {"text": "漢", "ids": [7, 8, 9], "colour": 1}]
    content = {
        "tokenizer_sha256": sha256,
        "tokenizers": {"kishi": row, "Qwen3": {**row, "vocab_size": 151643}},
        "missing": {"Absent": "PyPI absent: not installed"},
        "coloured": [{"words": 2, "sides": [{"name": name, "tokens": 4, "pieces": pieces} for name in ("kishi", "Qwen3")]}],
    }
    write_json(inputs["tokenizer"].parent / "fertility/comparison.json", content)


def test_tokenizers_are_compared_or_it_is_said_what_to_run(tmp_path: Path, inputs: dict[str, Path]) -> None:
    assert "make setup-peers fertility" in _parse(_report(tmp_path, inputs)[1]).text
    (inputs["tokenizer"] / "tokenizer.json").write_text("{}")
    values = json.loads((inputs["tokenizer"] / "manifest.json").read_text())
    outputs = [{"path": "tokenizer.json", "bytes": 2, "sha256": "a" * 64}]
    (inputs["tokenizer"] / "manifest.json").write_text(json.dumps({**values, "outputs": outputs}))
    _compared(inputs, "a" * 64)
    facts, page = _report(tmp_path, inputs)
    text = " ".join(_parse(page).text.split())
    for shown in (
        "64,000 1.600 – 1.419 0.89 9.00 70.0 %",
        "151,643",
        "216/216",
        "Absent (PyPI absent: not installed)",
        "4 tokens, 2.00 a word",
    ):
        assert shown in text, shown
    assert "Tokens per word</text>" in page and page.count('class="t1 cut"') == 2 and "漢" in text and EVIL in text
    assert facts["remarks"] == []
    _compared(inputs, "b" * 64)
    assert _report(tmp_path, inputs)[0]["remarks"] == ["fertility: stale, the tokenizer was made again after it; make fertility"]


def test_quantised_forms_are_compared(tmp_path: Path, inputs: dict[str, Path]) -> None:
    def form(megabytes: float, rise: float, **more: Any) -> dict[str, Any]:
        speeds = {"tokens_per_second": {"cpu": 90.0}, "words_per_second": {"kk": {"cpu": 31.5}}, "peak_memory_bytes": {"cpu": 10**8}}
        rises = {language: {"rise": rise, "interval": [rise - 0.1, rise + 0.1]} for language in BITS}
        return {"bytes": megabytes * 1e6, "bits_per_weight": 4.5, "bits_per_byte": BITS, "rise_percent": rises, **speeds, **more}

    tools = {"n": 60, "right": 0.75, "malformed": 0.02, "invalid": 0.0}
    models = {
        "bf16": form(7.3, 0.0),
        "gguf-Q4_K_M": form(2.4, 1.25, tasks={"mcq_kk": {"acc": 0.4}}, tools=tools),
        f"awq {EVIL}": form(2.7, -0.5),
    }
    FACTS["eval-quantized"] = {}
    folder = tmp_path / "runs/eval-quantized"
    write_json(folder / "results.json", {"models": models, "documents": {"kk": 10, "ru": 9}, "tokens": {"kk": 6100, "ru": 6042}})
    inputs["eval-quantized"] = _finished(folder, "eval-quantized")
    _, page = _report(tmp_path, inputs)
    text = " ".join(_parse(page).text.split())
    for shown in (
        "+1.25 % [+1.15, +1.35]",
        "-0.50 %",
        "90.0 31.5 100.0 MB",
        "kk 10 (6,100 tokens), ru 9 (6,042 tokens)",
        "Size against loss",
        "40.0 %",
        "60 75.0 % 2.0 % 0.0 %",
    ):
        assert shown in text, shown
    assert page.count('r="3"') >= 9 and "<script>" not in page.split("</style>")[1]
    (folder / "results.json").write_text('{"models": {"bf16": 3}}')
    assert "quantised" in _report(tmp_path, inputs)[0]["sections"]  # damaged: no error


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MEASURE = """<script>onload = () => { const f = document.querySelector('iframe'), d = f.contentDocument.documentElement;
document.title = 'width ' + d.scrollWidth + ' sections ' + d.querySelectorAll('section').length; }</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("width", [360, 1200])
def test_browser_shows_it_without_errors_or_overflow(tmp_path: Path, inputs: dict[str, Path], width: int) -> None:
    _compared(inputs, None)
    _report(tmp_path, inputs)
    frame = f'<meta charset="utf-8"><iframe src="report/index.html" style="border:0;width:{width}px;height:900px"></iframe>{MEASURE}'
    (tmp_path / "frame.html").write_text(frame, encoding="utf-8")
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-gpu"]
    command = [str(CHROMIUM), "--headless", *quiet, *(["--no-sandbox"] if os.geteuid() == 0 else []), f"--user-data-dir={tmp_path}/profile"]
    command += ["--allow-file-access-from-files", "--enable-logging=stderr", "--window-size=1300,1000", "--dump-dom"]
    done = subprocess.run([*command, (tmp_path / "frame.html").as_uri()], capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r"<title>width (\d+) sections (\d+)</title>", done.stdout)
    assert found, done.stdout[-500:]
    assert int(found[1]) <= width and int(found[2]) == len(SECTIONS)
    assert "CONSOLE" not in done.stderr
