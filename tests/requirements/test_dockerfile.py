"""The Dockerfile, which cannot be built here: what it copies and calls is there, it pins its base, and no secret can get in."""

import re
import shlex
from pathlib import Path

LINES = Path("Dockerfile").read_text().replace("\\\n", " ").splitlines()
INSTRUCTIONS = [line.split(maxsplit=1) for line in LINES if line.strip() and not line.startswith("#")]
IGNORED = [line for line in Path(".dockerignore").read_text().splitlines() if line and not line.startswith("#")]


def arguments(name: str) -> list[str]:
    return [rest for word, rest in INSTRUCTIONS if word == name]


def test_every_instruction_is_one() -> None:
    known = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "CMD", "ARG", "USER"}
    assert INSTRUCTIONS[0][0] == "FROM" and {word for word, _ in INSTRUCTIONS} <= known


def test_the_base_is_pinned_by_tag_and_its_release_is_the_engines() -> None:
    (base,) = arguments("FROM")
    assert re.fullmatch(r"nvcr\.io/nvidia/nemo:\d\d\.\d\d(\.\d+)?", base)
    engine = re.search(r"^megatron-bridge==(\d+\.\d+)\.", Path("requirements/bridge.txt").read_text(), re.MULTILINE)
    assert engine and f"Megatron-Bridge {engine[1]}\n" in Path("Dockerfile").read_text()


def test_all_that_is_copied_or_called_exists_and_is_not_ignored() -> None:
    sources = [source for line in arguments("COPY") for source in shlex.split(line)[:-1]]
    assert "requirements/" in sources and "." in sources
    for source in sources:
        assert Path(source).exists() and source.strip("/") not in IGNORED
    for called in ("requirements/setup.sh",):
        assert any(called in line for line in arguments("RUN")) and Path(called).stat().st_mode & 0o111


def test_environments_runs_history_and_secrets_stay_out() -> None:
    assert {".git", ".venv", "runs", ".env*", "slurm/cluster.env"} <= set(IGNORED)
    assert not re.search(r"(?i)token|password|secret|api_key", "\n".join(LINES))


def test_jobs_look_for_the_interpreter_where_the_image_has_it() -> None:
    (environment,) = [line.partition("=")[2] for line in arguments("ENV") if line.startswith("KISHI_VENV=")]
    assert f"KISHI_WORKER_PYTHON={environment}/bin/python" in Path("slurm/train.sbatch").read_text()
