"""In processes of its own, as Megatron needs on a CPU: models there and back, and checkpoints of two processes exported by one.

    torchrun --nproc-per-node 2 -m tests.conversion.round_trips OUT

First both processes make the checkpoints of `sharded.py` in OUT, then one goes on alone. Each folder of OUT/cases is a Hugging Face model
with `ids.json` and perhaps `fault.txt`, what is done to it inside Megatron; added are `logits.safetensors`, and `result.json` with the
number of equal tensors or the error. OUT/exported gets what the two checkpoints hold.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conversion import export_worker
from kishi.errors import ParityError
from tests.conversion import sharded
from train.cpu_engine import engine


def main(out: Path) -> None:
    sharded.main(out)
    if os.environ["RANK"] != "0":
        return
    for name in ("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_USE_AGENT_STORE"):  # torchrun's, for the two
        os.environ.pop(name, None)
    with engine():
        from conversion import megatron_model

        with megatron_model.alone():
            for case in sorted((out / "cases").iterdir()):
                (case / "result.json").write_text(json.dumps(one(case)))
    export_worker.main([(out / cut / "checkpoints", out / "exported" / cut) for cut in ("tensor", "pipeline")])


def one(case: Path) -> dict[str, Any]:
    """Folder -> Megatron -> names of Hugging Face; and the same over a checkpoint on disk."""
    from safetensors.torch import save_file

    from conversion import megatron_model, tensors

    fault = (case / "fault.txt").read_text() if (case / "fault.txt").exists() else ""
    try:
        model = megatron_model.from_folder(case)
        compared = tensors.check_same(case, spoilt(fault, megatron_model.weights(case, model)))
        save_file({"0": megatron_model.logits(model, json.loads((case / "ids.json").read_text()))}, case / "logits.safetensors")
        megatron_model.save(model, case / "checkpoints")
        again = megatron_model.from_checkpoint(case / "checkpoints" / "iter_0000000")
        return {"tensors": compared, "from_checkpoint": tensors.check_same(case, megatron_model.weights(case, again))}
    except ParityError as error:
        return {"error": error.what}


def spoilt(fault: str, weights: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """What a conversion with a defect would give."""
    first, second = (f"model.layers.{layer}.self_attn.q_norm.weight" for layer in (0, 1))
    found = dict(weights) if fault else {}
    if fault == "lost":
        del found[first]
    elif fault == "permuted":
        found[first], found[second] = found[second], found[first]
    elif fault == "one bit":
        found[first] = found[first].nextafter(found[first] + 1)
    yield from found.items() if fault else weights


if __name__ == "__main__":
    main(Path(sys.argv[1]))
