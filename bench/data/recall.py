"""Real text salted with known defects: how many are found, and how much sound text is lost.

python -m bench.data.recall FOLDER --out RECORD [--documents 300] [--foreign TEXTS] [--questions SET ...]

FOLDER holds {kk,ru,en}.jsonl.zst; TEXTS one text file a language (kir.txt, a paragraph a line); a SET is JSON Lines with `question`.
Clean documents of 1-6 kB are the hosts; each defect is put into all of them, and the step that is for it is asked. Defects are made here,
not by `data_prep.corrupt`.
"""

import argparse
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datatrove.data import Document

from bench.data import duplicates
from bench.data.speed import command, commit, device
from data_prep.identify import Identify
from data_prep.normalise import normalise
from data_prep.personal_data import iin_check_digit, luhn_digit, mask_personal_data
from kishi.identification import is_foreign
from kishi.jsonl import read_rows, write_json
from kishi.overlap import ExampleIndex
from recipes.schema_data import Decontamination, Filters, Limits

MARGIN = Limits().language_margin


def main() -> None:
    """Count, print, write `result.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=300)
    parser.add_argument("--foreign", type=Path, help="folder of other languages' texts")
    parser.add_argument("--questions", type=Path, nargs="*", default=[Path("data/sample/mcq.jsonl")])
    options = parser.parse_args()
    hosts = {language: documents(options.folder, language, options.documents) for language in ("kk", "ru", "en")}
    figures: dict[str, Any] = {"documents": {language: len(texts) for language, texts in hosts.items()}}
    figures |= {"personal data": personal_data(hosts["kk"]), "languages": languages(hosts)}
    figures["contamination"] = {path.name.split(".")[0]: contamination(hosts, path) for path in options.questions}
    figures["encoding"] = encoding(hosts["kk"])
    with tempfile.TemporaryDirectory() as work:
        figures["documents of other languages"] = foreign_documents(hosts, options.foreign, Path(work))
        figures["duplicates"] = duplicates.figures([text for texts in hosts.values() for text in texts], Path(work) / "duplicates")
    result = {
        "name": "data cleaning recall",
        "device": device(),
        "commit": commit(),
        "command": command("bench.data.recall"),
        "figures": figures,
    }
    write_json(options.out / "result.json", result)
    print(json.dumps(figures, indent=2, ensure_ascii=False))


def documents(folder: Path, language: str, count: int) -> list[str]:
    """Clean ones, a fixed sample."""
    rows = (row for row in read_rows(folder / f"{language}.jsonl.zst") if row["tier"] == "clean")
    texts = [row["text"] for row in rows if 1000 < len(row["text"].encode("utf-8")) < 6000]
    return random.Random(1).sample(texts, min(count, len(texts)))


def share(hits: int, of: int) -> dict[str, float]:
    """Found, of how many, as a share."""
    return {"found": hits, "of": of, "share": round(hits / max(1, of), 4)}


def personal_data(hosts: list[str]) -> dict[str, dict[str, float]]:
    """One item of each kind inside each host: is it masked?"""
    draw = random.Random(2)

    def digits(count: int) -> str:
        return "".join(draw.choices("0123456789", k=count))

    def iin() -> str:
        while True:
            eleven = f"{draw.randrange(100):02d}{draw.randrange(1, 13):02d}{draw.randrange(1, 29):02d}{digits(5)}"
            if (digit := iin_check_digit(eleven)) is not None:
                return f"{eleven}{digit}"

    def card() -> str:
        number = draw.choice("45") + digits(14)
        number += str(luhn_digit(number))
        return draw.choice(("", " ", "-")).join(number[at : at + 4] for at in range(0, 16, 4))

    phones = ("+7 7{} {} {} {}", "8 (7{}) {}-{}-{}", "+77{}{}{}{}", "8-7{}-{}-{}-{}", "+7(7{}){}-{}-{}")
    kinds: dict[str, Callable[[], str]] = {
        "email": lambda: (
            f"{draw.choice(('aigul', 'ivan.petrov', 'j_smith'))}{digits(2)}@{draw.choice(('mail.kz', 'gmail.com', 'gov.edu.kz'))}"
        ),
        "phone": lambda: draw.choice(phones).format(digits(2), digits(3), digits(2), digits(2)),
        "iin": iin,
        "card": card,
    }
    result = {}
    for kind, make in kinds.items():
        hits = 0
        for host in hosts:
            item, cut = make(), len(host) // 2
            text = f"{host[:cut]} ({item}) {host[cut:]}"
            hits += item not in mask_personal_data(text)
        result[kind] = share(hits, len(hosts))
    false = [host for host in hosts if mask_personal_data(host) != host]
    return result | {"sound documents with a mask": share(len(false), len(hosts))}


def languages(hosts: dict[str, list[str]]) -> dict[str, dict[str, float]]:
    """Lines of 40 letters and more inside documents that say they are of another language; and of their own."""
    lines = {
        language: [line for text in texts for line in text.split("\n") if in_script(line, language)][:1500]
        for language, texts in hosts.items()
    }
    pairs = (("kk", "ru"), ("kk", "en"), ("ru", "kk"), ("ru", "en"), ("en", "kk"), ("en", "ru"))
    found = {
        f"{line} line in {own} document": share(sum(is_foreign(text, own, MARGIN) is not None for text in lines[line]), len(lines[line]))
        for own, line in pairs
    }
    wrong = {
        f"own {own} lines cut": share(sum(is_foreign(text, own, MARGIN) is not None for text in lines[own]), len(lines[own]))
        for own in lines
    }
    return found | wrong


def in_script(line: str, language: str) -> bool:
    """Long enough to judge, and nine letters in ten of the language's script: help pages hold lines that nobody translated."""
    letters = [letter for letter in line if letter.isalpha()]
    latin = sum(letter.isascii() for letter in letters)
    return len(letters) >= 40 and (latin if language == "en" else len(letters) - latin) >= 0.9 * len(letters)


def foreign_documents(hosts: dict[str, list[str]], folder: Path | None, work: Path) -> dict[str, dict[str, float]]:
    """Documents that say they are Kazakh, of four paragraphs each: removed, or nothing but lines cut. And Kazakh ones kept."""
    step = Identify(work, ("kk", "ru", "en"), Filters())
    result = {}
    for path in sorted(folder.glob("*.txt")) if folder else ():
        lines = [line for line in path.read_text(encoding="utf-8").split("\n") if len(line) >= 20]
        texts = ["\n".join(lines[at : at + 4]) for at in range(0, len(lines) - 3, 4)]
        result[path.stem] = share(sum(not _kept(step, text) for text in texts), len(texts))
    result |= {language: share(sum(not _kept(step, text) for text in hosts[language]), len(hosts[language])) for language in ("ru", "en")}
    return result | {"Kazakh documents removed": share(sum(not _kept(step, text) for text in hosts["kk"]), len(hosts["kk"]))}


def _kept(step: Identify, text: str) -> bool:
    metadata = {"lang": "kk", "source": "s", "license": "x", "tier": "clean", "domain": "d", "origin": "s", "group": "g", "faults": []}
    return bool(list(step.run([Document(text, "d", metadata=metadata)])))


def contamination(hosts: dict[str, list[str]], path: Path) -> dict[str, dict[str, float]]:
    """Questions in the middle of Kazakh hosts: verbatim, after a word, a sentence and a line; and with one word in ten changed."""
    questions = [normalise(row["question"]) for row in read_rows(path)]
    index, draw = ExampleIndex({"tasks": questions}, Decontamination()), random.Random(3)
    found = {"verbatim inside a line": 0, "verbatim on a line of its own": 0, "one word in ten changed, from 10 words": 0}
    long = [question for question in questions if len(question.split()) >= 10]
    for number, question in enumerate(questions):
        host = hosts["kk"][number % len(hosts["kk"])]
        cut = host.find(" ", len(host) // 2)
        for name, around in (("verbatim inside a line", " "), ("verbatim on a line of its own", "\n")):
            found[name] += index.find(f"{host[:cut]}{around}{question}{around}{host[cut:]}") is not None
    for number, question in enumerate(long):
        host, words = hosts["kk"][number % len(hosts["kk"])], question.split()
        for place in draw.sample(range(len(words)), max(1, len(words) // 10)):
            words[place] = "басқа"
        found["one word in ten changed, from 10 words"] += index.find(f"{host}\n{' '.join(words)}") is not None
    result = {name: share(hits, len(long if "changed" in name else questions)) for name, hits in found.items()}
    sound = [text for texts in hosts.values() for text in texts]
    result["sound documents removed"] = share(sum(index.find(text) is not None for text in sound), len(sound))
    return result | {"not compared: one word": share(index.too_short, len(questions))}


def encoding(hosts: list[str]) -> dict[str, dict[str, float]]:
    """UTF-8 read as another code page comes back."""
    result = {}
    for page in ("latin-1", "cp1252", "cp1251"):
        hits = 0
        for host in hosts:
            broken = "".join(bytes([byte]).decode(page, "ignore") or chr(byte) for byte in host.encode())
            hits += normalise(broken) == normalise(host)
        result[f"UTF-8 read as {page}"] = share(hits, len(hosts))
    return result


if __name__ == "__main__":
    main()
