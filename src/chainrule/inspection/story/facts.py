"""Compute the numbers of a story from `Model.trace` and from attributions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from chainrule.core import records
from chainrule.formulas.layers import Activation, Softmax
from chainrule.inspection.attribution.explained import Explained, Floats, input_links
from chainrule.inspection.attribution.methods import NoRuleError, multipliers
from chainrule.inspection.walk import Walk
from chainrule.network import objective
from chainrule.network.answers import decide
from chainrule.network.tree import places
from chainrule.trained.trained import Trained

NEURONS_NAMED = 3
"""The number of neurons named per layer."""
WEIGHTS_NAMED = 6
"""The number of weights named."""


@records.kind("story_answer")
class Answer(NamedTuple):
    """One possible answer of the model."""

    label: str
    output: float
    """the output before the output activation"""
    share: float | None
    """its probability; None for regression"""
    is_said: bool

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


@records.kind("story_layer", version=2, also=("rms",))
class LayerFacts(NamedTuple):
    """The output of one link."""

    name: str
    layer: str
    """the layer as Python code; for a block only its name"""
    depth: int
    """the number of blocks around it"""
    values: Floats  # (width,) the output
    active: int | None
    """the number of neurons with z above 0, for an activation"""
    strongest: tuple[int, ...]
    changes_units: bool = False
    """whether it only rescales or standardizes the input"""
    is_block: bool = False
    """whether it joins the outputs of chains inside it"""

    @property
    def rms(self) -> float:
        """sqrt(mean a^2)"""
        with np.errstate(over="ignore"):  # infinite beyond float64
            return float(np.sqrt(np.mean(self.values**2)))

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


@records.kind("story_evidence", also=("total",))
class Evidence(NamedTuple):
    """The contributions of a layer's neurons to f, by DeepLIFT; their sum is f(x) - f(baseline) at every layer."""

    name: str
    for_it: float
    against_it: float
    strongest: tuple[tuple[int, float], ...]
    weakest: tuple[tuple[int, float], ...]

    @property
    def total(self) -> float:
        """The sum of the contributions for and against."""
        return self.for_it + self.against_it

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


@records.kind("story_no_rule")
class NoRule(NamedTuple):
    """The layer without a DeepLIFT rule, for which the story has no evidence by layer."""

    name: str
    layer: str

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


@records.kind("story_move")
class Move(NamedTuple):
    """One weight before and after a step."""

    name: str
    before: float
    after: float

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


@records.kind("story_delta")
class Delta(NamedTuple):
    """The gradient at one link."""

    name: str
    delta: float
    """root mean square of dL/d output"""
    gradient: float | None
    """norm of dL/dtheta; None without parameters"""
    is_frozen: bool

    def to_data(self) -> dict[str, Any]:
        """Return the result as JSON-safe data; see `chainrule.core.records`."""
        return records.to_data(self)


@records.kind("story_change")
class Change(NamedTuple):
    """The effect of one step of gradient descent on this sample."""

    truth: str
    is_given: bool
    rate: float
    loss: float
    loss_after: float
    expected: float
    """the first-order change of the loss: -rate ||g||^2"""
    deltas: tuple[Delta, ...]  # from the output down
    moves: tuple[Move, ...]
    answers_after: tuple[Answer, ...]  # in the order of Story.answers

    def to_data(self) -> dict[str, Any]:
        """Return the change as JSON-safe data, labels as text; see `chainrule.core.records`."""
        return records.to_data(self)

    def to_json(self, classes: Mapping[str, Any]) -> dict[str, Any]:
        """Return all values as data; NaN is null. classes: the data's labels by their names here."""
        return self._asdict() | {
            "truth": classes.get(self.truth, self.truth),
            "deltas": [d._asdict() for d in self.deltas],
            "moves": [m._asdict() for m in self.moves],
            "answers_after": [
                a._asdict() | {"label": classes.get(a.label, a.label)} for a in self.answers_after
            ],
        }


def answers(model: Trained, out: Floats, labels: list[str]) -> tuple[Answer, ...]:
    """Return all possible answers for outputs (outputs,), the most likely first; for regression in their order."""
    loss, task = model.network.loss, model.task
    if task == "regression":
        numbers = loss.predict((out if model.target_scale is None else model.target_scale.clamp(out))[None])[
            0
        ]
        return tuple(Answer(label, float(v), None, True) for label, v in zip(labels, numbers, strict=True))
    said = np.atleast_1d(
        decide(loss, out[None])[0] if task != "multilabel" else np.ravel(decide(loss, out[None]))
    )
    shares = loss.predict(out[None])[0]
    logits = out_of(model, out)
    if task == "binary":
        shares, logits = np.array([1 - shares[0], shares[0]]), np.array([-logits[0], logits[0]])
        chosen = np.arange(2) == int(said[0])
    elif task == "multiclass":
        chosen = np.arange(len(shares)) == int(said[0])
    else:
        chosen = said.astype(bool)
    found = [
        Answer(label, float(z), float(p), bool(c))
        for label, z, p, c in zip(labels, logits, shares, chosen, strict=True)
    ]
    return tuple(sorted(found, key=lambda answer: (-(answer.share or 0.0), not answer.is_said)))


def out_of(model: Trained, out: Floats) -> Floats:
    """Return logits (outputs,) from outputs that may be probabilities; for an ensemble, the mean over members."""
    out = out.reshape(model.network.loss.members, -1).mean(0)
    if model.network.loss.domain != "probability":
        return out
    p = np.clip(out, np.finfo(np.float64).tiny, 1.0)
    return np.log(p) if model.task == "multiclass" else np.log(p) - np.log1p(-np.minimum(p, 1 - 1e-16))


def layers(model: Trained, trace: Walk) -> tuple[LayerFacts, ...]:
    """Return the facts of the input and of each link, in forward order."""
    found = [LayerFacts("input", "", 0, trace.x[0], None, strongest(trace.x[0]))]
    for link, depth, *_ in places(model.network.links, inner_first=True):
        values = trace.outputs[link.name][0]
        is_activation = isinstance(link.layer, Activation) and not isinstance(link.layer, Softmax)
        active = int((trace.z[link.name][0] > 0).sum()) if is_activation else None
        is_block = bool(link.branches)
        shown = type(link.layer).__name__ if is_block else repr(link.layer)
        is_front = link in model.network.links[: input_links(model.network.links)]
        strong = strongest(values)
        found.append(LayerFacts(link.name, shown, depth, values, active, strong, is_front, is_block))
    return tuple(found)


def strongest(values: Floats) -> tuple[int, ...]:
    """Return the neurons with the largest absolute values."""
    order = np.argsort(-np.abs(values), kind="stable")[:NEURONS_NAMED]
    return tuple(int(k) for k in order if values[k] != 0)


def evidence(f: Explained) -> tuple[tuple[Evidence, ...], NoRule | None]:
    """Return the neurons' contributions to f by layer; if a layer has no DeepLIFT rule, () and that layer."""
    f = f.behind_codes()
    try:
        _, contributions = multipliers(f)
    except NoRuleError as error:
        return (), NoRule(error.name, error.layer)
    found = []
    for link in f.links:
        is_linear = not isinstance(link.layer, Activation) and not link.branches and link is not f.links[-1]
        if is_linear:
            continue
        c = contributions[link.name][0]
        up, down = np.argsort(-c, kind="stable")[:2], np.argsort(c, kind="stable")[:2]
        found.append(
            Evidence(
                link.name,
                float(c[c > 0].sum()),
                float(c[c < 0].sum()),
                tuple((int(k), float(c[k])) for k in up if c[k] > 0),
                tuple((int(k), float(c[k])) for k in down if c[k] < 0),
            )
        )
    return tuple(found), None


def change(
    model: Trained,
    trace: Walk,
    truth: str,
    is_given: bool,
    rate: float,
    found: tuple[Answer, ...],
    labels: list[str],
) -> Change:
    """Take one step theta <- theta - rate g on this sample in prediction mode, and compute the answers after it."""
    network = model.network
    g = np.zeros(network.size)
    for slot in network.slots:
        if slot.link.name not in model.frozen:
            g[slot.start : slot.stop] = getattr(trace.grads[slot.link.name], slot.field).ravel()
    theta = trace.theta - rate * g
    params = network.unflatten(theta)
    out = network.predict(params, trace.x, trace.context())
    losses = network.loss.value(out, trace.y)
    after = float(objective.value(losses, trace.share, network.penalty(params)))
    said = out if model.target_scale is None else model.target_scale.restore(out)
    by_label = {answer.label: answer for answer in answers(model, said[0], labels)}
    moved = np.argsort(-np.abs(rate * g), kind="stable")[:WEIGHTS_NAMED]
    return Change(
        truth,
        is_given,
        rate,
        trace.loss,
        after,
        -rate * float(g @ g),
        _deltas(model, trace),
        tuple(Move(_name(model, int(k)), float(trace.theta[k]), float(theta[k])) for k in moved if g[k] != 0),
        tuple(by_label[answer.label] for answer in found),
    )


def _deltas(model: Trained, trace: Walk) -> tuple[Delta, ...]:
    found = []
    for link in model.network.walk():
        grads = trace.grads.get(link.name)
        squares = [float((part.astype(np.float64) ** 2).sum()) for part in grads or ()]
        size = float(np.sqrt(np.mean(trace.grad_outputs[link.name].astype(np.float64) ** 2)))
        norm = None if grads is None else float(np.sqrt(sum(squares)))
        found.append(Delta(link.name, size, norm, link.name in model.frozen))
    return tuple(reversed(found))


def _name(model: Trained, k: int) -> str:
    """Return the name of an index into theta: dense_2.W[3,1]"""
    slot = next(slot for slot in model.network.slots if slot.start <= k < slot.stop)
    at = np.unravel_index(k - slot.start, slot.parameter.shape)
    return f"{slot.link.name}.{slot.field}[{','.join(str(int(i)) for i in at)}]"
