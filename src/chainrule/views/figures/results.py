"""The figure of each result that has one, by its class."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import plotly.graph_objects as go

from chainrule.explain.columns import ColumnCurve, ColumnImportance, ColumnPairs
from chainrule.explain.reasons import Reasons
from chainrule.fitting.terms import Terms
from chainrule.inspection.attribution import Attribution
from chainrule.inspection.flow.callback import GradientFlow
from chainrule.inspection.flow.flow import Flow
from chainrule.training import History
from chainrule.trust.drift import DriftCheck
from chainrule.trust.reliability import Reliability
from chainrule.views.figures import learning_curve
from chainrule.views.figures.additive import term
from chainrule.views.figures.attribution import attribution_bars, attribution_image
from chainrule.views.figures.flow import by_layer, over_training
from chainrule.views.figures.reasons import beeswarm, dependence, row_bars
from chainrule.views.figures.tables import calibration, curve, drift, importance, pairs


@singledispatch
def figure(result: object, *arguments: Any) -> go.Figure:
    """Return the figure of a result; the arguments are those of its function in the table below.

    Raises TypeError for other objects.
    """
    raise TypeError(f"{type(result).__name__} has no figure.")


figure.register(Flow, by_layer)
figure.register(ColumnCurve, curve)
figure.register(ColumnImportance, importance)
figure.register(ColumnPairs, pairs)


figure.register(Reliability, calibration)
figure.register(Terms, term)
figure.register(DriftCheck, drift)


@figure.register(History)
def _(history: History, name: str) -> go.Figure:
    return learning_curve(history.records, name)


@figure.register(GradientFlow)
def _(measured: GradientFlow) -> go.Figure:
    return over_training(measured.epochs, measured.flows)


@figure.register(Attribution)
def _(attribution: Attribution, row: int) -> go.Figure:
    return (attribution_image if attribution.shape else attribution_bars)(attribution, row)


@figure.register(Reasons)
def _(reasons: Reasons, row: int | None, column: int | None = None) -> go.Figure:
    if column is not None:
        return dependence(reasons, column)
    return beeswarm(reasons) if row is None else row_bars(reasons, row)
