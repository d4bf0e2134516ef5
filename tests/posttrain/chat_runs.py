"""A small base model and the chat stages as processes that are killed and started again.

`python tests/posttrain/chat_runs.py FOLDER` reads FOLDER/plan.json, a list of [stage, name of the run, fate, step], runs each in a
forked process (the libraries are imported once) and prints the list of exit codes. Fates: "", "die-after" a checkpoint,
"die-while-saving" one, "die-after-training", "stop-after" a checkpoint: by SIGTERM, as the runner handles it.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from transformers import Trainer
from trl import DPOTrainer, GRPOTrainer, KTOTrainer, RewardTrainer, SFTTrainer

from kishi.signals import end_on_stop
from posttrain import checkpoints, dpo, grpo, model_folder, reward, sft
from recipes.job import Job
from recipes.loading import load_hardware, load_recipe
from tests.posttrain.tiny_base import make_base

__all__ = ["DPOTrainer", "GRPOTrainer", "KTOTrainer", "RewardTrainer", "SFTTrainer"]  # imported before the forks, which is what costs time
SMALL = (
    "sft.epochs=0.5", "dpo.epochs=0.5", "dpo.sft_weight=0", "sft.batch_size=4", "reward.epochs=0.5",
    "reward.batch_size=4", "reward.prompts=2",
)  # fmt: skip
GRPO = "grpo={examples: 4, heldout: 6, generations: 2, batch_size: 4, answer_tokens: 8, learning_rate: 1.0e-3}"
STAGES = {"sft": sft, "dpo": dpo, "reward": reward, "grpo": grpo}
VARIANTS = {  # other ways to train, by the name of the run
    "packed": ("sft.packing=true",),
    "lora": ("sft.lora={rank: 2, alpha: 4}", "dpo.lora={rank: 2, alpha: 4}", "reward.lora={rank: 2, alpha: 4}"),
    "neftune": ("sft.neftune_alpha=5",),
    "kto": ("dpo.method=kto",),
    "reference-free": ("dpo.reference_free=true", "dpo.loss=sigmoid_norm"),
    "grpo": (GRPO,),
}


def run(folder: Path, stage: str, name: str, fate: str, step: int) -> None:
    """The stage in `folder/name/stage`."""
    job = job_of(folder, stage, name, "cpu")
    job.folder.mkdir(parents=True, exist_ok=True)
    if fate:
        _die_at(fate, step)
    (job.folder / "facts.json").write_text(json.dumps(STAGES[stage].run(job)))


def job_of(folder: Path, stage: str, name: str, overlay: str) -> Job:
    """On the base model (sft) or on what the undisturbed stages made, with the changes of the variant that the run is named after."""
    changes = [*SMALL, *VARIANTS.get(name.partition("/")[0], ())]
    recipe = load_recipe(Path("recipes/kishi-tiny.yaml"), changes)
    made = {stage: folder / "whole" / stage for stage in ("sft", "dpo")}
    return Job(recipe, load_hardware(overlay), folder / name / stage, {"export-hf": folder / "base", "chat-data": folder, **made})


def all_stages(job: Job) -> dict[str, Any]:
    """Under torchrun: each stage in a folder of its own, in processes that import the libraries once."""
    facts = {}
    for stage in ("sft", "dpo", "reward"):
        one = Job(job.recipe, job.hardware, job.folder / stage, job.inputs)
        one.folder.mkdir(exist_ok=True)
        facts[stage] = STAGES[stage].train(one)
    return facts


def _die_at(fate: str, step: int) -> None:
    """Have this process killed at a known moment of training."""

    def die(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM if fate == "stop-after" else signal.SIGKILL)

    if fate == "stop-after":
        end_on_stop()

    saved, marked = Trainer._save_optimizer_and_scheduler, checkpoints.MarkComplete.on_save

    def save(self: Any, output: str) -> None:
        if fate == "die-while-saving" and self.state.global_step >= step:
            die()
        saved(self, output)

    def mark(self: Any, args: Any, state: Any, control: Any, **rest: Any) -> None:
        marked(self, args, state, control, **rest)
        if fate in ("die-after", "stop-after") and state.global_step >= step:
            die()

    Trainer._save_optimizer_and_scheduler, checkpoints.MarkComplete.on_save = save, mark
    if fate == "die-after-training":
        model_folder.save = model_folder.save_scorer = die


def _forked(folder: Path, stage: str, name: str, fate: str, step: int) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        run(folder, stage, name, fate, step)
        code = 0
    except BaseException:
        traceback.print_exc()  # the fork would end without a word
    finally:
        os._exit(code)


if __name__ == "__main__":
    home = Path(sys.argv[1])
    make_base(home / "base" / "phase2", layers=2, context=256)
    codes = [_forked(home, *one) for one in json.loads((home / "plan.json").read_text())]
    print(json.dumps(codes))
