"""Lazy imports: packages whose names are loaded on first use, to save import time.

__getattr__, __dir__ = lazy(__name__, {"history": "History", "listeners": "CSVLog Listener"})
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def lazy(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package. modules: the names defined in each of its modules.

    A module whose name begins with a dot is one beside the package.
    """
    homes = {name: module for module, names in modules.items() for name in names.split()}
    space = vars(sys.modules[package])

    def load(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        space[name] = value = getattr(import_module(f".{homes[name]}", package), name)
        return value

    return load, lambda: sorted({*space, *homes})
