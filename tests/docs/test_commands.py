"""What the documentation tells a reader to type exists, with these options; links lead somewhere; named files are there."""

from pathlib import Path

import pytest

from recipes import run, runner
from tests.docs.commands import PAGES, ROOT, broken_links, commands, fault, missing_paths

COMMANDS = sorted({(page.name, command) for page in PAGES for command in commands(page.read_text(encoding="utf-8"))})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_one(page: Path) -> None:
    wrong = [f"{command}\n    {why}" for name, command in COMMANDS if name == page.name and (why := fault(command))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not broken_links(page, text) and not missing_paths(text)


def test_pages_of_all_stages_are_in_the_contents() -> None:
    contents = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES[1:] if page.name != "README.md" and f"({page.name})" not in contents] == []


def test_plans_and_states_that_a_reader_may_ask_for_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run for real: it costs nothing."""
    monkeypatch.setattr(runner, "RUNS", tmp_path)
    asked = {command for _, command in COMMANDS if "recipes.run recipes/kishi-" in command}
    cheap = [command.split()[3:] for command in sorted(asked) if command.endswith(("status", "--dry-run"))]
    assert cheap
    for arguments in cheap:
        assert run.main(arguments) == 0, arguments


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("make nonsense", "nonsense"),
        ('make sft ARGS="--bogus"', "--bogus"),
        ("make data RECIPE=recipes/none.yaml", "none.yaml"),
        ("python -m recipes.run recipes/kishi-tiny.yaml dta", "dta"),
        ("python -m recipes.run recipes/kishi-tiny.yaml data --set data.heldoutt=0.1", "heldoutt"),
        ("python -m recipes.run RECIPE pretrain --hw 9xh100", "9xh100"),
        ("python -m tokenizer.cut A 49152", "required"),
        ("python -m publish.push runs/kishi-tiny --owner me --upload", "--upload"),
        ("python -m no.module --help", "no module"),
        ("python -m recipes.json_schema --all", "takes no options"),
        ("pytest tests/none.py", "tests/none.py"),
        ("requirements/setup.sh coer", "coer.txt"),
        ("slurm/chain.sh dta", "dta"),
        ("cp slurm/none.env slurm/cluster.env", "none.env"),
        ("frobnicate --now", "frobnicate"),
    ],
)
def test_a_wrong_command_is_noticed(command: str, words: str) -> None:
    assert words in (fault(command) or "nothing is wrong")


def test_commands_are_found_wherever_they_stand() -> None:
    text = (
        '```sh\nmake a   # why\nmake b && python -m c \\\n  d\n```\n`make e ARGS="x y"`, `--set f.g=1`'
        "\n\n    python -m h\n\nmake no command"
    )
    found = ["make a", "make b", "python -m c d", 'make e ARGS="x y"', "python -m recipes.run RECIPE data --set f.g=1", "python -m h"]
    assert list(commands(text)) == found


def test_a_broken_link_and_a_missing_path_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# One two: `three`\n")
    text = "[a](b.md#one-two-three) [b](b.md#four) [c](c.md) [d](https://example.org)"
    assert broken_links(tmp_path / "a.md", text) == ["b.md#four: no such heading", "c.md: no such file"]
    assert missing_paths("`report/none.py` `report/build.py` `slurm/cluster.env`") == ["report/none.py"]
