"""A model card: Markdown with the first lines that the Hugging Face Hub reads, of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from chainrule.recipe.card import CardRange, RunCard
from chainrule.views import words
from chainrule.views.tables import cell
from chainrule.views.text.verdict import verdict
from chainrule.views.words.facts import quantity

MOST_RANGES, MOST_LABELS, MOST_LEVELS = 100, 40, 6
"""Columns, labels and categories that are listed."""


def card(run: RunCard, license: str | None = None) -> str:
    """Return a card in the current language. license: as the Hub names it, such as "apache-2.0"; None for none."""
    said = words.card
    parts = [
        front_matter(run, license),
        f"# {plain(run.name)}",
        said.subtitle(run.task, run.networks, run.parameters, plain(run.data)),
        said.UNUSED,
        *([said.LICENSE_MISSING] if license is None else []),
        f"## {said.DATA}",
        *_data(run),
        f"## {said.RESULTS}",
        said.judged(run.part, run.samples),
        *_results(run),
        f"## {said.LIMITS}",
        *_limits(run),
        f"## {said.USE}",
        *_use(run),
        f"## {said.MADE}",
        f"```console\n{run.command}\n```",
        ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    ]
    return "\n\n".join(parts) + "\n"


def front_matter(run: RunCard, license: str | None) -> str:
    """Return the lines between ---: YAML, whose values are written as JSON, which is YAML too."""
    results = {
        "task": {"type": run.pipeline},
        "dataset": {"name": run.data, "type": run.data},
        "metrics": [{"type": name, "value": value} for name, value in run.metrics.items()],
    }
    fields: dict[str, Any] = {
        "library_name": "chainrule",
        **({} if license is None else {"license": license}),
        "pipeline_tag": run.pipeline,
        "tags": ["chainrule", "mlp", *(["tabular"] if run.is_table else [])],
        "metrics": list(run.metrics),
        "model-index": [{"name": run.name, "results": [results]}],
    }
    lines = (f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items())
    return "\n".join(["---", *lines, "---"])


def _data(run: RunCard) -> Iterator[str]:
    said = words.card
    yield said.data(run.inputs, run.is_table)
    if run.labels:
        names = ", ".join(map(plain, run.labels[:MOST_LABELS])) + (
            ", ..." if len(run.labels) > MOST_LABELS else ""
        )
        yield said.labels(names, len(run.labels))
    if run.ranges:
        yield table(said.RANGE_HEADS, [_range(each) for each in run.ranges[:MOST_RANGES]])


def _range(own: CardRange) -> tuple[str, ...]:
    if own.least is not None and own.most is not None:
        ends = [each if isinstance(each, str) else quantity(each) for each in (own.least, own.most)]
        values = words.phrases.between(*ends)
    else:
        more = ", ..." if len(own.categories) > MOST_LEVELS else ""
        values = ", ".join(map(plain, own.categories[:MOST_LEVELS])) + more
    missing = words.phrases.percent(own.missing) if own.missing else words.phrases.NOTHING
    return plain(own.name), words.tables.KINDS[own.kind], missing, values or words.phrases.NOTHING


def _results(run: RunCard) -> Iterator[str]:
    said = words.card
    rows = [(words.phrases.spoken(name), quantity(value)) for name, value in run.metrics.items()]
    yield table((said.METRIC, said.VALUE), rows)
    if not run.comparison:
        return
    names = list(run.comparison[0][1])
    yield table(
        (words.tables.MODELS_HEAD, *map(words.phrases.spoken, names)),
        [
            (words.tables.MODELS[model], *(cell(metrics[name]) for name in names))
            for model, metrics in run.comparison
        ],
    )
    if run.verdict is not None:
        yield verdict(run.verdict)


def _limits(run: RunCard) -> Iterator[str]:
    said = words.card
    yield said.ACCURACY_ENDS
    if run.ranges:
        yield said.BEYOND
    if len(run.notices):
        found = "\n".join(f"- {plain(words.notices.sentence(each, 'command'))}" for each in run.notices)
        yield f"{said.NOTICED}\n\n{found}"


def _use(run: RunCard) -> Iterator[str]:
    said, kind = words.card, ""
    if run.is_table:
        kinds = {"regression": "MLPRegressor", "survival": "MLPSurvival"}
        kind = kinds.get(run.task, "MLPClassifier")
    yield f"{said.IN_PYTHON}\n\n```python\n{_code_to_load(kind, run.file)}\n```"
    commands = _commands_of(run.file, "rows.csv" if run.is_table else "digits.png")
    yield "\n".join([f"{said.ELSEWHERE}\n", "```console", *commands, "```"])


def _commands_of(file: str, rows: str) -> list[str]:
    """The commands that use a model's file. rows: the name of a file to predict."""
    return [f"chainrule predict {file} {rows}", f"chainrule serve {file}", f"chainrule export {file} --c"]


def _code_to_load(kind: str, file: str) -> str:
    """The Python that loads a model's file and predicts. kind: the class of an estimator; "" of a model."""
    if kind:
        return f'from chainrule import {kind}\n\nmodel = {kind}.load("{file}")\nmodel.predict(rows)'
    return f'from chainrule import load\n\nmodel = load("{file}")\nmodel.predict(X)'


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)


def plain(text: str) -> str:
    """Return a text on one line that Markdown shows as it is."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return "".join(f"\\{letter}" if letter in r"\\`*_{}[]<>#|" else letter for letter in line)
