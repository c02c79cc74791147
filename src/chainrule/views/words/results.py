"""A short description of a result, by the result's class."""

from __future__ import annotations

from functools import singledispatch

from chainrule.estimators.notices.notice import Notice
from chainrule.inspection.attribution import Attribution
from chainrule.inspection.attribution.explained import Target
from chainrule.inspection.derivation.derivation import Step
from chainrule.inspection.derivation.difference import Difference
from chainrule.inspection.flow.diagnosis import Diagnosis
from chainrule.views import words


@singledispatch
def said(result: object) -> str:
    """Return the description of a result. Raises TypeError for other objects."""
    raise TypeError(f"{type(result).__name__} has no description.")


@said.register
def _(result: Attribution) -> str:
    return words.attribution.promise(result)


@said.register
def _(result: Target) -> str:
    return words.attribution.target(result)


@said.register
def _(result: Diagnosis) -> str:
    return words.flow.diagnosis(result)


@said.register
def _(result: Difference) -> str:
    return words.derivation.kink(result)


@said.register
def _(result: Step) -> str:
    return words.derivation.step(result)


@said.register
def _(result: Notice) -> str:
    return words.notices.sentence(result)
