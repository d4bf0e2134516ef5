"""Units of measurement: one factor each (temperatures also a shift) to the base unit of its quantity."""

# unit: (quantity, factor, shift): base = value * factor + shift. International definitions (inch 25.4 mm, pound 0.45359237 kg, US gallon)
UNITS: dict[str, tuple[str, float, float]] = {
    "km": ("length", 1000.0, 0.0),
    "m": ("length", 1.0, 0.0),
    "cm": ("length", 0.01, 0.0),
    "mile": ("length", 1609.344, 0.0),
    "ft": ("length", 0.3048, 0.0),
    "inch": ("length", 0.0254, 0.0),
    "kg": ("mass", 1.0, 0.0),
    "g": ("mass", 0.001, 0.0),
    "lb": ("mass", 0.45359237, 0.0),
    "oz": ("mass", 0.028349523125, 0.0),
    "litre": ("volume", 1.0, 0.0),
    "gallon": ("volume", 3.785411784, 0.0),
    "celsius": ("temperature", 1.0, 0.0),
    "fahrenheit": ("temperature", 5 / 9, -160 / 9),
    "hectare": ("area", 10_000.0, 0.0),
    "acre": ("area", 4046.8564224, 0.0),
}
DIGITS = 4


def convert(value: float, from_unit: str, to_unit: str) -> float | int:
    """The value in the other unit, four decimals at most; whole numbers as int. Raises ValueError for unknown or unlike units."""
    for unit in (from_unit, to_unit):
        if unit not in UNITS:
            raise ValueError(f"unknown unit {unit}; known: {', '.join(UNITS)}")
    quantity, factor, shift = UNITS[from_unit]
    other, other_factor, other_shift = UNITS[to_unit]
    if quantity != other:
        raise ValueError(f"{from_unit} measures {quantity}, {to_unit} measures {other}")
    found = round((value * factor + shift - other_shift) / other_factor, DIGITS)
    return int(found) if found == int(found) else found
