"""Progress bars: one line with rate and time left, silent when the output is not a terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def progress() -> Progress:
    """A bar with description, count, time left and a free `{task.fields[info]}` at the end."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[info]}"),
    )
    return Progress(*columns, console=Console(), transient=True)


def track[T](items: Sequence[T], description: str) -> Iterable[T]:
    """Iterate with a bar."""
    with progress() as bar:
        task = bar.add_task(description, total=len(items), info="")
        for item in items:
            yield item
            bar.advance(task)
