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
from chainrule.fitting.lookup import PROBABILITY, Lookup
from chainrule.fitting.result import FitResult
from chainrule.formulas.losses import Quantile
from chainrule.graph.answers import (
    AboveThreshold,
    GroupSoftmax,
    LargestColumn,
    Ratio,
    SimilarRows,
    SortedColumns,
    WeightedSum,
)
from chainrule.graph.columns import Bounded, GraphInput, ToPrecision
from chainrule.graph.graph import ComputationGraph, GraphBuilder, GraphValue
from chainrule.graph.networks import both_classes, members_steps
from chainrule.graph.numbers import Affine, Columnwise, Elementwise, SelectedColumns
from chainrule.graph.operation import constant
from chainrule.race.blend import Blend, RaceResult
from chainrule.race.judge import MIN_PROBABILITY
from chainrule.tables.cells import drawn_columns
from chainrule.tables.labels import Labels
from chainrule.tables.numbers import NumericTargets
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.steps import ColumnInputs, TableSteps, column_values
from chainrule.tables.structure import Table

LOOKUP = "lookup"
"""What the steps of a lookup are of."""


def graph_of_estimator(estimator: HoldsResult) -> ComputationGraph:
    """Return what a fitted estimator computes, from the columns of a table or a matrix "X" to its answer.

    A table has an input for each column that the fit uses; those that it dropped are none. A race has all networks of
    its average. Raises ConfigError for a layer or a loss without operations.
    """
    result = result_of(estimator)
    build = GraphBuilder()
    made = PreparedInputs(build)
    about = {"chainrule": __version__, "made_of": type(estimator).__name__}
    if isinstance(result, RaceResult):
        predicted = _blended(build, result, made)
        about["networks"] = str(result.blend.networks)
    else:
        predicted = _predicted(build, result, made.of(result))
        about["networks"] = str(len(result.members))
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
    """The inputs of networks, once for all that prepare a table alike."""

    def __init__(self, build: GraphBuilder) -> None:
        """Begin without any."""
        self.build, self.inputs = build, ColumnInputs(build)
        self.made: dict[str, GraphValue] = {}

    def of(self, result: FitResult) -> GraphValue:
        """Return the inputs of the networks of a result."""
        preprocessor: TablePreprocessor | None = result.preprocessor
        if preprocessor is None:
            names = result.feature_names
            columns = () if names is None else tuple(map(str, names))
            return self.build.add(GraphInput("X", "numbers", result.n_features, columns), of="input")
        return self.of_table(preprocessor)

    def of_table(self, preprocessor: TablePreprocessor) -> GraphValue:
        """Return the inputs that a preprocessor makes of a table."""
        key = json.dumps(preprocessor.to_data())
        if key not in self.made:
            self.made[key] = TableSteps(self.build, preprocessor, self.inputs).add()
        return self.made[key]


def _predicted(build: GraphBuilder, result: FitResult, inputs: GraphValue) -> GraphValue:
    """Add what `FitResult.predicted` does."""
    predicted = members_steps(build, result.members, inputs)
    targets = result.targets
    if isinstance(targets, NumericTargets) and targets.middle is not None:
        assert isinstance(targets.own_loss, Quantile)
        order = tuple(np.argsort(targets.own_loss.q, kind="stable").tolist())
        predicted = build.add(SortedColumns(order), predicted, of="quantiles in order")
    return predicted


def _blended(build: GraphBuilder, result: RaceResult, prepared: PreparedInputs) -> GraphValue:
    """Add what `Blend.predicted` does."""
    blend: Blend = result.blend
    each = [_predicted(build, part.result, prepared.of(part.result)) for part in blend.parts]
    each = [build.add(ToPrecision("double"), value, of="blend") for value in each]
    mean = build.add(WeightedSum(tuple(float(part.weight) for part in blend.parts)), *each, of="blend")
    if blend.lookup is not None:
        mean = _looked_up(build, blend.lookup, prepared.of_table(blend.lookup.preprocessor), mean)
    return _tempered(build, mean, blend.temperature, result.targets.task == "multiclass")


def _looked_up(build: GraphBuilder, lookup: Lookup, inputs: GraphValue, p: GraphValue) -> GraphValue:
    """Add what `Lookup.corrected` does.

    inputs: those of the lookup's preprocessor.  p: what the average predicts (n, outputs), in float64.
    """
    codes = sorted(column for column, *_ in lookup.preprocessor.embedded_)
    numbers = sorted({*range(inputs.width)} - {*codes})
    ordered = build.add(SelectedColumns((*numbers, *codes)), inputs, of=LOOKUP)
    similarity, memory = lookup.similarity, lookup.memory
    similar = SimilarRows(
        constant(memory.rows.numbers),
        constant(memory.rows.codes),
        constant(similarity.numbers),
        constant(similarity.same),
        constant(similarity.codes),
        constant(memory.known),
    )
    sums = build.add(similar, build.add(ToPrecision("double"), ordered, of=LOOKUP), of=LOOKUP)
    if memory.expected is None:
        return _corrected_numbers(build, p, sums, similarity.prior)
    each = p if p.width > 1 else both_classes(build, p)
    shares = _corrected_shares(build, each, sums, similarity.prior)
    return shares if p.width > 1 else build.add(SelectedColumns((1,)), shares, of=LOOKUP)


def _corrected_numbers(build: GraphBuilder, p: GraphValue, sums: GraphValue, prior: float) -> GraphValue:
    """Add what `chainrule.fitting.lookup.corrected_numbers` does."""
    errors = build.add(SelectedColumns(tuple(range(p.width))), sums, of=LOOKUP)
    rows = build.add(SelectedColumns((p.width,)), sums, of=LOOKUP)
    below = build.add(Columnwise(constant([0.0]), constant([1.0]), constant([prior])), rows, of=LOOKUP)
    return build.add(WeightedSum((1.0, 1.0)), p, build.add(Ratio(), errors, below, of=LOOKUP), of=LOOKUP)


def _corrected_shares(build: GraphBuilder, p: GraphValue, sums: GraphValue, prior: float) -> GraphValue:
    """Add what `as_shares` and `corrected_shares` of `chainrule.fitting.lookup` do, by logarithms.

    A softmax of logarithms divides numbers by their sum; what is multiplied and divided is added and subtracted.
    """
    classes = p.width
    least, most = np.full(classes, PROBABILITY), np.full(classes, np.inf)

    def log(value: GraphValue) -> GraphValue:
        return build.add(Elementwise("log"), value, of=LOOKUP)

    bounded = build.add(Bounded(constant(least), constant(most)), p, of=LOOKUP)
    shares = build.add(GroupSoftmax(), log(bounded), of=LOOKUP)
    logs = [log(shares)]
    for first in (0, classes):
        own = build.add(SelectedColumns(tuple(range(first, first + classes))), sums, of=LOOKUP)
        logs.append(log(build.add(WeightedSum((prior, 1.0)), shares, own, of=LOOKUP)))
    return build.add(GroupSoftmax(), build.add(WeightedSum((1.0, 1.0, -1.0)), *logs, of=LOOKUP), of=LOOKUP)


def _tempered(build: GraphBuilder, p: GraphValue, temperature: float, exclusive: bool) -> GraphValue:
    """Add what `chainrule.race.judge.tempered` does."""
    if temperature == 1:
        return p
    zero, one = np.zeros(p.width), np.ones(p.width)

    def logs(value: GraphValue) -> GraphValue:
        bounded = build.add(
            Bounded(constant(MIN_PROBABILITY * one), constant(np.inf * one)), value, of="temperature"
        )
        log = build.add(Elementwise("log"), bounded, of="temperature")
        scale = Columnwise(constant(zero), constant(one / temperature), constant(zero))
        return build.add(scale, log, of="temperature")

    if exclusive:
        return build.add(GroupSoftmax(), logs(p), of="temperature")
    others = build.add(Columnwise(constant(zero), constant(-one), constant(one)), p, of="temperature")
    odds = build.add(WeightedSum((1.0, -1.0)), logs(p), logs(others), of="temperature")
    return build.add(Elementwise("sigmoid"), odds, of="temperature")


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
