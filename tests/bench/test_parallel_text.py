"""Parallel rows out of documents in several languages: what is aligned, what is left out, what is held aside."""

from pathlib import Path

from bench.parallel_text import aligned, main, name_of, score
from kishi.jsonl import read_rows, write_rows

KK = ["Жоба 2019 жылы басталды.", "Бұл жерде ешкім аудармаған сөйлем тұр, ол басқа тілде жоқ.", "Excel файлын ашып, Save түймесін басыңыз."]
EN = ["The project began in 2019.", "Open the Excel file and press Save in it."]


def _document(name: str, language: str, lines: list[str]) -> dict[str, str]:
    return {"id": name, "text": "\n".join(lines), "lang": language, "license": "CC0-1.0", "tier": "clean"}


def test_paragraphs_without_a_partner_are_left_out() -> None:
    assert aligned(KK, EN) == [(KK[0], EN[0]), (KK[2], EN[1])]
    assert aligned(KK[:1], EN[:1]) == [(KK[0], EN[0])]
    assert score(KK[0], EN[0]) > score(KK[0], "The project began in 2018.")


def test_names_without_words_for_a_language() -> None:
    names = ["x-pr.kk-kz/a/b-1.md", "x-pr.ru-RU/a/b-1.md", "x/a/b-1.md"]
    assert len({name_of(_document(name, "kk", [])) for name in names}) == 1
    assert name_of(_document("news-kaz-150/3", "kk", [])) == name_of(_document("news-ru/3", "ru", [])) == "news/3"


def test_files(tmp_path: Path) -> None:
    kk = [f"Бұл {number} құжаттың бірінші сөйлемі осында тұр." for number in range(100, 300)]
    ru = [f"Здесь стоит первое предложение документа {number}." for number in range(100, 300)]
    for language, lines in (("kk", kk), ("ru", ru), ("en", ["Only here is this one."])):
        documents = [_document(f"{language}/{number}", language, [line, line.upper()]) for number, line in enumerate(lines)]
        write_rows(tmp_path / "in" / f"{language}.jsonl.zst", documents)
    assert main([str(tmp_path / "in"), str(tmp_path / "out")]) == 0
    rows, aside = (list(read_rows(tmp_path / "out" / f"{name}.jsonl")) for name in ("kk-ru", "translation"))
    assert len(rows) + len(aside) == 200 and 0 < len(aside) < 20  # lines in capitals are none
    assert all(row["kk"] in kk and ru[kk.index(row["kk"])] == row["ru"] for row in (*rows, *aside))
    assert not {row["group"] for row in rows} & {row["group"] for row in aside}
    assert not list(read_rows(tmp_path / "out" / "kk-en.jsonl"))
