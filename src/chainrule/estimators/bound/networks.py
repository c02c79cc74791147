"""The networks of a fit bound for one prepared row: what `FitResult.predicted` and `Blend` make of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.data.samples import TargetScale, side_by_side
from chainrule.engines import Plan, select
from chainrule.estimators.best.blend import RaceResult
from chainrule.estimators.bound.inputs import Row
from chainrule.estimators.fit.result import FitResult
from chainrule.estimators.fit.start import members_of
from chainrule.estimators.labels import Labels
from chainrule.estimators.numbers import Targets
from chainrule.estimators.tables.preprocessor import TablePreprocessor
from chainrule.model import Ensemble, Model
from chainrule.network.network import Network
from chainrule.trained.evaluation import average, disagreement

"""prepared inputs (features,)"""


class BoundNetworks(Protocol):
    """What answers prepared rows: one for each different preparation, all of the same table's row."""

    def predicted(self, rows: Sequence[Row]) -> NDArray[Any]:
        """Return probabilities or means (1, outputs)."""

    def predicted_and_spread(self, rows: Sequence[Row]) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return these and how much the networks disagree (1, outputs); None of a single one."""


class AlikeNetworks:
    """Networks of one form and loss, whose outputs become predictions together."""

    def __init__(self, models: Sequence[Model | Ensemble], targets: Targets, engine: str) -> None:
        """Copy the parameters of each; an ensemble has those of its members."""
        first = models[0]
        self.network = first.network
        self.walks = [[_walk(member, engine) for member in members_of(model)] for model in models]
        self.shape, self.dtype = (1, self.network.fan_out), members_of(first)[0].theta.dtype
        self.is_averaged = isinstance(first, Ensemble)
        self.restore = _restoring([model.target_scale for model in models], self.network)
        self.predict = self.network.loss.predict
        self.uncrossed = None if isinstance(targets, Labels) else targets.uncrossed

    def outputs(self, rows: Sequence[Row]) -> NDArray[Any]:
        """Return the outputs (networks, members, fan_out) for the row of each network, in the units of the loss."""
        out = np.empty((len(self.walks), len(self.walks[0]), *self.shape), self.dtype)
        for members, row, own in zip(self.walks, rows, out, strict=True):
            for k, walk in enumerate(members):
                walk(row, own[k])
        return out[:, :, 0]

    def predicted(self, out: NDArray[Any]) -> NDArray[Any]:
        """Return probabilities or means (networks, outputs) of `outputs`, in the units of y."""
        mean = average(self.network, out.swapaxes(0, 1)) if self.is_averaged else out[:, 0]
        with np.errstate(over="ignore"):
            predicted: NDArray[Any] = self.predict(mean if self.restore is None else self.restore(mean))
        return predicted if self.uncrossed is None else self.uncrossed(predicted)


class BoundFit:
    """One network, or the members of an ensemble."""

    def __init__(self, result: FitResult, engine: str) -> None:
        """Copy the parameters of a fit."""
        self.alike = AlikeNetworks([result.model], result.targets, engine)
        self.scale = result.model.target_scale

    def predicted(self, rows: Sequence[Row]) -> NDArray[Any]:
        """Return probabilities or means (1, outputs), in the units of y."""
        return self.alike.predicted(self.alike.outputs(rows))

    def predicted_and_spread(self, rows: Sequence[Row]) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return these and the deviation of the members (1, ...); None of a single network."""
        out = self.alike.outputs(rows)
        if not self.alike.is_averaged:
            return self.alike.predicted(out), None
        each = out.swapaxes(0, 1)
        restored = each if self.scale is None else self.scale.restore(each)
        return self.alike.predicted(out), disagreement(self.alike.network, restored)


class BoundBlend:
    """The networks of a race."""

    def __init__(self, result: RaceResult, engine: str, places: Sequence[int]) -> None:
        """Copy the parameters of its parts. places: which of the prepared rows each part takes, and then the lookup."""
        blend = result.blend
        self.compared = None if blend.lookup is None else places[len(blend.parts)]
        self.average, self.deviation = blend.average, blend.deviation
        self.exclusive = result.targets.task == "multiclass"
        forms = [_form(part.result) for part in blend.parts]
        groups = [[k for k, other in enumerate(forms) if other == form] for form in dict.fromkeys(forms)]
        self.groups = [
            (
                np.array(group),
                [places[k] for k in group],
                AlikeNetworks([blend.parts[k].result.model for k in group], result.targets, engine),
            )
            for group in groups
        ]
        """the numbers of parts that are alike, the prepared rows that they take, and their networks"""
        self.shape = (len(forms), 1, result.targets.outputs)

    def predicted(self, rows: Sequence[Row]) -> NDArray[Any]:
        """Return the average (1, outputs)."""
        return self._average(self._each(rows), rows)

    def predicted_and_spread(self, rows: Sequence[Row]) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return the average and the deviation of the parts (1, outputs)."""
        each = self._each(rows)
        return self._average(each, rows), self.deviation(each)

    def _average(self, each: NDArray[np.float64], rows: Sequence[Row]) -> NDArray[np.float64]:
        compared = None if self.compared is None else rows[self.compared][None]
        return self.average(each, self.exclusive, compared)

    def _each(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """Return what each part predicts (parts, 1, outputs)."""
        each = np.empty(self.shape)
        for group, places, alike in self.groups:
            each[group, 0] = alike.predicted(alike.outputs([rows[place] for place in places]))
        return each


def preparations(result: FitResult) -> tuple[list[TablePreprocessor], list[int]]:
    """Return the different preprocessors of a fit, its own the first, and which of them each part of a race takes.

    Behind the parts that of the lookup of a race, if it has one.
    """
    assert result.preprocessor is not None, "only a fit with preprocess has rows of a table"
    of_parts = [part.preprocessor for part in result.parts]
    if isinstance(result, RaceResult) and result.blend.lookup is not None:
        of_parts.append(result.blend.lookup.preprocessor)
    known = {id(each): each for each in (result.preprocessor, *of_parts) if each is not None}
    return list(known.values()), [list(known).index(id(each)) for each in of_parts]


def bound_networks(result: FitResult, engine: str, places: Sequence[int]) -> BoundNetworks:
    """Return the networks of a fit. places: which of the prepared rows each part of a race takes."""
    return BoundBlend(result, engine, places) if isinstance(result, RaceResult) else BoundFit(result, engine)


def _form(result: FitResult) -> tuple[object, ...]:
    """Return what networks have in common whose outputs become predictions together."""
    model = result.model
    own = members_of(model)
    loss = model.network.loss
    scaled = None if model.target_scale is None else model.target_scale.clamps
    return type(loss), repr(loss), model.network.fan_out, own[0].theta.dtype, len(own), type(model), scaled


def _walk(model: Model, engine: str) -> Callable[[Row, NDArray[Any]], None]:
    """Return what writes a network's outputs of a row into an array (1, fan_out)."""
    bound = select(engine, Plan(model.network)).bind(model.network, model.theta, model.states, 1)
    quick = getattr(bound, "row", None)

    def slowly(row: Row, out: NDArray[Any]) -> None:
        out[:] = bound(row[None])

    if quick is None:
        return slowly

    def walk(row: Row, out: NDArray[Any]) -> None:
        if quick(row, out) < 0:  # not finite, or not laid out as the kernels read
            slowly(row, out)

    return walk


def _restoring(
    scales: Sequence[TargetScale | None], network: Network
) -> Callable[[NDArray[Any]], NDArray[Any]] | None:
    """Return what `TargetScale.restore` and `clamp` make of outputs (networks, fan_out); None without scales."""
    known = [scale for scale in scales if scale is not None]
    if not known:
        return None

    def of_each(*names: str) -> list[NDArray[np.float64]]:
        """Return these parts of all scales, (networks, fan_out) each."""
        one = np.empty((1, network.fan_out))
        rows = [[*side_by_side(one, *(getattr(scale, name) for name in names))] for scale in known]
        return [np.stack(part) for part in zip(*rows, strict=True)]

    mean, std = of_each("mean", "std")
    if not known[0].clamps:
        return lambda out: np.asarray(out, np.float64) * std + mean
    low, high = of_each("low", "high")
    return lambda out: np.minimum(np.maximum(np.asarray(out, np.float64) * std + mean, low), high)
