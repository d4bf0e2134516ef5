"""The export stage: each phase's last Megatron checkpoint to a plain Hugging Face Qwen3 folder, behind a parity gate.

The conversion runs in a process of its own (`conversion.export_worker`), because on a CPU Megatron needs a patched torch; the comparison
loads what was written with plain `transformers`, as a user would.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from rich.console import Console
from tokenizers import Tokenizer

from conversion import worker
from conversion.tensors import check_stored
from kishi.errors import ArtefactError, ParityError
from kishi.jsonl import read_rows, write_json
from kishi.progress import track
from kishi.special_tokens import END_OF_TEXT, PAD, SPECIAL_IDS
from recipes.job import Job
from recipes.schema import Recipe

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
# Both sides compute in fp32. On one CPU with the same kernels they agree to the last bit; where Megatron's fused products add up in another
# order (GPU, other shapes) 1e-6 to 1e-5 is rounding. One re-drawn MLP matrix out of 28 moves logits by 8e-2, so 1e-4 tells them apart.
TOLERANCE = 1e-4
DOCUMENTS_A_LANGUAGE = 3


def run(job: Job) -> dict[str, Any]:
    """Write `phase1/` and `phase2/`. Raises ParityError when logits, rows, weights or tokenizer files differ."""
    facts = {phase: job.folder / phase / "parity.json" for phase in ("phase1", "phase2")}
    _export(job, {phase: path.parent for phase, path in facts.items() if not path.exists()})
    return {phase: json.loads(path.read_text()) for phase, path in facts.items()}


def _export(job: Job, folders: dict[str, Path]) -> None:
    """The phases that are not finished, all in one process: it takes longer to start than to convert."""
    if not folders:
        return
    checkpoints = {job.inputs[f"pretrain-{phase}"] / "checkpoints": folder for phase, folder in folders.items()}
    convert(job.recipe, checkpoints, job.inputs["tokenizer"], job.inputs["data"], job.inputs.get("import-hf"))


def convert(recipe: Recipe, checkpoints: dict[Path, Path], tokenizer: Path, data: Path, imported: Path | None) -> None:
    """The newest of each folder of checkpoints, or the one that it is, to a Hugging Face folder; its `parity.json` is written last.

    `imported`: the folder of stage `import-hf`, in a recipe that has it.
    """
    texts = parity_ids(tokenizer, data, recipe.pretrain.sequence_length)
    for folder in checkpoints.values():
        _begin(hugging_face_config(recipe) if imported is None else _base_config(imported), folder, tokenizer, texts)
    with Console().status("converting"):
        _run_worker(checkpoints)
    for folder in track(list(checkpoints.values()), "comparing"):
        check_tokenizer_files(folder, tokenizer)
        parity = check_parity(folder, texts, recipe.tokenizer.vocab_size)
        for name in (".logits.safetensors", ".parity_ids.json"):
            (folder / name).unlink()
        write_json(folder / "parity.json", parity)


def _begin(config: dict[str, Any], folder: Path, tokenizer: Path, texts: list[list[int]]) -> None:
    """All that the worker reads. What a killed attempt left is not looked at."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in TOKENIZER_FILES:
        shutil.copyfile(tokenizer / name, folder / name)
    write_json(folder / "config.json", config)
    write_json(folder / ".parity_ids.json", texts)


def _base_config(imported: Path) -> dict[str, Any]:
    """The grown base's own, for weights in fp32."""
    config: dict[str, Any] = json.loads((imported / "config.json").read_bytes())
    config.pop("torch_dtype", None)
    return {**config, "dtype": "float32"}


def hugging_face_config(recipe: Recipe) -> dict[str, Any]:
    """`config.json` of a Qwen3 model of the recipe's shape."""
    model = recipe.model
    assert model is not None
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": recipe.tokenizer.vocab_size,
        "hidden_size": model.hidden_size,
        "intermediate_size": model.ffn_hidden_size,
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.attention_heads,
        "num_key_value_heads": model.kv_heads,
        "head_dim": model.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": recipe.pretrain.sequence_length,
        "initializer_range": model.init_std,
        "rms_norm_eps": model.norm_eps,
        "rope_theta": model.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": model.rope_theta},
        "tie_word_embeddings": True,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "use_cache": True,
        "bos_token_id": None,
        "eos_token_id": SPECIAL_IDS[END_OF_TEXT],
        "pad_token_id": SPECIAL_IDS[PAD],
        "dtype": "float32",
    }


def parity_ids(tokenizer_folder: Path, data: Path, length: int) -> list[list[int]]:
    """Token ids of real held-out text in each language, at most `length` of each. Raises ArtefactError when there is none."""
    tokenizer = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    texts = []
    for path in sorted((data / "heldout").glob("*.jsonl.zst")):
        rows = list(read_rows(path))[:DOCUMENTS_A_LANGUAGE]
        texts += [tokenizer.encode(row["text"], add_special_tokens=False).ids[:length] for row in rows]
    if not texts:
        raise ArtefactError("no held-out text to compare logits on", where=data, fix="raise data.heldout")
    return texts


def _run_worker(folders: dict[Path, Path]) -> None:
    worker.run("conversion.export_worker", [path for pair in folders.items() for path in pair])


def check_tokenizer_files(folder: Path, tokenizer: Path) -> None:
    """Byte for byte those of the tokenizer stage: saving a model through `transformers` may rewrite them. Raises ParityError."""
    for name in TOKENIZER_FILES:
        if (folder / name).read_bytes() != (tokenizer / name).read_bytes():
            raise ParityError("differs from the tokenizer stage's file", where=folder / name, fix="do not edit it; run the stage again")


def check_parity(folder: Path, texts: list[list[int]], vocab_size: int, logits: Path | None = None) -> dict[str, Any]:
    """Compare the folder's model, loaded by plain `transformers`, with the logits that Megatron gave (default: those beside it).

    Raises ParityError when tensors are missing or too many (a tied head stored twice), rows are not the vocabulary's, or logits differ.
    """
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    if (rows := model.get_input_embeddings().weight.shape[0]) != vocab_size:
        raise ParityError(f"{rows} embedding rows, the vocabulary has {vocab_size}", where=folder)
    check_stored(folder, {name for name, _ in model.named_parameters()})  # a tied head is no parameter of its own
    expected = load_file(logits or folder / ".logits.safetensors")
    with torch.no_grad():
        found = [model(torch.tensor([ids])).logits[0] for ids in texts]
    # torch's maximum keeps NaN, Python's would drop it
    worst = float(torch.stack([(logits - expected[str(number)]).abs().max() for number, logits in enumerate(found)]).max())
    scale = float(torch.stack([logits.abs().max() for logits in expected.values()]).max())
    if not worst <= TOLERANCE:
        raise ParityError(
            f"logits differ from Megatron's by {worst:.2e}, allowed is {TOLERANCE:.0e}", where=folder, fix="weights were lost or mixed up"
        )
    parameters = sum(p.numel() for p in model.parameters())
    tokens = sum(map(len, texts))
    return {
        "max_difference": worst,
        "largest_logit": scale,
        "tolerance": TOLERANCE,
        "tokens_compared": tokens,
        "rows": rows,
        "parameters": parameters,
    }
