"""One repository to the hub, through `huggingface_hub`; afterwards the hub is asked what it holds, and each hash is compared.

Started again after a break it goes on: files that the hub has already are not sent again, an upload that is whole is not committed again.
"""

import hashlib
from pathlib import Path

import httpx
from huggingface_hub import CommitOperationAdd, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.hf_api import RepoFile

from kishi.errors import ArtefactError
from report.card import Card
from report.lineage import Repository

LOG_IN = "set HF_TOKEN to a token that may write, or `hf auth login`"


def upload(run: Path, repository: Repository, name: str, card: Card, *, private: bool) -> str:
    """Create the repository, upload, verify; returns the commit's address. Raises ArtefactError when it cannot, or when a hash differs."""
    if not get_token():
        raise ArtefactError("no token of the hub", where="publish", fix=LOG_IN)
    api = HfApi()
    folder = run / repository.stage
    files = {repository.path_in_repo(output): folder / output.path for output in repository.files}
    operations = [CommitOperationAdd(path, str(local)) for path, local in files.items()]
    operations.append(CommitOperationAdd("README.md", card.text.encode()))
    message = f"{repository.kind} from {repository.stage} ({repository.files[0].sha256[:12]})"
    try:
        api.create_repo(name, private=private, exist_ok=True)
        done = api.create_commit(name, operations, commit_message=message)
        _verify(api, name, files, repository, card)
    except (HfHubHTTPError, httpx.HTTPError, OSError, RuntimeError) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        fix = LOG_IN if status in (401, 403) else "the same command goes on from here"
        raise ArtefactError(f"not uploaded: {_short(error)}", where=name, fix=fix) from error
    print(f"{name}: uploaded and verified, {done.commit_url}")
    return str(done.commit_url)


def _short(error: BaseException) -> str:
    """The first line, without what a library may have put into it of the request's headers."""
    token = get_token() or ""
    line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return line.replace(token, "…") if token else line


def _verify(api: HfApi, name: str, files: dict[str, Path], repository: Repository, card: Card) -> None:
    """Every file is there, and has the hash that the manifest says (small ones, which git keeps itself: their hash in git)."""
    there = {found.path: found for found in api.get_paths_info(name, [*files, "README.md"]) if isinstance(found, RepoFile)}
    wanted = {repository.path_in_repo(output): output.sha256 for output in repository.files}
    again = "run the same command again"
    for path in [*files, "README.md"]:
        if path not in there:
            raise ArtefactError("not on the hub after the upload", where=f"{name}/{path}", fix=again)
        lfs = there[path].lfs
        body = b"" if lfs else files[path].read_bytes() if path in files else card.text.encode()
        if (lfs.sha256 != wanted.get(path)) if lfs else (there[path].blob_id != _git_hash(body)):
            raise ArtefactError("the hub holds other bytes than those sent", where=f"{name}/{path}", fix=again)


def _git_hash(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()
