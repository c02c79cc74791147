"""Train the members of an ensemble in lock-step: each in its own session, as many at once as there are cores.

To the loop they are one session: its theta is (members, size), its sums are means over the members, and all of them
take a call. So callbacks, schedules and checkpoints see one run, whose validation is that of the average.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import hints
from chainrule.core.arrays import RowsLike
from chainrule.core.random import generator
from chainrule.core.threads import in_turns
from chainrule.data.samples import Samples
from chainrule.engines import Engine, Plan, StepSettings
from chainrule.errors import ConfigError, NonFiniteError
from chainrule.trained.evaluation import average, evaluate_outputs, outputs_of_each
from chainrule.training.callbacks import Callback, Checkpoint
from chainrule.training.run import Run
from chainrule.training.trainers import ByGradient

FEW_PLACES = 1 << 15
"""How many places of samples one thread draws before others have started."""


class Members(NamedTuple):
    """The members still in training: a state of the ensemble besides the running statistics of its links."""

    in_training: NDArray[np.bool_]  # (members,), False for a diverged one


def joined(states: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the states of all members as one dict: those of member 2 under "2/batch_norm_1"."""
    return {f"{i}/{name}": state for i, own in enumerate(states) for name, state in own.items()}


def of_each(states: Mapping[str, Any], members: int) -> list[dict[str, Any]]:
    """Return the states of each member from those of all, as `joined` names them."""
    found: list[dict[str, Any]] = [{} for _ in range(members)]
    for name, state in states.items():
        member, _, own = name.partition("/")
        if own:  # "members" is a state of the ensemble
            found[int(member)][own] = state
    return found


class EnsembleSession:
    """The sessions of all members as one. See `Session`; theta is (members, size), rows are (n,) or (n, members).

    A member whose step produces NaN or infinity leaves the training with a warning, and its parameters become zero; the
    error of the last one is raised.
    """

    call_steps: int | None = None

    def __init__(
        self,
        engine: Engine,
        plan: Plan,
        seeds: Sequence[int],
        theta: NDArray[Any],
        states: dict[str, Any],
        step_offset: int,
    ) -> None:
        """Make a session for each member, which trains its row of theta in place with draws from its seed."""
        self.plan, self.theta, self.workers, self.taken = plan, theta, engine.workers(), 0
        # Calls are long enough that a member keeps its core, as a single model does, and its weights the core's cache.
        self.turns = -(-len(seeds) // (plan.group or self.workers))
        self.in_training = np.ones(len(seeds), bool)
        each = plan._replace(threads=max(1, self.workers // len(seeds)))
        self.sessions = [
            engine.session(each._replace(seed=seed), row, own, plan.optimizer.init(row), step_offset)
            for seed, row, own in zip(seeds, theta, of_each(states, len(seeds)), strict=True)
        ]
        self.sums, self.row_sums = np.zeros(3), np.zeros(2)

    @property
    def compiles(self) -> bool:
        """Whether its first step waits for compilation."""
        return self.sessions[0].compiles

    @property
    def members(self) -> list[int]:
        """The indices of the members in training."""
        found: list[int] = np.flatnonzero(self.in_training).tolist()
        return found

    def steps(self, samples: Samples, rows: NDArray[np.int64], settings: StepSettings, first: int) -> None:
        """Take the steps of a call for every member. rows: common ones (n,), or one column per member (n, members).

        Raises the NonFiniteError of the last member in training.
        """
        chosen = self.members
        if not (self.sums.any() or self.row_sums.any()):  # set to zero at the start of an epoch
            for i in chosen:
                self.sessions[i].sums[...] = 0
                self.sessions[i].row_sums[...] = 0
        take = self._in_turns if self.plan.group is None else partial(self._side_by_side, self.plan.group)
        errors = take(samples, rows, settings, first)
        for i in sorted(errors):
            self._drop(i, errors[i])
        chosen = self.members
        self.sums[...] = np.mean([self.sessions[i].sums for i in chosen], 0)
        self.row_sums[...] = np.mean([self.sessions[i].row_sums for i in chosen], 0)
        self.taken += len(settings.rate)

    def _in_turns(
        self, samples: Samples, rows: NDArray[np.int64], settings: StepSettings, first: int
    ) -> dict[int, NonFiniteError]:
        """Take the steps for as many members at once as there are cores; return the errors by member."""
        chosen, errors = self.members, dict[int, NonFiniteError]()
        pieces = 1 if len(chosen) % self.workers == 0 else self.workers  # so that no core is idle at the end
        in_turns(
            [self._pieces(i, samples, rows, settings, first, pieces, errors) for i in chosen], self.workers
        )
        return errors

    def _side_by_side(
        self, size: int, samples: Samples, rows: NDArray[np.int64], settings: StepSettings, first: int
    ) -> dict[int, NonFiniteError]:
        """Take the steps for `size` members at a time, in one program; return the errors by member."""
        from chainrule.engines.xla.engine import step_together

        chosen, errors = self.members, dict[int, NonFiniteError]()
        for begin in range(0, len(chosen), size):
            some = chosen[begin : begin + size]
            mine = rows if rows.ndim == 1 else rows[:, some]
            sessions: Any = [self.sessions[i] for i in some]
            found = step_together(sessions, samples, mine, settings, first)
            errors |= {some[place]: error for place, error in found.items()}
        return errors

    def _pieces(
        self,
        i: int,
        samples: Samples,
        rows: NDArray[np.int64],
        settings: StepSettings,
        first: int,
        pieces: int,
        errors: dict[int, NonFiniteError],
    ) -> Iterator[None]:
        """Take the steps of member i in several pieces, which are empty where there are fewer steps."""
        mine, size = rows if rows.ndim == 1 else rows[:, i], self.plan.batch_size
        steps = len(settings.rate)
        try:
            for begin, end in pairwise(steps * k // pieces for k in range(pieces + 1)):
                part = settings.part(begin, end)
                self.sessions[i].steps(samples, mine[begin * size : end * size], part, first + begin)
                yield
        except NonFiniteError as error:
            errors[i] = error

    def _drop(self, i: int, error: NonFiniteError) -> None:
        """Remove a member from the training."""
        if self.members == [i]:
            raise error
        self.in_training[i] = False
        self.theta[i] = 0
        self.sessions[i].states = self.plan.network.initial_states(self.theta.dtype)
        hints.give(f"member {i} diverged and is removed from the ensemble: {error}")

    def synchronize(self) -> None:
        """Make theta and the states current."""
        for session in self.sessions:
            session.synchronize()

    @property
    def step_offset(self) -> int:
        """The number of steps before this run."""
        return self.sessions[0].step_offset

    @step_offset.setter
    def step_offset(self, steps: int) -> None:
        for session in self.sessions:
            session.step_offset = steps

    @property
    def states(self) -> dict[str, Any]:
        """The running statistics of all members, named as by `joined`, and the members in training under "members"."""
        return joined([s.states for s in self.sessions]) | {"members": Members(self.in_training)}

    @states.setter
    def states(self, states: dict[str, Any]) -> None:
        for session, own in zip(self.sessions, of_each(states, len(self.sessions)), strict=True):
            session.states = own
        self.in_training = np.array(states["members"].in_training)

    def end(self) -> None:
        """End the session of each member: no step may follow. `optimizer_state` is still read back on demand."""
        for session in self.sessions:
            if hasattr(session, "end"):
                session.end()

    @property
    def optimizer_state(self) -> Any:
        """The optimizer's NamedTuple, of arrays (members, size); its numbers () are the same for all members."""
        states = [session.optimizer_state for session in self.sessions]
        now = states[self.members[0]]
        leaves = zip(now, zip(*states, strict=True), strict=True)
        return type(now)(*(np.stack(each) if np.ndim(one) else one for one, each in leaves))

    @optimizer_state.setter
    def optimizer_state(self, state: Any) -> None:
        for i, session in enumerate(self.sessions):
            session.optimizer_state = type(state)(*(leaf[i] if np.ndim(leaf) else leaf for leaf in state))


@dataclass(frozen=True)
class ByMembers(ByGradient):
    """The gradient trainer of an ensemble."""

    seeds: tuple[int, ...]
    own_batches: bool
    """whether each member has its own order of the samples"""

    def session(
        self, engine: Engine, plan: Plan, theta: NDArray[Any], states: dict[str, Any], step_offset: int
    ) -> Any:
        """Make the sessions of all members. theta: (members, size)."""
        return EnsembleSession(engine, plan, self.seeds, theta, states, step_offset)

    def check(self, run: Run) -> None:
        """Check that checkpoints are written only at the end of epochs, and no callback is for a single network."""
        for callback in run.settings.callbacks:
            if callback.of_one_network:
                raise ConfigError(
                    f"{type(callback).__name__} reads one network; omit it from an ensemble's fit, or train "
                    "a Model of a member's seed with it."
                )
        if any(
            isinstance(callback, Checkpoint) and callback.every_steps for callback in run.settings.callbacks
        ):
            raise ConfigError(
                "every_steps of Checkpoint is for one model; an ensemble has a checkpoint after each epoch."
            )

    def identity(self) -> dict[str, Any]:
        """Return the members' seeds, and whether they have their own batches."""
        return {"members": list(self.seeds), "own batches": self.own_batches}

    def validate(self, run: Run) -> dict[str, float]:
        """Compute the loss and the metrics of the average over the members in training, and their mean penalty."""
        session: Any = run.session
        samples = run.validation
        assert samples is not None
        chosen, network = session.members, run.plan.network
        thetas, states = session.theta[chosen], [session.sessions[i].states for i in chosen]

        def predict(X: RowsLike) -> NDArray[Any]:
            return outputs_of_each(run.walks, list(thetas), states, X)

        out, samples = samples.evaluated(predict)
        return evaluate_outputs(network, thetas, average(network, out), samples, run.settings.metrics)

    def order(self, run: Run) -> NDArray[np.int64]:
        """Draw the order of the samples for each member (n, members): that of a model with its seed."""
        n, epoch = run.samples.n, run.epochs_before + run.epoch
        orders = np.empty((n, len(self.seeds)), np.int64, order="F")

        def draw(i: int, seed: int) -> Iterator[None]:
            orders[:, i] = generator(seed, "shuffle", epoch).permutation(n)  # without the interpreter lock
            yield

        session: Any = run.session
        drawn = [draw(i, seed) for i, seed in enumerate(self.seeds)]
        in_turns(drawn, session.workers if orders.size > FEW_PLACES else 1)
        return orders


class WholeEpochs(Callback):
    """Return to the end of the last whole epoch if a run ends within one, where members may be at different steps.

    A run that a callback ends within its first epoch, or whose plan for a time limit ends within one, does not return,
    because all members are at the same step.
    """

    def on_train_begin(self, run: Run) -> None:
        """Store the parameters and states."""
        self.kept = run.snapshot()

    def on_epoch_end(self, run: Run) -> None:
        """Store those of this epoch."""
        self.kept = run.snapshot()

    def on_train_end(self, run: Run) -> None:
        """Restore them."""
        if run.error is not None or (run.position and run.epoch and run.shortened is None):
            run.restore(self.kept)
            run.position = 0
