"""Random networks and runs of training, drawn by number, and how far two engines are from each other on them.

Any layer at any place, blocks in blocks; every loss, smoothing, weights of samples, penalties, clipping, frozen links,
optimizers, batches of one sample and of many, forms of X. From the command line: python tests/random_networks.py 1000
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from chainrule import (
    BatchNorm,
    Dense,
    Dropout,
    Embedding,
    GroupedDense,
    Layer,
    Loss,
    MeanOverMembers,
    Model,
    Network,
    NonFiniteError,
    ParametricActivation,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
    Rescale,
    Residual,
    Scale,
    Shift,
    Skip,
    Standardize,
    Take,
    Tanh,
)
from chainrule.formulas.layers import ACTIVATIONS, Sigmoid, Softmax
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import LBFGS, OPTIMIZERS

ELEMENTWISE = sorted(set(ACTIVATIONS) - {"prelu", "softmax"})
CLOSE = 1e-10
"""Bound in float64 of a difference over 1 + |what is compared|, where nothing enlarges the last digits."""
LOST = 1e-9
"""So far last digits of the numbers given may move what comes out, for there to be something to compare."""
LARGEST = 100_000
"""Parameters of a network that is drawn: embeddings of embeddings would have hundreds of millions."""

FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "C": lambda X: X,
    "Fortran": np.asfortranarray,
    "reversed": lambda X: np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
    "every other": lambda X: np.repeat(np.repeat(X, 2, 0), 3, 1)[::2, ::3],
    "float32": lambda X: X.astype(np.float32),
    "bytes": lambda X: np.clip(40 * X + 128, 0, 255).astype(np.uint8),
    "int32": lambda X: (3 * X).astype(np.int32),
    "CSR": lambda X: scipy.sparse.csr_matrix(X * (np.abs(X) > 1)),
    "CSR of few entries": lambda X: scipy.sparse.csr_matrix(X * (np.abs(X) > 1.8)),
}


class Case(NamedTuple):
    """A network, samples, and how to train on them."""

    seed: int
    network: Network
    X: Any
    y: np.ndarray
    frozen: tuple[str, ...]
    how: dict[str, Any]  # arguments of `Model.fit`


class Trained(NamedTuple):
    """What a run leaves."""

    theta: np.ndarray
    outputs: np.ndarray
    history: np.ndarray  # (epochs, what is recorded)
    states: np.ndarray  # all of them, one after the other
    error: tuple[int, str] | None  # step and link


def numbers(rng: np.random.Generator, front: list[Layer], inputs: int) -> list[Layer]:
    """An embedding of some or all of the numbers that come from the front, now and then; none if there are none."""
    free = inputs - sum(isinstance(layer, Embedding) for layer in front)
    if rng.random() < 0.75 or not free:
        return []
    some = tuple(map(int, rng.permutation(free)[: rng.integers(1, free + 1)]))
    columns = None if free == inputs and rng.random() < 0.5 else some
    return [
        PiecewiseLinearEmbedding(int(rng.choice([1, 3, 8, 16, 21])), int(rng.choice([1, 2, 7, 48])), columns)
    ]


def draw(seed: int, many_samples: bool = False) -> Case:
    """The case of a number. many_samples: enough of them to be cut into micro-batches."""
    rng = np.random.default_rng([seed, many_samples])

    def one_of(*choices: Any) -> Any:
        return choices[rng.integers(len(choices))]

    def layers(most: int, depth: int) -> list[Layer]:
        return [layer(depth) for _ in range(rng.integers(most + 1))]

    def layer(depth: int) -> Layer:
        kinds: list[Callable[[], Layer]] = [
            *[lambda: Dense(width())] * 4,
            *[lambda: ACTIVATIONS[one_of(*sorted(ACTIVATIONS))]()] * 4,
            lambda: Rescale(float(rng.uniform(-1.5, 1.5)), one_of(0.0, float(rng.normal()))),
            lambda: BatchNorm(),
            lambda: Dropout(one_of(0.0, 0.2, 0.6)),
            lambda: Scale(one_of(0.0, 0.5, 1.0)),
            lambda: PeriodicEmbedding(int(one_of(1, 3, 16, 17, 40)), int(one_of(2, 4, 9)), sigma=0.3),
            lambda: ParametricActivation(ACTIVATIONS[one_of(*ELEMENTWISE)](), one_of(0.0, 0.1, 1.0)),
            lambda: Shift(one_of(0.0, 0.5, 1.0)),
        ]
        if depth > 0:
            block = one_of(Residual, Skip)
            kinds += [lambda: block([layer(depth - 1), *layers(2, depth - 1)])] * 3
        return one_of(*kinds)()

    def side_by_side(members: int) -> list[Layer]:
        """Members of an ensemble: columns taken with repeats, and dense layers for each group of them."""
        inputs, each = width(), width()
        taken = Take(rng.integers(0, inputs, members * each).tolist())
        grouped = [GroupedDense(width(), members, one_of(True, False), one_of(True, False)) for _ in range(2)]
        between = [ACTIVATIONS[one_of(*sorted(ACTIVATIONS))](), *layers(1, 0)]
        between = [layer for layer in between if not isinstance(layer, Dense)]
        return [Dense(inputs), taken, grouped[0], *between, grouped[1]]

    def width() -> int:
        return int(one_of(1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 96, 97))

    loss: Loss = LOSSES[one_of(*sorted(LOSSES))]()
    if hasattr(loss, "label_smoothing"):
        loss = type(loss)(one_of(0.0, 0.1))
    elif hasattr(loss, "delta") or hasattr(loss, "q"):
        loss = type(loss)(one_of(0.3, 0.7))
    elif hasattr(loss, "half"):
        loss = type(loss)(half=one_of(False, True))
    front = one_of(
        *([], [Rescale(0.5, 1.0)], [Standardize()], [Rescale(0.5), Rescale(2.0, -1.0), Standardize()]),
        [Embedding([(0, int(one_of(1, 5, 40)), width())])],
    )
    members = int(one_of(1, 1, 1, 2, 3, 5))
    inside = side_by_side(members) if members > 1 or rng.random() < 0.1 else []
    outputs = int(one_of(1, 2, 3, 10, 17))
    if (
        members > 1
        and not (loss.domain == "probability" and loss.targets == "classes")
        and rng.random() < 0.7
    ):
        loss = MeanOverMembers(loss, members)
    head = Dense(outputs) if loss.members == 1 else GroupedDense(outputs, members, one_of(True, False))
    chain = [*front, *layers(6, 3), *inside, Tanh(), head]
    if loss.domain == "probability":
        chain.append(Softmax() if loss.targets == "classes" else Sigmoid())
    elif loss.members == 1:
        chain += [layer(1)] if rng.random() < 0.3 else []
    penalties = {"l2": one_of(0.0, 0.0, 0.01), "l1": one_of(0.0, 0.0, 0.003)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a Softmax before a loss that applies it too
        inputs = width()
        chain[len(front) : len(front)] = numbers(
            np.random.default_rng([seed, many_samples, 1]), front, inputs
        )
        network = Network(inputs, chain, loss, **penalties, max_norm=one_of(None, None, 0.8))
    if sum(math.prod(parameter.shape) for link in network.walk() for parameter in link.params) > LARGEST:
        return draw(seed + 1_000_000, many_samples)
    n = int(one_of(1100, 2500) if many_samples else one_of(1, 2, 7, 30, 64, 131))
    X, outputs = rng.normal(size=(n, network.inputs)), network.outputs
    if network.links[0].layer.reads_codes:
        X[:, 0] = rng.integers(0, 41, n)
    y = {
        "real": lambda: rng.normal(size=(n, outputs)),
        "counts": lambda: rng.integers(0, 4, (n, outputs)),
        "binary": lambda: rng.integers(0, 2, (n, outputs)),
        "classes": lambda: rng.integers(0, outputs, n),
    }[loss.targets]()
    names = [link.name for link in network.walk() if link.params or isinstance(link.layer, BatchNorm)]
    frozen = tuple(name for name in names if rng.random() < 0.3) if rng.random() < 0.3 else ()
    kinds = [kind for kind in OPTIMIZERS if OPTIMIZERS[kind] is not LBFGS]
    # A larger eps: divided by its own size, a gradient that is rounding alone makes a step like any other.
    rate = {"gradient_descent": 0.05, "sgd": 0.02, "adagrad": 0.02}
    kind = one_of(*kinds)
    how: dict[str, Any] = {
        "epochs": int(one_of(1, 2, 3)),
        "batch_size": one_of(None, 1024) if many_samples else one_of(None, 1, 2, 16, 33),
        "shuffle": one_of(True, False),
        "optimizer": OPTIMIZERS[kind](
            rate.get(kind, 1e-3), **({"eps": 1e-4} if hasattr(OPTIMIZERS[kind], "eps") else {})
        ),
        "schedule": one_of(None, None, "one_cycle", "cosine"),
        "clip_norm": one_of(None, None, 0.05, 1.0),
        "clip_value": one_of(None, None, None, 0.01),
        "sample_weight": one_of(None, rng.integers(0, 4, n) + rng.random(n) * one_of(0, 1) + (n < 5)),
    }
    if n == 1 or (how["sample_weight"] is not None and not how["sample_weight"].any()):
        how["sample_weight"] = None
    return Case(seed, network, FORMS[one_of(*FORMS)](X), y, frozen, how)


def train(case: Case, engine: str, dtype: str = "float64", shake: int | None = None, **how: Any) -> Trained:
    """Run a case. shake: a number of last digits of the samples and of the first theta to be changed at random."""
    model = Model(case.network, seed=case.seed, dtype=dtype)
    rng, X = np.random.default_rng(case.seed), case.X
    model.theta += 0.05 * rng.normal(size=model.theta.shape).astype(dtype)  # away from a bias of exactly 0
    if shake is not None:
        rng = np.random.default_rng(shake)
        model.theta *= 1 + 1e-15 * rng.normal(size=model.theta.shape)
        X = X.toarray() if hasattr(X, "toarray") else X
        codes = case.network.links[0].layer.reads_codes * np.eye(1, X.shape[1])  # they stay whole
        X = X * (1 + 1e-15 * rng.normal(size=X.shape) * (1 - codes))
    if case.frozen:
        model.freeze(*case.frozen)
    error, records = None, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            history = model.fit(X, case.y, engine=engine, **(case.how | how))
            records = [[v for k, v in record.items() if k != "seconds"] for record in history.records]
        except NonFiniteError as found:
            error = found.step, found.link
        outputs = model.outputs(X, engine=engine) if error is None else np.empty(0)
    states = [np.ravel(value) for state in model.states.values() for value in state]
    return Trained(
        model.theta, outputs, np.array(records), np.concatenate(states) if states else np.empty(0), error
    )


def difference(one: Trained, other: Trained) -> float:
    """The largest |x - y| / (1 + |y|) of all numbers; infinity where only one has an error, or each another."""
    if one.error != other.error:
        return np.inf
    pairs = zip(one[:4], other[:4], strict=True)
    return max(float((np.abs(x - y) / (1 + np.abs(y))).max(initial=0.0)) for x, y in pairs)


class Agreement(NamedTuple):
    """Of two engines on a case."""

    difference: float
    bound: float | None  # of the difference; None where last digits decide about everything

    @property
    def holds(self) -> bool:
        """Whether it is within the bound, or there is nothing to compare."""
        return self.bound is None or self.difference <= self.bound


def agreement(case: Case, reference: Trained, engine: str = "native") -> Agreement:
    """An engine's difference from the reference's run, and what changes in the last digits make of that."""
    found = difference(train(case, engine), reference)
    if found <= CLOSE:
        return Agreement(found, CLOSE)
    felt = max(difference(train(case, "reference", shake=shake), reference) for shake in range(4))
    return Agreement(found, None if felt > LOST else max(CLOSE, 1e3 * felt))


def main(numbers: Iterable[int]) -> int:
    """Compare, print what does not agree and a summary; the number of those."""
    found, lost, bad = [], 0, 0
    for seed in numbers:
        for many in (False, True) if seed % 10 == 0 else (False,):
            case = draw(seed, many)
            result = agreement(case, train(case, "reference"))
            found.append(result.difference)
            lost += result.bound is None
            if not result.holds:
                bad += 1
                print(
                    f"{seed} {many} {result} {case.network} {case.how} {case.frozen} {type(case.X)}",
                    flush=True,
                )
    far = sum(value > CLOSE for value in found)
    print(
        f"{len(found)} networks: median difference {np.median(found):.1e}, {far} beyond {CLOSE}, of which last digits "
        f"decide about {lost}; {bad} do not agree"
    )
    return bad


if __name__ == "__main__":
    sys.exit(main(range(int(sys.argv[1]))) > 0)
