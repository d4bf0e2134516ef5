"""Bits per byte against answers that are known."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from eval.held_out import HeldOut
from eval.hugging_face import negative_log_likelihood
from kishi.bits_per_byte import Window

VOCAB = 97


class Uniform:
    """A model that knows nothing: equal logits for all tokens."""

    device = torch.device("cpu")

    def __call__(self, ids: torch.Tensor) -> Any:
        return SimpleNamespace(logits=torch.zeros(*ids.shape, VOCAB))


def test_uniform_model_costs_log2_of_the_vocabulary_a_token() -> None:
    text = HeldOut(["қ" * 150, "a" * 100], [list(range(5, 95)), [7] * 33], start=0)
    bits = text.bits_per_byte(lambda cut: negative_log_likelihood(Uniform(), cut), 16)
    assert bits == pytest.approx(123 * math.log2(VOCAB) / 400, abs=1e-4)


def test_batched_padded_scoring_equals_one_token_at_a_time() -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=VOCAB,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
    )
    model = Qwen3ForCausalLM(config).eval()
    cut = [Window([3, 8, 5, 9, 4], 2), Window([1, 2], 1)]
    by_hand = 0.0
    with torch.no_grad():
        for window in cut:
            for place in range(len(window.tokens) - window.scored, len(window.tokens)):
                logits = model(torch.tensor([window.tokens[:place]])).logits[0, -1]
                by_hand -= float(logits.log_softmax(-1)[window.tokens[place]])
    assert negative_log_likelihood(model, cut) == pytest.approx(by_hand, rel=1e-5)
