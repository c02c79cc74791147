"""Let a result show itself: as a figure, a page, text, or in a notebook.

A result is data. What draws it is in `chainrule.views`, which stands below all results in the picture of
docs/design.md. So that a result can still be asked to show itself, one import points down, and it is here: it runs
when somebody asks.
"""

from __future__ import annotations

from typing import Any


def view(result: Any, form: str, *arguments: Any) -> Any:
    """Return a result in one form, made by that function of `chainrule.views`: view(flow, "as_figure")."""
    from chainrule import views

    return getattr(views, form)(result, *arguments)


class Shown:
    """The base of results that a notebook shows."""

    def _repr_html_(self) -> str:
        """Return what a notebook shows, made by `chainrule.views.as_output`."""
        made: str = view(self, "as_output")
        return made
