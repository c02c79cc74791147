"""Constraints on the function that a network computes, held by bounds on its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array
from chainrule.core.settings import check_count
from chainrule.errors import ConfigError
from chainrule.formulas.layers import Link
from chainrule.formulas.paths import Confined, Paths


@dataclass(frozen=True)
class Constraints:
    r"""What a network's outputs must be as functions of its inputs, for all parameters that training may find.

    monotone: for each input 1 where the outputs may never fall when it rises, -1 where they may never rise, 0 for no
    constraint; () for none at all.
    interactions: sets of inputs, as indices: the outputs are a sum of functions, each of the inputs of one set, before
    the last layers that act on single columns. The inputs in no set form one more; () for no constraint.

    They hold because parameters are bounded: after each step of an optimizer every number that is out of its bounds is
    moved to the nearest one within. Each neuron belongs to one set and has a direction, which is that of the values
    it reads or none; a weight between two values with a direction has the sign of their product, and one without a
    path is 0. So every path from an input has the sign that is asked for, d out / d x_i = sum over paths of the product
    of their factors, and a mean of such networks has it too.
    Raises ConfigError for other directions than -1, 0, 1, and for sets that are not indices.
    Source: Archer and Wang, "Application of the back propagation neural network algorithm with monotonicity
    constraints", Decision Sciences 1993 (signs); Runje and Shankaranarayana, "Constrained monotonic neural networks",
    ICML 2023 (neurons of both directions).
    """

    monotone: tuple[int, ...] = ()
    interactions: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        """Check the directions and the sets, and store them as tuples of Python integers."""
        object.__setattr__(self, "monotone", directions_of(self.monotone))
        object.__setattr__(self, "interactions", sets_of(self.interactions))

    def paths(self, inputs: int) -> Paths:
        """Return the paths of the network's inputs. Raises ConfigError for constraints on others."""
        if self.monotone and len(self.monotone) != inputs:
            raise ConfigError(
                f"monotone of Constraints must have one direction for each of the {inputs} inputs, not "
                f"{len(self.monotone)}; 0 leaves an input free."
            )
        most = max((place for each in self.interactions for place in each), default=-1)
        if most >= inputs:
            raise ConfigError(
                f"interactions of Constraints contain the input {most}, but the network's are 0 to {inputs - 1}."
            )
        named = {place for each in self.interactions for place in each}
        rest = [place for place in range(inputs) if place not in named]
        sets = np.zeros((inputs, len(self.interactions) + bool(rest)), bool)
        for number, each in enumerate([*self.interactions, rest] if rest else self.interactions):
            sets[list(each), number] = True
        return Paths(np.array(self.monotone or (0,) * inputs, np.int8), sets)


def directions_of(given: Iterable[int]) -> tuple[int, ...]:
    """Return checked directions as Python integers."""
    try:
        found = tuple(int(each) for each in given)
        is_whole = all(own == each for own, each in zip(found, given, strict=True))
    except (TypeError, ValueError):
        found, is_whole = (), False
    if not is_whole or not set(found) <= {-1, 0, 1}:
        raise ConfigError(
            f"monotone of Constraints must be a list of -1, 0 or 1, one for each input, not {given!r}."
        )
    return found


def sets_of(given: Iterable[Iterable[int]]) -> tuple[tuple[int, ...], ...]:
    """Return checked sets of inputs as sorted Python integers."""
    is_list = isinstance(given, Iterable) and all(isinstance(each, Iterable) for each in given)
    if not is_list or isinstance(given, (str, bytes)):
        raise ConfigError(
            f"interactions of Constraints must be a list of sets of inputs, such as [[0, 1], [2]], not {given!r}."
        )
    text, hint = "an input in interactions of Constraints", "inputs count from 0"
    made = tuple(
        tuple(sorted({check_count(place, "input", 0, text=text, hint=hint) for place in each}))
        for each in given
    )
    if not all(made):
        raise ConfigError("interactions of Constraints contain an empty set; leave it out.")
    return made


class Bounds(NamedTuple):
    """The bounds of every parameter of a network, in theta's layout; infinite for a number without one."""

    lower: NDArray[np.float64]  # (size,)
    upper: NDArray[np.float64]  # (size,)
    gain: NDArray[np.float64]  # (size,) a factor of the number that is drawn first

    def within(self, theta: Array, part: slice = slice(None)) -> Array:
        """Return theta (part,), of the numbers `part` of all, with each moved to the nearest one within its bounds."""
        lower, upper = (each[part].astype(theta.dtype) for each in (self.lower, self.upper))
        return theta.clip(lower, upper)

    def first(self, theta: NDArray[Any]) -> NDArray[Any]:
        """Return initial parameters within their bounds: drawn numbers of the other sign are reflected at 0."""
        drawn = np.abs(theta) * self.gain.astype(theta.dtype)
        signs = np.where(self.lower == 0, 1.0, np.where(self.upper == 0, -1.0, np.sign(theta)))
        return np.asarray(self.within((drawn * signs).astype(theta.dtype)))


def bounds_of(links: Sequence[Link], inputs: int, constraints: Constraints) -> Bounds:
    """Return the bounds by which the links of a network keep its constraints. Raises ConfigError where they cannot."""
    paths = constraints.paths(inputs)
    last = max((k for k, link in enumerate(links) if not link.layer.is_elementwise), default=-1)
    parts: list[Bounds] = []
    for k, link in enumerate(links):
        found = link.layer.confined(link.fan_in, paths, k == last)
        if found is None:
            raise ConfigError(
                f"{type(link.layer).__name__} cannot be held to constraints of its inputs; use Dense, an embedding or "
                "piecewise linear functions of the inputs, and activations that never fall, such as ReLU or Tanh."
            )
        paths = found.paths
        parts += _of_link(link, found)
    if (paths.directions < 0).any():
        raise ConfigError(
            f"{type(links[-1].layer).__name__} turns a direction around behind the last layer that combines inputs; "
            "put that one last."
        )
    return (
        Bounds(*(np.concatenate(each) for each in zip(*parts, strict=True)))
        if parts
        else Bounds(*np.zeros((3, 0)))
    )


def _of_link(link: Link, found: Confined) -> list[Bounds]:
    free = (-np.inf, np.inf, 1.0)
    return [
        Bounds(
            *(
                np.broadcast_to(each, getattr(link.params, field).shape).astype(float).ravel()
                for each in found.intervals.get(field, free)
            )
        )
        for field in getattr(link.params, "_fields", ())
    ]
