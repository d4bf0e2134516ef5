"""Stage `import-hf`: a Hugging Face model to a Megatron checkpoint at step 0, behind two gates.

Its tensors, taken back out of Megatron, are the same bit for bit; and its logits are those of plain `transformers`.

    python -m conversion.import_hf FOLDER OUT    # the same for any model of the kinds in recipes/base.py
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from conversion import worker
from conversion.export_hf import check_parity, parity_ids
from kishi.command import command
from kishi.hard_texts import hard_texts
from kishi.jsonl import write_json
from recipes.base import read_shape
from recipes.job import Job

LENGTH = 512  # tokens of a text that logits are compared on, at most


def run(job: Job) -> dict[str, Any]:
    """Write `checkpoints/`, `config.json` and `parity.json`. Raises ParityError when tensors or logits differ."""
    folder = job.inputs["expand-model"]
    return convert(folder, job.folder, parity_ids(folder, job.inputs["data"], LENGTH))


def convert(folder: Path, out: Path, texts: Sequence[list[int]]) -> dict[str, Any]:
    """Import the model in `folder`; `texts` are token ids. What a killed attempt left in `out` is not looked at."""
    shape = read_shape(folder / "config.json")
    texts = [ids[: shape.longest] for ids in texts]
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    write_json(out / ".parity_ids.json", texts)
    with Console().status("converting"):
        worker.run("conversion.import_worker", [folder, out])
    parity = check_parity(folder, texts, shape.rows, logits=out / ".logits.safetensors")
    for name in (".logits.safetensors", ".parity_ids.json"):
        (out / name).unlink()
    shutil.copyfile(folder / "config.json", out / "config.json")
    write_json(out / "parity.json", parity)
    return parity


@command
def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Hugging Face folder -> Megatron checkpoint at step 0, with parity")
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    from transformers import AutoTokenizer  # after the options: a wrong one is told at once

    tokenizer: Any = AutoTokenizer.from_pretrained(arguments.folder)
    texts = [tokenizer(text, add_special_tokens=False).input_ids[:LENGTH] for text in hard_texts()]
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(json.dumps(convert(arguments.folder, arguments.out, [ids for ids in texts if ids]), indent=2))


if __name__ == "__main__":
    sys.exit(main())
