"""One Slurm for all tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.slurm import cluster as local


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[local.Cluster]:
    if why := local.missing():
        pytest.skip(why)
    made = local.Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        made.start()
        yield made
    finally:
        made.stop()
