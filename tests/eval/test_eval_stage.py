"""The eval stage on a real (random) Qwen3 model and its GGUF file: forms agree, bad models are refused, a kill changes nothing."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import Qwen3Config, Qwen3ForCausalLM

from conversion.gguf import convert
from eval import evaluate, harness, same_tokenizer
from eval.examination import figures_of
from eval.hugging_face import opened
from eval.kept_rows import once
from eval.llama_cpp_model import GgufModel, token_ids
from eval.llama_cpp_model import opened as opened_gguf
from kishi.errors import ArtefactError, DataError, ParityError
from kishi.jsonl import read_rows, write_rows
from kishi.stage_folder import StageFolder
from recipes.hardware import Hardware
from recipes.job import Job
from recipes.loading import load_recipe
from recipes.schema_eval import ChatMeasures
from tokenizer.train import run as train_tokenizer

HARDWARE = Hardware(device="cpu", threads=1, micro_batch_size=1, precision="fp32")
LANGUAGES = ("kk", "ru", "en")
LENGTH = 128
CHAT = ChatMeasures(translation="data/sample/translation.jsonl", constraints=2, limit=2, answer_tokens=12)
# nats a choice: 16-bit weights and llama.cpp's 16-bit cache moved log-likelihoods of about -100 by 0.006 at most here
TOLERANCE = 0.02


def _recipe(tasks: Path) -> Any:
    recipe = load_recipe(Path("recipes/kishi-tiny.yaml"))
    task = recipe.eval.tasks[0].model_copy(update={"path": str(tasks)})
    changes = {
        "pretrain": recipe.pretrain.model_copy(update={"sequence_length": LENGTH}),
        "gguf": recipe.gguf.model_copy(update={"types": ("F16",)}),
        "eval": recipe.eval.model_copy(update={"tasks": (task,), "chat": CHAT}),
    }
    return recipe.model_copy(update=changes)


def _write_data(root: Path) -> None:
    documents = [row for path in sorted(Path("data/sample/corpus").glob("*.jsonl")) for row in read_rows(path)]
    questions = list(read_rows(Path("data/sample/mcq.jsonl")))
    for language in LANGUAGES:
        rows = [{"id": str(number), "source": "sample", **row} for number, row in enumerate(documents) if row["lang"] == language]
        write_rows(root / "data/corpus/clean" / f"{language}.jsonl.zst", rows[2:])
        write_rows(root / "data/heldout" / f"{language}.jsonl.zst", rows[:2])
    conversations = list(read_rows(Path("data/sample/sft.jsonl")))[:9]
    write_rows(root / "chat-data/sft/heldout.jsonl", [{**row, "license": "Apache-2.0"} for row in conversations])
    write_rows(root / "tasks.jsonl", [row for la in LANGUAGES for row in [q for q in questions if q["lang"] == la][:6]])


def _job(root: Path, folder: Path) -> Job:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("data", "tokenizer", "export-hf", "chat-data", "sft", "dpo", "gguf")
    return Job(_recipe(root / "tasks.jsonl"), HARDWARE, folder, {name: root / name for name in names})


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders like those of the stages before eval."""
    root = tmp_path_factory.mktemp("runs")
    _write_data(root)
    (root / "tokenizer").mkdir()
    train_tokenizer(Job(_recipe(root / "tasks.jsonl"), HARDWARE, root / "tokenizer", {"data": root / "data"}))
    torch.manual_seed(1)
    config = Qwen3Config(
        vocab_size=2048,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=LENGTH,
        tie_word_embeddings=True,
        initializer_range=0.1,
    )
    Qwen3ForCausalLM(config).save_pretrained(root / "dpo/model")
    for path in (root / "tokenizer").iterdir():
        shutil.copy(path, root / "dpo/model")
    for other in ("export-hf/phase1", "export-hf/phase2", "sft/model"):
        shutil.copytree(root / "dpo/model", root / other)
    (root / "gguf").mkdir()
    convert(root / "dpo/model", root / "gguf/model-F16.gguf")
    return root


@pytest.fixture(scope="module")
def undisturbed(root: Path) -> tuple[Path, dict[str, Any]]:
    """The stage's folder and facts."""
    job = _job(root, root / "eval")
    return job.folder, evaluate.run(job)


def _without_times(facts: dict[str, Any]) -> dict[str, Any]:
    models = {name: {key: value for key, value in row.items() if key != "tokens_per_second"} for name, row in facts["models"].items()}
    return {**facts, "models": models}


def test_all_models_are_measured_on_everything(undisturbed: tuple[Path, dict[str, Any]]) -> None:
    folder, facts = undisturbed
    assert list(facts["models"]) == ["unigram", "untrained", "phase1", "phase2", "sft", "dpo", "gguf-F16"]
    assert all(set(row["bits_per_byte"]) == set(LANGUAGES) for row in facts["models"].values())
    assert json.loads((folder / "results.json").read_text()) == facts
    assert [name for name, row in facts["models"].items() if "chat" in row] == ["phase2", "sft", "dpo"]
    samples = list(read_rows(folder / "samples.jsonl"))
    assert {(row["model"], row["lang"]) for row in samples} == {(model, la) for model in list(facts["models"])[1:] for la in LANGUAGES}
    assert {row["mode"] for row in samples if row["model"] in ("phase2", "dpo")} == {"continuation", "answer"}
    assert list(facts["tasks"]) == [f"sample_mcq_{language}@2.1" for language in LANGUAGES]
    assert all(len(task["data_sha256"]) == len(task["documents_sha256"]) == 64 for task in facts["tasks"].values())


def test_figures_come_from_the_raw_rows(undisturbed: tuple[Path, dict[str, Any]]) -> None:
    folder, facts = undisturbed
    for name in ("dpo", "gguf-F16"):
        rows = list(read_rows(folder / "samples" / f"{name}.jsonl"))
        for task, figures in facts["models"][name]["tasks"].items():
            own = figures_of("multiple_choice", [row for row in rows if row["task"] == task], facts["tasks"][task])
            assert own.items() <= figures.items() and figures["n"] == 6


def test_f16_file_agrees_with_the_model_it_was_made_from(undisturbed: tuple[Path, dict[str, Any]]) -> None:
    folder, facts = undisturbed
    ours, theirs = (list(read_rows(folder / "samples" / f"{name}.jsonl")) for name in ("dpo", "gguf-F16"))
    for hugging_face, gguf in zip(ours, theirs, strict=True):
        assert gguf["loglikelihoods"] == pytest.approx(hugging_face["loglikelihoods"], abs=TOLERANCE)
    others = list(read_rows(folder / "samples/untrained.jsonl"))
    gaps = [abs(a - b) for x, y in zip(ours, others, strict=True) for a, b in zip(x["loglikelihoods"], y["loglikelihoods"], strict=True)]
    assert max(gaps) > 20 * TOLERANCE  # another model would not pass
    assert facts["models"]["gguf-F16"]["bits_per_byte"] == pytest.approx(facts["models"]["dpo"]["bits_per_byte"], rel=1e-3)
    answers = {(row["model"], row["lang"]): row["text"] for row in read_rows(folder / "samples.jsonl")}
    assert answers["gguf-F16", "kk"][:3] == answers["dpo", "kk"][:3]  # a random model soon comes to tokens that are equally likely


def test_accuracies_are_those_of_lm_eval(root: Path, undisturbed: tuple[Path, dict[str, Any]]) -> None:
    folder, facts = undisturbed
    from transformers import AutoTokenizer

    model = root / "dpo/model"
    with opened(model, AutoTokenizer.from_pretrained(model), LENGTH, True, "cpu") as dpo:
        for label, figures in facts["models"]["dpo"]["tasks"].items():
            task = label.partition("@")[0]
            result = harness.ask(dpo.harness(), task, harness.manager((folder / ".tasks",), False))["results"][task]
            assert (figures["acc"], figures["acc_norm"]) == pytest.approx((result["acc,none"], result["acc_norm,none"]), abs=1e-4)


def test_killed_and_run_again_gives_the_same(root: Path, undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    load = "s = importlib.util.spec_from_file_location('t', sys.argv[1]); t = importlib.util.module_from_spec(s); s.loader.exec_module(t)"
    run = "t.evaluate.run(t._job(t.Path(sys.argv[2]), t.Path(sys.argv[3])))"
    program = f"import importlib.util, sys; {load}; {run}"
    folder = tmp_path / "eval"
    child = subprocess.Popen([sys.executable, "-c", program, __file__, str(root), str(folder)], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 240
    while not (folder / ".rows/phase1/bits.json").exists() and time.monotonic() < until:
        assert child.poll() is None
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert not (folder / "results.json").exists()
    kept = (folder / ".rows/phase1/bits.json").stat().st_mtime_ns
    whole = (folder / ".rows/untrained/bits.json").read_bytes()
    (folder / ".rows/untrained/bits.json").write_bytes(whole[: len(whole) // 2])  # as a full disk or a crash of the machine would leave it
    again = evaluate.run(_job(root, folder))
    assert (folder / ".rows/phase1/bits.json").stat().st_mtime_ns == kept
    assert _without_times(again) == _without_times(undisturbed[1])
    for name in ("samples.jsonl", "samples/dpo.jsonl", "samples/gguf-F16.jsonl", "chat/dpo.jsonl"):
        assert (folder / name).read_bytes() == (undisturbed[0] / name).read_bytes()


def test_rows_of_another_recipe_or_other_questions_are_not_used(tmp_path: Path) -> None:
    place = StageFolder(tmp_path / "eval")
    place.begin("one")
    path = place.partial / ".rows/sft/bits.json"
    assert once(path, "k", lambda: {"row": 1}) == {"row": 1}
    assert once(path, "k", lambda: {"row": 2}) == {"row": 1}
    assert once(path, "other questions", lambda: {"row": 3}) == {"row": 3}
    assert place.begin("one") and path.exists()
    assert not place.begin("another recipe") and not path.exists()


def test_a_model_with_nan_is_named(root: Path, tmp_path: Path) -> None:
    job = _job(root, tmp_path / "eval")
    broken = tmp_path / "sft"
    shutil.copytree(root / "sft", broken)
    weights = load_file(broken / "model/model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, broken / "model/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ArtefactError, match=r"model sft: bits per byte in kk is nan"):
        evaluate.run(Job(job.recipe, HARDWARE, job.folder, {**job.inputs, "sft": broken}))
    assert not (job.folder / "results.json").exists() and not (job.folder / ".rows/sft/bits.json").exists()


def test_another_tokenizer_is_refused(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "sft/model", tmp_path / "model")
    same_tokenizer.check_file(tmp_path / "model", root / "tokenizer")
    path = tmp_path / "model/tokenizer.json"
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(ParityError, match="not the tokenizer of this run"):
        same_tokenizer.check_file(tmp_path / "model", root / "tokenizer")


def test_a_gguf_file_with_another_pre_tokenizer_is_refused(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conversion.gguf.pre_tokenizer", lambda *_: "default")
    convert(root / "dpo/model", tmp_path / "model-F16.gguf")
    job = _job(root, tmp_path / "eval")
    tokenizer = Tokenizer.from_file(str(root / "tokenizer/tokenizer.json"))
    test = evaluate._examination(job, tokenizer)
    with pytest.raises(ParityError, match=r"model-F16\.gguf"), evaluate._gguf(tmp_path / "model-F16.gguf", job, tokenizer, test):
        pass


def test_gguf_models_say_what_they_are_not_measured_on(root: Path) -> None:
    with opened_gguf(root / "gguf/model-F16.gguf", LENGTH, 1) as model, pytest.raises(NotImplementedError, match="kind bits_per_byte"):
        GgufModel(model, lambda text: token_ids(model, text), LENGTH).harness().loglikelihood_rolling([])


def test_a_missing_language_is_named(root: Path, tmp_path: Path) -> None:
    job = _job(root, tmp_path / "eval")
    write_rows(tmp_path / "tasks.jsonl", [row for row in read_rows(root / "tasks.jsonl") if row["lang"] != "ru"])
    with pytest.raises(DataError, match="no question in ru"):
        evaluate.run(Job(_recipe(tmp_path / "tasks.jsonl"), HARDWARE, job.folder, job.inputs))
    shutil.copytree(root / "data", tmp_path / "data")
    (tmp_path / "data/heldout/ru.jsonl.zst").unlink()
    with pytest.raises(ArtefactError, match="no held-out text in ru"):
        evaluate.run(Job(job.recipe, HARDWARE, job.folder, {**job.inputs, "data": tmp_path / "data"}))


def test_a_choice_or_prompt_that_does_not_fit_is_refused(root: Path, tmp_path: Path) -> None:
    job = _job(root, tmp_path / "eval")
    long = {"lang": "kk", "question": "?", "choices": ["дала " * 300, "тау"], "answer": 1}
    write_rows(tmp_path / "tasks.jsonl", [long, *read_rows(root / "tasks.jsonl")])
    with pytest.raises(DataError, match="the model takes 128"):
        evaluate.run(Job(_recipe(tmp_path / "tasks.jsonl"), HARDWARE, job.folder, job.inputs))
    asked = job.recipe.eval.model_copy(update={"prompts": {**job.recipe.eval.prompts, "en": "steppe " * 200}})
    with pytest.raises(DataError, match=r"eval\.prompts\.en"):
        evaluate.run(Job(job.recipe.model_copy(update={"eval": asked}), HARDWARE, job.folder, job.inputs))
