"""The bounded sample: shares, small domains first, the same documents whatever the order of the file."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kishi.errors import DataError
from kishi.jsonl import write_rows
from tokenizer.sample import Stratum, allot, plan
from tokenizer.word_weights import count, repeated, weigh

MIX = {"kk": 0.5, "en": 0.5}


def rows(source: str, number: int, letters: int = 100) -> list[dict[str, Any]]:
    return [{"id": str(place), "source": source, "text": f"{place:04d}" + "a" * (letters - 4)} for place in range(number)]


def test_shares_bound_and_small_domains(tmp_path: Path) -> None:
    write_rows(tmp_path / "corpus/clean/kk.jsonl.zst", [*rows("large", 900), *rows("small", 10)])
    write_rows(tmp_path / "corpus/dirty/en.jsonl.zst", rows("web", 900))
    drawn = plan(tmp_path, MIX, megabytes=0.02, domain_power=0.5, seed=1)  # type: ignore[arg-type]
    assert drawn.chosen == {Stratum("kk", "small"): 1000, Stratum("kk", "large"): 9000, Stratum("en", "web"): 10000}
    texts = list(drawn.texts())
    assert sum(len(text) for _, text in texts) == drawn.bytes == 20_000
    assert [text for _, text in texts if text.startswith("0000")] != texts[:1], "not the first documents"


def test_words_of_documents_left_out_for_their_form_or_the_mix_are_learnt_too(tmp_path: Path) -> None:
    def removed(reason: str, unit: str = "document", lang: str = "kk") -> dict[str, Any]:
        return {
            "id": f"{reason}{unit}{lang}",
            "source": "s",
            "lang": lang,
            "unit": unit,
            "reason": reason,
            "text": f"{reason} {unit} {lang}",
        }

    write_rows(tmp_path / "corpus/clean/kk.jsonl.zst", [{"id": "1", "source": "s", "text": "kept"}])
    write_rows(tmp_path / "removed/mix.jsonl.zst", [removed("over-mix"), removed("over-mix", lang="ru")])
    filtered = [removed("too-short"), removed("too-short", unit="line"), removed("long-words")]
    write_rows(tmp_path / "removed/filters.jsonl.zst", filtered)
    write_rows(tmp_path / "removed/duplicates.jsonl.zst", [removed("near-duplicate")])
    texts = {text for _, text in plan(tmp_path, {"kk": 1.0}, 1.0, 0.5, 1).texts()}
    assert texts == {"kept", "over-mix document kk", "too-short document kk"}


def test_the_order_of_the_file_does_not_matter_and_the_seed_does(tmp_path: Path) -> None:
    def draw(name: str, documents: list[dict[str, Any]], seed: int) -> set[str]:
        write_rows(tmp_path / name / "corpus/clean/en.jsonl.zst", documents)
        return {text for _, text in plan(tmp_path / name, {"en": 1.0}, 0.01, 1.0, seed).texts()}

    documents = rows("web", 1000)
    assert draw("a", documents, 1) == draw("b", documents[::-1], 1) != draw("c", documents, 2)


def test_a_language_without_text_is_an_error(tmp_path: Path) -> None:
    write_rows(tmp_path / "corpus/clean/kk.jsonl.zst", rows("web", 3))
    with pytest.raises(DataError, match="no text in en"):
        plan(tmp_path, MIX, 1.0, 0.5, 1)  # type: ignore[arg-type]


@given(sizes=st.dictionaries(st.text(max_size=3), st.floats(1, 1e6), min_size=1, max_size=8), room=st.floats(1, 1e7), power=st.floats(0, 1))
def test_allot_fills_the_room_and_takes_no_more_than_there_is(sizes: dict[str, float], room: float, power: float) -> None:
    given_ = allot(sizes, room, power)
    assert given_.keys() == sizes.keys() and all(part <= sizes[key] * (1 + 1e-9) for key, part in given_.items())
    assert sum(given_.values()) == pytest.approx(min(room, sum(sizes.values())))


def test_weights_dampen_repetition_and_keep_the_shares_of_languages() -> None:
    manual, news, english = Stratum("kk", "manual"), Stratum("kk", "news"), Stratum("en", "web")
    texts = [(manual, "өнім" * 1 + " өнім" * 99 + " бет Office"), (news, "ауа бет"), (english, "air page")]
    counts = count(texts)
    assert counts[manual] == {"өнім": 1, " өнім": 99, " бет": 1, " Office": 1}
    plain = weigh(counts, {"kk": 0.5, "en": 0.5}, count_power=1, domain_power=1)
    dampened = weigh(counts, {"kk": 0.5, "en": 0.5}, count_power=0.5, domain_power=0.5)
    for weights in (plain, dampened):
        assert " Office" not in weights, "Latin letters do not count as Kazakh"
        size = {piece: weight * len(piece.encode()) for piece, weight in weights.items()}
        assert size["air"] + size[" page"] == pytest.approx(sum(size.values()) / 2)
        assert sum(weights.values()) == pytest.approx(106)
    assert plain[" өнім"] / plain[" бет"] == pytest.approx(99 / 2)
    assert dampened[" өнім"] / dampened[" бет"] < 5
    assert sum(len(group) for group in repeated(plain, most=50)) == pytest.approx(50, abs=3)
