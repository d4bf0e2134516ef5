"""What is made of other text: translations, headlines, summaries, and spoilt answers."""

import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from kishi.jsonl import read_rows
from kishi.languages import LANGUAGES
from posttrain.data.example import Example
from posttrain.data.making import beginning, is_summary, lead_of, made_of
from posttrain.data.spoiling import FAULTS, Pool, shape_of, spoilt
from posttrain.data.turns import messages_fault, pair_fault
from posttrain.data.wording import sentence, translation_names, wording
from recipes.schema_chat import Making

COMMON = {"source": "set", "license": "CC0-1.0"}
SIDES = {"kk": "Жаңбыр үш күн жауды.", "ru": "Дождь шел три дня.", "en": "It rained for three days."}
# how each language is named as the target in a request, by the language of the request
TARGET = {
    "kk": {"kk": "қазақ", "ru": "орыс", "en": "ағылшын"},
    "ru": {"kk": "казахск", "ru": "русск", "en": "английск"},
    "en": {"kk": "Kazakh", "ru": "Russian", "en": "English"},
}


def _parallel(number: int) -> Example:
    texts = {code: f"{text[:-1]} {number}." for code, text in SIDES.items()}
    return {"kind": "parallel", "id": f"set/{number}", "lang": "kk", "group": f"set/{number}", **COMMON, "texts": texts}


def test_every_sentence_names_its_languages_and_keeps_the_text() -> None:
    """All wordings in all directions: nothing unfilled, the target named in its own form, the text whole."""
    for language in LANGUAGES:
        for key in ("translate", "translate_short", "translate_system"):
            for number, _ in enumerate(wording()[key][language]):
                for source in LANGUAGES:
                    for target in (code for code in LANGUAGES if code != source):
                        names = translation_names(language, source, target)
                        draw = Random(0)
                        draw.choice = lambda found, n=number: found[n]  # type: ignore[method-assign, misc, assignment]
                        said = sentence(draw, key, language, "ТЕКСТ {to}", names)
                        assert TARGET[language][target].lower() in said.lower(), said
                        assert said.count("ТЕКСТ {to}") == (key != "translate_system") and not re.search(r"{(?!to})", said)
    # Kazakh: into is dative, from is ablative
    assert translation_names("kk", "en", "kk") | {"in": ""} == {
        "to": "қазақ тіліне", "from": "ағылшын тілінен", "in": "", "To": "Қазақ тіліне", "From": "Ағылшын тілінен"
    }  # fmt: skip


def test_six_directions_of_one_row() -> None:
    made = list(made_of(_parallel(1), Making(), 1))
    assert {row["direction"] for row in made} == {"en-kk", "en-ru", "kk-en", "kk-ru", "ru-en", "ru-kk"}
    for row in made:
        source, target = row["direction"].split("-")
        said = " ".join(turn["content"] for turn in row["messages"][:-1])
        assert row["messages"][-1]["content"] == row["sides"][target] and row["sides"][source].removesuffix(".") in said
        assert row["group"] == "set/1" and row["license"] == "CC0-1.0" and messages_fault(row["messages"]) is None
    assert made == list(made_of(_parallel(1), Making(), 1)) != list(made_of(_parallel(1), Making(), 2))
    assert len(list(made_of(_parallel(1), Making(directions=2), 1))) == 2


def test_requests_vary() -> None:
    made = [row for number in range(60) for row in made_of(_parallel(number), Making(), 1)]
    asked = Counter(row["lang"] for row in made)
    assert min(asked.values()) > 80  # in all languages, mostly in one of the two
    own = [row for row in made if row["lang"] in row["direction"]]
    assert 0.8 < len(own) / len(made) < 0.97
    assert 0.05 < sum(row["messages"][0]["role"] == "system" for row in made) / len(made) < 0.2
    openings = {row["messages"][-2]["content"][:14] for row in made}
    assert len(openings) > 30


DOCUMENT = (
    "Алматыда жаңа көпір ашылды. Ол өзеннің екі жағасын қосады.\nКөпірдің ұзындығы екі жүз метр, құрылысы екі жылға созылды. "
    "Алматыда мұндай көпір бұрын болмаған, сондықтан өзеннің екі жағасында тұратын жұрт оны көптен күткен.\nҚұрылысқа жүз адам қатысты."
)


def test_headlines_and_summaries() -> None:
    document = {
        "kind": "titles",
        "id": "set/1",
        "group": "set/1",
        "lang": "kk",
        **COMMON,
        "title": "Алматыда көпір ашылды",
        "text": DOCUMENT,
    }
    (headline,) = made_of(document, Making(), 1)
    assert headline["task"] == "headline" and headline["messages"][-1]["content"] == document["title"]
    assert DOCUMENT in headline["messages"][0]["content"] and document["title"] not in headline["messages"][0]["content"]
    _, summary = made_of({**document, "lead": True}, Making(), 1)
    assert summary["messages"][-1]["content"] == DOCUMENT.split("\n")[0]
    assert "Құрылысқа жүз адам қатысты." in summary["messages"][0]["content"] and "жаңа" not in summary["messages"][0]["content"]
    short = next(made_of(document, Making(document_characters=150), 1))["messages"][0]["content"]
    assert "екі жағасын қосады." in short and "жүз адам" not in short


def test_leads_that_are_none() -> None:
    for lead in ("— Сәлем! — деді ол, көзін жұмып, ұзақ үнсіз тұрып.", "1. Кітапхана сейсенбіден жексенбіге дейін ашық болады.",
                 "Неге бұлай болады екен, оны ешкім де білмейтін шығар?", "Қысқа."):  # fmt: skip
        assert lead_of(lead) is None
    assert not is_summary(DOCUMENT.split("\n")[0], DOCUMENT, "Ауа райы болжамы")  # the title speaks of something else
    assert beginning("Бірінші сөйлем осы. Екінші сөйлем де осы.", 25) == "Бірінші сөйлем осы."


@pytest.fixture(scope="module")
def good() -> list[Example]:
    """Conversations of the sample and made translations, as the stage has them."""
    rows = [
        {"kind": "sft", **COMMON, "group": row["id"], "answer_lang": row["lang"], **row} for row in read_rows(Path("data/sample/sft.jsonl"))
    ]
    sentences = read_rows(Path("data/sample/translation.jsonl"))
    for row in sentences:
        texts = {code: row[code] for code in LANGUAGES}
        rows += made_of({"kind": "parallel", "id": row["id"], "lang": "kk", "group": row["id"], **COMMON, "texts": texts}, Making(), 1)
    return rows


@pytest.fixture(scope="module")
def pairs(good: list[Example]) -> list[Example]:
    pool = Pool(iter(good), 1)
    return [pair for row in good if (pair := spoilt(row, pool, Making(pairs=1.0, matched=0.5), 1))]


def test_pairs_are_sound_and_of_every_kind(good: list[Example], pairs: list[Example]) -> None:
    assert len(pairs) > 0.9 * len(good) and {pair["why"] for pair in pairs} == set(FAULTS)
    assert [fault for pair in pairs if (fault := pair_fault(pair))] == []
    origin = {row["id"]: row for row in good}
    for pair in pairs:
        row = origin[pair["id"].removesuffix(":pair")]
        assert [*pair["prompt"], *pair["chosen"]] == row["messages"] and pair["group"] == row["group"]
    assert max(Counter(pair["why"] for pair in pairs).values()) < 0.35 * len(pairs)


def test_length_says_nothing_about_which_answer_is_better(pairs: list[Example]) -> None:
    """A judge that takes the longer answer is right in about half of the pairs that are not matched, whatever their language."""
    shapes = [shape_of(pair["chosen"][0]["content"], pair["rejected"][0]["content"]) for pair in pairs]
    counts = Counter(shapes)
    assert 0.4 < counts["matched"] / len(pairs) < 0.6
    assert 0.42 < counts["longer"] / (counts["longer"] + counts["shorter"]) < 0.58


def test_faults_are_what_they_say(pairs: list[Example]) -> None:
    by_kind: dict[str, list[Example]] = {}
    for pair in pairs:
        by_kind.setdefault(pair["why"], []).append(pair)

    def texts(kind: str) -> list[tuple[str, str]]:
        return [(pair["chosen"][0]["content"], pair["rejected"][0]["content"]) for pair in by_kind[kind]]

    for chosen, rejected in texts("wrong number"):
        assert re.sub(r"\d+", "", chosen) == re.sub(r"\d+", "", rejected) != rejected
    assert all(chosen.startswith(rejected) for chosen, rejected in texts("truncated"))
    assert all(rejected.startswith(chosen) for chosen, rejected in (*texts("repetition"), *texts("rambling")))
    assert all(sorted(chosen.rstrip(".!?…").split()) == sorted(rejected.rstrip(".").split()) for chosen, rejected in texts("word order"))
    assert all(pair["prompt"][-1]["content"] == pair["rejected"][0]["content"] for pair in by_kind["repeats the question"])
    third = [pair for pair in by_kind["wrong language"] if pair["task"] == "translation" and pair["id"].startswith("translation")]
    sides = {row["id"]: row for row in read_rows(Path("data/sample/translation.jsonl"))}
    named = [(sides[pair["id"].partition(":")[0]], pair) for pair in third]
    assert len(named) > 30 and all(pair["rejected"][0]["content"] in (row["kk"], row["ru"], row["en"]) for row, pair in named)


def test_only_the_share_that_was_asked_for(good: list[Example]) -> None:
    pool = Pool(iter(good), 1)
    assert not any(spoilt(row, pool, Making(pairs=0.0), 1) for row in good)
    some = sum(spoilt(row, pool, Making(pairs=0.3), 1) is not None for row in good)
    assert 0.2 * len(good) < some < 0.4 * len(good)
