"""What two columns do to an answer together, beyond what each does alone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core import records
from chainrule.core.settings import check_count
from chainrule.estimators.explain.answers import answers, output_of, wanted
from chainrule.estimators.explain.chords import Floats
from chainrule.estimators.explain.explain import explain
from chainrule.estimators.explain.parts import AnswerParts

if TYPE_CHECKING:
    import plotly.graph_objects as go


@records.kind("column_pairs")
@dataclass(frozen=True, eq=False)
class ColumnPairs(records.Shown, records.TextResult):
    """The joint effects of pairs of columns on each row's answer, compared with a typical row.

    joint_ab = f(x) - f(x with a typical) - f(x with b typical) + f(x with both typical)

    a second difference: 0 where the effect of a is the same whichever of its two cells b has.
    """

    names: tuple[str, ...]
    """the columns, those with the largest effects first"""
    values: Floats  # (n, columns, columns), symmetric, 0 on the diagonal
    output: str
    """what an answer is: "number", "probability" or "log_odds\""""
    target: str | None = None

    @property
    def mean(self) -> Floats:
        """The mean over the rows of each |joint effect| (columns, columns)."""
        return np.asarray(np.abs(self.values).mean(0))

    def order(self) -> list[tuple[str, str, float]]:
        """Return the pairs with their mean |joint effect|, the largest first."""
        size = self.mean
        found = [
            (self.names[a], self.names[b], float(size[a, b]))
            for a, b in combinations(range(len(self.names)), 2)
        ]
        return sorted(found, key=lambda each: -each[2])

    def to_data(self) -> dict[str, Any]:
        """Return the mean joint effects as JSON-safe data; see `chainrule.core.records`."""
        return records.labeled(
            self,
            {
                "names": self.names,
                "mean": self.mean,
                "rows": len(self.values),
                "output": self.output,
                "target": self.target,
            },
        )

    def figure(self) -> go.Figure:
        """Plot the mean joint effect of each pair as a cell."""
        return records.view(self, "as_figure")

    def __repr__(self) -> str:
        """Return the numbers of columns and rows."""
        return f"<ColumnPairs of {len(self.names)} columns on {len(self.values):,} rows>"


def pairs(parts: AnswerParts, X: object, columns: int, target: object, output: str | None) -> ColumnPairs:
    """Measure the joint effects of the columns with the largest effects; see `Explains.pairs`."""
    columns, output = check_count(columns, "columns", 2), output_of(parts, output)
    reasons = explain(parts, X, target, output, None)
    chosen = reasons.order()[:columns].tolist()
    inputs, typical = parts.table(X).inputs, parts.reference(None).inputs
    labels = list(reasons.labels) if reasons.labels else target
    want = wanted(parts.result.targets, labels, len(reasons))

    def with_typical(*typical_columns: int) -> Floats:
        return answers(parts, parts.with_columns(inputs, typical, list(typical_columns)), want, output)

    whole, alone = answers(parts, inputs, want, output), {k: with_typical(k) for k in chosen}
    values = np.zeros((len(reasons), len(chosen), len(chosen)))
    for a, b in combinations(range(len(chosen)), 2):
        first, second = chosen[a], chosen[b]
        joint = whole - alone[first] - alone[second] + with_typical(first, second)
        values[:, a, b] = values[:, b, a] = joint
    return ColumnPairs(tuple(parts.names[k] for k in chosen), values, output)
