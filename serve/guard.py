"""What every request passes first and every answer gets: known host names only, and headers that keep the page to itself."""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.errors import ApiError

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
HEADERS = {
    # scripts and styles are files of this server; the page talks to nobody else and is shown in nobody else's
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Refuses requests for unknown host names: a foreign web page whose name is made to point at this machine is one (DNS rebinding).

    There are no CORS headers, so a browser lets no other site read an answer or send JSON.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *((k.encode(), v.encode()) for k, v in HEADERS.items())]
            await send(message)

        host = _host_name(scope)
        if "*" in self._hosts or host in self._hosts:
            await self._app(scope, receive, with_headers)
            return
        error = ApiError(421, "unknown_host", f"this server does not answer for {host!r}: start it with --allowed-host {host}")
        await JSONResponse(error.body(), error.status)(scope, receive, with_headers)


def _host_name(scope: Scope) -> str:
    """Without the port; empty when there is none or it makes no sense."""
    value = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
    try:
        return urlsplit(f"//{value}").hostname or ""
    except ValueError:
        return ""
