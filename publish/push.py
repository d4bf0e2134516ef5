"""`make push`: a run's repositories to the Hugging Face hub. Without --yes it only says what it would do.

python -m publish.push RUN [--owner NAME] [--only KIND ...] [--license ID] [--allow-doubtful] [--public] [--yes]
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from kishi.command import command
from kishi.errors import RecipeError
from publish import gates
from publish.row_licences import each_rows
from publish.upload import upload
from report import lineage
from report.card import Card, make_card
from report.licences import licences
from report.lineage import Kind, Lineage, Repository
from report.view import size

CODE = Path(__file__).parent.parent


@dataclass(frozen=True)
class Plan:
    """One repository, its card, and why it may not be published (nothing: it may)."""

    repository: Repository
    name: str
    card: Card
    refused: list[str]


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 all well, 1 refused or not uploaded, 2 wrong command line."""
    options = _parse(arguments)
    plans = plan(lineage.read(options.run), options)
    for made in plans:
        _show(made, options.run)
    if any(made.refused for made in plans):
        print("refused: nothing is uploaded", file=sys.stderr)
        return 1
    if not options.yes:
        print("dry run: nothing is uploaded; --yes uploads")
        return 0
    for made in plans:
        upload(options.run, made.repository, made.name, made.card, private=not options.public)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m publish.push", description="Publish a run on the Hugging Face hub; dry run by default."
    )
    parser.add_argument("run", type=Path, help="runs/<recipe>")
    parser.add_argument("--owner", help="user or organisation on the hub; may be left out in a dry run")
    parser.add_argument("--only", nargs="+", choices=get_args(Kind), metavar="KIND", help=f"of: {', '.join(lineage.ORDER)}; default: all")
    parser.add_argument("--license", help="of the weights; default: the base model's, or apache-2.0 for a model from scratch")
    parser.add_argument("--allow-doubtful", action="store_true", help="publish although a source's licence is not clear; the card says so")
    parser.add_argument("--public", action="store_true", help="new repositories can be seen by all; default: private")
    parser.add_argument("--yes", action="store_true", help="upload; the token comes from HF_TOKEN or `hf auth login`")
    options = parser.parse_args(arguments)
    if options.yes and not options.owner:
        parser.error("--yes needs --owner")
    options.owner = options.owner or "OWNER"
    return options


def plan(run: Lineage, options: argparse.Namespace) -> list[Plan]:
    """Every chosen repository with its card, behind all gates. Raises RecipeError when there is nothing of what was asked for."""
    chosen = [found for found in run.repositories() if not options.only or found.kind in options.only]
    missing = [kind for kind in options.only or () if kind not in {found.kind for found in chosen}]
    if missing or not chosen:
        raise RecipeError(
            f"no finished stage makes {', '.join(missing) or 'a repository'}", where=run.folder, fix="make all, or another --only"
        )
    return [_plan(run, found, options) for found in chosen]


def _plan(run: Lineage, repository: Repository, options: argparse.Namespace) -> Plan:
    rows = each_rows(run, licences(run, run.upstream(repository.stage)))
    default = next((row.licence for row in rows if row.what == "base model"), "apache-2.0")
    licence = default if options.license is None else options.license
    card = make_card(run, repository, options.owner, licence, rows)
    refused = [
        *gates.unchanged(run, repository),
        *gates.committed(run, repository, CODE),
        *gates.licensed(rows, options.allow_doubtful),
        *gates.complete(card),
        *gates.parity(run, repository),
        *gates.whole(run, repository),
        *gates.nothing_private(run, repository, card),
    ]
    return Plan(repository, f"{options.owner}/{repository.name(run.name)}", card, list(dict.fromkeys(refused)))


def _show(made: Plan, run: Path) -> None:
    """The dry run: files, sizes and the card, which is written beside the stages to be read."""
    preview = run / "publish" / made.repository.name(run.name) / "README.md"
    preview.parent.mkdir(parents=True, exist_ok=True)
    preview.write_text(made.card.text, encoding="utf-8")
    print(f"{made.name} ({made.repository.kind}, from {made.repository.stage})")
    for output in made.repository.files:
        print(f"  {size(output.bytes):>10}  {made.repository.path_in_repo(output)}")
    print(f"  {size(len(made.card.text.encode())):>10}  README.md (read it: {preview})")
    for reason in made.refused:
        print(f"  refused: {reason}")


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    sys.exit(main())
