"""Commands, links and paths that the documentation names, and whether each is right.

A command is taken from shell blocks, from indented lines and from `code` that begins like one. It is checked by the thing itself: make with
-n, and whatever that prints; a recipe's command by the real loader with its --set and --hw; any other module by running it up to and
with its argparse. Words in capitals stand for something of the reader's.
"""

import argparse
import importlib.util
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from unittest.mock import patch

from kishi.errors import KishiError
from recipes import run
from recipes.hardware import default_overlay
from recipes.loading import load_hardware, load_recipe, split_changes
from recipes.stages import NAMES, Stage, chain

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
STANDS_FOR = {"RECIPE": "recipes/kishi-tiny.yaml", "RECIPE.yaml": "recipes/kishi-tiny.yaml", "STAGE": "data", "X": "help"}
PROGRAMS = {
    "cd",
    "docker",
    "enroot",
    "export",
    "git",
    "kill",
    "llama-cli",
    "scancel",
    "squeue",
    "sbatch",
    "apt-get",
    "curl",
    "tail",
    "source",
    "hf",
}
_BLOCK = re.compile(r"^```(?:sh|bash)\n(.*?)^```", re.M | re.S)
_FENCED = re.compile(r"^```.*?^```", re.M | re.S)
_COMMAND = re.compile(r"(?:make|python -m|\.venv/bin/python -m|pytest|requirements/setup\.sh|slurm/chain\.sh)(?: |$)")
_OPTION = re.compile(r"--set [\w.]+=\S+")


def commands(text: str) -> Iterator[str]:
    """Every command of a page, one a line; `a && b` and `a | b` are two."""
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield from _parts(line)
    rest = _FENCED.sub("", text).replace("\\\n", " ")
    for code in [*re.findall(r"`([^`\n]+)`", rest), *re.findall(r"^    (\S.*)$", rest, re.M)]:
        if _COMMAND.match(code):
            yield from _parts(code)
        elif code.startswith("--set ") and _OPTION.match(code):
            yield f"python -m recipes.run RECIPE data {code}"


def _parts(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=False, punctuation_chars="&|;")
    lexer.whitespace_split, lexer.commenters = True, "#"
    parts: list[list[str]] = [[]]
    for word in lexer:
        parts.append([]) if set(word) <= set("&|;") else parts[-1].append(word)
    return [" ".join(part) for part in parts if part]


def fault(command: str) -> str | None:
    """What is wrong with a command; None when nothing is."""
    words = [STANDS_FOR.get(word, word) for word in shlex.split(command)]
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    if not words:
        return None
    program, arguments = words[0], words[1:]
    if program in ("python", ".venv/bin/python", "python3", sys.executable):
        return _python(arguments)
    if program == "make":
        return _make(arguments)
    if program == "pytest" or "/" in program:
        return _script(program, arguments)
    if program == "cp":
        return None if (ROOT / arguments[0]).exists() else f"no {arguments[0]}"
    return None if program in PROGRAMS else f"{program}: not a program that this test knows (PROGRAMS)"


def _make(arguments: list[str]) -> str | None:
    done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr.strip()
    printed = [part for line in done.stdout.splitlines() for part in _parts(line) if not line.startswith(("awk", "make"))]
    return next((why for part in printed if (why := fault(part))), None)


def _script(program: str, arguments: list[str]) -> str | None:
    """Ours: it exists, and so do the things that it is given."""
    if program == "pytest" or program.startswith(".venv/bin/"):  # tools: the paths among their words
        paths = [word for word in arguments if "/" in word and not word.startswith("-")]
        return next((f"no {path}" for path in paths if not (ROOT / path).exists()), None)
    if not (ROOT / program).is_file():
        return f"no {program}"
    if program == "requirements/setup.sh":
        return next((f"no requirements/{group}.txt" for group in arguments if not (ROOT / f"requirements/{group}.txt").is_file()), None)
    if program == "slurm/chain.sh":
        return next((f"no stage {word}" for word in arguments if word not in NAMES), None)
    return None


def _python(arguments: list[str]) -> str | None:
    if not arguments:
        return None
    if arguments[0] != "-m":
        return None if (ROOT / arguments[0]).is_file() else f"no {arguments[0]}"
    module, options = arguments[1], arguments[2:]
    if module in ("pytest", "pip"):
        return _script("pytest", options)
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None or not Path(spec.origin).is_relative_to(ROOT):
        return f"no module {module}"
    if not options:
        return None
    if module == "recipes.run":
        return _recipe(options)
    return _parsed(module, options) if "ArgumentParser" in Path(spec.origin).read_text(encoding="utf-8") else f"{module} takes no options"


def _recipe(options: list[str]) -> str | None:
    """As `recipes.run` does it, up to the first stage."""
    words = StringIO()
    try:
        with redirect_stderr(words):
            asked = run._parse(options)
        changes, hardware_changes = split_changes(asked.set)
        recipe = load_recipe(_recipe_for(asked.recipe, changes), changes)
        load_hardware(asked.hw or default_overlay(), hardware_changes)
        if asked.stage != "status" and not _elsewhere(asked.stage, asked.recipe, chain(recipe)):
            run._chosen(asked.stage, asked.phase, recipe)
    except KishiError as error:
        return error.message()
    except SystemExit:
        return words.getvalue().strip()
    return None


def _elsewhere(stage: str, path: Path, stages: dict[str, Stage]) -> bool:
    """Where no recipe is named (make's own is the small one), a stage of any of the repository's recipes is meant."""
    if stage in stages or path != Path(STANDS_FOR["RECIPE"]):
        return False
    others = (load_recipe(other, []) for other in sorted((ROOT / "recipes").glob("*.yaml")))
    return any(stage in chain(other) for other in others)


def _recipe_for(path: Path, changes: list[str]) -> Path:
    """Where a page says RECIPE, a change may belong to a recipe with a base."""
    based = any(change.startswith("base.") for change in changes) and path == Path(STANDS_FOR["RECIPE"])
    return ROOT / ("recipes/expand-qwen3.yaml" if based else path)


class _ParsedError(Exception):
    """The options were accepted: nothing more is run."""


def _parsed(module: str, options: list[str]) -> str | None:
    """Run the module until its argparse has taken the options."""
    real, words = argparse.ArgumentParser.parse_args, StringIO()

    def stop(self: argparse.ArgumentParser, *_: object) -> None:
        real(self, options)
        raise _ParsedError

    known = sys.modules.pop(module, None)
    try:
        with (
            patch.object(argparse.ArgumentParser, "parse_args", stop),
            patch.object(sys, "argv", [module, *options]),
            redirect_stderr(words),
        ):
            runpy.run_module(module, run_name="__main__")
    except _ParsedError:
        return None
    except SystemExit:
        return words.getvalue().strip()
    finally:
        if known is not None:
            sys.modules[module] = known
    return f"{module} never looked at its options"


def headings(text: str) -> set[str]:
    """Anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", _FENCED.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path, text: str) -> list[str]:
    """Links of a page that lead nowhere inside the repository."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", _FENCED.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            found.append(f"{link}: no such file")
        elif anchor and anchor not in headings(target.read_text(encoding="utf-8")):
            found.append(f"{link}: no such heading")
    return found


def missing_paths(text: str) -> list[str]:
    """Files and folders of the repository that a page names in `code` and that are not there."""
    tops = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"runs", "data"}
    ignored = (ROOT / ".gitignore").read_text().split()
    named = [code for code in re.findall(r"`([\w.-]+(?:/[\w.-]+)+/?)`", text) if code.split("/")[0] in tops and code not in ignored]
    # `eval/results.json` is a file of a run: of a folder that is named like a stage only code is meant
    ours = [path for path in named if path.split("/")[0] not in NAMES or path.endswith((".py", "/"))]
    return [path for path in dict.fromkeys(ours) if not (ROOT / path).exists() and not (ROOT / f"{path}.py").exists()]
