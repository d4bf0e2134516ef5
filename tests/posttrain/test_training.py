"""Parts of SFT and DPO that need no training."""

import math
from typing import Any

import pytest
import torch

from kishi.errors import DataError
from kishi.special_tokens import SPECIAL_IDS, TURN_END
from posttrain.checkpoints import COMPLETE, newest_complete
from posttrain.conversations import check_labels
from posttrain.lengths import conversation_forms, fitting
from posttrain.preferences import Likelihoods, measure
from posttrain.training import micro_batch, steps_in
from tests.posttrain.tiny_base import byte_tokenizer

END = SPECIAL_IDS[TURN_END]


def _row(ids: list[int], learnt: list[int]) -> tuple[list[int], list[int]]:
    return ids, [token if place in learnt else -100 for place, token in enumerate(ids)]


def test_labels_must_end_with_the_end_of_turn() -> None:
    check_labels([_row([9, 70, END, 9, 71, END], [1, 2, 4, 5])], END)
    for bad in (_row([9, 70, END, 9, 71], [1, 2, 4]), _row([9, 70, END], [1]), _row([9, 70, END], [])):
        with pytest.raises(DataError, match="not closed by"):
            check_labels([bad], END)


def test_long_conversations_do_not_fit() -> None:
    tokenizer = byte_tokenizer()
    example = {"messages": [{"role": "user", "content": "сұрақ"}, {"role": "assistant", "content": "жауап"}]}
    length = len(tokenizer.apply_chat_template(example["messages"], return_dict=True)["input_ids"])
    assert fitting(conversation_forms, tokenizer, length)(example) is None
    fault = fitting(conversation_forms, tokenizer, length - 1)(example)
    assert fault == f"too long: {length} tokens, {length - 1} fit"


@pytest.mark.parametrize(("batch", "most", "micro"), [(8, 8, 8), (8, 3, 2), (4, 100, 4), (7, 4, 1), (12, 4, 4)])
def test_micro_batches_make_up_the_batch(batch: int, most: int, micro: int) -> None:
    assert micro_batch(batch, most) == micro


def test_steps() -> None:
    assert steps_in(17, epochs=2.5, batch=8) == 8  # 3 steps an epoch


def test_only_complete_checkpoints_are_gone_on_from(tmp_path: Any) -> None:
    for step in (5, 10, 15):
        (tmp_path / f"checkpoint-{step}").mkdir()
    assert newest_complete(tmp_path / "none") is None
    (tmp_path / "checkpoint-10" / COMPLETE).touch()
    assert newest_complete(tmp_path) == tmp_path / "checkpoint-10"
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-10"]


def test_preference_measures() -> None:
    tokens = torch.tensor([10.0, 10.0])
    reference = Likelihoods(torch.tensor([-20.0, -30.0]), torch.tensor([-25.0, -10.0]), tokens, tokens)
    now = Likelihoods(torch.tensor([-10.0, -31.0]), torch.tensor([-25.0, -10.0]), tokens, tokens)
    before = measure(reference, reference, 0.1)
    assert before.pop("length")["margin_correlation"] is None  # nothing varies
    assert before == {"accuracy": 0.5, "margin": 0.0, "loss": round(math.log(2), 6), "likelier": 0.5, "chosen_nats_per_token": 2.5}
    after = measure(now, reference, 0.1)
    assert after.pop("length")["matched_accuracy"] == 0.5
    loss = (math.log(1 + math.exp(-1.0)) + math.log(1 + math.exp(0.1))) / 2
    assert after == {"accuracy": 0.5, "margin": 0.45, "loss": pytest.approx(loss, abs=1e-5), "likelier": 0.5, "chosen_nats_per_token": 2.05}
