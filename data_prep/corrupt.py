"""Makes a dirty tier from clean documents, so that cleaning has something true to do and can be scored.

Each fault is one that web crawls really show. A document gets each fault with the recipe's probability, drawn from a generator
seeded by the recipe's seed and the document's id: the order of documents does not matter. The faults done are kept in
`Document.faults`.
"""

import random
from collections.abc import Callable, Iterable, Iterator

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from data_prep.personal_data import iin_check_digit, luhn_digit
from recipes.schema_data import Corruption

BOILERPLATE = {
    "kk": ("Басты бет | Жаңалықтар | Байланыс", "Барлық құқықтар қорғалған © 2024", "Осы жазбамен бөлісіңіз: Facebook Telegram WhatsApp"),
    "ru": ("Главная | Новости | Контакты", "Все права защищены © 2024", "Поделиться: Facebook Telegram WhatsApp"),
    "en": ("Home | News | Contact us", "All rights reserved © 2024", "Share this: Facebook Telegram WhatsApp"),
}
FOREIGN = (
    "Кыргызстандын тоолору бийик жана кооз, жайкысын малчылар жайлоого көчүп чыгышат.",
    "Bu cümle başka bir dilden alınmıştır ve bu belgeye ait değildir.",
    "Dieser Absatz stammt aus einem anderen Dokument und gehört nicht hierher.",
)
Fault = Callable[[random.Random, str, str], str]


class Corrupt(PipelineStep):  # type: ignore[misc]
    """Lets each document through and, after it, its damaged copies as the dirty tier."""

    type, name = "data_prep", "corrupt"

    def __init__(self, rates: Corruption, seed: int) -> None:
        super().__init__()
        self.rates, self.seed = rates, seed

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """datatrove's interface."""
        for document in data:
            yield document
            if document.metadata["tier"] == "clean" and document.metadata["lang"]:
                yield from damaged_copies(document, self.rates, self.seed)


def damaged_copies(document: Document, rates: Corruption, seed: int) -> Iterator[Document]:
    """The document once, damaged or not, plus exact and near duplicates of some."""
    draw = random.Random(f"{seed}:{document.id}")
    damaged = _damage(draw, document, rates)
    yield damaged
    if draw.random() < rates.exact_duplicates:
        yield _copy(damaged, "exact_duplicate", damaged.text)
    if draw.random() < rates.near_duplicates:
        yield _copy(damaged, "near_duplicate", near_duplicate(draw, damaged.text))


def _copy(document: Document, fault: str, text: str) -> Document:
    faults = [*document.metadata["faults"], fault]
    return Document(text=text, id=f"{document.id}+{fault}", metadata={**document.metadata, "faults": faults})


def _damage(draw: random.Random, document: Document, rates: Corruption) -> Document:
    text, faults = document.text, []
    steps: tuple[tuple[str, float, Fault], ...] = (
        ("personal_data", rates.personal_data, personal_data),
        ("mixed_languages", rates.mixed_languages, mixed_languages),
        ("boilerplate", rates.boilerplate, boilerplate),
        ("markup", rates.markup, markup),
        ("broken_encoding", rates.broken_encoding, broken_encoding),
    )
    for name, rate, fault in steps:
        if draw.random() < rate:
            text = fault(draw, text, document.metadata["lang"])
            faults.append(name)
    return Document(text=text, id=f"{document.id}~dirty", metadata={**document.metadata, "tier": "dirty", "faults": faults})


def markup(draw: random.Random, text: str, language: str) -> str:
    """Paragraphs in HTML tags with entities, a script, a link."""
    parts = [f'<p class="t{draw.randrange(9)}">{part.replace("&", "&amp;").replace("«", "&laquo;")}</p>' for part in text.split("\n\n")]
    return "<div>\n" + "\n".join(parts) + '\n<script>var a = 1;</script>\n<a href="/">»</a></div>'


def boilerplate(draw: random.Random, text: str, language: str) -> str:
    """A navigation line above, one or two footer lines below."""
    lines = BOILERPLATE.get(language, BOILERPLATE["en"])
    return "\n".join([lines[0], text, *lines[1 : 2 + draw.randrange(2)]])


def near_duplicate(draw: random.Random, text: str) -> str:
    """The same text with about one word in fifty left out."""
    words = text.split(" ")
    return " ".join(word for word in words if draw.random() > 0.02)


def mixed_languages(draw: random.Random, text: str, language: str) -> str:
    """A paragraph of a fourth language in the middle."""
    parts = text.split("\n\n")
    parts.insert(draw.randrange(1, len(parts) + 1), draw.choice(FOREIGN))
    return "\n\n".join(parts)


def broken_encoding(draw: random.Random, text: str, language: str) -> str:
    """UTF-8 bytes read as Latin-1 (reversible), or every other vowel lost to U+FFFD (not reversible)."""
    if draw.random() < 0.6:
        return text.encode("utf-8").decode("latin-1")
    return "".join("\ufffd" if letter in "аоеәiеаeao" and draw.random() < 0.5 else letter for letter in text)


def personal_data(draw: random.Random, text: str, language: str) -> str:
    """An address, a phone, an identity number or a card number in a line of its own."""
    three, two = draw.randrange(100, 1000), draw.randrange(10, 100)
    iin = next(
        f"{first}{digit}" for n in range(10) if (digit := iin_check_digit(first := f"90{two % 12 + 1:02d}15{three}{n}0")) is not None
    )
    card = f"4400{three}1{three}2{three}"
    lines = (
        f"aigerim.{three}@example.kz",
        f"+7 701 {three} {two} {two}",
        f"ИИН {iin}",
        f"4400 {card[4:8]} {card[8:12]} {card[12:]}{luhn_digit(card)}",
    )
    return f"{text}\n{draw.choice(lines)}"
