"""The runner with small real stages: skip, stale, refuse, resume."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kishi.errors import ArtefactError
from kishi.manifest import Manifest
from recipes import runner
from recipes.job import Job
from recipes.loading import load_hardware, load_recipe
from recipes.stages import Stage, chain

calls: list[str] = []


def first(job: Job) -> dict[str, Any]:
    """A stage that writes its seed, and fails halfway when told to."""
    calls.append("first")
    (job.folder / "shard").write_text(str(job.recipe.seed))
    if job.recipe.gguf.types == ("F16",):
        raise ArtefactError("told to fail")
    return {"seed": job.recipe.seed}


def second(job: Job) -> dict[str, Any]:
    """A stage that reads the first."""
    calls.append("second")
    (job.folder / "copy").write_text((job.inputs["one"] / "shard").read_text())
    return {}


ONE = Stage("one", "here:first", (), ("gguf",))
TWO = Stage("two", "here:second", ("one",), ())


def test_what_only_watches_pretraining_makes_no_stage_stale() -> None:
    """A run of days must not begin anew because another checkpoint is to be kept."""

    def section(*sets: str) -> dict[str, Any]:
        recipe = load_recipe(Path("recipes/kishi-tiny.yaml"), sets)
        return chain(recipe)["pretrain-phase1"].section(recipe)

    watching = ("evaluate_every=7", "checkpoint_every=7", "keep.every=3", "questions=0", "heldout_documents=5", "sample_tokens=3")
    assert section(*(f"pretrain.{setting}" for setting in watching)) == section()
    for setting in ("learning_rate=0.1", "on_divergence=stop", "spike.factor=3", "phases.0.steps=121"):
        assert section(f"pretrain.{setting}") != section(), setting


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls.clear()
    monkeypatch.setattr(runner, "RUNS", tmp_path)
    monkeypatch.setattr(Stage, "load", lambda self: {"one": first, "two": second}[self.name])


def _run(stage: Stage, *overrides: str) -> Any:
    return runner.run_stage(stage, load_recipe(Path("recipes/kishi-tiny.yaml"), overrides), load_hardware("cpu"))


def test_up_to_date_stages_do_nothing() -> None:
    _run(ONE), _run(TWO), _run(ONE), _run(TWO)
    assert calls == ["first", "second"]


def test_a_changed_recipe_makes_the_chain_stale() -> None:
    _run(ONE), _run(TWO)
    assert _run(ONE, "seed=7").facts == {"seed": 7}
    changed = load_recipe(Path("recipes/kishi-tiny.yaml"), ["seed=7"])
    assert runner.state(ONE, changed)[0] == "done" and runner.state(TWO, changed)[0] == "stale"
    _run(TWO, "seed=7")
    assert calls == ["first", "second", "first", "second"]


def test_manifests_of_stages_made_again_are_kept(tmp_path: Path) -> None:
    first_time = _run(ONE)
    assert not (tmp_path / "kishi-tiny/history").exists()
    _run(ONE, "seed=99")
    (kept,) = (tmp_path / "kishi-tiny/history").iterdir()
    assert kept.name.startswith("one-") and Manifest.model_validate_json(kept.read_bytes()) == first_time


def test_a_stage_that_shows_the_overlay_is_made_again_with_another() -> None:
    shows = replace(ONE, overlay=("device_watts",))
    _run(shows)
    recipe = load_recipe(Path("recipes/kishi-tiny.yaml"), [])
    runner.run_stage(shows, recipe, load_hardware("cpu", ["device_watts=40"]))
    runner.run_stage(shows, recipe, load_hardware("cpu", ["device_watts=40"]))
    assert calls == ["first", "first"]


def test_a_missing_or_damaged_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="make one"):
        _run(TWO)
    _run(ONE)
    (tmp_path / "kishi-tiny" / "one" / "shard").write_text("9999")
    with pytest.raises(ArtefactError, match="sha256"):
        _run(TWO)


def test_a_failed_stage_leaves_nothing_that_looks_whole_and_goes_on_later(tmp_path: Path) -> None:
    failing = "gguf.types=[F16]"
    with pytest.raises(ArtefactError, match="told to fail"):
        _run(ONE, failing)
    assert not (tmp_path / "kishi-tiny" / "one").exists()
    assert (tmp_path / "kishi-tiny" / "one.partial" / "shard").exists()
    assert runner.state(ONE, load_recipe(Path("recipes/kishi-tiny.yaml"), [failing]))[0] == "partial"
    assert _run(ONE).facts == {"seed": 1234}


def test_a_changed_file_makes_its_stages_stale(tmp_path: Path) -> None:
    chat = tmp_path / "chat.jsonl"
    chat.write_text("one")
    stage, named = Stage("one", "here:first", (), ("eval",), files=("eval",)), f"eval.tasks.0.path={chat}"
    recipe = load_recipe(Path("recipes/kishi-tiny.yaml"), [named])
    assert list(_run(stage, named).files) == [chat.as_posix()]
    assert runner.state(stage, recipe)[0] == "done"
    chat.write_text("two")
    assert runner.state(stage, recipe) == ("stale", f"changed: {chat}")
    _run(stage, named)
    assert calls == ["first", "first"] and runner.state(stage, recipe)[0] == "done"
    chat.unlink()
    assert runner.state(stage, recipe) == ("stale", f"no such file: {chat}")


def test_a_plain_folder_of_the_run_that_appears_or_changes_makes_its_reader_stale(tmp_path: Path) -> None:
    stage, recipe = Stage("one", "here:first", (), (), folders=("plain",)), load_recipe(Path("recipes/kishi-tiny.yaml"))
    path = tmp_path / "kishi-tiny/plain/file"
    _run(stage), _run(stage)
    assert calls == ["first"] and runner.state(stage, recipe)[0] == "done"
    for text in ("one", "two"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        assert runner.state(stage, recipe) == ("stale", f"changed: {path.parent}")
        _run(stage)
        assert runner.state(stage, recipe)[0] == "done"
    assert calls == ["first"] * 3


TOOLS = ["tools.epochs=1", "tools.batch_size=8", "tools.learning_rate=1e-3", "tools.max_length=256"]


@pytest.mark.parametrize("name", ["kishi-tiny", "expand-qwen3"])
@pytest.mark.parametrize(("changes", "final"), [([], "dpo"), (TOOLS, "tools")])
def test_inputs_come_before_their_readers(name: str, changes: list[str], final: str) -> None:
    stages = chain(load_recipe(Path(f"recipes/{name}.yaml"), changes or ["tools=null"]))
    seen: set[str] = set()
    for stage in stages.values():
        assert set(stage.inputs) <= seen, stage.name
        seen.add(stage.name)
    assert final in stages["gguf"].inputs and ("tools" in stages) == bool(changes)
