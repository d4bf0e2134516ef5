"""What a reward model thinks of answers."""

from collections.abc import Sequence
from typing import Any

import torch

from posttrain.likelihood import batches

BATCH_TOKENS = 16_384

Messages = list[dict[str, str]]


@torch.no_grad()
def scores(model: Any, tokenizer: Any, conversations: Sequence[Messages], bf16: bool = False) -> torch.Tensor:
    """One number for each conversation that ends with an answer, higher is better; shape (conversations,)."""
    training = model.training
    model.eval()
    rows = [list(tokenizer.apply_chat_template(turns, return_dict=True)["input_ids"]) for turns in conversations]
    found = torch.zeros(len(rows))
    for places in batches([len(row) for row in rows], BATCH_TOKENS):
        longest = max(len(rows[place]) for place in places)
        padded = [rows[place] + [tokenizer.pad_token_id] * (longest - len(rows[place])) for place in places]
        ids = torch.tensor(padded, device=model.device)
        with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
            logits = model(input_ids=ids, attention_mask=(ids != tokenizer.pad_token_id).long()).logits
        found[places] = logits[:, 0].float().cpu()
    model.train(training)
    return found


def answered(prompt: Messages, text: str) -> Messages:
    """The conversation with this answer."""
    return [*prompt, {"role": "assistant", "content": text}]
