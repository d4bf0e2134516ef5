"""Chat model folders in and out."""

import shutil
from pathlib import Path
from typing import Any

import torch

from recipes.hardware import Hardware

_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "generation_config.json")


def load(folder: Path, hardware: Hardware, dtype: torch.dtype = torch.float32) -> Any:
    """The model on the overlay's device, ready to be evaluated; without the library's bars and notes."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    if hardware.threads:
        torch.set_num_threads(hardware.threads)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    return model.to("cuda" if hardware.device == "gpu" else "cpu").eval()


def copy_tokenizer(source: Path, target: Path) -> None:
    """Byte for byte, with the chat template and the tokens that end an answer."""
    for name in _FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
