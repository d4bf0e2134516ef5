"""Ids are promises to every model trained so far."""

from kishi.special_tokens import COUNT, END_OF_TEXT, PAD, SPECIAL_IDS, SPECIAL_TOKENS, TURN_END, TURN_START


def test_ids_are_stable_and_distinct() -> None:
    assert [SPECIAL_IDS[token] for token in (END_OF_TEXT, PAD, TURN_START, TURN_END)] == [0, 1, 2, 3]
    assert SPECIAL_IDS["<tool_call>"] == 4 and SPECIAL_IDS["<|audio_pad|>"] == 15 and SPECIAL_IDS["<|lang_en|>"] == 18
    assert len(set(SPECIAL_TOKENS)) == COUNT == 64
