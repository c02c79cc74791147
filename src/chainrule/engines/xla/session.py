"""A session of the xla engine: transfers between theta's layout and the device, and the search for a NaN step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import Samples
from chainrule.engines.step import cut, cut_state, diagnosis, gradient
from chainrule.engines.step.base import Plan, StepSettings
from chainrule.engines.xla import devices
from chainrule.engines.xla.program import Carry, CompiledSteps, DeviceData, Span, program
from chainrule.engines.xla.samples import DevicePart, DeviceSamples, Shared, fetch, put, source
from chainrule.errors import NonFiniteError


class XlaSession:
    """Training steps by a compiled program. See `Session`.

    The device holds the numbers between steps. `synchronize` copies back theta and the states, `optimizer_state` the
    optimizer's. Anything copied back is put on the device again before the next step: the caller may have modified it.

    A call does not donate its memory (JAX's donation): if it produces NaN or infinity, the search for the step restarts
    from its beginning. That costs one copy per call of many steps; checking each gradient would cost a pass per step.
    """

    call_steps: int | None = None
    turns = 1

    def __init__(
        self,
        plan: Plan,
        theta: NDArray[Any],
        states: dict[str, Any],
        optimizer_state: Any,
        step_offset: int,
        device: Any,
        shared: Shared,
    ) -> None:
        """Look up the program. At the first step it is compiled, and the numbers are put on the device."""
        self.plan, self.theta, self.step_offset = plan, theta, step_offset
        self.device, self.shared = device, shared
        self.states, self._optimizer_state = states, optimizer_state
        self.all_sums, self.taken = np.zeros(5), 0
        self.sums, self.row_sums = self.all_sums[:3], self.all_sums[3:]
        self.program = self.programmed()
        self.source: DeviceSamples | None = None
        self.carry: Carry = Carry((), (), {})
        self.theta_is_stale = False  # whether the device's theta and states are newer than these attributes
        self.moments_are_stale = False  # the same for the optimizer's state
        self.trained = [slot.link.name not in plan.frozen for slot in plan.network.slots]

    def programmed(self) -> CompiledSteps:
        """Return the program."""
        return program(self.plan)

    def placed(self, samples: Samples) -> DeviceSamples:
        """Return samples on the device."""
        return source(self.shared, samples, self.plan, self.device)

    @property
    def compiles(self) -> bool:
        """Whether its first step waits for the compiler."""
        return not self.program.compiled

    def steps(self, samples: Samples, rows: NDArray[np.int64], settings: StepSettings, first: int) -> None:
        """Take the steps, as many per call as the program has room for. Raises NonFiniteError."""
        with devices.settings():
            self.push()
            source = self.place(samples)
            size, room = self.plan.batch_size, source.room
            for begin in range(0, len(settings.rate), room):
                some = settings.part(begin, begin + room)
                self.call(source, rows[begin * size : (begin + room) * size], some, first + begin)

    def place(self, samples: Samples) -> DeviceSamples:
        """Return samples on the device, reused if they are those of the last call."""
        if self.source is None or self.source.samples is not samples:
            self.source = self.placed(samples)
        return self.source

    def call(
        self, source: DeviceSamples, rows: NDArray[np.int64], settings: StepSettings, first: int
    ) -> None:
        """Take at most `room` steps in one call of the program."""
        part = source.part(rows)
        span = self.span(part, len(rows), settings, first)
        after, sums, finite = self.run(part, span)
        if not finite:
            self.fail(source.samples, rows, part, span, settings)
        self.keep(after, sums, len(settings.rate))

    def span(self, part: DevicePart, rows: int, settings: StepSettings, first: int) -> Span:
        """Return the span of steps over this many rows of a part."""
        assert self.source is not None
        by_step = np.zeros((5, self.source.room))
        by_step[:, : len(settings.rate)] = settings
        return Span(
            part.rows,
            by_step,
            np.int64(rows),
            np.int64(0),
            np.int64(first),
            np.int64(self.step_offset),
            np.uint32(self.plan.seed),
        )

    def run(self, part: DevicePart, span: Span) -> tuple[Carry, NDArray[np.float64], bool]:
        """Run the program from the numbers on the device, which are kept, and wait for its end."""
        carry, sums, finite = self.program(self.carry, part.data, span, part.tail)
        return carry, fetch(sums), bool(finite)

    def keep(self, after: Carry, sums: NDArray[np.float64], steps: int) -> None:
        """Make the numbers after some steps the current ones."""
        self.theta_is_stale = self.moments_are_stale = True
        self.carry = after
        self.all_sums += sums
        self.taken += steps

    def fail(
        self, samples: Samples, rows: NDArray[np.int64], part: DevicePart, span: Span, settings: StepSettings
    ) -> None:
        """Find the first step with a non-finite number, keep the steps before it, and raise its error.

        Bisects, because non-finite numbers stay non-finite.
        """
        size = self.plan.batch_size

        def after(steps: int) -> tuple[Carry, NDArray[np.float64], bool]:
            return self.run(part, span._replace(samples=np.int64(min(steps * size, len(rows)))))

        good, bad = 0, len(settings.rate)
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if after(middle)[2] else (good, middle)
        last = after(bad)[0]
        if good:
            carry, sums, _ = after(good)
            self.keep(carry, sums, good)
        self.synchronize()
        here = rows[good * size : bad * size]
        raise self.error(samples, here, int(span.first) + good, settings.part(good, bad), last)

    def error(
        self, samples: Samples, rows: NDArray[np.int64], t: int, settings: StepSettings, last: Carry
    ) -> NonFiniteError:
        """Repeat step t with the reference engine to find the first non-finite number. last: the numbers after it."""
        plan, network = self.plan, self.plan.network
        lr, _, *factors = (float(values[0]) for values in settings)
        params = network.unflatten(self.theta)
        with np.errstate(all="ignore"):
            batch = samples.batch(rows, plan.dtype)
            draw = self.step_offset + t
            dropout, penalty, smoothing = factors
            objective, g = gradient(
                plan, params, self.states, batch, draw, dropout=dropout, penalty=penalty, smoothing=smoothing
            )
        is_good = np.isfinite(objective.loss) and np.isfinite(g).all()
        theta = np.concatenate([fetch(part) for part in last.theta]) if last.theta else self.theta
        if is_good and not np.isfinite(theta).all():
            self.theta[...] = theta
            return diagnosis.of_update(network, theta, t, lr)
        return diagnosis.of_gradient(plan, params, self.states, batch, self.step_offset, t, lr, *factors)

    def push(self) -> None:
        """Put theta, the states and the optimizer's state on the device, unless the device's are newer."""
        if not self.theta_is_stale:
            theta, states = put((cut(self.plan.network, self.theta), self.states), self.device)
            self.carry = self.carry._replace(theta=theta, states=states)
        if not self.moments_are_stale:
            state_parts = cut_state(self.plan.network, self._optimizer_state)
            moments = tuple(
                part if is_trained else () for part, is_trained in zip(state_parts, self.trained, strict=True)
            )
            self.carry = self.carry._replace(moments=put(moments, self.device))

    def synchronize(self) -> None:
        """Copy back theta and the states. Later changes to the attributes are put on the device again."""
        if not self.theta_is_stale:
            return
        for slot, part in zip(self.plan.network.slots, self.carry.theta, strict=True):
            self.theta[slot.start : slot.stop] = part
        new = self.carry.states
        self.states = {name: type(s)(*map(fetch, new[name])) for name, s in self.states.items()}
        self.theta_is_stale = False

    @property
    def optimizer_state(self) -> Any:
        """The optimizer's NamedTuple, copied from the device."""
        if self.moments_are_stale:
            for slot, part in zip(self.plan.network.slots, self.carry.moments, strict=True):
                for leaf, value in zip(self._optimizer_state, part, strict=False):
                    leaf[slice(slot.start, slot.stop) if leaf.ndim else ...] = value
            self.moments_are_stale = False
        return self._optimizer_state

    @optimizer_state.setter
    def optimizer_state(self, state: Any) -> None:
        self._optimizer_state, self.moments_are_stale = state, False

    def end(self) -> None:
        """Free the device's memory: no step may follow."""
        self.synchronize()
        self._optimizer_state = self.optimizer_state
        self.carry, self.source = Carry((), (), {}), None


# --- sessions of one plan in one program: networks of one shape side by side, each with its own parameters


def step_together(
    sessions: Sequence[XlaSession],
    samples: Samples,
    rows: NDArray[np.int64],
    settings: StepSettings,
    first: int,
) -> dict[int, NonFiniteError]:
    """Take the same steps in all sessions; return the errors of those with NaN or infinity, by index.

    rows: shared (n,), or one column per session (n, sessions).
    """
    errors: dict[int, NonFiniteError] = {}
    with devices.settings():
        for session in sessions:
            session.push()
            session.place(samples)
        source = sessions[0].source
        assert source is not None
        size, room = sessions[0].plan.batch_size, source.room
        for begin in range(0, len(settings.rate), room):
            live = [i for i in range(len(sessions)) if i not in errors]
            if live:
                some, here = settings.part(begin, begin + room), rows[begin * size : (begin + room) * size]
                mine = here if here.ndim == 1 else here[:, live]
                found = _call_together([sessions[i] for i in live], mine, some, first + begin)
                errors |= {live[i]: error for i, error in found.items()}
    return errors


def _call_together(
    sessions: Sequence[XlaSession], rows: NDArray[np.int64], settings: StepSettings, first: int
) -> dict[int, NonFiniteError]:
    """Take at most `room` steps in one call of the program, whose arrays have a leading axis of k sessions."""
    import jax
    import jax.numpy as jnp

    lead, own = sessions[0], rows.ndim == 2
    source = lead.source
    assert source is not None
    columns = [np.ascontiguousarray(rows[:, i]) for i in range(len(sessions))] if own else [rows]
    parts = [source.part(column) for column in columns]
    spans = [
        session.span(parts[i if own else 0], len(rows), settings, first) for i, session in enumerate(sessions)
    ]
    data: Any = parts[0].data
    if own and source.data is None:  # each session has its own samples: X (k, room * batch_size, features)
        data = DeviceData(*(jnp.stack(leaves) for leaves in zip(*(part.data for part in parts), strict=True)))
    span = spans[0]._replace(
        rows=np.stack([part.rows for part in parts]) if own else parts[0].rows,
        seed=np.array([each.seed for each in spans], np.uint32),
    )
    carry = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(session.carry for session in sessions))
    after, sums, finite = lead.program(carry, data, span, parts[0].tail)
    sums, is_finite = fetch(sums), fetch(finite)
    errors: dict[int, NonFiniteError] = {}
    for i, session in enumerate(sessions):
        if is_finite[i]:
            session.keep(jax.tree.map(lambda leaf, i=i: leaf[i], after), sums[i], len(settings.rate))
            continue
        k = i if own else 0
        try:
            session.fail(source.samples, columns[k], parts[k], spans[i], settings)
        except NonFiniteError as error:
            errors[i] = error
    return errors
