"""Layers of every kind, drawn with settings of their own, and chains that have a given kind at a given kind of place.

The kinds are the registry's, and `Network` is asked where each may stand, so a new layer is drawn at all its places at
once. One that cannot be made without arguments needs a line in `SETTINGS`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from chainrule import ConfigError, Layer, MeanSquaredError, Network
from chainrule.formulas import layers
from chainrule.formulas.initializers import GlorotUniform
from chainrule.formulas.layers import ACTIVATIONS, Link
from chainrule.network import tree
from chainrule.network.blocks import Block, Residual, Skip
from chainrule.trained.persistence import LAYERS

PLACES = (
    "first",
    "middle",
    "before the loss",
    "in a Residual",
    "in a Skip",
    "in a block of a block",
    "behind a fork",  # first in a block, so that it and the shortcut read the same, which needs a gradient
    "frozen",  # behind what learns, so that a gradient passes it
)
WIDE = 200
"""Columns from which on a chain goes on with a Dense: blocks and embeddings in a row multiply them."""
BLOCKS = frozenset(kind for kind in LAYERS if issubclass(LAYERS[kind], Block))
ELEMENTWISE = sorted(set(ACTIVATIONS) - {"prelu", "softmax"})


class Dice:
    """A generator of random numbers, with the choices that drawing takes."""

    def __init__(self, *seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def one_of(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def happens(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def width(self) -> int:
        return self.one_of(1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 96, 97)

    def columns(self, count: int) -> tuple[int, ...]:
        """Some of so many columns, each once, in any order."""
        return tuple(map(int, self.rng.permutation(count)[: self.rng.integers(1, count + 1)]))


class Chain:
    """Layers one after the other, and the number of columns that come out of the last one."""

    def __init__(self, dice: Dice, inputs: int, depth: int = 3) -> None:
        self.dice, self.inputs, self.width, self.depth = dice, inputs, inputs, depth
        self.layers: list[Layer] = []

    @property
    def numbers(self) -> int:
        """How many columns, the first ones, are numbers in front of what learns: an Embedding's vectors are not."""
        first = next(iter(self.layers), None)
        return len(first.rest(self.inputs)) if isinstance(first, layers.Embedding) else self.width

    def append(self, layer: Layer) -> None:
        self.layers.append(layer)
        self.width = layer.width(self.width)

    def add(self, *kinds: str) -> None:
        """Add layers of these kinds."""
        for kind in kinds:
            self.append(SETTINGS[kind](self.dice, self) if kind in SETTINGS else without_arguments(kind))

    def add_any(self, least: int, most: int) -> None:
        """Add layers of any kind that may stand anywhere; dense layers, activations and blocks are drawn more often."""
        for _ in range(self.dice.rng.integers(least, most + 1)):
            others = [[kind] for kind in anywhere() if kind not in ACTIVATIONS and kind not in BLOCKS]
            blocks = [sorted(BLOCKS)] * 3 if self.depth > 0 else []
            among = self.dice.one_of(*[["dense"]] * 3, *[sorted(ACTIVATIONS)] * 4, *others, *blocks)
            self.add("dense" if self.width > WIDE else self.dice.one_of(*among))

    def inside(self) -> Chain:
        """An empty chain for a block at this one's end."""
        return Chain(self.dice, self.width, self.depth - 1)

    def put(self, kind: str, place: str) -> None:
        """Add a layer of a kind at a kind of place, with others around it in its block."""
        some_block = self.dice.one_of(Residual, Skip)
        if place in ("in a Residual", "in a Skip", "behind a fork"):
            inner = self.inside()
            inner.add_any(0, 0 if place == "behind a fork" else 1)
            inner.add(kind)
            inner.add_any(0, 1)
            self.append({"in a Residual": Residual, "in a Skip": Skip}.get(place, some_block)(inner.layers))
        elif place == "in a block of a block":
            outer = self.inside()
            outer.add_any(0, 1)
            outer.put(kind, self.dice.one_of("in a Residual", "in a Skip"))
            self.append(some_block(outer.layers))
        else:
            self.add(kind)


def without_arguments(kind: str) -> Layer:
    try:
        return LAYERS[kind]()
    except TypeError as error:
        raise TypeError(
            f"{kind} takes arguments: give SETTINGS of tests/support/random_layers.py a line for it."
        ) from error


def some_or_all(dice: Dice, at: Chain, among: int) -> tuple[int, ...] | None:
    """All columns, or some of so many."""
    return None if among == at.width and dice.happens(0.5) else dice.columns(among)


def block(kind: Callable[[list[Layer]], Layer], at: Chain) -> Layer:
    inner = at.inside()
    inner.add_any(1, 3)
    return kind(inner.layers)


SETTINGS: dict[str, Callable[[Dice, Chain], Layer]] = {
    "dense": lambda dice, at: layers.Dense(dice.width()),
    "grouped_dense": lambda dice, at: layers.GroupedDense(
        units=dice.one_of(1, 2, 3, 5, 16, 17),
        groups=dice.one_of(*(n for n in range(1, min(at.width, 9) + 1) if at.width % n == 0)),
        shared=dice.happens(0.5),
        bias=dice.happens(0.5),
    ),
    "take": lambda dice, at: layers.Take(
        dice.rng.integers(
            0, at.width, dice.one_of(1, at.width, dice.rng.integers(1, 2 * at.width + 1))
        ).tolist()
    ),
    "rescale": lambda dice, at: layers.Rescale(
        float(dice.rng.uniform(-1.5, 1.5)), dice.one_of(0.0, float(dice.rng.normal()))
    ),
    "batch_norm": lambda dice, at: layers.BatchNorm(dice.one_of(0.9, 0.5)),
    "dropout": lambda dice, at: layers.Dropout(dice.one_of(0.0, 0.2, 0.6)),
    "scale": lambda dice, at: layers.Scale(dice.one_of(0.0, 0.5, 1.0)),
    "shift": lambda dice, at: layers.Shift(dice.one_of(0.0, 0.5, 1.0)),
    "leaky_relu": lambda dice, at: layers.LeakyReLU(dice.one_of(0.01, 0.3)),
    "elu": lambda dice, at: layers.ELU(dice.one_of(1.0, 0.5)),
    "parametric_activation": lambda dice, at: layers.ParametricActivation(
        ACTIVATIONS[dice.one_of(*ELEMENTWISE)](), dice.one_of(0.0, 0.1, 1.0)
    ),
    "embedding": lambda dice, at: layers.Embedding(
        [(column, dice.one_of(1, 5, 40), dice.width()) for column in dice.columns(at.width)[:2]]
    ),
    "piecewise_linear_embedding": lambda dice, at: layers.PiecewiseLinearEmbedding(
        dice.one_of(1, 3, 8, 16, 21), dice.one_of(1, 2, 7, 48), some_or_all(dice, at, at.numbers)
    ),
    "periodic_embedding": lambda dice, at: layers.PeriodicEmbedding(
        dice.one_of(1, 3, 16, 17, 40), dice.one_of(2, 4, 9), some_or_all(dice, at, at.width), sigma=0.3
    ),
    "residual": lambda dice, at: block(Residual, at),
    "skip": lambda dice, at: block(Skip, at),
}
"""A layer of a kind at a chain's end. A kind that is not here is made without arguments."""
FRONTS = (
    *(("rescale",), ("standardize",), ("rescale", "rescale", "standardize")),
    *(("embedding",), ("take",), ("standardize", "take")),
)
"""What may stand before a layer that reads the input."""


def builds(inputs: int, chain: Sequence[Layer]) -> bool:
    """Whether they are a network."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Network(inputs, chain, MeanSquaredError())
    except ConfigError:
        return False
    return True


@cache
def may_stand(kind: str, place: str) -> bool:
    """Whether a network takes a layer of the kind there. A block may stand anywhere."""
    if kind in BLOCKS:
        return place != "frozen"
    single = Chain(Dice(0), 3)
    single.add(kind)
    if place == "frozen" and single.layers[0].parameters(3, GlorotUniform()) == ():
        return False
    around = {
        "in a Residual": Residual,
        "in a Skip": Skip,
        "in a block of a block": lambda inner: Skip([Residual(inner)]),
        "behind a fork": Skip,
    }
    there = [around[place](single.layers)] if place in around else single.layers
    before = {"first": [[]], "behind a fork": [[layers.Dense(3)]], "frozen": [[layers.Dense(3)]]}
    after = [] if place == "before the loss" else [layers.Dense(1)]
    fronts = before.get(place, [[layers.Rescale(0.5)], [layers.Dense(3)]])
    return any(builds(3, [*front, *there, *after]) for front in fronts)


@cache
def anywhere() -> tuple[str, ...]:
    """The kinds that may stand in a block, and so at any place."""
    return tuple(sorted(kind for kind in LAYERS if may_stand(kind, "in a Residual")))


@cache
def wanted() -> tuple[tuple[str, str], ...]:
    """Every pair of a kind of layer and a kind of place where it may stand."""
    return tuple((kind, place) for place in PLACES for kind in sorted(LAYERS) if may_stand(kind, place))


def add_front(chain: Chain) -> None:
    """Add layers that scale or look up the input, and now and then another that reads it alone."""
    chain.add(*chain.dice.one_of(*FRONTS))
    if chain.dice.happens(0.3) and chain.numbers > 0:
        add_if_it_may(chain, chain.dice.one_of(*sorted(set(LAYERS) - set(anywhere()))))


def add_if_it_may(chain: Chain, kind: str) -> bool:
    """Add a layer behind the front, where a network takes it."""
    longer = Chain(chain.dice, chain.inputs)
    longer.layers, longer.width = [*chain.layers], chain.width
    longer.add(kind)
    if not builds(chain.inputs, [*longer.layers, layers.Dense(1)]):
        return False
    chain.layers, chain.width = longer.layers, longer.width
    return True


def body(dice: Dice, inputs: int, kind: str, place: str) -> Chain:
    """A chain that has a kind at a place; before the loss the caller adds it, unless it reads the input alone."""
    chain = Chain(dice, inputs)
    if kind not in anywhere() and place != "first":
        while True:
            chain = Chain(dice, inputs)
            chain.add(*dice.one_of(*FRONTS))
            if chain.numbers > 0 and add_if_it_may(chain, kind):
                break
        if place == "middle":
            chain.add_any(0, 3)
        return chain
    if place == "first":
        chain.add(kind)
    elif dice.happens(0.4):
        add_front(chain)
    chain.add_any(0, 2)
    if place in ("behind a fork", "frozen") or not chain.layers:
        chain.add("dense")
    if place not in ("first", "before the loss"):
        chain.put(kind, place)
    chain.add_any(0, 2)
    return chain


def stands(network: Network, frozen: Collection[str] = ()) -> set[tuple[str, str]]:
    """The pairs of a kind of layer and a kind of place that a network has. A frozen link learns nothing."""

    def of(links: Sequence[Link], around: tuple[str, ...], learns: bool) -> Iterator[tuple[str, str]]:
        for i, link in enumerate(links):
            at = {
                "first": not around and i == 0,
                "middle": not around and 0 < i < len(links) - 1,
                "before the loss": not around and i == len(links) - 1,
                "in a Residual": around[-1:] == ("residual",),
                "in a Skip": around[-1:] == ("skip",),
                "in a block of a block": len(around) > 1,
                "behind a fork": bool(around) and i == 0 and learns,
                "frozen": link.name in frozen and learns,
            }
            yield from ((link.layer.kind, place) for place in PLACES if at[place])
            for branch in link.branches:
                yield from of(branch, (*around, link.layer.kind), learns)
            learns |= any(each.params and each.name not in frozen for each in tree.walk([link]))

    return set(of(network.links, (), False))
