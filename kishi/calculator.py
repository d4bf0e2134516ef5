"""Arithmetic from text without `eval`: the expression is parsed and only numbers and operators are walked."""

import ast
import operator
from collections.abc import Callable

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
MOST_CHARACTERS = 200
_LARGEST = 1e15
_LARGEST_POWER = 64


def calculate(expression: str) -> float | int:
    """The value of `+ - * / // % **` and brackets over numbers, to 10 digits; whole numbers as int. Raises ValueError saying why not."""
    if len(expression) > MOST_CHARACTERS:
        raise ValueError(f"the expression is longer than {MOST_CHARACTERS} characters")
    try:
        tree = ast.parse(expression.strip().replace("×", "*").replace("÷", "/").replace("^", "**"), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError("not an arithmetic expression") from error
    value = round(_value(tree.body), 10)
    return int(value) if value == int(value) else value


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            found = number
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            found = _UNARY[type(op)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            found = _apply(type(op), _value(left), _value(right))
        case _:
            raise ValueError(f"only numbers, brackets and + - * / // % ** are allowed, not {type(node).__name__}")
    if isinstance(found, complex) or not abs(found) <= _LARGEST:
        raise ValueError("the number is too large")
    return found


def _apply(kind: type[ast.operator], left: float, right: float) -> float:
    if kind is ast.Pow and abs(right) > _LARGEST_POWER:
        raise ValueError("the power is too large")
    try:
        return _BINARY[kind](left, right)
    except ZeroDivisionError as error:
        raise ValueError("division by zero") from error
    except OverflowError as error:
        raise ValueError("the number is too large") from error
