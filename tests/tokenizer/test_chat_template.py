"""The chat template: what is trained on, and that nothing a caller wrote vanishes."""

from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError
from transformers import AutoTokenizer

USER = {"role": "user", "content": "Сәлем"}


@pytest.fixture(scope="module")
def tokenizer(trained: Path) -> Any:
    return AutoTokenizer.from_pretrained(trained)


def call(arguments: object) -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": arguments}}]}


def test_only_the_assistants_words_and_their_end_are_trained_on(tokenizer: Any) -> None:
    messages = [
        {"role": "system", "content": "S"},
        USER,
        call({"x": "ә"}),
        {"role": "tool", "content": "7"},
        {"role": "assistant", "content": "Жеті"},
    ]
    out = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    kept = [token for token, mask in zip(out["input_ids"], out["assistant_masks"], strict=True) if mask]
    text = tokenizer.decode(kept)
    assert text.count("<|im_end|>") == 2 and text.endswith("Жеті<|im_end|>")
    assert text.startswith("<tool_call>") and '"x": "ә"' in text and "Сәлем" not in text and "<|im_start|>" not in text
    prompt = tokenizer.apply_chat_template(messages[:2], tokenize=False, add_generation_prompt=True)
    assert tokenizer.apply_chat_template(messages, tokenize=False).startswith(prompt)


def test_tool_arguments_given_as_json_text_are_not_encoded_twice(tokenizer: Any) -> None:
    as_object = tokenizer.apply_chat_template([USER, call({"x": "ә", "y": 1})], tokenize=False)
    as_text = tokenizer.apply_chat_template([USER, call('{"x": "ә", "y": 1}')], tokenize=False)
    assert as_object == as_text
    assert '<tool_call>{"name": "f", "arguments": {"x": "ә", "y": 1}}</tool_call>' in as_object


def test_system_and_tools_share_one_turn(tokenizer: Any) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    text = tokenizer.apply_chat_template([{"role": "system", "content": "S"}, USER], tools=tools, tokenize=False)
    assert text.count("<|im_start|>system") == 1 and text.index("S\n\n") < text.index('"name": "f"') < text.index("<|im_end|>")


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([USER, {"role": "system", "content": "late"}], "must be the first"),
        ([USER, {"role": "developer", "content": "x"}], "unknown role: developer"),
        ([{"role": "user", "content": [{"type": "text", "text": "x"}]}], "user message is not text"),
        ([{"role": "system", "content": None}, USER], "system message is not text"),
        ([USER, {"role": "assistant", "content": ["x"]}], "assistant message is not text"),
    ],
)
def test_what_cannot_be_rendered_is_an_error(tokenizer: Any, messages: list[dict[str, Any]], expected: str) -> None:
    with pytest.raises(TemplateError, match=expected):
        tokenizer.apply_chat_template(messages, tokenize=False)
