"""What a client did wrong, as an answer in OpenAI's form."""

from typing import Any


class ApiError(Exception):
    """Becomes `{"error": {...}}` with this status. `code` is for programs, `message` for people, `param` names the field."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None, numbers: dict[str, int] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param, self.numbers = status, code, message, param, numbers or {}

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        kind = "invalid_request_error" if self.status < 500 and self.status != 429 else "server_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code, **self.numbers}}
