"""The words of results, in `views/words`: each has one meaning, and is said in the language that is spoken."""

from __future__ import annotations

import ast
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from chainrule import ConfigError
from chainrule.views import words
from sources import tree_of

WORDS = Path(str(words.__file__)).parent


def modules(language: str) -> dict[str, ModuleType]:
    names = sorted(path.stem for path in (WORDS / "catalogue").glob("*.py") if path.stem != "__init__")
    return {name: import_module(f"chainrule.views.words.{language}.{name}") for name in names}


def defined(tree: ast.Module) -> list[str]:
    """The names that a module gives a function or a value, each as often as it does."""
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            names += [inner.id for inner in ast.walk(target) if isinstance(inner, ast.Name)]
    return names


def keys(module: ModuleType) -> set[str]:
    """The public names that a module of words defines, and not those that it imports."""
    return {name for name in defined(tree_of(Path(str(module.__file__)))) if not name.startswith("_")}


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_the_current_language_speaks(language: str):
    own = modules(language)
    with words.spoken_in(language):
        assert {name: getattr(words, name) for name in own} == own
        assert words.trace.rms(0.25) == "rms 0.25"
        assert (
            words.flow.also(["a", "b"])
            == {"en": ", and so in 1 more layer", "zh": "，另有 1 層也是如此"}[language]
        )
        assert words.flow.KINDS["dead"] == {"en": "dead", "zh": "死亡"}[language]
    assert words.flow.KINDS["dead"] == "dead"


def test_labels_of_a_row_are_as_many_in_each_language():
    english, chinese = modules("en"), modules("zh")
    for name, module in english.items():
        for key in keys(module):
            value, other = getattr(module, key), getattr(chinese[name], key)
            assert type(value) is type(other), f"{name}.{key}"
            assert not isinstance(value, tuple) or len(value) == len(other), f"{name}.{key}"


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_a_key_is_a_text_or_makes_one(language: str):
    """Thresholds, codes and choices are the same in every language: they stand in `words/facts.py`."""
    wrong = [
        f"{name}.{key}"
        for name, module in modules(language).items()
        for key in sorted(keys(module))
        if not (isinstance(getattr(module, key), FunctionType) or is_text(getattr(module, key)))
    ]
    assert wrong == []
    assert not is_text(12) and not is_text(("a", 3)) and not is_text({})


def is_text(value: object) -> bool:
    parts = (
        list(value.values()) if isinstance(value, dict) else value if isinstance(value, tuple) else [value]
    )
    return bool(parts) and all(isinstance(part, str) for part in parts)


def test_a_word_has_one_meaning():
    """A name that is given a value twice would lose the first one."""
    times = {path: Counter(defined(tree_of(path))) for path in sorted(WORDS.rglob("*.py"))}
    found = [f"{path.name}: {name}" for path, of in times.items() for name in of if of[name] > 1]
    assert len(times) > 25 and found == []


def test_a_language_that_there_is_not():
    with pytest.raises(ConfigError, match="language must be one of en, zh, not 'xx'"), words.spoken_in("xx"):
        pass
    with pytest.raises(AttributeError, match="no words about 'weather'"):
        getattr(words, "weather")  # noqa: B009
