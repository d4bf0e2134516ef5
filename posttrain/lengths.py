"""Examples that do not fit are left out whole: one cut at its end has lost the end of its turn, and would teach the model not to stop."""

from typing import Any

from jinja2.exceptions import TemplateError

from posttrain.chat_data import Check, Example


def fitting(forms: Any, tokenizer: Any, limit: int) -> Check:
    """Whether the chat template takes the example and it has at most `limit` tokens.

    `forms` gives the lists of messages that the example will be trained on: one of a conversation, two of a preference pair.
    """

    def checked(example: Example) -> str | None:
        try:
            texts = [tokenizer.apply_chat_template(messages, tokenize=False) for messages in forms(example)]
        except TemplateError as error:
            return f"the chat template refuses it: {error}"
        tokens = max(token_count(tokenizer, text, limit) for text in texts)
        return f"too long: {tokens} tokens, {limit} fit" if tokens > limit else None

    return checked


def conversation_forms(example: Example) -> list[list[Example]]:
    """The conversation itself."""
    return [example["messages"]]


def preference_forms(example: Example) -> list[list[Example]]:
    """The prompt with each answer."""
    return [example["prompt"] + example["chosen"], example["prompt"] + example["rejected"]]


def token_count(tokenizer: Any, text: str, limit: int) -> int:
    """Tokens of the rendered conversation; 0 where its bytes alone show that it fits, as most do: a token is a byte or more."""
    return 0 if len(text.encode()) <= limit else len(tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)
