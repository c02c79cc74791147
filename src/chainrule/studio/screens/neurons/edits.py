"""Edits of a trained network, to test it without a neuron, with other weights, or with lower precision.

    edited, code = applied(model, [{"do": "ablate", "layer": "dense_1", "neuron": 7, "to": "zero"}], X)

Each edit is a dict of JSON values; edits are applied in order to a copy, and each comes with the equivalent Python on
`p = model.parameters`.

| do | with | result |
|---|---|---|
| ablate | layer, neuron, to: zero or mean | the neuron has this output for every sample |
| set | layer, row (None for the bias), neuron, value | one weight or bias |
| noise | layer, sigma, seed | W + sigma RMS(W) N(0, 1) |
| biases | layer | b = 0 |
| zero | layer | W = 0 and b = 0 |
| round | layer, bits | W = step round(W / step), step = max abs(W) / (2^(bits - 1) - 1) |

The layer of noise, biases and round may be None for all layers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import RowsLike
from chainrule.errors import ConfigError
from chainrule.formulas.layers import Context, Dense, Link
from chainrule.inspection.features.features import layer_outputs
from chainrule.network import backprop
from chainrule.network.tree import activations_after, chains
from chainrule.studio.session.commands import fitted
from chainrule.trained.trained import Trained

MAX_EDITS = 64
TO = Literal["zero", "mean"]
FIELDS: dict[str, dict[str, Any]] = {
    "ablate": {"layer": str, "neuron": int, "to": TO},
    "set": {"layer": str, "row": int | None, "neuron": int, "value": float},
    "noise": {"layer": str | None, "sigma": float, "seed": int},
    "biases": {"layer": str | None},
    "zero": {"layer": str},
    "round": {"layer": str | None, "bits": int},
}
"""The fields of each edit besides `do`, and their types."""
BISECTIONS = 80


def applied(model: Trained, edits: list[dict[str, Any]], X: RowsLike) -> tuple[Trained, list[str]]:
    """Return a copy of a model with all edits, and the Python lines that make them.

    X: the samples for the mean of an ablated neuron.  Raises ConfigError for an edit that cannot be made.
    """
    if len(edits) > MAX_EDITS:
        raise ConfigError(f"there may be at most {MAX_EDITS} edits, not {len(edits)}; undo some.")
    edited = copied(model)
    lines: list[str] = []
    with np.errstate(over="ignore", invalid="ignore"):  # overflows are visible in the answers
        for number, edit in enumerate(edits, 1):
            lines += _apply(edited, _checked(edit, number), X)
    return edited, lines


def copied(model: Trained) -> Trained:
    """Return a copy of a model with separate parameters, so that training the original does not change them."""
    own = copy.copy(model)
    own.theta = model.theta.copy()
    own.states = {name: type(state)(*map(np.copy, state)) for name, state in model.states.items()}
    return own


def neurons_of(model: Trained, layer: str) -> tuple[Link, ...]:
    """Return the links of a layer's neurons: the dense one, and those after it up to an elementwise activation.

    Raises ConfigError unless the name is a dense layer's.
    """
    last = activations_after(model.network.links).get(layer)
    for chain in chains(model.network.links):
        names = [link.name for link in chain]
        if layer in names and isinstance(chain[names.index(layer)].layer, Dense):
            start = names.index(layer)
            links = tuple(chain[start : (names.index(last) if last in names else start) + 1])
            alone = all(link.layer.is_elementwise or link.layer.is_identity for link in links[1:])
            return links if alone else links[:1]  # a softmax mixes neurons
    known = ", ".join(layers_of(model))
    raise ConfigError(f"layer must be one of {known}, not {layer[:64]!r}.")


def layers_of(model: Trained) -> list[str]:
    """Return the names of the dense layers in the order of the network, including those in blocks."""
    return [link.name for link in model.network.walk() if isinstance(link.layer, Dense)]


def _checked(edit: dict[str, Any], number: int) -> dict[str, Any]:
    """Check the types of an edit's values, and return it. Raises ConfigError."""
    do = edit.get("do")
    if not isinstance(do, str) or do not in FIELDS:
        raise ConfigError(f"edit {number} must do one of {', '.join(FIELDS)}, not {str(do)[:64]!r}.")
    fields = FIELDS[do]
    if unknown := sorted(map(str, edit.keys() - fields.keys() - {"do"})):
        raise ConfigError(
            f"edit {number}, {do}, has no {unknown[0][:64]!r}; its values are {', '.join(fields)}."
        )
    return {"do": do} | {
        name: fitted(edit.get(name), hint, f"{name} of edit {number}") for name, hint in fields.items()
    }


def _apply(model: Trained, edit: dict[str, Any], X: RowsLike) -> list[str]:
    """Make one edit in place, and return its Python."""
    do = edit.pop("do")
    if edit.get("layer") is not None:
        neurons_of(model, edit["layer"])  # raises for an unknown layer
    if do in ("ablate", "set"):
        width = model.parameters[edit["layer"]].W.shape[1]
        _within(edit["neuron"], width, f"neuron of {edit['layer']}")
    if do == "ablate":
        links = neurons_of(model, edit["layer"])
        found = layer_outputs(model, X, [links[0].name, links[-1].name])
        z, a = (found[link.name][:, edit["neuron"]] for link in (links[0], links[-1]))
        c = 0.0 if edit["to"] == "zero" else float(a.mean(dtype=np.float64))
        return ablate(model, edit["layer"], edit["neuron"], c, z)
    if do == "set":
        return _set(model, **edit)
    layers = layers_of(model) if edit["layer"] is None else [edit["layer"]]
    edit.pop("layer")
    return list(OF_LAYERS[do](model, layers, **edit))


def ablate(model: Trained, layer: str, neuron: int, c: float, seen: NDArray[Any]) -> list[str]:
    """Set a neuron's output to the number c for every sample, and return the Python. seen (n,): its a W + b on samples.

    Its weights become 0 and its bias the z with f(z) = c. If there is none, because for example a sigmoid is never 0,
    the next dense layer is changed instead: b + c W[neuron], and W[neuron] = 0. Both are exact.
    """
    links = neurons_of(model, layer)
    name, last = links[0].name, links[-1].name
    about = f"# neuron {neuron} of {last} is {c:.6g}"
    p = model.parameters[name]
    z = _solve(model, links, neuron, c, seen) if hasattr(p, "b") else None
    if z is not None:
        p.W[:, neuron] = 0
        p.b[neuron] = z
        return [
            f'p["{name}"].W[:, {neuron}] = 0  {about}',
            f'p["{name}"].b[{neuron}] = {_write_float(p.b[neuron])}',
        ]
    if not hasattr(p, "b") and c == 0 and _through(model, links[1:], neuron, 0.0) == 0:
        p.W[:, neuron] = 0
        return [f'p["{name}"].W[:, {neuron}] = 0  {about}']
    between, reader = _reader(model, last)
    if reader is None:
        raise ConfigError(
            f"neuron {neuron} of {last} cannot be set to {c:g}: no bias yields it, and no dense layer is its "
            "only reader; set its mean instead."
        )
    given = np.asarray(_through(model, between, neuron, c), model.dtype)[()]
    q = model.parameters[reader.name]
    q.b[:] += given * q.W[neuron]
    q.W[neuron] = 0
    return [
        f'p["{reader.name}"].b[:] += np.{model.dtype}({_write_float(given)}) * p["{reader.name}"].W[{neuron}]  {about}',
        f'p["{reader.name}"].W[{neuron}] = 0',
    ]


def _set(model: Trained, layer: str, row: int | None, neuron: int, value: float) -> list[str]:
    p, most = model.parameters[layer], float(np.finfo(model.dtype).max)
    if abs(value) > most:
        raise ConfigError(
            f"the absolute value must be at most {most:.3g}, the largest {model.dtype}, not {value:g}."
        )
    if row is None:
        if not hasattr(p, "b"):
            raise ConfigError(f"{layer} has no biases; choose one of its weights.")
        p.b[neuron] = value
        return [f'p["{layer}"].b[{neuron}] = {value!r}']
    _within(row, p.W.shape[0], f"row of {layer}")
    p.W[row, neuron] = value
    return [f'p["{layer}"].W[{row}, {neuron}] = {value!r}']


def _noise(model: Trained, layers: list[str], sigma: float, seed: int) -> Iterator[str]:
    """W + sigma RMS(W) N(0, 1)"""
    if not 0 <= sigma <= 1e6:
        raise ConfigError(f"sigma must be from 0 to 1000000, not {sigma:g}.")
    if not 0 <= seed < 2**32:
        raise ConfigError(f"seed must be from 0 to {2**32 - 1}, not {seed}.")
    rng = np.random.default_rng(seed)
    yield f"rng = np.random.default_rng({seed})"
    for name in layers:
        W = model.parameters[name].W
        W += sigma * np.sqrt(np.mean(W**2)) * rng.standard_normal(W.shape)
        yield f'W = p["{name}"].W'
        yield f"W += {sigma!r} * np.sqrt(np.mean(W**2)) * rng.standard_normal(W.shape)"


def _no_biases(model: Trained, layers: list[str]) -> Iterator[str]:
    for name in layers:
        if hasattr(model.parameters[name], "b"):
            model.parameters[name].b[:] = 0
            yield f'p["{name}"].b[:] = 0'


def _zero(model: Trained, layers: list[str]) -> Iterator[str]:
    for name in layers:
        model.parameters[name].W[:] = 0
        yield f'p["{name}"].W[:] = 0'
    yield from _no_biases(model, layers)


def _round(model: Trained, layers: list[str], bits: int) -> Iterator[str]:
    """W = step round(W / step), with step = max |W| / (2^(bits - 1) - 1)"""
    if not 2 <= bits <= 16:
        raise ConfigError(f"bits must be from 2 to 16, not {bits}.")
    for name in layers:
        W = model.parameters[name].W
        step = np.abs(W).max() / (2 ** (bits - 1) - 1)
        if step > 0:
            W[:] = np.round(W / step) * step
            yield f'W = p["{name}"].W'
            yield f"step = np.abs(W).max() / {2 ** (bits - 1) - 1}  # {bits} bits"
            yield "W[:] = np.round(W / step) * step"


OF_LAYERS: dict[str, Callable[..., Iterator[str]]] = {
    "noise": _noise,
    "biases": _no_biases,
    "zero": _zero,
    "round": _round,
}
"""Edits of whole layers."""


def _within(value: int, count: int, name: str) -> None:
    if not 0 <= value < count:
        raise ConfigError(f"{name} must be from 0 to {count - 1}, not {value}.")


def _write_float(value: object) -> str:
    """Format a number so that it is parsed to the same number in the model's precision."""
    return repr(float(str(value)))


def _through(model: Trained, links: tuple[Link, ...], neuron: int, z: float) -> float:
    """Compute the output of elementwise links for the number z of one neuron."""
    if not links:
        return z
    params = tuple(model.parameters.get(link.name, ()) for link in links)
    row = np.full((1, links[0].fan_in), z, np.float64)
    ctx = Context(states=model.states)
    return float(backprop.forward(links, params, row.astype(model.dtype), ctx)[0][0, neuron])


def _solve(model: Trained, links: tuple[Link, ...], neuron: int, c: float, seen: NDArray[Any]) -> Any:
    """Find z with f(z) = c in the model's precision; None if there is none. f: the links after the dense one."""

    def f(z: float) -> float:
        return _through(model, links[1:], neuron, z) - c

    if f(c) == 0:  # an identity, or a ReLU
        return c
    low, high = float(seen.min()), float(seen.max())
    down, up = f(low), f(high)
    if down * up > 0:
        low, high = (0.0, 0.0)
        down, up = f(low), f(high)
    if down == 0 or up == 0:
        return low if down == 0 else high
    if down * up > 0 or not np.isfinite([down, up]).all():
        return None
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if (f(middle) > 0) == (down > 0) else (low, middle)
    return high


def _reader(model: Trained, last: str) -> tuple[tuple[Link, ...], Link | None]:
    """Return the dense layer with biases that is the only reader of a link's output, and the links between the two."""
    for chain in chains(model.network.links):
        names = [link.name for link in chain]
        if last not in names:
            continue
        rest = chain[names.index(last) + 1 :]
        for i, link in enumerate(rest):
            if isinstance(link.layer, Dense):
                return tuple(rest[:i]), link if hasattr(model.parameters[link.name], "b") else None
            if not link.layer.is_elementwise and not link.layer.is_identity:
                break
    return (), None
