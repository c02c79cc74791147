"""Weights as integers of 8 bits with a scale for each output: a quarter of the bytes, for files that are to be small.

    s_j = max_i |W_ij| / 127      q_ij = round(W_ij / s_j)      W_ij is read as s_j q_ij, off by at most s_j / 2

Only matrices of some size are rounded: what they are multiplied by or added to, such as biases, is kept as it is.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core.files import is_modest_json, open_regular
from chainrule.errors import ChainruleError, ConfigError, FormatError
from chainrule.formulas import layers
from chainrule.formulas.initializers import INITIALIZERS, Initializer
from chainrule.formulas.layers import Layer
from chainrule.formulas.losses import LOSSES, Loss, LossFunction
from chainrule.formulas.mean_over_members import MeanOverMembers
from chainrule.formulas.ranking import GROUP_LOSSES
from chainrule.network import blocks
from chainrule.network.constraints import Constraints
from chainrule.network.network import MAX_LINKS, Network
from chainrule.trained import packing
from chainrule.trained.parts import Contents

READERS = {
    ".onnx": "onnx_files",
    **dict.fromkeys((".keras", ".h5", ".hdf5"), "keras_files"),
}
"""The endings of files of other libraries that are read, and the modules that read them."""
_OUTPUT = re.compile(rf"(.*?(?:{'|'.join(map(re.escape, READERS))})):(.+)", re.IGNORECASE | re.DOTALL)
"""A path with the name of an output behind it."""
ELSEWHERE = {
    (
        ".pt",
        ".pth",
        ".bin",
        ".ckpt",
    ): "module.eval(); torch.onnx.export(module, torch.zeros(1, INPUTS), 'net.onnx').",
    (
        ".pkl",
        ".pickle",
        ".joblib",
    ): "chainrule.open(FITTED).save('net.safetensors'), of the estimator in memory.",
    (".zip",): (
        "policy = PPO.load(PATH).policy; torch.onnx.export(torch.nn.Sequential(policy.mlp_extractor.policy_net, "
        "policy.action_net), torch.zeros(1, INPUTS), 'policy.onnx')."
    ),
}
"""The commands that write a readable file, by endings: of PyTorch, scikit-learn and Stable-Baselines3."""
SCALE = ".scale"
"""Ends the name of the scales of a tensor."""
MIN_NUMBERS_TO_ROUND = 512
"""The numbers of a matrix from which on it is rounded."""
LARGEST = 127


def rounded(tensors: Mapping[str, NDArray[Any]], axes: int = 0) -> dict[str, NDArray[Any]]:
    """Return tensors with the larger matrices in 8 bits, and the scales of each by its name with SCALE behind.

    axes: how many axes each tensor has in front of a matrix's own, such as that of an ensemble's members.
    """
    made: dict[str, NDArray[Any]] = {}
    for name, tensor in tensors.items():
        if tensor.ndim < axes + 2 or tensor.size < MIN_NUMBERS_TO_ROUND or tensor.dtype.kind != "f":
            made[name] = tensor
            continue
        scale = np.abs(tensor).max(axis=-2, keepdims=True) / LARGEST  # (..., 1, fan_out)
        scale = np.where(scale >= np.finfo(tensor.dtype).tiny, scale, 1).astype(tensor.dtype)
        made[name] = np.rint(tensor / scale).astype(np.int8)
        made[name + SCALE] = scale
    return made


def scale_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the scales of a matrix, or of one for each of the axes before."""
    return (*shape[:-2], 1, *shape[-1:])


def restored(tensor: NDArray[np.int8], scale: NDArray[Any]) -> NDArray[Any]:
    """Return s_j q_ij in the precision of the scales."""
    made: NDArray[Any] = tensor.astype(scale.dtype) * scale
    return made


# --- write and read models as safetensors files: parameters by name, the architecture as JSON in the metadata --------
# metadata["chainrule"] = {"format": 2, "network": {...}, "dtype": "float32", "seed": 0, ...}
#     tensors: dense_1.W, dense_1.b, batch_norm_1.gamma, ..., and states as batch_norm_1.mean, ...
#
# Such a file contains no code: layers, losses and initializers are looked up by name in tables, and their settings are
# checked like a user's. The shapes of the architecture are compared with the file's before anything is allocated.
#
# Format 2 has every setting of every layer, loss and initializer. Format 1 had only those that differ from their
# defaults; the others are filled in with the defaults of that time. A file of format 3 is one of format 2, compressed
# (`packing`).

FORMAT = 2
DEFAULTS_1: dict[str, dict[str, Any]] = {
    "rescale": {"offset": 0.0},
    "dense": {"initializer": None},
    "batch_norm": {"momentum": 0.9, "eps": 1e-5},
    "dropout": {"rate": 0.5},
    "leaky_relu": {"slope": 0.01},
    "prelu": {"slope": 0.25},
    "elu": {"alpha": 1.0},
    "mean_squared_error": {"half": False},
    "huber": {"delta": 1.0},
    "quantile": {"q": 0.5},
    "sigmoid_cross_entropy": {"label_smoothing": 0.0},
    "softmax_cross_entropy": {"label_smoothing": 0.0},
    "binary_cross_entropy": {"label_smoothing": 0.0},
    "categorical_cross_entropy": {"label_smoothing": 0.0},
    "orthogonal": {"gain": 1.0},
    "constant": {"value": 0.0},
}
"""The defaults that files of format 1 omit, by kind. It never changes: no setting or default is added."""
MAX_VALUES = 1 << 22  # of the metadata; most are labels
_DTYPES = {"float32": "F32", "float64": "F64"}
_PLAIN = frozenset({bool, float, int, str, type(None)})
"""The types of most settings, which need no look at what else they may be."""

LAYERS: dict[str, type[Layer]] = layers.LAYERS | {
    block.kind: block for block in (blocks.Residual, blocks.Skip)
}
"""Every layer that may occur in a file."""
KNOWN: dict[str, tuple[type[Any], Mapping[str, Any]]] = {
    "layer": (Layer, LAYERS),
    "loss": (Loss, LOSSES | GROUP_LOSSES),
    "initializer": (Initializer, INITIALIZERS),
}
"""The base class of each part of a network, and those of the package by kind."""
Custom = Iterable[Any] | Mapping[str, Any]
"""The classes of custom layers, losses and initializers in a file, and functions of losses, or the same by kind."""


class Saved(NamedTuple):
    """The contents of a model file."""

    network: Network
    theta: NDArray[Any]
    states: dict[str, Any]
    extra: dict[str, Any]
    """the whole metadata"""
    others: dict[str, NDArray[Any]]
    """the tensors that are none of the network's, where they are asked for"""


def encode(value: object) -> Any:
    """Return a layer, loss or initializer as {"kind": ..., setting: ...}, with every setting, also nested ones."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, LossFunction):
        return {"kind": value.kind, "targets": value.targets}
    if isinstance(value, (Layer, Loss, Initializer)):
        return {"kind": value.kind} | _settings(value)
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _settings(value: object) -> dict[str, Any]:
    """Return every setting, so that a file keeps its meaning when a default changes.

    A custom layer's setting that JSON cannot express is omitted while it has its default.
    """
    found: dict[str, Any] = {}
    kind: Any = type(value)
    for f in _fields(kind):
        setting = getattr(value, f.name)
        encoded = encode(setting)
        if f.init and (_is_json(encoded) or f.default is dataclasses.MISSING or setting != f.default):
            found[f.name] = encoded
    return found


@cache
def _fields(kind: Any) -> tuple[dataclasses.Field[Any], ...]:
    """Return the settings of a class; none of one that is no dataclass."""
    return dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()


def _is_json(value: object) -> bool:
    if type(value) in _PLAIN:
        return True
    if isinstance(value, list):
        return all(map(_is_json, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return value is None or isinstance(value, (str, int, float))


def network_config(network: Network) -> dict[str, Any]:
    """Return a network as JSON-ready data, with every setting."""
    config = {"inputs": network.inputs, "layers": encode(network.layers), "loss": encode(network.loss)}
    config |= {name: getattr(network, name) for name in ("l2", "l1", "max_norm")}
    given = network.constraints
    return config if given is None else config | {"constraints": encode(_settings(given))}


def completed(config: object, custom: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return a network as `network_config` does, from one of an earlier version, whose omitted settings are filled in.

    These get the defaults of format 1's time; settings added since get defaults that keep the earlier behavior.
    custom: the defaults of custom layers by kind.
    """
    if isinstance(config, list):
        return [completed(item, custom) for item in config]
    if not isinstance(config, dict):
        return config
    kind = config.get("kind")
    defaults = {"l2": 0.0, "l1": 0.0, "max_norm": None} if "layers" in config and "loss" in config else {}
    if isinstance(kind, str):
        defaults = dict(custom[kind] if kind in custom else _defaults(kind) | DEFAULTS_1.get(kind, {}))
    return defaults | {name: completed(value, custom) for name, value in config.items()}


def _defaults(kind: str) -> dict[str, Any]:
    """Return the defaults of a layer's, a loss's or an initializer's settings, as `encode` writes them."""
    known: Any = (LAYERS | LOSSES | GROUP_LOSSES | INITIALIZERS).get(kind)
    settings = dataclasses.fields(known) if dataclasses.is_dataclass(known) else ()
    return {f.name: encode(f.default) for f in settings if f.default is not dataclasses.MISSING}


def custom_defaults(network: Network) -> dict[str, dict[str, Any]]:
    """Return the defaults of a network's custom layers by kind, as `encode` writes them."""
    layers = {link.layer.kind: link.layer for link in network.walk() if link.layer.kind not in LAYERS}
    return {
        kind: {f.name: encode(f.default) for f in dataclasses.fields(layer) if f.name in _settings(layer)}
        for kind, layer in layers.items()
    }


def by_kind(custom: Custom | None) -> dict[str, Any]:
    """Return custom classes by their kind, and what makes the losses of functions by their names.

    Raises ConfigError for others than of layers, losses and initializers.
    """
    if not isinstance(custom, Mapping):
        each = () if custom is None else custom if isinstance(custom, Iterable) else (custom,)
        custom = {getattr(one, "kind", getattr(one, "__name__", "")): one for one in each}
    for one in custom.values():
        bases = tuple(base for base, _ in KNOWN.values())
        if not (issubclass(one, bases) if isinstance(one, type) else callable(one)):
            raise ConfigError(
                f"custom must be the classes of your layers and losses, such as [MyLoss], not {one!r:.60}; pass the "
                "classes themselves."
            )
    made: Any = custom
    return {
        kind: one if isinstance(one, (type, partial)) else partial(LossFunction, one)
        for kind, one in made.items()
    }


def network_from_config(config: Mapping[str, Any], custom: Custom | None = None) -> Network:
    """Build a network from its `network_config`. custom: the classes of custom parts. Raises ConfigError."""
    own = by_kind(custom)
    settings = {name: config[name] for name in ("l2", "l1", "max_norm") if name in config}
    if config.get("constraints") is not None:
        settings["constraints"] = Constraints(**config["constraints"])
    return Network(
        config["inputs"],
        [_decode(layer, own, "layer") for layer in config["layers"]],
        _decode(config["loss"], {MeanOverMembers.kind: MeanOverMembers} | own, "loss"),
        **settings,
    )


def _decode(config: object, own: Mapping[str, Any], what: str) -> Any:
    base, known = KNOWN[what]
    fits = {kind: getattr(each, "func", each) for kind, each in own.items()}
    known = {**known, **{kind: each for kind, each in own.items() if issubclass(fits[kind], base)}}
    if not isinstance(config, dict) or config.get("kind") not in known:
        kind = config.get("kind") if isinstance(config, dict) else config
        raise ConfigError(
            f"there is no {what} of kind {str(kind)[:60]!r}; if it is your own, read the file with its class, "
            "or of a function the function, load(path, custom=[CLASS])."
        )
    settings = {name: value for name, value in config.items() if name != "kind"}
    if what == "layer" and "layers" in settings:
        settings["layers"] = [_decode(layer, own, "layer") for layer in settings["layers"]]
    if what == "layer" and isinstance(settings.get("function"), dict):
        settings["function"] = _decode(settings["function"], own, "layer")
    if what == "loss" and "loss" in settings:
        settings["loss"] = _decode(settings["loss"], own, "loss")
    if settings.get("initializer") is not None:
        settings["initializer"] = _decode(settings["initializer"], own, "initializer")
    return known[config["kind"]](**settings)


def _names_of(network: Network) -> list[str]:
    """Return the names of the parameters in a file."""
    return [f"{slot.link.name}.{slot.field}" for slot in network.slots]


def named_tensors(
    network: Network, theta: NDArray[Any], states: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    """Return every parameter and state by its name, such as dense_1.W."""
    tensors = {
        f"{slot.link.name}.{slot.field}": theta[slot.start : slot.stop].reshape(slot.parameter.shape)
        for slot in network.slots
    }
    return tensors | {
        f"{name}.{f}": np.asarray(v) for name, s in states.items() for f, v in s._asdict().items()
    }


def to_bytes(
    network: Network,
    theta: NDArray[Any],
    states: Any,
    extra: Mapping[str, Any],
    is_rounded: bool = False,
    others: Mapping[str, NDArray[Any]] | None = None,
) -> bytes:
    """Return the file of a model.

    theta: (size,), or (members, size) of an ensemble, whose states are a list of those of each member.
    is_rounded: whether the larger matrices are rounded to 8 bits, see `rounding`.  others: further tensors.
    """
    from safetensors.numpy import save as as_file

    header = {"format": FORMAT, "network": network_config(network), **extra}
    if theta.ndim == 1:
        tensors = named_tensors(network, theta, states)
    else:
        each = [named_tensors(network, *one) for one in zip(theta, states, strict=True)]
        tensors = {name: np.stack([one[name] for one in each]) for name in each[0]}
    if is_rounded:  # no states, such as edges of bins
        own = {name: tensors[name] for name in _names_of(network)}
        tensors = rounded(own, theta.ndim - 1) | {
            name: state for name, state in tensors.items() if name not in own
        }
    tensors = {
        name: np.ascontiguousarray(value).reshape(np.shape(value))  # otherwise a () array would become (1,)
        for name, value in tensors.items()
    }
    return as_file(tensors | dict(others or {}), metadata={"chainrule": json.dumps(header)})


def read_elsewhere(
    path: Path, data: bytes | None = None, output: str | None = None, loss: Loss | None = None
) -> Contents | None:
    """Read a network that another library wrote, by the ending of its file; None for other endings.

    path: may name the output, as in policy.onnx:action.  data, output, loss: as for its `read`.
    """
    path, named = file_and_output(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        return None
    found: Contents = import_module(f"chainrule.trained.{reader}").read(path, data, output or named, loss)
    return found


def file_and_output(path: str | os.PathLike[str]) -> tuple[Path, str | None]:
    """Return the file, and the output of it, that policy.onnx:action names; no output of other paths."""
    text = os.fspath(path)
    found = _OUTPUT.fullmatch(text)
    return (Path(text), None) if found is None else (Path(found[1]), found[2])


def load(
    path: str | os.PathLike[str],
    custom: Custom | None = None,
    *,
    ensemble: bool | None = False,
    with_others: bool = False,
    data: bytes | None = None,
) -> Saved:
    """Read a model. Raises FormatError with the file and its fault, and OSError if it cannot be read.

    custom: the classes of custom layers, losses and initializers, or these by kind.
    with_others: whether the tensors that are none of the network's are read too.

    ensemble: whether the file must have an ensemble; None for either. Of one theta is (members, size), and states have
    as many rows.
    data: the file, where it is in memory; the path is then for errors only.
    """
    from safetensors import SafetensorError

    path, own = Path(path), by_kind(custom)
    contents = read_elsewhere(path, data)
    if contents is not None:
        network, theta, states, header = contents
        _members(path, header, ensemble)
        return Saved(network, theta, states, header, {})
    try:
        if data is None:
            with open_regular(path):
                pass
        with packing.opened(path, data) as (file, size):
            header = _header(path, file.metadata())
            try:
                config = header["network"]
                if header["format"] == 1:
                    config = completed(config, {kind: {} for kind in own})
                network = network_from_config(config, own)
            except ChainruleError as error:
                raise FormatError(f"{path}: the architecture cannot be built: {str(error)[:300]}") from error
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
                raise FormatError(
                    f"{path}: the architecture in the metadata is malformed ({error})."
                ) from error
            found = set(file.keys())
            dtype = np.dtype(header["dtype"])
            members = _members(path, header, ensemble)
            of_slots = set(_names_of(network))
            others = found - {name + end for name in of_slots for end in ("", SCALE)}
            for name, of_one in _shapes(network, size):
                shape = (*members, *of_one)
                if name not in found:
                    raise FormatError(f"{path}: the tensor {name} is missing.")
                others.discard(name)
                tensor = file.get_slice(name)
                came = tuple(tensor.get_shape())
                if came != shape:
                    raise FormatError(f"{path}: the tensor {name} should be {shape} but is {came}.")
                if name in of_slots and _is_rounded(file, name, found, shape, dtype):
                    continue
                if tensor.get_dtype() != _DTYPES[dtype.name]:
                    raise FormatError(
                        f"{path}: the tensor {name} should be {dtype} but is {tensor.get_dtype()}."
                    )
            theta = np.empty((*members, network.size), dtype)
            for slot, name in zip(network.slots, _names_of(network), strict=True):
                tensor = file.get_tensor(name)
                if tensor.dtype == np.int8:
                    tensor = restored(tensor, file.get_tensor(name + SCALE))
                theta[..., slot.start : slot.stop] = tensor.reshape(*members, -1)
            states = {}
            for link in network.walk():
                state = link.layer.state(link.fan_in)
                if state != ():
                    tensors = (file.get_tensor(f"{link.name}.{f}") for f in state._fields)
                    shapes = ((*members, *np.shape(value)) for value in state)
                    states[link.name] = type(state)(*map(np.reshape, tensors, shapes))
            more = {name: _other(path, file, name) for name in sorted(others)} if with_others else {}
    except SafetensorError as error:
        raise _unreadable(path, error) from error
    if not all(np.isfinite(part).all() for part in (theta, *(v for s in states.values() for v in s))):
        raise FormatError(f"{path} contains NaN or infinity among its numbers; save the model again.")
    return Saved(network, theta, states, header, more)


def _unreadable(path: Path, error: Exception) -> FormatError:
    """Return the error for a file of another format, with what writes one that can be read."""
    how = next((how for endings, how in ELSEWHERE.items() if path.suffix.lower() in endings), None)
    if how is not None:
        return FormatError(
            f"{path} is no file that is read, because opening it may run code; write one: {how}"
        )
    return FormatError(f"{path} is not a complete safetensors file ({error}); save the model again.")


def _other(path: Path, file: Any, name: str) -> NDArray[Any]:
    """Return a tensor that is none of the network's. Raises FormatError where NumPy has no such type or shape."""
    try:
        found: NDArray[Any] = file.get_tensor(name)
    except (TypeError, AttributeError, ValueError) as error:
        raise FormatError(
            f"{path}: the tensor {name} has a type or a shape that NumPy does not know ({error})."
        ) from error
    return found


def _is_rounded(file: Any, name: str, found: Set[str], shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Return whether a file has a tensor in 8 bits, with scales of the right shape and type."""
    if file.get_slice(name).get_dtype() != "I8" or name + SCALE not in found:
        return False
    scale = file.get_slice(name + SCALE)
    is_right = tuple(scale.get_shape()) == scale_shape(shape)
    return is_right and scale.get_dtype() == _DTYPES[dtype.name]


def _header(path: Path, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    text = (metadata or {}).get("chainrule")
    if text is None:
        raise FormatError(f"{path} is a safetensors file without a Chainrule network in its metadata.")
    if not is_modest_json(text, 4 * MAX_LINKS, MAX_VALUES):
        raise FormatError(
            f"{path}: the metadata is larger than that of any network with {MAX_LINKS:,} layers."
        )
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: the metadata is not valid JSON ({error}).") from error
    if not isinstance(header, dict) or not isinstance(header.get("network"), dict):
        raise FormatError(f"{path}: the metadata contains no network.")
    if header.get("format") not in (1, FORMAT):
        raise FormatError(
            f"{path} has format {str(header.get('format'))[:20]}, this version of Chainrule reads 1 and {FORMAT}; "
            "update it."
        )
    if header.get("dtype") not in ("float32", "float64"):
        raise FormatError(f"{path}: dtype must be float32 or float64, not {str(header.get('dtype'))[:20]!r}.")
    return header


def _members(path: Path, header: Mapping[str, Any], ensemble: bool | None) -> tuple[int, ...]:
    """Return the first axis of every tensor: (members,) in an ensemble's file, () in a model's."""
    seeds = header.get("seeds")
    if seeds is not None and ensemble is False:
        raise FormatError(f"{path} has an ensemble; read it with Ensemble.load.")
    if seeds is None and ensemble:
        raise FormatError(f"{path} has a single model; read it with chainrule.load.")
    if seeds is not None and not (isinstance(seeds, list) and seeds):
        raise FormatError(f"{path}: the metadata should have a list of the members' seeds.")
    return () if seeds is None else (len(seeds),)


def _shapes(network: Network, max_bytes: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Iterate over the tensors that a file must contain, as (name, shape); no state is wider than max_bytes."""
    for slot in network.slots:
        yield f"{slot.link.name}.{slot.field}", slot.parameter.shape
    for link in network.walk():
        state = link.layer.state(min(link.fan_in, max_bytes))
        if state != ():
            yield from ((f"{link.name}.{f}", np.shape(value)) for f, value in state._asdict().items())
