"""The attributed function: one number per sample, f(x), with its forward and backward pass.

f_i(x) = sum_k v_ik out_k(x)

out is the output before the output activation that makes probabilities: a class's logit, the logarithm of an
expected count, a number. v_i selects it: 1 at the target, and -1 at the class `against`, if any.
With one output for two classes, out is the logit of the second, so v_i = -1 for the first. All in float64 for every
model dtype: completeness is a property of the method, not of rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import records
from chainrule.core.arrays import Array, RowsLike
from chainrule.data.checks import as_array, check_X
from chainrule.data.frames import column_names
from chainrule.data.samples import dense
from chainrule.errors import ConfigError, DataError, ShapeError
from chainrule.formulas.layers import Context, Link
from chainrule.network import backprop
from chainrule.network.network import Network
from chainrule.trained.trained import Trained

Floats = NDArray[np.float64]
CHUNK_ROWS = 1024
"""The maximum number of rows per pass."""
CHUNK_NUMBERS = 8_000_000
"""The maximum number of outputs of the widest layer per pass."""
MIN_PICTURE_SIDE = 8
"""The minimum side, in pixels, of a picture inferred from a square number of bytes."""


@records.kind("attribution_target")
class Target(NamedTuple):
    """The meaning of f for one sample: one output, or the difference of two. Print it for its name."""

    what: str
    """the kind of output: "class", "label" or "output"."""
    label: Any
    """its label, or its index if outputs have no labels"""
    against: Any = None
    """the label whose output is subtracted; None for none"""
    is_negated: bool = False
    """whether f is minus the output, for a label that is off"""

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)

    def __str__(self) -> str:
        """Describe f: class 3 against 5."""
        return records.written(self, "as_words")


class Explained(NamedTuple):
    """The function f, and the samples to explain."""

    links: tuple[Link, ...]  # without the output activation
    params: tuple[Any, ...]
    ctx: Context
    X: Floats  # (n, inputs)
    baseline: Floats  # (n, inputs)
    V: Floats  # (n, fan_out) the coefficients v of f
    labels: tuple[Any, ...]
    """the target of each sample: 3"""
    targets: tuple[Target, ...]
    """the meaning of f for each sample"""
    names: tuple[str, ...] | None
    """names of the features, if X has them"""
    shape: tuple[int, int] | None
    """(height, width) if a sample is a picture"""
    offset: Floats | float = 0.0
    """(n,) the constant term of f besides V out: the mean of the targets, if the model standardizes them"""
    whole: Explained | None = None
    """f of the samples, if self is f of the output of their embedding"""

    def behind_codes(self) -> Explained:
        """Return f as a function of the embedding's output, which has a derivative; self without an embedding."""
        if not self.links[0].layer.reads_codes:
            return self
        first = self._replace(links=self.links[:1], params=self.params[:1])
        X, baseline = (first.forward(rows)[0] for rows in (self.X, self.baseline))
        return self._replace(links=self.links[1:], params=self.params[1:], X=X, baseline=baseline, whole=self)

    def forward(self, X: Floats) -> tuple[Floats, tuple[Any, ...]]:
        """Compute out (rows, outputs) and the caches."""
        out, caches = backprop.forward(self.links, self.params, X, self.ctx)
        return out, caches

    def value(self, X: Floats, V: Floats) -> Floats:
        """Compute f (rows,) at X (rows, inputs). V: (rows, outputs), or (outputs,) for all rows."""
        parts = []
        for rows in self.chunks(len(X)):
            v = V if V.ndim == 1 else V[rows]
            parts.append((self.forward(X[rows])[0] * v).sum(1))
        return np.concatenate(parts)

    def gradient(self, X: Floats, V: Floats) -> Floats:
        """Compute df/dx (rows, inputs) at X (rows, inputs)."""
        parts = []
        for rows in self.chunks(len(X)):
            out, caches = self.forward(X[rows])
            delta = np.broadcast_to(V if V.ndim == 1 else V[rows], out.shape)
            parts.append(backprop.backward(self.links, self.params, caches, delta, self.ctx)[1])
        return np.concatenate(parts)

    @property
    def width(self) -> int:
        """The outputs of the widest layer, or the inputs if these are more."""
        return int(max(self.X.shape[1], *(link.fan_out for link in self.links)))

    @property
    def rows_per_pass(self) -> int:
        """The maximum number of rows per pass."""
        return max(1, min(CHUNK_ROWS, CHUNK_NUMBERS // self.width))

    def chunks(self, n: int) -> list[slice]:
        """Return slices of at most `rows_per_pass` rows that cover n."""
        step = self.rows_per_pass
        return [slice(start, min(start + step, n)) for start in range(0, n, step)]

    def scale(self) -> Floats:
        """Return the change of the first trained layer's input per unit of each feature (inputs,)."""
        front = input_links(self.links)
        links, params, one = self.links[:front], self.params[:front], np.ones((1, self.X.shape[1]))
        _, caches = backprop.forward(links, params, self.X[:1], self.ctx)
        return np.asarray(backprop.backward(links, params, caches, one, self.ctx)[1][0])

    def outputs(self) -> tuple[Floats, Floats]:
        """Compute f (n,) at the samples and at their baselines."""
        return self.value(self.X, self.V) + self.offset, self.value(self.baseline, self.V) + self.offset


def explained(
    model: Trained,
    X: RowsLike,
    *,
    target: object = None,
    against: object = None,
    baseline: Array = None,
    shape: tuple[int, int] | None = None,
) -> Explained:
    """Check the arguments of an attribution, and choose f.

    target: a label of the model, the index of an output without labels, or one per sample; None for the predicted
    class, the most likely of several labels, or the only output.  against: another label, whose logit is subtracted.
    baseline: numbers (inputs,) or (n, inputs), or one number for all; None for `neutral`.
    shape: (height, width) of a picture; inferred for a square number of bytes.
    Raises ConfigError, ShapeError or DataError.
    """
    network = model.network
    names = model.feature_names or column_names(X)
    checked = check_X(X, network.inputs, features=model.feature_names)
    stored_as = checked.dtype
    rows = dense(checked, stored_as).astype(np.float64)
    links = attributed_links(network)
    exact = model.in_float64()
    ctx = Context(training=False, seed=model.seed, states=exact.states)
    params = network.unflatten(exact.theta)[: len(links)]
    origin = neutral(links, ctx, network.inputs) if baseline is None else baseline
    made = Explained(
        links,
        params,
        ctx,
        rows,
        _check_baseline(origin, rows.shape),
        np.zeros((len(rows), network.fan_out)),
        (),
        (),
        names,
        check_shape(shape, network.inputs, stored_as),
    )
    V, labels, targets = _pick(model, made, target, against)
    if model.target_scale is not None:
        made = made._replace(offset=V @ model.target_scale.mean)
        V = V * model.target_scale.std
    members = network.loss.members  # for an ensemble, f is the mean over its members
    V = np.tile(V, members) / members if members > 1 else V
    return made._replace(V=V, labels=labels, targets=targets)


def attributed_links(network: Network) -> tuple[Link, ...]:
    """Return the links that compute f: all except an output activation that makes probabilities."""
    links = network.links
    has_activation = network.loss.domain == "probability" and links[-1].layer.gives_probabilities
    return links[:-1] if has_activation else links


def input_links(links: Sequence[Link]) -> int:
    """Count the leading links that only change the units of the features: Rescale and Standardize."""
    return next((i for i, link in enumerate(links) if not link.layer.changes_units), len(links))


def neutral(links: Sequence[Link], ctx: Context, inputs: int) -> Floats:
    """Return the input (inputs,) that the input links map to 0: black pixels, or the means of the training data.

    0 if an input link has no inverse.
    """
    x = np.zeros(inputs)
    for link in reversed(links[: input_links(links)]):
        found = link.layer.inverse(x, ctx.at(link))
        if found is None:
            return np.zeros(inputs)
        x = found
    return x + 0.0  # no negative zero


def check_shape(shape: Any, inputs: int, dtype: np.dtype[Any]) -> tuple[int, int] | None:
    """Return (height, width), given or inferred from the data; None for a table."""
    if shape is None:
        side = math.isqrt(inputs)
        return (
            (side, side) if dtype == np.uint8 and side * side == inputs and side >= MIN_PICTURE_SIDE else None
        )
    try:
        height, width = (int(side) for side in shape)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"shape must be (height, width), not {shape!r}.") from error
    if height < 1 or width < 1 or height * width != inputs:
        raise ShapeError(
            f"shape is {height} x {width}, {height * width} pixels, but the network takes {inputs} inputs; "
            "omit it for a table."
        )
    return height, width


def _check_baseline(baseline: Array, shape: tuple[int, ...]) -> Floats:
    try:
        numbers = np.asarray(as_array(baseline, "baseline"), np.float64)
        full = np.array(np.broadcast_to(numbers, shape))
    except (TypeError, ValueError) as error:
        if isinstance(error, ShapeError):
            raise
        raise ShapeError(
            f"baseline must be one number, or numbers of shape ({shape[1]},) or {shape}; "
            f"its shape is {np.shape(baseline)}."
        ) from error
    if not np.isfinite(full).all():
        raise DataError("baseline contains NaN or infinity; it must be a valid input of the network.")
    return full


def _pick(
    model: Trained, f: Explained, target: object, against: object
) -> tuple[Floats, tuple[Any, ...], tuple[Target, ...]]:
    """Return V (n, outputs), and each sample's target, as a label and as a `Target`."""
    task, outputs = model.task, model.network.outputs
    labels = _labels(model, task)
    noun = {"regression": "output", "multilabel": "label"}.get(task, "class")
    is_given = target is not None
    chosen = (
        label_numbers(target, labels, len(f.X), "target", noun)
        if is_given
        else _default(model, f, task, outputs)
    )
    n = np.arange(len(f.X))
    V = np.zeros((len(n), outputs))
    if task == "binary":
        V[n, 0] = np.where(chosen == 1, 1.0, -1.0)
    else:
        V[n, chosen] = 1.0
    targets = tuple(labels[k] for k in chosen.tolist())
    whole = tuple(Target(noun, label) for label in targets)
    if against is None:
        return V, targets, whole
    rival = label_numbers(against, labels, len(f.X), "against", noun)
    if task == "binary":
        raise ConfigError(
            "against needs more than two classes, because the logit of two classes already compares them."
        )
    if (rival == chosen).any():
        raise ConfigError(f"against is the target itself, {noun} {targets[int((rival == chosen).argmax())]}.")
    V[n, rival] = -1.0
    held = zip(whole, rival.tolist(), strict=True)
    return V, targets, tuple(target._replace(against=labels[k]) for target, k in held)


def _labels(model: Trained, task: str) -> list[Any]:
    """Return the possible targets."""
    return model.labels if task in ("binary", "multiclass") else list(range(model.network.outputs))


def _default(model: Trained, f: Explained, task: str, outputs: int) -> NDArray[np.int64]:
    if task == "regression":
        if outputs > 1:
            raise ConfigError(
                f"the network has {outputs} outputs; choose the one to attribute, such as target=0 for the first."
            )
        return np.zeros(len(f.X), np.int64)
    if not model.network.loss.keeps_order:
        exact = model.in_float64()
        shares = exact.network.loss.predict(exact.outputs(f.X, engine="reference"))
        return np.asarray(shares[:, 0] > 0.5 if task == "binary" else shares.argmax(1), np.int64)
    parts = [f.forward(f.X[rows])[0] for rows in f.chunks(len(f.X))]
    out = np.concatenate(parts)
    if task == "binary":
        # Without a Sigmoid to skip, the output of a loss on probabilities is one, and the threshold 0.5.
        is_share = model.network.loss.domain == "probability" and len(f.links) == len(model.network.links)
        return np.asarray(out[:, 0] > (0.5 if is_share else 0.0), np.int64)
    return np.asarray(out.argmax(1), np.int64)


def label_numbers(value: object, labels: list[Any], n: int, name: str, noun: str) -> NDArray[np.int64]:
    """Return the index (n,) of each label among the labels."""
    array = np.asarray(value)
    given = [value] * n if array.ndim == 0 else list(array.tolist())
    if len(given) != n:
        raise ShapeError(f"{name} contains {len(given)} labels for {n} samples; give one, or one per sample.")
    place = {label: k for k, label in enumerate(labels)}
    spelled = {str(label): k for k, label in enumerate(labels)}
    found = []
    for label in given:
        plain = label.item() if isinstance(label, np.generic) else label
        k = place.get(plain) if not isinstance(plain, bool) or len(labels) == 2 else None
        k = spelled.get(str(plain)) if k is None and isinstance(plain, str) else k
        if k is None:
            if len(labels) == 1:
                raise ConfigError(f"{name} is {plain!r}, but the only {noun} is {labels[0]!r}.")
            some = ", ".join(map(repr, labels[:10])) + (", ..." if len(labels) > 10 else "")
            plural = noun + ("es" if noun == "class" else "s")
            raise ConfigError(f"{name} is {plain!r}, but the {plural} are {some}; name one of them.")
        found.append(k)
    return np.asarray(found, np.int64)
