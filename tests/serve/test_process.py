"""The server as a process: its command line, load from eight clients, a stop in the middle of an answer."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench.serving import measure


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "serve.server", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
def test_wrong_command_lines_are_one_message(tmp_path: Path) -> None:
    (tmp_path / "no.gguf").write_bytes(b"text")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, message in (
            ((str(tmp_path / "absent.gguf"), "--port", "0"), "no such file"),
            ((str(tmp_path / "no.gguf"), "--port", "0"), "not a GGUF file"),
            ((str(tmp_path / "no.gguf"), "--port", port), "cannot listen there"),
            ((str(tmp_path / "no.gguf"), "--port", "0", "--waiting", "0"), "--waiting is too small"),
        ):
            done = run(*arguments)
            assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr, done.stderr


@pytest.mark.slow
def test_nothing_is_lost_under_load_and_a_stop_lets_the_answer_end(gguf: Path) -> None:
    figures, rows = measure(gguf, 60, 8, 32, ["--threads", "1"])
    assert figures["lost"] == 0 and len(rows) == 60
    assert figures["statuses"]["whole"] == {"200": 21} and figures["tokens"] > 100
    assert figures["stop"]["answer_whole"] and figures["stop"]["exit_status"] == 0
