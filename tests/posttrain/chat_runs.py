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

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM, Trainer
from trl import DPOTrainer, GRPOTrainer, KTOTrainer, RewardTrainer, SFTTrainer

from kishi.signals import end_on_stop
from kishi.special_tokens import END_OF_TEXT, PAD, SPECIAL_TOKENS
from posttrain import checkpoints, dpo, grpo, model_folder, reward, sft
from recipes.job import Job
from recipes.loading import load_hardware, load_recipe

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


def make_base(folder: Path) -> None:
    """An untrained Qwen3 of two narrow layers with a byte-level tokenizer and the project's special tokens and template."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE(vocab={token: place for place, token in enumerate([*SPECIAL_TOKENS, *letters])}, merges=[]))
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END_OF_TEXT, pad_token=PAD)
    wrapped.chat_template = Path("tokenizer/chat_template.jinja").read_text()
    wrapped.save_pretrained(folder)
    (folder / "special_tokens_map.json").write_text("{}")
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=320, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        head_dim=16, max_position_embeddings=256, tie_word_embeddings=True, eos_token_id=0, pad_token_id=1,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(folder)


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
    make_base(home / "base" / "phase2")
    codes = [_forked(home, *one) for one in json.loads((home / "plan.json").read_text())]
    print(json.dumps(codes))
