"""A self-contained HTML page: the same texts cut by two tokenizers, each token in its own colour."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, select_autoescape

from tokenizer.encoder import Encoder

COLOURS = 5


@dataclass(frozen=True)
class Piece:
    """One or more neighbouring tokens that make whole characters. `tokens` above 1: a character was cut."""

    text: str
    ids: tuple[int, ...]
    colour: int

    @property
    def tokens(self) -> int:
        """How many tokens it took."""
        return len(self.ids)


def pieces(encoder: Encoder, text: str) -> list[Piece]:
    """The tokens of the text; tokens that hold only a part of a character are shown together."""
    shown: list[Piece] = []
    ids: list[int] = []
    held = b""
    for number in encoder.encode_batch([text])[0]:
        ids, held = [*ids, number], held + encoder.token_bytes(number)
        try:
            letters = held.decode("utf-8")
        except UnicodeDecodeError:
            continue
        shown.append(Piece(letters, tuple(ids), len(shown) % COLOURS))
        ids, held = [], b""
    if ids:
        shown.append(Piece(held.decode("utf-8", "replace"), tuple(ids), len(shown) % COLOURS))
    return shown


def write_page(path: Path, left: Encoder, right: Encoder, texts: Sequence[str]) -> None:
    """Write the page; it loads nothing from elsewhere."""
    folder = FileSystemLoader(Path(__file__).parent)
    template = Environment(loader=folder, autoescape=select_autoescape(default=True)).get_template("tokens.html.jinja")
    rows = [
        {
            "words": len(text.split()),
            "sides": [
                {"name": encoder.name, "pieces": (shown := pieces(encoder, text)), "tokens": sum(p.tokens for p in shown)}
                for encoder in (left, right)
            ],
        }
        for text in texts
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(template.render(rows=rows, names=[left.name, right.name]), encoding="utf-8")
