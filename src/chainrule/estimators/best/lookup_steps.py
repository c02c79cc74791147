"""The lookup of a race as steps of a graph: from prepared rows and what the average predicts to what is corrected."""

from __future__ import annotations

import numpy as np

from chainrule.estimators.best.lookup import PROBABILITY, Lookup
from chainrule.export.answers import Ratio, SimilarRows, WeightedSum
from chainrule.export.base import constant
from chainrule.export.columns import Bounded, ToPrecision
from chainrule.export.graph import GraphBuilder, GraphValue
from chainrule.export.members import both_classes
from chainrule.export.numbers import Columnwise, Elementwise, GroupSoftmax, SelectedColumns

OF = "lookup"


def lookup_steps(build: GraphBuilder, lookup: Lookup, inputs: GraphValue, p: GraphValue) -> GraphValue:
    """Add what `Lookup.corrected` does.

    inputs: those of the lookup's preprocessor.  p: what the average predicts (n, outputs), in float64.
    """
    codes = sorted(column for column, *_ in lookup.preprocessor.embedded_)
    numbers = sorted({*range(inputs.width)} - {*codes})
    ordered = build.add(SelectedColumns((*numbers, *codes)), inputs, of=OF)
    similarity, memory = lookup.similarity, lookup.memory
    similar = SimilarRows(
        constant(memory.rows.numbers),
        constant(memory.rows.codes),
        constant(similarity.numbers),
        constant(similarity.codes),
        constant(memory.known),
    )
    sums = build.add(similar, build.add(ToPrecision("double"), ordered, of=OF), of=OF)
    if memory.expected is None:
        return _corrected_numbers(build, p, sums, similarity.prior)
    each = p if p.width > 1 else both_classes(build, p)
    shares = _corrected_shares(build, each, sums, similarity.prior)
    return shares if p.width > 1 else build.add(SelectedColumns((1,)), shares, of=OF)


def _corrected_numbers(build: GraphBuilder, p: GraphValue, sums: GraphValue, prior: float) -> GraphValue:
    """Add what `chainrule.estimators.best.lookup.corrected_numbers` does."""
    errors = build.add(SelectedColumns(tuple(range(p.width))), sums, of=OF)
    rows = build.add(SelectedColumns((p.width,)), sums, of=OF)
    below = build.add(Columnwise(constant([0.0]), constant([1.0]), constant([prior])), rows, of=OF)
    return build.add(WeightedSum((1.0, 1.0)), p, build.add(Ratio(), errors, below, of=OF), of=OF)


def _corrected_shares(build: GraphBuilder, p: GraphValue, sums: GraphValue, prior: float) -> GraphValue:
    """Add what `as_shares` and `corrected_shares` of `chainrule.estimators.best.lookup` do, by logarithms.

    A softmax of logarithms divides numbers by their sum; what is multiplied and divided is added and subtracted.
    """
    classes = p.width
    least, most = np.full(classes, PROBABILITY), np.full(classes, np.inf)

    def log(value: GraphValue) -> GraphValue:
        return build.add(Elementwise("log"), value, of=OF)

    bounded = build.add(Bounded(constant(least), constant(most)), p, of=OF)
    shares = build.add(GroupSoftmax(), log(bounded), of=OF)
    logs = [log(shares)]
    for first in (0, classes):
        own = build.add(SelectedColumns(tuple(range(first, first + classes))), sums, of=OF)
        logs.append(log(build.add(WeightedSum((prior, 1.0)), shares, own, of=OF)))
    return build.add(GroupSoftmax(), build.add(WeightedSum((1.0, 1.0, -1.0)), *logs, of=OF), of=OF)
