"""Layers, blocks and initializers as data."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from chainrule.formulas.initializers import (
    INITIALIZERS,
    GlorotNormal,
    Initializer,
    LeCunUniform,
)
from chainrule.formulas.layers import LAYERS, SELU, Dense, Layer, ReLU
from chainrule.formulas.layers.activation import ACTIVATIONS
from chainrule.formulas.layers.dense import Projection
from chainrule.formulas.losses import MeanSquaredError
from chainrule.network.blocks import Block, Residual, Skip
from chainrule.network.network import Network
from chainrule.studio.description.probes import ProbedClass, described
from chainrule.trained.persistence import encode

OFFERED = ("dense", "rescale", "standardize", "batch_norm", "dropout", "scale", "shift", *ACTIVATIONS)
"""The layers of a page. Those for tables (embeddings, groups of columns) are left to Python."""
DRAWN = ("he_uniform", "he_normal", "glorot_uniform", "glorot_normal", "lecun_uniform", "lecun_normal")
OTHERS = ("constant", "normal", "uniform")
DEFAULT, GIVEN = GlorotNormal(), LeCunUniform()
"""Initializers that stand for that of the activation that follows, and for the setting."""


def layers() -> dict[str, Any]:
    """Return every offered layer by its kind; also the projection, which only blocks add."""
    found = {kind: layer(ProbedClass(LAYERS[kind])) for kind in OFFERED}
    return found | {Projection.kind: layer(ProbedClass(Projection)), "parametric_activation": parametric()}


def layer(probe: ProbedClass) -> dict[str, Any]:
    """Return a layer: settings; and for each case its width, parameters, operations and state."""
    return described(probe, of_layer, ("fan_in",)) | {"passes": passed_on(usual(probe))}


def of_layer(one: Layer, tried: dict[str, Any]) -> dict[str, Any]:
    """Return what a layer says of itself for a number of inputs, `tried["fan_in"]`."""
    fan_in = tried["fan_in"]
    params, state = one.parameters(fan_in, DEFAULT), one.state(fan_in)
    ops = one.ops(fan_in)
    if (
        ops is None
        or any(op.columns or op.width or op.groups > 1 for op in ops)
        or one.defines("engine_state")
    ):
        raise ValueError(f"{one!r} cannot be described")
    return {
        "width": one.width(fan_in),
        "parameters": [
            {
                "field": field,
                "shape": list(getattr(params, field).shape),
                "initializer": start_of(one, field, fan_in),
                "isWeight": bool(getattr(params, field).is_weight),
                "rate": getattr(params, field).rate,
                "decays": float(getattr(params, field).decays),
            }
            for field in getattr(params, "_fields", ())
        ],
        "ops": [
            {
                "name": op.name,
                "function": op.function,
                "parameters": list(op.parameters),
                "constants": dict(op.constants),
                "hasState": op.has_state,
            }
            for op in ops
        ],
        "state": [
            {
                "field": field,
                "size": np.size(value),
                "isNumber": np.ndim(value) == 0,
                "value": float(np.ravel(value)[0]),
            }
            for field, value in zip(getattr(state, "_fields", ()), state, strict=True)
        ],
        "steps": one.defines("next_state"),
    }


def start_of(one: Layer, field: str, fan_in: int) -> dict[str, Any]:
    """Return the initializer of a parameter: whether the setting of that name replaces it, and which it is otherwise.

    "default" stands for that of the activation that follows.
    """
    usual = getattr(one.parameters(fan_in, DEFAULT), field).initializer
    replaced = False
    if "initializer" in [setting.name for setting in dataclasses.fields(one)]:
        changes: dict[str, Any] = {"initializer": GIVEN}
        other = dataclasses.replace(one, **changes)
        replaced = getattr(other.parameters(fan_in, DEFAULT), field).initializer == GIVEN
    return {"isSetting": replaced, "otherwise": "default" if usual == DEFAULT else encode(usual)}


def usual(probe: ProbedClass) -> Layer:
    """Return a layer of a usual size."""
    found: Layer = probe.instance(
        next(probe.cases()), dict.fromkeys(probe.counts, 8) | dict.fromkeys(probe.reals, 0.5)
    )
    return found


def passed_on(one: Layer) -> Any:
    """Return the initializer that a dense layer before this one gets; "after" for that of what follows this one."""
    if isinstance(one, LAYERS["standardize"]):
        return "after"
    found = []
    for following in (ReLU(), SELU()):
        network = Network(8, [Dense(8), one, following, Dense(8)], MeanSquaredError())
        found.append(network.links[0].params.W.initializer)
    if found == [ReLU.suits, SELU.suits]:
        return "after"
    if found[0] != found[1]:
        raise ValueError(f"{one!r} passes on {found}")
    return encode(found[0])


def parametric() -> dict[str, Any]:
    """Return ParametricActivation, whose operation is that of its function with another name and its own parameter."""
    kind = LAYERS["parametric_activation"]
    functions = [each for name, each in ACTIVATIONS.items() if name not in ("prelu", "softmax")]
    described_by = {each.kind: layer(ProbedClass(kind, function=each())) for each in functions}
    first = described_by["relu"]
    for name, one in described_by.items():  # only the function, its constants and what it passes on differ
        case, of_function = one["cases"][0], layer(ProbedClass(LAYERS[name]))
        op, inner = case["ops"][0], of_function["cases"][0]["ops"][0]
        same = {**op, "function": None, "constants": {}} == {**first["cases"][0]["ops"][0], "function": None}
        if not same or op["function"] != inner["function"] or one["passes"] != of_function["passes"]:
            raise ValueError(f"ParametricActivation of {name} is described otherwise")
    return first | {"functions": list(described_by), "passes": "function"}


def blocks() -> dict[str, Any]:
    """Return every block by its kind: the operation that joins its branches, its width, and its shortcut."""
    return {kind.kind: block(kind) for kind in (Residual, Skip)}


def block(kind: type[Block]) -> dict[str, Any]:
    """Return a block. width: "branch", or "sum" of branch and input. shortcut: "projection" where the widths differ."""
    one = kind([Dense(8)])
    widths = {"branch": 8, "sum": 21}
    ops, other, same = one.ops(13), one.shortcut(13), one.shortcut(8)
    width = next(name for name, value in widths.items() if one.width(13) == value)
    if ops is None or len(ops) != 1 or same != () or other not in ((), (Projection(8),)):
        raise ValueError(f"{one!r} cannot be described")
    return {
        "op": ops[0].name,
        "width": width,
        "shortcut": "projection" if other else None,
        "passes": passed_on(one),
    }


class Recorder:
    """A generator of random numbers that keeps what it is asked for."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self.draw, self.scale = "constant", 0.0

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> Any:
        """Keep U(-scale, scale)."""
        if low != -high:
            raise ValueError("not symmetric")
        self.draw, self.scale = "uniform", high
        return np.zeros(shape)

    def normal(self, mean: float, std: float, shape: tuple[int, ...]) -> Any:
        """Keep N(0, scale^2)."""
        if mean != 0:
            raise ValueError("not centered")
        self.draw, self.scale = "normal", std
        return np.zeros(shape)


def initializers() -> dict[str, Any]:
    """Return every offered initializer by its kind: the draw, and its scale as a product with fan_in, fan_out, fans."""
    return {
        kind: described(ProbedClass(INITIALIZERS[kind]), of_initializer, ("fan_in", "fan_out"))
        for kind in (*DRAWN, *OTHERS)
    }


def of_initializer(one: Initializer, tried: dict[str, Any]) -> dict[str, Any]:
    """Return what an initializer draws for some numbers of inputs and outputs."""
    recorder: Any = Recorder()
    value = one(recorder, (1,), tried["fan_in"], tried["fan_out"])
    return {
        "draw": recorder.draw,
        "scale": recorder.scale if recorder.draw != "constant" else float(value[0]),
    }
