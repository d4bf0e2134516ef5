"""The record of quantisation: what is quantised, and what is made."""

from dataclasses import replace
from pathlib import Path

from bench import quantization
from recipes.hardware import Hardware
from recipes.job import Job

HARDWARE = Hardware(device="cpu", micro_batch_size=1, precision="fp32")


def test_the_model_of_any_stage_can_be_quantised() -> None:
    recipe = quantization.whole(Path("recipes/kishi-tiny.yaml"), [])
    own, pretrained = quantization.stages_of(recipe, None), quantization.stages_of(recipe, "export-hf")
    assert own["awq"].inputs == ("dpo", "data") and pretrained["awq"].inputs == ("export-hf", "data")
    job = Job(recipe, HARDWARE, Path("x"), {name: Path(name) for name in pretrained["eval-quantized"].inputs})
    assert job.chat_model == Path("export-hf/phase2")
    assert replace(job, inputs={**job.inputs, "sft": Path("sft")}).chat_model == Path("sft/model")


def test_a_method_can_be_left_out() -> None:
    recipe = quantization.whole(Path("recipes/kishi-tiny.yaml"), ["quantize.gptq=null", "quantize.autoround=null"])
    job = Job(recipe, HARDWARE, Path("x"), {})
    assert recipe.quantize.methods == ("awq", "fp8", "qat")
    assert set(quantization.variants_of(job)) == {"gguf, english", "awq, english", "gguf, none"}
