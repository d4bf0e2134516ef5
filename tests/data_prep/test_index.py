"""The index stage: the ids of Hugging Face's tokenizers, readable by Megatron, the same after a kill."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from data_prep import encoder, index, prepare
from data_prep.epochs import epochs_per_source, warnings
from kishi.errors import ArtefactError
from kishi.jsonl import read_rows
from kishi.special_tokens import END_OF_TEXT, SPECIAL_IDS, SPECIAL_TOKENS
from tests.data_prep.documents import job

_SHARDS = "data.shard_megabytes=0.15"


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and ".work" not in path.parts)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    prepare.run(job(folder, _SHARDS))
    return folder


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=768, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=alphabet, show_progress=False)
    texts = (row["text"] for path in sorted(data.glob("corpus/clean/kk-*")) for row in read_rows(path))
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, data: Path, tokenizer_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("index")
    index.run(job(folder, _SHARDS, data=data, tokenizer=tokenizer_folder))
    return folder


def test_every_document_has_the_ids_of_tokenizers(indexed: Path, data: Path, tokenizer_folder: Path) -> None:
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    tokenizer = encoder.load_tokenizer(tokenizer_folder)
    blend, heldout = json.loads((indexed / "blend.json").read_text()), json.loads((indexed / "heldout.json").read_text())
    assert len(blend["clean"]["prefixes"]) > 3
    held = [f"{folder}/{language}" for folder, tier in index.TIERS.items() for language in heldout[tier]]
    assert len(held) == 6
    for prefix in [*blend["clean"]["prefixes"], *blend["dirty"]["prefixes"], *held]:
        path = data / ("" if prefix.startswith("heldout") else "corpus") / f"{prefix}.jsonl.zst"
        dataset, rows = IndexedDataset(str(indexed / prefix)), list(read_rows(path))
        assert len(dataset) == len(rows) and dataset.index.dtype == np.uint16
        for ids, row in zip(dataset, rows, strict=True):
            assert ids.tolist() == [*tokenizer.encode(row["text"], add_special_tokens=False).ids, SPECIAL_IDS[END_OF_TEXT]]
    assert blend["clean"]["weights"] == [len(np.fromfile(indexed / f"{p}.bin", dtype=np.uint16)) for p in blend["clean"]["prefixes"]]


def test_text_that_spells_a_special_token_stays_text(tokenizer_folder: Path) -> None:
    ids = encoder.Encoder(tokenizer_folder).encode([f"a {END_OF_TEXT} b"])[0].tolist()
    assert SPECIAL_IDS[END_OF_TEXT] not in ids and encoder.load_tokenizer(tokenizer_folder).decode(ids) == f"a {END_OF_TEXT} b"


def test_a_killed_index_goes_on_with_the_shards_that_are_left(indexed: Path, data: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    made = job(tmp_path, _SHARDS, data=data, tokenizer=tokenizer_folder)
    original, calls = index.IndexShards._build, []

    def killed_at_the_third(self: index.IndexShards, *arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, *arguments)  # type: ignore[arg-type]

    patch = pytest.MonkeyPatch()
    patch.setattr(index.IndexShards, "_build", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        index.run(made)
    patch.undo()
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.idx")}
    index.run(made)
    assert len(finished) == 2 and all(path.stat().st_mtime_ns == time for path, time in finished.items())
    assert _hashes(tmp_path) == _hashes(indexed)


@pytest.mark.parametrize("right", [0, index.CHECK_FIRST])
def test_a_fast_encoder_with_other_ids_is_given_up_loudly(
    indexed: Path,
    data: Path,
    tokenizer_folder: Path,
    tmp_path: Path,
    right: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At once; or after a whole shard of which only the documents that were compared had the right ids: it is made again."""
    exact, seen = encoder.load_tokenizer(tokenizer_folder), list[str]()

    def wrong_after_some(texts: list[str]) -> tuple[bytes, bytes]:
        ids = [exact.encode(text, add_special_tokens=False).ids if len(seen) + place < right else [100] for place, text in enumerate(texts)]
        seen.extend(texts)
        places = np.cumsum([0, *map(len, ids)], dtype=np.uint64)
        return np.array([number for one in ids for number in one], dtype=np.uint32).tobytes(), places.tobytes()

    monkeypatch.setattr(encoder, "_load_fast", lambda folder: SimpleNamespace(encode_batch_flat=wrong_after_some))
    facts = index.run(job(tmp_path, _SHARDS, data=data, tokenizer=tokenizer_folder))
    assert _hashes(tmp_path) == _hashes(indexed) and set(facts["encoder"]["shards"]) == {"tokenizers"}
    assert "gave other ids" in capsys.readouterr().out.replace("\n", " ")
    assert (tmp_path / ".work/logs/index again").exists() == bool(right)


def test_a_tokenizer_without_the_special_tokens_is_refused(data: Path, tmp_path: Path) -> None:
    Tokenizer(models.BPE()).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ArtefactError, match="special tokens"):
        index.run(job(tmp_path / "index", data=data, tokenizer=tmp_path))


def test_epochs_follow_weights_and_steps(tmp_path: Path) -> None:
    recipe = job(tmp_path, "data.sources.0.weight=2", "pretrain.phases.0.steps=100").recipe
    rows = epochs_per_source(recipe, {"dirty": {"sample": 20_000}, "clean": {"sample": 500_000}})
    trained = 100 * recipe.pretrain.global_batch_size * recipe.pretrain.sequence_length
    assert rows[0] == {"phase": 1, "source": "sample", "tokens": 20_000, "trained": trained, "epochs": round(trained / 20_000, 2)}
    assert len(list(warnings(rows))) == 1


def test_megatron_gpt_dataset_reads_the_index(indexed: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
    from megatron.core.datasets.indexed_dataset import IndexedDataset
    from megatron.core.datasets.utils import Split

    prefix = str(indexed / json.loads((indexed / "blend.json").read_text())["clean"]["prefixes"][-1])
    low = IndexedDataset(prefix)
    config = GPTDatasetConfig(
        random_seed=1, sequence_length=64, split="1,0,0", path_to_cache=str(tmp_path), reset_position_ids=False,
        reset_attention_mask=False, eod_mask_loss=False, create_attention_mask=False, tokenizer=_Eod(),
    )  # fmt: skip
    dataset = GPTDataset(low, prefix, np.arange(len(low), dtype=np.int32), 4, Split.train, config)
    sample = dataset[0]
    assert sample["tokens"].shape == (64,) and (sample["tokens"][1:] == sample["labels"][:-1]).all()


class _Eod:
    """All that GPTDataset asks of a tokenizer."""

    eod = 0
    pad = 1
    vocab_size = 768

    def __init__(self) -> None:
        self.unique_identifiers = {"class": "test"}


def test_a_large_vocabulary_takes_four_bytes_an_id(data: Path, tmp_path: Path) -> None:
    """Ids beyond what two bytes hold; Megatron reads them as they were written."""
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    assert [index.token_bytes(size) for size in (512, 65_472, 65_536, 167_680)] == [2, 2, 4, 4]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    filling = [f"{letters[n % 256]}{letters[n // 256 % 256]}{n}" for n in range(65_536)]
    vocabulary = {token: number for number, token in enumerate([*SPECIAL_TOKENS, *filling, *letters])}  # the letters have the last ids
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    (tmp_path / "tokenizer").mkdir()
    tokenizer.save(str(tmp_path / "tokenizer/tokenizer.json"))
    source = data / "heldout/kk.jsonl.zst"
    index.IndexShards([source], ["heldout/kk"], tmp_path, tmp_path / "tokenizer", len(vocabulary)).run()
    heldout = IndexedDataset(str(tmp_path / "heldout/kk"))
    ids = heldout[0]  # a view of what the data set holds open
    assert ids.tolist() == [*tokenizer.encode(next(read_rows(source))["text"]).ids, 0] and ids.max() > 65_536
    counts = json.loads(index._counts(tmp_path / ".work", "heldout/kk").read_bytes())
    assert (tmp_path / "heldout/kk.bin").stat().st_size == 4 * counts["tokens"]
