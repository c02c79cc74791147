"""The attributions of a network to the inputs that a table becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule.errors import ConfigError
from chainrule.estimators.explain.chords import Floats
from chainrule.formulas.layers import Context, Embedding, Link
from chainrule.inspection.attribution.deep_lift import ChordPass, chord_pass
from chainrule.inspection.attribution.explained import neutral
from chainrule.inspection.attribution.rules import NoRuleError
from chainrule.model import Model
from chainrule.network import backprop
from chainrule.network.tree import walk


class NetworkPass(NamedTuple):
    """The forward pass of a network for n rows and their reference, with what the way back needs."""

    chords: ChordPass
    """behind the vectors of codes"""
    embedding: Embedding | None

    @property
    def outputs(self) -> Floats:
        """(n + 1, fan_out)"""
        return self.chords.outputs

    def attributions(self, V: Floats) -> Floats:
        """Return the part of each input (n, inputs) in sum_k v_k (out_k - out'_k). V: (n, fan_out)."""
        found = self.chords.contributions(V)
        return found if self.embedding is None else np.asarray(self.embedding.fold(found))


@dataclass(frozen=True)
class ExactNetwork:
    """A trained network in float64."""

    links: tuple[Link, ...]
    params: tuple[Any, ...]
    ctx: Context

    def run(self, X: Floats, reference: Floats) -> NetworkPass:
        """Run the network for prepared rows X (n, inputs) and a prepared reference (1, inputs).

        Raises ConfigError for a layer whose slopes of chords are unknown.
        """
        links, params, embedding = self.links, self.params, None
        if isinstance(first := links[0].layer, Embedding):
            embedding = first
            X, reference = (
                backprop.forward(links[:1], params[:1], rows, self.ctx)[0] for rows in (X, reference)
            )
            links, params = links[1:], params[1:]
        try:
            return NetworkPass(chord_pass(links, params, self.ctx, X, reference), embedding)
        except NoRuleError as error:
            raise ConfigError(
                f"explain has no rule for the layer {error.layer} ({error.name}), whose outputs depend on several "
                "inputs at once; use estimator.model_.attribute(X, 'integrated_gradients'), which explains the inputs "
                "of the network."
            ) from error

    @property
    def neutral(self) -> Floats:
        """The input (1, inputs) to compare with without a table: the mean, if the network standardizes, else 0."""
        return neutral(self.links, self.ctx, self.links[0].fan_in)[None]

    @property
    def width(self) -> int:
        """The numbers that a row becomes in all layers."""
        return sum(link.fan_in + link.fan_out for link in walk(self.links))


def exact_network(model: Model) -> ExactNetwork:
    """Return the network of a model in float64."""
    exact = model.in_float64()
    ctx = Context(training=False, seed=exact.seed, states=exact.states)
    return ExactNetwork(exact.network.links, exact.network.unflatten(exact.theta), ctx)
