"""The finished fits of a race as files, from which a race goes on after the process of the first one has ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from chainrule.core.files import write_whole
from chainrule.errors import ChainruleError, ConfigError, FormatError
from chainrule.estimators import files
from chainrule.estimators.best import candidates
from chainrule.estimators.best.files import with_tensors
from chainrule.estimators.best.state import Key, RaceFit, RaceState, Task
from chainrule.estimators.fit.limit import course_of
from chainrule.estimators.held import HoldsResult, as_fitted, result_of
from chainrule.training.checkpoint import is_record

KEY, PREDICTED = "race_fit", "race_fit_predicted"
"""The key of a fit in a file's metadata, and its predictions of the rows that were held out."""
NUMBERS = {"fold": 0, "best": 1, "epochs": 1}
"""The smallest of each number of a fit."""


def saver(place: Path, estimator: HoldsResult, of: int) -> Callable[[Task, RaceFit], None]:
    """Return a listener of a race that writes each fit to a file of its own in a folder, replaced in one step.

    estimator: the one that races.  of: a checksum of what it races on.
    """

    def save(task: Task, made: RaceFit) -> None:
        own = {"candidate": task.candidate.name, "fold": task.fold, "is_of_all": task.is_of_all}
        own |= {"seconds": made.seconds, "best": made.best, "epochs": made.epochs, "of": of}
        own |= {"course": None if made.result.course is None else made.result.course.to_data()}
        own |= {"history": made.result.model.history.records}
        extra = {"estimator": files.described(as_fitted(estimator, made.result)), KEY: own}
        place.mkdir(exist_ok=True)
        rows = "all" if task.is_of_all else "fold"
        path = place / f"{task.candidate.name.replace(' ', '-')}-{rows}-{task.fold}.safetensors"
        write_whole(path, with_tensors(made.result.model, extra, lambda folder: {PREDICTED: made.predicted}))

    return save


def saved(place: Path, estimator: HoldsResult, of: int) -> RaceState:
    """Return what a race can go on from: the fits in a folder, of recipes that race.

    Raises ConfigError for fits to something else, and FormatError for a file that is none of a fit.
    """
    racing = candidates.racing(estimator.monotonic_cst is not None or estimator.interaction_cst is not None)
    numbers = {
        each.name: number for race in (racing, candidates.OF_FEW_ROWS) for number, each in enumerate(race)
    }
    fits, whole = dict[Key, RaceFit](), dict[Key, RaceFit]()
    for name, fold, is_of_all, made in _read(place, estimator, of):
        if name in numbers:
            (whole if is_of_all else fits)[numbers[name], fold] = made
    whole = {key: made for key, made in whole.items() if (key[0], 0) in fits}
    return RaceState(None, fits, whole)


def _read(place: Path, estimator: HoldsResult, of: int) -> Iterator[tuple[str, int, bool, RaceFit]]:
    """Iterate over the fits in a folder: the recipe, the fold, whether it is of all rows, and the fit."""
    from safetensors import SafetensorError, safe_open

    for path in sorted(place.glob("*.safetensors")):
        made, extra = files.read(type(estimator), path)
        try:
            own, result = extra[KEY], result_of(made)
            with safe_open(str(path), framework="numpy") as file:
                predicted = file.get_tensor(PREDICTED)
            counts = [own[name] for name in NUMBERS]
            fits = all(
                type(count) is int and least <= count < 1 << 31
                for count, least in zip(counts, NUMBERS.values(), strict=True)
            )
            seconds, history, name, is_of_all = (
                own[key] for key in ("seconds", "history", "candidate", "is_of_all")
            )
            fits &= type(seconds) is float and 0 <= seconds < math.inf and all(map(is_record, history))
            fits &= predicted.dtype == np.float64 and predicted.shape[1:] == (result.targets.outputs,)
            fits &= (
                isinstance(name, str) and isinstance(is_of_all, bool) and bool(np.isfinite(predicted).all())
            )
            if not fits:
                raise FormatError("what it says of the fit is none of a race")
            course = None if own.get("course") is None else course_of(own["course"])  # none in older files
        except (SafetensorError, ChainruleError, KeyError, TypeError, ValueError, AttributeError) as error:
            fault = " ".join(str(error).split())[:200]
            raise FormatError(
                f"{path} is not a fit of a race ({fault}); delete it to fit it again."
            ) from error
        if own["of"] != of:
            raise ConfigError(f"{path} was made with other data; restore them, or start another run.")
        result.model.history.records.extend(history)
        fold, best, epochs = counts
        result = replace(result, course=course)
        yield name, fold, is_of_all, RaceFit(result, predicted, seconds, best, epochs)
