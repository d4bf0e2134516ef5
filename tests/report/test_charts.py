"""Axes and escaping of the report's charts."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from report.charts import LARGEST, Series, bar_chart, line_chart, thin, ticks

FINITE = st.floats(-1e9, 1e9)


@given(FINITE, FINITE)
def test_ticks_cover_the_values_and_are_few(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    found = ticks(low, high)
    slack = 1e-6 * max(abs(low), abs(high), 1e-9)
    assert found[0] <= low + slack and found[-1] >= high - slack
    assert 2 <= len(found) <= 9 and found == sorted(set(found))


@given(st.lists(st.tuples(st.integers(0, 10**6), st.floats()), max_size=40))
def test_any_values_give_a_picture_that_parses(points: list[tuple[float, float]]) -> None:
    chart = line_chart("a < b & c", [Series('<x y="', sorted(points))], "step", "loss", (3, "<b>"))
    assert (chart is not None) == any(abs(y) <= LARGEST for _, y in points)
    if chart is not None:
        places = " ".join(line.get("points", "") for line in ElementTree.fromstring(chart).iter("polyline"))
        assert "nan" not in places and "inf" not in places


def test_thinning_keeps_the_last_step_and_the_mean() -> None:
    points = [(float(x), float(x % 2)) for x in range(100_000)]
    kept = thin(points)
    assert len(kept) <= 300 and kept[-1][0] == 99_999
    assert abs(sum(y for _, y in kept) / len(kept) - 0.5) < 0.01


def test_bars_are_as_long_as_their_values_say() -> None:
    chart = bar_chart("t", [("a & b", [1.0, 2.0]), ("c", [None, 4.0])], ["kk", "ru"], "bits")
    bars = [float(r.get("width", 0)) for r in ElementTree.fromstring(str(chart)).iter("rect") if r.get("height") == "8"]
    assert [round(bar / bars[0], 1) for bar in bars] == [1.0, 2.0, 4.0]
