"""The formats of export by the ending of the file, and what writing one says."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from chainrule.core.arrays import RowsLike
from chainrule.data import checks
from chainrule.errors import ConfigError
from chainrule.export.comparing import ROWS, drawn_rows
from chainrule.export.effect import Int8Effect
from chainrule.graph.graph import ComputationGraph
from chainrule.graph.networks import graph_of
from chainrule.trained.trained import Trained

FORMATS = {
    ".c": "chainrule.export.as_c",
    ".html": "chainrule.views.report.answering",
    ".js": "chainrule.export.javascript",
    ".mjs": "chainrule.export.javascript",
    ".onnx": "chainrule.export.as_onnx.file",
}
"""The module of each format, with its function `write`. One line makes a format known to `export` everywhere."""


class RowsToCompare(NamedTuple):
    """Rows on which the answers of what was written are compared, and a format may measure ranges."""

    inputs: Mapping[str, Any]
    """by name, as `ComputationGraph.run` takes them"""
    are_given: bool
    """whether the caller gave them; else they are drawn"""


@dataclass(frozen=True)
class ExportedFiles:
    """What was written, how large it is, and how far its answers are from the model's."""

    files: tuple[Path, ...]
    bytes: int
    """of all files"""
    rows: int
    """the rows whose answers were compared; 0 for none"""
    difference: float
    """the largest difference of a number, in parts of the largest number of its output, at least 1"""
    tolerance: float
    """what the difference may be; infinity where it is only measured"""
    left_out: tuple[str, ...] = ()
    """sentences on what is not in the files, or is and need not be"""
    usage: str = ""
    """some lines that run what was written"""
    effect: Int8Effect | None = None
    """what 8-bit integers do by layer, class and column; None of floating point"""
    about: Mapping[str, Any] = field(default_factory=dict)
    """more about the format: the precision, versions"""


class WriteFormat(Protocol):
    """The function `write` of a format's module."""

    def __call__(
        self, graph: ComputationGraph, path: Path, rows: RowsToCompare, **settings: Any
    ) -> ExportedFiles:
        """Write a graph and compare its answers for some rows."""
        ...


def export_graph(
    graph: ComputationGraph, path: str | os.PathLike[str], rows: RowsToCompare, **settings: Any
) -> ExportedFiles:
    """Write a graph in the format of the path's ending.

    rows: to compare the answers of what was written.  settings: of the format.
    Raises ConfigError for another ending or setting, and if the answers differ too much.
    """
    made = Path(path)
    module = FORMATS.get(made.suffix.lower())
    if module is None:
        raise ConfigError(f"path must end in {', '.join(FORMATS)}, not {made.name!r}.")
    write: WriteFormat = import_module(module).write
    try:
        return write(graph, made, rows, **settings)
    except UnicodeEncodeError as error:
        around = error.object[max(0, error.start - 20) : error.end + 20]
        raise ConfigError(
            f"a column's name, a label or a category has a lone surrogate, half of a character: {around!r}; "
            f"a {made.suffix} file cannot have it, so rename it before the fit."
        ) from error


def export_members(
    members: Sequence[Trained], path: str | os.PathLike[str], X: RowsLike, settings: Mapping[str, Any]
) -> ExportedFiles:
    """Write one or several networks in the format of the path's ending, and compare the answers.

    X: rows (n, inputs); None for rows that are drawn.  settings: of the format.
    """
    graph, first = graph_of(members), members[0]
    if X is None:
        return export_graph(graph, path, RowsToCompare(drawn_rows(graph), False), **settings)
    rows = checks.check_X(X, first.network.inputs, features=first.feature_names)[:ROWS]
    dense = rows.toarray() if hasattr(rows, "toarray") else np.asarray(rows)
    return export_graph(graph, path, RowsToCompare({"X": dense.astype(np.float64)}, True), **settings)
