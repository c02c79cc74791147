"""What a reader sees is said in one place by language: `views/words`. Results hold numbers and codes."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from chainrule.errors import ConfigError
from chainrule.views import FORMS, words
from sources import tree_of

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "chainrule"
WORDS = PACKAGE / "views" / "words"
ROOMS = [
    path
    for room in ("lab", "inspection", "views")
    for path in sorted((PACKAGE / room).rglob("*.py"))
    if WORDS not in path.parents
] + [PACKAGE / "network" / "summary.py"]
TWO_WORDS = re.compile(r"[A-Za-z]{2,}[,;:]? +[A-Za-z]{2,}")
MARKUP = re.compile(
    r"<[^<>]*>"  # tags
    r"|[^{}]*\{[^{}]*:[^{}]*\}"  # rules of a style sheet
    r"|[a-z-]+:[^ ;][^;:]*(;|$)"  # and those of one element
)
EXCEPTIONS = {
    "not finite": "a code of `Diagnosis.kind`, as its docstring lists them",
    "no gradient": "another one",
    "side by side": "a code in a figure's meta, for the page's script",
    "labels at the right": "another one",
    "bottom center": "where Plotly puts a text",
    "top center": "another one",
    "system-ui, sans-serif": "names of fonts",
    "rgb({},{},{}) on rgb({},{},{})": "colors for a terminal",
    "the output of {}": "part of the ConfigError for a walk that is not finite",
    "the loss": "of the same",
    "dL by the output of {}": "of the same",
    "{}[0,5]: the sample's index, then the feature's": "of the ConfigError for an input without its place",
    "trace at most {} of them, X[:{}], or ": "of the ConfigError for too much memory",
    "none, because there was no training": "of the KeyError for an epoch that was not measured",
    "{} has no rule for {} ({}); use integrated_gradients, which needs nothing but gradients.": "the NoRuleError",
}
"""What has two words and is no label. Messages stay where they are raised, and so do parts that they are made of."""


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a file that may reach a reader, by line; values in them are {}.

    Left out: docstrings, annotations, what is raised, hints of errors, and what `__repr__` writes for developers.
    """
    tree = tree_of(path)
    out: set[int] = set()
    for node in ast.walk(tree):
        left_out = [getattr(node, name, None) for name in ("annotation", "returns")]
        if isinstance(node, ast.Raise) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ):
            left_out.append(node)
        if isinstance(node, ast.keyword) and node.arg == "hint":
            left_out.append(node)
        if isinstance(node, ast.FunctionDef) and node.name == "__repr__":
            left_out.append(node)
        out |= {id(inner) for each in left_out if isinstance(each, ast.AST) for inner in ast.walk(each)}
    for node in ast.walk(tree):
        if id(node) in out:
            continue
        if isinstance(node, ast.JoinedStr):
            out |= {id(part) for part in node.values if isinstance(part, ast.Constant)}
            parts = (str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def sentences(path: Path) -> list[str]:
    """The strings of a file with two words or more outside of tags and styles, but for the exceptions."""
    return [
        f"{path.name}:{line}: {text!r}"
        for line, text in literals(path)
        if text not in EXCEPTIONS and TWO_WORDS.search(MARKUP.sub(" ", text.replace("{}", "0")))
    ]


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_sentence_stands_among_the_words(path: Path):
    assert sentences(path) == [], "move these into views/words/en"


def test_every_exception_is_there():
    assert set(EXCEPTIONS) <= {text for path in ROOMS for _, text in literals(path)}


@pytest.mark.parametrize(
    "code",
    [
        'LABEL = "two words"',
        'HEADS = ("layer", "test loss")',
        'def f(n):\n    return f"after {n} of them"',
        "def f(n):\n    return f\"{n if n else 'none of them'}\"",
        "def f(n):\n    return f\"<p class='big one'>{n} were wrong</p>\"",
        'print("<b>What was found</b>")',
        'print("Note: these are words")',
    ],
)
def test_a_sentence_is_seen(tmp_path: Path, code: str):
    path = tmp_path / "a.py"
    path.write_text(code)
    assert len(sentences(path)) == 1


@pytest.mark.parametrize(
    "code",
    [
        '"""A docstring of some words."""',
        'raise ValueError("a message of some words")',
        'check(x, hint="0.001 is usual")',
        'class A:\n    def __repr__(self):\n        return f"<A of {self.n} samples>"',
        "STYLE = \"<div class='pair top' style='margin:4px 0'>\"",
        'def f(x: "list of str") -> "dict of str": ...',
        'KEY = "learning_rate"',
    ],
)
def test_what_is_no_sentence_is_left_alone(tmp_path: Path, code: str):
    path = tmp_path / "a.py"
    path.write_text(code)
    assert sentences(path) == []


# --- keys: the public names of each module of a language


@cache
def modules(language: str) -> dict[str, ModuleType]:
    names = sorted(path.stem for path in (WORDS / language).glob("*.py") if path.stem != "__init__")
    return {name: import_module(f"chainrule.views.words.{language}.{name}") for name in names}


def keys(module: ModuleType) -> set[str]:
    """The public names that a module of words defines, and not those that it imports."""
    names: set[str] = set()
    for node in tree_of(Path(str(module.__file__))).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {inner.id for inner in ast.walk(node.targets[0]) if isinstance(inner, ast.Name)}
    return {name for name in names if not name.startswith("_")}


@cache
def taken() -> dict[str, frozenset[str]]:
    """By module the names that other files take: words.flow.HEADS, said.HEADS where said is it, imported ones."""
    found: dict[str, set[str]] = {}
    for form in FORMS.values():
        if form.startswith("words:"):
            subject, _, name = form.removeprefix("words:").partition(".")
            found.setdefault(subject, set()).add(name)
    for path in PACKAGE.rglob("*.py"):
        if "words" not in path.read_text("utf-8"):
            continue  # a quarter of the time
        for scope in scopes(tree_of(path)):
            means = dict(aliases(scope))
            for node in ast.walk(scope):
                if isinstance(node, ast.ImportFrom) and str(node.module).startswith(
                    "chainrule.views.words.en."
                ):
                    subject = str(node.module).rpartition(".")[2]
                    found.setdefault(subject, set()).update(alias.name for alias in node.names)
                elif isinstance(node, ast.Attribute):
                    own = (
                        means.get(node.value.id)
                        if isinstance(node.value, ast.Name)
                        else subject_of(node.value)
                    )
                    if own is not None:
                        found.setdefault(own, set()).add(node.attr)
    return {name: frozenset(names) for name, names in found.items()}


def scopes(tree: ast.Module) -> list[ast.AST]:
    """The functions of a file, each with its own names, and what stands outside of them."""
    outside = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef)], [])
    return [outside, *(node for node in tree.body if isinstance(node, ast.FunctionDef))]


def aliases(scope: ast.AST) -> Iterator[tuple[str, str]]:
    """said and flow of `said = words.flow`, and of `said, n = words.flow, 3`."""
    for node in ast.walk(scope):
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            for name, item in zip(target.elts, value.elts, strict=False) if both else [(target, value)]:
                subject = subject_of(item)
                if isinstance(name, ast.Name) and subject is not None:
                    yield name.id, subject


def subject_of(node: ast.expr) -> str | None:
    """flow of `words.flow`; None for other expressions."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "words":
        return node.attr
    return None


def idle(used: dict[str, frozenset[str]]) -> list[str]:
    """The keys of English that neither other files nor the module itself take."""
    found = []
    for name, module in modules("en").items():
        tree = tree_of(Path(str(module.__file__)))
        own = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        found += [f"{name}.{key}" for key in sorted(keys(module) - used.get(name, frozenset()) - own)]
    return found


def missing(used: dict[str, frozenset[str]]) -> list[str]:
    """The names that are taken from the words and are not there."""
    known = modules("en")
    return [
        f"{name}.{key}"
        for name, names in used.items()
        for key in sorted(names)
        if name not in known or not hasattr(known[name], key)
    ]


def test_every_word_is_used():
    assert sum(map(len, taken().values())) > 200
    assert idle(taken()) == []


def test_every_used_word_is_there():
    assert missing(taken()) == []


def test_a_word_that_nobody_uses_and_one_that_is_missing_are_seen():
    used = taken()
    assert idle(used | {"flow": used["flow"] - {"BY_LAYER"}}) == ["flow.BY_LAYER"]
    assert missing(used | {"flow": used["flow"] | {"STREAM"}}) == ["flow.STREAM"]
    assert missing(used | {"weather": frozenset({"RAIN"})}) == ["weather.RAIN"]


def twice(tree: ast.Module) -> list[str]:
    """The names that a module gives a value, or a function, more than once: the first one is lost."""
    named: list[str] = []
    for each in tree.body:
        if isinstance(each, (ast.FunctionDef, ast.ClassDef)):
            named.append(each.name)
        elif isinstance(each, (ast.Assign, ast.AnnAssign)):
            targets = each.targets if isinstance(each, ast.Assign) else [each.target]
            named += [
                name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)
            ]
    return [name for name, times in Counter(named).items() if times > 1]


def test_a_word_has_one_meaning():
    found = {path: twice(tree_of(path)) for path in sorted(WORDS.rglob("*.py"))}
    assert len(found) > 30 and not any(found.values()), found


def test_a_word_with_two_meanings_is_seen():
    assert twice(ast.parse("A, B = 'error', 'off'\nC = 'c'\nA = 'off by'\ndef B(): ...")) == ["A", "B"]


# --- languages


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_languages_have_the_same_keys(language: str):
    """Of what a language has no module for, English speaks."""
    english, other = modules("en"), modules(language)
    for name, module in other.items():
        assert keys(module) == keys(english[name]), name
    with words.spoken_in(language):
        assert {name: getattr(words, name) for name in english} == english | other


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


def test_every_folder_is_a_language():
    folders = {path.name for path in WORDS.iterdir() if (path / "__init__.py").exists()}
    assert folders == set(words.LANGUAGES)
    assert words.language() == "en"


def test_nobody_names_a_language():
    """Others take words from the language in use, not from a folder."""
    folders = tuple(f"chainrule.views.words.{language}" for language in words.LANGUAGES)
    named = [
        f"{path.relative_to(PACKAGE)}: {node.module}"
        for path in PACKAGE.rglob("*.py")
        if path.parent not in [WORDS / language for language in words.LANGUAGES]
        and path != WORDS / "__init__.py"
        and folders[0].rpartition(".")[0] in path.read_text("utf-8")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(folders)
    ]
    assert named == []


def test_a_language_that_there_is_not():
    with pytest.raises(ConfigError, match="language must be one of en, zh, not 'xx'"), words.spoken_in("xx"):
        pass
    with pytest.raises(AttributeError, match="no words about 'weather'"):
        getattr(words, "weather")  # noqa: B009
