"""The training loop in epochs of shuffled batches."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from chainrule.core.random import generator
from chainrule.data.samples import Samples
from chainrule.data.stream import Stream
from chainrule.data.windows import Piece, pieces
from chainrule.engines import StepSettings
from chainrule.errors import ConfigError
from chainrule.formulas.losses import LossFunction
from chainrule.formulas.schedules import ReduceOnPlateau
from chainrule.network.network import Network
from chainrule.training.callbacks import Callback, better, watched
from chainrule.training.run import Run
from chainrule.training.without_backprop import Search

POLL_SECONDS = 0.1
"""The duration of one call of the engine in seconds, after which callbacks, progress bar and Ctrl-C are handled."""


def train(run: Run) -> None:
    """Run the training loop of a new or resumed run to its end."""
    with run.together.watching(run), watching(run):
        while run.epoch < run.epochs and run.history.stopped is None:
            train_epoch(run)
            if run.position == run.steps_per_epoch:  # unless a callback ended the run within the epoch
                with averaged(run):
                    finish_epoch(run, epoch_record(run))


@contextmanager
def averaged(run: Run) -> Iterator[None]:
    """Set theta to the average during the end of an epoch; the next steps continue from the parameters before."""
    if not run.settings.averaging:
        yield
        return
    run.synchronize()
    run.to_average()
    try:
        yield
    finally:
        run.from_average()


@contextmanager
def watching(run: Run) -> Iterator[None]:
    """Call on_train_begin of the callbacks, and on_train_end at the end, also after an error or Ctrl-C."""
    for callback in run.settings.callbacks:
        callback.on_train_begin(run)
    try:
        yield
    except BaseException as error:
        run.error = error
        raise
    finally:
        run.synchronize()
        if run.settings.averaging and run.error is None and run.position:  # a part of an epoch, the last one
            run.to_average()
        elif run.average is not None:
            run.theta[...] = run.average
        for callback in run.settings.callbacks:
            callback.on_train_end(run)


def train_epoch(run: Run) -> None:
    """Take the remaining steps of one epoch."""
    order, parts = epoch_pieces(run)
    settings = step_settings(run, order)
    first, size = run.epoch * run.steps_per_epoch, run.plan.batch_size
    run.rate = float(settings.rate[max(run.position, 1) - 1])
    if run.position == 0:
        run.session.sums[...] = 0
        run.session.row_sums[...] = 0
    before, last = run.session.taken - run.position, run.position
    total = run.total_steps
    try:
        while run.position < run.steps_per_epoch and run.history.stopped is None:
            if run.total_steps != total:  # a new plan changes the schedules
                total, settings = run.total_steps, step_settings(run, order)
            begin = run.position
            if begin == last:  # all steps of the piece are done
                start = time.perf_counter()
                piece = next(parts)
                if run.step == 0:
                    check_loss(run.plan.network, piece.samples, piece.rows)
                last = min(piece.begin - (-len(piece.rows) // size), run.steps_per_epoch)
                run.seconds += time.perf_counter() - start
            end = min(
                begin + (run.session.call_steps or run.chunk),
                last,
                max(total - first, begin + 1),
                *(  # where the next multiple of its steps is complete
                    (run.step // each.every_steps + 1) * each.every_steps - first
                    for each in run.settings.callbacks
                    if each.every_steps
                ),
            )
            start = time.perf_counter()
            rows = piece.rows[(begin - piece.begin) * size : (end - piece.begin) * size]
            run.session.steps(
                piece.samples, rows, settings.part(begin, end), run.steps_before + first + begin + 1
            )
            elapsed = time.perf_counter() - start
            run.position, run.seconds, run.rate = end, run.seconds + elapsed, float(settings.rate[end - 1])
            # Double the steps per call until a call takes POLL_SECONDS; the division into calls changes no result.
            longest = POLL_SECONDS * run.session.turns
            run.chunk = min(2 * run.chunk, max(1, int((end - begin) * longest / max(elapsed, 1e-9))))
            if run.position < run.steps_per_epoch:
                look(run)
            run.together.agree(run)
    finally:  # an error or Ctrl-C may skip the line above that counts the completed steps
        run.position = run.session.taken - before
        parts.close()
    if run.validation is not None or any(callback.looks_inside for callback in run.settings.callbacks):
        run.synchronize()


ROWS_TO_CHECK = 8
"""The samples of the first batch on which a custom loss is checked."""
DIFFERENCE = 1e-5
"""h of its one-sided differences (L(x + h) - L(x)) / h in float64, whose error is about h L''."""
LARGEST_DEVIATION = 1e-2
"""Of its gradient, from between the differences of both sides, in units of 1 + |gradient|."""


def check_loss(network: Network, samples: Samples, rows: NDArray[np.int64]) -> None:
    """Check the shapes of a custom loss, and that its gradient is its value's derivative, at outputs that are drawn.

    Its differences of both sides stand beside the gradient, which at a kink may be any number between them. Other
    losses are those of the package, whose tests do this. Raises ConfigError.
    """
    loss = network.loss
    if loss.formula() is not None:
        return
    y = samples.targets_of(rows.reshape(-1)[:ROWS_TO_CHECK])[0]
    draw = np.random.default_rng(0)
    shape = len(y), network.fan_out
    out = draw.normal(size=shape) if loss.domain == "real" else draw.uniform(0.1, 0.9, shape)
    name = loss.kind if isinstance(loss, LossFunction) else type(loss).__name__
    with np.errstate(all="ignore"):
        value, gradient = map(np.asarray, loss.value_and_gradient(out, y))
        for found, method, wanted in ((value, "value", shape[:1]), (gradient, "gradient", shape)):
            if found.shape != wanted:
                raise ConfigError(
                    f"{name}.{method} must return an array of shape {wanted} for outputs {shape}, not {found.shape}; "
                    + (
                        "sum over the outputs of a sample."
                        if method == "value"
                        else "it has one for each output."
                    )
                )
        steps = DIFFERENCE * np.eye(shape[1])
        sides = [
            np.stack([(loss.value(out + h * step, y) - value) / (h * DIFFERENCE) for step in steps], 1)
            for h in (-1, 1)
        ]
        room = LARGEST_DEVIATION * (1 + np.abs(gradient))
        is_wrong = (gradient < np.minimum(*sides) - room) | (gradient > np.maximum(*sides) + room)
    if is_wrong.any():
        i, k = (int(place) for place in np.argwhere(is_wrong)[0])
        raise ConfigError(
            f"{name}.gradient is not the derivative of {name}.value: for output {out[i, k]:.3g} and target "
            f"{y[i, min(k, y.shape[1] - 1)]:.3g} it is {gradient[i, k]:.6g}, and the finite difference is "
            f"{(sides[0][i, k] + sides[1][i, k]) / 2:.6g}; correct one of them."
        )


def look(run: Run) -> None:
    """Call on_steps of the callbacks that are due, with current parameters if one of them reads them."""
    due = [c for c in run.settings.callbacks if type(c).on_steps is not Callback.on_steps]
    due = [c for c in due if not c.every_steps or run.step % c.every_steps == 0]
    if any(callback.looks_inside for callback in due):
        run.synchronize()
    for callback in due:
        callback.on_steps(run)


def epoch_pieces(run: Run) -> tuple[NDArray[np.int64], Generator[Piece]]:
    """Return the order of the samples in the epoch, and its pieces, one if the samples are in memory."""
    if isinstance(run.samples, Stream):
        epoch = run.epochs_before + run.epoch
        of_blocks = pieces(run.samples, run.plan.batch_size, epoch, run.position, run.settings.shuffle)
        return np.empty(0, np.int64), of_blocks
    order = epoch_order(run, run.samples)
    return order, (piece for piece in (Piece(run.samples, order, 0),))


def epoch_order(run: Run, samples: Samples) -> NDArray[np.int64]:
    """Return the order of the samples in the epoch: (n,), or (n, members) of an ensemble.

    Raises ConfigError if `RunSettings.order` returns another number.
    """
    if run.settings.order is not None:
        order = np.asarray(run.settings.order(run), np.int64)
        if order.shape not in ((samples.n,), (samples.n, *run.theta.shape[:-1])):
            raise ConfigError(f"order must return a vector of {samples.n} rows, not an array {order.shape}.")
        return order
    if not run.settings.shuffle:
        return np.arange(samples.n)
    return generator(run.plan.seed, "shuffle", run.epochs_before + run.epoch).permutation(samples.n)


def step_settings(run: Run, order: NDArray[np.int64]) -> StepSettings:
    """Return the settings of each step of the epoch. Raises ConfigError if `RunSettings.steps` returns others."""
    given = run.settings
    if given.steps is None:
        factors = {name: run.factors(name, schedule) for name, schedule in given.factors.items()}
        return StepSettings.of(run.learning_rates(), **factors)
    settings = StepSettings(*(np.asarray(values, np.float64) for values in given.steps(run, order)))
    if any(values.shape != (run.steps_per_epoch,) for values in settings):
        raise ConfigError(
            f"steps must return vectors of {run.steps_per_epoch} numbers, one for each step of the epoch, "
            f"not of shapes {', '.join(str(values.shape) for values in settings)}."
        )
    return settings


def epoch_record(run: Run) -> dict[str, float]:
    """Return the record of the epoch: the mean loss over its batches, the accuracy, the learning rate.

    If a method was named, it also has the number of forward passes: `forward_passes`.
    """
    loss, weight, correct, *passes = run.session.sums
    record = {"loss": float(loss / weight)}
    if run.plan.network.loss.targets in ("classes", "binary"):
        record["accuracy"] = float(correct / weight)
    if not isinstance(run.settings.method, Search):
        record["learning_rate"] = run.rate
    if passes:
        record["forward_passes"] = float(passes[0])
    elif run.settings.method is not None:
        from chainrule.training.without_backprop.landscape import walk_back_cost

        a_step = 1 + walk_back_cost(list(run.plan.network.walk()), run.plan.frozen)
        record["forward_passes"] = a_step * run.steps_per_epoch
    return record


def finish_epoch(run: Run, record: dict[str, float]) -> None:
    """Validate, append the record, and call on_epoch_end of the callbacks."""
    start = time.perf_counter()
    if run.validation is not None:
        found = run.together.shared(run.trainer.validate(run) if run.together.validates else None)
        record = record | {f"val_{name}": value for name, value in found.items()}
    record["seconds"] = run.seconds + time.perf_counter() - start
    # No call between these, so that Ctrl-C cannot separate them, and a checkpoint has a record for each epoch.
    run.history.records += [record]
    run.epoch, run.position, run.seconds, run.logs = run.epoch + 1, 0, 0.0, record
    schedule = run.settings.schedule
    if isinstance(schedule, ReduceOnPlateau) and run.plateau is not None:
        monitor = schedule.monitor
        run.plateau = schedule.observe(run.plateau, -better(monitor) * watched(run, monitor))
    for callback in run.settings.callbacks:
        callback.on_epoch_end(run)
    run.together.agree(run)
