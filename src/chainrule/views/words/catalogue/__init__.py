"""The words about results, one file for each subject, with both languages beside each other.

    DEAD = say("dead", "死亡")

Each language is a package of its own made of this folder (`views/words/__init__.py`), so a file is run once for each
language, and imports the others of its language by their relative names.
"""

from __future__ import annotations

from typing import TypeVar

Text = TypeVar("Text")

CHINESE = __name__.endswith(".zh")
"""Whether the words of this package are Chinese; else they are English."""


def say(english: Text, chinese: Text) -> Text:
    """Return a text, or several, in the language of this package."""
    return chinese if CHINESE else english
