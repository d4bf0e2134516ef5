"""One process of a chat stage, under torchrun: `torchrun --nproc-per-node N -m posttrain.worker PLAN.json`."""

import sys
from pathlib import Path

from kishi import failure
from kishi.jsonl import write_json
from kishi.processes import die_with_parent
from kishi.rank import is_main
from posttrain import launch


def main(path: Path) -> None:
    """Call the planned function; the first process leaves the facts, one that fails leaves its error."""
    die_with_parent()
    job, function = launch.read_plan(path)
    try:
        facts = launch.load(function)(job)
    except BaseException as error:
        failure.write(job.folder, error)
        raise
    if is_main():
        write_json(job.folder / launch.FACTS, facts)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
