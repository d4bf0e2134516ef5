"""Where the training stages get their examples from."""

import os

from rich import print as show

from kishi.rank import is_main, is_worker
from posttrain.chat_data import Check, Split, load
from recipes.job import Job


def read(job: Job, kind: str, check: Check) -> Split:
    """The examples of one kind; what is left out goes to the stage's quarantine and is said aloud, by the first process."""
    quarantine = job.folder / ("quarantine.jsonl" if is_main() else f".quarantine-{os.environ['RANK']}.jsonl")
    data = load(job.inputs["chat-data"] / kind, check, quarantine)
    if data.warning:
        warn(data.warning)
    return data


def warn(words: str) -> None:
    """One line, by the first process; under torchrun the stage that started it shows it."""
    if is_main():
        print(f"! {words}", flush=True) if is_worker() else show(f"[yellow]![/] {words}")
