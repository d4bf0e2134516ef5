"""Chat with tools through a GGUF model that is open in this process: prompt, answer, grammar. llama.cpp is imported when it is needed.

llama-cpp-python's own chat completion leaves special tokens out of the text, and with them the marks around calls.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from kishi import tool_grammar
from kishi.jsonl import Row

TEMPLATE_KEY = "tokenizer.chat_template"


def prompt(model: Any, messages: Sequence[Row], tools: Sequence[Row]) -> str:
    """The conversation up to the answer, through the chat template in the file."""
    return str(_formatter(model.metadata[TEMPLATE_KEY])(messages=list(messages), tools=list(tools) or None).prompt)


@cache
def _formatter(template: str) -> Any:
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    return Jinja2ChatFormatter(template=template, eos_token="", bos_token="")


def grammar(tools: Sequence[Row], words: bool = True) -> Any:
    """Answers that it lets through: words (unless they are not wanted), or calls that satisfy the tools' schemas."""
    from llama_cpp import LlamaGrammar

    return LlamaGrammar.from_string(tool_grammar.text(tools, words), verbose=False)


def token_count(model: Any, text: str) -> int:
    """Tokens of a prompt."""
    return len(model.tokenize(text.encode(), add_bos=False, special=True))


def write(model: Any, text: str, most: int, temperature: float = 0.0, constraint: Any = None) -> tuple[str, bool]:
    """(answer to the prompt `text`, at most `most` tokens or what the context leaves, with the marks of calls; whether it ended by itself).

    `temperature` 0: the likeliest token. No room for an answer: ("", False).
    """
    import llama_cpp

    ids = model.tokenize(text.encode(), add_bos=False, special=True)
    room = min(most, model.n_ctx() - len(ids))
    new: list[int] = []
    if room <= 0:
        return "", False
    for token in model.generate(ids, temp=temperature, grammar=constraint):
        if llama_cpp.llama_vocab_is_eog(model._model.vocab, token):
            return _decoded(model, new), True
        new.append(token)
        if len(new) >= room:
            break
    return _decoded(model, new), False


def _decoded(model: Any, ids: list[int]) -> str:
    return str(model.detokenize(ids, special=True).decode("utf-8", "ignore")) if ids else ""
