"""Personal data to placeholders: e-mail addresses, phone numbers, bank cards, Kazakhstan's individual identification numbers (IIN).

Card and identification numbers are told from other numbers by their check digit, or by the word in front of them.
"""

import re
from collections.abc import Callable

_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(\.[\w-]+)+\b")
# What must not stand before is asked after the first letters: a pattern that begins with letters is searched for several times as fast
_CARD = re.compile(r"\d{4}(?<![\d.,]\d{4})([ -]?)\d{4}\1\d{4}\1\d{4}(?![\d.,]\d|\d)")
_CARD_WORD = re.compile(r"(card|карт[аыу]?|карточк[аи])\W{0,3}$", re.IGNORECASE)
_IIN = re.compile(r"\d{2}(?<!\d{3})(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{6}(?!\d)")
_IIN_WORD = re.compile(r"(ИИН|ЖСН|IIN)\W{0,3}$", re.IGNORECASE)
_BEFORE = 14  # letters in which such a word stands
# +7 or 8, then ten digits in groups; or + and eleven to fourteen digits of another country
_PHONE = re.compile(
    r"[+8](?<!\w[+8])(?:(?:(?<=\+)7|(?<=8))(?:[ ()\u00a0-]{0,2}\d){10}|(?<=\+)[1-69](?:[ ()-]{0,2}\d){9,13})(?!\d)",
)
_FIRST_WEIGHTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
_SECOND_WEIGHTS = (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)


def mask_personal_data(text: str) -> str:
    """The text with `[email]`, `[card]`, `[iin]` and `[phone]`."""
    if "@" in text:
        text = _EMAIL.sub("[email]", text)
    text = _CARD.sub(_masker("[card]", is_card, _CARD_WORD), text)
    text = _IIN.sub(_masker("[iin]", is_iin, _IIN_WORD), text)
    return _PHONE.sub("[phone]", text)


def _masker(placeholder: str, valid: Callable[[str], bool], word: re.Pattern[str]) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        named = word.search(match.string[max(0, match.start() - _BEFORE) : match.start()])
        return placeholder if named or valid(re.sub(r"\D", "", match[0])) else match[0]

    return replace


def is_card(digits: str) -> bool:
    """Luhn's check digit (ISO/IEC 7812-1), and a first digit that cards have."""
    return digits[0] in "23456" and luhn_digit(digits[:-1]) == int(digits[-1])


def luhn_digit(digits: str) -> int:
    """The digit that makes `digits` a valid number."""
    doubled = (int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return -sum(value - 9 if value > 9 else value for value in doubled) % 10


def is_iin(digits: str) -> bool:
    """The check digit of the 12-digit number fits."""
    return iin_check_digit(digits[:11]) == int(digits[11])


def iin_check_digit(eleven: str) -> int | None:
    """Weighted sum modulo 11, a second set of weights when that is 10 (rules of the IIN register); None: number is not issued."""
    for weights in (_FIRST_WEIGHTS, _SECOND_WEIGHTS):
        digit = sum(int(figure) * weight for figure, weight in zip(eleven, weights, strict=True)) % 11
        if digit < 10:
            return digit
    return None
