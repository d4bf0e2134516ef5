"""A stand-in of the Hugging Face hub: its HTTP interface for reading one data set, from files of a local folder.

It answers what `datasets` asks when it streams (information, tree, paths-info, resolve with ranges), keeps a list of what was asked, and
can break: `broken` says how many times a file's download is cut off, or refused, before it works.
"""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

REPOSITORY, REVISION = "kishi/texts", "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """`folder` holds the repository's files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.asked: list[str] = []
        self.broken: Counter[str] = Counter()
        self.downloads: Counter[str] = Counter()

    @property
    def address(self) -> str:
        """For HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_port}"

    def files(self) -> list[dict[str, Any]]:
        """The repository's tree as the hub tells it."""
        paths = sorted(path for path in self.folder.rglob("*") if not path.name.startswith("."))
        return [
            {"path": str(path.relative_to(self.folder)), "oid": f"{number:040x}"}
            | ({"type": "file", "size": path.stat().st_size} if path.is_file() else {"type": "directory"})
            for number, path in enumerate(paths)
        ]


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Information, tree, or a file."""
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(path)
        if path == f"/api/datasets/{REPOSITORY}/revision/{REVISION}":
            names = [{"rfilename": entry["path"]} for entry in self.server.files() if entry["type"] == "file"]
            self._json({"id": REPOSITORY, "sha": REVISION, "private": False, "gated": False, "tags": [], "siblings": names})
        elif match := re.fullmatch(rf"/api/datasets/{REPOSITORY}/tree/{REVISION}/?(.*)", path):
            everything = "recursive=true" in self.path.lower()
            inside = f"{match[1].rstrip('/')}/" if match[1] else ""
            below = [entry for entry in self.server.files() if entry["path"].startswith(inside)]
            self._json([entry for entry in below if everything or "/" not in entry["path"][len(inside) :]])
        elif path.startswith(f"/datasets/{REPOSITORY}/resolve/{REVISION}/"):
            self._file(path.split(f"{REVISION}/", 1)[1])
        else:
            self._status(404)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """paths-info: which of these paths there are."""
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if path != f"/api/datasets/{REPOSITORY}/paths-info/{REVISION}":
            self._status(404)
            return
        wanted = json.loads(body)["paths"] if body.startswith("{") else re.findall(r"paths=([^&]*)", unquote(body))
        self._json([file for file in self.server.files() if file["path"] in wanted])

    def _file(self, name: str) -> None:
        whole = self.server.folder / name
        if not whole.is_file():
            self._status(404)
            return
        raw = whole.read_bytes()
        first, last = 0, len(raw) - 1
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(asked[1]), min(int(asked[2] or last), last)
        part = raw[first : last + 1]
        cut = self.command == "GET" and self.server.broken[name] > 0
        if self.command == "GET":
            self.server.downloads[name] += 1
        self.send_response(206 if asked else 200)
        for key, value in {
            "Content-Length": len(part),
            "Content-Range": f"bytes {first}-{last}/{len(raw)}",
            "Accept-Ranges": "bytes",
            "ETag": f'"{name}"',
            "X-Repo-Commit": REVISION,
        }.items():
            self.send_header(key, str(value))
        self.end_headers()
        if cut:
            self.server.broken[name] -= 1
            self.wfile.write(part[: len(part) // 2])
            self.close_connection = True
        elif self.command == "GET":
            self.wfile.write(part)

    def _json(self, value: Any) -> None:
        raw = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def _status(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: `asked` has it."""


@contextmanager
def hub(folder: Path) -> Iterator[Hub]:
    """Serves while the block runs."""
    server = Hub(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
