"""The syntax trees of Python files, for tests that read them: each is parsed once in a process."""

from __future__ import annotations

import ast
import gc
from functools import cache
from pathlib import Path


@cache
def tree_of(path: Path) -> ast.Module:
    """Parse a file, without looks for garbage among its nodes, of which there is none: three quarters of the time.

    The tree is shared: nobody changes it.
    """
    text, was_enabled = path.read_text("utf-8"), gc.isenabled()
    gc.disable()
    try:
        return ast.parse(text)
    finally:
        if was_enabled:
            gc.enable()


@cache
def nodes_of(tree: ast.Module) -> tuple[ast.AST, ...]:
    """All nodes of a tree in the order of `ast.walk`, which takes as long as to parse it: walked once in a process."""
    return tuple(ast.walk(tree))
