"""The heavy job on small models: peers, lm-eval's own kinds of task, kills, curves, and figures that raw rows give again."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest
import sacrebleu
import yaml
from sklearn.metrics import f1_score

from eval import any_model, comparison, harness, suite
from eval.examination import figures_of
from eval.scores import choice_baselines
from kishi.errors import ArtefactError, DataError, RecipeError
from kishi.jsonl import read_rows, write_rows
from recipes.schema_eval import Kind
from tests.eval.peers import write

LETTERS = {
    "task": "letters",
    "output_type": "multiple_choice",
    "test_split": "test",
    "doc_to_text": "Q: {{question}}\nA: {{a}}\nB: {{b}}\nAnswer:",
    "doc_to_choice": ["A", "B"],
    "doc_to_target": "{{['1', '2'].index(number)}}",
    "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    "metadata": {"version": 0.0},
}
PAIRS = {
    **{key: LETTERS[key] for key in ("output_type", "test_split", "metric_list")},
    "task": "pairs",
    "doc_to_text": "",
    "target_delimiter": "",
    "doc_to_target": 0,
    "doc_to_choice": "{{[a, b]}}",
    "num_fewshot": 0,
    "metadata": {"version": 1},
}


def _stand_in(root: Path) -> None:
    """Tasks like those that lm-eval ships (Belebele, MultiBLiMP), whose data set is a local folder."""
    rows = [{"question": f"Нешінші {n}?", "a": f"алма {n}", "b": f"алмұрт {n % 3}", "number": str(n % 2 + 1)} for n in range(12)]
    write_rows(root / "hub/test.jsonl", rows)
    for task in (LETTERS, PAIRS):
        (root / f"{task['task']}.yaml").write_text(yaml.safe_dump({**task, "dataset_path": str(root / "hub")}, allow_unicode=True))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints of a peer, a file of tasks, and the suite run over them."""
    root = tmp_path_factory.mktemp("suite")
    _stand_in(root / "shipped")
    write(root / "phase1-step0000400")
    shutil.copytree(root / "phase1-step0000400", root / "phase1-step0000800")
    write_rows(root / "spell.jsonl", [{"lang": "kk", "wrong": f"дала кңе {n}", "right": f"дала кең {n}"} for n in range(9)])
    write_rows(root / "heldout/kk.jsonl.zst", [{"text": "Дала кең екен. Жел соғып тұр."}, {"text": "Таңертең қар жауды."}])
    pairs = {"path": "data/sample/translation.jsonl", "languages": ["kk", "ru"], "limit": 3}
    tasks = [
        {"name": "mcq", "path": "data/sample/mcq.jsonl", "license": "Apache-2.0", "limit": 6, "languages": ["kk"]},
        {"name": "pairs_tr", "kind": "translation", "license": "-", **pairs},
        {"name": "spell", "kind": "spelling", "path": str(root / "spell.jsonl"), "license": "-", "languages": ["kk"]},
        *({"name": name, "kind": "lm_eval", "path": str(root / "shipped"), "license": "-"} for name in ("letters", "pairs")),
    ]
    (root / "tasks.yaml").write_text(yaml.safe_dump({"tasks": tasks, "languages": ["kk"]}))
    assert suite.main(_arguments(root)) == 0
    return root


def _arguments(root: Path, *more: str) -> list[str]:
    models = [str(root / "phase1-step0000400"), str(root / "phase1-step0000800")]
    return [
        *models,
        "--tasks",
        str(root / "tasks.yaml"),
        "--out",
        str(root / "out"),
        "--heldout",
        str(root / "heldout"),
        "--length",
        "128",
        *more,
    ]


def _results(place: Path) -> Any:
    return json.loads((place / "out/results.json").read_text())


def test_all_tasks_stand_in_one_table_with_versions_and_curves(place: Path) -> None:
    results = _results(place)
    assert set(results["tasks"]) == {
        *("mcq_kk@2.1", "pairs_tr_kk_ru@1.1", "pairs_tr_ru_kk@1.1", "spell_kk@1.1", "heldout_kk@1.1"),
        *("letters@0.0", "pairs@1"),
    }
    assert all(set(row["tasks"]) == set(results["tasks"]) for row in results["models"].values())
    curve = (place / "out/curves/heldout_kk@1.1.svg").read_text()
    assert curve.startswith("<svg") and "bits_per_byte, phase 1" in curve
    assert "| letters@0.0 | acc" in (place / "out/table.md").read_text()


def test_figures_recomputed_by_other_code_from_raw_rows_agree_to_the_last_digit(place: Path) -> None:
    results = _results(place)
    for model, row in results["models"].items():
        raw = list(read_rows(place / "out/samples" / f"{model}.jsonl"))
        for label, figures in row["tasks"].items():
            own = [one for one in raw if one["task"] == label]
            assert figures["n"] == len(own) == results["tasks"][label]["n"]
            if "acc" in figures:
                said = [max(range(len(one["loglikelihoods"])), key=lambda place: one["loglikelihoods"][place]) for one in own]
                truth = [one["truth"] for one in own]
                assert figures["acc"] == round(sum(a == b for a, b in zip(said, truth, strict=True)) / len(own), 4)
                assert figures["macro_f1"] == round(f1_score(truth, said, labels=sorted(set(truth)), average="macro", zero_division=0), 4)
            elif "chrf" in figures:
                written, right = [one["written"] for one in own], [[one["references"][0] for one in own]]
                assert figures["chrf"] == round(sacrebleu.corpus_chrf(written, right).score, 4)
            else:
                texts = sum(len(one["text"].encode()) for one in own)
                assert figures["bits_per_byte"] == round(sum(one["bits"] for one in own) / texts, 5)


def test_accuracy_of_lm_evals_own_tasks_is_lm_evals(place: Path) -> None:
    with any_model.opened(str(place / "phase1-step0000400"), 128, chat=False) as model:
        for name in ("letters", "pairs"):
            found = harness.ask(model.harness(), name, harness.manager((place / "shipped",), False))
            label = f"{name}@{found['versions'][name]}"
            assert _results(place)["models"]["phase1-step0000400"]["tasks"][label]["acc"] == round(found["results"][name]["acc,none"], 4)


def test_a_set_whose_first_choice_is_always_right_does_not_flatter_a_constant_answer(place: Path) -> None:
    rows = [row for row in read_rows(place / "out/samples/phase1-step0000400.jsonl") if row["task"] == "pairs@1"]
    assert {row["truth"] for row in rows} == {0, 1}  # turned round; lm-eval has 0 everywhere
    constant = [{**row, "loglikelihoods": [0.0, 0.0]} for row in rows]
    baselines = choice_baselines([(2, row["truth"]) for row in rows])
    assert figures_of("choice", constant, baselines)["acc"] < 0.8 and not figures_of("choice", constant, baselines)["beats_constant"]


def test_the_same_command_again_opens_no_model(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _results(place)

    @contextmanager
    def never(*_: Any, **__: Any) -> Iterator[Any]:
        raise AssertionError("opened")
        yield

    monkeypatch.setattr(any_model, "opened", never)
    assert suite.main(_arguments(place)) == 0 and _results(place) == before
    (place / "out/units/phase1-step0000800/mcq_kk@2.1.json").write_text("{")  # half a file is measured again
    with pytest.raises(AssertionError, match="opened"):
        suite.main(_arguments(place))
    monkeypatch.undo()
    assert suite.main(_arguments(place)) == 0 and _results(place) == before


def test_versions_are_not_compared(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = _results(place)
    newer = {
        "models": results["models"],
        "tasks": {label.replace("spell_kk@1.1", "spell_kk@1.2"): one for label, one in results["tasks"].items()},
    }
    other = json.loads(json.dumps(results))
    other["tasks"]["mcq_kk@2.1"]["documents_sha256"] = "0"
    for name, changed, said in (("newer", newer, "spell_kk@1.2 and spell_kk@1.1"), ("other", other, "mcq_kk@2.1 has other documents")):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(changed))
        assert comparison.main([str(place / "out/results.json"), str(path)]) == 1
        assert said in capsys.readouterr().err
    assert comparison.main([str(place / "out/results.json"), str(place / "out/results.json")]) == 0
    assert "out/phase1-step0000400" in capsys.readouterr().out


def test_mistakes_are_named(place: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="two models are called model"):
        suite.subjects(["model=a", "model=b"], [])
    (tmp_path / "tasks.yaml").write_text("tasks: [{name: x, kind: maths, license: MIT}]")
    with pytest.raises(RecipeError, match="needs path"):
        suite.read_tasks(tmp_path / "tasks.yaml", None)
    assert len(suite.read_tasks(Path("recipes/kishi-tiny.yaml"), Path("heldout")).tasks) == 1 + 3
    with pytest.raises(DataError, match="lm-eval has no task nonsense"):
        harness.ask(None, "nonsense", harness.manager((place / "shipped",), False))
    lost = shutil.copytree(place / "phase1-step0000400", tmp_path / "lost")
    (lost / "model.safetensors").unlink()
    with pytest.raises(ArtefactError, match="no whole model"), any_model.opened(str(lost), 64, chat=False):
        pass


def test_the_page_that_teaches_tasks_is_true() -> None:
    """Its example can be read, and its table has a line for each kind."""
    page = Path("docs/evaluation.md").read_text(encoding="utf-8")
    example = yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])
    assert [task.kind for task in suite.Suite.model_validate(example).tasks] == ["reading", "topic", "lm_eval"]
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(get_args(Kind))
