"""The load test's own judgement: what counts as lost, and that the plan is the same each time."""

from collections import Counter

from bench.serving import SHARES, Row, figures, plan


def test_plan_has_its_shares_and_is_the_same_each_time() -> None:
    kinds = plan(200, 0)
    assert kinds == plan(200, 0) != plan(200, 1)
    assert Counter(kinds) == {kind: round(share * 200) for kind, share in SHARES.items()}
    assert len(plan(7, 0)) == 7


def test_what_is_lost_is_counted() -> None:
    rows = [Row(kind="whole", ok=True, status=200, seconds=1.0, tokens=10), Row(kind="bad", ok=False, status=500, seconds=0.1, tokens=0)]
    found = figures(rows, 2.0)
    assert found["lost"] == 1 and found["tokens_per_second"] == 5.0
    assert found["statuses"] == {"bad": {"500": 1}, "whole": {"200": 1}} and found["answer_seconds"]["p50"] == 1.0
