"""The functions that write a result's page, by the result's class."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from chainrule.inspection.attribution import Attribution
from chainrule.inspection.derivation.derivation import Derivation
from chainrule.inspection.story import Story
from chainrule.views.report import attribution, derivation, story


@singledispatch
def page(result: Any, *arguments: Any) -> str:
    """Return the page of a result; the arguments are those of its function in the table below.

    Raises TypeError for other objects.
    """
    raise TypeError(f"{type(result).__name__} has no page.")


page.register(Attribution, attribution.render)
page.register(Derivation, derivation.render)
page.register(Story, story.render)
