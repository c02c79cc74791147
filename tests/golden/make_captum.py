"""Attribute small networks with Captum and store every value: python make_captum.py

Writes captum.npz beside this file: for each network its parameters, running statistics, samples, baselines and
targets, and for each method of Captum's the attributions, all in float64, with the versions that made them. Needs
numpy, torch and captum.

The networks are plain data (below, CASES), which test_captum.py reads from the file and builds with Chainrule.
Captum's LRP knows dense layers, ReLU and tanh; batch norm in one dimension has no rule there and is given the epsilon
rule, which Captum itself gives it in two.
"""

from __future__ import annotations

import json
import platform
import warnings
from pathlib import Path
from typing import Any

import captum
import numpy as np
import torch
from captum.attr import LRP, DeepLift, InputXGradient, IntegratedGradients, Occlusion, Saliency
from captum.attr._utils.lrp_rules import EpsilonRule
from torch import nn

SAMPLES, STEPS, FINE, EPSILON = 4, 20, 5000, 1e-3
IMAGE = {"inputs": 36, "shape": [6, 6], "patch": [3, 2], "stride": [2, 2]}

CASES: dict[str, dict[str, Any]] = {
    "relu": {"inputs": 6, "layers": ["dense 9", "relu", "dense 3"]},
    "relu_deep": {"inputs": 6, "layers": [*["dense 8", "relu"] * 6, "dense 4"]},
    "tanh": {"inputs": 6, "layers": ["dense 9", "tanh", "dense 3"]},
    "tanh_deep": {"inputs": 6, "layers": [*["dense 8", "tanh"] * 5, "dense 3"]},
    "sigmoid": {"inputs": 6, "layers": ["dense 9", "sigmoid", "dense 7", "sigmoid", "dense 3"]},
    "mixed": {
        "inputs": 5,
        "layers": ["dense 8", "leaky_relu", "dense 8", "elu", "dense 7", "softplus", "dense 3"],
    },
    "batch_norm": {"inputs": 6, "layers": ["dense 9", "batch_norm", "relu", "dense 7", "tanh", "dense 3"]},
    "image": IMAGE | {"layers": ["dense 12", "relu", "dense 5"]},
}
ACTIVATIONS = {
    **{"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid},
    **{"leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "softplus": nn.Softplus},
}
LRP_KNOWS = {"dense", "relu", "tanh", "batch_norm"}


def build(case: dict[str, Any]) -> nn.Sequential:
    modules: list[nn.Module] = []
    width = case["inputs"]
    for layer in case["layers"]:
        if layer.startswith("dense"):
            before, width = width, int(layer.split()[1])
            modules.append(nn.Linear(before, width))
        elif layer == "batch_norm":
            modules.append(nn.BatchNorm1d(width))
        else:
            modules.append(ACTIVATIONS[layer]())
    return nn.Sequential(*modules).eval()


def set_parameters(model: nn.Module, r: np.random.Generator) -> None:
    """He-sized weights, biases that matter, running statistics of no special value."""
    with torch.no_grad():
        for module in model:
            if isinstance(module, nn.Linear):
                W = r.normal(size=module.weight.shape) * np.sqrt(2 / module.in_features)
                module.weight[...] = torch.from_numpy(W)
                module.bias[...] = torch.from_numpy(0.3 * r.normal(size=module.bias.shape))
            elif isinstance(module, nn.BatchNorm1d):
                module.weight[...] = torch.from_numpy(1 + 0.3 * r.normal(size=module.weight.shape))
                module.bias[...] = torch.from_numpy(0.3 * r.normal(size=module.bias.shape))
                module.running_mean[...] = torch.from_numpy(r.normal(size=module.bias.shape))
                module.running_var[...] = torch.from_numpy(r.uniform(0.5, 2.0, module.bias.shape))


def flat(model: nn.Module) -> np.ndarray:
    """All parameters in Chainrule's order: W (fan_in, fan_out) by rows, then b. PyTorch's weight is W transposed."""
    return np.concatenate([p.detach().numpy().T.ravel() for p in model.parameters()])


def attributions(case: dict[str, Any], model: nn.Module, x: Any, b: Any, target: Any) -> dict[str, Any]:
    integrated = IntegratedGradients(model)
    found = {
        "saliency": Saliency(model).attribute(x, target),
        "signed_saliency": Saliency(model).attribute(x, target, abs=False),
        "input_x_gradient": InputXGradient(model).attribute(x, target),
        "integrated_gradients": integrated.attribute(x, b, target, n_steps=STEPS, method="gausslegendre"),
        "fine_integrated_gradients": integrated.attribute(x, b, target, n_steps=FINE, method="gausslegendre"),
        "deep_lift": DeepLift(model).attribute(x, b, target),
    }
    if "shape" in case:
        pictures = nn.Sequential(nn.Flatten(), model)
        size = (-1, *case["shape"])
        occluded = Occlusion(pictures).attribute(
            x.reshape(size),
            sliding_window_shapes=tuple(case["patch"]),
            strides=tuple(case["stride"]),
            baselines=b.reshape(size),
            target=target,
        )
        found["patches"] = occluded.reshape(len(x), -1)
    found["occlusion"] = Occlusion(model).attribute(x, (1,), baselines=b, target=target)
    if {layer.split()[0] for layer in case["layers"]} <= LRP_KNOWS:
        for module in model:
            if isinstance(module, (nn.Linear, nn.BatchNorm1d)):
                module.rule = EpsilonRule(EPSILON)
        found["epsilon_lrp"] = LRP(model).attribute(x.clone().requires_grad_(), target)
    return {name: value.detach().numpy() for name, value in found.items()}


def main() -> None:
    warnings.simplefilter("ignore")  # Captum says that it sets hooks
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    stored: dict[str, np.ndarray] = {}
    for number, (name, case) in enumerate(CASES.items()):
        r = np.random.Generator(np.random.PCG64(number))
        model = build(case)
        set_parameters(model, r)
        X = r.normal(size=(SAMPLES, case["inputs"]))
        baseline = 0.5 * r.normal(size=X.shape)
        x, b = torch.from_numpy(X), torch.from_numpy(baseline)
        outputs = model(x)
        target = torch.from_numpy(r.integers(0, outputs.shape[1], SAMPLES))
        norms = [m for m in model if isinstance(m, nn.BatchNorm1d)]
        statistics = [part.numpy() for m in norms for part in (m.running_mean, m.running_var)]
        parts = {
            "theta": flat(model),
            "statistics": np.concatenate([*statistics, np.empty(0)]),
            **{"X": X, "baseline": baseline, "target": target.numpy(), "outputs": outputs.detach().numpy()},
            **attributions(case, model, x, b, target),
        }
        stored |= {f"{name}/{part}": value for part, value in parts.items()}
    about = {
        "made_by": Path(__file__).name,
        "versions": {
            **{"python": platform.python_version(), "numpy": np.__version__},
            **{"torch": torch.__version__, "captum": captum.__version__},
        },
        **{"steps": STEPS, "fine_steps": FINE, "epsilon": EPSILON, "cases": CASES},
    }
    stored["about"] = np.array(json.dumps(about))
    np.savez_compressed(Path(__file__).with_name("captum.npz"), **stored)


if __name__ == "__main__":
    main()
