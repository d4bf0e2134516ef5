"""Sections about the run as a whole: the summary on top and where everything came from."""

import yaml

from report.collect import STAGES, Run
from report.view import NOT_RUN, Code, Section, Table, dig, duration, is_number, number, percent, size, table_of

OPTIONAL = ("grpo", "reward", "tools")  # in the chain only where the recipe has a section of the name


def summary(run: Run) -> Section:
    """What was made and measured, a line a stage."""
    section = Section("summary", "Summary")
    rows = [[stage, _made(run, stage) if stage in run.manifests else NOT_RUN, _seconds(run, stage)] for stage in _stages(run)]
    section.add(Table("What was made and measured", ["stage", "result", "time"], rows))
    return section


def _stages(run: Run) -> list[str]:
    """Those of the chain."""
    return [stage for stage in STAGES if stage not in OPTIONAL or getattr(run.recipe, stage) or stage in run.manifests]


def _seconds(run: Run, stage: str) -> str:
    return duration(run.manifests[stage].seconds) if stage in run.manifests else ""


def _made(run: Run, stage: str) -> str:
    facts = run.facts(stage)
    if stage == "data":
        return "; ".join(f"{tier}: {size(sum(table_of(counts).values()))}" for tier, counts in table_of(facts.get("bytes")).items())
    if stage == "tokenizer":
        return f"{number(facts.get('vocab_size'))} tokens"
    if stage == "index":
        trained = table_of(facts.get("train"))
        totals = {tier: sum(dig(row, "tokens") or 0 for row in table_of(languages).values()) for tier, languages in trained.items()}
        return "; ".join(f"{tier}: {number(total)} tokens" for tier, total in totals.items())
    if stage.startswith("pretrain"):
        bits = _languages(table_of(dig(facts, "bits_per_byte", "last")))
        return f"{number(facts.get('parameters'))} parameters, step {number(facts.get('steps'))}, bits per byte {bits}"
    return _finished(stage, run)


def _finished(stage: str, run: Run) -> str:
    facts = run.facts(stage)
    if stage == "export-hf":
        differences = [
            f"{name}: {number(dig(row, 'max_difference'))}" for name, row in facts.items() if dig(row, "max_difference") is not None
        ]
        return f"largest difference of logits from Megatron's: {', '.join(differences) or 'not recorded'}"
    if stage == "chat-data":
        return ", ".join(f"{kind} {number(dig(counts, 'train'))}" for kind, counts in table_of(facts.get("examples")).items())
    if stage == "sft":
        return f"held-out loss {number(dig(facts, 'heldout_loss', 'before'))} → {number(dig(facts, 'heldout_loss', 'after'))}"
    if stage == "dpo":
        return f"preference accuracy {percent(dig(facts, 'heldout', 'accuracy'))}"
    if stage == "grpo":
        return ", ".join(f"{name} {percent(dig(facts, 'heldout', name))}" for name in ("right", "obeyed", "in_language", "ended"))
    if stage == "reward":
        return f"held-out pairs in the right order: {percent(dig(facts, 'heldout', 'accuracy'))}"
    if stage == "tools":
        split = dig(facts, "heldout", "splits", "seen")
        return f"right calls on known tools {percent(dig(split, 'ast'))}, no call where none fits {percent(dig(split, 'irrelevance'))}"
    if stage == "gguf":
        return ", ".join(f"{kind} {size(dig(row, 'bytes'))}" for kind, row in table_of(facts.get("types")).items()) or "files made"
    if is_number(facts.get("bits_per_weight")):
        return f"{size(facts.get('bytes'))}, {number(facts['bits_per_weight'], 2)} bits a weight"
    models = table_of(dig(run.value(stage, "results.json"), "models"))
    return f"{len(models)} models measured"


def _languages(values: dict[str, object]) -> str:
    return ", ".join(f"{language} {number(value)}" for language, value in values.items()) or "not recorded"


def provenance(run: Run) -> Section:
    """Recipe, code, hashes, environment, licences, times."""
    section = Section("provenance", "Provenance")
    found = run.manifests
    rows = []
    for stage, made in found.items():
        commit = f"{str(made.code.get('commit') or 'unknown')[:12]}{' (with changes)' if made.code.get('dirty') else ''}"
        rows.append([stage, made.started, duration(made.seconds), commit, made.content_sha256[:16], made.recipe_sha256[:16]])
    section.add(Table("Stages", ["stage", "started", "time", "commit", "content sha256", "recipe sha256"], rows))
    section.add(Table("Licences", ["source", "licence"], _licences(run)))
    section.add(Table("Environment", ["stages", "key", "value"], _environments(run)))
    section.add(Table("Commands", ["stage", "command"], [[stage, made.command] for stage, made in found.items()]))
    section.add(Code("The recipe, resolved", yaml.safe_dump(run.recipe.model_dump(mode="json"), allow_unicode=True, sort_keys=False)))
    files = [f"{output.sha256}  {stage}/{output.path}  {output.bytes}" for stage, made in found.items() for output in made.outputs]
    section.add(Code("Files: sha256, path, bytes", "\n".join(files)))
    return section


def _licences(run: Run) -> list[list[str]]:
    recorded = table_of(run.facts("data").get("licenses")) or {source.name: source.license for source in run.recipe.data.sources}
    rows = [[f"text: {name}", str(licence)] for name, licence in recorded.items()]
    chat = table_of(run.facts("chat-data").get("licenses")) or {source.name: source.license for source in run.recipe.chat.sources}
    rows += [[f"chat: {name}", ", ".join(found) if isinstance(found, dict) else str(found)] for name, found in chat.items()]
    return rows + [[f"task: {task.name}", task.license] for task in run.recipe.eval.tasks]


def _environments(run: Run) -> list[list[str]]:
    """Each key once for every value it had, with the stages that had it."""
    seen: dict[tuple[str, str], list[str]] = {}
    for stage, made in run.manifests.items():
        flat = {key: value for key, value in made.environment.items() if not isinstance(value, dict)}
        flat |= {f"hardware.{key}": value for key, value in table_of(made.environment.get("hardware")).items()}
        for key, value in {**flat, **{f"seed.{name}": seed for name, seed in made.seeds.items()}}.items():
            seen.setdefault((key, str(value)), []).append(stage)
    total = len(run.manifests)
    return [["all" if len(stages) == total else ", ".join(stages), key, value] for (key, value), stages in sorted(seen.items())]
