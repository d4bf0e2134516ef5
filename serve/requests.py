"""What a client may ask for: OpenAI's fields as far as they are kept, and a clear refusal of everything else."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pydantic_core
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from serve.engine import Sampling
from serve.errors import ApiError

ROLES = ("system", "user", "assistant", "tool")
NAME = r"^[a-zA-Z0-9_.-]{1,64}$"


@dataclass(frozen=True)
class Limits:
    """What one request may cost. Tokens of prompt and answer together never exceed the model's context."""

    max_body: int = 1 << 20
    max_prompt_tokens: int = 1 << 20
    max_tokens: int = 1024
    waiting: int = 32
    body_seconds: float = 30.0


def _without_nulls(value: Any) -> Any:
    """OpenAI's clients send null for what is not set."""
    return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value


class Strict(BaseModel):
    """No unknown fields, no "0.7" for 0.7, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    _nulls = model_validator(mode="before")(_without_nulls)


def _plain(content: Any) -> Any:
    """OpenAI's list of parts as one text; images, sound and files are refused."""
    if not isinstance(content, list):
        return content
    for part in content:
        if not isinstance(part, dict) or part.keys() != {"type", "text"} or part["type"] != "text" or not isinstance(part["text"], str):
            raise ValueError('only parts of the form {"type": "text", "text": "..."} are taken')
    return "".join(part["text"] for part in content)


Content = Annotated[str, BeforeValidator(_plain)]


class CalledFunction(Strict):
    """What an earlier answer called."""

    name: Annotated[str, Field(pattern=NAME)]
    arguments: str

    @model_validator(mode="after")
    def _json(self) -> "CalledFunction":
        try:
            if isinstance(pydantic_core.from_json(self.arguments, allow_inf_nan=False), dict):
                return self
        except ValueError:
            pass
        raise ValueError("arguments must be a JSON object as text")


class Call(Strict):
    """One of an assistant message's calls."""

    id: str = ""
    type: Literal["function"] = "function"
    function: CalledFunction


class Spoken(Strict):
    """A message of the system or the user."""

    role: Literal["system", "user"]
    content: Content
    name: str | None = None


class Answered(Strict):
    """An earlier answer of the model."""

    role: Literal["assistant"]
    content: Content | None = None
    tool_calls: list[Call] | None = None
    name: str | None = None

    @model_validator(mode="after")
    def _something(self) -> "Answered":
        if self.content is None and not self.tool_calls:
            raise ValueError("an assistant message needs content or tool_calls")
        return self


class Returned(Strict):
    """A function's result."""

    role: Literal["tool"]
    content: Content
    tool_call_id: str | None = None
    name: str | None = None


Message = Annotated[Spoken | Answered | Returned, Field(discriminator="role")]


class Function(Strict):
    """A function that the model may call."""

    name: Annotated[str, Field(pattern=NAME)]
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool = False


class Tool(Strict):
    """OpenAI's wrapping of a function."""

    type: Literal["function"]
    function: Function


class StreamOptions(Strict):
    """`include_usage`: a last piece with token counts."""

    include_usage: bool = False


class Asked(Strict):
    """What both kinds of request have."""

    model: str | None = None
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] = Sampling.temperature
    top_p: Annotated[float, Field(gt=0, le=1)] = Sampling.top_p
    top_k: Annotated[int, Field(ge=0, le=100_000)] = Sampling.top_k
    min_p: Annotated[float, Field(ge=0, le=1)] = Sampling.min_p
    repeat_penalty: Annotated[float, Field(gt=0, le=2)] = Sampling.repeat_penalty
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] = Sampling.frequency_penalty
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] = Sampling.presence_penalty
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=128)]],
        BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
        Field(max_length=8),
    ] = []
    n: Literal[1] = 1
    logprobs: Literal[False] = False
    user: str | None = None

    def sampling(self, max_tokens: int) -> Sampling:
        """The fields that decide how the answer is written."""
        same = ("temperature", "top_p", "top_k", "min_p", "repeat_penalty", "frequency_penalty", "presence_penalty", "seed")
        return Sampling(max_tokens=max_tokens, stop=tuple(self.stop), **{name: getattr(self, name) for name in same})


class ResponseFormat(Strict):
    """Only plain text."""

    type: Literal["text"]


class ChatRequest(Asked):
    """Body of /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1)]
    tools: Annotated[list[Tool], Field(max_length=64)] = []
    tool_choice: Literal["auto", "none"] = "auto"
    parallel_tool_calls: bool = True
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    response_format: ResponseFormat | None = None

    def plain_messages(self) -> list[dict[str, Any]]:
        """As the chat template reads them."""
        return [message.model_dump(exclude_none=True) for message in self.messages]

    def plain_tools(self) -> list[dict[str, Any]]:
        """Those that the model may call now, with the fields that the client gave."""
        return [] if self.tool_choice == "none" else [tool.model_dump(exclude_unset=True) for tool in self.tools]


class CompletionRequest(Asked):
    """Body of /v1/completions: text that is gone on with, without a chat template."""

    prompt: Annotated[str, BeforeValidator(lambda value: value[0] if isinstance(value, list) and len(value) == 1 else value)]
    logprobs: None = None  # type: ignore[assignment]


class ToolRequest(Strict):
    """Body of /tools/call."""

    name: Annotated[str, Field(pattern=NAME)]
    arguments: dict[str, Any] = {}


def parse[Kind: BaseModel](kind: type[Kind], body: bytes) -> Kind:
    """The request. Raises ApiError that names the first wrong field and why."""
    try:
        value = pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise ApiError(400, "invalid_json", f"the body is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ApiError(400, "invalid_json", f"the body must be a JSON object, not {type(value).__name__}")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise _explained(error) from error


def _explained(error: ValidationError) -> ApiError:
    """The first fault; how many more there are is said too."""
    faults = error.errors(include_url=False, include_context=False)
    first = faults[0]
    kind, input_ = first["type"], json.dumps(first["input"], ensure_ascii=False, default=str)
    parts = list(zip((None, *first["loc"]), first["loc"], strict=False))
    loc = [str(part) for before, part in parts if not (isinstance(before, int) and part in ROLES)]  # the role, by which its kind is chosen
    place = ".".join(loc)
    reason = first["msg"].removeprefix("Value error, ") + f" (found: {input_ if len(input_) <= 60 else input_[:60] + '…'})"
    reason = {"extra_forbidden": "this server does not know this field", "missing": "this field is missing"}.get(kind, reason)
    more = f"; {len(faults) - 1} more faults" if len(faults) > 1 else ""
    return ApiError(400, "unknown_field" if kind == "extra_forbidden" else "invalid_value", f"{place}: {reason}{more}", place)
