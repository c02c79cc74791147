"""Store what TabM's three architectures compute and their gradients: python make_tabm.py

Writes tabm.npz beside this file: for each case its settings, the parameters, samples, the members' outputs, the loss,
the averaged prediction, and the loss's gradient by every parameter and by the samples, all in float64, with the
versions that made them. Needs numpy, tabm and torch.

The parameters are drawn here, all of them, so that no scale is 1 and no two members agree. The loss is TabM's own: the
mean over samples and members; of numbers it is the squared error, summed over the outputs.
"""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tabm
import torch
from torch.nn import functional as F

ROWS, INPUTS = 9, 5
CASES: dict[str, dict[str, Any]] = {
    f"{arch}_{task}": {
        "arch": arch,
        "task": task,
        "outputs": outputs,
        "k": k,
        "width": width,
        "blocks": blocks,
    }
    for arch in ("tabm-mini", "tabm", "tabm-packed")
    for task, outputs, k, width, blocks in (
        ("numbers", 2, 3, 7, 2),
        ("classes", 3, 4, 16, 1),
        ("binary", 1, 2, 17, 2),
    )
}


def made(case: dict[str, Any]) -> dict[str, np.ndarray]:
    """The numbers of a case, by name."""
    packed = case["arch"] == "tabm-packed"
    model = tabm.TabM(
        n_num_features=INPUTS,
        d_out=case["outputs"],
        k=case["k"],
        arch_type=case["arch"],
        n_blocks=case["blocks"],
        d_block=case["width"],
        dropout=0.0,
        activation="ReLU",
        start_scaling_init=None if packed else "normal",
    ).double()
    rng = np.random.default_rng(len(case["arch"]) + case["outputs"])
    for parameter in model.parameters():
        drawn = rng.normal(size=tuple(parameter.shape)) / np.sqrt(max(parameter.shape[-1], 3) / 2)
        parameter.data.copy_(torch.from_numpy(drawn))
    X = rng.normal(size=(ROWS, INPUTS))
    x = torch.from_numpy(X).requires_grad_()
    out = model(x)  # (rows, k, outputs)
    k, outputs = case["k"], case["outputs"]
    flat = out.reshape(-1, outputs)
    if case["task"] == "numbers":
        y = rng.normal(size=(ROWS, outputs))
        loss = ((flat - torch.from_numpy(y).repeat_interleave(k, 0)) ** 2).sum(1).mean()
        said = out.mean(1)
    elif case["task"] == "classes":
        y = rng.integers(0, outputs, ROWS)
        loss = F.cross_entropy(flat, torch.from_numpy(y).repeat_interleave(k))
        said = torch.softmax(out, -1).mean(1)
    else:
        y = rng.integers(0, 2, ROWS)
        loss = F.binary_cross_entropy_with_logits(
            flat[:, 0], torch.from_numpy(y).double().repeat_interleave(k)
        )
        said = torch.sigmoid(out).mean(1)
    loss.backward()
    numbers = {"X": X, "y": y, "out": out.reshape(ROWS, -1), "loss": loss, "said": said, "grad_X": x.grad}
    for name, parameter in model.named_parameters():
        numbers |= {f"of {name}": parameter, f"grad {name}": parameter.grad}
    return {
        name: value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        for name, value in numbers.items()
    }


def main() -> None:
    """Write tabm.npz."""
    about = {
        "cases": CASES,
        "versions": {name: version(name) for name in ("numpy", "tabm", "torch")},
        "python": platform.python_version(),
    }
    stored = {f"{case}/{name}": value for case in CASES for name, value in made(CASES[case]).items()}
    np.savez_compressed(Path(__file__).with_name("tabm.npz"), about=json.dumps(about), **stored)


if __name__ == "__main__":
    main()
