"""The ablation's parts on the sample corpus: layout of the text, one variant, and what a figure made from a record shows."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.tokenizer_ablation import CHOSEN, Variant, figures, learn
from bench.tokenizer_figures import draw
from bench.tokenizer_texts import corpus
from kishi.jsonl import read_rows, write_rows
from kishi.languages import LANGUAGES
from tokenizer.encoder import HuggingFace


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    documents = [row for path in sorted(Path("data/sample/corpus").glob("*.jsonl")) for row in read_rows(path)]
    for language in LANGUAGES:
        rows = [{**row, "source": row["domain"], "tier": "clean"} for row in documents if row["lang"] == language]
        write_rows(folder / f"{language}.jsonl.zst", rows)
    return corpus(folder, folder / "laid-out")


def per_word(data: Path, variant: Variant) -> dict[str, float]:
    tokenizer, facts = learn(data, variant)
    assert facts["sample_megabytes"] > 0
    texts = {language: [row["text"] for row in read_rows(data / f"corpus/clean/{language}.jsonl.zst")] for language in LANGUAGES}
    rows = figures(HuggingFace("x", tokenizer), {"flores": texts})["flores"]
    return {language: rows[language]["tokens_per_word"] for language in LANGUAGES}


def test_more_weight_on_a_language_makes_it_cheaper(data: Path) -> None:
    even = per_word(data, replace(CHOSEN, mix=(0.34, 0.33, 0.33), vocabulary=1024))
    kazakh = per_word(data, replace(CHOSEN, mix=(0.8, 0.1, 0.1), vocabulary=1024))
    assert kazakh["kk"] < even["kk"] and kazakh["ru"] > even["ru"] and kazakh["en"] > even["en"]


def test_figures_are_made_from_the_committed_records(tmp_path: Path) -> None:
    made = draw(Path("bench/records"), tmp_path)
    names = ("peers", "steps", "vocabulary", "mix", "pattern", "merges", "word", "speed", "rows")
    assert {path.name for path in made} == {f"tokenizer-{name}.svg" for name in names}
    for path in made:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
        assert path.read_text(encoding="utf-8") == (Path("docs/figures") / path.name).read_text(encoding="utf-8"), "docs/figures is stale"
