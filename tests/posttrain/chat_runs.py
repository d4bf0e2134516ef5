"""A small base model and the two chat stages as processes that are killed and started again.

`python tests/posttrain/chat_runs.py FOLDER` reads FOLDER/plan.json, a list of [stage, name of the run, fate, step], runs each in a
forked process (the libraries are imported once) and prints the list of exit codes. Fates: "", "die-after" a checkpoint,
"die-while-saving" one, "die-after-training", "stop-after" a checkpoint: by SIGTERM, as the runner handles it.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM, Trainer
from trl import DPOTrainer, SFTTrainer

from kishi.signals import end_on_stop
from kishi.special_tokens import END_OF_TEXT, PAD, SPECIAL_TOKENS
from posttrain import checkpoints, dpo, model_folder, sft
from recipes.job import Job
from recipes.loading import load_hardware, load_recipe

__all__ = ["DPOTrainer", "SFTTrainer"]  # imported before the forks, which is what costs time
SMALL = ["sft.epochs=0.5", "dpo.epochs=0.5", "sft.batch_size=4"]


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
    """The stage in `folder/name/stage`, on the base model (sft) or on what the undisturbed sft made (dpo)."""
    recipe = load_recipe(Path("recipes/kishi-tiny.yaml"), SMALL)
    place = folder / name / stage
    place.mkdir(parents=True, exist_ok=True)
    if fate:
        _die_at(fate, step)
    job = Job(recipe, load_hardware("cpu"), place, {"export-hf": folder / "base", "sft": folder / "whole" / "sft", "chat-data": folder})
    facts = {"sft": sft, "dpo": dpo}[stage].run(job)
    (place / "facts.json").write_text(json.dumps(facts))


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
        model_folder.save = die


def _forked(folder: Path, stage: str, name: str, fate: str, step: int) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        run(folder, stage, name, fate, step)
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    home = Path(sys.argv[1])
    make_base(home / "base" / "phase2")
    codes = [_forked(home, *one) for one in json.loads((home / "plan.json").read_text())]
    print(json.dumps(codes))
