"""A finished run as its manifests tell it: which stages there are, what each was made from, and which repositories they make."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from kishi import manifest
from kishi.errors import ArtefactError
from kishi.manifest import Manifest, Output

Kind = Literal["tokenizer", "base", "chat", "reward", "gguf", "awq", "gptq", "fp8", "autoround"]
QUANTISED: tuple[Kind, ...] = ("gguf", "awq", "gptq", "fp8", "autoround")
CHAT_STAGES = ("tools", "grpo", "dpo", "sft")  # the last of the way first
_STAGE_OF: dict[Kind, str] = {"tokenizer": "tokenizer", "base": "export-hf", "reward": "reward", **{kind: kind for kind in QUANTISED}}
_NAMES: dict[Kind, str] = {"tokenizer": "tokenizer", "base": "base", "chat": "chat", "reward": "reward"}
ORDER: tuple[Kind, ...] = ("tokenizer", "base", "chat", "reward", *QUANTISED)


@dataclass(frozen=True)
class Repository:
    """What one repository of the hub holds: these files of one stage, `prefix` cut off their paths."""

    kind: Kind
    stage: str
    prefix: str
    files: tuple[Output, ...]
    made_from: Kind | None

    def name(self, run: str) -> str:
        """`kishi-350m-chat-gguf` of the run `kishi-350m`."""
        return f"{run}-{_NAMES.get(self.kind, f'chat-{self.kind}')}"

    def path_in_repo(self, output: Output) -> str:
        """Where the file lies in the repository."""
        return PurePosixPath(output.path).relative_to(self.prefix).as_posix() if self.prefix else output.path


@dataclass(frozen=True)
class Lineage:
    """All manifests of a run's folder by stage."""

    folder: Path
    manifests: dict[str, Manifest]

    @property
    def name(self) -> str:
        """The recipe's name, as the manifests have it."""
        return next((str(found.recipe["name"]) for found in self.manifests.values() if found.recipe.get("name")), self.folder.name)

    def upstream(self, stage: str) -> list[str]:
        """The stage and all that it was made from, in the order of the way. Raises ArtefactError when one has no manifest."""
        seen: dict[str, None] = {}

        def visit(name: str) -> None:
            if name not in self.manifests:
                raise ArtefactError(f"{stage} was made from {name}, which has no manifest", where=self.folder / name, fix=f"make {name}")
            for other in self.manifests[name].inputs:
                if other not in seen:
                    visit(other)
            seen[name] = None

        visit(stage)
        return list(seen)

    def chat_stage(self) -> str | None:
        """The stage of the final chat model: the one that was quantised, else the last of the way."""
        for kind in QUANTISED:
            if kind in self.manifests and (used := [name for name in CHAT_STAGES if name in self.manifests[kind].inputs]):
                return used[0]
        return next((name for name in CHAT_STAGES if name in self.manifests), None)

    def repositories(self) -> list[Repository]:
        """What can be published, tokenizer and base first, since the others name them."""
        stages = {**_STAGE_OF, "chat": self.chat_stage()}
        return [self._repository(kind, str(stages[kind])) for kind in ORDER if stages[kind] in self.manifests]

    def _repository(self, kind: Kind, stage: str) -> Repository:
        outputs = self.manifests[stage].outputs
        if kind == "gguf":
            inside = tuple(o for o in outputs if o.path == "Modelfile" or (o.path.startswith("model-") and o.path.endswith(".gguf")))
            return Repository(kind, stage, "", inside, "chat")
        prefix = "" if kind == "tokenizer" else _model_folder(outputs)
        inside = tuple(o for o in outputs if not prefix or o.path.startswith(f"{prefix}/"))
        if kind == "tokenizer":
            inside = tuple(o for o in inside if o.path != "fertility.json")  # it is in the card
        made_from: Kind | None = None if kind in ("tokenizer", "base") else "base" if kind in ("chat", "reward") else "chat"
        return Repository(kind, stage, prefix, inside, made_from)


def _model_folder(outputs: list[Output]) -> str:
    """The folder with the model: `phase2` of the export, `model` elsewhere."""
    folders = {PurePosixPath(output.path).parent.as_posix() for output in outputs if PurePosixPath(output.path).name == "config.json"}
    for known in ("phase2", "model"):
        if known in folders:
            return known
    return min(folders, default="").removeprefix(".")


def read(folder: Path) -> Lineage:
    """The run's manifests, without looking at the files that they list. Raises ArtefactError when there is none."""
    found = {path.parent.name: manifest.read(path.parent) for path in sorted(folder.glob(f"*/{manifest.FILE_NAME}"))}
    found = {name: made for name, made in found.items() if not name.endswith((".partial", ".replaced"))}
    if not found:
        raise ArtefactError("no finished stage here", where=folder, fix="name the folder of a run: runs/<recipe>")
    return Lineage(folder, dict(sorted(found.items(), key=lambda item: item[1].started)))
