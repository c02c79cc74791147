"""The answer of a fit or a race as steps of a graph, from prepared rows to what is predicted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chainrule.fitting.lookup import PROBABILITY, Lookup
from chainrule.fitting.result import FitResult
from chainrule.formulas.losses import Quantile
from chainrule.graph.answers import GroupSoftmax, Ratio, SimilarRows, SortedColumns, WeightedSum
from chainrule.graph.columns import Bounded, ToPrecision
from chainrule.graph.graph import GraphBuilder, GraphValue
from chainrule.graph.networks import both_classes, members_steps
from chainrule.graph.numbers import Columnwise, Elementwise, SelectedColumns
from chainrule.graph.operation import constant
from chainrule.race.blend import RaceResult
from chainrule.race.judge import MIN_PROBABILITY
from chainrule.tables.numbers import NumericTargets
from chainrule.tables.preprocessor import TablePreprocessor

LOOKUP = "lookup"
"""What the steps of a lookup are of."""
Prepared = Callable[[TablePreprocessor | None], GraphValue]
"""Returns the rows that a preprocessor prepares; of None those of an estimator without one."""


def predicted_steps(build: GraphBuilder, result: FitResult, prepared: Prepared) -> GraphValue:
    """Add the steps from prepared rows to what is predicted (n, outputs), as `FitResult.predict` has it.

    Raises ConfigError for a layer or a loss without operations.
    """
    if isinstance(result, RaceResult):
        return _averaged(build, result, prepared)
    return _predicted(build, result, prepared(result.preprocessor))


def _averaged(build: GraphBuilder, result: FitResult, prepared: Prepared) -> GraphValue:
    """Add what `Blend.average` does to what the parts of a race predict."""
    each = [_predicted(build, part, prepared(part.preprocessor)) for part in result.parts]
    each = [build.add(ToPrecision("double"), value, of="blend") for value in each]
    mean = build.add(WeightedSum(tuple(float(weight) for weight, _ in result.weighted)), *each, of="blend")
    lookup = result.lookup
    if lookup is not None:
        mean = _looked_up(build, lookup, prepared(lookup.preprocessor), mean)
    return _tempered(build, mean, result.temperature, result.targets.task == "multiclass")


def _predicted(build: GraphBuilder, result: FitResult, inputs: GraphValue) -> GraphValue:
    """Add what `FitResult.predicted` does."""
    predicted = members_steps(build, result.members, inputs)
    targets = result.targets
    if isinstance(targets, NumericTargets) and targets.middle is not None:
        assert isinstance(targets.own_loss, Quantile)
        order = tuple(np.argsort(targets.own_loss.q, kind="stable").tolist())
        predicted = build.add(SortedColumns(order), predicted, of="quantiles in order")
    return predicted


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
