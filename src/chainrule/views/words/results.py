"""What is said of a result, in a few words: a table by the result's class."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from chainrule.inspection.attribution import Attribution
from chainrule.inspection.derivation.derivation import Step
from chainrule.inspection.derivation.difference import Difference
from chainrule.inspection.flow.diagnosis import Diagnosis
from chainrule.views.words.en import attribution, derivation, flow


@singledispatch
def words(result: Any) -> str:
    """Return what is said of a result. Raises TypeError for other objects."""
    raise TypeError(f"there are no words for {type(result).__name__}.")


words.register(Attribution, attribution.promise)
words.register(Diagnosis, flow.diagnosis)
words.register(Difference, derivation.kink)
words.register(Step, derivation.step)
