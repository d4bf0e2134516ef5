"""LoRA: small matrices beside the linear layers are trained instead of the weights, and added to them at the end."""

from typing import Any

from recipes.schema_posttrain import Lora


def config(lora: Lora | None, task: str = "CAUSAL_LM", whole: tuple[str, ...] = ()) -> Any:
    """peft's configuration, or None for full training. `whole`: layers trained in full beside the adapters (a new head).

    Raises ImportError where peft is not installed.
    """
    if lora is None:
        return None
    from peft import LoraConfig

    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    return LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=0.0, target_modules=targets, task_type=task, modules_to_save=list(whole) or None
    )


def merged(model: Any) -> Any:
    """The model with its adapters added to the weights; any other model as it is."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def facts(model: Any, lora: Lora | None) -> dict[str, Any]:
    """How many of the weights are trained."""
    trained = sum(weights.numel() for weights in model.parameters() if weights.requires_grad)
    return {"trained_parameters": trained, "lora": lora.model_dump(mode="json") if lora else None}
