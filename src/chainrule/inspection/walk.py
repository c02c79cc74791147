"""All numbers of one forward and backward pass: z, a, delta and gradients, by link and sample.

A trace is one forward and one backward pass over a batch, with the functions of training (`network.backprop`), and
stores all numbers. Its keys are the names of the links, including those in blocks, and "input":

    dense, projection    z: its output                         a: the output of the activation after it
    an activation        z: its input                          a: its output
    any other link       z: its output                         a: the output of the activation after it
    "input"              z, a: the batch, the input of the first link

"The activation after it" is the next one in the chain, with only batch norm and dropout in between; without one, a = z.
delta = dL/dz everywhere, with the samples' weights: delta["dense_2"] is the error of layer 2, and delta["input"]
is dL/dx. An activation at the start of a branch shares its z with the shortcut; its delta is the part that passes
through the activation.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.core.arrays import Params, states_in
from chainrule.data.samples import Batch, TargetScale
from chainrule.errors import ConfigError, counted
from chainrule.formulas.layers import Activation, Context, Link
from chainrule.network import backprop, objective, tree
from chainrule.network.network import Network
from chainrule.network.summary import as_bytes

MEMORY_LIMIT = 2**30
"""The default of `memory_limit` in `Model.trace`, in bytes: 1 GiB."""


class Walk:
    """The numbers of one forward and backward pass; z, a and delta are defined above. `Trace` adds display.

    z, a, delta: {link: (batch, width)}.  parameters, grads: {link: its NamedTuple}, copies.
    x (batch, inputs), y (batch, outputs), s (batch,): the batch.  out (batch, outputs).
    losses (batch,): loss_i.  loss: L with the penalty.  penalty: included in L.  training: whether in training mode.
    scale: the model's standardization of y, out and the loss; None without one.
    """

    def __init__(
        self,
        network: Network,
        theta: NDArray[Any],
        batch: Batch,
        ctx: Context,
        scale: TargetScale | None = None,
    ) -> None:
        """Run both passes, and store all numbers."""
        self.network, self.theta, self.batch, self.scale = network, theta, batch, scale
        self.x, self.y, self.s, _ = batch
        self.training = ctx.training
        self.outputs: dict[str, NDArray[Any]] = {}
        """the output of each link (batch, fan_out)"""
        self.grad_outputs: dict[str, NDArray[Any]] = {}
        """dL by the output of each link (batch, fan_out)"""
        self._ctx = ctx._replace(watch=self._keep)
        self.tree = network.unflatten(theta)  # the tree of parameters

        self.out, caches = backprop.forward(network.links, self.tree, batch.a, self._ctx)
        self.share = objective.shares(batch.s)  # (batch,)
        self.losses = network.loss.value(self.out, batch.y)  # (batch,)
        penalty = network.penalty(self.tree)
        self.penalty, self.loss = float(penalty), float(objective.value(self.losses, self.share, penalty))
        delta = objective.gradient(network.loss.gradient(self.out, batch.y), self.share)  # (batch, outputs)
        grads, self.grad_x = backprop.backward(network.links, self.tree, caches, delta, self._ctx)
        self._ctx = ctx
        self._grads = network.add_penalty(self.tree, grads)

        places = list(tree.places(network.links))
        self._inputs = {  # inputs (batch, fan_in)
            place.link.name: batch.a if place.source is None else self.outputs[place.source.name]
            for place in places
        }
        self.z: dict[str, NDArray[Any]] = {"input": batch.a}
        self.a: dict[str, NDArray[Any]] = {"input": batch.a}
        self.delta: dict[str, NDArray[Any]] = {"input": self.grad_x}
        followers = tree.activations_after(network.links)
        for place in places:
            link, name = place.link, place.link.name
            if isinstance(link.layer, Activation):
                self.z[name], self.a[name] = self._inputs[name], self.outputs[name]
                self.delta[name] = self._delta_of_activation(place)
            else:
                self.z[name], self.delta[name] = self.outputs[name], self.grad_outputs[name]
                self.a[name] = self.outputs[followers.get(name, name)]

    def _keep(self, way: str, link: Link, value: NDArray[Any]) -> None:
        (self.outputs if way == "forward" else self.grad_outputs)[link.name] = value

    def _delta_of_activation(self, place: tree.Place) -> NDArray[Any]:
        """Return dL/dz of an activation: recorded at the link before it in its chain, or recomputed."""
        link = place.link
        if place.source is not None and not place.is_first:
            return self.grad_outputs[place.source.name]
        ctx, theta = self._ctx.at(link), self.parameters.get(link.name, ())
        _, cache = link.layer.forward(theta, self._inputs[link.name], ctx)
        return np.asarray(link.layer.backward(theta, cache, self.grad_outputs[link.name], ctx)[1])

    def context(self, link: Link | None = None) -> Context:
        """Return the context of the pass, or of one of its links."""
        return self._ctx if link is None else self._ctx.at(link)

    # --- its numbers ---------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters by link name, as they were during the pass."""
        return self.network.named(self.tree)

    @cached_property
    def grads(self) -> Mapping[str, Any]:
        """dL/dtheta by link name, in the structure of `parameters`; includes the penalty, as in training."""
        return self.network.named(self._grads)

    @property
    def prediction(self) -> NDArray[Any]:
        """The prediction (batch, outputs): probabilities, or numbers in the targets' units."""
        out = self.out if self.scale is None else self.scale.clamp(self.scale.restore(self.out))
        prediction: NDArray[Any] = self.network.loss.predict(out)
        return prediction

    @property
    def target(self) -> NDArray[Any]:
        """y (batch, outputs), with numbers in their original units."""
        return self.y if self.scale is None else self.scale.restore(self.y)

    @property
    def n(self) -> int:
        """The number of samples."""
        return len(self.batch.a)

    @property
    def nbytes(self) -> int:
        """The memory of the trace in bytes, with every array counted once."""
        arrays = [*self.outputs.values(), *self.grad_outputs.values(), *self.delta.values(), self.theta]
        arrays += [part for parts in self.grads.values() for part in parts] + [
            self.x,
            self.y,
            self.s,
            self.out,
        ]
        return sum({id(a): a.nbytes for a in arrays}.values())

    def per_sample(self, name: str, *, memory_limit: float | None = MEMORY_LIMIT) -> Any:
        """Compute each sample's contribution to a link's gradients: its NamedTuple of (batch, *shape) arrays.

        Entry i is the contribution to dL/dtheta through row i, with weight s_i / sum_i s_i; the sum over i is
        dL/dtheta without the penalty. If no link mixes samples, it is s_i / sum_i s_i times the gradient of loss_i;
        after batch norm in training it also contains the effect of row i on the other samples' losses.
        Raises ConfigError for a link without parameters, and above memory_limit bytes.
        """
        link = next((link for link in self.network.walk() if link.name == name and link.params), None)
        if link is None:
            known = ", ".join(self.parameters) or "none"
            raise ConfigError(f"there is no link {name!r} with parameters; choose from {known}.")
        size = sum(part.size for part in self.parameters[name])
        need = self.n * size * self.theta.itemsize
        if memory_limit is not None and need > memory_limit:
            raise ConfigError(
                f"the gradients of {self.n:,} samples by the {size:,} parameters of {name} take {as_bytes(need)}, more "
                f"than memory_limit, {as_bytes(memory_limit)}; trace fewer samples, or pass a larger memory_limit."
            )
        return sample_gradients(
            link, self.parameters[name], self._inputs[name], self.grad_outputs[name], self._ctx.at(link)
        )

    @cached_property
    def in_float64(self) -> Self:
        """Return the same walk in float64; itself if it is in float64 already."""
        if self.theta.dtype == np.float64:
            return self
        states = states_in(np.float64, self._ctx.states)
        a, y, s = (np.asarray(part, np.float64) for part in (self.x, self.y, self.s))
        batch = Batch(a, y, s)
        ctx = self._ctx._replace(states=states)
        return type(self)(self.network, self.theta.astype(np.float64), batch, ctx, self.scale)

    def __repr__(self) -> str:
        """Return the number of samples and the loss."""
        count = counted(self.n, "sample")
        return f"<{type(self).__name__} of {count}, as in {self.mode}: loss {self.loss:.6g}>"

    @property
    def mode(self) -> str:
        """The mode of batch norm and dropout: "training" or "prediction"."""
        return "training" if self.training else "prediction"


def sample_gradients(link: Link, params: Params, a: NDArray[Any], delta: NDArray[Any], ctx: Context) -> Any:
    """Compute the link's gradients with a batch axis in front, whose sum over it is `Layer.gradients`.

    a: (batch, fan_in).  delta: (batch, fan_out), dL by the link's output.
    Raises ConfigError for a custom layer without `per_sample` that mixes samples.
    """
    if link.layer.defines("per_sample"):
        return link.layer.per_sample(params, a, delta, ctx)
    return _row_by_row(link, params, a, delta, ctx)


def _row_by_row(link: Link, params: Params, a: NDArray[Any], delta: NDArray[Any], ctx: Context) -> Any:
    """Compute them sample by sample; raise unless they add up to the batch's gradient."""
    parts = []
    for row, d in zip(a[:, None], delta[:, None], strict=True):
        _, cache = link.layer.forward(params, row, ctx)
        parts.append(link.layer.gradients(params, cache, d, ctx))
    found = [np.stack(leaves) for leaves in zip(*parts, strict=True)]
    _, cache = link.layer.forward(params, a, ctx)
    whole = link.layer.gradients(params, cache, delta, ctx)
    room = 1e3 * float(np.finfo(delta.dtype).eps)
    for each, g in zip(found, whole, strict=True):
        if not np.allclose(each.sum(0), g, rtol=room, atol=room * float(np.abs(each).sum(0).max(initial=0))):
            raise ConfigError(
                f"{link.name} mixes the samples of a batch, so its gradient cannot be split by sample; "
                "trace the samples one by one."
            )
    return type(params)(*found)


# --- its memory


def memory(network: Network, samples: int, dtype: DTypeLike, training: bool = True) -> int:
    """Estimate the peak memory in bytes of creating a trace, which keeps most of it.

    n (2 inputs + sum_l arrays_l fan_out_l) + 3 parameters, each an item of dtype, with arrays_l from `Layer.arrays`.
    """
    numbers = 2 * network.inputs + sum(link.layer.arrays(training) * link.fan_out for link in network.walk())
    return int((samples * numbers + 3 * network.size) * np.dtype(dtype).itemsize)
