"""The section about chat training: what SFT, DPO, GRPO and the reward model reached on examples kept from training."""

from collections.abc import Sequence
from typing import Any

from report.charts import Series, line_chart, points
from report.collect import Run
from report.view import Chart, Note, Section, Table, dig, number, percent, table_of

STAGES = ("sft", "dpo", "grpo", "reward")


def post_training(run: Run) -> Section:
    """Measures and curves of the stages that have run."""
    section = Section("post-training", "Post-training")
    if not any(run.facts(stage) for stage in STAGES):
        return section
    rows = [*_sft(run), *_dpo(run), *_grpo(run)]
    section.add(Table("Measured on examples kept from training", ["", ""], rows))
    _add_reward(section, run)
    for title, stage, lines, unit in _CURVES:
        metrics = run.rows(stage, "metrics.jsonl") if stage in run.manifests else []
        chart = line_chart(title, [Series(name, points(metrics, key)) for name, key in lines], "step", unit)
        section.add(Chart(chart) if chart else None)
    return section


_CURVES: Sequence[tuple[str, str, Sequence[tuple[str, str]], str]] = (
    ("SFT: loss", "sft", (("training", "loss"), ("held out", "heldout_loss")), "nats per token"),
    ("DPO: loss", "dpo", (("training, with the term for the chosen answers", "loss"), ("held out, DPO alone", "heldout_loss")), "nats"),
    ("DPO: margin of chosen over rejected", "dpo", (("training", "margin"), ("held out", "heldout_margin")), "margin"),
    ("DPO: preference accuracy", "dpo", (("training", "accuracy"), ("held out", "heldout_accuracy")), "share of pairs"),
    ("GRPO: reward", "grpo", (("training", "reward"),), "sum of checks"),
    ("GRPO: held-out checks", "grpo", tuple((n, f"heldout_{n}") for n in ("right", "obeyed", "in_language", "ended")), "share"),
    ("Reward model: loss", "reward", (("training", "loss"), ("held out", "heldout_loss")), "nats"),
    ("Reward model: accuracy", "reward", (("training", "accuracy"), ("held out", "heldout_accuracy")), "share of pairs"),
)


def _sft(run: Run) -> list[list[str]]:
    facts = run.facts("sft")
    by_language = {language: _by_language(facts, language) for language in table_of(dig(facts, "heldout_loss_by_language", "after"))}
    return [
        ["SFT: held-out loss before → after", _before_after(facts.get("heldout_loss"))],
        *([f"SFT: held-out loss, {language}", text] for language, text in by_language.items()),
        ["SFT: answers that stop by themselves", _cell(run, "sft", percent(facts.get("stop_rate")))],
        ["SFT: examples", _examples(facts)],
    ]


def _by_language(facts: dict[str, Any], language: str) -> str:
    before, after = (dig(facts, "heldout_loss_by_language", when, language) for when in ("before", "after"))
    return f"{number(before)} → {number(after)}"


def _dpo(run: Run) -> list[list[str]]:
    facts = run.facts("dpo")
    kind, length = str(facts.get("method") or "dpo").upper(), table_of(dig(facts, "heldout", "length"))
    rows = [
        [f"{kind}: preference accuracy on held-out pairs", _cell(run, "dpo", percent(dig(facts, "heldout", "accuracy")))],
        [f"{kind}: margin", _cell(run, "dpo", number(dig(facts, "heldout", "margin")))],
        [f"{kind}: held-out loss", _cell(run, "dpo", number(dig(facts, "heldout", "loss")))],
        [f"{kind}: answers that stop by themselves", _cell(run, "dpo", percent(facts.get("stop_rate")))],
        [f"{kind}: examples", _examples(facts)],
    ]
    if length:
        rows += [[f"{kind}: {name}", text] for name, text in _length(length)]
        rows.append([f"{kind}: tokens of its answers before → after", _before_after(facts.get("answer_tokens"))])
    return rows


def _length(length: dict[str, Any]) -> list[tuple[str, str]]:
    """Length bias in words, see posttrain/length_bias.py."""
    return [
        (
            "mean tokens of chosen and rejected answers",
            f"{number(length.get('chosen_tokens'), 1)}, {number(length.get('rejected_tokens'), 1)}",
        ),
        ("correlation of margin and difference in length", number(length.get("margin_correlation"))),
        ("accuracy of always taking the longer answer", percent(length.get("longer_is_chosen"))),
        (f"accuracy on the {number(length.get('matched_pairs'))} pairs of like length", percent(length.get("matched_accuracy"))),
    ]


def _grpo(run: Run) -> list[list[str]]:
    heldout = table_of(run.facts("grpo").get("heldout"))
    names = {"right": "right sums", "obeyed": "format obeyed", "in_language": "language asked for", "ended": "answers that stop"}
    return [
        [f"GRPO: {words}, before → after", f"{percent(dig(heldout, 'before', name))} → {percent(heldout[name])}"]
        for name, words in names.items()
        if name in heldout
    ]


def _add_reward(section: Section, run: Run) -> None:
    facts = run.facts("reward")
    heldout, compared = table_of(facts.get("heldout")), table_of(facts.get("comparison"))
    if not heldout:
        return
    rows = [["all", number(heldout.get("pairs")), f"{percent(heldout.get('accuracy'))} {_interval(heldout.get('interval'))}"]]
    for group in ("by_language", "by_kind"):
        rows += [[name, number(dig(row, "pairs")), percent(dig(row, "accuracy"))] for name, row in table_of(heldout.get(group)).items()]
    section.add(
        Table("Reward model: held-out pairs in the right order (chance 50 %, in brackets the 95 % interval)", ["pairs", "n", "right"], rows)
    )
    bins = dig(heldout, "calibration", "bins") or []
    reliability = [
        [
            f"{number(row.get('from'), 1)} to {number(row.get('to'), 1)}",
            number(row.get("pairs")),
            percent(row.get("confidence")),
            percent(row.get("accuracy")),
        ]
        for row in bins
        if isinstance(row, dict)
    ]
    error = number(dig(heldout, "calibration", "error"))
    section.add(
        Table(f"Reward model: is it as sure as it is right? Calibration error {error}", ["confidence", "n", "mean", "right"], reliability)
    )
    section.add(Table("Reward model: length", ["", ""], [list(row) for row in _length(table_of(heldout.get("length")))]))
    section.add(Table("Answers to held-out prompts, by the reward model", ["", ""], _compared(compared)))
    section.add(Note(f"Reward model: {_examples(facts)} pairs."))


def _compared(compared: dict[str, Any]) -> list[list[str]]:
    if not compared:
        return []
    rate = f"{percent(dig(compared, 'dpo_over_sft', 'rate'))} {_interval(dig(compared, 'dpo_over_sft', 'interval'))}"
    tokens = ", ".join(f"{stage} {number(count, 1)}" for stage, count in table_of(compared.get("answer_tokens")).items())
    rows = [[f"DPO better than SFT, of {number(compared.get('prompts'))} prompts", rate], ["mean tokens of the answers", tokens]]
    if best := table_of(compared.get("best_of_n")):
        words = f"best of {number(best.get('samples'))} samples against one: mean score"
        rows.append([words, f"{number(best.get('score_one'))} → {number(best.get('score_best'))}"])
    return rows


def _interval(value: Any) -> str:
    return f"[{percent(value[0])}, {percent(value[1])}]" if isinstance(value, list) and len(value) == 2 else ""


def _cell(run: Run, stage: str, text: str) -> str:
    return text if stage in run.manifests else "not run"


def _before_after(value: Any) -> str:
    return f"{number(value.get('before'))} → {number(value.get('after'))}" if isinstance(value, dict) else number(value)


def _examples(facts: dict[str, Any]) -> str:
    counts = table_of(facts.get("examples"))
    return ", ".join(f"{name} {number(count)}" for name, count in counts.items()) or "not run"
