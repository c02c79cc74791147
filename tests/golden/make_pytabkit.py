"""Walk through RealMLP's layers as pytabkit has them and store every value: python make_pytabkit.py

Writes pytabkit.npz beside this file: for each layer its samples, its parameters, a dL/d out, and what PyTorch makes of
them: the output and the gradients of the samples and the parameters, all in float64, with the versions that made them.
Needs numpy, torch and pytabkit; test_pytabkit.py compares both engines with it.
"""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytabkit.models.nn_models.activations import ParametricActivationLayer, mish
from pytabkit.models.nn_models.base import ScaleLayer, Variable
from pytabkit.models.nn_models.nn import PLREmbeddingsLayerCosBias

SAMPLES, COLUMNS = 7, 5
FUNCTIONS = {"selu": torch.selu, "mish": mish, "relu": torch.relu}
EMBEDDINGS = {"td": (0.1, 16, 4), "wide": (2.0, 24, 7), "narrow": (50.0, 5, 2)}
"""Spread of the frequencies, frequencies, and numbers in a column's place with the column itself."""


def variable(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Variable:
    """Return a parameter of random numbers."""
    return Variable(torch.tensor(scale * rng.normal(size=shape)))


def walk(layer: Any, parameters: dict[str, Variable], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the samples, dL/d out, the output, and the gradients by autograd."""
    X = torch.tensor(2 * rng.normal(size=(SAMPLES, COLUMNS)), requires_grad=True)
    out = layer.forward_cont(X)
    delta = torch.tensor(rng.normal(size=tuple(out.shape)))
    inputs = {"X": X, **parameters}
    gradients = torch.autograd.grad((out * delta).sum(), list(inputs.values()))
    found = {"delta": delta, "out": out, **inputs}
    found |= {f"d{name}": gradient for name, gradient in zip(inputs, gradients, strict=True)}
    return {name: value.detach().numpy() for name, value in found.items()}


def main() -> None:
    rng = np.random.default_rng(0)
    cases = {}
    s = variable(rng, 1, COLUMNS)
    cases["scale"] = walk(ScaleLayer(s), {"s": s}, rng)
    for name, f in FUNCTIONS.items():
        alpha = variable(rng, 1, COLUMNS)
        cases[name] = walk(ParametricActivationLayer(f, alpha), {"alpha": alpha}, rng)
    for name, (sigma, frequencies, size) in EMBEDDINGS.items():
        parameters = {
            "weight_1": variable(rng, COLUMNS, 1, frequencies, scale=sigma),
            "bias_1": variable(rng, COLUMNS, 1, frequencies),
            "weight_2": variable(rng, COLUMNS, frequencies, size - 1),
            "bias_2": variable(rng, COLUMNS, 1, size - 1),
        }
        layer = PLREmbeddingsLayerCosBias(
            fitter=None, plr_act_name="linear", plr_use_densenet=True, **parameters
        )
        cases[name] = walk(layer, parameters, rng)
    versions = {name: version(name) for name in ("numpy", "torch", "pytabkit")}
    about = {"versions": {"python": platform.python_version(), **versions}, "embeddings": list(EMBEDDINGS)}
    stored = {f"{case}/{name}": value for case, values in cases.items() for name, value in values.items()}
    np.savez_compressed(Path(__file__).with_name("pytabkit.npz"), about=np.array(json.dumps(about)), **stored)


if __name__ == "__main__":
    main()
