"""Chainrule as a peer: `Model.fit` over whole epochs."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

from numpy.typing import NDArray

import chainrule
from chainrule.formulas.layers import BatchNorm, Dense, Dropout, Layer, ReLU
from chainrule.formulas.losses import MeanSquaredError, SoftmaxCrossEntropy
from chainrule.formulas.optimizers import Adam
from chainrule.model import Model
from chainrule.network.blocks import Residual
from chainrule.network.network import Network
from chainrule.training.callbacks import Callback
from chainrule.training.options import Compute
from chainrule.training.run import Run
from speed.cases import DROPOUT, LEARNING_RATE, Case, LayerWeights
from speed.peers.base import Peer

FOREVER = 10**9


class Turns(Callback):
    """A callback that pauses a fit at an epoch's end until it is told to train for more epochs.

    The queue `epochs` tells how many more, 0 for the end; `done` gets None when they are done, or the error of the fit.
    """

    looks_inside = False

    def __init__(self, fit: Callable[[Turns], object]) -> None:
        """Start the fit in a thread of its own, and wait for the end of its first epoch."""
        self.epochs, self.done = SimpleQueue[int](), SimpleQueue[Exception | None]()
        self.left = 1
        Thread(target=self.run, args=[fit], daemon=True).start()
        self.wait()

    def run(self, fit: Callable[[Turns], object]) -> None:
        """Run the fit, and pass an error on."""
        try:
            fit(self)
        except Exception as error:
            self.done.put(error)

    def wait(self) -> None:
        """Wait until the epochs are done. Raises the error of the fit."""
        error = self.done.get()
        if error is not None:
            raise error

    def go_on(self, epochs: int) -> None:
        """Train for more epochs, and wait for them."""
        self.epochs.put(epochs)
        self.wait()

    def end(self) -> None:
        """End the fit."""
        self.epochs.put(0)

    def on_epoch_end(self, run: Run) -> None:
        """Count the epochs down, and wait for the next call at 0."""
        self.left -= 1
        if self.left == 0:
            self.done.put(None)
            self.left = self.epochs.get()
            if self.left == 0:
                run.stop("it was told to")


class Chainrule(Peer):
    """Chainrule with the engine of "auto"."""

    whole_epochs = True
    compute = Compute()

    def __init__(self, threads: int) -> None:
        """Accept the threads, which the engine takes from the environment."""
        self.turns: Turns | None = None

    def versions(self) -> dict[str, str]:
        """Return the version, with the engine and its instruction set."""
        from chainrule.engines import Plan, native, select

        engine = select("auto", Plan(Network(2, [Dense(1)], MeanSquaredError()))).name
        return {
            "chainrule": f"{chainrule.__version__} ({engine}"
            + (f", {native.instruction_set()})" if engine == "native" else ")")
        }

    def prepare(self, case: Case, X: NDArray[Any], y: NDArray[Any], layers: list[LayerWeights]) -> None:
        """Build the model as a user would, and set its weights."""
        if self.turns is not None:
            self.turns.end()
            self.turns = None
        links: list[Layer] = []
        for i, units in enumerate(case.widths[1:-1]):
            if case.blocks == "residual" and i > 0:
                links.append(Residual([Dense(units), ReLU()]))
            else:
                links += (
                    [Dense(units), BatchNorm(), ReLU()]
                    if case.blocks == "batch norm"
                    else [Dense(units), ReLU()]
                )
            if case.blocks == "dropout":
                links.append(Dropout(DROPOUT))
        loss = MeanSquaredError(half=True) if case.is_regression else SoftmaxCrossEntropy()
        self.model = Model(Network(case.widths[0], [*links, Dense(case.widths[-1])], loss), seed=0)
        dense = [params for params in self.model.parameters.values() if hasattr(params, "W")]
        for params, layer in zip(dense, layers, strict=True):
            params.W[...], params.b[...] = layer
        self.case, self.X, self.y = case, X, y

    def train(self, samples: int, *, shuffle: bool = True) -> int:
        """Train on at least `samples` samples, in whole epochs of a new fit."""
        epochs = -(-samples // self.case.samples)
        self.fit(epochs, shuffle)
        return epochs * self.case.samples

    def fit(self, epochs: int, shuffle: bool = True, callbacks: tuple[Callback, ...] = ()) -> None:
        """Call `Model.fit` as a user would."""
        self.model.fit(
            self.X,
            self.y,
            epochs=epochs,
            batch_size=self.case.batch,
            optimizer=Adam(LEARNING_RATE),
            shuffle=shuffle,
            callbacks=callbacks,
            verbose=0,
            engine=self.compute,
        )

    def go_on(self, samples: int) -> int:
        """Train whole epochs of one fit, which pauses between the calls."""
        if self.turns is None:
            self.turns = Turns(lambda turns: self.fit(FOREVER, callbacks=(turns,)))
        epochs = -(-samples // self.case.samples)
        self.turns.go_on(epochs)
        return epochs * self.case.samples

    def outputs(self, X: NDArray[Any]) -> NDArray[Any]:
        """Compute the network's logits or numbers."""
        return self.model.outputs(X)

    def predictor(self, X: NDArray[Any]) -> Callable[[], Any]:
        """Return a prediction of the bound model."""
        outputs = self.model.bind().outputs
        return lambda: outputs(X)


class InBf16(Chainrule):
    """Chainrule with matrix products of bfloat16 numbers."""

    compute = Compute(precision="bf16")
