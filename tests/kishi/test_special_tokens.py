"""Ids are promises to every model trained so far."""

import json
from pathlib import Path

import pytest

from kishi.errors import ArtefactError
from kishi.special_tokens import COUNT, END_OF_TEXT, NAMED, PAD, SPECIAL_IDS, SPECIAL_TOKENS, TURN_END, TURN_START, ids_in


def test_ids_are_stable_and_distinct() -> None:
    assert [SPECIAL_IDS[token] for token in (END_OF_TEXT, PAD, TURN_START, TURN_END)] == [0, 1, 2, 3]
    assert SPECIAL_IDS["<tool_call>"] == 4 and SPECIAL_IDS["<|audio_pad|>"] == 15 and SPECIAL_IDS["<|lang_en|>"] == 18
    assert len(set(SPECIAL_TOKENS)) == COUNT == 64


def test_ids_are_those_of_the_tokenizer_at_hand(tmp_path: Path) -> None:
    added = [{"id": 900 - place, "content": token, "special": True} for place, token in enumerate(NAMED)]
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": added}))
    assert ids_in(tmp_path)[END_OF_TEXT] == 900 and ids_in(tmp_path)[TURN_END] == 897
    added[3]["special"] = False  # text that spells it would become the token
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": added}))
    with pytest.raises(ArtefactError, match=r"special tokens are missing: <\|im_end\|>"):
        ids_in(tmp_path)
