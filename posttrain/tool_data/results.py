"""Results of tools that can be computed: the answer taught after them is then true."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from kishi.calculator import calculate
from kishi.units import convert

Arguments = Mapping[str, Any]


def loan_payment(amount: float, annual_rate_percent: float, months: int) -> int:
    """The equal monthly instalment of an annuity loan, rounded to a whole unit of money."""
    rate = annual_rate_percent / 1200
    return round(amount * rate / (1 - (1 + rate) ** -months))


# rough worth in tenge, so that results have a likely size; not the rates of any day
TENGE = {"KZT": 1.0, "USD": 500.0, "EUR": 550.0, "RUB": 6.0, "GBP": 650.0}


def _days(start_date: str, end_date: str) -> int:
    return (date.fromisoformat(end_date) - date.fromisoformat(start_date)).days


def _currency(amount: float, from_currency: str, to_currency: str) -> float:
    return round(amount * TENGE[from_currency] / TENGE[to_currency], 2)


COMPUTED: dict[str, Callable[[Arguments], dict[str, float | int]]] = {
    "calculate": lambda given: {"result": round(calculate(given["expression"]), 2)},
    "convert": lambda given: {"result": round(convert(given["value"], given["from_unit"], given["to_unit"]), 2)},
    "currency": lambda given: {"result": _currency(**given)},
    "days": lambda given: {"days": _days(**given)},
    "between": lambda given: {"result": (3 * given["minimum"] + given["maximum"]) // 4},
    "loan": lambda given: {"monthly_payment": loan_payment(**given)},
}
