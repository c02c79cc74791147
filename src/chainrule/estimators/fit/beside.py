"""What is solved exactly beside a trained network of few rows, and added to its members as hidden units.

First the steps of two classes (`chainrule.estimators.fit.random_steps`), then the linear part, whose weight predictions
out of fold of the network with its steps choose (`chainrule.estimators.fit.linear_part`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import Samples
from chainrule.estimators.fit import linear_part, random_steps, regressions
from chainrule.estimators.fit.dealing import Dealt, out_of_fold
from chainrule.estimators.fit.linear_part import Bound
from chainrule.estimators.fit.regressions import Regression
from chainrule.estimators.fit.temperature import has_logits, loss_of
from chainrule.estimators.recipes.base import FoldMembers
from chainrule.model import Model

POWER_BESIDE_STEPS = 3.0
"""Beside steps a weight w of the linear part is as likely before as (1 - w)^3."""


class Beside:
    """The parts beside the members of an ensemble, each of that member's own rows.

    Outputs out of fold, (dealings, m, outputs), are those of `out_of_fold`.
    """

    def __init__(
        self, members: list[Model], samples: Samples, rows: Dealt, how: FoldMembers, ways: Sequence[str]
    ) -> None:
        """Describe the parts. samples: all rows, with standardized targets.  how: with the steps of a member.

        ways: how each input is scaled, see `regressions.input_sets`.
        """
        self.members, self.samples, self.rows, self.steps, self.ways = members, samples, rows, how.steps, ways
        self.units = how.units_beside(samples.outputs)
        self.loss, self.bound = members[0].network.loss, Bound.of(members[0])
        self.at = regressions.straight(members[0].network)

    @cached_property
    def sets(self) -> list[NDArray[np.int64]]:
        """The inputs of each regression of the linear part."""
        return regressions.input_sets(self.at, self.ways)

    @property
    def solve(self) -> Regression:
        """The regressions of the linear part."""
        return partial(regressions.logistic, loss=self.loss) if has_logits(self.loss) else regressions.solved

    def stepped(self, rows: NDArray[np.int64], random: np.random.RandomState) -> random_steps.StepPart:
        """Return the steps of a member that learns from these rows."""
        return random_steps.solved(self.samples, rows, self.at, self.ways, self.loss, self.steps, random)

    def is_in_time(self, end: float | None) -> bool:
        """Return whether the members have inputs for their parts, and time for them until a `time.monotonic()`."""

        def solve(rows: NDArray[np.int64]) -> None:
            linear_part.regressions_of(self.solve, self.samples, rows, self.at, self.sets)
            if self.steps:
                self.stepped(rows, np.random.RandomState(0))

        return len(self.at.inputs) > 0 and linear_part.is_in_time(solve, self.rows, end)

    def added(
        self, out: NDArray[np.float64], random: np.random.RandomState
    ) -> tuple[NDArray[np.float64], float]:
        """Add the parts to the members, and return the outputs out of fold with them and the weight of the linear part.

        out: those without.  random: draws the steps.
        """
        unbound = out if self.bound is None else self.bound.undone(out)
        if self.steps:
            unbound = self._with_steps(unbound, random)
        power = POWER_BESIDE_STEPS if self.steps else 0.0
        found = linear_part.chosen(
            unbound, self._log_likelihood, self.solve, self.samples, self.rows, self.at, self.sets, power
        )
        if found.weight:
            for member, part in zip(self.members, found.parts, strict=True):
                within = part if self.bound is None else self.bound.within(part)
                linear_part.add(member, self.units.line, within, found.weight, self.at)
        elif not self.steps:
            return out, 0.0
        return found.out if self.bound is None else self.bound(found.out), found.weight

    def _with_steps(self, unbound: NDArray[np.float64], random: np.random.RandomState) -> NDArray[np.float64]:
        """Add steps to the members, and return the unbound outputs out of fold with them."""
        parts = [self.stepped(own, random) for own in self.rows.learned]
        outputs, X = unbound.shape[2], self.samples.take(self.rows.rows).X
        for member, part in zip(self.members, parts, strict=True):
            within = part if self.bound is None else part._replace(sum=self.bound.within(part.sum))
            within.add(member, self.units.steps, self.at)
        z = out_of_fold(lambda member, own: parts[member](own[:, self.at.inputs]), self.rows, X, outputs)
        return (1 - random_steps.WEIGHT) * unbound + random_steps.WEIGHT * z

    @cached_property
    def _judge(self) -> Samples:
        """The rows out of fold, of which only the targets are asked for, many times."""
        judge = self.samples.take(self.rows.rows)
        return judge._replace(X=judge.X[:, :0])

    def _log_likelihood(self, unbound: NDArray[np.float64]) -> float:
        """Return that of unbound outputs out of fold, up to a constant."""
        out = unbound if self.bound is None else self.bound(unbound)
        value = loss_of(self.loss.average(out), self.loss, self._judge)
        with np.errstate(divide="ignore"):
            return -self._judge.n * (value if has_logits(self.loss) else float(np.log(value)) / 2)
