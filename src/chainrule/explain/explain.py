"""Explain answers by the columns of their table: differences from a reference, along the graph of an answer.

prepared rows  ->  outputs of each network  ->  members, range of the targets, probabilities, quantiles in order
               ->  the weighted mean over the parts of a blend  ->  its correction by similar training rows
               ->  the temperature  ->  of each row the probability of its class or the log-odds of it, or its number

Values go forward and multipliers back (`GraphOperation.chord`); each is exact, so what they give to the inputs adds up
to answer - answer of the reference.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from chainrule.data.frames import is_pandas
from chainrule.errors import ConfigError, ShapeError
from chainrule.explain.answers import TINY, Wanted, output_of, wanted
from chainrule.explain.parts import AnswerParts, Inputs
from chainrule.explain.reasons import Reasons
from chainrule.graph.answers import GroupMean, GroupSoftmax, WeightedSum
from chainrule.graph.columns import Bounded, GraphInput, ToPrecision
from chainrule.graph.graph import ComputationGraph, GraphBuilder, GraphValue
from chainrule.graph.numbers import Affine, Columnwise, Elementwise, SelectedColumns
from chainrule.graph.operation import constant
from chainrule.inspection.attribution.explained import Floats
from chainrule.race.steps import predicted_steps

AT_ONCE = 1 << 22
"""The similarities that are in memory at once; with fewer the networks would run for a few rows each."""
MAX_NUMBERS = 1 << 23
"""The numbers of all steps that are in memory at once: 64 MB."""
MAX_ROWS = 1024
"""The rows that are explained at once."""


def answer_graph(parts: AnswerParts, output: str, powers: Floats | None = None) -> ComputationGraph:
    """Return the graph of an answer, from the inputs "0", "1", ... of `AnswerParts.rows_of` to "predicted" and "shown".

    output: "number" or "probability", which is what is predicted, or "log_odds".
    powers: (outputs,) those of a product, exp(sum_k power_k log p_k), that is the answer; None for the outputs.
    Raises ConfigError for a layer or a loss without operations.
    """
    build, takers = GraphBuilder(), parts.different_takers
    inputs = {
        id(taker.preprocessor): build.add(GraphInput(str(k), "numbers", len(taker.columns)))
        for k, taker in enumerate(takers)
    }
    predicted = predicted_steps(build, parts.result, lambda preprocessor: inputs[id(preprocessor)])
    if powers is not None:
        total = build.add(Affine(constant(powers[:, None]), constant(np.zeros(1))), _log(build, predicted))
        predicted = build.add(Elementwise("exp"), total)
    shown = predicted
    if output == "log_odds":
        rest = _others(build, predicted) if parts.exclusive else _rest(build, predicted)
        shown = build.add(WeightedSum((1.0, -1.0)), _log(build, predicted), _log(build, rest))
    return build.done({"predicted": predicted, "shown": shown}, parts.result.targets.task)


def _log(build: GraphBuilder, p: GraphValue) -> GraphValue:
    least, most = np.full(p.width, TINY), np.full(p.width, np.inf)
    return build.add(Elementwise("log"), build.add(Bounded(constant(least), constant(most)), p))


def _others(build: GraphBuilder, p: GraphValue) -> GraphValue:
    """Add the sum of the probabilities of all other classes, as exact as they are."""
    return build.add(Affine(constant(1.0 - np.eye(p.width)), constant(np.zeros(p.width))), p)


def _rest(build: GraphBuilder, p: GraphValue) -> GraphValue:
    """Add 1 - p of probabilities that do not exclude each other, as exact as p where it comes from a sigmoid."""
    zero, one = constant(np.zeros(p.width)), constant(np.ones(p.width))
    step = build.steps[p.number]
    operation = step.operation
    read = [GraphValue(k, build.steps[k].width) for k in step.reads]
    if isinstance(operation, Elementwise) and operation.function == "sigmoid":
        return build.add(operation, build.add(Columnwise(zero, constant(-np.ones(p.width)), zero), *read))
    is_mean = isinstance(operation, WeightedSum) and math.isclose(sum(operation.weights), 1.0)
    if is_mean or isinstance(operation, (ToPrecision, GroupMean)):
        return build.add(operation, *map(partial(_rest, build), read))
    if isinstance(operation, SelectedColumns) and isinstance(
        build.steps[step.reads[0]].operation, GroupSoftmax
    ):
        [column] = operation.columns  # of two classes
        return build.add(SelectedColumns((1 - column,)), *read)
    return build.add(Columnwise(zero, constant(-np.ones(p.width)), one), p)


def explain(parts: AnswerParts, X: object, target: object, output: str | None, reference: object) -> Reasons:
    """Explain the answer for each row of a table; see `Explains.explain`."""
    output = output_of(parts, output)
    table, against = parts.table(X), parts.reference(reference)
    if not table.rows:
        raise ShapeError("X has no rows, and there is no answer to explain; pass at least one.")
    want = wanted(parts.result.targets, target, table.rows)
    try:
        graph = answer_graph(parts, output, want.powers)
    except ConfigError as error:
        raise ConfigError(
            f"explain follows the operations of an answer: {error} Or use estimator.model_.attribute(X, "
            "'integrated_gradients'), which explains the inputs of the network."
        ) from error
    explained = _Explained(parts, graph, want, output)
    step = max(1, min(MAX_NUMBERS // sum(step.width for step in graph.steps), rows_at_once(parts)))
    chunks = [slice(start, start + step) for start in range(0, table.rows, step)]
    found = [_explain_rows(explained, table.inputs, against.inputs, rows) for rows in chunks]
    values, answers, base = (np.concatenate(each) for each in zip(*(each[:3] for each in found), strict=True))
    return Reasons(
        cells=table.cells,
        values=values,
        answers=answers,
        base=base,
        error=np.abs(base + values.sum(1) - answers),
        reference=against.cells,
        is_typical=reference is None,
        output=output,
        labels=tuple(label for each in found for label in each.labels),
        index=getattr(X, "index", None) if is_pandas(X) else None,
    )


def rows_at_once(parts: AnswerParts) -> int:
    """Return the rows at most that are explained at once; with a lookup those whose similarities are few enough."""
    return MAX_ROWS if parts.lookup is None else min(MAX_ROWS, max(1, AT_ONCE // len(parts.lookup.lookup)))


class _Explained(NamedTuple):
    """The graph of the answers, and those of them that are explained."""

    parts: AnswerParts
    graph: ComputationGraph
    want: Wanted
    output: str


class _Rows(NamedTuple):
    """The reasons of some rows."""

    values: Floats
    answers: Floats
    base: Floats
    labels: tuple[Any, ...]


def _explain_rows(what: _Explained, inputs: Inputs, references: Inputs, rows: slice) -> _Rows:
    """Average the reasons of some rows over the rows that they are compared with."""
    some, others = (
        [np.asarray(own, np.float64) for own in what.parts.rows_of(each)]
        for each in (tuple(own[rows] for own in inputs), references)
    )
    found = [
        _compare(what, some, [own[r : r + 1] for own in others], rows) for r in range(len(references[0]))
    ]
    values = np.mean([each.values for each in found], axis=0)
    base = np.mean([each.base for each in found], axis=0)
    return _Rows(values, found[0].answers, base, found[0].labels)


def _compare(what: _Explained, some: list[Floats], reference: list[Floats], rows: slice) -> _Rows:
    """Return the reasons of some rows, compared with one row."""
    parts, graph, want, output = what
    both = [np.concatenate(pair) for pair in zip(some, reference, strict=True)]
    values = graph.values({str(k): own for k, own in enumerate(both)})
    predicted, shown = (values[graph.outputs[name]] for name in ("predicted", "shown"))
    places, negated, labels = want.of_rows(predicted[:-1], rows)
    n, whole = np.arange(len(places)), 1.0 if output == "probability" else 0.0
    answers, base = (np.where(negated, whole - own, own) for own in (shown[n, places], shown[-1, places]))
    m = np.zeros((len(n), shown.shape[1]))
    m[n, places] = np.where(negated, -1.0, 1.0)
    of_inputs = graph.multipliers(values, graph.outputs["shown"], m)
    made = np.zeros((len(n), len(parts.names)))
    for k, (taker, own) in enumerate(zip(parts.different_takers, both, strict=True)):
        made += taker.by_column(of_inputs[str(k)] * (own[:-1] - own[-1:]), len(parts.names))
    return _Rows(made, answers, base, labels)
