"""The native engine: C++ walks a network's program, a whole run of steps in one call.

`native/` holds the C++, under the same file names as the maths here. This file moves numbers between theta's layout and
the kernels' own, and decides on threads and instruction sets.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import Samples
from chainrule.engines import diagnosis
from chainrule.engines.base import Plan, StepSettings
from chainrule.engines.native.program import Program, settings_of, unknown
from chainrule.engines.native.samples import as_it_lies, as_rows, is_direct
from chainrule.engines.native.threads import announce, cores, threads
from chainrule.errors import ConfigError, NonFiniteError
from chainrule.formulas import losses, optimizers
from chainrule.network.network import Network

CHUNK = 1 << 24
"""Numbers converted at a time where the samples do not lie as the kernels read them: wide sparse rows stay few."""

try:
    from chainrule.engines.native import _native
except ImportError:
    REASON: str | None = (
        "it was not built when the package was installed, which needs GCC or Clang (on Windows clang++, not MSVC)"
    )
else:
    REASON = None
    announce()


def instruction_set() -> str:
    """The instruction set in use: CHAINRULE_ISA, or the best that the processor has."""
    known: list[str] = _native.instruction_sets()
    wanted = os.environ.get("CHAINRULE_ISA", known[0])
    if wanted not in known:
        raise ConfigError(
            f"CHAINRULE_ISA must be one of {', '.join(known)} on this processor, not {wanted!r}."
        )
    return wanted


def workers() -> int:
    """How many threads a session works with at most: more than there are cores only take turns on them."""
    return min(threads(), cores())


class NativeEngine:
    """Runs every layer, loss and first-order optimizer of this package; layers of your own go to the reference."""

    name = "native"

    def refusal(self, plan: Plan) -> str | None:
        """Why it cannot run this, or None."""
        network, optimizer = plan.network, plan.optimizer
        if REASON is not None:
            return REASON
        link = unknown(network)
        if link is not None:
            return f"it does not know the layer {link.name} ({type(link.layer).__name__})"
        if type(network.loss) not in losses.LOSSES.values():
            return f"it does not know the loss {type(network.loss).__name__}"
        if type(optimizer) not in optimizers.OPTIMIZERS.values():
            return f"it does not know the optimizer {type(optimizer).__name__}"
        return None

    def session(
        self, plan: Plan, theta: NDArray[Any], states: dict[str, Any], optimizer_state: Any, clock: int
    ) -> NativeSession:
        """Train theta in place."""
        return NativeSession(plan, theta, states, optimizer_state, clock)

    def predict(
        self, network: Network, theta: NDArray[Any], states: dict[str, Any], X: Any, batch_size: int
    ) -> NDArray[Any]:
        """The forward walk, rows shared among threads."""
        return self.bind(network, theta, states, min(X.shape[0], max(batch_size, 256)))(X)

    def bind(
        self, network: Network, theta: NDArray[Any], states: dict[str, Any], capacity: int
    ) -> NativeWalk:
        """The forward walk with these numbers, ready: `capacity` rows at a time."""
        return NativeWalk(network, theta, states, capacity)


class NativeWalk:
    """The forward walk, its numbers already where the kernels want them."""

    def __init__(self, network: Network, theta: NDArray[Any], states: dict[str, Any], capacity: int) -> None:
        """Copy theta and the states; later changes of them do not count."""
        self.inputs, self.outputs, self.dtype = network.inputs, network.outputs, theta.dtype
        run = _native.Run(batch_size=capacity, threads=workers())
        program = Program(network, frozenset())
        self.native = _native.Session(
            isa=instruction_set(),
            program=program.native,
            run=run,
            capacity=capacity,
            trains=False,
            is_double=theta.dtype == np.float64,
        )
        self.native.set_theta(theta)
        program.put_states(self.native, states, theta.dtype)
        self.row = self.native.predict_row
        """row(x, out): the short way for one row; -1 where it does not do, otherwise the greatest output's number"""

    def __call__(self, X: Any) -> NDArray[Any]:
        """The output (n, outputs) for X (n, inputs)."""
        out = np.empty((X.shape[0], self.outputs), self.dtype)
        if is_direct(X):
            self.native.predict(as_it_lies(X), out)
            return out
        rows = max(1, CHUNK // self.inputs)
        for start in range(0, X.shape[0], rows):
            self.native.predict(as_rows(X[start : start + rows], self.dtype), out[start : start + rows])
        return out

    def unchecked(self, X: Any) -> NDArray[Any] | None:
        """The output for rows that nobody has looked at; None if the kernels cannot read them or one is not finite."""
        if (
            type(X) is not np.ndarray
            or X.ndim != 2
            or X.shape[1] != self.inputs
            or not len(X)
            or not is_direct(X)
        ):
            return None
        out = np.empty((len(X), self.outputs), self.dtype)
        return out if self.native.predict(X, out) else None


class NativeSession:
    """Training steps in C++. See `Session`.

    The kernels hold the numbers between steps. theta and the states come back at a `pull`, the optimizer's state when
    it is asked for; what was brought back goes to the kernels again before the next step: somebody may have changed it.
    """

    call_steps: int | None = None

    def __init__(
        self, plan: Plan, theta: NDArray[Any], states: dict[str, Any], optimizer_state: Any, clock: int
    ) -> None:
        """Compile the plan. The kernels get the numbers at the first step after this or a `pull`."""
        self.is_ahead = False  # whether the kernels' theta and states are newer than these attributes
        self.moments_ahead = False  # the same of the optimizer's state
        self.are_moments_zero = True  # in the kernels
        self.looked_at: Samples | None = None  # whose weights were looked through
        self.found_weights = False
        self.plan, self.theta, self.clock = plan, theta, clock
        self.states, self._optimizer_state = states, optimizer_state
        self.tally = np.zeros(3)
        self.program = Program(plan.network, plan.frozen)
        run = _native.Run(
            **settings_of(plan.optimizer),
            clip_norm=plan.clip_norm or 0.0,
            clip_value=plan.clip_value or 0.0,
            batch_size=plan.batch_size,
            seed=plan.seed,
            threads=workers(),
            bf16=plan.precision == "bf16",
        )
        self.native = _native.Session(
            isa=instruction_set(),
            program=self.program.native,
            run=run,
            capacity=plan.batch_size,
            trains=True,
            is_double=theta.dtype == np.float64,
        )

    @property
    def taken(self) -> int:
        """Steps completed."""
        taken: int = self.native.taken()
        return taken

    def steps(self, samples: Samples, rows: NDArray[np.int64], settings: StepSettings, first: int) -> None:
        """All of them in one call, or a few where the samples must be converted first."""
        self.push()
        self.is_ahead = self.moments_ahead = (
            True  # before the call: an interrupt may come instead of its answer
        )
        size = self.plan.batch_size
        direct = is_direct(samples.X)
        all_steps = len(settings.rate)
        done, each = 0, all_steps if direct else max(1, CHUNK // (size * samples.X.shape[1]))
        while done < all_steps:
            count = min(each, all_steps - done)
            rate, decay, dropout = map(np.ascontiguousarray, settings.part(done, done + count))
            chosen = rows[done * size : (done + count) * size]
            part = samples if direct else samples.take(chosen)
            where = chosen if direct else np.arange(len(chosen))
            y = np.ascontiguousarray(part.y)
            labels, numbers = (y, None) if y.ndim == 1 else (None, y)
            steps, end = self.native.steps(
                X=as_it_lies(part.X) if direct else as_rows(part.X, self.plan.dtype),
                labels=labels,
                y=numbers,
                weight=np.ascontiguousarray(part.weight) if self.is_weighted(samples) else None,
                rows=np.ascontiguousarray(where),
                rate=rate,
                decay=decay,
                dropout=dropout,
                first=first + done,
                clock=self.clock,
                tally=self.tally,
            )
            if end != "done":
                self.pull()
                at = done + steps
                here = samples, rows[at * size : (at + 1) * size]
                raise self.diagnosis(end, *here, settings.part(at, at + 1), first + at)
            done += count

    def is_weighted(self, samples: Samples) -> bool:
        """Whether a sample has another weight than 1: the kernels need not look for ones."""
        if self.looked_at is not samples:
            self.looked_at, self.found_weights = samples, bool((samples.weight != 1).any())
        return self.found_weights

    def push(self) -> None:
        """theta, states and the optimizer's state to the kernels, as far as these do not hold newer ones."""
        if not self.is_ahead:
            self.native.set_theta(self.theta)
            self.program.put_states(self.native, self.states, self.theta.dtype)
        if not self.moments_ahead:
            leaves = self.moments()
            if not self.are_moments_zero or any(leaf.any() for leaf in leaves):
                for number, leaf in enumerate(leaves):
                    self.native.set_moment(number, leaf)
            self.are_moments_zero = False
            if hasattr(self._optimizer_state, "mu_product"):
                self.native.set_mu_product(float(self._optimizer_state.mu_product))

    def pull(self) -> None:
        """theta and the states, back; what is written to the attributes from now on counts at the next step."""
        if not self.is_ahead:
            return
        self.native.get_theta(self.theta)
        for number, name in enumerate(self.program.states):
            state = self.states[name]
            new = [np.empty_like(value) for value in state[:2]]
            self.native.get_state(number, *new)
            self.states = self.states | {name: type(state)(*new, *state[2:])}
        self.is_ahead = False

    @property
    def optimizer_state(self) -> Any:
        """The optimizer's NamedTuple, brought back from the kernels."""
        if self.moments_ahead:
            for number, leaf in enumerate(self.moments()):
                self.native.get_moment(number, leaf)
            if hasattr(self._optimizer_state, "mu_product"):
                product = np.asarray(self.native.mu_product(), self.theta.dtype)
                self._optimizer_state = self._optimizer_state._replace(mu_product=product)
            self.moments_ahead = False
        return self._optimizer_state

    @optimizer_state.setter
    def optimizer_state(self, state: Any) -> None:
        self._optimizer_state, self.moments_ahead = state, False

    def moments(self) -> list[NDArray[Any]]:
        """The optimizer's arrays of theta's shape, in the kernels' order."""
        return [leaf for leaf in self._optimizer_state if leaf.ndim]

    def diagnosis(
        self, end: str, samples: Samples, rows: NDArray[np.int64], settings: StepSettings, t: int
    ) -> NonFiniteError:
        """Walk the step once more by the reference, and say where the first bad number is."""
        network, theta = self.plan.network, self.theta
        lr, dropout = float(settings.rate[0]), float(settings.dropout[0])
        if end == "update" and not np.isfinite(theta).all():
            return diagnosis.of_update(network, theta, t, lr)
        with np.errstate(all="ignore"):
            batch = samples.batch(rows, self.plan.dtype)
        return diagnosis.of_gradient(
            self.plan, network.unflatten(theta), self.states, batch, self.clock, t, lr, dropout
        )
