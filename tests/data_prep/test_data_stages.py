"""The data and index stages on the repository's sample: same bytes each time, no leak, readable by Megatron's GPTDataset."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from data_prep import index, prepare
from data_prep.deduplicate import remove_exact, remove_near
from data_prep.document import Document
from data_prep.heldout import remove_overlap, split
from data_prep.mix import mix
from kishi.errors import ArtefactError, DataError
from kishi.jsonl import read_rows
from kishi.special_tokens import SPECIAL_TOKENS
from recipes.hardware import Hardware
from recipes.job import Job
from recipes.schema import Recipe

_ROOT = Path(__file__).parents[2]


def _job(folder: Path, **inputs: Path) -> Job:
    recipe = Recipe.model_validate(yaml.safe_load((_ROOT / "recipes/kishi-tiny.yaml").read_text()))
    hardware = Hardware.model_validate(yaml.safe_load((_ROOT / "nemo_configs/cpu.yaml").read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    return Job(recipe, hardware, folder, inputs)


def _document(name: str, text: str, lang: str = "en", group: str = "") -> Document:
    return Document(name, text, lang, "s", "x", "clean", group or name)


def _hashes(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    prepare.run(_job(folder))
    return folder


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=768, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator((row["text"] for row in read_rows(data / "corpus/clean/kk.jsonl.zst")), trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, data: Path, tokenizer_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("index")
    index.run(_job(folder, data=data, tokenizer=tokenizer_folder))
    return folder


def test_run_again_over_leftovers_gives_the_same_bytes(data: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus/clean").mkdir(parents=True)
    (tmp_path / "corpus/clean/kk.jsonl.zst").write_bytes(b"cut off by a kill")
    prepare.run(_job(tmp_path))
    assert _hashes(tmp_path) == _hashes(data)


def test_training_shares_no_topic_with_heldout(data: Path) -> None:
    held = {row["id"].rsplit("-", 1)[0] for path in data.glob("heldout/*.zst") for row in read_rows(path)}
    trained = {row["id"].split("~")[0].rsplit("-", 1)[0] for path in data.glob("corpus/*/*.zst") for row in read_rows(path)}
    assert held and trained and not held & trained


def test_masks_survive_into_the_corpus(data: Path) -> None:
    text = "\n".join(row["text"] for path in data.glob("corpus/dirty/*.zst") for row in read_rows(path))
    assert all(mask in text for mask in ("[phone]", "[email]", "[iin]", "[card]"))


def test_overlapping_text_of_another_group_leaves_training() -> None:
    words = " ".join(f"word{n}" for n in range(40))
    kept, removed = remove_overlap([_document("copy", f"Intro. {words}"), _document("other", "quite " * 20)], [_document("held", words)])
    assert [d.id for d in kept] == ["other"] and removed[0].reason == "heldout-overlap"


def test_split_keeps_groups_and_documents_with_equal_ids() -> None:
    documents = [_document("same", f"text {n}", group=f"g{n // 3}") for n in range(300)]
    training, held = split(documents, 0.3, seed=1)
    assert len(training) + len(held) == 300 and 40 < len(held) < 140
    assert not {d.group for d in training} & {d.group for d in held}


def test_near_and_exact_duplicates_go_and_others_stay() -> None:
    generator = np.random.default_rng(0)
    text = " ".join(f"w{n}" for n in generator.integers(0, 5000, 300))
    near, other = text.replace(" ", ", ", 5) + " end", " ".join(f"w{n}" for n in generator.integers(0, 5000, 300))
    documents = [_document("a", text), _document("b", text.upper()), _document("c", near), _document("d", other)]
    left, exact = remove_exact(documents)
    kept, close = remove_near(left, 0.7, seed=1)
    assert [r.document.id for r in exact] == ["b"] and [r.document.id for r in close] == ["c"] and [d.id for d in kept] == ["a", "d"]


def test_mix_that_cannot_be_reached_is_an_error() -> None:
    with pytest.raises(DataError, match="mix"):
        mix([_document("a", "x" * 1000), _document("b", "y" * 5000, "ru")], {"en": 0.5, "ru": 0.5}, seed=1)


def test_index_is_the_same_again_and_a_finished_shard_is_kept(indexed: Path, data: Path, tokenizer_folder: Path) -> None:
    before, kept = _hashes(indexed), (indexed / "clean/kk.bin").stat().st_mtime_ns
    (indexed / "clean/ru.idx").unlink()
    index.run(_job(indexed, data=data, tokenizer=tokenizer_folder))
    assert _hashes(indexed) == before and (indexed / "clean/kk.bin").stat().st_mtime_ns == kept


def test_index_refuses_a_tokenizer_with_other_special_ids(data: Path, tmp_path: Path) -> None:
    Tokenizer(models.BPE()).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ArtefactError, match="special tokens"):
        index.run(_job(tmp_path / "index", data=data, tokenizer=tmp_path))


def test_megatron_gpt_dataset_reads_the_index(indexed: Path, tokenizer_folder: Path, tmp_path: Path) -> None:
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
    from megatron.core.datasets.indexed_dataset import IndexedDataset
    from megatron.core.datasets.utils import Split

    prefix = str(indexed / "clean/kk")
    low = IndexedDataset(prefix)
    config = GPTDatasetConfig(
        random_seed=1, sequence_length=64, split="1,0,0", path_to_cache=str(tmp_path), reset_position_ids=False,
        reset_attention_mask=False, eod_mask_loss=False, create_attention_mask=False, tokenizer=_Eod(),
    )  # fmt: skip
    dataset = GPTDataset(low, prefix, np.arange(len(low), dtype=np.int32), 4, Split.train, config)
    sample = dataset[0]
    assert sample["tokens"].shape == (64,) and (sample["tokens"][1:] == sample["labels"][:-1]).all()
    text = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json")).decode(sample["tokens"].tolist())
    assert any(letter in text for letter in "әғқңөұүһі")


class _Eod:
    """All that GPTDataset asks of a tokenizer."""

    eod = 0
    pad = 1
    vocab_size = 768

    def __init__(self) -> None:
        self.unique_identifiers = {"class": "test"}
