"""Masks: what is personal goes, what only looks like it stays."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.personal_data import iin_check_digit, is_card, is_iin, luhn_digit, mask_personal_data


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("a.b+c@mail.example.kz", "[email]"),
        ("+7 (727) 123-45-67, 8 701 123 45 67, +77011234567, 8(7172)12-34-56", "[phone], [phone], [phone], [phone]"),
        ("+44 20 7946 0958", "[phone]"),
        ("4111 1111 1111 1111 4111111111111111 5500-0000-0000-0004", "[card] [card] [card]"),
        ("card 4400 1234 1234 1234", "card [card]"),  # by its word, not by its check digit
        ("4111 1111 1111 1112", "4111 1111 1111 1112"),
        ("ЖСН: 900115300123", "ЖСН: [iin]"),
        ("2024-01-15, 1 234 567 890, 3.14159265358979, 8 800 тонн", "2024-01-15, 1 234 567 890, 3.14159265358979, 8 800 тонн"),
    ],
)
def test_masks(text: str, masked: str) -> None:
    assert mask_personal_data(text) == masked


@settings(deadline=None)
@given(st.integers(0, 10**15 - 1))
def test_luhn_finds_every_single_wrong_digit(number: int) -> None:
    digits = f"4{number:014d}"
    whole = f"{digits}{luhn_digit(digits)}"
    assert is_card(whole)
    place = random.Random(number).randrange(1, 16)
    assert not is_card(whole[:place] + str((int(whole[place]) + 1) % 10) + whole[place + 1 :])


@settings(deadline=None)
@given(st.integers(0, 99), st.integers(1, 12), st.integers(1, 28), st.integers(0, 99999))
def test_valid_identification_numbers_are_masked_and_others_are_not(year: int, month: int, day: int, serial: int) -> None:
    eleven = f"{year:02d}{month:02d}{day:02d}{serial:05d}"
    digit = iin_check_digit(eleven)
    for last in range(10):
        number = f"{eleven}{last}"
        assert is_iin(number) == (last == digit)
        # a valid one may begin with 8 and then look like a phone number to a reader too
        assert (mask_personal_data(f"№ {number}.") == "№ [iin].") == (last == digit)
