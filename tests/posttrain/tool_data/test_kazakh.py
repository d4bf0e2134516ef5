"""Kazakh endings: a table of known forms, and what holds for every word."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from kishi.jsonl import read_rows
from posttrain.tool_data import values
from posttrain.tool_data.kazakh import BACK, CASES, DIGITS, FRONT, TENS, THOUSANDS, ending, inflect, is_front, last_numeral, number_ending

TABLE = """
Алматы Алматының Алматыға Алматыны Алматыда Алматыдан Алматымен
Астана Астананың Астанаға Астананы Астанада Астанадан Астанамен
Шымкент Шымкенттің Шымкентке Шымкентті Шымкентте Шымкенттен Шымкентпен
Ақтөбе Ақтөбенің Ақтөбеге Ақтөбені Ақтөбеде Ақтөбеден Ақтөбемен
Қызылорда Қызылорданың Қызылордаға Қызылорданы Қызылордада Қызылордадан Қызылордамен
Ақтау Ақтаудың Ақтауға Ақтауды Ақтауда Ақтаудан Ақтаумен
Мәскеу Мәскеудің Мәскеуге Мәскеуді Мәскеуде Мәскеуден Мәскеумен
Орал Оралдың Оралға Оралды Оралда Оралдан Оралмен
Семей Семейдің Семейге Семейді Семейде Семейден Семеймен
Тараз Тараздың Таразға Таразды Таразда Тараздан Таразбен
Түркістан Түркістанның Түркістанға Түркістанды Түркістанда Түркістаннан Түркістанмен
Париж Париждің Парижге Парижді Парижде Парижден Парижбен
Мадрид Мадридтің Мадридке Мадридті Мадридте Мадридтен Мадридпен
Тимур Тимурдың Тимурға Тимурды Тимурда Тимурдан Тимурмен
Айгүл Айгүлдің Айгүлге Айгүлді Айгүлде Айгүлден Айгүлмен
Болат Болаттың Болатқа Болатты Болатта Болаттан Болатпен
такси таксидің таксиге таксиді таксиде таксиден таксимен
рубль рубльдің рубльге рубльді рубльде рубльден рубльмен
су судың суға суды суда судан сумен
қыз қыздың қызға қызды қызда қыздан қызбен
үй үйдің үйге үйді үйде үйден үймен
қазан қазанның қазанға қазанды қазанда қазаннан қазанмен
мамыр мамырдың мамырға мамырды мамырда мамырдан мамырмен
желтоқсан желтоқсанның желтоқсанға желтоқсанды желтоқсанда желтоқсаннан желтоқсанмен
доллар доллардың долларға долларды долларда доллардан доллармен
"""
KNOWN = [line.split() for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize("forms", KNOWN, ids=lambda forms: str(forms[0]))
def test_known_forms(forms: list[str]) -> None:
    assert [inflect(forms[0], case) for case in CASES] == forms[1:]


@pytest.mark.parametrize(
    ("phrase", "forms"),
    [
        ("Абай көшесі", "көшесінің көшесіне көшесін көшесінде көшесінен көшесімен"),
        ("орталық базары", "базарының базарына базарын базарында базарынан базарымен"),
        ("ағылшын тілі", "тілінің тіліне тілін тілінде тілінен тілімен"),
    ],
)
def test_after_a_possessive(phrase: str, forms: str) -> None:
    assert [inflect(phrase, case, possessed=True).split()[-1] for case in CASES] == forms.split()


@pytest.mark.parametrize(
    ("digits", "case", "expected"),
    [
        ("48", "acc", "-ді"), ("17", "dat", "-ге"), ("10", "abl", "-нан"), ("20", "loc", "-да"), ("100", "dat", "-ге"),
        ("1200", "abl", "-ден"),
        ("5000", "dat", "-ға"), ("5 000 000", "dat", "-ға"), ("18:30", "loc", "-да"), ("18:00", "loc", "-де"), ("07:05", "loc", "-те"),
        ("2,5", "dat", "-ке"), ("0", "abl", "-ден"), ("40", "ins", "-пен"), ("9", "ins", "-бен"),
    ],
)  # fmt: skip
def test_endings_of_numbers(digits: str, case: str, expected: str) -> None:
    assert number_ending(digits, case) == expected  # type: ignore[arg-type]


@given(some.text("абвгғдежзийкқлмнңопрстуұүфхһцчшыіәөң", min_size=2, max_size=12), some.sampled_from(CASES), some.booleans())
def test_endings_agree_with_the_word(word: str, case: str, possessed: bool) -> None:
    added = ending(word, case, possessed)  # type: ignore[arg-type]
    vowels = set(added) & (BACK | FRONT)
    if case != "ins":
        assert (vowels or (possessed and case == "acc")) and vowels <= (FRONT if is_front(word) else BACK)
    hard = word[-1] in "пфкқтсшщчцхһбвгд" and not possessed
    assert (added[0] in "тпкқ") == hard


@given(some.integers(1, 10**9))
def test_every_number_has_a_last_word(number: int) -> None:
    assert last_numeral(str(number)) in {*DIGITS[1:], *TENS[1:], "жүз", *THOUSANDS[1:]}


def test_nothing_to_inflect() -> None:
    for word in ("", "«»", "25"):
        with pytest.raises(ValueError, match="no letter"):
            ending(word, "dat")
    with pytest.raises(ValueError, match="not a number"):
        last_numeral("x1")


def test_quoted_names_and_agreement() -> None:
    assert values.Value("Самал", "«Самал»", "kk").form("dat") == "«Самал»-ға"
    numbers = [1, 2, 5, 11, 12, 21, 22, 25, 104, 111, 2.5]
    forms = [values.agreeing(number, ["минута", "минуты", "минут"]) for number in numbers]
    assert forms == ["минута", "минуты", "минут", "минут", "минут", "минута", "минуты", "минут", "минуты", "минут", "минуты"]
    assert [values.agreeing(number, ["minute", "minutes"]) for number in (1, 2, 21)] == ["minute", "minutes", "minutes"]


# every ending of a case, after a possessive too; stems that are also the beginning of other words
POSSIBLE = {
    "gen": "ның нің дың дің тың тің", "dat": "ға ге қа ке на не", "acc": "ны ні ды ді ты ті н", "loc": "да де та те нда нде",
    "abl": "дан ден тан тен нан нен", "ins": "мен бен пен",
}  # fmt: skip
OTHER_WORDS = {"алма", "алты", "бағы", "жолда", "қайда", "күні"}


def test_endings_agree_with_the_samples_text() -> None:
    """The form that the rules make of a pool's word is the one that stands in real sentences, where the word stands in this case."""
    texts = [row["text"] for path in Path("data/sample/corpus").glob("*.jsonl") for row in read_rows(path) if row["lang"] == "kk"]
    seen = Counter(word for text in texts for word in re.findall(r"\w+", text.lower()))
    agreed = 0
    for word, possessed in sorted(_pool_words()):
        for case in CASES:
            common = max(POSSIBLE[case].split(), key=lambda added: seen[word + added])
            if seen[word + common]:
                assert common == ending(word, case, possessed), f"{word}: {word + common} stands in the sample"
                agreed += 1
    assert agreed > 150


def _pool_words() -> set[tuple[str, bool]]:
    found = {(word, False) for word in (*DIGITS, *TENS[1:], *THOUSANDS[1:], "жүз", *values.MONTHS["kk"])}
    for pool in values.pools().values():
        for item in [*(pool.words or {}).get("kk", ()), *(texts["kk"] for texts in (pool.codes or {}).values())]:
            value = values._worded(None, item, "kk")
            last = value.text.strip("«»?").split()[-1].lower()
            found |= {(last, value.possessed)} if last.isalpha() else set()
    return {(word, possessed) for word, possessed in found if word not in OTHER_WORDS}
