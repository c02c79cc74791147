"""Functions over the links of a network, including those inside blocks; only these functions enter `link.branches`.

A tree mirrors some links: a tuple with one entry per link, where a block's entry is a tuple with one tree per chain.
Parameters, gradients and caches are such trees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from chainrule.formulas.layers import (
    Activation,
    Layer,
    Link,
)

Value = TypeVar("Value")


class Place(NamedTuple):
    """A link with its position in the network."""

    link: Link
    depth: int
    """the number of blocks around it"""
    source: Link | None
    """the link whose output it takes; None for the network's input. A chain's first link takes its block's input"""
    is_first: bool
    """whether it is the first link of its chain"""
    parts: tuple[Any, ...]
    """its entry in each tree"""


def places(links: Sequence[Link], *trees: Sequence[Any], inner_first: bool = False) -> Iterator[Place]:
    """Iterate over links and their entries in some trees, in the order of the forward pass, a block before its links.

    inner_first: a block after its inner links, the order in which outputs are complete.
    """
    return _places(links, trees, inner_first, 0, None)


def _places(
    links: Sequence[Link], trees: Sequence[Any], inner_first: bool, depth: int, source: Link | None
) -> Iterator[Place]:
    for i, (link, *parts) in enumerate(zip(links, *trees, strict=True)):
        place = Place(link, depth, source, i == 0, tuple(parts))
        if not inner_first:
            yield place
        if link.branches:
            for branch, *inner in zip(link.branches, *parts, strict=True):
                yield from _places(branch, inner, inner_first, depth + 1, source)
        if inner_first:
            yield place
        source = link


def walk(links: Sequence[Link]) -> Iterator[Link]:
    """Iterate over links, depth first: a block before its inner links."""
    for link in links:
        yield link
        for branch in link.branches:
            yield from walk(branch)


def chains(links: Sequence[Link]) -> Iterator[Sequence[Link]]:
    """Iterate over this chain of links and the chains inside its blocks."""
    yield links
    for link in walk(links):
        yield from link.branches


def build(links: Sequence[Link], entry: Callable[[Link], Any]) -> tuple[Any, ...]:
    """Build the tree that mirrors the links from entry(link) of each link but blocks, in the order of `walk`."""
    return tuple(
        tuple(build(branch, entry) for branch in link.branches) if link.branches else entry(link)
        for link in links
    )


def replace(links: Sequence[Link], layer: Callable[[Link], Layer]) -> tuple[Link, ...]:
    """Return the links with layer(link) as each link's layer; called in the order of `walk`."""
    return tuple(
        link._replace(layer=layer(link), branches=tuple(replace(branch, layer) for branch in link.branches))
        for link in links
    )


def fold(
    links: Sequence[Link],
    value: Value,
    step: Callable[..., Value],
    *trees: Sequence[Any],
    enters: Callable[[Link], bool] = lambda link: True,
) -> Value:
    """Thread a value through the links: step(link, value, ends, *parts) returns the next value; return the last one.

    ends: for a block, its chains' results from the same value; () for other links and blocks not entered.
    parts: the link's entry in each tree.
    """
    for link, *parts in zip(links, *trees, strict=True):
        ends: tuple[Value, ...] = ()
        if link.branches and enters(link):
            ends = tuple(
                fold(branch, value, step, *inner, enters=enters)
                for branch, *inner in zip(link.branches, *parts, strict=True)
            )
        value = step(link, value, ends, *parts)
    return value


def leaves(tree: object) -> Iterator[Any]:
    """Iterate over the arrays of a tree, in theta's order."""
    if isinstance(tree, tuple):
        for part in tree:
            yield from leaves(part)
    else:
        yield tree


def activations_after(links: Sequence[Link]) -> dict[str, str]:
    """Map each link to the activation after it, with only batch norm and dropout in between: {link: activation}."""
    found: dict[str, str] = {}
    for chain in chains(links):
        after: str | None = None
        for link in reversed(chain):
            if isinstance(link.layer, Activation):
                after = link.name
                continue
            if after is not None:
                found[link.name] = after
            if not link.layer.keeps_neurons:
                after = None
    return found
