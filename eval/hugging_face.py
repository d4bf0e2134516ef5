"""A Hugging Face causal model in fp32: what its text costs, what it writes, and its form for lm-eval."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from kishi.bits_per_byte import Window, batches, padded
from kishi.special_tokens import END_OF_TEXT, PAD, TURN_END

_BATCH_TOKENS = 4096  # logits of one batch: this x vocabulary x 4 bytes
_IGNORE = -100  # cross_entropy's own mark
_FILLING = 0  # any token will do on the right, where causal attention cannot look


@dataclass(frozen=True)
class HuggingFaceModel:
    """See `eval.measure.LanguageModel`. `length`: tokens it takes at most; `chat`: prompts go through the chat template."""

    model: Any
    tokenizer: Any
    length: int
    chat: bool

    def negative_log_likelihood(self, cut: list[Window]) -> float:
        """Nats over the scored tokens of all windows."""
        return negative_log_likelihood(self.model, cut)

    def harness(self) -> Any:
        """The lm-eval `LM`."""
        from lm_eval.models.huggingface import HFLM

        batch = max(1, _BATCH_TOKENS // self.length)
        return HFLM(pretrained=self.model, tokenizer=self.tokenizer, batch_size=batch, max_length=self.length)

    @torch.inference_mode()
    def write(self, prompt: str, room: int) -> tuple[str, bool]:
        """(greedy text of at most `room` tokens, whether it ended by itself)."""
        stops = self.tokenizer.convert_tokens_to_ids([END_OF_TEXT, *([TURN_END] if self.chat else [])])
        ids = torch.tensor([prompt_ids(self.tokenizer, prompt, self.chat)], device=self.model.device)
        out = self.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=room,
            do_sample=False,
            eos_token_id=stops,
            pad_token_id=self.tokenizer.convert_tokens_to_ids(PAD),
        )
        new = out[0, ids.shape[1] :].tolist()
        return self.tokenizer.decode(new, skip_special_tokens=True), bool(new) and new[-1] in stops


def prompt_ids(tokenizer: Any, prompt: str, chat: bool) -> list[int]:
    """A user's turn in the chat template, or plain text after end-of-text, as documents begin in pretraining."""
    if not chat:
        return [tokenizer.convert_tokens_to_ids(END_OF_TEXT), *tokenizer.encode(prompt, add_special_tokens=False)]
    messages = [{"role": "user", "content": prompt}]
    ids: list[int] = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]
    return ids


@contextmanager
def opened(
    folder: Path, tokenizer: Any, length: int, chat: bool, device: str, random_seed: int | None = None
) -> Iterator[HuggingFaceModel]:
    """The model, its memory given back at the end. With `random_seed` the weights are random instead of those in the folder."""
    from transformers import AutoConfig, AutoModelForCausalLM

    if random_seed is None:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    else:
        torch.manual_seed(random_seed)
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32)
    try:
        yield HuggingFaceModel(model.eval().to(device), tokenizer, length, chat)
    finally:
        del model
        gc.collect()  # lm-eval's wrapper holds the model in reference cycles


@torch.inference_mode()
def negative_log_likelihood(model: Any, cut: list[Window]) -> float:
    """Nats over the scored tokens of all windows."""
    total = 0.0
    for batch in batches(cut, _BATCH_TOKENS):
        inputs, targets = (torch.tensor(rows, device=model.device) for rows in padded(batch, _FILLING, _IGNORE))
        logits = model(inputs).logits.float()
        total += float(cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=_IGNORE, reduction="sum"))
    return total
