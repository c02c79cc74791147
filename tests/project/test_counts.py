"""What couples the modules of the package, counted over its syntax trees: no count may grow."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from sources import nodes_of, tree_of

PACKAGE = Path(__file__).parents[2] / "src" / "chainrule"
OWN = ("self", "cls")
NAMEDTUPLE = ("_asdict", "_field_defaults", "_fields", "_make", "_replace")
"""Public, in spite of the underscore, which keeps them apart from the fields."""


def module_of(path: Path) -> str:
    """src/chainrule/core/files.py is chainrule.core.files, and a folder's __init__.py the folder."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


Modules = dict[str, ast.Module]
FILES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
MODULES = {module_of(path): path for path in FILES.values()}


# --- what one file does to the objects of another


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
            own = (alias.name.split(".") for alias in node.names if alias.name.startswith("chainrule."))
            yield from (node for parts in own if any(map(is_private, parts)))
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


Count = Callable[[ast.Module], Iterator[ast.AST]]
LIMITS: dict[Count, int] = {private_accesses: 6, foreign_writes: 146}
"""The largest number that each may have; lower it where a change makes it smaller."""


@pytest.mark.parametrize("count", LIMITS, ids=lambda count: count.__name__)
def test_no_more_than(count: Count):
    found = {name: [node.lineno for node in count(tree_of(path))] for name, path in FILES.items()}  # type: ignore[attr-defined]
    places = "\n".join(
        f"{name}: lines {', '.join(map(str, lines))}" for name, lines in found.items() if lines
    )
    assert sum(map(len, found.values())) <= LIMITS[count], places


def test_counts_by_hand():
    tree = ast.parse(
        "import os, sklearn._b, chainrule.a._c\n"
        "from sklearn import _a\n"
        "from .a import _b\n"
        "class C:\n"
        "    def __init__(self, x, *, y, z: int) -> None:\n"
        "        self._mine = x._theirs, os._exit, x._replace(y=1)\n"
        "        y.total = z\n"
        "        setattr(y, 'n', 1)\n"
        "        setattr(self, 'n', 1)\n"
        "    def other(self, c: C) -> None:\n"
        "        c._mine = 0\n"
    )
    assert {count.__name__: sum(1 for _ in count(tree)) for count in LIMITS} == {
        "private_accesses": 3,
        "foreign_writes": 3,
    }


# --- what belongs together and lies apart


def imported_names(tree: ast.Module, modules: Modules) -> dict[str, tuple[str, str]]:
    """What a file imports from the package, by its name here: the module and the name there, "" for a module itself."""
    found = {}
    for node in nodes_of(tree):
        if isinstance(node, ast.ImportFrom) and node.module in modules:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found[alias.asname or alias.name] = (
                    (whole, "") if whole in modules else (node.module, alias.name)
                )
    return found


def definitions_for_another_file(modules: Modules) -> list[str]:
    """Functions and classes at the top of a file that one other file uses, and nothing else, not their own file either.

    A use is where the name is read, in a type too; that a package lists it among its own names is none.
    """
    imported = {module: imported_names(tree, modules) for module, tree in modules.items()}
    definitions = {
        (module, node.name): node
        for module, tree in modules.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    users: dict[tuple[str, str], set[str]] = defaultdict(set)
    for module, tree in modules.items():
        for node in nodes_of(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                home, name = imported[module].get(node.id, (module, node.id))
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                home, name = imported[module].get(node.value.id, ("", ""))
                name = "" if name else node.attr  # of a module, not of a name in one
            else:
                continue
            if (home, name) not in definitions:  # a package hands on what is defined elsewhere
                home, name = imported.get(home, {}).get(name, (home, name))
            definition = definitions.get((home, name))
            if definition is not None and (
                module != home
                or node.lineno not in range(definition.lineno, (definition.end_lineno or 0) + 1)
            ):
                users[home, name].add(module)
    return [
        f"{home}.{name}: {user}"
        for (home, name), (user, *more) in sorted(users.items())
        if not more and user != home
    ]


def folders_that_import_each_other(modules: Modules, packages: set[str]) -> list[str]:
    """Pairs of folders of one room, a folder of the package: its own files count as one folder beside those in it."""

    def folder_of(module: str) -> tuple[str, str]:
        parts = module.split(".")
        folder = parts if module in packages else parts[:-1]
        return ".".join(folder[:2]), ".".join(folder[:3])

    edges = {
        (folder_of(module), folder_of(home))
        for module, tree in modules.items()
        for home, _ in imported_names(tree, modules).values()
    }
    return sorted(
        f"{one[1]} and {other[1]}"
        for one, other in edges
        if one[0] == other[0] != "chainrule" and one < other and (other, one) in edges
    )


@cache
def trees() -> Modules:
    return {module: tree_of(path) for module, path in MODULES.items()}


def inner_names(tests: list[ast.Module]) -> list[str]:
    """What tests import from modules of a room, instead of from the package or from the room itself."""
    return sorted(
        {
            f"{node.module}.{alias.name}"
            for tree in tests
            for node in nodes_of(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chainrule.")
            for alias in node.names
            if (node.module or "").count(".") > 1
        }
    )


MAX_DEFINITIONS_FOR_ANOTHER_FILE = 313
MAX_FOLDERS_THAT_IMPORT_EACH_OTHER = 1
MAX_INNER_NAMES_IN_TESTS = 749
"""These may only fall: whoever makes them fewer writes the new number."""


def test_definitions_for_another_file():
    found = definitions_for_another_file(trees())
    assert len(found) <= MAX_DEFINITIONS_FOR_ANOTHER_FILE, (
        f"{len(found)} functions and classes have their one user in another file; move them there, or join the files, "
        "until there are no more than before:\n" + "\n".join(found)
    )


def test_folders_that_import_each_other():
    packages = {module for module, path in MODULES.items() if path.name == "__init__.py"}
    found = folders_that_import_each_other(trees(), packages)
    assert len(found) <= MAX_FOLDERS_THAT_IMPORT_EACH_OTHER, (
        f"{len(found)} pairs of folders of a room import each other; move what both need into one of them, or beneath "
        "both, until there are no more than before:\n" + "\n".join(found)
    )


def test_inner_names_in_tests():
    found = inner_names([tree_of(path) for path in sorted(Path(__file__).parents[1].rglob("*.py"))])
    assert len(found) <= MAX_INNER_NAMES_IN_TESTS, (
        f"tests import {len(found)} names of inner modules; use what is public, as a model or the command, "
        "until there are no more than before:\n" + "\n".join(found)
    )


def test_inner_names_by_hand():
    """Neither those of the package and of a room, nor one that two tests import, twice."""
    text = "from chainrule import a\nfrom chainrule.room import b\nfrom chainrule.room.c import d, e"
    other = "def f():\n    from chainrule.room.c import e as g\n    from chainruled.room.c import h"
    assert inner_names([ast.parse(text), ast.parse(other)]) == ["chainrule.room.c.d", "chainrule.room.c.e"]


def test_ratchets_by_hand():
    """Used by one file: f, by a call, g by the name that a package hands on, and h as an attribute of its module."""
    texts = {
        "chainrule.room": "from chainrule.room.inside.a import g",
        "chainrule.room.inside.a": "def f(): f()\ndef g(): ...\ndef h(): ...\ndef used_here(): ...\nused_here()",
        "chainrule.room.b": "from chainrule.room import g\nfrom chainrule.room.inside.a import f\ng(f())",
        "chainrule.room.c": "from chainrule.room.inside import a\na.h()\na.used_here()\ndef unused(): ...",
        "chainrule.room.inside": "from chainrule.room import b",
    }
    modules = {module: ast.parse(text) for module, text in texts.items()}
    inside = "chainrule.room.inside.a"
    assert definitions_for_another_file(modules) == [
        f"{inside}.f: chainrule.room.b",
        f"{inside}.g: chainrule.room.b",
        f"{inside}.h: chainrule.room.c",
    ]
    found = folders_that_import_each_other(modules, {"chainrule.room", "chainrule.room.inside"})
    assert found == ["chainrule.room and chainrule.room.inside"]
