"""Where the training stages get their examples from."""

import os
from pathlib import Path

from rich import print as show

from kishi.rank import is_main, is_worker
from posttrain.chat_data import Check, Split, load
from recipes.job import Job
from recipes.schema_posttrain import Finetune


def read(job: Job, section: Finetune, check: Check) -> Split:
    """The section's examples, split; what is left out goes to the stage's quarantine and is said aloud, by the first process."""
    quarantine = job.folder / ("quarantine.jsonl" if is_main() else f".quarantine-{os.environ['RANK']}.jsonl")
    data = load(Path(section.path), check, section.heldout, job.recipe.seed, quarantine)
    if data.warning and is_main():
        print(f"! {data.warning}", flush=True) if is_worker() else show(f"[yellow]![/] {data.warning}")
    return data
