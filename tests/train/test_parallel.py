"""A model cut across processes goes on as a whole one does: in width (tensor parallelism), and in its stack of layers (pipeline)."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from eval import held_out
from eval.hugging_face import negative_log_likelihood
from tests.train import tiny_run

pytestmark = pytest.mark.slow

OVERLAY = "device: cpu\nprocesses: 2\nmicro_batch_size: 16\nprecision: fp32\nattention: sdpa\n"
MEASURED = ("loss", "learning_rate", "bits_per_byte", "bits_per_byte_dirty")


def test_phase2_is_the_same_cut_in_width_or_in_layers(undisturbed: Path, tmp_path: Path, copy_of: Callable[..., Path]) -> None:
    """From the same checkpoint: a model that begins cut begins with other random weights."""
    runs, whole = copy_of("data", "tokenizer", "index", "pretrain-phase1"), tiny_run.metrics(undisturbed, 2)
    for key in ("tensor_parallel", "pipeline_parallel"):
        overlay = tmp_path / f"{key}.yaml"
        overlay.write_text(f"{OVERLAY}{key}: 2\n")
        done = tiny_run.run(runs, "pretrain-phase2", "--hw", str(overlay))
        assert done.returncode == 0, done.stdout + done.stderr
        ours = tiny_run.metrics(runs, 2)
        assert [row.keys() for row in ours] == [row.keys() for row in whole]
        for mine, other in zip(ours, whole, strict=True):
            for name in set(MEASURED) & other.keys():
                assert mine[name] == pytest.approx(other[name], rel=1e-4), (key, mine["step"], name)
        check_export(runs)
        shutil.rmtree(runs / "kishi-tiny" / "pretrain-phase2")


def check_export(runs: Path) -> None:
    """One process puts the parts together: the plain model measures on held-out text what the cut one did."""
    done = tiny_run.run(runs, "export-hf")
    assert done.returncode == 0, done.stdout + done.stderr
    tokenizer = Tokenizer.from_file(str(runs / "kishi-tiny/tokenizer/tokenizer.json"))
    whole, limit = held_out.load(runs / "kishi-tiny/data", tokenizer, ("kk",))["kk"], 6
    assert limit == tiny_run.SETTINGS["pretrain.heldout_documents"] < len(whole.texts)
    chosen = [number * len(whole.texts) // limit for number in range(limit)]  # as train/evaluate.py does
    text = replace(whole, texts=[whole.texts[n] for n in chosen], documents=[whole.documents[n] for n in chosen])
    assert list((runs / "kishi-tiny/pretrain-phase2/checkpoints").glob("iter_*/__1_*.distcp"))  # the second process's part
    model = AutoModelForCausalLM.from_pretrained(runs / "kishi-tiny/export-hf/phase2", dtype=torch.float32)
    found = text.bits_per_byte(partial(negative_log_likelihood, model), 128)
    assert found == pytest.approx(tiny_run.metrics(runs, 2)[-1]["bits_per_byte"]["kk"], rel=1e-4)
