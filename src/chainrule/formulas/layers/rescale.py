"""Rescale: a fixed factor and offset, so that a model takes its input in its stored unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chainrule.core.arrays import Array, Cache, Params
from chainrule.core.settings import number_settings
from chainrule.formulas.layers.base import Context, Layer, symmetric_tangent
from chainrule.formulas.operation import Operation
from chainrule.formulas.paths import Confined, Paths


@dataclass(frozen=True)
class Rescale(Layer):
    """A fixed factor and offset: out = scale * a + offset      dL/da = scale * delta

    Rescale(1 / 255) maps pixels from 0 to 255 to numbers from 0 to 1.
    """

    is_affine = True
    is_elementwise = True
    changes_units = True
    stacks = True
    tangent = symmetric_tangent
    scale: float
    offset: float = 0.0

    def __post_init__(self) -> None:
        """Check that scale and offset are finite numbers."""
        number_settings(self, "scale", "offset", hint="1 / 255 suits pixels")

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """out = scale * a + offset"""
        out = a * self.scale
        return (out + self.offset if self.offset else out), None

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/da = scale * delta"""
        return (), delta * self.scale

    def inverse(self, out: Array, ctx: Context) -> Array | None:
        """a = (out - offset) / scale; None where scale is 0"""
        return (out - self.offset) / self.scale if self.scale else None

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Turn every direction around if scale is negative."""
        turned = paths._replace(directions=-paths.directions) if self.scale < 0 else paths
        return Confined(turned)

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """rescale"""
        return (Operation("rescale", constants={"scale": self.scale, "offset": self.offset}),)

    def operations(self, fan_in: int) -> int:
        """Count one multiplication and one addition per feature."""
        return 2 * fan_in
