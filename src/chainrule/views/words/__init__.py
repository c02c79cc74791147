"""The sentences about results, in the current language.

    from chainrule.views import words
    words.flow.diagnosis(found)

The code that draws or prints names no language: a module is taken from the package of the current one. Constants
are labels; functions build sentences from a result's numbers and codes. The words of both languages stand beside
each other in `catalogue`, of which each language is a package.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule.errors import ConfigError

if TYPE_CHECKING:
    from chainrule.views.words.catalogue import additive as additive
    from chainrule.views.words.catalogue import attribution as attribution
    from chainrule.views.words.catalogue import card as card
    from chainrule.views.words.catalogue import command as command
    from chainrule.views.words.catalogue import derivation as derivation
    from chainrule.views.words.catalogue import drift as drift
    from chainrule.views.words.catalogue import experiments as experiments
    from chainrule.views.words.catalogue import flow as flow
    from chainrule.views.words.catalogue import lab_features as lab_features
    from chainrule.views.words.catalogue import lab_lesson as lab_lesson
    from chainrule.views.words.catalogue import lab_optimizers as lab_optimizers
    from chainrule.views.words.catalogue import lab_regularization as lab_regularization
    from chainrule.views.words.catalogue import lab_universality as lab_universality
    from chainrule.views.words.catalogue import lab_vanishing as lab_vanishing
    from chainrule.views.words.catalogue import lab_without_backprop as lab_without_backprop
    from chainrule.views.words.catalogue import messages as messages
    from chainrule.views.words.catalogue import model as model
    from chainrule.views.words.catalogue import notices as notices
    from chainrule.views.words.catalogue import phrases as phrases
    from chainrule.views.words.catalogue import reasons as reasons
    from chainrule.views.words.catalogue import running as running
    from chainrule.views.words.catalogue import story as story
    from chainrule.views.words.catalogue import story_page as story_page
    from chainrule.views.words.catalogue import tables as tables
    from chainrule.views.words.catalogue import trace as trace
    from chainrule.views.words.catalogue import verdict as verdict
    from chainrule.views.words.catalogue import worksheet as worksheet

LANGUAGES = ("en", "zh")
"""The languages, by the names of their packages."""
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


def _packaged(language: str) -> None:
    """Make the package of a language from the files of the catalogue."""
    name, folder = f"{__name__}.{language}", Path(__file__).parent / "catalogue"
    spec = spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None and spec.loader is not None
    sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


for _each in LANGUAGES:
    _packaged(_each)

if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(subject: str) -> Any:
        """Return a module of words in the current language."""
        if subject.startswith("_"):
            raise AttributeError(subject)
        name = f"{__name__}.{_LANGUAGE.get()}.{subject}"
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
        raise AttributeError(f"there are no words about {subject!r}.")
