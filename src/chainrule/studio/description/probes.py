"""Settings to try a class with: distinct numbers for its numeric settings, every value of the others."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ConfigError
from chainrule.studio.description.expressions import Product, product
from chainrule.trained.persistence import encode

PRIMES = (11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)
CHOICES: Mapping[str, tuple[str, ...]] = {"parametrization": ("standard", "ntk")}
"""The values of settings that are names."""


def numbers(count: int, seed: int) -> NDArray[np.float64]:
    """Return `count` random numbers between 0 and 1, which most settings may be."""
    return np.random.default_rng(seed).uniform(0.15, 0.85, count).round(6)


class ProbedClass:
    """A class of the package with its settings by kind, and instances of it."""

    def __init__(self, of: type[Any], **given: Any) -> None:
        """List the settings; given: those that are not varied."""
        self.of, self.given = of, given
        fields = [field for field in dataclasses.fields(of) if field.init]
        self.counts = [f.name for f in fields if str(f.type) == "int"]
        self.reals = [f.name for f in fields if str(f.type).startswith("float") and f.name not in given]
        self.flags = [f.name for f in fields if str(f.type) == "bool"]
        self.names = [f.name for f in fields if f.name in CHOICES]
        self.defaults = {f.name: encode(f.default) for f in fields if f.default is not dataclasses.MISSING}
        self.required = [f.name for f in fields if f.default is dataclasses.MISSING]

    def cases(self) -> Iterator[dict[str, Any]]:
        """Iterate over what may change the form: each flag, each name, and 0 or another number if 0 is the default."""
        switches = [name for name in self.reals if self.defaults.get(name) == 0]
        choices: list[list[tuple[str, Any]]] = [
            *([(name, value) for value in (False, True)] for name in self.flags),
            *([(name, value) for value in CHOICES[name]] for name in self.names),
            *([(name, value) for value in (0, "other")] for name in switches),
        ]
        yield from map(dict, itertools.product(*choices))

    def tries(self, case: Mapping[str, Any], extra: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """Return numeric settings to try in a case.

        extra: names of other whole numbers, such as fan_in; with fan_out, fans is fan_in + fan_out.
        """
        wholes = [*self.counts, *extra]
        has_fans = "fan_out" in extra
        reals = [name for name in self.reals if case.get(name) != 0]
        found = []
        for i in range(len(wholes) + len(reals) + 5):
            primes = np.random.default_rng(i).permutation(PRIMES)
            found.append(
                dict(zip(wholes, map(int, primes), strict=False))
                | {
                    name: float(number) + (1 < (self.defaults.get(name) or 0) < 2)  # a power from 1 to 2
                    for name, number in zip(reals, numbers(len(reals), i), strict=True)
                }
            )
            if has_fans:
                found[-1]["fans"] = found[-1]["fan_in"] + found[-1]["fan_out"]
        return found

    def instance(self, case: Mapping[str, Any], tried: Mapping[str, Any], **more: Any) -> Any:
        """Return an instance with the settings of a case and a try."""
        own = {name: value for name, value in tried.items() if name in (*self.counts, *self.reals)}
        fixed = {name: value for name, value in case.items() if value != "other"}
        return self.of(**(self.given | fixed | own | more))


def merged(found: list[Any], tries: list[dict[str, Any]]) -> Any:
    """Return one description from those of each try: numbers that differ become products of the settings."""
    first = found[0]
    if isinstance(first, dict):
        return {key: merged([each[key] for each in found], tries) for key in first}
    if isinstance(first, (list, tuple)):
        return [merged(list(each), tries) for each in zip(*found, strict=True)]
    if isinstance(first, bool) or first is None or isinstance(first, str):
        if any(each != first for each in found):
            raise ValueError(f"the settings change {first!r} too")
        return first
    return of_product(product([float(each) for each in found], tries))


def of_product(found: Product) -> Product:
    """Return a product with whole numbers as such."""
    if isinstance(found, float) and found.is_integer():
        return int(found)
    return found


def described(
    probe: ProbedClass, data: Callable[[Any, dict[str, Any]], dict[str, Any]], extra: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return a class's settings and its cases, without the invalid ones. data(instance, tried): what is described."""
    cases = []
    for case in probe.cases():
        tries = probe.tries(case, extra)
        try:
            found = [data(probe.instance(case, tried), tried) for tried in tries]
        except ConfigError:
            continue
        cases.append({"when": case} | merged(found, tries))
    same = all({**case, "when": 0} == {**cases[0], "when": 0} for case in cases)
    if same:
        cases = [cases[0] | {"when": {}}]
    return {"settings": probe.defaults, "required": probe.required, "cases": cases}
