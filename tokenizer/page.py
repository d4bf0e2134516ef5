"""A self-contained HTML page: the same texts cut by two tokenizers (or one), each token in its own colour."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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


def side_by_side(encoders: Sequence[Encoder], texts: Sequence[str]) -> list[dict[str, Any]]:
    """Each text by each tokenizer, as plain data: words, and for each side its name, tokens and pieces."""
    return [{"words": len(text.split()), "sides": [_side(encoder, text) for encoder in encoders]} for text in texts]


def _side(encoder: Encoder, text: str) -> dict[str, Any]:
    shown = pieces(encoder, text)
    return {"name": encoder.name, "tokens": sum(piece.tokens for piece in shown), "pieces": [asdict(piece) for piece in shown]}


def write_page(path: Path, encoders: Sequence[Encoder], texts: Sequence[str]) -> None:
    """Write the page; it loads nothing from elsewhere."""
    folder = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=folder, autoescape=select_autoescape(default=True), trim_blocks=True, lstrip_blocks=True)
    template = environment.get_template("tokens.html.jinja")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(template.render(rows=side_by_side(encoders, texts), names=[one.name for one in encoders]), encoding="utf-8")
