"""Train a model with the checked arguments of `Model.fit`."""

from __future__ import annotations

import json
import signal
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.core.arrays import Array, states_in
from chainrule.core.random import generator
from chainrule.data.samples import Samples, dense
from chainrule.data.stream import Stream
from chainrule.distributed import agreement, is_first, process_count, processes
from chainrule.engines import ForwardWalks
from chainrule.errors import ConfigError, instead, option
from chainrule.formulas.layers import Context, PiecewiseLinearEmbedding, Standardize
from chainrule.formulas.optimizers import AnyOptimizer
from chainrule.formulas.schedules import ReduceOnPlateau
from chainrule.network.network import Network
from chainrule.trained.evaluation import BATCH
from chainrule.training import checkpoint
from chainrule.training.callbacks import Checkpoint
from chainrule.training.history import History
from chainrule.training.run import Alone, Run, RunSettings, copied
from chainrule.training.trainers import trainer_for

MEASURED = (Standardize, PiecewiseLinearEmbedding)
"""The layers whose states are measured on the samples."""
NUMBERS = 1 << 18
"""The maximum numbers, in float64, with which an input layer is measured at a time."""
SORTED = 1 << 23
"""The maximum numbers of whole columns kept to find their edges; a single column may have more."""


def fit(model: Any, settings: RunSettings) -> History:
    """Train a model in place with the settings, and return its history."""
    plan, optimizer, given = settings.plan, settings.optimizer, settings.optimizer_state
    steps_before = 0 if given is None else given.steps
    trainer = settings.trainer or trainer_for(optimizer, settings.method)
    engine = trainer.engine(settings.engine, plan)
    # The optimizer's steps also count for the random draws, so that two runs draw the same as a single one.
    session = trainer.session(engine, plan, model.theta, model.states, model.steps_trained - steps_before)
    if given is not None:
        session.optimizer_state = checked_state(given.state, session.optimizer_state, optimizer)
    schedule = settings.schedule
    run = Run(
        settings,
        model,
        trainer,
        engine,
        session,
        ForwardWalks(engine, plan.network, BATCH),
        epochs=settings.epochs,
        epochs_before=model.epochs_trained,
        steps_before=steps_before,
        plateau=schedule.init() if isinstance(schedule, ReduceOnPlateau) else None,
    )
    if plan.shards is not None and process_count() > 1:
        run.together = Together()
    trainer.check(run)
    if settings.resume is not None:
        if not settings.resume.is_file():
            raise ConfigError(
                f"resume: there is no checkpoint at {settings.resume}; start the run without resume."
            )
        checkpoint.resume(settings.resume, run)
    model.states, model.history = session.states, run.history
    try:
        trainer.train(run)
    finally:  # also after Ctrl-C or an error the model gets the parameters of the last step
        model.states = session.states
        model.epochs_trained, model.steps_trained = run.trained
    return run.history


def checked_state(state: object, fresh: object, optimizer: AnyOptimizer) -> Any:
    """Return a copy of an optimizer's state. Raises ConfigError unless it has the arrays of a fresh one."""

    def arrays(leaves: Array) -> list[tuple[Any, tuple[int, ...]]]:
        return [(leaf.dtype, leaf.shape) for leaf in leaves]

    if type(state) is not type(fresh) or fresh is None or arrays(state) != arrays(fresh):
        raise ConfigError(
            f"optimizer_state must be that of {type(optimizer).__name__} for this model's parameters, not "
            f"{type(state).__name__}; pass Run.optimizer_state of a run with the same optimizer, or None."
        )
    return copied(state)


def measure_each(
    network: Network, states: Sequence[dict[str, Any]], samples: Samples, dtype: DTypeLike
) -> list[dict[str, Any]]:
    """Measure the layers of several networks of one architecture, and return the states of each.

    Those of which nothing was measured before are measured once, and share the arrays.
    """
    names = [link.name for link in network.links if isinstance(link.layer, MEASURED)]
    found, shared = list[dict[str, Any]](), None
    for own in states:
        is_new = not any(own[name].count > 0 for name in names)
        if is_new and shared is not None:
            found.append(own | shared)
            continue
        found.append(measure(network, own, samples, dtype))
        if is_new:
            shared = {name: found[-1][name] for name in names}
    return found


def measure(
    network: Network, states: dict[str, Any], samples: Samples | Stream, dtype: DTypeLike
) -> dict[str, Any]:
    """Measure every Standardize and PiecewiseLinearEmbedding, unless already done, and return the states.

    A stream is read once for each Standardize; `sources.check` rejects the embedding, which needs whole columns.
    """
    for i, link in enumerate(network.links):
        layer = link.layer
        if not isinstance(layer, MEASURED) or states[link.name].count > 0:
            continue
        state = layer.state(link.fan_in)
        if isinstance(layer, Standardize):
            for _, a in _inputs(network, i, states, samples, np.float64):
                state = layer.merge(state, a)
            state = layer.finish(state, dtype)
        else:
            columns = layer.embedded(link.fan_in)
            together = max(1, SORTED // samples.n)
            for first in range(0, len(columns), together):
                some = columns[first : first + together]
                x = np.empty((len(some), samples.n), dtype)
                for rows, a in _inputs(network, i, states, samples, dtype):
                    x[:, rows] = a[:, some].T
                for place, column in enumerate(x, first):
                    state = layer.measured(state, place, column)
        states = states | {link.name: type(state)(*(np.asarray(value, dtype) for value in state))}
    return states


def _inputs(
    network: Network, place: int, states: dict[str, Any], samples: Samples | Stream, dtype: DTypeLike
) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Iterate over some rows at a time of a link's inputs, with 0 for the codes of an Embedding."""
    links, states = network.links[:place], states_in(dtype, states)
    params = [type(link.params)(*(np.zeros(p.shape, dtype) for p in link.params)) for link in links]
    rows, first = max(1, NUMBERS // network.inputs), 0
    for X in samples.inputs():
        for start in range(0, X.shape[0], rows):
            some = slice(start, min(start + rows, X.shape[0]))
            a = dense(X[some], dtype)
            for link, theta in zip(links, params, strict=True):
                a, _ = link.layer.forward(theta, a, Context(states=states).at(link))
            yield slice(first + some.start, first + some.stop), a
        first += X.shape[0]


def split_rows(n: int, fraction: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the training rows and the held-out ones of n rows, both sorted, at least one each. Raises ConfigError."""
    if isinstance(fraction, str) or not 0 < fraction < 1:
        raise ConfigError(f"{option('validation_fraction')} must lie between 0 and 1, not {fraction!r}.")
    count = round(fraction * n)
    if not 0 < count < n:
        raise ConfigError(
            f"{option('validation_fraction', f'validation_fraction={fraction:g}', f'{fraction:g}')} of {n} samples "
            f"leaves none on one side; {instead('pass more samples or validation_data', 'bring more samples')}."
        )
    order: NDArray[np.int64] = generator(seed, "split", 0).permutation(n)
    return np.sort(order[count:]), np.sort(order[:count])


# --- what the processes of a run agree on between two calls of the engine: when to stop, and where the next call ends
#
# Clocks differ, and so do signals: process 0 decides on time limits and the length of a call, and a signal to any
# process stops all of them at the same step.

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Together(Alone):
    """The agreement of several processes of one run."""

    def __init__(self) -> None:
        """Begin without a signal."""
        self.asked = False
        self.watchdog = processes.watchdog()

    @contextmanager
    def watching(self, run: Run) -> Iterator[None]:
        """Compare the processes' settings, and treat signals as requests until the end of the training.

        Raises ConfigError in all processes if one has another run.
        """
        mine = checksums(run)
        with self.watchdog:
            compare(mine)
            self.watchdog.beat()
            before = {}
            if threading.current_thread() is threading.main_thread():
                before = {each: signal.signal(each, self.ask) for each in SIGNALS}
            try:
                yield
            finally:
                for each, handler in before.items():
                    signal.signal(each, handler)

    def ask(self, number: int, frame: object) -> None:
        """Record a signal; a second Ctrl-C interrupts at once."""
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def agree(self, run: Run) -> None:
        """Follow the decision of process 0, or stop all processes, with their checkpoints, if one got a signal.

        Raises KeyboardInterrupt in all processes at the same step.
        """
        self.watchdog.beat()
        mine = [self.asked, run.chunk, run.epochs, run.shortened, run.history.stopped]
        all = agreement.exchange(mine)
        _, run.chunk, epochs, shortened, run.history.stopped = all[0]
        run.replan(epochs, shortened)
        self.watchdog.beat()
        if any(asked for asked, *_ in all):
            for callback in run.settings.callbacks:
                if isinstance(callback, Checkpoint):
                    callback.write(run)
            raise KeyboardInterrupt

    @property
    def validates(self) -> bool:
        """Whether this is process 0."""
        return is_first()

    def shared(self, validation: dict[str, float] | None) -> dict[str, float]:
        """Return the validation of process 0."""
        self.watchdog.beat()
        values: dict[str, float] = agreement.exchange(validation)[0]
        self.watchdog.beat()
        return values


def checksums(run: Run) -> dict[str, int]:
    """Return checksums, by name, of everything that all processes must share: data, settings, callbacks, parameters."""
    callbacks = [[type(each).__name__, each.every_steps, each.identity()] for each in run.settings.callbacks]
    given = run.fingerprint | {
        "epochs": run.epochs,
        "shards": [run.plan.shards, run.plan.reduce],
        "callbacks": [each for each in callbacks if each[1:] != [None, None]],
        "steps before this run": [run.trained, run.position],
    }
    found = {name: _checksum(value) for name, value in given.items()}
    states = [value for _, state in sorted(run.states.items()) for value in state]
    return found | {"theta": _crc([run.theta]), "running statistics": _crc(states)}


def compare(mine: dict[str, int]) -> None:
    """Raise ConfigError if a process has other checksums than process 0."""
    first, *others = agreement.exchange(mine)
    for number, theirs in enumerate(others, 1):
        differing = [name for name in first | theirs if theirs.get(name) != first.get(name)]
        if differing:
            raise ConfigError(
                f"process {number} differs from process 0 in its {differing[0]}; give all processes the same "
                "program, data and settings."
            )


def _checksum(value: object) -> int:
    return zlib.crc32(json.dumps(value, default=str).encode())


def _crc(arrays: list[Any]) -> int:
    found = 0
    for array in arrays:
        found = zlib.crc32(np.ascontiguousarray(array).tobytes(), found)
    return found
