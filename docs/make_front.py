"""Write the network of the studio's first screen, which answers before all else is there: python docs/make_front.py

It is trained on MNIST from a seed and kept in float16, with a digit of the test images that it misreads narrowly.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chainrule import Adam, Dense, Model, Network, OneCycle, ReLU, Rescale, SoftmaxCrossEntropy
from chainrule.datasets import load_mnist
from chainrule.studio.screens.model import described
from chainrule.studio.session.messages import pack
from chainrule.trained.persistence import network_config

FILE = Path(__file__).parents[1] / "src" / "chainrule" / "studio" / "web" / "front.bin"
TRUE, READ, SHARE = 4, 9, 0.7
"""The digit on the pad at first: a 4 that is read as a 9, with about this probability."""


def main() -> None:
    """Train it, and write the file."""
    train, test = load_mnist()
    layers = [Rescale(1 / 255), Dense(128), ReLU(), Dense(32), ReLU(), Dense(10)]
    model = Model(Network(784, layers, SoftmaxCrossEntropy()), seed=0)
    model.fit(train.X, train.y, epochs=10, batch_size=128, optimizer=Adam(5e-3), schedule=OneCycle())
    model.theta[...] = model.theta.astype(np.float16)
    shares = model.predict_proba(test.X)
    likeliest = np.argsort(shares, axis=1)[:, :-3:-1]
    found = np.flatnonzero((test.y == TRUE) & (likeliest == (READ, TRUE)).all(axis=1))
    row = found[np.abs(shares[found, READ] - SHARE).argmin()]
    shown = described(model, "mnist 784-128-32-10")
    shown["arrays"] = {name: values.astype(np.float16) for name, values in shown["arrays"].items()}
    sample = {"x": test.X[row].astype(np.uint8), "y": TRUE}
    content = pack({"model": shown, "config": network_config(model.network), "sample": sample})
    assert isinstance(content, bytes)
    FILE.write_bytes(content)
    accuracy = (likeliest[:, 0] == test.y).mean()
    print(
        f"{FILE.name}: {len(content):,} bytes, {accuracy:.2%} of the test images; row {row}: {shares[row].round(3)}"
    )


if __name__ == "__main__":
    main()
