"""The xla engine: the package's formulas, compiled by JAX for the CPU or an accelerator."""

from __future__ import annotations

from chainrule.engines.xla.engine import XlaEngine

__all__ = ["XlaEngine"]
