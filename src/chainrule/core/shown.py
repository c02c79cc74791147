"""Let a result show itself: as a figure, a page, text, or in a notebook.

A result is data. The functions that draw it are in `chainrule.views`, and the page on which one may look around in it
is in `chainrule.studio`; both import the results (see the picture in docs/design.md). This module alone imports in the
other direction, when a result is first shown.
"""

from __future__ import annotations

from typing import Any


def view(result: Any, form: str, *arguments: Any) -> Any:
    """Return a result in one form, made by that function of `chainrule.views`: view(flow, "as_figure")."""
    from chainrule import views

    return getattr(views, form)(result, *arguments)


def widget(result: Any, **settings: Any) -> Any:
    """Return a model or a trace as a widget for a notebook, made by `chainrule.studio.widget`."""
    from chainrule import studio

    return studio.widget(result, **settings)


class Shown:
    """Base class of results that a notebook shows."""

    def _repr_html_(self) -> str:
        """Return what a notebook shows, made by `chainrule.views.as_output`."""
        made: str = view(self, "as_output")
        return made
