"""Display a result: as a figure, a page, text, or in a notebook.

Results are data. The functions that draw them are in `chainrule.views`, and their interactive page is in
`chainrule.studio`; both import the results (see the picture in docs/design.md). Only this module imports in the other
direction, when a result is first shown.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any

from chainrule.core.records import DataResult


def view(result: object, form: str, *arguments: Any) -> Any:
    """Return a result in one form, by that function of `chainrule.views`: view(flow, "as_figure")."""
    from chainrule.views import FORMS

    return resolve_name(f"chainrule.views.{FORMS[form]}")(result, *arguments)


def written(result: object, form: str, *arguments: Any) -> str:
    """Return a result in a form that is text: written(flow, "as_text")."""
    text: str = view(result, form, *arguments)
    return text


def widget(result: object, **settings: Any) -> Any:
    """Return a model or a trace as a notebook widget, by `chainrule.studio.widget`."""
    from chainrule import studio

    return studio.widget(result, **settings)


class Shown:
    """Base class of results that notebooks display."""

    def _repr_html_(self) -> str:
        """Return the HTML for a notebook, from `chainrule.views`."""
        return written(self, "as_output")


class TextResult(DataResult):
    """Base class of results that print as text."""

    __slots__ = ()

    def __str__(self) -> str:
        """Return the result as text, from `chainrule.views`."""
        return written(self, "as_text")
