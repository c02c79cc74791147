"""What a fitted estimator computes, from a raw row to its answer, as a graph of named operations."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.version import __version__
from chainrule.export.comparing import ROWS, drawn_rows
from chainrule.export.formats import ExportedFiles, RowsToCompare, export_graph
from chainrule.fitting.held import HoldsResult, result_of
from chainrule.fitting.result import FitResult
from chainrule.graph.answers import (
    AboveThreshold,
    LargestColumn,
)
from chainrule.graph.columns import GraphInput
from chainrule.graph.graph import ComputationGraph, GraphBuilder, GraphValue
from chainrule.graph.networks import both_classes
from chainrule.graph.numbers import Affine, Columnwise
from chainrule.graph.operation import constant
from chainrule.race.steps import predicted_steps
from chainrule.tables.cells import drawn_columns
from chainrule.tables.labels import Labels
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.steps import ColumnInputs, TableSteps, column_values
from chainrule.tables.structure import Table


def graph_of_estimator(estimator: HoldsResult, result: FitResult | None = None) -> ComputationGraph:
    """Return what a fitted estimator computes, from the columns of a table or a matrix "X" to its answer.

    A table has an input for each column that the fit uses; those that it dropped are none. A race has all networks of
    its average. result: what answers in place of all that the fit has found, such as one of the members.
    Raises ConfigError for a layer or a loss without operations.
    """
    result = result_of(estimator) if result is None else result
    build = GraphBuilder()
    made = PreparedInputs(build, result)
    about = {"chainrule": __version__, "made_of": type(estimator).__name__}
    predicted = predicted_steps(build, result, made)
    about["networks"] = str(len(result.networks))
    targets = result.targets
    if not isinstance(targets, Labels):
        return build.done({"predictions": predicted}, "regression", (), about)
    label = _label(build, result, targets, predicted)
    shown = both_classes(build, predicted) if targets.kind == "binary" else predicted
    if targets.is_one_class:
        certain = Columnwise(constant(np.zeros(1)), constant(np.zeros(1)), constant(np.ones(1)))
        shown = build.add(certain, predicted, of="answer")
    return build.done({"probabilities": shown, "label": label}, targets.kind, targets.classes.tolist(), about)


def graph_inputs(estimator: HoldsResult, X: object) -> Mapping[str, NDArray[np.generic]]:
    """Return a table's values, or a matrix, as the inputs of the estimator's graph take them, by name.

    Raises DataError for values of another kind than in training.
    """
    result = result_of(estimator)
    if result.preprocessor is None:
        dense = X.toarray() if hasattr(X, "toarray") else X
        return {"X": np.asarray(dense)}
    found: dict[str, NDArray[np.generic]] = {}
    for each in result.preparations[0]:
        found |= column_values(each, X)
    return found


def export_estimator(
    estimator: HoldsResult, path: str | os.PathLike[str], X: Table, settings: Mapping[str, Any]
) -> ExportedFiles:
    """Write an estimator in the format of the path's ending, and compare the answers. X: rows, or None to draw them."""
    graph, result = graph_of_estimator(estimator), result_of(estimator)
    rows: Mapping[str, NDArray[np.generic]]
    if X is not None:
        rows = {name: values[:ROWS] for name, values in graph_inputs(estimator, X).items()}
    elif result.preprocessor is None:
        rows = drawn_rows(graph)
    else:
        rows = {}
        for each in result.preparations[0]:
            rows |= drawn_columns(each.learned_, ROWS)
    made = export_graph(graph, path, RowsToCompare(rows, X is not None), **settings)
    dropped = _dropped(result, {each.label for each in graph.inputs})
    return replace(made, left_out=(*made.left_out, *dropped, *_remembered(result)))


def _remembered(result: FitResult) -> list[str]:
    """Return a sentence on the training rows that the files have."""
    lookup = result.lookup
    if lookup is None:
        return []
    return [
        f"The file has {len(lookup):,} training rows, in which each row is looked up; fit with lookup=False for one "
        "without them, such as for a chip with little memory, or where the rows may not be passed on."
    ]


def _dropped(result: FitResult, used: set[str]) -> list[str]:
    """Return a sentence with the columns of the table that are no inputs."""
    if result.preprocessor is None:
        return []
    names = [each.name for each in result.preprocessor.learned_ if each.name not in used]
    if not names:
        return []
    return [
        f"The fit uses no {', '.join(names[:8])}{', ...' * (len(names) > 8)}, so the file has no such input."
    ]


class PreparedInputs:
    """The rows that preprocessors prepare, once for all that prepare a table alike."""

    def __init__(self, build: GraphBuilder, result: FitResult) -> None:
        """Begin without any. result: whose samples are the input without a preprocessor."""
        self.build, self.result, self.inputs = build, result, ColumnInputs(build)
        self.made: dict[str, GraphValue] = {}

    def __call__(self, preprocessor: TablePreprocessor | None) -> GraphValue:
        """Return the rows."""
        if preprocessor is None:
            names = self.result.feature_names
            columns = () if names is None else tuple(map(str, names))
            return self.build.add(GraphInput("X", "numbers", self.result.n_features, columns), of="input")
        key = json.dumps(preprocessor.to_data())
        if key not in self.made:
            self.made[key] = TableSteps(self.build, preprocessor, self.inputs).add()
        return self.made[key]


def _label(build: GraphBuilder, result: FitResult, labels: Labels, p: GraphValue) -> GraphValue:
    """Add what `FitResult.predictions` does: the place of the label, or 0 and 1 of several a row."""
    decision, of = result.decision, "label"
    if decision is not None and decision.threshold is not None:
        return build.add(AboveThreshold(decision.threshold, or_equal=True), p, of=of)
    if decision is not None and decision.costs is not None:
        costs = np.array(decision.costs)
        gains = build.add(Affine(constant(-costs), constant(np.zeros(len(costs)))), p, of=of)
        return build.add(LargestColumn(), gains, of=of)
    if labels.kind == "multiclass":
        return build.add(LargestColumn(), p, of=of)
    threshold = 0.5 if labels.kind == "multilabel" or len(labels.classes) > 1 else np.inf
    return build.add(AboveThreshold(threshold), p, of=of)
