"""What one fit is asked for: made once, as the call begins, and passed on whole."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.estimators.fit.data import FitInput
from chainrule.estimators.fit.plan import ALONE, Conditions
from chainrule.estimators.fit.result import FitResult
from chainrule.estimators.fit.structure import FREE, RowStructure
from chainrule.estimators.numbers import Targets


@dataclass(frozen=True)
class FitRequest:
    """The rows of a fit, and what else was known when it began."""

    given: FitInput
    """the table, the targets, and what belongs to each row"""
    begun: float
    """the `time.monotonic()` at which the fit began"""
    before: FitResult | None = None
    """the result that the fit goes on from; None for a new one"""
    labels: Targets | None = None
    """the targets, where they are known before y is read, as the labels passed to `partial_fit`"""
    conditions: Conditions = ALONE
    incremental: bool = False
    """whether it is one epoch, by `partial_fit`"""
    structure: RowStructure = FREE
    """what ties the given rows together"""
