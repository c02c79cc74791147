"""The first lines of the Python that a screen shows: how to load the model and the shown samples."""

from __future__ import annotations

from chainrule.studio.screens.model import shown_part
from chainrule.studio.screens.neurons.measures import MAX_SAMPLES
from chainrule.studio.session.studio import Studio


def preamble(studio: Studio, *, most: int | None = MAX_SAMPLES) -> list[str]:
    """Return the lines that load the model and the shown samples: MNIST from the package, others from a file.

    most: maximum samples; of more, evenly spaced ones are used.
    """
    lines = ["import numpy as np", "from chainrule import load"]
    if studio.has_data and studio.data.source == "mnist":
        name = "test" if studio.data.test is not None else "train"
        lines += ["from chainrule.datasets import load_mnist", "", "train, test = load_mnist()"]
        lines += [f"X, y = {name}.X, {name}.y"]
    else:
        lines += ["", 'with np.load("samples.npz") as file:', '    X, y = file["X"], file["y"]']
    n = len(shown_part(studio).X) if studio.has_data else 0
    if most is not None and n > most:
        lines += [f"rows = np.linspace(0, {n - 1}, {most}).astype(int)", "X, y = X[rows], y[rows]"]
    return [*lines, 'model = load("model.safetensors")']
