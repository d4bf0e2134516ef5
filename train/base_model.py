"""The model that continued pretraining has: Megatron-Bridge reads its shape from the Hugging Face configuration."""

from pathlib import Path
from typing import Any

from megatron.bridge import AutoBridge
from megatron.bridge.models.gpt_provider import GPTModelProvider
from transformers import AutoConfig


def base_provider(folder: Path, how: dict[str, Any]) -> GPTModelProvider:
    """Of the `config.json` in the folder; `how` are the settings that say how it is run, by Megatron's names."""
    provider: GPTModelProvider = AutoBridge.from_hf_config(AutoConfig.from_pretrained(folder)).to_megatron_provider(load_weights=False)
    provider.hf_model_id = None  # a path of this machine
    for name, value in how.items():
        if not hasattr(provider, name):
            raise AttributeError(f"Megatron's configuration has no {name}")
        setattr(provider, name, value)
    return provider
