"""The sentences about results: one package per language, with the same modules and names in each.

    from chainrule.views import words
    words.flow.diagnosis(found)

A module is taken from the package of the current language, so that the code that draws or prints names none.
Constants are labels; functions build sentences from a result's numbers and codes. Each language is a folder beside
`en`; English is the fallback for missing modules. Tests compare them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule.errors import ConfigError

if TYPE_CHECKING:
    from chainrule.views.words.en import additive as additive
    from chainrule.views.words.en import attribution as attribution
    from chainrule.views.words.en import card as card
    from chainrule.views.words.en import command as command
    from chainrule.views.words.en import derivation as derivation
    from chainrule.views.words.en import drift as drift
    from chainrule.views.words.en import experiments as experiments
    from chainrule.views.words.en import flow as flow
    from chainrule.views.words.en import lab_features as lab_features
    from chainrule.views.words.en import lab_lesson as lab_lesson
    from chainrule.views.words.en import lab_optimizers as lab_optimizers
    from chainrule.views.words.en import lab_regularization as lab_regularization
    from chainrule.views.words.en import lab_universality as lab_universality
    from chainrule.views.words.en import lab_vanishing as lab_vanishing
    from chainrule.views.words.en import lab_without_backprop as lab_without_backprop
    from chainrule.views.words.en import messages as messages
    from chainrule.views.words.en import model as model
    from chainrule.views.words.en import notices as notices
    from chainrule.views.words.en import phrases as phrases
    from chainrule.views.words.en import reasons as reasons
    from chainrule.views.words.en import running as running
    from chainrule.views.words.en import story as story
    from chainrule.views.words.en import story_page as story_page
    from chainrule.views.words.en import tables as tables
    from chainrule.views.words.en import trace as trace
    from chainrule.views.words.en import verdict as verdict

LANGUAGES = ("en", "zh")
"""The languages, by the names of their packages. The first one is complete."""
HTML_CODES = {"zh": "zh-Hant-TW"}
"""HTML codes that differ from the package's name: for "zh" alone a browser may draw simplified characters."""
_LANGUAGE: ContextVar[str] = ContextVar("language", default=LANGUAGES[0])


def language() -> str:
    """Return the current language, as an HTML language code."""
    spoken = _LANGUAGE.get()
    return HTML_CODES.get(spoken, spoken)


@contextmanager
def spoken_in(language: str) -> Iterator[None]:
    """Use a language for what is written inside a with block. Raises ConfigError for one that there is not."""
    if language not in LANGUAGES:
        raise ConfigError(f"language must be one of {', '.join(LANGUAGES)}, not {language!r}.")
    token = _LANGUAGE.set(language)
    try:
        yield
    finally:
        _LANGUAGE.reset(token)


if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(subject: str) -> Any:
        """Return a module of words in the current language, or in the first."""
        if subject.startswith("_"):
            raise AttributeError(subject)
        for language in (_LANGUAGE.get(), LANGUAGES[0]):
            name = f"{__name__}.{language}.{subject}"
            try:
                return import_module(name)
            except ModuleNotFoundError as error:
                if error.name != name:
                    raise
        raise AttributeError(f"there are no words about {subject!r}.")
