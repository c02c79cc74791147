"""Embedding: a learned vector for each category of a column."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Cache, Params, namespace, sums_by
from chainrule.core.settings import check_count, number_settings
from chainrule.errors import ConfigError
from chainrule.formulas.initializers import Initializer
from chainrule.formulas.layers.base import Context, Layer, Parameter, zeros_like
from chainrule.formulas.operation import Operation
from chainrule.formulas.paths import Confined, Paths

MAX_CODES = 1 << 24
"""The maximum number of codes of a column: the integers that float32 represents exactly."""


@dataclass(frozen=True)
class Embedding(Layer):
    """A learned vector for each category code: out = [x_rest, E1[x_c1], ..., Ek[x_ck]].

    dL/dEi[c] = sum of delta_i over the samples with code c      dL/dx = delta_rest, and 0 for a code

    columns: one (column, codes, size) per column of codes: its index in x, from 0, the number of codes, and the size of
    the vectors. The other columns, x_rest, keep their order and come first.
    A code is an integer from 0 to codes - 1. Code 0 means missing or unknown, and stands for every other value of x;
    its vector is 0 until samples train it.
    std: above 0; the other vectors start as N(0, std^2).
    rate, decays: at least 0, factors of the vectors' learning rate and weight decay.
    x: (batch, features).  Ei: (codes, size).  out, delta: (batch, features - k + sum of sizes).
    It must be first in a network. l2, l1 and max_norm do not apply to the vectors, which are a neuron's inputs, not its
    weights; AdamW's decay does, scaled by `decays`.
    Raises ConfigError unless columns are distinct integers in range, and for an invalid std, rate or decays.
    Source: Guo, Berkhahn, "Entity embeddings of categorical variables", arXiv:1604.06737; N(0, 1) as in Holzmüller,
    Grinsztajn, Steinwart, "Better by default", NeurIPS 2024, appendix A.
    """

    reads_codes = True
    knows_its_weights = True
    columns: tuple[tuple[int, int, int], ...]
    std: float = 1.0
    rate: float = 1.0
    decays: float = 1.0

    def __post_init__(self) -> None:
        """Check the numbers and the columns, and store the columns as tuples of Python integers."""
        number_settings(self, "std", above=0)
        number_settings(self, "rate", "decays", minimum=0)
        form = "a list of (column, codes, size), such as [(3, 12, 4)]"
        try:
            given = [(column, codes, size) for column, codes, size in self.columns]
        except (TypeError, ValueError) as error:
            raise ConfigError(f"columns of Embedding must be {form}, not {self.columns!r}.") from error
        columns = tuple(
            (
                check_count(column, "column", 0, text="column of Embedding", hint="columns count from 0"),
                check_count(codes, "codes", 1, text="codes of Embedding", hint="include code 0, for unknown"),
                check_count(size, "size", 1, text="size of Embedding", hint="8 is usual"),
            )
            for column, codes, size in given
        )
        if not columns or len({column for column, *_ in columns}) < len(columns):
            raise ConfigError(
                f"columns of Embedding must be {form}, with distinct columns, not {self.columns!r}."
            )
        if max(codes for _, codes, _ in columns) > MAX_CODES:
            raise ConfigError(
                f"codes of Embedding must be at most {MAX_CODES:,}; merge rare categories into code 0."
            )
        object.__setattr__(self, "columns", columns)

    def forward(self, params: Params, a: Array, ctx: Context) -> tuple[Array, Any]:
        """out = [x_rest, E1[x_c1], ..., Ek[x_ck]]"""
        codes = self.codes(a)
        vectors = [E[c] for E, c in zip(params, codes, strict=True)]
        return namespace(a).concatenate([a[:, self.rest(a.shape[1])], *vectors], 1), codes

    def backward(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> tuple[Any, Array]:
        """dL/dEi as in `gradients`      dL/dx = delta_rest, and 0 for a code"""
        return self.gradients(params, cache, delta, ctx), self.pullback(params, cache, delta, ctx)

    def pullback(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Array:
        """dL/dx = delta_rest, and 0 for a code"""
        of_codes = namespace(delta).zeros((*delta.shape[:-1], len(self.columns)), dtype=delta.dtype)
        return self.by_column(delta, of_codes)

    def gradients(self, params: Params, cache: Cache, delta: Array, ctx: Context) -> Any:
        """dL/dEi[c] = sum of delta_i over the samples with code c"""
        parts = zip(cache, self.parts(delta), params, strict=True)
        return tables([sums_by(codes, part, E.shape[0]) for codes, part, E in parts])

    def gradients_tangent(
        self, params: Params, cache: Cache, delta: Array, a_dot: Array, ctx: Context
    ) -> Any:
        """0"""
        return zeros_like(params)

    def per_sample(self, params: Params, a: Array, delta: Array, ctx: Context) -> Any:
        """dL_i/dE[c] = delta_i where sample i has code c, else 0 (batch, codes, size)"""
        parts = zip(self.codes(a), self.parts(delta), params, strict=True)
        return tables(
            [(c[:, None] == np.arange(E.shape[0]))[:, :, None] * part[:, None, :] for c, part, E in parts]
        )

    def tangent(self, params: Params, v: Array, cache: Cache, a_dot: Array, ctx: Context) -> Array:
        """out' = [x'_rest, E1'[x_c1], ..., Ek'[x_ck]]"""
        xp = namespace(cache[0])
        vectors = [E[c] for E, c in zip(v, cache, strict=True)]
        rest = self.rest(ctx.link.fan_in if ctx.link else a_dot.shape[1])
        zero = xp.zeros((cache[0].shape[0], len(rest)), dtype=vectors[0].dtype)
        return xp.concatenate([zero if a_dot is None else a_dot[:, rest], *vectors], 1)

    def codes(self, a: Array) -> tuple[Array, ...]:
        """Return the codes (batch,) of each table, for x (batch, features): 0 unless x is an integer in range."""
        xp = namespace(a)
        found = []
        for column, codes, _ in self.columns:
            x = a[:, column]
            known = (x >= 0) & (x < codes) & (x == xp.floor(x))
            found.append(xp.where(known, x, 0).astype(np.int32))
        return tuple(found)

    def parts(self, delta: Array) -> list[Array]:
        """Split dL/d out (batch, fan_out) into the columns (batch, size) of each table."""
        return [
            delta[:, stop - size : stop]
            for stop, (*_, size) in zip(self.ends(delta.shape[1]), self.columns, strict=True)
        ]

    def ends(self, fan_out: int) -> list[int]:
        """Return the end column of each table's vectors in the output."""
        sizes = [size for *_, size in self.columns]
        return [fan_out - sum(sizes[i + 1 :]) for i in range(len(sizes))]

    def rest(self, fan_in: int) -> NDArray[np.int64]:
        """Return the columns of x that hold no codes."""
        return np.setdiff1d(np.arange(fan_in), [column for column, *_ in self.columns])

    def fold(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sum over each vector's part: from values per output (n, fan_out) to values per column of x (n, fan_in)."""
        sums = [part.sum(1, keepdims=True) for part in self.parts(values)]
        folded: NDArray[Any] = self.by_column(values, np.concatenate(sums, 1))
        return folded

    def by_column(self, out: Array, of_codes: Array) -> Array:
        """Return the columns of the output that are no vectors, and of_codes (..., k), in the order of x's columns."""
        kept = out.shape[-1] - sum(size for *_, size in self.columns)
        order = [*self.rest(kept + len(self.columns)), *(column for column, *_ in self.columns)]
        return namespace(out).concatenate([out[..., :kept], of_codes], -1)[..., np.argsort(order)]

    def width(self, fan_in: int) -> int:
        """Return features - k + sum of sizes. Raises ConfigError if x has too few columns."""
        last = max(column for column, *_ in self.columns)
        if last >= fan_in:
            raise ConfigError(
                f"columns of Embedding contains {last}, but the network's inputs are 0 to {fan_in - 1}; "
                "give each column's place in X, counted from 0."
            )
        return fan_in - len(self.columns) + sum(size for *_, size in self.columns)

    def parameters(self, fan_in: int, default: Initializer) -> Any:
        """E1 (codes, size), ..., Ek, with row 0 set to 0."""
        start, rate, decays = Vectors(self.std), self.rate, self.decays
        return tables(
            [Parameter((codes, size), start, False, rate, decays) for _, codes, size in self.columns]
        )

    def confined(self, fan_in: int, paths: Paths, is_last: bool) -> Confined | None:
        """Give each vector the paths of its codes, which can have no direction."""
        codes = np.array([column for column, *_ in self.columns])
        if paths.directions[codes].any():
            return None
        of_vectors = np.repeat(codes, [size for *_, size in self.columns])
        return Confined(paths.take(np.concatenate([self.rest(fan_in), of_vectors])))

    def ops(self, fan_in: int) -> tuple[Operation, ...]:
        """embedding, with its tables and their columns"""
        names, columns = tables(self.columns)._fields, tuple(column for column, *_ in self.columns)
        return (Operation("embedding", parameters=names, columns=columns),)


@dataclass(frozen=True)
class Vectors(Initializer):
    """The initializer of an embedding's vectors: N(0, std^2), and 0 for code 0 (unknown)."""

    std: float

    def __call__(
        self, generator: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int
    ) -> NDArray[np.float64]:
        """N(0, std^2), with row 0 set to 0"""
        E = generator.normal(0.0, self.std, shape)
        E[0] = 0
        return E


def tables(values: Sequence[Any]) -> Any:
    """Return the NamedTuple of an embedding's tables: E1, E2, ..., Ek."""
    return _tables(len(values))(*values)


@cache
def _tables(count: int) -> Any:
    make: Any = namedtuple  # its fields depend on the layer's settings
    kind = make("EmbeddingParams", [f"E{i + 1}" for i in range(count)])
    kind.__reduce__ = lambda self: (
        tables,
        (tuple(self),),
    )  # pickle and copy find the class under this name
    return kind
