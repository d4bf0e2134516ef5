"""A stand-in of the Hugging Face hub: its HTTP interface for making model repositories, uploading to them, and reading them back.

It answers what `huggingface_hub` asks: repos/create, validate-yaml, preupload, the LFS batch and its uploads, commit, paths-info, resolve.
Large files are weights. `refuse` names content hashes whose upload fails; `puts` counts uploads.
"""

import base64
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

TOKEN = "hf_secret_of_the_test"
REVISION = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Repositories in memory."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.large: dict[str, bytes] = {}
        self.refuse: set[str] = set()
        self.puts: Counter[str] = Counter()
        self.commits = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def running() -> Iterator[Hub]:
    """A hub that answers until the block ends."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


def git_hash(body: bytes) -> str:
    """A file's name inside git."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body, path = self._body(), unquote(urlsplit(self.path).path)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._json({"error": "Invalid credentials"}, 401)
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return self._validate(json.loads(body)["content"])
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._batch(json.loads(body))
        _, _, _, owner, name, what, *_ = path.split("/")
        if f"{owner}/{name}" not in self.server.files:
            return self._json({"error": "Repository not found"}, 404)
        answer = {"preupload": self._preupload, "commit": self._commit, "paths-info": self._paths}[what]
        return answer(f"{owner}/{name}", body)

    def do_PUT(self) -> None:
        body, name = self._body(), self.path.rpartition("/")[2]
        self.server.puts[name] += 1
        if name in self.server.refuse or hashlib.sha256(body).hexdigest() != name:
            return self._json({"error": "not stored"}, 400)
        self.server.large[name] = body
        return self._json({})

    def do_HEAD(self) -> None:
        self._resolve(with_body=False)

    def do_GET(self) -> None:
        parts = urlsplit(self.path).path.split("/")
        if parts[1:3] == ["api", "models"] and "/".join(parts[3:5]) in self.server.files and parts[5:6] in ([], ["revision"]):
            return self._json({"id": "/".join(parts[3:5]), "sha": REVISION, "siblings": [], "tags": []})
        return self._resolve(with_body=True)

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.server.files:
            return self._json({"error": "You already created this model repo", "url": f"{self.server.url}/{name}"}, 409)
        self.server.files[name] = {}
        self.server.private[name] = asked.get("visibility") == "private" or asked.get("private") is True
        return self._json({"url": f"{self.server.url}/{name}", "name": name, "id": name})

    def _validate(self, card: str) -> None:
        head = yaml.safe_load(card.split("---")[1])
        errors = [{"message": f'"{key}" is missing'} for key in ("license", "language") if key not in head]
        self._json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def _preupload(self, repository: str, body: bytes) -> None:
        there = self.server.files[repository]

        def answer(file: dict[str, Any]) -> dict[str, Any]:
            large = file["path"].endswith((".safetensors", ".gguf"))
            content = there.get(file["path"])
            known = None if content is None else hashlib.sha256(content).hexdigest() if large else git_hash(content)
            return {"path": file["path"], "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": known}

        self._json({"files": [answer(file) for file in json.loads(body)["files"]]})

    def _batch(self, asked: dict[str, Any]) -> None:
        objects = []
        for wanted in asked["objects"]:
            upload = {"upload": {"href": f"{self.server.url}/store/{wanted['oid']}", "header": {}}}
            objects.append(wanted | ({} if wanted["oid"] in self.server.large else {"actions": upload}))
        self._json({"transfer": "basic", "objects": objects})

    def _commit(self, repository: str, body: bytes) -> None:
        files = self.server.files[repository]
        for line in body.splitlines():
            entry = json.loads(line)
            if entry["key"] == "file":
                files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            elif entry["key"] == "lfsFile":
                if entry["value"]["oid"] not in self.server.large:
                    return self._json({"error": "an LFS file was not uploaded"}, 422)
                files[entry["value"]["path"]] = self.server.large[entry["value"]["oid"]]
        self.server.commits += 1
        return self._json({"success": True, "commitOid": REVISION, "commitUrl": f"{self.server.url}/{repository}/commit/{REVISION}"})

    def _paths(self, repository: str, body: bytes) -> None:
        asked = json.loads(body)["paths"] if body.startswith(b"{") else parse_qs(body.decode())["paths"]
        found = []
        for path in asked:
            if path in self.server.files[repository]:
                content = self.server.files[repository][path]
                sha256 = hashlib.sha256(content).hexdigest()
                lfs = {"lfs": {"oid": sha256, "size": len(content), "pointerSize": 134}} if sha256 in self.server.large else {}
                found.append({"type": "file", "path": path, "size": len(content), "oid": git_hash(content), **lfs})
        self._json(found)

    def _resolve(self, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path).lstrip("/")
        repository, _, rest = path.partition("/resolve/")
        content = self.server.files.get(repository, {}).get(rest.partition("/")[2])
        if content is None:
            return self._json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": REVISION})
        headers = {"ETag": f'"{git_hash(content)}"', "X-Repo-Commit": REVISION}
        return self._answer(content if with_body else b"", 200, headers, len(content))

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(value).encode()
        self._answer(b"" if self.command == "HEAD" else body, status, {"Content-Type": "application/json", **(headers or {})}, len(body))

    def _answer(self, body: bytes, status: int, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
