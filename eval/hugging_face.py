"""A Hugging Face causal model in fp32: what its text costs, what it writes, and its form for lm-eval. Any tokenizer will do."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from kishi.bits_per_byte import Window, batches, padded
from kishi.errors import ArtefactError, DataError
from kishi.special_tokens import END_OF_TEXT, TURN_END

_BATCH_TOKENS, _ON_GPU = 4096, 16_384  # logits of one batch: this x vocabulary x 4 bytes
_ANSWERS, _ANSWERS_ON_GPU = 32, 128  # prompts that are answered together
_IGNORE = -100  # cross_entropy's own mark
_FILLING = 0  # any token will do on the right, where causal attention cannot look

Messages = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class HuggingFaceModel:
    """See `eval.measure.LanguageModel`. `length`: tokens it takes at most; `chat`: prompts go through the chat template."""

    model: Any
    tokenizer: Any
    length: int
    chat: bool
    unused: list[str] = field(default_factory=list)  # tensors of the file that the model has no place for

    @property
    def start(self) -> int:
        """Begin-of-text where the tokenizer has one, else end-of-text, which stands before documents in pretraining."""
        return start_of(self.tokenizer)

    def encode(self, text: str) -> list[int]:
        """Ids without special tokens."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def decode(self, ids: list[int]) -> str:
        """Text as it is, spaces included."""
        return str(self.tokenizer.decode(ids, clean_up_tokenization_spaces=False))

    def nats(self, cut: list[Window]) -> list[float]:
        """Of the scored tokens of each window."""
        return nats(self.model, cut)

    def negative_log_likelihood(self, cut: list[Window]) -> float:
        """Nats over the scored tokens of all windows."""
        return sum(self.nats(cut))

    def harness(self) -> Any:
        """The lm-eval `LM`. A choice without a question comes after the same token as a document."""
        from lm_eval.models.huggingface import HFLM

        batch = max(1, _batch_tokens(self.model) // self.length)
        return HFLM(pretrained=self.model, tokenizer=self.tokenizer, batch_size=batch, max_length=self.length, prefix_token_id=self.start)

    def write(self, prompt: str, room: int) -> tuple[str, bool]:
        """(greedy text of at most `room` tokens, whether it ended by itself)."""
        return self._generate([prompt_ids(self.tokenizer, prompt, self.chat)], room)[0]

    def answer(self, conversations: Sequence[Messages], room: int) -> list[tuple[str, bool]]:
        """For each conversation (greedy answer of at most `room` tokens, whether it ended by itself), through the chat template."""
        asked = [_template_ids(self.tokenizer, messages) for messages in conversations]
        longest_first = sorted(range(len(asked)), key=lambda place: -len(asked[place]))
        found: dict[int, tuple[str, bool]] = {}
        size = _ANSWERS if _on_cpu(self.model) else _ANSWERS_ON_GPU
        for begin in range(0, len(asked), size):
            places = longest_first[begin : begin + size]
            found |= dict(zip(places, self._generate([asked[place] for place in places], room), strict=True))
        return [found[place] for place in range(len(asked))]

    @torch.inference_mode()
    def _generate(self, asked: list[list[int]], room: int) -> list[tuple[str, bool]]:
        """One batch, filled up on the left. A prompt that leaves no room is answered with nothing, not stopped."""
        width = max(map(len, asked))
        room = min(room, self.length - width)
        if room <= 0:
            if len(asked) == 1:
                return [("", False)]
            return [answer for ids in asked for answer in self._generate([ids], room)]
        ids = torch.tensor([[_FILLING] * (width - len(row)) + row for row in asked], device=self.model.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in asked], device=self.model.device)
        ends = stops(self.model, self.tokenizer)
        out = self.model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=room, do_sample=False, eos_token_id=ends, pad_token_id=ends[0]
        )
        return [self._read(row, ends) for row in out[:, width:].tolist()]

    def _read(self, ids: list[int], ends: list[int]) -> tuple[str, bool]:
        end = next((place for place, token in enumerate(ids) if token in ends), None)
        return self.tokenizer.decode(ids[:end], skip_special_tokens=True), end is not None


def _batch_tokens(model: Any) -> int:
    return _BATCH_TOKENS if _on_cpu(model) else _ON_GPU


def _on_cpu(model: Any) -> bool:
    return bool(model.device.type == "cpu")


def start_of(tokenizer: Any) -> int:
    """Raises DataError for a tokenizer that has neither begin- nor end-of-text."""
    known = tokenizer.get_vocab()
    found = tokenizer.bos_token_id, known.get(END_OF_TEXT), tokenizer.eos_token_id
    start = next((token for token in found if token is not None), None)
    if start is None:
        raise DataError("no begin- or end-of-text token", where=tokenizer.name_or_path, fix="set bos_token in its tokenizer_config.json")
    return int(start)


def stops(model: Any, tokenizer: Any) -> list[int]:
    """Ids that end an answer: what the model's generation settings and tokenizer say, end of text and end of turn."""
    said = getattr(model.generation_config, "eos_token_id", None)
    known = tokenizer.get_vocab()
    ids = [*(said if isinstance(said, list) else [said]), tokenizer.eos_token_id, known.get(END_OF_TEXT), known.get(TURN_END)]
    return list(dict.fromkeys(int(token) for token in ids if token is not None))


def prompt_ids(tokenizer: Any, prompt: str, chat: bool) -> list[int]:
    """A user's turn in the chat template, or plain text after the token that documents begin with."""
    if not chat:
        return [start_of(tokenizer), *tokenizer.encode(prompt, add_special_tokens=False)]
    return _template_ids(tokenizer, [{"role": "user", "content": prompt}])


def _template_ids(tokenizer: Any, messages: Messages) -> list[int]:
    if not tokenizer.chat_template:
        raise DataError("has no chat template", where=tokenizer.name_or_path, fix="measure it as a model of plain text, without `chat`")
    ids: list[int] = tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, return_dict=True)["input_ids"]
    return ids


@contextmanager
def opened(
    folder: Path | str, tokenizer: Any, length: int, chat: bool, device: str, random_seed: int | None = None, revision: str | None = None
) -> Iterator[HuggingFaceModel]:
    """The model, its memory given back at the end. With `random_seed` the weights are random instead of those in the folder."""
    unused: list[str] = []
    if random_seed is None:
        model, unused = load_whole(folder, revision)
    else:
        from transformers import AutoConfig, AutoModelForCausalLM

        torch.manual_seed(random_seed)
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32)
    try:
        yield HuggingFaceModel(model.eval().to(device), tokenizer, length, chat, unused)
    finally:
        del model
        gc.collect()  # lm-eval's wrapper holds the model in reference cycles


def load_whole(folder: Path | str, revision: str | None = None) -> tuple[Any, list[str]]:
    """(model in fp32, tensors that it has no place for).

    Raises ArtefactError when a tensor of the configuration is missing or has another shape: transformers would fill it with random
    numbers, and the figures would be those of another model.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        model, info = AutoModelForCausalLM.from_pretrained(folder, revision=revision, dtype=torch.float32, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        fix = "check the name or path, and that all weight files are there"
        raise ArtefactError(f"no whole model: {str(error).strip().splitlines()[0]}", where=folder, fix=fix) from error
    missing, mismatched = sorted(info["missing_keys"]), sorted(str(key[0]) for key in info["mismatched_keys"])
    if missing or mismatched:
        what = f"{len(missing)} tensors of its configuration are missing, {len(mismatched)} have another shape"
        names = ", ".join([*missing, *mismatched][:3])
        raise ArtefactError(
            f"{what}: {names}", where=folder, fix="export the model again; with random numbers in their place it is another one"
        )
    return model, sorted(info["unexpected_keys"])


@torch.inference_mode()
def nats(model: Any, cut: Sequence[Window]) -> list[float]:
    """Of the scored tokens of each window, in the given order."""
    places = sorted(range(len(cut)), key=lambda place: len(cut[place].tokens))  # as `batches` sorts
    found: list[float] = []
    for batch in batches(cut, _batch_tokens(model)):
        inputs, targets = (torch.tensor(rows, device=model.device) for rows in padded(batch, _FILLING, _IGNORE))
        logits = model(inputs).logits.float()
        costs = cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=_IGNORE, reduction="none")
        found += costs.view(targets.shape).sum(1, dtype=torch.float64).tolist()
    by_place = dict(zip(places, found, strict=True))
    return [by_place[place] for place in range(len(cut))]


def negative_log_likelihood(model: Any, cut: Sequence[Window]) -> float:
    """Nats over the scored tokens of all windows."""
    return sum(nats(model, cut))
