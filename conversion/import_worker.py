"""Converts a Hugging Face folder, in a process of its own: `python -m conversion.import_worker FOLDER OUT`.

OUT holds `.parity_ids.json`; added are `checkpoints/`, and Megatron's logits for those ids in `.logits.safetensors`.
"""

import json
import sys
from pathlib import Path

from conversion.worker import guarded


def main(folder: Path, out: Path) -> None:
    """Raises ParityError when the tensors do not come back from Megatron bit for bit."""
    from train.cpu_engine import engine

    with engine():
        from safetensors.torch import save_file

        from conversion import megatron_model, tensors

        with megatron_model.alone():
            model = megatron_model.from_folder(folder)
            tensors.check_same(folder, megatron_model.weights(folder, model))
            texts = json.loads((out / ".parity_ids.json").read_bytes())
            save_file({str(n): megatron_model.logits(model, ids) for n, ids in enumerate(texts)}, out / ".logits.safetensors")
            megatron_model.save(model, out / "checkpoints")


if __name__ == "__main__":
    guarded(lambda: main(Path(sys.argv[1]), Path(sys.argv[2])))
