"""The bits of many fits by the native engine, to be compared before and after a change that must not change them.

    python tests/support/bits_of_fits.py > before.txt    # and with the changed module > after.txt
    diff before.txt after.txt

Random networks (random_networks.py), each with a loss, layers, an optimizer and settings of its own, and dense networks
beyond the blocks of the kernels: on each instruction set of the processor, on one thread and on three, in float32, in
float64 and with products in bfloat16. One line for each fit: what it is, and a hash of theta, outputs, states and what
was recorded. The bits are those of one machine and one version of NumPy. An argument takes another number of random
networks than 300.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator

import numpy as np

from chainrule import AdamW, Clip, Compute, Dense, LeakyReLU, Network, ReLU, SoftmaxCrossEntropy, Tanh
from chainrule.engines.native import engine as native
from random_networks import Case, Trained, draw, train

KINDS = {
    "float32": ("float32", None),
    "float64": ("float64", None),
    "bf16": ("float32", "bf16"),
}


def dense_cases() -> Iterator[Case]:
    """Widths and batches of more than a block, of whole tiles and of rests; with gaps in the samples, too."""
    rng = np.random.default_rng(0)
    for number, (widths, n, batch) in enumerate(
        [
            ((784, 128, 10), 300, 128),
            ((300, 270, 33, 3), 205, 101),
            ((70, 515, 12), 1200, None),
            ((9, 7, 5), 61, 8),
            ((520, 40, 2), 12, 1),
            ((64, 64, 64, 17), 96, 11),
        ]
    ):
        activation = (ReLU, LeakyReLU, Tanh)[number % 3]
        layers = [layer for width in widths[1:-1] for layer in (Dense(width), activation())]
        network = Network(widths[0], [*layers, Dense(widths[-1])], SoftmaxCrossEntropy())
        X = rng.normal(size=(n, widths[0])) * (rng.random(widths[0]) < (0.3 if number % 2 else 1))
        how = {
            "epochs": 2,
            "batch_size": batch,
            "optimizer": AdamW(1e-3),
            "clip": Clip(1.0 if number % 2 else None, None),
        }
        yield Case(10_000 + number, network, "C", X, rng.integers(0, widths[-1], n), (), how)


def digest(run: Trained) -> str:
    """Of all that a run leaves."""
    found = hashlib.sha256()
    for value in run:
        found.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return found.hexdigest()[:16]


def main(count: int) -> None:
    cases = [
        *dense_cases(),
        *map(draw, range(count)),
        *(draw(number, True) for number in range(0, count, 20)),
    ]
    for isa in native._native.instruction_sets():
        for threads in ("1", "3"):
            os.environ |= {"CHAINRULE_ISA": isa, "CHAINRULE_NUM_THREADS": threads}
            for place, case in enumerate(cases):
                for kind, (dtype, precision) in KINDS.items():
                    run = train(case, Compute("native", precision=precision), dtype)
                    print(isa, threads, place, case.number, kind, digest(run), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
