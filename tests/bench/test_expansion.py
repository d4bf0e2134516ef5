"""The comparison of new embedding rows, on the sample corpus with a few steps: every method starts from the same model and learns."""

from pathlib import Path

import pytest

from bench import expansion as bench
from kishi.jsonl import read_rows
from tokenizer.sample import Stratum

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> bench.Setting:
    patch = pytest.MonkeyPatch()
    patch.setattr(bench, "OLD_TOKENS", 400)
    patch.setattr(bench, "NEW_TOKENS", 60)
    documents = [row for path in sorted(Path("data/sample/corpus").glob("*.jsonl")) for row in read_rows(path)]
    pool = [(Stratum(row["lang"], row["domain"]), row["text"]) for row in documents[::5]]
    old = bench.old_tokenizer(pool)
    work = tmp_path_factory.mktemp("expansion")
    made = bench.Setting(pool, old, bench.grow_tokenizer(old, pool), ["Көктемде дала жасыл."], work, first=2, then=4, looks=(0, 4))
    patch.undo()
    return made


def test_every_method_starts_from_the_same_model_and_learns(setting: bench.Setting) -> None:
    curves = {method: bench.curve(method, setting, seed=0) for method in bench.METHODS}
    assert len({path.name for path in setting.work.iterdir()}) == 1
    for curve in curves.values():
        assert list(curve) == ["0", "4"] and 0 < curve["4"] < curve["0"] < 8
    assert len({curve["0"] for curve in curves.values()}) == len(curves), "the rows of each method are others"


def test_means_are_over_the_seeds_that_ran() -> None:
    rows = {"mean, seed 0": {"0": 2.0}, "mean, seed 1": {"0": 3.0}, "focus, seed 0": {"0": 1.0}}
    assert bench.means(rows) == {"mean": {"0": 2.5}, "focus": {"0": 1.0}}
