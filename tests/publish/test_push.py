"""Publishing against a stand-in of the hub: what gets through, what is refused, and whether the weights come back."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub.constants as hub_constants
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from kishi import manifest
from kishi.jsonl import write_rows
from publish import push
from tests.publish import finished_run, hub

OWNER = ("--owner", "someone")
KINDS = {"tokenizer": "kishi-test-tokenizer", "base": "kishi-test-base", "chat": "kishi-test-chat", "gguf": "kishi-test-chat-gguf"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that passes every gate; copied before it is changed."""
    return finished_run.make(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run."""
    return Path(shutil.copytree(finished, tmp_path / finished.name))


@pytest.fixture(autouse=True)
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository of the code: clean."""
    folder = tmp_path / "code"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    monkeypatch.setattr(push, "CODE", folder)
    return folder


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[hub.Hub]:
    """The hub that `huggingface_hub` and transformers talk to."""
    with hub.running() as running:
        monkeypatch.setattr(hub_constants, "ENDPOINT", running.url)
        monkeypatch.setattr(hub_constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.url + "/{repo_id}/resolve/{revision}/{filename}")
        monkeypatch.setattr(hub_constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(hub_constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_TOKEN", hub.TOKEN)
        yield running


def _refused(run: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    """What a refused dry run says."""
    assert push.main([str(run), *OWNER, *options]) == 1
    return capsys.readouterr().out


def test_a_dry_run_shows_everything_and_uploads_nothing(run: Path, stand_in: hub.Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert push.main([str(run), *OWNER]) == 0
    said = capsys.readouterr().out
    assert "dry run" in said and "refused" not in said
    for name in KINDS.values():
        assert f"someone/{name} (" in said and (run / "publish" / name / "README.md").is_file()
    assert not stand_in.files and not stand_in.puts


def test_what_was_uploaded_loads_back_with_every_weight(run: Path, stand_in: hub.Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert push.main([str(run), *OWNER, "--yes"]) == 0
    said = capsys.readouterr()
    assert hub.TOKEN not in said.out + said.err
    assert set(stand_in.files) == {f"someone/{name}" for name in KINDS.values()} and all(stand_in.private.values())
    cache = run / "cache"
    for kind, folder in (("base", "export-hf/phase2"), ("chat", "dpo/model")):
        loaded = AutoModelForCausalLM.from_pretrained(f"someone/{KINDS[kind]}", cache_dir=cache).state_dict()
        written = load_file(run / folder / "model.safetensors")
        assert set(loaded) - set(written) == {"lm_head.weight"}  # tied to the embedding
        assert all(torch.equal(loaded[name], tensor) for name, tensor in written.items())
    there = AutoTokenizer.from_pretrained(f"someone/{KINDS['tokenizer']}", cache_dir=cache)
    here = AutoTokenizer.from_pretrained(run / "tokenizer")
    assert there(finished_run.HELDOUT).input_ids == here(finished_run.HELDOUT).input_ids
    head = yaml.safe_load(stand_in.files[f"someone/{KINDS['gguf']}"]["README.md"].decode().split("---")[1])
    assert head["base_model"] == ["someone/kishi-test-chat"] and head["license"] == "apache-2.0" and head["language"] == ["kk", "ru", "en"]
    assert {"type": "acc", "value": 0.5, "name": "accuracy"} in [
        m for result in head["model-index"][0]["results"] for m in result["metrics"]
    ]
    assert stand_in.files[f"someone/{KINDS['gguf']}"]["model-F16.gguf"] == (run / "gguf/model-F16.gguf").read_bytes()


def test_a_broken_upload_goes_on_and_a_whole_one_is_not_made_again(
    run: Path, stand_in: hub.Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    big = manifest.sha256_file(run / "gguf/model-F16.gguf")
    weights = manifest.sha256_file(run / "dpo/model/model.safetensors")
    stand_in.refuse.add(big)
    assert push.main([str(run), *OWNER, "--only", "chat", "gguf", "--yes"]) == 1
    failed = capsys.readouterr()
    assert (
        "kishi-test-chat-gguf: not uploaded" in failed.err
        and "goes on from here" in failed.err
        and hub.TOKEN not in failed.out + failed.err
    )
    stand_in.refuse.clear()
    assert push.main([str(run), *OWNER, "--only", "chat", "gguf", "--yes"]) == 0
    assert stand_in.puts[weights] == 1 and stand_in.puts[big] == 2
    commits = stand_in.commits
    assert push.main([str(run), *OWNER, "--only", "chat", "gguf", "--yes"]) == 0
    assert stand_in.commits == commits


def test_without_a_token_nothing_happens(
    run: Path, stand_in: hub.Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_someone_else")
    assert push.main([str(run), *OWNER, "--yes"]) == 1
    said = capsys.readouterr()
    assert "set HF_TOKEN" in said.err and "hf_of_someone_else" not in said.out + said.err and not stand_in.files


def test_bytes_that_changed_on_the_way_are_noticed(run: Path, stand_in: hub.Hub, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def spoiled(self: Any, repository: str, body: bytes) -> None:
        commit(self, repository, body)
        self.server.files[repository]["config.json"] = b"{}"

    commit = hub._Handler._commit
    monkeypatch.setattr(hub._Handler, "_commit", spoiled)
    assert push.main([str(run), *OWNER, "--only", "base", "--yes"]) == 1
    assert "config.json: the hub holds other bytes" in capsys.readouterr().err


def _lose(run: Path, name: str) -> None:
    """Take a tensor out of the exported model, and write manifests as if it had been made so."""
    path = run / "export-hf/phase2/model.safetensors"
    tensors = load_file(path)
    del tensors[name]
    save_file(tensors, path, metadata={"format": "pt"})
    for stage in ("export-hf", "sft", "dpo", "gguf", "eval"):
        finished_run.seal(run, stage, manifest.read(run / stage).facts)


def test_an_export_that_lost_a_tensor_is_refused(run: Path, stand_in: hub.Hub, capsys: pytest.CaptureFixture[str]) -> None:
    _lose(run, "model.layers.1.mlp.up_proj.weight")
    assert "model.layers.1.mlp.up_proj.weight is missing" in _refused(run, capsys, "--yes")
    assert not stand_in.files


def test_a_quantised_file_with_too_few_weights_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = load_file(run / "dpo/model/model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, run / "small.safetensors")
    finished_run._gguf(run / "small.safetensors", run / "gguf/model-F16.gguf")
    finished_run.seal(run, "gguf", manifest.read(run / "gguf").facts)
    assert "model-F16.gguf holds" in _refused(run, capsys)


def test_an_edited_file_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "dpo/model/config.json"
    path.write_bytes(path.read_bytes().replace(b'"silu"', b'"gelu"'))
    said = _refused(run, capsys)
    assert "edited or damaged file" in said and "dpo/model/config.json" in said


def test_a_dirty_tree_then_or_now_is_refused(run: Path, code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished_run.change(run, "pretrain-phase1", code={"commit": "a" * 40, "dirty": True})
    assert "pretrain-phase1 was made from a dirty tree" in _refused(run, capsys)
    finished_run.change(run, "pretrain-phase1", code={"commit": "a" * 40, "dirty": False})
    (code / "new.py").write_text("")
    assert "the tree is dirty" in _refused(run, capsys)


@pytest.mark.parametrize(
    ("stage", "found", "words"),
    [
        ("data", {"licenses": {"sample": ""}}, "text sample: no licence is recorded"),
        ("dpo", {"license": None, "stop_rate": 0.5}, "dpo pairs.jsonl: no licence is recorded"),
        ("data", {"licenses": {"sample": "not stated"}}, "licence “not stated” is doubtful"),
        ("export-hf", {"phase2": {}}, "no parity"),
        ("export-hf", {"phase2": {"max_difference": 0.2, "tolerance": 1e-4, "tokens_compared": 9}}, "differ from the checkpoint's by 0.2"),
        ("gguf", {"token_ids_compared": 9}, "16-bit file was not shown"),
        ("eval", {}, "the card lacks metrics of this model"),
        ("tokenizer", {"vocab_size": 384}, "the card lacks figures on held-out text"),
    ],
)
def test_what_is_not_known_is_refused(run: Path, capsys: pytest.CaptureFixture[str], stage: str, found: dict[str, Any], words: str) -> None:
    finished_run.change(run, stage, facts=found)
    assert words in _refused(run, capsys)


def test_a_doubtful_licence_passes_when_someone_has_looked(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished_run.change(run, "data", facts={"licenses": {"sample": "not stated"}})
    assert push.main([str(run), *OWNER, "--allow-doubtful"]) == 0
    assert "Sources whose licence is not clear: sample." in (run / "publish/kishi-test-base/README.md").read_text()


def test_licences_of_single_rows_are_read_from_the_corpus(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished_run.change(run, "data", facts={"licenses": {"sample": "each row's"}})
    rows = [{"id": str(i), "text": "x", "source": "press", "license": licence} for i, licence in enumerate(("CC-BY-4.0", "ask the editor"))]
    write_rows(run / "data/corpus/clean/kk-00001.jsonl.zst", rows)
    said = _refused(run, capsys)
    assert "text press: licence “ask the editor” is doubtful" in said and "CC-BY-4.0" not in said


def test_a_grown_model_has_its_bases_name_and_licence(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = {"hub": "Qwen/Qwen3-0.6B-Base", "license": "Apache-2.0"}
    finished_run.change(run, "pretrain-phase1", recipe={"name": "kishi-test", "base": base})
    assert push.main([str(run), *OWNER]) == 0
    card = (run / "publish/kishi-test-base/README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head["base_model"] == ["Qwen/Qwen3-0.6B-Base"] and "trained on from Qwen/Qwen3-0.6B-Base" in card
    finished_run.change(run, "pretrain-phase1", recipe={"name": "kishi-test", "base": base | {"license": ""}})
    said = _refused(run, capsys)
    assert "base model Qwen/Qwen3-0.6B-Base: no licence is recorded" in said and "the card lacks licence of the model itself" in said


def test_held_out_text_and_data_files_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "dpo/model/generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"note": finished_run.HELDOUT}, ensure_ascii=False))
    (run / "dpo/model/train.jsonl").write_text("{}")
    for stage in ("dpo", "gguf", "eval"):
        finished_run.seal(run, stage, manifest.read(run / stage).facts)
    said = _refused(run, capsys)
    assert "generation_config.json holds text of data/heldout/kk.jsonl.zst" in said and "train.jsonl is not a file of a model" in said


def test_a_model_of_stages_that_were_made_again_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "sft/model/generation_config.json").write_text("{}")
    finished_run.seal(run, "sft", manifest.read(run / "sft").facts)
    assert "dpo is stale: sft was made again after it" in _refused(run, capsys)


def test_nothing_to_publish_is_said(tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert push.main([str(tmp_path / "nowhere"), *OWNER]) == 1
    assert push.main([str(run), *OWNER, "--only", "awq"]) == 2
    with pytest.raises(SystemExit):
        push.main([str(run), "--yes"])
    assert "no finished stage makes awq" in capsys.readouterr().err
