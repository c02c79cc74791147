"""The fits of a race: those of a candidate, those that have ended, what stops one, and what is said after Ctrl-C."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from chainrule.core import hints
from chainrule.errors import counted
from chainrule.estimators.best.state import Key, RaceFit, RaceState, Task
from chainrule.training.callbacks import Callback
from chainrule.training.run import Run


def finished(fits: Mapping[Key, RaceFit]) -> dict[Key, RaceFit]:
    """Return the fits that came to their end."""
    return {key: made for key, made in fits.items() if not made.is_cut}


def of_rows(state: RaceState, held_out: Mapping[int, int]) -> RaceState:
    """Return a state without fits that held other rows out, as a time limit may leave others. held_out: by fold."""
    fits = {key: made for key, made in state.fits.items() if len(made.predicted) == held_out.get(key[1])}
    whole = {key: made for key, made in state.whole.items() if (key[0], 0) in fits}
    return state._replace(fits=fits, whole=whole)


def warn_of_interruption(fits: Mapping[Key, RaceFit], whole: Mapping[Key, RaceFit]) -> None:
    """Warn of a race that Ctrl-C ended, with what there is."""
    done = sum(not made.is_cut for made in (*fits.values(), *whole.values()))
    kept = (
        f"the average is of the {counted(done, 'fit')} that had ended, and of those that were stopped"
        if done
        else "no fit had ended, so what predicts are the first networks as they were"
    )
    hints.give(f"Training interrupted by user: {kept}.")


def of_candidate(fits: Mapping[Key, RaceFit], number: int) -> dict[int, RaceFit]:
    """Return those of some fits that are of a candidate, in the order of their folds."""
    return {fold: made for (other, fold), made in sorted(fits.items()) if other == number}


def expected_seconds(fits: Mapping[Key, RaceFit], task: Task, costs: Sequence[float]) -> float | None:
    """Return the seconds that a task will take, by fits of its candidate or, at their costs, of others."""
    own = [made.seconds for made in of_candidate(fits, task.number).values()]
    if own:
        return float(np.mean(own))
    others = [made.seconds / costs[number] for (number, _), made in fits.items()]
    return float(np.median(others)) * task.candidate.cost if others else None


def seconds_of_epoch(made: RaceFit) -> float:
    """Return the seconds that an epoch of a fit took."""
    return made.seconds / max(1, made.result.records.n_iter)


def spent(state: RaceState) -> float:
    """Return the seconds of all fits together."""
    return sum(made.seconds for made in (*state.fits.values(), *state.whole.values()))


def how_it_went(task: Task, made: RaceFit, loss: Callable[[int, int], float]) -> str:
    """Return how a fit went, in words. loss(number, fold): on the rows held out."""
    if task.is_of_all:
        return f"{made.result.records.n_iter_refit} epochs in {made.seconds:.1f} s"
    lost = loss(task.number, task.fold)
    return f"loss {lost:.5g} held out, {made.result.records.n_iter} epochs in {made.seconds:.1f} s"


class RaceOver(Callback):
    """Stops a fit when the race is over, by Ctrl-C; one of all rows after its epochs, or where it is late."""

    looks_inside = False

    def __init__(self, event: threading.Event, last: float = math.inf, end: float = math.inf) -> None:
        """Keep the event.  last: the epoch after which it stops.  end: the `time.monotonic()` from which it is late."""
        self.event, self.last, self.end = event, last, end
        self.epochs = 0
        """those that the schedule was for, which a time limit may have changed"""
        self.is_cut = False
        """whether the fit was stopped before its last epoch"""
        self.step = 0
        """the steps completed when it was"""

    def on_steps(self, run: Run) -> None:
        """Stop the run."""
        if run.history.stopped is not None or run.epoch >= self.last:
            return
        if self.event.is_set() or time.monotonic() > self.end:
            self.is_cut, self.step = True, run.step
            run.stop("the race was interrupted")

    def on_epoch_end(self, run: Run) -> None:
        """Stop the run."""
        if run.epoch >= self.last and run.history.stopped is None:
            run.stop("it has the epochs with the least loss held out")
        self.on_steps(run)

    def on_train_end(self, run: Run) -> None:
        """Note the epochs."""
        self.epochs = run.epochs
