"""The export stage killed between writing its models and proving them: nothing unproven is kept, and the same bytes come out again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conversion.export_checkpoint import export
from kishi import manifest
from tests.train import tiny_run

pytestmark = pytest.mark.slow

STAGES = ("data", "tokenizer", "index", "pretrain-phase1", "pretrain-phase2")


def test_export_killed_and_run_again_writes_the_same_bytes(undisturbed: Path, copy_of: Callable[..., Path]) -> None:
    runs = copy_of(*STAGES)
    partial, final = runs / "kishi-tiny" / "export-hf.partial", runs / "kishi-tiny" / "export-hf"
    tiny_run.kill_when(runs, "export-hf", (partial / "phase2" / "model.safetensors").exists)
    assert not list(partial.glob("*/parity.json"))
    before = (partial / "phase1" / "model.safetensors").read_bytes()
    (partial / "phase1" / "model.safetensors").write_bytes(before[: len(before) // 2])  # a file that the kill cut

    done = tiny_run.run(runs, "export-hf")
    assert done.returncode == 0, done.stderr
    assert (final / "phase1" / "model.safetensors").read_bytes() == before
    facts = manifest.verify(final).facts
    for phase in ("phase1", "phase2"):
        assert facts[phase]["max_difference"] <= facts[phase]["tolerance"] and facts[phase]["rows"] == 768
        assert not list((final / phase).glob(".*")) and not list((final / phase).glob("*.py"))  # no notes left, no code of its own
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            assert (final / phase / name).read_bytes() == (runs / "kishi-tiny" / "tokenizer" / name).read_bytes()


def test_any_kept_checkpoint_is_exported_beside_the_stages(undisturbed: Path, tmp_path: Path) -> None:
    run = undisturbed / "kishi-tiny"
    folder = export(run, phase=1, step=12, out=tmp_path / "step12")
    parity = json.loads((folder / "parity.json").read_bytes())
    assert parity["max_difference"] <= parity["tolerance"] and parity["rows"] == 768
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step12"] and not list(folder.glob(".*"))
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert export(run, phase=1, step=12, out=folder) == folder and (folder / "model.safetensors").stat().st_mtime_ns == before
