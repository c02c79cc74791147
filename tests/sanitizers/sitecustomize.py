"""Every interpreter of `make sanitize` imports this as it starts, child processes too: _native is another build.

CHAINRULE_NATIVE: the module's file. A place on the path would not do: an editable installation has its own finder.
CHAINRULE_PYTHON: what starts a child process, where it is not the interpreter itself, as under an emulator.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from typing import Any


class Instead:
    """Finds one module."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "chainrule.engines.native._native":
            return None
        return importlib.util.spec_from_file_location(name, os.environ["CHAINRULE_NATIVE"])


sys.meta_path.insert(0, Instead)
sys.executable = os.environ.get("CHAINRULE_PYTHON", sys.executable)
