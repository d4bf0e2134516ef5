"""A leaked test set is found, a clean one is not, and the manifest's word on a file counts only for that very file."""

from pathlib import Path

import pytest

from eval import decontamination, leaks
from kishi.jsonl import read_rows, write_rows
from kishi.manifest import Manifest
from recipes.local_files import state
from recipes.schema_eval import Task

QUESTIONS = Path("data/sample/mcq.jsonl")


def test_a_leaked_row_is_found_in_a_longer_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leaked = next(row for row in read_rows(QUESTIONS) if len(leaks.words(row["question"])) > 8)
    clean = [{"text": f"Бұл мәтінде сұрақ жоқ, тек {number} саны бар."} for number in range(50)]
    write_rows(tmp_path / "corpus/a.jsonl.zst", [*clean, {"text": f"Сайттан. {leaked['question'].upper()} Жауабы төменде."}])
    assert leaks.main([str(QUESTIONS), str(tmp_path / "corpus"), "--out", str(tmp_path / "out.json")]) == 1
    assert leaked["id"] in capsys.readouterr().out and '"document"' in (tmp_path / "out.json").read_text()
    write_rows(tmp_path / "clean/a.jsonl", clean)
    assert leaks.main([str(QUESTIONS), str(tmp_path / "clean")]) == 0


def test_thirteen_words_in_a_row_and_not_twelve(tmp_path: Path) -> None:
    spoken = [f"word{number}" for number in range(30)]
    sought = leaks.Texts([{"text": " ".join(spoken)}])
    assert sought.in_document(" ".join(spoken[5:18]))
    assert not sought.in_document(" ".join(spoken[5:17]))
    assert leaks.Texts([{"text": "four words are few"}]).checked == 0


def test_no_corpus_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert leaks.main([str(QUESTIONS), str(tmp_path)]) == 1
    assert "no .jsonl" in capsys.readouterr().err


def _manifest(files: dict[str, str]) -> Manifest:
    return Manifest.model_construct(files=files, facts={"decontaminated_against": {"mcq": 300}})


def test_state_of_a_task() -> None:
    task = Task(name="mcq", path=str(QUESTIONS), license="-")
    assert decontamination.of(task, _manifest({str(QUESTIONS): state(QUESTIONS)})) == decontamination.REMOVED
    assert decontamination.of(task, _manifest({str(QUESTIONS): "another file's"})) == decontamination.UNKNOWN
    assert decontamination.of(task.model_copy(update={"name": "new"}), _manifest({str(QUESTIONS): state(QUESTIONS)})) == "unknown"
    assert decontamination.of(task, None) == "unknown"
