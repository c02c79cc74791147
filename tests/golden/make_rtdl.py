"""Embed numbers with rtdl_num_embeddings and store what comes out and all gradients: python make_rtdl.py

Writes rtdl.npz beside this file: for each case the samples, the edges, the parameters, dL/d out, the output and every
gradient, all in float64, with the versions that made them. Needs numpy, rtdl_num_embeddings and torch.

The embedding is PiecewiseLinearEmbeddings without activation in its version "B", that of TabM. Its edges are from
compute_bins. Of a column with fewer bins than others its weights have the last bin at the last place, and unused ones
before it; here, as in Chainrule, the unused ones come last.
"""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rtdl_num_embeddings import PiecewiseLinearEmbeddings, compute_bins

CASES: dict[str, dict[str, int]] = {
    "default": {"size": 16, "bins": 48, "rows": 200},
    "few bins": {"size": 5, "bins": 3, "rows": 60},
    "one bin": {"size": 4, "bins": 1, "rows": 30},
    "as many bins as rows allow": {"size": 3, "bins": 19, "rows": 20},
}


def columns(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Numbers (rows, 5): without repeats, heavy-tailed, of four values, of two (a single bin), nearly all the same."""
    rare = np.where(np.arange(rows) < 2, rng.normal(size=rows), 1.0)
    four, two = rng.integers(0, 4, rows), np.arange(rows) % 2
    return np.column_stack([rng.normal(size=rows), rng.standard_t(2, rows), four, 3.0 - two, rare])


def used(bins: int, most: int) -> list[int]:
    """The places of a column's bins among the rows of its weights."""
    return [*range(bins - 1), most - 1]


def run(size: int, bins: int, rows: int) -> dict[str, Any]:
    rng = np.random.default_rng([size, bins, rows])
    fitted = torch.tensor(columns(rng, rows))
    if bins > 1:
        edges = compute_bins(fitted, bins)
    else:  # which compute_bins refuses
        edges = [torch.stack([column.min(), column.max()]) for column in fitted.T]
    layer = PiecewiseLinearEmbeddings(edges, size, activation=False, version="B")
    torch.manual_seed(size)
    torch.nn.init.normal_(layer.linear.weight)
    x = columns(rng, 40) * 1.3 + 0.01  # beyond the edges too
    x = torch.tensor(x, requires_grad=True)
    out = layer(x)  # (40, 5, size)
    delta = torch.tensor(rng.normal(size=out.shape))
    out.backward(delta)
    k, most = len(edges), max(len(each) - 1 for each in edges)
    E, dE = np.zeros((k, bins, size)), np.zeros((k, bins, size))
    for i, each in enumerate(edges):
        places, count = used(len(each) - 1, most), len(each) - 1
        E[i, :count] = layer.linear.weight[i, places].detach()
        dE[i, :count] = layer.linear.weight.grad[i, places]
    line = layer.linear0
    return {
        "fitted": fitted.numpy(),
        "bins": np.array([len(each) - 1 for each in edges]),
        "edges": np.concatenate([each.numpy() for each in edges]),
        "x": x.detach().numpy(),
        "w0": line.weight.detach().numpy(),
        "b0": line.bias.detach().numpy(),
        "E": E,
        "delta": delta.numpy(),
        "out": out.detach().numpy(),
        "dw0": line.weight.grad.numpy(),
        "db0": line.bias.grad.numpy(),
        "dE": dE,
        "dx": x.grad.numpy(),
    }


def main() -> None:
    torch.set_num_threads(1)
    torch.set_default_dtype(
        torch.float64
    )  # or the widths of bins and the places of quantiles are rounded to float32
    about = {
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "rtdl_num_embeddings", "torch")},
        "cases": CASES,
    }
    stored = {f"{case}/{name}": value for case, how in CASES.items() for name, value in run(**how).items()}
    np.savez_compressed(Path(__file__).with_name("rtdl.npz"), about=json.dumps(about), **stored)


if __name__ == "__main__":
    main()
