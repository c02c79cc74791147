"""What is said of a result, in a few words: a table by the result's class."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from chainrule.inspection.flow.diagnosis import Diagnosis
from chainrule.views.words.en import flow


@singledispatch
def words(result: Any) -> str:
    """What is said of a result. Raises TypeError for no result."""
    raise TypeError(f"there are no words for {type(result).__name__}.")


words.register(Diagnosis, flow.diagnosis)
