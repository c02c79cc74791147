"""The xla engine: the formulas as they stand, compiled by JAX for the processor or an accelerator."""

from __future__ import annotations

from chainrule.engines.xla.engine import XlaEngine

__all__ = ["XlaEngine"]
