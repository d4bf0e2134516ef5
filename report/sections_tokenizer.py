"""The tokenizer: its figures on held-out text, and beside other models' tokenizers where `make fertility` has compared them."""

from collections.abc import Mapping
from typing import Any

from report.charts import bar_chart
from report.collect import Run
from report.view import Chart, Note, Piece, Section, Side, Table, Tokens, dig, number, percent, table_of

COMPARE = "make setup-peers fertility"
_SHARES = ("whole_words", "single_bytes")
_SAME = ", by "  # our own tokenizer in another library: the same figures, but for speed


def tokenizer(run: Run) -> Section:
    """Fertility per language, then the comparison."""
    section, facts = Section("tokenizer", "Tokenizer"), run.facts("tokenizer")
    fertility = table_of(facts.get("fertility") or run.value("tokenizer", "fertility.json"))
    keys = list(dict.fromkeys(key for row in fertility.values() for key in table_of(row)))
    rows = [[language, *(_figure(key, dig(row, key)) for key in keys)] for language, row in fertility.items()]
    section.add(Table("On held-out text", ["language", *(key.replace("_", " ") for key in keys)], rows))
    plain = [[key.replace("_", " "), number(value)] for key, value in facts.items() if not isinstance(value, dict | list)]
    section.add(Table("Made", ["", ""], plain))
    section.add(_cost(facts))
    if "tokenizer" in run.manifests:
        _compare(run, section)
    return section


def _figure(key: str, value: Any) -> str:
    return percent(value) if key in _SHARES else number(value, 2)


def _cost(facts: Mapping[str, Any]) -> Table | None:
    parts = [table_of(dig(facts, "cost", when)) for when in ("estimated", "measured")]
    keys = list(dict.fromkeys(key for part in parts for key in part))
    rows = [[key, *(number(part.get(key), 1) for part in parts)] for key in keys]
    return Table("What training took", ["", "estimated before", "measured"], rows)


def _compare(run: Run, section: Section) -> None:
    """Table, chart and coloured texts, or what to run for them."""
    found = table_of(run.beside("fertility", "comparison.json"))
    tokenizers = table_of(found.get("tokenizers"))
    if not tokenizers:
        section.add(Note(f"Not compared with other models' tokenizers yet: run `{COMPARE}`, then `make report`."))
        return
    made = {output.path: output.sha256 for output in run.manifests["tokenizer"].outputs}
    if found.get("tokenizer_sha256") != made.get("tokenizer.json"):
        run.remarks.append("fertility: stale, the tokenizer was made again after it; make fertility")
    section.add(_table(run, tokenizers))
    drawn = [(name, _per_word(run, row)) for name, row in tokenizers.items() if _SAME not in name]
    chart = bar_chart("Tokens per word", drawn, run.recipe.languages, "tokens")
    section.add(Chart(chart) if chart else None)
    if missing := table_of(found.get("missing")):
        listed = "; ".join(f"{name} ({reason})" for name, reason in missing.items())
        section.add(Note(f"Not compared: {listed}."))
    caption = "The same text, each token in its own colour; a dashed outline is a character that took several tokens"
    for row in found.get("coloured") or ():
        sides = [_side(table_of(side), dig(row, "words")) for side in dig(row, "sides") or ()]
        section.add(Tokens(caption, sides) if sides else None)
        caption = ""


def _per_word(run: Run, row: Any) -> list[float | None]:
    return [dig(row, "languages", language, "tokens_per_word") for language in run.recipe.languages]


def _table(run: Run, tokenizers: Mapping[str, Any]) -> Table:
    languages = run.recipe.languages
    against = {language for row in tokenizers.values() for language in languages if dig(row, "languages", language, "tokens_against_en")}
    parity = [language for language in languages if language in against - {"en"}]
    rows = [
        [
            name,
            number(dig(row, "vocab_size")),
            *(number(value, 3) for value in _per_word(run, row)),
            *(number(dig(row, "languages", language, "tokens_against_en"), 2) for language in parity),
            number(dig(row, "languages", "kk", "bytes_per_token"), 2),
            percent(dig(row, "languages", "kk", "whole_words")),
            percent(dig(row, "languages", "kk", "single_bytes")),
            number(dig(row, "languages", "kk", "gigaflops_per_word"), 2),
            f"{number(dig(row, 'exact_round_trips'))}/{number(dig(row, 'hard_texts'))}",
            number(dig(row, "megabytes_per_cpu_second"), 1),
        ]
        for name, row in tokenizers.items()
    ]
    head = ["tokenizer", "tokens", *languages, *(f"{language}/en" for language in parity), "kk B/token", "kk whole", "kk 1-byte"]
    head += ["kk GFLOP", "exact", "MB/s"]
    return Table(
        "Tokens per word on held-out text beside other models' tokenizers, and what follows from it (docs/tokenizer.md says how)",
        head,
        rows,
    )


def _side(side: Mapping[str, Any], words: Any) -> Side:
    pieces = [
        Piece(str(dig(piece, "text")), len(dig(piece, "ids") or ()), int(dig(piece, "colour") or 0)) for piece in side.get("pieces") or ()
    ]
    tokens = dig(side, "tokens")
    caption = f"{dig(side, 'name')}: {number(tokens)} tokens"
    return Side(f"{caption}, {tokens / words:.2f} a word" if tokens and words else caption, pieces)
