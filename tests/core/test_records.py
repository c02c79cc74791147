"""How a result asks the views to show it."""

from __future__ import annotations

import pytest

from chainrule.core.records import Shown, view


class Unknown(Shown):
    """A result that no view knows."""


@pytest.mark.parametrize("form", ["as_figure", "as_page", "as_output", "as_text", "as_words"])
def test_what_no_view_knows_is_named(form: str):
    with pytest.raises(TypeError, match="Unknown"):
        view(Unknown(), form)


def test_a_notebook_asks_the_views():
    with pytest.raises(TypeError, match="Unknown"):
        Unknown()._repr_html_()
