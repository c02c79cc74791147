"""Explain answers by the columns of their table: DeepLIFT through the networks and all that follows them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from chainrule.estimators.explain.answer import LinkedOutputs, blended, chosen, predicted, tempered, uncrossed
from chainrule.estimators.explain.chords import Floats
from chainrule.estimators.explain.parts import AnswerParts, Inputs
from chainrule.estimators.explain.reasons import Reasons
from chainrule.estimators.explain.targets import Wanted, output_of, wanted
from chainrule.estimators.fit.result import FitResult
from chainrule.estimators.numbers import NumericTargets

MAX_NUMBERS = 1 << 23
"""The numbers of all layers that are in memory at once: 64 MB."""
MAX_ROWS = 1024
"""The rows that are explained at once."""


def explain(parts: AnswerParts, X: object, target: object, output: str | None, reference: object) -> Reasons:
    """Explain the answer for each row of a table; see `Explains.explain`."""
    output = output_of(parts, output)
    table, against = parts.table(X), parts.reference(reference)
    want = wanted(parts.result.targets, target, table.rows)
    width = sum(network.width for part in parts.all for network in part.networks)
    step = max(1, min(MAX_ROWS, MAX_NUMBERS // width))
    chunks = [slice(start, start + step) for start in range(0, table.rows, step)]
    found = [_over_references(parts, table.inputs, against.inputs, rows, want, output) for rows in chunks]
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
    )


class _Rows(NamedTuple):
    """The reasons of some rows."""

    values: Floats
    answers: Floats
    base: Floats
    labels: tuple[Any, ...]


def _over_references(
    parts: AnswerParts, inputs: Inputs, references: Inputs, rows: slice, want: Wanted, output: str
) -> _Rows:
    """Average the reasons of some rows over the rows that they are compared with."""
    some = [np.asarray(each[rows], np.float64) for each in inputs]
    found = []
    for r in range(len(references[0])):
        one = [np.asarray(each[r : r + 1], np.float64) for each in references]
        found.append(_against(parts, some, one, rows, want, output))
    values = np.mean([each.values for each in found], axis=0)
    base = np.mean([each.base for each in found], axis=0)
    return _Rows(values, found[0].answers, base, found[0].labels)


def _against(
    parts: AnswerParts, inputs: list[Floats], reference: list[Floats], rows: slice, want: Wanted, output: str
) -> _Rows:
    """Return the reasons of some rows, compared with one row."""
    passes = [
        [network.run(own, row) for network in part.networks]
        for part, own, row in zip(parts.all, inputs, reference, strict=True)
    ]
    of_parts = [
        _predicted(part.result, [each.outputs for each in some])
        for part, some in zip(parts.all, passes, strict=True)
    ]
    mean, back_of_mean = blended(of_parts, [part.weight for part in parts.all])
    shares, back_of_temperature = tempered(mean, parts.temperature, parts.exclusive)
    places, negated, labels = want.of_rows(shares.p[:-1], rows)
    answer = chosen(shares, places, negated, output == "log_odds")
    V = back_of_mean(back_of_temperature(answer.m))
    values = sum(
        part.by_column(each.attributions(v), len(parts.names))
        for part, some, of_part in zip(parts.all, passes, V, strict=True)
        for each, v in zip(some, of_part, strict=True)
    )
    return _Rows(np.asarray(values), answer.answers, answer.base, labels)


def _predicted(result: FitResult, outputs: list[Floats]) -> LinkedOutputs:
    """Return what a fit predicts, as `FitResult.predicted` does. outputs: of each network, (n + 1, fan_out)."""
    found = predicted(result.model.network.loss, result.model.target_scale, outputs)
    q = result.targets.q if isinstance(result.targets, NumericTargets) else ()
    return uncrossed(found, q) if len(q) > 1 else found
