"""The native engine: runs a network's program in C++. The compiled module is `_native` in this folder."""

from __future__ import annotations

from chainrule.engines.native.engine import REASON, NativeEngine, instruction_set

__all__ = ["REASON", "NativeEngine", "instruction_set"]
