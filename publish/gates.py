"""What must hold before anything leaves this machine. Each gate returns sentences that say why not; none means it is passed."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kishi import manifest
from kishi.errors import ArtefactError
from publish import private_text, tensors
from report.card import Card
from report.licences import Licence
from report.lineage import QUANTISED, Lineage, Repository
from report.view import dig, is_number, table_of

F16_PERPLEXITY = 0.005  # share by which a 16-bit file may differ, as in the gguf stage


def unchanged(run: Lineage, repository: Repository) -> list[str]:
    """Every file of the stage has the size and hash of its manifest, and each stage was made from what the others still are."""
    faults = []
    try:
        manifest.verify(run.folder / repository.stage)
    except ArtefactError as error:
        faults.append(f"edited or damaged file: {error.where}: {error.what}")
    for stage in run.upstream(repository.stage):
        for name, used in run.manifests[stage].inputs.items():
            if run.manifests[name].content_sha256 != used.content_sha256:
                faults.append(f"{stage} is stale: {name} was made again after it; make {stage}")
    return faults


def committed(run: Lineage, repository: Repository, code: Path) -> list[str]:
    """Neither the code that made the stages nor the code here has changes without a commit."""
    faults = []
    for stage in run.upstream(repository.stage):
        code_then = run.manifests[stage].code
        if code_then.get("dirty") is not False or not code_then.get("commit"):
            faults.append(f"{stage} was made from a dirty tree (code with uncommitted changes): commit, delete its folder and run it again")
    return faults + dirty_now(code)


def dirty_now(code: Path) -> list[str]:
    """Whether the repository of the code has uncommitted changes."""
    done = subprocess.run(["git", "-C", str(code), "status", "--porcelain"], capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"the code in {code.resolve()} is not a git repository: nobody could say what made these files"]
    return ["the tree is dirty: commit or remove what `git status` lists"] if done.stdout.strip() else []


def parity(run: Lineage, repository: Repository) -> list[str]:
    """The export agreed with the checkpoint, the tokenizer is the run's own, and quantised files agree with the model."""
    if repository.kind == "tokenizer":
        return []
    faults = _exported(run) + _same_tokenizer(run, repository)
    packed = repository.kind in QUANTISED and repository.kind != "gguf"
    if packed and not is_number(run.manifests[repository.stage].facts.get("difference_read_back")):
        faults.append(f"it was not read back and compared with the model that was quantised: make {repository.stage}")
    if repository.kind == "gguf":
        facts = run.manifests["gguf"].facts
        for language, value in (table_of(facts.get("f16_perplexity_difference")) or {"any language": None}).items():
            if not is_number(value) or value > F16_PERPLEXITY:
                faults.append(f"perplexity of the 16-bit file was not shown to be the model's in {language}: {value}; make gguf")
        if not facts.get("token_ids_compared"):
            faults.append("no token ids were compared between llama.cpp and Hugging Face: make gguf")
    return faults


def _exported(run: Lineage) -> list[str]:
    facts: dict[str, Any] = run.manifests["export-hf"].facts if "export-hf" in run.manifests else {}
    found = table_of(facts.get("phase2"))
    difference, allowed = found.get("max_difference"), found.get("tolerance")
    if not is_number(difference) or not is_number(allowed) or not found.get("tokens_compared"):
        return ["no parity between the checkpoint and its Hugging Face export is recorded: make export-hf"]
    return [f"logits of the export differ from the checkpoint's by {difference:g}, more than {allowed:g}"] if difference > allowed else []


def _same_tokenizer(run: Lineage, repository: Repository) -> list[str]:
    own = {repository.path_in_repo(output): output.sha256 for output in repository.files}
    trained = {output.path: output.sha256 for output in run.manifests["tokenizer"].outputs} if "tokenizer" in run.manifests else {}
    if repository.kind == "gguf" or own.get("tokenizer.json") == trained.get("tokenizer.json"):
        return []
    return [f"tokenizer.json of {repository.stage} is not the run's own tokenizer"]


def whole(run: Lineage, repository: Repository) -> list[str]:
    """No tensor is lost, over, or of another shape; quantised files hold as many weights as the model that they were made from."""
    folder = run.folder / repository.stage / repository.prefix
    if repository.kind == "tokenizer":
        return []
    if not any(output.path.endswith((".safetensors", ".gguf")) for output in repository.files):
        return [f"{repository.stage} lists no weights"]
    try:
        if repository.kind == "gguf":
            return _whole_gguf(run, repository)
        found = tensors.stored(folder)
        faults = tensors.lost(found, tensors.expected(folder, repository.kind == "reward"))
    except (OSError, ValueError) as error:
        return [f"not readable as a model: {error}"]
    counted = dig(run.manifests["export-hf"].facts, "phase2", "parameters") if "export-hf" in run.manifests else None
    if repository.kind == "base" and is_number(counted) and tensors.elements(found.values()) != counted:
        faults.append(f"{tensors.elements(found.values()):,} weights in the files, {counted:,} in the checkpoint that was exported")
    return [f"{len(faults)} tensors are wrong, first: {faults[0]}"] if faults else []


def _whole_gguf(run: Lineage, repository: Repository) -> list[str]:
    chat = next((other for other in run.repositories() if other.kind == "chat"), None)
    if chat is None:
        return ["the model that the GGUF files were made from is not here"]
    wanted = tensors.elements(tensors.stored(run.folder / chat.stage / chat.prefix).values())
    counts = {
        output.path: tensors.gguf_elements(run.folder / repository.stage / output.path)
        for output in repository.files
        if output.path.endswith(".gguf")
    }
    return [f"{path} holds {count:,} weights, the model {wanted:,}" for path, count in counts.items() if count != wanted]


def licensed(rows: Sequence[Licence], allow_doubtful: bool) -> list[str]:
    """Each source, base model and set of examples has a licence, and one that is known."""
    none = [f"{row.what} {row.name}: no licence is recorded" for row in rows if not row.licence.strip()]
    doubtful = [row for row in rows if row.licence.strip() and not row.known]
    if doubtful and not allow_doubtful:
        none += [f"{row.what} {row.name}: licence “{row.licence}” is doubtful; look at it, then --allow-doubtful" for row in doubtful]
    return none or ([] if rows else ["no source and no licence is recorded at all"])


def complete(card: Card) -> list[str]:
    """The card lacks nothing."""
    return [f"the card lacks {words}" for words in card.missing]


def nothing_private(run: Lineage, repository: Repository, card: Card) -> list[str]:
    """Only files that a model needs, and none of the run's own text in them."""
    paths = [repository.path_in_repo(output) for output in repository.files]
    faults = [f"{path} is not a file of a model: it may hold training or held-out text" for path in private_text.unexpected(paths)]
    texts = {"README.md": card.text}
    for output in repository.files:
        path = run.folder / repository.stage / output.path
        if private_text.is_text(output.path) and path.is_file():
            texts[repository.path_in_repo(output)] = path.read_text(encoding="utf-8", errors="replace")
    return faults + private_text.leaks(texts, run.folder)
