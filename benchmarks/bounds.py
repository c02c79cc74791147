"""Proven bounds beside auto_LiRPA's on MNIST networks, and a search for outputs outside of the bounds.

    python benchmarks/bounds.py widths >> benchmarks/notes/bounds.md
    python benchmarks/bounds.py search [--networks 50] [--random 1000000] >> benchmarks/notes/bounds.md

`widths`: networks of this package trained on MNIST for five epochs, and the same weights in PyTorch; the mean width of
the ten outputs over boxes of a radius around test images, pixels of 0 to 1 and clipped to them, by intervals and by
CROWN. `search`: networks of random layers, activations and weights with eight boxes each; points drawn in them and at
their corners, and points that follow the sign of an output's gradient up or down. Needs auto_LiRPA for `widths`.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule import Adam, Dense, Model, Network, SoftmaxCrossEntropy
from chainrule.datasets import load_mnist
from chainrule.formulas.layers import ACTIVATIONS
from chainrule.graph.networks import graph_of_outputs
from chainrule.graph.operation import Box

Floats = NDArray[np.float64]
NETWORKS = {
    "relu": (256, 256, 256),
    "tanh": (64, 64),
    "sigmoid": (64, 64),
}
LEVELS = (1, 2, 4, 8)
HEAD = (
    "| network | radius | intervals | auto_LiRPA's | CROWN | auto_LiRPA's | ratio | s | auto_LiRPA's |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
)


class Found(NamedTuple):
    """The mean width of the outputs, and the seconds."""

    width: float
    seconds: float


def timed(bounds: Callable[[], tuple[Any, Any]]) -> Found:
    """Return what a call finds."""
    begun = time.perf_counter()
    low, high = bounds()
    return Found(float(np.mean(np.asarray(high) - np.asarray(low))), time.perf_counter() - begun)


def peer(model: Model, kind: str, low: Floats, high: Floats) -> Callable[[str], Found]:
    """Return auto_LiRPA's bounds of the same network by the name of its method."""
    import torch
    from auto_LiRPA import BoundedModule, BoundedTensor, PerturbationLpNorm

    named = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid, "gelu": torch.nn.GELU}
    modules: list[torch.nn.Module] = []
    for link in model.network.links:
        if link.params:
            dense = torch.nn.Linear(link.fan_in, link.fan_out)
            own = model.parameters[link.name]
            dense.weight.data, dense.bias.data = torch.tensor(own.W.T.copy()), torch.tensor(own.b.copy())
            modules.append(dense)
        else:
            modules.append(named[kind]())
    ends = [torch.tensor(end, dtype=torch.float32) for end in (low, high)]
    middle = (ends[0] + ends[1]) / 2
    bounded = BoundedModule(torch.nn.Sequential(*modules), middle, verbose=False)
    x = BoundedTensor(middle, PerturbationLpNorm(norm=np.inf, x_L=ends[0], x_U=ends[1]))

    def found(method: str) -> tuple[Any, Any]:
        with torch.no_grad():
            return bounded.compute_bounds(x=(x,), method=method)

    return lambda method: timed(lambda: found(method))


def widths(images: int) -> None:
    """Print the table of widths."""
    (X, y), (X_test, _) = ((part.X / np.float32(255), part.y) for part in load_mnist())
    some = X_test[np.linspace(0, len(X_test) - 1, images).astype(int)].astype(np.float64)
    print(HEAD)
    for kind, hidden in NETWORKS.items():
        layers = [each for width in hidden for each in (Dense(width), ACTIVATIONS[kind]())]
        model = Model(Network(784, [*layers, Dense(10)], SoftmaxCrossEntropy()), seed=0)
        model.fit(X, y, epochs=5, batch_size=128, optimizer=Adam(0.001), verbose=False)
        name = f"784-{'-'.join(map(str, hidden))}-10 {kind}"
        for levels in LEVELS:
            low, high = np.clip(some - levels / 255, 0, 1), np.clip(some + levels / 255, 0, 1)
            theirs = peer(model, kind, low, high)
            ours = [timed(partial(model.bounds, low, high, method=how)) for how in ("interval", "crown")]
            ibp, crown = theirs("IBP"), theirs("CROWN")
            numbers = f"{ours[0].width:.4g} | {ibp.width:.4g} | {ours[1].width:.4g} | {crown.width:.4g}"
            times = f"{ours[1].seconds:.2f} | {crown.seconds:.2f}"
            ratio = ours[1].width / crown.width
            print(f"| {name} | {levels}/255 | {numbers} | {ratio:.3f} | {times} |", flush=True)


class Search(NamedTuple):
    """Points within boxes, and how many of their outputs are outside of the bounds."""

    points: int = 0
    violations: int = 0

    def joined(self, inside: Floats, box: Box, outputs: NDArray[Any]) -> Search:
        """Add the outputs of points (n, points, inputs) of n boxes."""
        low, high = box.low[:, None], box.high[:, None]
        out = outputs.reshape(*inside.shape[:2], -1)
        return Search(
            self.points + len(outputs), self.violations + int(((out < low) | (out > high)).any(2).sum())
        )


def climbed(model: Model, low: Floats, high: Floats, points: int, rng: np.random.Generator) -> Floats:
    """Return points (n, points, inputs) of n boxes that have moved where an output grows, or falls."""
    shape = len(low), points, low.shape[1]
    x = rng.uniform(low[:, None], high[:, None], shape)
    out = model.network.fan_out
    chosen = rng.integers(0, out, shape[:2])
    sign = rng.choice([-1.0, 1.0], (*shape[:2], 1))
    for share in (0.5, 0.5, 0.3, 0.2, 0.1, 0.1, 0.05, 0.05):
        J = model.jacobian(x.reshape(-1, shape[2]), outputs=None).reshape(*shape[:2], out, shape[2])
        slope = np.take_along_axis(J, chosen[..., None, None], 2)[:, :, 0]
        x = np.clip(x + sign * np.sign(slope) * share * (high - low)[:, None], low[:, None], high[:, None])
    return x


def search(networks: int, random: int, searched: int) -> None:
    """Print how many points of random networks violate their bounds."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
    from exported import moved

    found = {"drawn": Search(), "corners": Search(), "searched": Search(), "drawn, in float64": Search()}
    tight = []
    for number in range(networks):
        model, X = moved(number)
        if not model.network.fan_out or model.network.inputs == 0:
            continue
        codes = np.array([(column % 1 == 0).all() for column in X.T])
        low = np.repeat(X[[0, -1]], 4, 0)
        sizes = np.tile([1e-4, 0.01, 0.2, 2.0], 2)[:, None]
        high = low + np.where(codes, 0.0, sizes * (X.std(0) + 0.1))
        box, wide = model.bounds(low, high), model.bounds(low, high, method="interval")
        tight.append(np.median((box.high - box.low) / np.maximum(wide.high - wide.low, 1e-300)))
        rng = np.random.default_rng(number)
        graph = graph_of_outputs(model, model.target_scale)
        for kind, points in (("drawn", random), ("corners", random // 10), ("searched", searched)):
            for _ in range(max(1, points // 8000)):
                some = min(points // 8, 1000)
                if kind == "searched":
                    x = climbed(model, low, high, min(some, 125), rng)
                else:
                    share = rng.uniform(size=(8, some, low.shape[1]))
                    share = np.round(share) if kind == "corners" else share
                    x = np.clip(low[:, None] + share * (high - low)[:, None], low[:, None], high[:, None])
                flat = x.reshape(-1, low.shape[1])
                found[kind] = found[kind].joined(x, box, model.outputs(flat))
            if kind == "drawn":
                name = "drawn, in float64"
                found[name] = found[name].joined(x, box, graph.run(flat)["outputs"])
    print("| points | of | outside of the bounds |\n|---:|---|---:|")
    for kind, each in found.items():
        print(f"| {each.points:,} | {kind} | {each.violations} |")
    print(
        f"\nWidth of CROWN's bounds, share of that of intervals: median of {len(tight)} networks {np.median(tight):.3f}"
    )


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("widths", "search"))
    parser.add_argument("--images", type=int, default=30)
    parser.add_argument("--networks", type=int, default=50)
    parser.add_argument("--random", type=int, default=1_000_000, help="points of each network")
    parser.add_argument("--searched", type=int, default=10_000, help="points of each network")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    if asked.what == "widths":
        widths(asked.images)
    else:
        search(asked.networks, asked.random, asked.searched)


if __name__ == "__main__":
    main()
