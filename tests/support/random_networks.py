"""Random networks and runs of training, drawn by number, and how far two engines are from each other on them.

Any layer at any place, blocks in blocks; every loss, smoothing, weights of samples, penalties, clipping, frozen links,
optimizers, batches of one sample and of many, forms of X. From the command line:
python tests/support/random_networks.py 1000
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from chainrule import (
    Clip,
    Compute,
    Dense,
    Embedding,
    GroupedDense,
    Loss,
    MeanOverMembers,
    Model,
    Network,
    NonFiniteError,
    Take,
)
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.formulas.losses import LOSSES
from chainrule.formulas.optimizers import LBFGS, OPTIMIZERS
from random_layers import Chain, Dice, anywhere, body, stands, wanted
from strategies import targets_for

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
SAMPLES: dict[int | None, tuple[int, ...]] = {
    **{None: (1, 2, 7, 30, 64, 131), 1: (1, 2, 7), 2: (2, 7), 16: (30, 64), 33: (64, 131)}
}
"""How many samples are drawn for a batch size: at most seven steps an epoch."""


class Case(NamedTuple):
    """A network, samples, and how to train on them."""

    number: int
    network: Network
    form: str  # of X
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


def draw(number: int, many_samples: bool = False, attempt: int = 0) -> Case:
    """The case of a number: the number's pair of a layer and a place, and all else at random.

    many_samples: enough of them to be cut into micro-batches.
    """
    dice = Dice(number, many_samples, attempt)
    one_of, rng = dice.one_of, dice.rng
    kind, place = wanted()[number % len(wanted())]
    at_end = place == "before the loss"
    of_loss = one_of(*(name for name in sorted(LOSSES) if not at_end or ends_in(LOSSES[name], kind)))
    domain, targets = LOSSES[of_loss].domain, LOSSES[of_loss].targets
    members = 1 if at_end else one_of(1, 1, 1, 1, 1, 1, 2, 3, 5)
    chain = body(dice, dice.width(), kind, place)
    if not at_end or kind in anywhere():
        if members > 1 or dice.happens(0.1):
            side_by_side(chain, members)
        together = (
            members > 1 and not (domain == "probability" and targets == "classes") and dice.happens(0.7)
        )
        chain.add("tanh")
        outputs = one_of(1, 2, 3, 10, 17)
        chain.append(GroupedDense(outputs, members, dice.happens(0.5)) if together else Dense(outputs))
        if at_end:
            chain.add(kind)
        elif domain == "probability":
            chain.add("softmax" if targets == "classes" else "sigmoid")
        elif not together and dice.happens(0.3):
            chain.add_any(1, 1)
    else:
        together = False
    loss = drawn_loss(dice, of_loss, chain.width // (members if together else 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a Softmax before a loss that applies it too
        network = Network(
            chain.inputs,
            chain.layers,
            MeanOverMembers(loss, members) if together else loss,
            l2=one_of(0.0, 0.0, 0.01),
            l1=one_of(0.0, 0.0, 0.003),
            max_norm=one_of(None, None, 0.8),
        )
    if network.size > (LARGEST // 4 if many_samples else LARGEST):
        return draw(number, many_samples, attempt + 1)
    batch_size = one_of(None, 1024) if many_samples else one_of(None, None, 1, 2, 16, 33)
    n = one_of(1100, 2500) if many_samples else one_of(*SAMPLES[batch_size])
    links = [link for link in network.walk() if link.params]
    frozen = tuple(link.name for link in links if dice.happens(0.3)) if dice.happens(0.3) else ()
    optimizer = one_of(*(name for name in OPTIMIZERS if OPTIMIZERS[name] is not LBFGS))
    # A larger eps: divided by its own size, a gradient that is rounding alone makes a step like any other.
    rate = {"gradient_descent": 0.05, "sgd": 0.02, "adagrad": 0.02}.get(optimizer, 1e-3)
    weight = rng.integers(0, 4, n) + rng.random(n) * one_of(0, 1) + (n < 5)
    how: dict[str, Any] = {
        "epochs": 1 if many_samples else one_of(1, 2, 3),
        "batch_size": batch_size,
        "shuffle": one_of(True, False),
        "optimizer": OPTIMIZERS[optimizer](
            rate, **({"eps": 1e-4} if hasattr(OPTIMIZERS[optimizer], "eps") else {})
        ),
        "schedule": one_of(None, None, "one_cycle", "cosine"),
        "clip": Clip(one_of(None, None, 0.05, 1.0), one_of(None, None, None, 0.01)),
        "sample_weight": weight if n > 1 and weight.any() and dice.happens(0.5) else None,
    }
    X, y = samples(dice, network, n)
    form = one_of(*FORMS)
    if (kind, place) not in stands(network, frozen):  # what learns before it would be frozen
        frozen = tuple(link.name for link in links if place == "frozen" and link.layer.kind == kind)[-1:]
    return Case(number, network, form, FORMS[form](X), y, frozen, how)


def ends_in(loss: type[Loss], kind: str) -> bool:
    """Whether a loss takes what a kind of layer gives."""
    return loss.domain == "real" or kind == ("softmax" if loss.targets == "classes" else "sigmoid")


def side_by_side(chain: Chain, members: int) -> None:
    """Add members of an ensemble: columns taken with repeats, and dense layers for each group of them."""
    dice = chain.dice
    chain.append(Dense(dice.width()))
    chain.append(Take(dice.rng.integers(0, chain.width, members * dice.width()).tolist()))
    for _ in range(2):
        chain.append(GroupedDense(dice.width(), members, dice.happens(0.5), dice.happens(0.5)))
        chain.add(dice.one_of(*sorted(ACTIVATIONS)))


def drawn_loss(dice: Dice, kind: str, outputs: int) -> Loss:
    """A loss with settings of its own."""
    loss = LOSSES[kind]
    if kind == "quantile" and outputs > 1 and dice.happens(0.5):
        return loss(tuple(dice.rng.uniform(0.1, 0.9, outputs).tolist()))
    if hasattr(loss, "label_smoothing"):
        return loss(dice.one_of(0.0, 0.1))
    if hasattr(loss, "delta") or hasattr(loss, "q"):
        return loss(dice.one_of(0.3, 0.7))
    if "power" in loss.__dataclass_fields__ or hasattr(loss, "gamma"):
        return loss(dice.one_of(1.2, 1.8))
    return loss(half=dice.happens(0.5)) if hasattr(loss, "half") else loss()


def samples(dice: Dice, network: Network, n: int) -> tuple[np.ndarray, np.ndarray]:
    """X (n, inputs), with codes in the columns that are looked up, some of them out of range; and y."""
    rng, outputs = dice.rng, network.outputs
    X = rng.normal(size=(n, network.inputs))
    for column in coded(network):
        X[:, column] = rng.integers(-1, 42, n)
    return X, targets_for(network.loss, n, outputs, rng)


def coded(network: Network) -> list[int]:
    """The columns of X that hold codes."""
    first = network.links[0].layer
    return [column for column, _, _ in first.columns] if isinstance(first, Embedding) else []


def untrained(case: Case, dtype: str = "float64") -> Model:
    """The model that a case begins with."""
    model = Model(case.network, seed=case.number, dtype=dtype)
    rng = np.random.default_rng(case.number)
    model.theta += 0.05 * rng.normal(size=model.theta.shape).astype(dtype)  # away from a bias of exactly 0
    if case.frozen:
        model.freeze(*case.frozen)
    return model


def train(case: Case, engine: Any, dtype: str = "float64", shake: int | None = None, **how: Any) -> Trained:
    """Run a case. shake: a number of last digits of the samples and of the first theta to be changed at random."""
    model, X = untrained(case, dtype), case.X
    if shake is not None:
        rng = np.random.default_rng(shake)
        model.theta *= 1 + 1e-15 * rng.normal(size=model.theta.shape)
        X = X.toarray() if hasattr(X, "toarray") else X
        noise = 1e-15 * rng.normal(size=X.shape)
        noise[:, coded(case.network)] = 0  # codes stay whole
        X = X * (1 + noise)
    error, records = None, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            history = model.fit(X, case.y, engine=engine, **(case.how | how))
            records = [[v for k, v in record.items() if k != "seconds"] for record in history.records]
        except NonFiniteError as found:
            error = found.step, found.link
        name = engine.engine if isinstance(engine, Compute) else engine
        outputs = model.outputs(X, engine=name) if error is None else np.empty(0)
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
    return judged(difference(train(case, engine), reference), case, reference)


def judged(found: float, case: Case, reference: Trained) -> Agreement:
    """A difference that was found on a case, beside what changes in the last digits make of the reference's run."""
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
