"""Tool questions put to a tiny random model, as GGUF and as Hugging Face folder: prompts agree, and the grammar holds even noise."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from conversion.gguf import convert
from eval import llama_cpp_model, tool_calls
from kishi import gguf_chat, tool_answers, tool_scores
from kishi import tool_calls as calls
from kishi.errors import DataError
from kishi.jsonl import read_rows, write_rows
from posttrain.tool_data.make import make
from recipes.hardware import Hardware
from recipes.job import Job
from recipes.loading import load_recipe
from tokenizer.train import run as train_tokenizer

HARDWARE = Hardware(device="cpu", threads=1, micro_batch_size=1, precision="fp32")
LENGTH = 1536
NESTED = {
    "type": "function",
    "function": {
        "name": "order.make",
        "parameters": {
            "type": "object",
            "properties": {
                "items": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
                "code": {"type": "string", "pattern": "^[A-Z][a-z]?$"},
                "strange": {"type": "string", "pattern": "^\\S+$"},
                "paid": {"type": "boolean"},
            },
            "required": ["items", "paid"],
        },
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder with `model.gguf` in it and `rows.jsonl` beside."""
    root = tmp_path_factory.mktemp("tools")
    for name in ("data/corpus/clean", "data/heldout", "model"):
        (root / name).mkdir(parents=True)
    documents = [row for path in sorted(Path("data/sample/corpus").glob("*.jsonl")) for row in read_rows(path)]
    for language in ("kk", "ru", "en"):
        rows = [{**row, "source": "sample"} for row in documents if row["lang"] == language]
        write_rows(root / "data/corpus/clean" / f"{language}.jsonl.zst", rows[:20])
        write_rows(root / "data/heldout" / f"{language}.jsonl.zst", rows[20:22])
    train_tokenizer(Job(load_recipe(Path("recipes/kishi-tiny.yaml")), HARDWARE, root / "model", {"data": root / "data"}))
    torch.manual_seed(2)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
    config = Qwen3Config(vocab_size=2048, head_dim=32, max_position_embeddings=LENGTH, tie_word_embeddings=True, **sizes)
    Qwen3ForCausalLM(config).save_pretrained(root / "model")
    convert(root / "model", root / "model.gguf")
    write_rows(root / "rows.jsonl", make(0, 12, seed=5)[1])
    return root


@pytest.fixture(scope="module")
def gguf(folder: Path) -> Iterator[Any]:
    with llama_cpp_model.opened(folder / "model.gguf", LENGTH, 1) as model:
        yield model


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder / "model")


def test_llama_cpp_renders_tools_as_hugging_face_does(folder: Path, gguf: Any, tokenizer: Any) -> None:
    rows = [*read_rows(folder / "rows.jsonl"), *list(read_rows(Path("data/sample/tools.jsonl")))[::3]]
    for row in rows:
        for end in range(1, len(row["messages"]) + 1):
            turns = row["messages"][:end]
            expected = tokenizer.apply_chat_template(turns, tools=row["tools"], add_generation_prompt=True, tokenize=False)
            assert gguf_chat.prompt(gguf, turns, row["tools"]) == expected
    text = gguf_chat.prompt(gguf, rows[0]["messages"], rows[0]["tools"])
    assert gguf_chat.token_count(gguf, text) == len(tokenizer(text, add_special_tokens=False).input_ids)


def test_noise_bound_by_the_grammar_is_a_call_that_fits(folder: Path, gguf: Any) -> None:
    asked = [[NESTED], *(row["tools"] for row in list(read_rows(folder / "rows.jsonl"))[:6])]
    whole = 0
    for tools in asked:
        for attempt in range(2):
            text = gguf_chat.prompt(gguf, [{"role": "user", "content": str(attempt)}], tools)
            answer, stopped = gguf_chat.write(gguf, text, 400, temperature=1.0, constraint=gguf_chat.grammar(tools, words=False))
            found = calls.parse(answer)
            assert found.calls or not stopped
            if stopped:
                whole += 1
                assert not found.malformed and not found.words
                faults = [calls.schema_fault(call, tools) for call in found.calls]
                assert not any(fault for fault in faults if fault and "does not match" not in fault)
    assert whole >= 7


def test_noise_bound_by_the_grammar_never_breaks_a_tag(gguf: Any) -> None:
    text = gguf_chat.prompt(gguf, [{"role": "user", "content": "?"}], [NESTED])
    for _ in range(4):
        answer, stopped = gguf_chat.write(gguf, text, 60, temperature=1.0, constraint=gguf_chat.grammar([NESTED]))
        assert "<" not in calls.parse(answer).words.replace("< ", "").replace("<=", "") and (answer or stopped)
    assert gguf_chat.write(gguf, text * 40, 10) == ("", False)


def test_both_forms_of_a_model_answer_alike(folder: Path, gguf: Any, tokenizer: Any) -> None:
    asked = tool_calls.load(folder / "rows.jsonl", 3)
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    one = tool_answers.answers(model, tokenizer, asked, 8)
    assert one == [tool_answers.answers(model, tokenizer, [question], 8)[0] for question in asked]  # a batch changes nothing
    assert [text[:3] for text in one] == [tool_calls.of_gguf(gguf, False, most=8)(question)[:3] for question in asked]


def test_command_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(folder / "rows.jsonl", tmp_path)
    arguments = [str(folder / "model.gguf"), str(tmp_path / "rows.jsonl"), "--most", "4", "--answer-tokens", "6", "--grammar"]
    assert tool_calls.main([*arguments, "--out", str(tmp_path / "out.jsonl")]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["n"] == 4 and table == tool_scores.table(list(read_rows(tmp_path / "out.jsonl")))
    assert tool_calls.main([str(folder / "model"), *arguments[1:]]) == 1 and "GGUF models only" in capsys.readouterr().err


def test_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    for content, fault in (("", "no rows"), ('{"messages": []}\n', "not a tool conversation"), ("[1]\n", "not a tool conversation")):
        path.write_text(content)
        with pytest.raises(DataError, match=fault):
            tool_calls.load(path)
    with pytest.raises(DataError, match="no such file"):
        tool_calls.load(tmp_path / "none")


def test_questions_are_spread() -> None:
    asked: list[Any] = list(range(10))
    assert tool_calls.spread(asked, 5) == [0, 2, 4, 6, 8] and tool_calls.spread(asked, 20) == asked
