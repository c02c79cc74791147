"""Which function makes the text of a result: a table by the result's class."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from rich.console import Console

from chainrule.inspection.story import Story
from chainrule.views.text import story


@singledispatch
def text(result: Any, *arguments: Any) -> str:
    """The text of a result; the arguments are those of the function in the table. Raises TypeError for no result."""
    raise TypeError(f"there is no text of {type(result).__name__}.")


@singledispatch
def show(result: Any, console: Console) -> None:
    """Print a result on a terminal. Raises TypeError for no result."""
    raise TypeError(f"{type(result).__name__} cannot be shown on a terminal.")


text.register(Story, story.as_text)
show.register(Story, story.show)
