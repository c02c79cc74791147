"""Sessions of one plan that step in one program: networks of one shape side by side, each with its own parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import Samples
from chainrule.engines.step.base import StepSettings
from chainrule.engines.xla import devices
from chainrule.engines.xla.program import DeviceData
from chainrule.engines.xla.samples import fetch
from chainrule.engines.xla.session import XlaSession
from chainrule.errors import NonFiniteError


def steps(
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
                found = _call([sessions[i] for i in live], mine, some, first + begin)
                errors |= {live[i]: error for i, error in found.items()}
    return errors


def _call(
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
