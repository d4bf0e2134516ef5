"""What chat models are measured on: translation, summaries, constraints, whether they stop, and the language of their answers.

All of it comes from one round of greedy answers through the chat template; the raw rows hold the answers, and every figure is made from
them alone (`figures`).
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

from eval import constraints, summaries, text_scores, wording
from eval.answer_language import language_of
from eval.dictionary import Dictionary
from eval.scores import wilson
from eval.task_documents import task_sets
from eval.task_rows import Translation
from kishi.errors import DataError
from kishi.jsonl import read_rows
from kishi.manifest import sha256_of
from kishi.task_files import TaskFile, spread
from recipes.schema_eval import ChatMeasures, Task

VERSION = 1  # of the prompts and checks
SUMMARY = ("summarization", "summarisation", "summary")

Row = dict[str, Any]


@dataclass(frozen=True)
class ChatTest:
    """`questions`: kind, id, lang (of the answer that is wanted), messages, and what the answer is compared with."""

    questions: list[Row]
    room: int
    described: dict[str, Any]

    @property
    def key(self) -> str:
        """Of all that is asked."""
        return sha256_of([VERSION, self.questions, self.room])

    def ask(self, model: Any) -> dict[str, Any]:
        """Raw rows and figures of one model."""
        answers = model.answer([row["messages"] for row in self.questions], self.room)
        rows = [
            {**row, "written": text, "stopped": stopped, "answer_lang": language_of(text)}
            for row, (text, stopped) in zip(self.questions, answers, strict=True)
        ]
        return {"rows": rows, "figures": figures(rows)}


def prepare(
    measures: ChatMeasures, languages: tuple[str, ...], seed: int, conversations: Path | None = None, pairs: Sequence[Path] = ()
) -> ChatTest:
    """`conversations`: the held-out ones of the run, and `pairs`: its parallel text, where the recipe's `eval.chat` names none.

    Raises DataError for a bad line or an empty test.
    """
    file = Path(measures.conversations) if measures.conversations else conversations
    questions = _translations(measures, languages) + _constraints(measures, languages, seed)
    questions += _conversations(file, languages, measures.limit) if file else []
    if not questions:
        raise DataError("nothing is asked", where="eval.chat", fix="give translation, conversations or constraints")
    asked = {"version": VERSION, "questions": len(questions), "sha256": sha256_of(questions), "answer_tokens": measures.answer_tokens}
    known = _pairs([Path(measures.pairs)] if measures.pairs else pairs, languages, _sources(questions))
    learnt = {direction: len(found) for direction, found in known.items()}
    return ChatTest(questions, measures.answer_tokens, {**asked, "dictionary_pairs": learnt, "baselines": _baselines(questions, known)})


def _sources(questions: Sequence[Row]) -> set[str]:
    return {row["source"] for row in questions if row["kind"] == "translation"}


def _translations(measures: ChatMeasures, languages: tuple[str, ...]) -> list[Row]:
    if not measures.translation:
        return []
    task = Task(name="chat", kind="translation", path=measures.translation, license="-", limit=measures.limit)
    return [
        {
            "kind": "translation",
            "id": document["id"],
            "direction": "-".join(pair.languages),
            "lang": pair.languages[1],
            "messages": wording.translate(pair.languages[0], pair.languages[1], document["source"]),
            "source": document["source"],
            "references": document["references"],
        }
        for pair in task_sets(task, languages)
        for document in pair.documents
    ]


def _constraints(measures: ChatMeasures, languages: tuple[str, ...], seed: int) -> list[Row]:
    made = []
    for language in languages:
        for row in constraints.make(language, measures.constraints, seed):
            wanted = row["constraint"].get("language", language)
            made.append({**row, "kind": "constraint", "lang": wanted, "asked_in": language, "messages": _user(row["prompt"])})
    return made


def _user(text: str) -> list[Row]:
    return [{"role": "user", "content": text}]


def _conversations(path: Path, languages: tuple[str, ...], limit: int) -> list[Row]:
    """The last answer is the reference, and its language is the one that is wanted. Conversations with tools are not asked here."""
    if not path.is_file():
        raise DataError("no such file", where=path, fix="mend eval.chat.conversations")
    rows = [row for row in read_rows(path) if row.get("lang") in languages and not row.get("tools")]
    found = []
    for language in languages:
        for row in spread([row for row in rows if row["lang"] == language], limit):
            reference = row["messages"][-1]["content"]
            kind = "summary" if row.get("task") in SUMMARY else "conversation"
            wanted = language_of(reference) or language
            asked = {"asked_in": language, "messages": row["messages"][:-1], "reference": reference}
            found.append({"kind": kind, "id": row.get("id", ""), "lang": wanted, "task": row.get("task", ""), **asked})
    return found


def figures(rows: Sequence[Row]) -> dict[str, Any]:
    """Of raw rows: per direction, per language, and over all."""
    found: dict[str, Any] = {
        "translation": _each(rows, "translation", "direction", text_scores.translation),
        "summaries": _each(rows, "summary", "asked_in", summaries.summarise),
        "constraints": _each(rows, "constraint", "asked_in", _obeyed),
        "stop_rate": wilson("all", [row["stopped"] for row in rows]),
        "answer_language": {},
    }
    for language, own in _by(rows, "lang").items():
        found["stop_rate"] |= wilson(language, [row["stopped"] for row in own])
        told = [row["answer_lang"] == language for row in own if row["answer_lang"]]
        found["answer_language"][language] = {"n": len(told), "too_short": len(own) - len(told), **(wilson("right", told) if told else {})}
    return {key: value for key, value in found.items() if value}


def _by(rows: Sequence[Row], key: str) -> dict[str, list[Row]]:
    found = defaultdict[str, list[Row]](list)
    for row in rows:
        found[row[key]].append(row)
    return dict(found)


def _each(rows: Sequence[Row], kind: str, key: str, measure: Callable[[list[Row]], Row]) -> dict[str, Any]:
    return {name: measure(own) for name, own in _by([row for row in rows if row["kind"] == kind], key).items()}


def _obeyed(rows: Sequence[Row]) -> dict[str, Any]:
    """Share obeyed, over all kinds and of each."""
    kinds = {
        kind: [constraints.obeyed(row["constraint"], row["written"]) for row in rows if row["constraint"]["kind"] == kind]
        for kind in dict.fromkeys(row["constraint"]["kind"] for row in rows)
    }
    hits = [hit for found in kinds.values() for hit in found]
    by_kind = {kind: round(sum(found) / len(found), 4) for kind, found in kinds.items()}
    return {"n": len(rows), **wilson("obeyed", hits), "by_kind": by_kind}


def _baselines(questions: Sequence[Row], pairs: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    """Answers without a model: the source itself and a word-for-word dictionary, the first sentence, one answer to all."""
    found: dict[str, Any] = {"translation": {}, "summaries": {}, "constraints": {}}
    for direction, rows in _by([row for row in questions if row["kind"] == "translation"], "direction").items():
        said = {"copy": [row["source"] for row in rows]}
        if known := pairs.get(direction):
            dictionary = Dictionary(known)
            said["dictionary"] = [dictionary.translate(row["source"]) for row in rows]
        found["translation"][direction] = {name: _scored(rows, answers) for name, answers in said.items()}
    for language, rows in _by([row for row in questions if row["kind"] == "summary"], "asked_in").items():
        written = [{**row, "written": summaries.lead(row["messages"][-1]["content"])} for row in rows]
        found["summaries"][language] = {"first_sentence": summaries.summarise(written)}
    for language, rows in _by([row for row in questions if row["kind"] == "constraint"], "asked_in").items():
        found["constraints"][language] = {"constant": _obeyed([{**row, "written": constraints.CONSTANT[language]} for row in rows])}
    return {name: value for name, value in found.items() if value}


def _scored(rows: Sequence[Row], answers: Sequence[str]) -> dict[str, Any]:
    scores = text_scores.translation([{**row, "written": answer} for row, answer in zip(rows, answers, strict=True)])
    return {"chrf": scores["chrf"], "bleu": scores["bleu"]}


def _pairs(files: Sequence[Path], languages: tuple[str, ...], asked: set[str]) -> dict[str, list[tuple[str, str]]]:
    """By direction; a pair whose source is asked is left out, or the dictionary would know the answer."""
    found = defaultdict[str, list[tuple[str, str]]](list)
    for row in (row for file in files for row in TaskFile(file, languages).rows(Translation)):
        for source, target in permutations(row.texts, 2):
            if row.texts[source].strip() not in asked:
                found[f"{source}-{target}"].append((row.texts[source], row.texts[target]))
    return dict(found)
