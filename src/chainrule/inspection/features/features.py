r"""Find the inputs to which neurons respond: weights as images, maximizing inputs, and maximizing samples.

The passes are those of training, in prediction mode: the forward pass computes a neuron's output, the backward pass
its gradient by the input. For comparing representations see `chainrule.inspection.features.representations`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.core.arrays import RowsLike, states_in
from chainrule.core.settings import check_number
from chainrule.data import checks
from chainrule.data.samples import dense
from chainrule.errors import ConfigError, ShapeError
from chainrule.formulas.layers import Context, Link
from chainrule.inspection.trace.regions import Box, Floats, Region, total_variation
from chainrule.network import backprop, tree
from chainrule.trained.trained import Trained

BATCH_SIZE = 1024
DRAWS_PER_START = 16
"""The number of random points per start, the best of which starts the ascent."""


@records.kind("best_inputs", rows="units", columns="inputs")
class BestInputs(NamedTuple):
    """The inputs that maximize the outputs of some neurons of one link."""

    link: str
    units: NDArray[np.int64]  # (units,)
    x: Floats  # (units, inputs) the best over all starts
    value: Floats  # (units,) the neuron's output there, without the prior
    starts: Floats  # (units, starts, inputs) where each start ended
    values: Floats  # (units, starts)
    objective: Floats  # (units, starts) value minus prior, which is maximized
    exact: bool
    """True for the closed form; False for the best result of the ascent"""

    def to_data(self, n: int | None = 32, width: int | None = 1024) -> dict[str, Any]:
        """Return the result as JSON-safe data: the first n neurons, and of each the first `width` inputs; None for all.

        "left_out" counts those missing; see `chainrule.core.records`.
        """
        return records.to_data(self, n, width)


@records.kind("examples", rows="units")
class Examples(NamedTuple):
    """The samples with the largest and the smallest outputs of some neurons of one link."""

    most: NDArray[np.int64]  # (units, k) rows of X, in descending order
    least: NDArray[np.int64]  # (units, k) in ascending order
    most_values: NDArray[Any]  # (units, k)
    least_values: NDArray[Any]

    def to_data(self, n: int | None = 32) -> dict[str, Any]:
        """Return the first n neurons' samples as JSON-safe data, None for all; "left_out" counts the others."""
        return records.to_data(self, n)


def layer_outputs(model: Trained, X: RowsLike, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """Compute the outputs of each link for X in prediction mode, by name: (n, width) each, including links in blocks.

    names: only these.  Memory: n times the sum of their widths.
    """
    X = checks.check_X(X, model.network.inputs, features=model.feature_names)
    wanted = None if names is None else {_path(model, name)[0][-1].name for name in names}
    parts: dict[str, list[NDArray[Any]]] = {}

    def keep(_: str, link: Link, a: NDArray[Any]) -> None:
        if wanted is None or link.name in wanted:
            parts.setdefault(link.name, []).append(a)

    params, ctx = model.network.unflatten(model.theta), Context(states=model.states, watch=keep)
    for start in range(0, X.shape[0], BATCH_SIZE):
        a = dense(X[start : start + BATCH_SIZE], model.dtype)
        backprop.forward(model.network.links, params, a, ctx)
    return {name: np.concatenate(part) for name, part in parts.items()}


def weight_images(
    model: Trained, link: str = "dense_1", shape: tuple[int, int] | None = None
) -> NDArray[Any]:
    """Return the incoming weights of each neuron of a dense link: (units, fan_in), or (units, *shape)."""
    if link not in model.parameters or not hasattr(model.parameters[link], "W"):
        known = [name for name, part in model.parameters.items() if hasattr(part, "W")]
        raise ConfigError(f"link must be a dense link, one of {', '.join(known)}, not {link!r}.")
    W: NDArray[Any] = model.parameters[link].W.T  # (units, fan_in)
    if shape is None:
        return W.copy()
    if math.prod(shape) != W.shape[1]:
        raise ShapeError(
            f"shape {shape} has {math.prod(shape)} pixels but a neuron of {link} has {W.shape[1]} weights; "
            "pass the height and width of the images."
        )
    return W.reshape(-1, *shape).copy()


def exciting_samples(
    model: Trained, X: RowsLike, link: str, units: Sequence[int] | None = None, k: int = 9
) -> Examples:
    """Find the k samples of X with the largest output of each neuron of a link, and the k with the smallest.

    units: indices of neurons, all for None.  Ties go to the earlier sample.
    """
    a = layer_outputs(model, X, [link])[link]  # (n, width)
    chosen = _units(units, a.shape[1], link)
    k = min(checks.check_count(k, "k"), len(a))
    a = a[:, chosen].T  # (units, n)
    most, least = ((sign * a).argsort(1, kind="stable")[:, :k] for sign in (-1, 1))
    return Examples(most, least, np.take_along_axis(a, most, 1), np.take_along_axis(a, least, 1))


def best_inputs(
    model: Trained,
    link: str,
    units: Sequence[int] | None = None,
    *,
    within: Region | None = None,
    l2: float = 0.0,
    tv: float = 0.0,
    shape: tuple[int, int] | None = None,
    starts: int = 8,
    steps: int = 200,
    seed: int = 0,
) -> BestInputs:
    r"""Find the inputs in a region that maximize each neuron of a link: activation maximization.

    maximize  a_unit(x) - l2/2 ||u||^2 - tv TV(u),   x = center + scale u

    If every link up to this one is affine and there is no prior, a_unit(x) = g^T x + c, and the answer is exact:
    in a box the corner in the direction of g, in a ball center + radius g / ||g||. Otherwise it is found by projected
    gradient ascent from several starts, each the best of 16 random points, the first moved along its gradient to the
    border of the region. The first half of the steps have decreasing lengths, and the best point is kept; the second
    half start there and are accepted only if they improve. The best result is returned, which may be a local maximum.

    link: any link, including those in blocks; a dense link is maximized before its activation, because a ReLU that is
    off has no gradient.  within: Box(0, 1) by default.  tv: total variation over images of `shape`.
    Raises ConfigError for an unknown link, unit or prior.
    Source: Erhan, Bengio, Courville, Vincent, "Visualizing higher-layer features of a deep network", 2009.
    """
    region = within if within is not None else Box()
    links, params = _path(model, link)
    chosen = _units(units, links[-1].fan_out, link)
    starts, steps = checks.check_count(starts, "starts"), checks.check_count(steps, "steps", 0)
    _check_prior(model, l2, tv, shape)
    walk = _Walk(links, params, model, chosen)
    if not (l2 or tv) and all(each.layer.is_affine for each in links):
        anywhere = np.zeros((len(chosen), 1, model.network.inputs))
        _, g = walk(anywhere)  # (units, 1, inputs), the same at every x
        x = region.place(region.best(g))
        value, _ = walk(x)
        return BestInputs(link, chosen, x[:, 0], value[:, 0], x, value, value, exact=True)

    def climb(u: Floats) -> tuple[Floats, Floats, Floats]:
        value, g = walk(region.place(u))
        dislike, slope = prior(u, l2, tv, shape)
        return value, value - dislike, region.scale * g - slope

    random = np.random.default_rng(checks.check_seed(seed))
    shape_of_starts = (len(chosen), starts, model.network.inputs)
    u = region.draw(random, shape_of_starts)
    _, height, g = climb(u)
    for _ in range(DRAWS_PER_START - 1):  # each start is the best of several random points
        drawn = region.draw(random, shape_of_starts)
        _, seen_height, slope = climb(drawn)
        up = seen_height > height
        u, g = np.where(up[..., None], drawn, u), np.where(up[..., None], slope, g)
        height = np.where(up, seen_height, height)
    u[:, 0] = region.best(g)[:, 0]  # the closed form for the gradient at the first start
    value, height, g = climb(u)
    wanders = steps // 2
    roaming, uphill = u, g
    for t in range(1, wanders + 1):  # crosses ridges where pure ascent would stop
        roaming = region.project(roaming + _stride(uphill, 0.5 / math.sqrt(t)))
        seen, seen_height, uphill = climb(roaming)
        up = seen_height > height
        u, g = np.where(up[..., None], roaming, u), np.where(up[..., None], uphill, g)
        value, height = np.where(up, seen, value), np.where(up, seen_height, height)
    pace = np.full((*height.shape, 1), 0.5 / math.sqrt(wanders + 1))
    for _ in range(steps - wanders):
        tried = region.project(u + _stride(g, pace))
        seen, seen_height, slope = climb(tried)
        up = seen_height > height
        u, g = np.where(up[..., None], tried, u), np.where(up[..., None], slope, g)
        value, height = np.where(up, seen, value), np.where(up, seen_height, height)
        pace = np.where(up[..., None], np.minimum(1.5 * pace, 1.0), 0.5 * pace)
    x, best = region.place(u), height.argmax(1)
    rows = np.arange(len(chosen))
    return BestInputs(link, chosen, x[rows, best], value[rows, best], x, value, height, exact=False)


class _Walk:
    """A function of some neurons' outputs and their gradients by the input, in float64."""

    def __init__(
        self, links: tuple[Link, ...], params: tuple[Any, ...], model: Trained, units: NDArray[np.int64]
    ) -> None:
        self.links, self.params, self.units = links, params, units
        self.ctx = Context(states=states_in(np.float64, model.states))

    def __call__(self, x: Floats) -> tuple[Floats, Floats]:
        """Compute a (units, starts) and da/dx (units, starts, inputs) at x (units, starts, inputs)."""
        units, starts, inputs = x.shape
        column = np.repeat(self.units, starts)
        a, caches = backprop.forward(self.links, self.params, x.reshape(-1, inputs), self.ctx)
        rows = np.arange(units * starts)
        delta = np.zeros_like(a)
        delta[rows, column] = 1.0
        _, g = backprop.backward(self.links, self.params, caches, delta, self.ctx)
        return a[rows, column].reshape(units, starts), g.reshape(x.shape)


def _stride(g: Floats, pace: Any) -> Floats:
    """Scale g (..., inputs) to a step with root mean square `pace`."""
    norm: Floats = np.linalg.norm(g, axis=-1, keepdims=True)
    stride: Floats = pace * math.sqrt(g.shape[-1]) * g / np.where(norm > 0, norm, 1.0)
    return stride


def _path(model: Trained, name: str) -> tuple[tuple[Link, ...], tuple[Any, ...]]:
    """Return the links from the input to the named one, and their parameters in float64."""
    network = model.network
    params = network.unflatten(model.theta.astype(np.float64))
    known = {place.link.name: place for place in tree.places(network.links, params)}
    if name not in known:
        raise ConfigError(f"link must be one of {', '.join(known)}, not {name!r}.")
    way = [known[name]]
    while (source := way[0].source) is not None:
        way.insert(0, known[source.name])
    return tuple(place.link for place in way), tuple(place.parts[0] for place in way)


def _units(units: Sequence[int] | None, width: int, link: str) -> NDArray[np.int64]:
    if units is None:
        return np.arange(width)
    chosen = np.asarray(units)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not ((chosen >= 0) & (chosen < width)).all():
        raise ConfigError(
            f"units must be indices of neurons of {link}, from 0 to {width - 1}, not {units!r}."
        )
    return chosen.astype(np.int64)


def _check_prior(model: Trained, l2: float, tv: float, shape: tuple[int, int] | None) -> None:
    for name, value in (("l2", l2), ("tv", tv)):
        check_number(value, name, minimum=0)
    if tv and (shape is None or math.prod(shape) != model.network.inputs):
        raise ConfigError(
            f"tv needs shape, the (height, width) of an image of {model.network.inputs} pixels, not {shape!r}."
        )


def prior(u: Floats, l2: float, tv: float, shape: tuple[int, int] | None) -> tuple[Floats, Floats]:
    """l2/2 ||u||^2 + tv TV(u) for u (..., inputs), and its gradient: l2 u + tv dTV/du."""
    value, slope = 0.5 * l2 * np.square(u).sum(-1), l2 * u
    if tv and shape is not None:
        variation, gradient = total_variation(u.reshape(*u.shape[:-1], *shape))
        value, slope = value + tv * variation, slope + tv * gradient.reshape(u.shape)
    return value, slope
