"""Train small networks in PyTorch for fifty steps and store every loss: python make_pytorch.py

Writes pytorch.npz beside this file: the data, and for each case its settings, start, losses, last parameters, running
statistics and outputs, all in float64, with the versions that made them. Needs numpy, scikit-learn and torch.

The settings are plain data (below, CASES), which test_pytorch.py reads from the file and builds with Chainrule; here
they are built with PyTorch alone. Four things are asked of PyTorch in another way than it would by default:

- a loss sums over the outputs of a sample (PyTorch's "mean" divides by their number too);
- the penalty is l2/2 ||W||^2 on weights alone (PyTorch's weight_decay of SGD takes biases too);
- the gradient is clipped by exactly max_norm / norm (clip_grad_norm_ adds 1e-6 to the norm);
- softplus is log(1 + exp(z)) for every z (it is z above a threshold of 20, which is off by 2e-9 there).
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.datasets import load_diabetes, load_iris
from torch import nn
from torch.nn import functional as F

STEPS, BATCH, ROWS = 50, 32, 150  # 5 batches an epoch, the last one of 22; 10 epochs

PLAIN = ["dense 7", "tanh", "dense 3"]
DEEP = [
    "dense 8",
    "batch_norm",
    "relu",
    ["residual", "dense 8", "gelu"],
    ["residual", "dense 6", "silu"],
    "dense 3",
]
CLASSES = {"data": "iris", "layers": PLAIN, "loss": "softmax_cross_entropy"}
NUMBERS = {"data": "diabetes", "layers": ["dense 6", "sigmoid", "dense 1"], "loss": "mean_squared_error"}
RATES = {
    "sgd": {"learning_rate": 0.1},
    "momentum": {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9},
    "nesterov": {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
    "rmsprop": {"learning_rate": 0.01},
    "rmsprop_momentum": {"kind": "rmsprop", "learning_rate": 0.005, "momentum": 0.9},
    "adagrad": {"learning_rate": 0.05},
    "adam": {"learning_rate": 0.02},
    "amsgrad": {"learning_rate": 0.02},
    "adamw": {"learning_rate": 0.02, "weight_decay": 0.1},
    "nadam": {"learning_rate": 0.02},
}
OPTIMIZERS = {name: {"kind": name} | settings for name, settings in RATES.items()}
# A bias before batch norm has no gradient but rounding, 1e-17, which an adaptive rate divides by its own size.
# A larger eps keeps that noise, which is another one on every machine, out of the comparison.
STEADY = {name: o | ({} if o["kind"] == "sgd" else {"eps": 1e-4}) for name, o in OPTIMIZERS.items()}
ADAM, NESTEROV, STEADY_ADAM = OPTIMIZERS["adam"], OPTIMIZERS["nesterov"], STEADY["adam"]
MIXED = ["dense 5", "leaky_relu", "dense 5", "elu", "dense 5", "selu", "dense 5", "gelu_tanh"]
MIXED += ["dense 5", "mish", "dense 5", "softplus", "dense 5", "prelu", "dense 3"]

CASES: dict[str, dict[str, Any]] = {
    **{name: CLASSES | {"optimizer": optimizer} for name, optimizer in OPTIMIZERS.items()},
    **{f"deep_{n}": CLASSES | {"layers": DEEP, "optimizer": o} for n, o in STEADY.items()},
    "batch_norm": CLASSES | {"layers": ["dense 6", "batch_norm", "relu", "dense 3"], "optimizer": NESTEROV},
    "batch_norm_first": CLASSES | {"layers": ["batch_norm", "dense 6", "tanh", "dense 3"], "optimizer": ADAM},
    "residual": CLASSES
    | {"layers": ["dense 6", ["residual", "dense 6", "relu"], "dense 3"], "optimizer": NESTEROV},
    "projection": CLASSES
    | {"layers": [["residual", "dense 6", "batch_norm", "tanh"], "dense 3"], "optimizer": STEADY_ADAM},
    "activations": CLASSES | {"layers": MIXED, "optimizer": STEADY_ADAM | {"learning_rate": 0.005}},
    "class_weight": CLASSES | {"class_weight": [1.0, 3.0, 0.5], "optimizer": NESTEROV},
    "label_smoothing": CLASSES | {"label_smoothing": 0.1, "optimizer": ADAM},
    "l2": CLASSES | {"l2": 0.02, "optimizer": NESTEROV},
    "l2_deep": CLASSES | {"layers": DEEP, "l2": 0.02, "optimizer": STEADY_ADAM},
    "clip_norm": CLASSES | {"clip_norm": 0.3, "optimizer": NESTEROV},
    "clip_value": CLASSES | {"clip_value": 0.01, "optimizer": NESTEROV},
    "one_cycle": CLASSES | {"one_cycle": True, "optimizer": ADAM},
    "one_cycle_nesterov": CLASSES | {"one_cycle": True, "optimizer": NESTEROV},
    "everything": CLASSES
    | {"layers": DEEP, "label_smoothing": 0.1, "l2": 1e-3, "clip_norm": 0.5, "one_cycle": True}
    | {"optimizer": STEADY["adamw"]},
    "probabilities": CLASSES
    | {"layers": [*PLAIN, "softmax"], "loss": "categorical_cross_entropy", "optimizer": NESTEROV},
    "binary": CLASSES
    | {"data": "versicolor", "layers": ["dense 5", "relu", "dense 1"], "loss": "sigmoid_cross_entropy"}
    | {"optimizer": ADAM},
    "binary_weighted": CLASSES
    | {"data": "versicolor", "layers": ["dense 5", "relu", "dense 1"], "loss": "sigmoid_cross_entropy"}
    | {"class_weight": [0.7, 2.5], "optimizer": NESTEROV},
    "binary_probability": CLASSES
    | {
        "data": "versicolor",
        "layers": ["dense 5", "tanh", "dense 1", "sigmoid"],
        "loss": "binary_cross_entropy",
    }
    | {"optimizer": NESTEROV},
    "many_labels": CLASSES | {"data": "labels", "loss": "sigmoid_cross_entropy", "optimizer": NESTEROV},
    "regression": NUMBERS | {"optimizer": ADAM},
    "regression_batch_norm": NUMBERS
    | {"layers": ["dense 6", "batch_norm", "relu", "dense 1"], "optimizer": STEADY_ADAM},
    "half": NUMBERS | {"half": True, "optimizer": NESTEROV},
    "three_outputs": NUMBERS | {"data": "three", "layers": ["dense 6", "tanh", "dense 3"], "optimizer": ADAM},
    "huber": NUMBERS | {"loss": "huber", "delta": 0.7, "optimizer": NESTEROV},
    "absolute": NUMBERS | {"loss": "mean_absolute_error", "optimizer": ADAM},
    "poisson": NUMBERS | {"data": "counts", "loss": "poisson", "optimizer": ADAM},
}


def datasets() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Real measurements, features to mean 0 and standard deviation 1; iris with its classes dealt out in turn."""
    iris = load_iris()
    deal = np.arange(ROWS).reshape(3, 50).T.ravel()
    flowers = ((iris.data - iris.data.mean(0)) / iris.data.std(0))[deal]
    species = iris.target[deal]
    diabetes = load_diabetes(scaled=False)
    people, progress = diabetes.data[:ROWS], diabetes.target[:ROWS]
    people = (people - people.mean(0)) / people.std(0)
    return {
        "iris": (flowers, species),
        "versicolor": (flowers, (species == 1).astype(np.int64)),
        "labels": (flowers, (flowers[:, 1:] > np.array([0.3, 0.0, -0.2])).astype(np.float64)),
        "diabetes": (people, progress / 100),
        "three": (people[:, 2:], np.stack([progress / 100, people[:, 0], people[:, 1]], 1)),
        "counts": (people, np.floor(progress / 50)),
    }


ACTIVATIONS = {
    **{
        "relu": nn.ReLU,
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
        "elu": nn.ELU,
    },
    **{"selu": nn.SELU, "leaky_relu": nn.LeakyReLU, "mish": nn.Mish},
}


class Residual(nn.Module):
    def __init__(self, branch: nn.Module, fan_in: int, fan_out: int) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = nn.Identity() if fan_in == fan_out else nn.Linear(fan_in, fan_out, bias=False)

    def forward(self, a: torch.Tensor) -> torch.Tensor:
        return self.branch(a) + self.shortcut(a)


def build(layers: list[Any], width: int) -> tuple[nn.Sequential, int]:
    modules: list[nn.Module] = []
    for layer in layers:
        before = width
        if isinstance(layer, list):
            branch, width = build(layer[1:], before)
            modules.append(Residual(branch, before, width))
        elif layer.startswith("dense"):
            width = int(layer.split()[1])
            modules.append(nn.Linear(before, width))
        elif layer == "batch_norm":
            modules.append(nn.BatchNorm1d(width))  # momentum 0.1: what Chainrule calls 0.9
        elif layer == "softmax":
            modules.append(nn.Softmax(1))
        elif layer == "gelu_tanh":
            modules.append(nn.GELU("tanh"))
        elif layer == "softplus":
            modules.append(nn.Softplus(threshold=500))
        elif layer == "prelu":
            modules.append(nn.PReLU(width))
        else:
            modules.append(ACTIVATIONS[layer]())
    return nn.Sequential(*modules), width


def flat(model: nn.Module) -> np.ndarray:
    """All parameters in Chainrule's order: W (fan_in, fan_out) by rows, then b. PyTorch's weight is W transposed."""
    return np.concatenate([p.detach().numpy().T.ravel() for p in model.parameters()])


def set_start(model: nn.Module, generator: np.random.Generator) -> None:
    with torch.no_grad():
        for module in model.modules():
            for p in module.parameters(recurse=False):
                if p.ndim == 2:
                    p[...] = torch.from_numpy(generator.normal(size=p.shape) / np.sqrt(p.shape[1]))
                else:  # b, beta near 0; gamma near 1; slope near 0.25
                    near = torch.zeros_like(p) if isinstance(module, nn.Linear) else p
                    p[...] = near + torch.from_numpy(0.1 * generator.normal(size=p.shape))


def sample_losses(case: dict[str, Any], out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(batch,), summed over the outputs"""
    kind = case["loss"]
    if kind == "softmax_cross_entropy":
        return F.cross_entropy(out, y, reduction="none", label_smoothing=case.get("label_smoothing", 0.0))
    if kind == "categorical_cross_entropy":
        return F.nll_loss(out.log(), y, reduction="none")
    y = y.double().reshape(out.shape)
    if kind == "sigmoid_cross_entropy":
        return F.binary_cross_entropy_with_logits(out, y, reduction="none").sum(1)
    if kind == "binary_cross_entropy":
        return F.binary_cross_entropy(out, y, reduction="none").sum(1)
    if kind == "huber":
        return F.huber_loss(out, y, reduction="none", delta=case["delta"]).sum(1)
    if kind == "mean_absolute_error":
        return F.l1_loss(out, y, reduction="none").sum(1)
    if kind == "poisson":
        return F.poisson_nll_loss(out, y, log_input=True, full=False, reduction="none").sum(1)
    return F.mse_loss(out, y, reduction="none").sum(1) * (0.5 if case.get("half") else 1.0)


def make_optimizer(settings: dict[str, Any], parameters: Any) -> torch.optim.Optimizer:
    s = dict(settings)
    kind, lr = s.pop("kind"), s.pop("learning_rate")
    makers = {
        **{"sgd": torch.optim.SGD, "adagrad": torch.optim.Adagrad, "adam": torch.optim.Adam},
        **{"adamw": torch.optim.AdamW, "nadam": torch.optim.NAdam, "rmsprop": torch.optim.RMSprop},
    }
    if kind == "amsgrad":
        return torch.optim.Adam(parameters, lr=lr, amsgrad=True, **s)
    return makers[kind](parameters, lr=lr, **s)


def run(case: dict[str, Any], X: np.ndarray, y: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    model, _ = build(case["layers"], X.shape[1])
    set_start(model, np.random.Generator(np.random.PCG64(seed)))
    start = flat(model)
    inputs, targets = torch.from_numpy(X), torch.from_numpy(y)
    optimizer = make_optimizer(case["optimizer"], model.parameters())
    rate = case["optimizer"]["learning_rate"]
    schedule = (
        torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=STEPS, cycle_momentum=False)
        if case.get("one_cycle")
        else None
    )
    losses = []
    for step in range(STEPS):
        begin = step % (-(-ROWS // BATCH)) * BATCH
        rows = slice(begin, begin + BATCH)
        optimizer.zero_grad()
        each = sample_losses(case, model(inputs[rows]), targets[rows])
        weight = (
            torch.tensor(case["class_weight"])[targets[rows]]
            if "class_weight" in case
            else torch.ones(len(each))
        )
        loss = (weight * each).sum() / weight.sum()
        if "l2" in case:
            weights = [m.weight for m in model.modules() if isinstance(m, nn.Linear)]
            loss = loss + case["l2"] / 2 * sum((W * W).sum() for W in weights)
        loss.backward()
        gradients = [p.grad for p in model.parameters()]
        if "clip_value" in case:
            for g in gradients:
                g.clamp_(-case["clip_value"], case["clip_value"])
        if "clip_norm" in case:
            norm = torch.sqrt(sum((g * g).sum() for g in gradients))
            for g in gradients:
                g *= min(1.0, case["clip_norm"] / float(norm))
        optimizer.step()
        if schedule is not None:
            schedule.step()
        losses.append(float(loss.detach()))
    model.eval()
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d)]
    with torch.no_grad():
        outputs = model(inputs).numpy()
    statistics = [part.numpy().ravel() for m in norms for part in (m.running_mean, m.running_var)]
    return {
        "start": start,
        "losses": np.array(losses),  # (STEPS,), each before its update
        "theta": flat(model),
        "statistics": np.concatenate([*statistics, np.empty(0)]),  # mean, variance of each batch norm in turn
        "outputs": outputs,  # (ROWS, outputs), as in prediction
    }


def main() -> None:
    torch.set_default_dtype(torch.float64)  # or NAdam's mu_product would be float32
    torch.set_num_threads(1)
    data = datasets()
    stored: dict[str, np.ndarray] = {}
    for name, (X, y) in data.items():
        stored |= {f"data/{name}/X": X, f"data/{name}/y": y}
    for number, (name, case) in enumerate(CASES.items()):
        stored |= {f"{name}/{part}": value for part, value in run(case, *data[case["data"]], number).items()}
    about = {
        "made_by": Path(__file__).name,
        "versions": {
            **{"python": platform.python_version(), "numpy": np.__version__},
            **{"scikit-learn": sklearn.__version__, "torch": torch.__version__},
        },
        **{"steps": STEPS, "batch_size": BATCH, "cases": CASES},
    }
    stored["about"] = np.array(json.dumps(about))
    np.savez_compressed(Path(__file__).with_name("pytorch.npz"), **stored)


if __name__ == "__main__":
    main()
