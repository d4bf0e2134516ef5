"""The texts that tokenizers are measured on, each a folder of {kk,ru,en} texts that training never saw.

`development` is what the powers were chosen on, with `flores` in view, on which the mix was adjusted; `untouched` was looked at only
afterwards.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kishi.jsonl import read_rows, write_rows
from kishi.languages import LANGUAGES

Texts = Mapping[str, Sequence[str]]


def corpus(text: Path, folder: Path) -> Path:
    """{kk,ru,en}.jsonl.zst as the data stage would lay them out, the origin of each line as its domain."""
    for language in LANGUAGES:
        tiers: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in read_rows(text / f"{language}.jsonl.zst"):
            tiers[row["tier"]].append({"id": row["id"], "text": row["text"], "source": row["source"]})
        for tier, rows in tiers.items():
            write_rows(folder / "corpus" / tier / f"{language}.jsonl.zst", rows)
    return folder


def development(folder: Path) -> Texts:
    """Wikipedia passages of the reading comprehension sets KazQAD (kk) and XQuAD (ru, en), each once."""
    passages: dict[str, set[str]] = {language: set() for language in LANGUAGES}
    for name in ("kazqad_val_kk", "xquad_en_ru"):
        for row in read_rows(folder / f"{name}.jsonl.zst"):
            passages[row["lang"]].add(row["context"])
    return {language: sorted(texts) for language, texts in passages.items()}


def flores(folder: Path) -> Texts:
    """FLORES-200 devtest: sentences that mean the same in each language."""
    return _rows_of(folder, "flores")


def untouched(benchmarks: Path, heldout: Path) -> dict[str, Texts]:
    """Sets by name: sentences of FLORES-200 dev, the Declaration of Human Rights (both say the same in each language), news and phrases."""
    return {"flores dev": _flores_dev(benchmarks, flores(heldout)), "udhr": _rows_of(heldout, "udhr"), **_translations(benchmarks)}


def _rows_of(folder: Path, prefix: str) -> Texts:
    rows = {language: read_rows(folder / f"{language}.jsonl.zst") for language in LANGUAGES}
    return {language: [row["text"] for row in found if row["id"].startswith(prefix)] for language, found in rows.items()}


def _flores_dev(benchmarks: Path, devtest: Texts) -> Texts:
    """SIB-200 labels sentences of both halves of FLORES: those whose text is in devtest in any language are left out in all."""
    known = {text.strip() for texts in devtest.values() for text in texts}
    sentences: dict[str, dict[str, str]] = defaultdict(dict)
    for row in read_rows(benchmarks / "sib200_kk_ru_en.jsonl.zst"):
        sentences[row["id"].rsplit("/", 1)[1]][row["lang"]] = row["text"]
    kept = [one for one in sentences.values() if not any(text.strip() in known for text in one.values())]
    return {language: [one[language] for one in kept] for language in LANGUAGES}


def _translations(benchmarks: Path) -> dict[str, Texts]:
    """News of X-WMT and phrases of Tatoeba, each text once. Sides of different pairs are different texts: parity means nothing here."""
    names = {"Tatoeba": "tatoeba phrases", "turkic": "x-wmt news"}
    found: dict[str, dict[str, dict[str, None]]] = {name: {language: {} for language in LANGUAGES} for name in names.values()}
    for row in read_rows(benchmarks / "translation_kk_ru_en.jsonl.zst"):
        name = next(name for start, name in names.items() if row["source"].startswith(start))
        for side in ("src", "tgt"):
            text = row["source_text" if side == "src" else "target_text"]
            found[name][row[f"{side}_lang"]][text] = None
    return {name: {language: list(texts) for language, texts in languages.items()} for name, languages in found.items()}
