"""A stage that fails in each process."""

from typing import Any

from kishi.errors import KishiError
from recipes.job import Job


def train(job: Job) -> dict[str, Any]:
    raise KishiError("no such thing", where=job.folder)
