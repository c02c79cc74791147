"""Networks that were trained elsewhere: files of ONNX and Keras, PyTorch's weights, scikit-learn's fitted networks."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core import hints
from chainrule.core.files import open_regular
from chainrule.core.settings import check_choice
from chainrule.errors import ConfigError, FormatError, fault_of
from chainrule.formulas.layers import ACTIVATIONS, Activation, BatchNorm, Dense, ReLU, Sigmoid, Softmax
from chainrule.formulas.losses import Loss, Poisson
from chainrule.model.model import Model, load
from chainrule.trained import packing
from chainrule.trained.parts import Contents, Floats, Part, add_affine, contents, dense
from chainrule.trained.persistence import Saved, read_elsewhere


def open(
    source: Any,
    *,
    output: str | None = None,
    loss: Loss | None = None,
    activation: Activation | str | None = None,
) -> Model:
    """Return a network that was trained elsewhere as a model, with its layers and its weights.

        model = chainrule.open("policy.onnx")
        model.summary(), model.predict(X), model.trace(X[0], y[0]), model.export("policy.c"), model.fit(X, y)

    source: an ONNX file, such as PyTorch, skl2onnx and `export` write; a `.keras` or `.h5` file of Keras; a fitted
        MLPClassifier or MLPRegressor of scikit-learn, alone or behind scalers in a pipeline; a safetensors file with
        the `state_dict` of a PyTorch module; or a file of `save`.
    output: the output of an ONNX or Keras file to follow, where several are computed from different values.
    loss: for training; None for the one of logits that a Keras file was compiled with, else SoftmaxCrossEntropy behind
        a softmax, BinaryCrossEntropy behind a sigmoid, and MeanSquaredError otherwise. Another network that ends with
        logits needs its own: `loss=SoftmaxCrossEntropy()`.
    activation: between the dense layers of a `state_dict`, which does not say it: a layer or its name; None for ReLU.

    Nothing in a file is run. Names of classes and inputs are kept where the file has them.
    Raises FormatError for a damaged file, and for a node that no layer computes, by its name, its operator and its
    neighbors; ConfigError for another source, and OSError if the file cannot be read.
    """
    if not isinstance(source, (str, os.PathLike)):
        return _model(type(source).__name__, of_fitted(source, loss))
    path = Path(source)
    elsewhere = read_elsewhere(path, None, output, loss)
    if elsewhere is not None:
        return _model(path, elsewhere)
    tensors = _tensors(path)
    if tensors is not None:
        return _model(path, of_state_dict(path, tensors, activation, loss))
    if (output, loss, activation) != (None, None, None):
        raise ConfigError(f"{path} has its network with it; open it without other arguments.")
    return load(path)


def _model(path: str | Path, found: Contents) -> Model:
    return Model.of_saved(path, Saved(*found, {}))


def _tensors(path: Path) -> dict[str, NDArray[Any]] | None:
    """Return the tensors of a safetensors file; None for a file that `load` reads, or refuses."""
    from safetensors import SafetensorError

    with open_regular(path):
        pass
    try:
        with packing.opened(path) as (file, _):
            is_own = "chainrule" in (file.metadata() or {})
            return None if is_own else {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError:
        return None
    except (TypeError, AttributeError, ValueError) as error:
        raise FormatError(f"{path} has a tensor that NumPy does not know ({fault_of(error)}).") from error


# --- a fitted estimator of scikit-learn, in memory


def of_fitted(given: Any, loss: Loss | None = None) -> Contents:
    """Return the network of a fitted MLPClassifier or MLPRegressor of scikit-learn, or of scalers and one.

    Raises ConfigError for another object, and for one that was not fitted.
    """
    steps = [step for _, step in getattr(given, "steps", [("", given)]) if step not in (None, "passthrough")]
    net = steps.pop() if steps else None
    if net is None or not hasattr(net, "coefs_") or not hasattr(net, "out_activation_"):
        raise ConfigError(
            "open takes a path, or a fitted MLPClassifier or MLPRegressor of scikit-learn, alone or behind scalers in "
            f"a pipeline, not {given!r:.100}; fit it first."
        )
    weights, parts = net.coefs_, list[Part]()
    for step in steps:
        add_affine(parts, *_scaling(step), True)
    inner = {"identity": None, "logistic": Sigmoid(), "tanh": ACTIVATIONS["tanh"](), "relu": ReLU()}
    for k, (W, b) in enumerate(zip(weights, net.intercepts_, strict=True)):
        parts.append(dense(W, b))
        function = inner[net.activation] if k < len(weights) - 1 else None
        parts += [] if function is None else [Part(function)]
    ends = {"identity": [], "logistic": [Part(Sigmoid())], "softmax": [Part(Softmax())]}
    if net.out_activation_ == "exp":
        loss = loss or Poisson()
    elif net.out_activation_ in ends:
        parts += ends[net.out_activation_]
    else:
        raise ConfigError(f"the output's activation {net.out_activation_!r} has no layer in Chainrule.")
    classes = getattr(net, "classes_", None)
    names = getattr(steps[0] if steps else net, "feature_names_in_", None)
    return contents(
        parts,
        len(weights[0]),
        weights[0].dtype,
        loss,
        classes=None if classes is None else np.asarray(classes).tolist(),
        names=None if names is None else [str(name) for name in names],
    )


def _scaling(step: Any) -> tuple[Floats, Floats]:
    """Return the factor and the offset of a fitted scaler of scikit-learn."""
    name, one = type(step).__name__, np.ones(1)
    if name == "MinMaxScaler" and not step.clip:
        return step.scale_, step.min_
    if name not in ("StandardScaler", "MaxAbsScaler", "RobustScaler"):
        raise ConfigError(
            f"the pipeline has a {name}, and open takes StandardScaler, MinMaxScaler without clip, MaxAbsScaler and "
            "RobustScaler before the network; transform the rows by the others beforehand."
        )
    center = getattr(step, "mean_" if name == "StandardScaler" else "center_", None)
    scale = one if step.scale_ is None else 1 / step.scale_
    if center is None or not getattr(step, "with_mean", True):
        return scale, 0 * one
    return scale, -center * scale


# --- the weights of a PyTorch module in a safetensors file, without its layers


def of_state_dict(
    path: str | os.PathLike[str],
    tensors: Mapping[str, NDArray[Any]],
    activation: Activation | str | None = None,
    loss: Loss | None = None,
) -> Contents:
    """Return the network of a module's `state_dict`: a dense layer for each weight, in the order of the file's names.

    tensors: `0.weight` (outputs, inputs) and `0.bias`, and those of batch norms.  activation: between dense layers,
    or its name; None for ReLU, which a hint says.
    Raises FormatError for tensors that are none of a chain of these.
    """
    if activation is None:
        hints.give(
            f"{path} has weights and no activations: ReLU is taken between dense layers; pass another as activation."
        )
        activation = ReLU()
    elif isinstance(activation, str):
        activation = check_choice(activation, ACTIVATIONS, "activation") and ACTIVATIONS[activation]()
    elif not isinstance(activation, Activation):
        raise ConfigError(f"activation must be one such as Tanh(), or its name, not {activation!r:.60}.")
    parts: list[Part] = []
    left = dict(tensors)
    kind = np.dtype(np.float64 if any(each.dtype == np.float64 for each in left.values()) else np.float32)
    for name in sorted((name for name in left if name.endswith("weight")), key=_natural):
        stem = name.removesuffix("weight")
        W, b = left.pop(name).astype(kind), left.pop(f"{stem}bias", None)
        mean, var = (left.pop(f"{stem}running_{each}", None) for each in ("mean", "var"))
        left.pop(f"{stem}num_batches_tracked", None)
        if W.ndim == 1 and b is not None and mean is not None and var is not None:
            parts.append(Part(BatchNorm(), (W, b), (mean, var)))
            continue
        if W.ndim != 2:
            raise FormatError(
                f"{path}: {name} has the shape {W.shape}, which is no weight of a dense layer; export the module "
                "to ONNX."
            )
        if parts:
            parts.append(Part(activation))
        parts.append(dense(W.T, b))
    if left or not parts or type(parts[0].layer) is not Dense:
        raise FormatError(
            f"{path} has {next(iter(left), 'no weight of a dense layer')!r} among its tensors, which is none of a "
            "chain of dense layers; export the module to ONNX."
        )
    return contents(parts, len(parts[0].arrays[0]), kind, loss)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return what sorts layers.10 behind layers.9."""
    return [(int(part) if part.isdigit() else -1, part) for part in re.split(r"(\d+)", name)]
