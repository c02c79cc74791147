"""Chainrule itself: `Model.fit` over whole epochs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

import chainrule
from chainrule.benchmark.cases import DROPOUT, LEARNING_RATE, Case, Layer
from chainrule.benchmark.peers.base import Peer
from chainrule.blocks import Residual
from chainrule.layers import BatchNorm, Dense, Dropout, ReLU
from chainrule.layers import Layer as Link
from chainrule.losses import MeanSquaredError, SoftmaxCrossEntropy
from chainrule.model import Model
from chainrule.network import Network
from chainrule.optimizers import Adam


class Chainrule(Peer):
    """With the engine that "auto" takes."""

    whole_epochs = True

    def __init__(self, threads: int) -> None:
        """The number of threads comes from the environment."""

    def versions(self) -> dict[str, str]:
        """The engine too."""
        from chainrule.engines import native, select

        engine = select("auto", Network(2, [Dense(1)], MeanSquaredError())).name
        return {
            "chainrule": f"{chainrule.__version__} ({engine}"
            + (f", {native.instruction_set()})" if engine == "native" else ")")
        }

    def prepare(self, case: Case, X: NDArray[Any], y: NDArray[Any], layers: list[Layer]) -> None:
        """The network as a user writes it."""
        links: list[Link] = []
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
        """Whole epochs."""
        epochs = -(-samples // self.case.samples)
        self.model.fit(
            self.X,
            self.y,
            epochs=epochs,
            batch_size=self.case.batch,
            optimizer=Adam(LEARNING_RATE),
            shuffle=shuffle,
            verbose=0,
        )
        return epochs * self.case.samples

    def outputs(self, X: NDArray[Any]) -> NDArray[Any]:
        """Logits or numbers."""
        return self.model.outputs(X)

    def predictor(self, X: NDArray[Any]) -> Callable[[], Any]:
        """Of a bound model."""
        outputs = self.model.bind().outputs
        return lambda: outputs(X)
