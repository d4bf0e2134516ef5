"""Kazakh case endings: vowel harmony, consonant assimilation, the -н- after a possessive, and endings after numerals.

Rules as in any school grammar. Words whose spelling hides their pronunciation are in `HARMONY`.
"""

import re
from typing import Literal

Case = Literal["gen", "dat", "acc", "loc", "abl", "ins"]
CASES: tuple[Case, ...] = ("gen", "dat", "acc", "loc", "abl", "ins")

BACK, FRONT = set("аоұыёя"), set("әөүіеэи")
WEAK = set("ую")  # take the harmony of the vowel before them
VOICELESS = set("пфкқтсшщчцхһбвгд")  # б, в, г, д at a word's end sound voiceless
NASAL = set("мнң")
ENDINGS: dict[Case, tuple[str, str]] = {  # after back and after front vowels, in the form after a vowel
    "gen": ("ның", "нің"),
    "dat": ("ға", "ге"),
    "acc": ("ны", "ні"),
    "loc": ("да", "де"),
    "abl": ("дан", "ден"),
    "ins": ("мен", "мен"),
}
HARMONY = {"рубль": "front", "дюйм": "front"}
DIGITS = ("нөл", "бір", "екі", "үш", "төрт", "бес", "алты", "жеті", "сегіз", "тоғыз")
TENS = ("", "он", "жиырма", "отыз", "қырық", "елу", "алпыс", "жетпіс", "сексен", "тоқсан")
THOUSANDS = ("", "мың", "миллион", "миллиард")


def is_front(word: str) -> bool:
    """Whether the endings of the word have front vowels: the last vowel that is not weak decides; without any they are back."""
    last = word.lower().split()[-1] if word.split() else ""
    if last in HARMONY:
        return HARMONY[last] == "front"
    for place in range(len(last) - 1, -1, -1):
        if last[place] in FRONT:
            return True
        if last[place] in BACK or _is_round_vowel(last, place):
            return False
    return False


def _is_round_vowel(word: str, place: int) -> bool:
    """у between consonants is a full back vowel, as in borrowed words (Тимурға, институтқа); elsewhere it is a glide."""
    around = word[max(0, place - 1) : place + 2]
    return word[place] == "у" and len(around) == 3 and not set(around[::2]) & (BACK | FRONT | WEAK | set("й"))


def inflect(word: str, case: Case, possessed: bool = False) -> str:
    """The word (or phrase, by its last word) in the case; `possessed`: it ends in a third-person possessive (көшесі, базары)."""
    return word + ending(word, case, possessed)


def ending(word: str, case: Case, possessed: bool = False) -> str:
    """What the case adds. Quotation marks and full stops at the word's end do not count."""
    bare = re.sub(r"[\W_]+$", "", word)
    if not bare or not bare[-1].isalpha():
        raise ValueError(f"no letter at the end of {word!r}: write the number's ending with number_ending")
    front = is_front(bare)
    if possessed:
        return _after_possessive(case, front)
    return _after(bare[-1].lower() if bare[-1] not in "ьЬ" else bare[-2].lower(), case, front)


def _after_possessive(case: Case, front: bool) -> str:
    back_and_front = {"dat": ("на", "не"), "acc": ("н", "н"), "loc": ("нда", "нде"), "abl": ("нан", "нен")}
    return back_and_front.get(case, ENDINGS[case])[front]


def _after(last: str, case: Case, front: bool) -> str:
    plain, rest = ENDINGS[case][front], ENDINGS[case][front][1:]
    vowel = last in (BACK | FRONT) - {"и"}  # и and у end in a glide: такси-ді, Ақтау-ды
    if case == "dat":
        return ("қа", "ке")[front] if last in VOICELESS else plain
    if case == "ins":
        return "п" + rest if last in VOICELESS else "б" + rest if last in "зж" else plain
    if last in VOICELESS:
        return "т" + rest
    if case == "abl":
        return "н" + rest if last in NASAL else plain
    if case == "loc" or vowel or (case == "gen" and last in NASAL):
        return plain
    return "д" + rest


def last_numeral(digits: str) -> str:
    """The last word that is spoken of a number in digits: 48 -> сегіз, 1200 -> жүз, 2,5 -> бес."""
    whole = re.sub(r"[\s\u00a0]", "", digits)
    if match := re.search(r"[.,](\d+)$", whole):
        whole = match[1].lstrip("0") or "0"
    if not whole.isdigit():
        raise ValueError(f"not a number: {digits!r}")
    number = int(whole)
    if number == 0:
        return DIGITS[0]
    if number % 10:
        return DIGITS[number % 10]
    if number % 100:
        return TENS[number // 10 % 10]
    if number % 1000:
        return "жүз"
    group = 1
    while number % 1000 ** (group + 1) == 0:
        group += 1
    return THOUSANDS[group]


def number_ending(digits: str, case: Case) -> str:
    """The ending with its hyphen after a number or a time of day: 48 -> -ді (acc), 18:30 -> -да (loc), 18:00 -> -де."""
    if match := re.fullmatch(r"(\d{1,2}):(\d{2})", digits):
        digits = match[1] if match[2] == "00" else match[2]
    return "-" + ending(last_numeral(digits), case)
