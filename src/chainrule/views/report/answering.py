"""A page that answers: a form with the inputs of a graph, and its prediction, by a module of JavaScript."""

from __future__ import annotations

import html
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from chainrule.export.formats import ExportedFiles, RowsToCompare
from chainrule.export.javascript import compare_module, module, written
from chainrule.graph.columns import GraphInput, LevelCodes
from chainrule.graph.graph import ComputationGraph
from chainrule.views import words
from chainrule.views.report import page

MOST_CHOICES = 60
"""Levels of a category that are chosen from a list; with more, one types."""
OTHER = "\N{REPLACEMENT CHARACTER}"
"""A text that no column has as a level."""


def answering_page(graph: ComputationGraph, name: str, code: str) -> str:
    """Return a self-contained page, in the current language, in which a graph answers the rows that one types.

    It needs no connection and works from a file.  name: what the page is called, such as that of the file.
    code: the graph as a module of JavaScript.
    """
    said, here = words.model, files("chainrule.views.report")
    columns = sum(len(each.names) or each.columns for each in graph.inputs)
    is_matrix = any(each.holds == "numbers" and not each.names for each in graph.inputs)
    data = {"yes": said.YES, "no": said.NO, "output": words.phrases.output(0)}
    attributes = " ".join(f'data-{key}="{html.escape(text)}"' for key, text in data.items())
    fields = "\n".join(_fields(graph))
    body = (
        f"<style>{(here / 'answering.css').read_text('utf-8')}</style>"
        f'<div class="answering"><section><h2>{html.escape(said.ROW)}</h2>'
        f"<p>{html.escape(said.MATRIX_NOTE if is_matrix else said.ROW_NOTE)}</p>"
        f'<form id="row" autocomplete="off" {attributes}>{fields}</form></section>'
        f'<section aria-live="polite"><h2>{html.escape(said.ANSWER)}</h2>'
        '<p id="problem"></p><div id="answer"></div></section>'
        "</div>"
        f'<script type="module">{code}{(here / "answering.js").read_text("utf-8")}</script>'
    )
    return page(name, name, said.answering(graph.numbers, columns), [body])


def write(
    graph: ComputationGraph, path: Path, rows: RowsToCompare, *, dtype: str = "float64", label: bool = True
) -> ExportedFiles:
    """Write the page of a graph, by the name of the file, in the current language.

    rows, dtype, label: as of `chainrule.export.javascript.write`, whose module it has.
    """
    code = module(graph)
    found = compare_module(graph, code, rows.inputs)
    text = answering_page(graph, path.stem, code)
    return written(graph, path, text, found, "html", path.absolute().as_uri())


def _fields(graph: ComputationGraph) -> Iterator[str]:
    """Return the form's field of each input; of a matrix, of each named column, or one for all numbers."""
    for k, step in enumerate(graph.steps):
        own = step.operation
        if not isinstance(own, GraphInput):
            continue
        if own.holds == "numbers" and own.names:
            yield from (_labeled(name, _number(name, "0")) for name in own.names)
        elif own.holds == "numbers":
            zeros = " ".join(["0"] * own.columns)
            yield _labeled(f"{own.label}: {own.columns:,}", f'<textarea name="X">{zeros}</textarea>', "wide")
        else:
            yield _labeled(_title(own), _cell(own, _levels(graph, k)))


def _title(own: GraphInput) -> str:
    return f"{own.label}, {words.model.SECONDS}" if own.holds == "duration" else own.label


def _levels(graph: ComputationGraph, number: int) -> tuple[str, ...]:
    """Return the known texts of an input, by the number of its step: those of all preparations that read it."""
    found = (
        step.operation.levels
        for step in graph.steps
        if isinstance(step.operation, LevelCodes) and number in step.reads
    )
    return tuple(dict.fromkeys(level for levels in found for level in levels))


def _cell(own: GraphInput, levels: tuple[str, ...]) -> str:
    said, name = words.model, _text(own.label)
    if own.holds == "boolean":
        return _choice(name, {"True": said.YES, "False": said.NO})
    if own.holds == "category" and len(levels) <= MOST_CHOICES:
        return _choice(name, {level: level for level in levels} | {OTHER: said.OTHER})
    if own.holds == "category":
        options = "".join(f"<option>{_text(level)}</option>" for level in levels)
        return f'<input name="{name}" list="{name}-levels"><datalist id="{name}-levels">{options}</datalist>'
    if own.holds == "date":
        return f'<input name="{name}" type="datetime-local" step="1">'
    return _number(own.label)


def _number(name: str, value: str = "") -> str:
    return f'<input name="{_text(name)}" type="number" step="any" inputmode="decimal" value="{value}">'


def _choice(name: str, options: dict[str, str]) -> str:
    made = "".join(
        f'<option value="{_text(value)}">{_text(text)}</option>' for value, text in options.items()
    )
    return f'<select name="{name}"><option value=""></option>{made}</select>'


def _labeled(title: str, field: str, kind: str = "") -> str:
    return f'<label class="{kind}">{_text(title)}{field}</label>'


def _text(text: str) -> str:
    """Return text as HTML, of which a browser reads the ends of lines as they are."""
    return html.escape(text).replace("\r", "&#13;")
