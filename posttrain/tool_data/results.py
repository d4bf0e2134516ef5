"""Results of tools that can be computed: the answer taught after them is then true."""

from collections.abc import Callable, Mapping
from typing import Any

from kishi.calculator import calculate
from kishi.units import convert

Arguments = Mapping[str, Any]


def loan_payment(amount: float, annual_rate_percent: float, months: int) -> int:
    """The equal monthly instalment of an annuity loan, rounded to a whole unit of money."""
    rate = annual_rate_percent / 1200
    return round(amount * rate / (1 - (1 + rate) ** -months))


COMPUTED: dict[str, Callable[[Arguments], dict[str, float | int]]] = {
    "calculate": lambda given: {"result": round(calculate(given["expression"]), 2)},
    "convert": lambda given: {"result": round(convert(given["value"], given["from_unit"], given["to_unit"]), 2)},
    "loan": lambda given: {"monthly_payment": loan_payment(**given)},
}
