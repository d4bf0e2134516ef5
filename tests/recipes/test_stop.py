"""A stage with processes of its own, asked to end and killed: it ends at once, leaves none of them, and goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.train.tiny_run import wait_for_none_left

pytestmark = pytest.mark.slow


def test_data_ends_at_once_with_all_its_processes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "recipes.run", "recipes/kishi-tiny.yaml", "data", "--hw", "cpu", "--set", "data.shard_megabytes=0.3"]
    logs = tmp_path / "kishi-tiny" / "data.partial" / ".work" / "logs"
    for number, step, code, words in (
        (signal.SIGTERM, "clean", 75, "stopped by SIGTERM; the same command goes on from here"),
        (signal.SIGKILL, "buckets", -signal.SIGKILL, ""),
    ):
        # the stage alone gets the signal, as from Slurm or the kernel
        stage = subprocess.Popen(command, env={**os.environ, "KISHI_RUNS": str(tmp_path)}, stderr=subprocess.PIPE, text=True)
        while not (folder := logs / step / "completions").is_dir() or not any(folder.iterdir()):
            assert stage.poll() is None, f"ended before {step}"
            time.sleep(0.01)
        stage.send_signal(number)
        sent = time.monotonic()
        assert stage.wait(10) == code and time.monotonic() - sent < 5
        wait_for_none_left(tmp_path)
        assert stage.stderr and words in stage.stderr.read()
