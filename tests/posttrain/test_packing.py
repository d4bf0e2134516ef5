"""A packed row has the logits of its conversations alone, and a step sees the same examples however it is shared out."""

from typing import Any

import pytest
import torch
from torch.utils.data import BatchSampler
from transformers import Qwen3Config, Qwen3ForCausalLM

from kishi.errors import ArtefactError
from posttrain.likelihood import IGNORED, Row, log_likelihoods
from posttrain.order import FullBatches
from posttrain.packing import PackedRows, check_attention, packed

PAD = 1
ROWS: list[Row] = [([10 + n, *range(20, 20 + n)], [IGNORED, *range(20, 20 + n)]) for n in (3, 7, 5, 12, 2, 1)]


def _model(attention: str, device: str = "cpu") -> Any:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
        max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    return Qwen3ForCausalLM._from_config(config, attn_implementation=attention).eval().to(device)


def _batch() -> tuple[dict[str, torch.Tensor], Any]:
    data = packed(ROWS, 16)
    assert sorted(length for row in data for length in row["seq_lengths"]) == [2, 3, 4, 6, 8, 13] and len(data) == 3
    return PackedRows(PAD)(list(data)), data


def _differences(model: Any, batch: dict[str, torch.Tensor], data: Any) -> list[float]:
    """Of each conversation's logits in its row from those when it is alone."""
    found = []
    with torch.no_grad():
        logits = model(**{k: v.to(model.device) for k, v in batch.items() if k != "labels"}, use_cache=False).logits
        for place, row in enumerate(data):
            start = 0
            for length in row["seq_lengths"]:
                alone = model(input_ids=torch.tensor([row["input_ids"][start : start + length]], device=model.device)).logits[0]
                found.append(float((logits[place, start : start + length] - alone).abs().max()))
                start += length
    return found


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_rows_have_the_logits_of_their_conversations(attention: str) -> None:
    model, (batch, data) = _model(attention), _batch()
    differences = _differences(model, batch, data)
    assert len(differences) == len(ROWS) and max(differences) < 1e-4
    leaking = {**batch, "attention_mask": torch.ones_like(batch["input_ids"])}  # a mask hides the borders: what TRL's other way would do
    assert max(_differences(model, leaking, data)) > 0.01


@pytest.mark.gpu
def test_packed_rows_on_a_gpu() -> None:
    model, (batch, data) = _model("sdpa", "cuda"), _batch()
    assert max(_differences(model, batch, data)) < 1e-3


def test_padding_and_first_tokens_are_not_learnt() -> None:
    batch, _ = _batch()
    learnt = batch["labels"] != IGNORED
    assert int(learnt.sum()) == sum(len(ids) - 1 for ids, _ in ROWS)
    assert not learnt[batch["position_ids"] == 0].any() and not learnt[batch["input_ids"] == PAD].any()
    loss = _model("sdpa")(**batch, use_cache=False).loss
    nats, counts = log_likelihoods(_model("sdpa"), ROWS)
    assert float(loss) == pytest.approx(float(-nats.sum() / counts.sum()), rel=1e-5)


def test_other_attentions_are_refused() -> None:
    model = _model("sdpa")
    check_attention(model)
    model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(ArtefactError, match="cannot be packed with the attention flash_attention_2"):
        check_attention(model)


def test_the_order_fills_the_last_batch_and_does_not_depend_on_its_parts() -> None:
    order = FullBatches(10, 4, seed=1)
    first = list(order)
    assert len(order) == len(first) == 12 and sorted(first[:10]) == list(range(10)) and first[10:] == first[:2]
    order.set_epoch(1)
    assert list(order) != first and list(FullBatches(10, 4, seed=1)) == first
    in_parts = list(BatchSampler(FullBatches(10, 4, seed=1), 2, drop_last=False))
    assert [sorted(in_parts[i] + in_parts[i + 1]) for i in (0, 2, 4)] == [sorted(first[i : i + 4]) for i in (0, 4, 8)]
    assert len(list(FullBatches(3, 8, seed=1))) == 8
