"""The gguf stage on a real (random) Qwen3 model: its gates pass, hold back a wrong model, and finished files are kept."""

import json
import pickle
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from conversion.gguf import convert, plain_template
from kishi.errors import ArtefactError, ParityError
from kishi.hard_texts import hard_texts
from kishi.jsonl import read_rows
from kishi.special_tokens import SPECIAL_IDS
from quantize import llama, modelfile, parity
from quantize.gguf import make_files, run
from recipes.job import Job


def test_stage_passes_its_gates_and_keeps_finished_files(job: Job) -> None:
    facts = run(job)
    assert list(facts["types"]) == ["F16", "Q8_0", "Q4_K_M"]
    assert max(facts["f16_perplexity_difference"].values()) < 0.005
    bits = [row["bits_per_weight"] for row in facts["types"].values()]
    assert bits == sorted(bits, reverse=True) and bits[0] == pytest.approx(16, abs=0.1)
    files = sorted(job.folder.glob("*.gguf"))
    times = [path.stat().st_mtime_ns for path in files]
    files[0].with_name("model-Q8_0.gguf").unlink()
    again = run(job)
    assert again["types"]["Q8_0"]["perplexity"] == facts["types"]["Q8_0"]["perplexity"]
    kept = [path.stat().st_mtime_ns == time for path, time in zip(files, times, strict=True)]
    assert kept == [path.name != "model-Q8_0.gguf" for path in files]


def test_a_changed_model_does_not_pass(job: Job, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(job.inputs["dpo"] / "model", model)
    weights = load_file(model / "model.safetensors")
    weights["model.layers.0.self_attn.q_norm.weight"] *= 1.5
    folder = tmp_path / "gguf"
    folder.mkdir()
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    convert(model, folder / "model-F16.gguf")
    with pytest.raises(ParityError, match="perplexity"):
        run(replace(job, folder=folder))
    assert not list(folder.iterdir())


def test_another_pre_tokenizer_is_noticed(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conversion.gguf.pre_tokenizer", lambda *_: "default")
    convert(job.inputs["dpo"] / "model", tmp_path / "wrong.gguf")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(job.inputs["dpo"] / "model/tokenizer.json"))
    with llama.opened(tmp_path / "wrong.gguf", 128, 1) as model, pytest.raises(ParityError, match=r"llama\.cpp"):
        parity.check_token_ids(tokenizer.encode, lambda text: llama.token_ids(model, text), hard_texts())


@pytest.mark.parametrize("pattern", [r"\p{N}{1,3}", None])
def test_a_pre_tokenizer_that_llama_cpp_cannot_name_is_refused(job: Job, tmp_path: Path, pattern: str | None) -> None:
    model = tmp_path / "model"
    shutil.copytree(job.inputs["dpo"] / "model", model)
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    if pattern:
        tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = pattern
    else:
        tokenizer["normalizer"] = {"type": "NFC"}
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ArtefactError, match="qwen35"):
        convert(model, tmp_path / "out.gguf")
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(("change", "message"), [("drop", "missing"), ("add", "not part of")])
def test_wrong_tensors_are_named_and_leave_no_file(job: Job, tmp_path: Path, change: str, message: str) -> None:
    model = tmp_path / "model"
    shutil.copytree(job.inputs["dpo"] / "model", model)
    weights = load_file(model / "model.safetensors")
    if change == "drop":
        del weights["model.layers.1.mlp.up_proj.weight"]
    else:
        weights["model.layers.0.extra.weight"] = torch.zeros(2)
    save_file(weights, model / "model.safetensors")
    with pytest.raises(ArtefactError, match=message):
        convert(model, tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()


MAKE_FILES = """
import pickle, sys
from pathlib import Path
from quantize.gguf import make_files
job = pickle.loads(Path(sys.argv[1]).read_bytes())
make_files(job, job.inputs["dpo"] / "model")
"""


@pytest.mark.parametrize("name", ["model-F16.gguf", "model-Q4_K_M.gguf"])
def test_files_made_again_after_a_kill_have_the_same_bytes(job: Job, tmp_path: Path, name: str) -> None:
    again = replace(job, folder=tmp_path)
    (tmp_path / ".job").write_bytes(pickle.dumps(again))
    process = subprocess.Popen([sys.executable, "-c", MAKE_FILES, str(tmp_path / ".job")])
    while not (tmp_path / f"{name}.partial").exists():
        assert process.poll() is None
        time.sleep(0.0002)
    process.kill()
    process.wait()
    assert not (tmp_path / name).exists()
    expected = make_files(job, job.inputs["dpo"] / "model")
    found = make_files(again, job.inputs["dpo"] / "model")
    assert {kind: path.read_bytes() for kind, path in found.items()} == {kind: path.read_bytes() for kind, path in expected.items()}
    assert not list(tmp_path.glob("*.partial"))


def test_generation_ends_at_turn_and_text_end(job: Job, tmp_path: Path) -> None:
    import llama_cpp

    convert(job.inputs["dpo"] / "model", tmp_path / "m.gguf")
    with llama.opened(tmp_path / "m.gguf", 128, 1) as model:
        vocabulary = llama_cpp.llama_model_get_vocab(model._model.model)
        ends = {t for t in SPECIAL_IDS.values() if llama_cpp.llama_vocab_is_eog(vocabulary, t)}
        assert ends == {SPECIAL_IDS["<|im_end|>"], SPECIAL_IDS["<|endoftext|>"]}
        assert not llama_cpp.llama_vocab_get_add_bos(vocabulary)


def test_plain_template_renders_the_same(job: Job) -> None:
    folder = job.inputs["dpo"] / "model"
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    template = (folder / "chat_template.jinja").read_text()
    assert "generation %}" not in plain_template(template)
    messages = next(iter(read_rows(Path("data/sample/sft.jsonl"))))["messages"]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False)
    assert rendered == tokenizer.apply_chat_template(messages, tokenize=False, chat_template=plain_template(template))
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["Qwen3ForCausalLM"]


def test_tools_in_the_file_render_and_are_cut_as_in_hugging_face(job: Job, tmp_path: Path) -> None:
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    folder = job.inputs["dpo"] / "model"
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    row = next(row for row in read_rows(Path("data/sample/tools.jsonl")) if row["lang"] == "kk")
    convert(folder, tmp_path / "m.gguf")
    with llama.opened(tmp_path / "m.gguf", 128, 1) as model:
        template = model.metadata["tokenizer.chat_template"]
        formatter = Jinja2ChatFormatter(template=template, eos_token="<|im_end|>", bos_token="", add_generation_prompt=True)
        rendered = formatter(messages=row["messages"], tools=row["tools"]).prompt
        ids = llama.token_ids(model, rendered)
    assert rendered == tokenizer.apply_chat_template(row["messages"], tools=row["tools"], tokenize=False, add_generation_prompt=True)
    assert ids == tokenizer(rendered, add_special_tokens=False).input_ids and SPECIAL_IDS["<tool_call>"] in ids


def test_the_modelfile_names_a_file_that_is_there(job: Job, tmp_path: Path) -> None:
    modelfile.write(tmp_path, ("F16", "Q8_0", "Q4_K_M"), 128)
    text = (tmp_path / "Modelfile").read_text()
    assert "\nFROM ./model-Q4_K_M.gguf\n" in text and "PARAMETER num_ctx 128" in text
    ends = text.count("{{ end }}") + text.count("{{- end }}")
    assert ends == sum(text.count(opening) for opening in ("{{ if ", "{{- if ", "{{ range ", "{{- range ")) > 0
    assert modelfile.render("F16", 128).splitlines()[1] == "FROM ./model-F16.gguf"
