"""One file of all networks of an average: that of the heaviest part, with the files of the others as tensors in it.

The finished fits of a race are files too, from which a race goes on after the process of the first one has ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core import codec
from chainrule.core.codec import Condition, above, from_to
from chainrule.core.files import write_whole
from chainrule.errors import ChainruleError, ConfigError, FormatError, fault_of
from chainrule.fitting import files
from chainrule.fitting.held import Held, HoldsResult, as_fitted, result_of
from chainrule.fitting.limit import LimitCourse
from chainrule.fitting.lookup import lookup_of
from chainrule.model import load_any
from chainrule.race import candidates
from chainrule.race.blend import Blend, BlendPart, RaceResult
from chainrule.race.judge import are_weights, is_temperature
from chainrule.race.plan import RacePlan
from chainrule.race.report import RaceReport, Record
from chainrule.race.state import Key, RaceFit, RaceState, Task
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.trained.packing import packed
from chainrule.trained.persistence import Custom
from chainrule.training.checkpoint import is_record

KEY = "blend"
"""The key of an average in a file's metadata."""
LOOKUP, AVERAGE = "lookup", "average"
"""The tensor with the training rows of an average, and the keys of what it has beside them and of all else: a version
that knows no lookup finds no average, in place of one that it would answer differently by."""


@dataclass(frozen=True, kw_only=True)
class SavedAverage:
    """What a file says of an average beside the estimators of its parts."""

    weights: tuple[Annotated[float, above(0)], ...]
    recipes: tuple[str, ...]
    temperature: float
    plan: RacePlan | None = None
    report: tuple[Record, ...]

    def requires(self) -> dict[str, bool]:
        """Return what must hold of it."""
        return {
            "weights with a sum of 1, one for each recipe": are_weights(self.weights)
            and len(self.weights) == len(self.recipes),
            "the temperature of a race": is_temperature(self.temperature),
        }


def save(
    estimator: HoldsResult,
    result: RaceResult,
    path: str | os.PathLike[str],
    more: Mapping[str, Any] | None = None,
    compact: bool = False,
) -> None:
    """Write a fitted estimator of preset="best"; the file is replaced in one step.

    more: further metadata.  compact: whether weights are rounded to 8 bits, and all is compressed together: the
    networks have much in common.
    """
    from safetensors.numpy import save as to_bytes

    others = {}
    for number, part in enumerate(result.blend.parts[1:], 1):
        own = {"estimator": files.described(part.estimator)}
        others[_name(number)] = _as_tensor(part.result.model.to_bytes(extra=own, is_rounded=compact))
    if (lookup := result.blend.lookup) is not None:
        others[LOOKUP] = _as_tensor(to_bytes(lookup.tensors(compact)))
    extra = {**(more or {}), "estimator": files.described(estimator), KEY: _described(result)}
    data = result.model.to_bytes(extra=extra, is_rounded=compact, others=others)
    write_whole(path, packed(data) if compact else data)


def _as_tensor(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def restored(
    found: files.EstimatorFile[Held], path: str | os.PathLike[str], custom: Custom | None = None
) -> Held:
    """Return the estimator of a file with its average. path: of the file, for errors.  custom: as for `load`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    estimator, tensors, data = found.estimator, found.tensors, found.metadata[KEY]
    try:
        looked, data = data.get(LOOKUP), data.get(AVERAGE, data)
        average = codec.read(SavedAverage, data, "the average")
        made = [estimator]
        for number in range(1, len(average.weights)):
            name = f"part {number} of the average"
            part = files.read(type(estimator), name, tensors[_name(number)].tobytes(), custom)
            if KEY in part.metadata:  # it would have parts again, and so on
                raise FormatError(f"{name} is an average")
            made.append(part.estimator)
        results = [result_of(each) for each in made]
        outputs = {each.model.network.outputs for each in results}
        if len(outputs) > 1:
            raise FormatError("the parts of the average have other outputs than the estimator")
        preprocessors = share_weights(
            [each.preprocessor for each in results if each.preprocessor is not None]
        )
        results = [replace(each, preprocessor=own) for each, own in zip(results, preprocessors, strict=True)]
        lookup = None
        if looked is not None:
            lookup = lookup_of(looked, from_bytes(tensors[LOOKUP].tobytes()), results[0].targets.outputs)
    except (
        SafetensorError, ChainruleError, KeyError, TypeError, ValueError, AttributeError, OverflowError
    ) as error:  # fmt: skip
        raise FormatError(
            f"{path}: the average in the file is malformed ({fault_of(error).rstrip('.')}); save it again."
        ) from error
    parts = [
        BlendPart(weight, as_fitted(each, result), name, result)
        for weight, each, name, result in zip(average.weights, made, average.recipes, results, strict=True)
    ]
    blend = Blend(parts, average.temperature, estimator.engine, lookup)
    report = RaceReport(average.report)
    return as_fitted(estimator, RaceResult.of(results[0], blend, report, plan=average.plan))


def share_weights(preprocessors: Sequence[TablePreprocessor]) -> list[TablePreprocessor]:
    """Return the preprocessors, with one for all that prepare a table alike, as those of a file are not."""
    known: dict[str, TablePreprocessor] = {}
    return [known.setdefault(json.dumps(each.to_data()), each) for each in preprocessors]


def plan_in(path: str | os.PathLike[str]) -> object:
    """Return the plan of the race in an estimator's file, as data; None for an estimator of no race."""
    average = load_any(path)[1].get(KEY)
    return average.get(AVERAGE, average).get("plan") if isinstance(average, dict) else None


def _name(number: int) -> str:
    return f"part_{number}"


def _described(result: RaceResult) -> dict[str, Any]:
    """Return an average and its report as JSON values."""
    blend = result.blend
    average = codec.write(
        SavedAverage(
            weights=tuple(part.weight for part in blend.parts),
            recipes=tuple(part.recipe for part in blend.parts),
            temperature=blend.temperature,
            plan=result.plan,
            report=tuple(result.report),
        )
    )
    return average if blend.lookup is None else {AVERAGE: average, LOOKUP: blend.lookup.described()}


FIT, PREDICTED = "race_fit", "race_fit_predicted"
"""The key of a fit in a file's metadata, and its predictions of the rows that were held out."""
Number = Annotated[int, from_to(0, (1 << 31) - 1)]


def are_records(history: list[dict[str, Any]]) -> bool:
    """Return whether a history has records of epochs alone."""
    return all(map(is_record, history))


@dataclass(frozen=True, kw_only=True)
class SavedFit:
    """What a file says of a fit of a race beside its estimator."""

    candidate: str
    fold: Number
    is_of_all: bool
    seconds: Annotated[float, from_to(0)]
    best: Annotated[Number, from_to(1)]
    epochs: Annotated[Number, from_to(1)]
    of: Any
    """a checksum of what it is on"""
    course: LimitCourse | None = None
    history: Annotated[list[dict[str, Any]], Condition("* of an epoch each", are_records)]


def saver(place: Path, estimator: HoldsResult, of: int) -> Callable[[Task, RaceFit], None]:
    """Return a listener of a race that writes each fit to a file of its own in a folder, replaced in one step.

    estimator: the one that races.  of: a checksum of what it races on.
    """

    def save(task: Task, made: RaceFit) -> None:
        own = SavedFit(
            candidate=task.candidate.name,
            fold=task.fold,
            is_of_all=task.is_of_all,
            seconds=made.seconds,
            best=made.best,
            epochs=made.epochs,
            of=of,
            course=made.result.course,
            history=made.result.model.history.records,
        )
        extra = {"estimator": files.described(as_fitted(estimator, made.result)), FIT: codec.write(own)}
        place.mkdir(exist_ok=True)
        rows = "all" if task.is_of_all else "fold"
        path = place / f"{task.candidate.name.replace(' ', '-')}-{rows}-{task.fold}.safetensors"
        write_whole(path, made.result.model.to_bytes(extra=extra, others={PREDICTED: made.predicted}))

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
    for path in sorted(place.glob("*.safetensors")):
        found = files.read(type(estimator), path)
        try:
            own, result = codec.read(SavedFit, found.metadata[FIT], "the fit"), result_of(found.estimator)
            predicted = found.tensors[PREDICTED]
            is_whole = predicted.shape[1:] == (result.targets.outputs,) and bool(np.isfinite(predicted).all())
            codec.require({"predictions": predicted.dtype == np.float64 and is_whole}, "the fit")
        except (ChainruleError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(
                f"{path} is not a fit of a race ({fault_of(error)}); delete it to fit it again."
            ) from error
        if own.of != of:
            raise ConfigError(f"{path} was made with other data; restore them, or start another run.")
        result.model.history.records.extend(own.history)
        made = RaceFit(replace(result, course=own.course), predicted, own.seconds, own.best, own.epochs)
        yield own.candidate, own.fold, own.is_of_all, made
