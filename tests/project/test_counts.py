"""What couples the modules of the package, counted over its syntax trees: no count may grow."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from sources import nodes_of, tree_of

PACKAGE = Path(__file__).parents[2] / "src" / "chainrule"
FILES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
OWN = ("self", "cls")
NAMEDTUPLE = ("_asdict", "_field_defaults", "_fields", "_make", "_replace")
"""Public, in spite of the underscore, which keeps them apart from the fields."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in NAMEDTUPLE


def is_own(node: ast.expr) -> bool:
    """Whether it is `self`, `cls` or `super()`."""
    if isinstance(node, ast.Call):
        node = node.func
    return isinstance(node, ast.Name) and node.id in (*OWN, "super")


def defined(tree: ast.Module) -> set[str]:
    """The names that a file defines: functions, classes, variables, and attributes of `self`."""
    names = set()
    for node in nodes_of(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_own(node.value):
            names.add(node.attr)
    return names


def private_accesses(tree: ast.Module) -> Iterator[ast.AST]:
    """Private names of another module of the package: imported, or read from another object."""
    packages: set[str] = set()
    read: list[ast.Attribute] = []
    for node in nodes_of(tree):
        if isinstance(node, ast.Import):
            packages |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level or str(node.module).startswith("chainrule"):
                yield from (node for alias in node.names if is_private(alias.name))
        elif isinstance(node, ast.Attribute) and is_private(node.attr) and not is_own(node.value):
            read.append(node)
    here = defined(tree) if read else set()
    for node in read:
        outside = isinstance(node.value, ast.Name) and node.value.id in packages
        if node.attr not in here and not outside:
            yield node


def dict_touches(tree: ast.Module) -> Iterator[ast.AST]:
    """`x.__dict__` and `vars(x)`."""
    for node in nodes_of(tree):
        read = isinstance(node, ast.Attribute) and node.attr == "__dict__"
        if read or (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "vars"
        ):
            yield node


def foreign_writes(tree: ast.Module) -> Iterator[ast.AST]:
    """Attributes of another object that are set, deleted or given by `setattr`."""
    for node in nodes_of(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            if not is_own(node.value):
                yield node
        elif isinstance(node, ast.Call) and node.args and not is_own(node.args[0]):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("setattr", "__setattr__", "delattr"):
                yield node


def bare_anys(tree: ast.Module) -> Iterator[ast.AST]:
    """Parameters whose type is `Any`."""
    for node in nodes_of(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for parameter in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                if isinstance(parameter.annotation, ast.Name) and parameter.annotation.id == "Any":
                    yield parameter


Count = Callable[[ast.Module], Iterator[ast.AST]]
LIMITS: dict[Count, int] = {private_accesses: 8, dict_touches: 3, foreign_writes: 146, bare_anys: 278}
"""The largest number that each may have; lower it where a change makes it smaller."""
SMALL = 70
"""Lines. A smaller file that one other file alone imports is, as a rule, a part of that one."""
MAX_SMALL_WITH_ONE_IMPORTER = 11


@cache
def trees() -> dict[str, ast.Module]:
    return {name: tree_of(path) for name, path in FILES.items()}


@pytest.mark.parametrize("count", LIMITS, ids=lambda count: count.__name__)
def test_no_more_than(count: Count):
    found = {name: [node.lineno for node in count(tree)] for name, tree in trees().items()}  # type: ignore[attr-defined]
    places = "\n".join(
        f"{name}: lines {', '.join(map(str, lines))}" for name, lines in found.items() if lines
    )
    assert sum(map(len, found.values())) <= LIMITS[count], places


def imported(name: str, tree: ast.Module) -> set[str]:
    """The files of the package that a file imports."""
    found = set()
    for node in nodes_of(tree):
        if isinstance(node, ast.ImportFrom):
            folder = name.split("/")[: -node.level] if node.level else []
            parts = (node.module or "").split(".") if node.module else []
            if node.level or parts[:1] == ["chainrule"]:
                base = "/".join(folder + parts[0 if node.level else 1 :])
                found |= {f"{base}.py"} | {
                    f"{base}/{alias.name}.py".removeprefix("/") for alias in node.names
                }
    return found & FILES.keys()


def test_small_files_with_one_importer():
    importers = Counter(other for name, tree in trees().items() for other in imported(name, tree) - {name})
    small = [
        f"{name}: {lines} lines"
        for name, path in FILES.items()
        if importers[name] == 1 and (lines := len(path.read_text("utf-8").splitlines())) < SMALL
    ]
    assert len(small) <= MAX_SMALL_WITH_ONE_IMPORTER, "\n".join(small)


def test_counts_by_hand():
    tree = ast.parse(
        "import os\n"
        "from sklearn import _a\n"
        "from .a import _b\n"
        "class C:\n"
        "    def __init__(self, x: Any, *, y: Any, z: int) -> None:\n"
        "        self._mine = x._theirs, os._exit, x._replace(y=1)\n"
        "        y.total = z\n"
        "        vars(y).update(x.__dict__)\n"
        "        setattr(y, 'n', 1)\n"
        "        setattr(self, 'n', 1)\n"
        "    def other(self, c: C) -> None:\n"
        "        c._mine = 0\n"
    )
    counted = Counter({count.__name__: sum(1 for _ in count(tree)) for count in LIMITS})
    assert counted == {"private_accesses": 2, "dict_touches": 2, "foreign_writes": 3, "bare_anys": 2}
