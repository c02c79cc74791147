"""How much an estimator's loss grows where a column says nothing: by shuffling it, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.core.settings import check_count, check_number
from chainrule.errors import ShapeError
from chainrule.estimators.best.judge import LEAST
from chainrule.estimators.explain.chords import Floats
from chainrule.estimators.explain.parts import AnswerParts
from chainrule.estimators.explain.targets import with_columns
from chainrule.estimators.labels import Labels
from chainrule.estimators.numbers import NumericTargets

if TYPE_CHECKING:
    import plotly.graph_objects as go


@records.kind("column_importance")
@dataclass(frozen=True, eq=False)
class ColumnImportance(records.Shown, records.TextResult):
    """The mean growth of a row's loss when a column's cells are shuffled, with an interval, the largest first.

    A row's growth is the mean over the shuffles of its loss with the column shuffled, less its loss. The interval is
    that of the mean of these paired differences, with Student's t: it says how far the mean over other rows may be from
    this one. The shuffles of a column share rows, so with few rows it is somewhat too narrow.
    Source: Breiman, "Random forests", Machine Learning 45 (2001), section 10.
    """

    loss: str
    """what is measured of a row: "squared_error", "pinball" or "log_loss\""""
    base: float
    """its mean over the unchanged rows"""
    names: tuple[str, ...]
    mean: Floats  # (columns,)
    low: Floats  # (columns,)
    high: Floats  # (columns,)
    level: float
    """the probability that an interval covers"""
    rows: int
    repeats: int

    def records(self) -> list[dict[str, Any]]:
        """Return one record per column, for a data frame."""
        return [
            {"column": name, "importance": mean, "low": low, "high": high}
            for name, mean, low, high in zip(
                self.names, *(each.tolist() for each in (self.mean, self.low, self.high)), strict=True
            )
        ]

    def figure(self) -> go.Figure:
        """Plot the columns as bars with their intervals."""
        return records.view(self, "as_figure")

    def __repr__(self) -> str:
        """Return the numbers of columns and rows."""
        return f"<ColumnImportance of {len(self.names)} columns on {self.rows:,} rows>"


def importance(
    parts: AnswerParts, X: object, y: object, repeats: int, level: float, random_state: int
) -> ColumnImportance:
    """Shuffle each column in turn; see `Explains.importance`."""
    repeats = check_count(repeats, "repeats")
    level = check_number(level, "level", above=0.0, below=1.0)
    inputs = parts.table(X).inputs
    n, rng = len(inputs[0]), np.random.default_rng(random_state)
    loss_of, loss = row_losses(parts, y, n)
    base = loss_of(parts.predicted(inputs))
    growth = np.zeros((len(parts.names), n))
    for k in range(len(parts.names)):
        for _ in range(repeats):
            order = rng.permutation(n)
            shuffled = with_columns(parts, inputs, tuple(own[order] for own in inputs), [k])
            growth[k] += (loss_of(parts.predicted(shuffled)) - base) / repeats
    mean, half = growth.mean(1), half_widths(growth, level)
    order = np.argsort(-mean, kind="stable")
    return ColumnImportance(
        loss=loss,
        base=float(base.mean()),
        names=tuple(parts.names[k] for k in order.tolist()),
        mean=mean[order],
        low=(mean - half)[order],
        high=(mean + half)[order],
        level=level,
        rows=n,
        repeats=repeats,
    )


def half_widths(growth: Floats, level: float) -> Floats:
    """t sd / sqrt(n) of each row of growth (columns, n); infinite for a single number."""
    from scipy.stats import t

    n = growth.shape[1]
    if n < 2:
        return np.full(len(growth), np.inf)
    return np.asarray(t.ppf((1 + level) / 2, n - 1) * growth.std(1, ddof=1) / np.sqrt(n))


def row_losses(parts: AnswerParts, y: object, rows: int) -> tuple[Any, str]:
    """Return a function from predictions (n, outputs) to each row's loss (n,), and its name. y: the true targets."""
    targets = parts.result.targets
    given = np.asarray(targets.read(y))
    if len(given) != rows:
        raise ShapeError(f"y has {len(given):,} targets for {rows:,} rows; pass one for each row of X.")
    if isinstance(targets, Labels):
        targets.check_again(given, False)
        return _log_loss(np.asarray(targets.encode(given))), "log_loss"
    assert isinstance(targets, NumericTargets)
    numbers = np.asarray(targets.encode(given), np.float64)
    if len(targets.q) > 1:
        q = np.asarray(targets.q)
        return lambda p: np.maximum(q * (numbers - p), (q - 1) * (numbers - p)).mean(1), "pinball"
    return lambda p: np.square(p - numbers).mean(1), "squared_error"


def _log_loss(y: NDArray[Any]) -> Any:
    """-log p of the true class, or the sum over labels that do not exclude each other."""
    if y.ndim == 1:
        return lambda p: -np.log(np.maximum(p[np.arange(len(y)), y], LEAST))
    return lambda p: -np.log(np.maximum(np.where(y > 0.5, p, 1 - p), LEAST)).sum(1)
