"""A model cut across processes learns what a whole one does: layers cut in width in phase 1, the stack of layers cut in phase 2."""

from functools import partial
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from eval import held_out
from eval.hugging_face import negative_log_likelihood
from tests.train import tiny_run

OVERLAY = "device: cpu\nprocesses: 2\nmicro_batch_size: 16\nprecision: fp32\nattention: sdpa\n"


def test_tensor_then_pipeline_parallelism_give_the_losses_of_one_process(undisturbed: Path, tmp_path: Path, copy_of: object) -> None:
    runs = copy_of("data", "tokenizer", "index")  # type: ignore[operator]
    for phase, key in ((1, "tensor_parallel"), (2, "pipeline_parallel")):
        overlay = tmp_path / f"{key}.yaml"
        overlay.write_text(f"{OVERLAY}{key}: 2\n")
        done = tiny_run.run(runs, f"pretrain-phase{phase}", "--hw", str(overlay))
        assert done.returncode == 0, done.stdout + done.stderr
        ours, whole = tiny_run.metrics(runs, phase), tiny_run.metrics(undisturbed, phase)
        assert [row["step"] for row in ours] == [row["step"] for row in whole]
        for mine, other in zip(ours, whole, strict=True):
            assert mine.keys() == other.keys()
            for name in ("loss", "learning_rate"):
                assert mine.get(name) == pytest.approx(other.get(name), rel=1e-4) if name in other else name not in mine
            for name in ("bits_per_byte", "bits_per_byte_dirty"):
                assert mine.get(name) == pytest.approx(other[name], rel=1e-4) if name in other else name not in mine
    check_export(runs)


def check_export(runs: Path) -> None:
    """One process puts the parts together: the plain model measures on held-out text what the cut one did."""
    done = tiny_run.run(runs, "export-hf")
    assert done.returncode == 0, done.stdout + done.stderr
    tokenizer = Tokenizer.from_file(str(runs / "kishi-tiny/tokenizer/tokenizer.json"))
    text = held_out.load(runs / "kishi-tiny/data", tokenizer, ("kk",))["kk"]
    for phase in (1, 2):
        assert len(list((runs / f"kishi-tiny/pretrain-phase{phase}/checkpoints").glob("iter_*/__1_*.distcp"))) > 0  # the second's part
        model = AutoModelForCausalLM.from_pretrained(runs / f"kishi-tiny/export-hf/phase{phase}", dtype=torch.float32)
        found = text.bits_per_byte(partial(negative_log_likelihood, model), 128)
        assert found == pytest.approx(tiny_run.metrics(runs, phase)[-1]["bits_per_byte"]["kk"], rel=1e-4)
