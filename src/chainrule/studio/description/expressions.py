"""Formulas as data, found by evaluating the package's own code: JavaScript then evaluates them for any settings.

Two forms, both JSON. A *product* is a number, the name of a setting, or {"times": c, "powers": {name: exponent}}: c
times the named settings to these powers. A *tree* is a number, the name of a variable as {"name": ...}, or [operator,
argument, ...].
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

Product = Any
Tree = Any
Operand: TypeAlias = "SymbolicNumber | float"
MOST_BRANCHES = 64


def product(values: Sequence[float], settings: Sequence[Mapping[str, float]]) -> Product:
    """Return the product that has values[i] for settings[i], all above 0. Raises ValueError if there is none.

    log value = log c + sum_k e_k log setting_k, a linear system whose exponents are multiples of 1/2. There must be
    more values than settings, so that a formula of another form is found out.
    """
    if all(value == values[0] for value in values):
        return values[0]
    names = list(settings[0])
    if len(values) < len(names) + 2 or min(values) <= 0:
        raise ValueError(f"no product of {', '.join(names)}: {list(values)[:3]} ...")
    logs = np.array([[1.0, *(math.log(each[name]) for name in names)] for each in settings])
    solution = np.linalg.lstsq(logs, np.log(values), rcond=None)[0]
    powers = {name: round(2 * power) / 2 for name, power in zip(names, solution[1:], strict=True)}
    found: dict[str, Any] = {
        "times": 1.0,
        "powers": {name: power for name, power in powers.items() if power != 0},
    }
    times = values[0] / evaluated(found, settings[0])
    found["times"] = float(round(times)) if math.isclose(times, round(times), rel_tol=1e-12) else times
    for value, each in zip(values, settings, strict=True):
        if not math.isclose(evaluated(found, each), value, rel_tol=1e-12):
            raise ValueError(f"no product of {', '.join(names)}: {list(values)[:3]} ...")
    return (
        next(iter(found["powers"])) if found["times"] == 1 and [*found["powers"].values()] == [1] else found
    )


def evaluated(found: Product, settings: Mapping[str, float]) -> float:
    """Return the value of a product for some settings."""
    if isinstance(found, str):
        return float(settings[found])
    if not isinstance(found, dict):
        return float(found)
    powers: Mapping[str, float] = found["powers"]
    return float(found["times"]) * math.prod(float(settings[name] ** power) for name, power in powers.items())


class _Undecided(Exception):
    """Raised where a traced function asks for a condition whose answer has not been chosen yet."""

    def __init__(self, condition: Tree) -> None:
        super().__init__()
        self.condition = condition


class SymbolicNumber:
    """A number that records what is computed from it, as an array of the Python array API with itself as namespace."""

    def __init__(self, tree: Tree, answers: Sequence[bool] = (), asked: list[Tree] | None = None) -> None:
        """Keep the tree; answers: those of the conditions that were asked before, in order."""
        self.tree, self.answers, self.asked = tree, answers, [] if asked is None else asked

    def __array_namespace__(self, api_version: str | None = None) -> SymbolicNumber:
        """Return self, whose functions record too."""
        return self

    def __bool__(self) -> bool:
        """Answer a condition as chosen for this evaluation."""
        if len(self.asked) >= len(self.answers):
            raise _Undecided(self.tree)
        self.asked.append(self.tree)
        return self.answers[len(self.asked) - 1]

    def made(self, operator: str, *arguments: Operand) -> SymbolicNumber:
        """Return the result of an operator."""
        trees = [each.tree if isinstance(each, SymbolicNumber) else each for each in arguments]
        if not all(isinstance(tree, (int, float, list, dict)) for tree in trees):
            raise TypeError(f"cannot record {trees}")
        return SymbolicNumber([operator, *trees], self.answers, self.asked)

    def __add__(self, other: Operand) -> SymbolicNumber:
        return self.made("+", self, other)

    def __radd__(self, other: Operand) -> SymbolicNumber:
        return self.made("+", other, self)

    def __sub__(self, other: Operand) -> SymbolicNumber:
        return self.made("-", self, other)

    def __rsub__(self, other: Operand) -> SymbolicNumber:
        return self.made("-", other, self)

    def __mul__(self, other: Operand) -> SymbolicNumber:
        return self.made("*", self, other)

    def __rmul__(self, other: Operand) -> SymbolicNumber:
        return self.made("*", other, self)

    def __truediv__(self, other: Operand) -> SymbolicNumber:
        return self.made("/", self, other)

    def __rtruediv__(self, other: Operand) -> SymbolicNumber:
        return self.made("/", other, self)

    def __neg__(self) -> SymbolicNumber:
        return self.made("-", 0, self)

    def __rpow__(self, other: Operand) -> SymbolicNumber:
        return self.made("power", other, self)

    def __lt__(self, other: Operand) -> SymbolicNumber:
        return self.made("<", self, other)

    def __gt__(self, other: Operand) -> SymbolicNumber:
        return self.made("<", other, self)

    def __ge__(self, other: Operand) -> SymbolicNumber:
        return self.made("<=", other, self)

    def cos(self, x: Operand) -> SymbolicNumber:
        """Record cos x."""
        return self.made("cos", x)

    def log2(self, x: Operand) -> SymbolicNumber:
        """Record the binary logarithm."""
        return self.made("log2", x)

    def power(self, x: Operand, y: Operand) -> SymbolicNumber:
        """Record x to the power y."""
        return self.made("power", x, y)

    def clip(self, x: Operand, low: float, high: float) -> SymbolicNumber:
        """Record min(max(x, low), high)."""
        return self.made("clip", x, low, high)

    def where(self, condition: Operand, x: Any, y: Operand) -> SymbolicNumber:
        """Record x where the condition holds, else y."""
        return self.made("where", condition, x, y)

    def ones_like(self, x: Operand, dtype: object = None) -> SymbolicNumber:
        """Record 1."""
        return SymbolicNumber(1, self.answers, self.asked)


def traced(function: Callable[[Mapping[str, SymbolicNumber]], Any], names: Iterable[str]) -> Tree:
    """Return the tree of what a function computes from variables of these names.

    A condition that Python's own `if`, `or` or `max` asks for becomes a "where" of both answers. Raises TypeError or
    AttributeError for a function that does something else.
    """
    names, count = list(names), itertools.count()

    def tree_for(answers: tuple[bool, ...]) -> Tree:
        if next(count) > MOST_BRANCHES:
            raise TypeError("too many conditions")
        asked: list[Tree] = []
        try:
            result = function({name: SymbolicNumber({"name": name}, answers, asked) for name in names})
        except _Undecided as question:
            return ["where", question.condition, tree_for((*answers, True)), tree_for((*answers, False))]
        return result.tree if isinstance(result, SymbolicNumber) else float(result)

    return tree_for(())
