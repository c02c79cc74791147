"""Read a dense network from a file of Keras: its layers as the nodes of a graph, which the reader of ONNX files reads.

A `.keras` file is a ZIP archive with the layers in JSON and their numbers in HDF5; an `.h5` file has both in HDF5. They
are read as data, without Keras.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.files import is_modest_json, open_regular
from chainrule.errors import ConfigError, FormatError, fault_of
from chainrule.formulas.losses import Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy
from chainrule.network.network import MAX_DEPTH
from chainrule.trained import hdf5, onnx_files
from chainrule.trained.parts import Contents

try:
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    raise ConfigError(
        "Keras files need the extra onnx; install it: pip install 'chainrule[onnx]'."
    ) from missing

MOST_PARTS = 100_000
"""The most values of config.json: one takes two bytes there, and a hundred in memory."""
MOST_UNPACKED = 8
"""The most bytes in an archive by the bytes of the file."""
NUMBERS = "model.weights.h5"
PLACES = (
    *("keras", "keras.layers", "keras.src.models.functional", "keras.src.models.sequential"),
    "keras.src.engine.functional",
)
"""The modules of Keras's own layers and models; a layer of another one is code."""
NESTED = ("Sequential", "Functional", "Model")
ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "celu": ("Celu", {}),
    "elu": ("Elu", {}),
    "exponential": ("Exp", {}),
    "gelu": ("Gelu", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.2}),
    "linear": ("Identity", {}),
    "log_softmax": ("LogSoftmax", {"axis": -1}),
    "mish": ("Mish", {}),
    "relu": ("Relu", {}),
    "relu6": ("Clip", {"min": 0.0, "max": 6.0}),
    "selu": ("Selu", {}),
    "sigmoid": ("Sigmoid", {}),
    "silu": ("Swish", {}),
    "softmax": ("Softmax", {"axis": -1}),
    "softplus": ("Softplus", {}),
    "swish": ("Swish", {}),
    "tanh": ("Tanh", {}),
}
"""The operator of each activation, and its settings."""


def read(
    path: str | os.PathLike[str],
    data: bytes | None = None,
    output: str | None = None,
    loss: Loss | None = None,
) -> Contents:
    """Read a network.

    data: the file, where it is in memory.  output: the name of the layer to follow, where several are outputs.
    loss: None for the one that the file was compiled with, if it is about logits, else by the last layers.
    Raises FormatError, with the layer and its neighbors, for what no layer computes, and for damaged files.
    """
    path = Path(path)
    if data is None:
        with open_regular(path) as opened:
            data = opened.read()
    try:
        if data.startswith(hdf5.SIGNATURE):
            file = hdf5.File(data)
            given, trained, version = (
                (file.texts(file.item(), name) or [""])[0]
                for name in ("model_config", "training_config", "keras_version")
            )
            if not given:
                raise FormatError(f"{path} has weights without a model; save the whole model.")
            config, trained = (json.loads(modest(path, each or "{}")) for each in (given, trained))
            made = OlderTranslation(path, file, version.startswith("2")).model(config)
            config["compile_config"] = trained
        else:
            about, config, numbers = unpacked(path, data)
            version = str(about.get("keras_version", "3"))
            if not version.startswith(("2", "3")):
                raise FormatError(
                    f"{path} was saved by Keras {version:.20}; load it in Keras 3 and save it again."
                )
            made = Translation(path, hdf5.File(numbers), version.startswith("2")).model(config)
        loss = loss or compiled_loss(config)
    except (FormatError, ConfigError):
        raise
    except (
        *(
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            RuntimeError,
            NotImplementedError,
            RecursionError,
        ),
        *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError),
    ) as error:
        raise FormatError(f"{path} is damaged ({fault_of(error)}); save it again.") from error
    return onnx_files.network_of(path, made, len(data), output, loss)


def unpacked(path: Path, data: bytes) -> tuple[Any, Any, bytes]:
    """Return the metadata, the configuration and the bytes of the numbers. Raises FormatError for a bomb."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(each.file_size for each in archive.infolist()) > MOST_UNPACKED * len(data):
            raise FormatError(f"{path} unpacks to more than {MOST_UNPACKED} times its size; save it again.")
        absent = {"config.json", "metadata.json", NUMBERS}.difference(archive.namelist())
        if absent:
            raise FormatError(f"{path} has no {min(absent)}, so it is no file of Keras 3; save it again.")
        texts = [archive.read(f"{name}.json").decode() for name in ("metadata", "config")]
        about, config = (json.loads(modest(path, text)) for text in texts)
        return about, config, archive.read(NUMBERS)


def modest(path: Path, text: str) -> str:
    """Return a text of JSON. Raises FormatError for one that takes a multiple of its size in memory."""
    if not is_modest_json(text, MOST_PARTS, MOST_PARTS):
        raise FormatError(f"{path} has more than {MOST_PARTS:,} settings, which no dense network has.")
    return text


def compiled_loss(config: Mapping[str, Any]) -> Loss | None:
    """Return the loss of logits that a model was compiled with; None for another, which its last layers suggest."""
    found = (config.get("compile_config") or {}).get("loss")
    if not isinstance(found, dict) or not (found.get("config") or {}).get("from_logits"):
        return None
    if found.get("class_name") == "BinaryCrossentropy":
        return SigmoidCrossEntropy()
    known = found.get("class_name") in ("SparseCategoricalCrossentropy", "CategoricalCrossentropy")
    return SoftmaxCrossEntropy() if known else None


def snake_case(name: str) -> str:
    """Return leaky_re_lu for LeakyReLU, as the groups of numbers are called."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def histories(value: Any) -> Iterator[tuple[str, int]]:
    """Yield the name and the call of each layer whose value a nested structure names."""
    if isinstance(value, dict):
        history = (value.get("config") or {}).get("keras_history") if "class_name" in value else None
        yield from histories(history if history is not None else list(value.values()))
    elif isinstance(value, list):
        if len(value) in (3, 4) and isinstance(value[0], str) and type(value[1]) is type(value[2]) is int:
            yield value[0], value[1]
        else:
            for each in value:
                yield from histories(each)


class Translation:
    """The nodes of a graph, made from the layers of a model."""

    place = ""
    """the module of a layer that names none"""

    def __init__(self, path: Path, file: hdf5.File, is_old: bool) -> None:
        """Take the open HDF5 file. is_old: whether Keras 2 wrote it."""
        self.path, self.file, self.is_old = path, file, is_old
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self.inputs: list[Any] = []
        self.values: dict[tuple[str, int], str] = {}
        """of each call of a layer, by the name with those of the models around it, the value that it makes"""

    def model(self, config: Mapping[str, Any]) -> Any:
        """Return the whole model in ONNX's form."""
        ends = self.layers(config, "", (), None)
        outputs = []
        for end in ends:
            name = self.node("Identity", end.rpartition(":")[0], [end], makes=end.rpartition(":")[0])
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
        graph = helper.make_graph(self.nodes, "keras", self.inputs, outputs, self.tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])

    def layers(
        self, config: Mapping[str, Any], prefix: str, group: Sequence[str], given: Sequence[str] | None
    ) -> list[str]:
        """Add the nodes of a model's layers; return the values that are its outputs.

        prefix: the names of the models around it.  group: where its numbers are.  given: the values of its inputs, None
        for those of the whole.
        """
        kind, own = config["class_name"], config["config"]
        if kind not in NESTED or "layers" not in own:
            raise FormatError(
                f"{self.path} is a {kind!s:.60}, not a Sequential or Functional model, so its call is code; "
                "export it to ONNX."
            )
        if len(group) >= 2 * MAX_DEPTH:
            raise FormatError(f"{self.path} has more than {MAX_DEPTH} models inside each other.")
        counts, waiting, last = Counter[str](), list(given or ()), ""
        names = [name for name, _ in histories(own.get("input_layers"))]
        for layer in own["layers"]:
            about = layer["config"]
            name, stem = str(about["name"]), snake_case(layer["class_name"])
            place = (*group, "layers", f"{stem}_{counts[stem]}" if counts[stem] else stem)
            counts[stem] += layer.get("module", self.place) in PLACES
            if layer["class_name"] == "InputLayer":
                at = names.index(name) if names else 0
                last = self.input(name, about) if given is None else waiting[at]
                self.values[prefix + name, 0] = last
                continue
            calls = layer.get("inbound_nodes")
            for k, call in enumerate([None] if kind == "Sequential" else calls or ()):
                if call is None:
                    if not last and given is None:
                        raise FormatError(
                            f"{self.path} does not say how many inputs it has; build it with an Input, and save it "
                            "again."
                        )
                    reads = [last or waiting[0]]
                else:
                    reads = [self.values[prefix + each, at] for each, at in histories(call)]
                last = self.layer(layer, about, f"{prefix}{name}", place, reads, k)
                self.values[prefix + name, k] = last
        if kind == "Sequential":
            return [last]
        return [self.values[prefix + name, at] for name, at in histories(own["output_layers"])]

    def input(self, name: str, about: Mapping[str, Any]) -> str:
        """Add an input; return its value."""
        shape = about.get("batch_shape") or about.get("batch_input_shape") or ()
        if len(shape) < 2 or not all(isinstance(n, int) and n > 0 for n in shape[1:]):
            raise FormatError(
                f"{self.path}: the input {name!r} has the shape {shape!s:.60}; give it one with a number of columns."
            )
        shape = ["n", *shape[1:]]
        self.inputs.append(helper.make_tensor_value_info(f"{name}:0", TensorProto.FLOAT, shape))
        return f"{name}:0"

    def node(self, op: str, name: str, reads: Sequence[str], makes: str = "", **settings: Any) -> str:
        """Add a node; return the value that it makes."""
        makes = makes or f"{name}:{len(self.nodes)}"
        settings = {key: value for key, value in settings.items() if value is not None}
        self.nodes.append(helper.make_node(op, list(reads), [makes], name=name, **settings))
        return makes

    def constant(self, value: Any) -> str:
        """Add a constant; return its name."""
        name = f"constant:{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def numbers(self, name: str, place: Sequence[str], count: int) -> list[NDArray[Any]]:
        """Return the first arrays of a layer. Raises FormatError unless the file has their bytes, as they are."""
        found = []
        for k in range(count):
            try:
                each = self.file.array(self.file.item(*self.places(name, place, k)))
            except KeyError as error:
                raise FormatError(
                    f"{self.path} has no numbers of the layer {name!r}; save it again."
                ) from error
            if each is None:
                raise FormatError(
                    f"{self.path}: the numbers of {name!r} are not plain floating-point numbers in the file; save it "
                    "again, without quantization."
                )
            found.append(each)
        return found

    def places(self, name: str, place: Sequence[str], k: int) -> Sequence[str]:
        """Return the groups in which the k-th array of a layer is, and its own name."""
        return (*place, "vars", f"{k}")

    def layer(
        self,
        layer: Mapping[str, Any],
        about: Mapping[str, Any],
        name: str,
        place: Sequence[str],
        reads: Sequence[str],
        call: int,
    ) -> str:
        """Add the nodes of a layer's call; return the value that it makes.

        An unknown layer becomes a node of its name, which the reader refuses with its neighbors.
        """
        kind, is_own = str(layer["class_name"]), layer.get("registered_name") is None
        if kind == "Lambda":
            raise FormatError(
                f"{self.path}: the layer {name!r} is a Lambda, which is code, and nothing in a file is run; replace it "
                "by a layer, or export the model to ONNX."
            )
        is_sum = layer.get("module") == "keras.src.ops.numpy" and kind in ("Add", "Subtract")
        if not is_own or not (layer.get("module", self.place) in PLACES or is_sum) or not reads:
            return self.node(kind, name, reads)
        if kind in NESTED:
            (end,) = self.layers(layer, f"{name}/", place, reads)
            return end
        if kind == "Dense":
            W, *b = self.numbers(name, place, 1 + bool(about["use_bias"]))
            end = self.node("Gemm", name, [*reads, *map(self.constant, (W, *b))])
            return self.activation(about["activation"], name, end)
        if kind == "Activation":
            return self.activation(about["activation"], name, reads[0])
        if kind == "BatchNormalization" and not about.get("renorm"):
            is_scaled, is_shifted = bool(about["scale"]), bool(about["center"])
            given = self.numbers(name, place, 2 + is_scaled + is_shifted)
            ones = np.ones_like(given[-1])
            gamma = given[0] if is_scaled else ones
            beta = given[int(is_scaled)] if is_shifted else 0 * ones
            constants = map(self.constant, (gamma, beta, *given[-2:]))
            return self.node(
                *(kind, name, [*reads, *constants]),
                epsilon=float(about["epsilon"]),
                momentum=float(about["momentum"]),
            )
        if kind == "Normalization":
            return self.normalization(about, name, place, reads[0])
        if kind == "Rescaling":
            end = self.node("Mul", name, [reads[0], self.constant(np.float32(about["scale"]))])
            return self.node("Add", name, [end, self.constant(np.float32(about["offset"]))])
        if kind == "PReLU" and not about.get("shared_axes"):
            return self.node("PRelu", name, [*reads, self.constant(self.numbers(name, place, 1)[0])])
        if kind == "ReLU":
            return self.relu(about, name, reads)
        if kind == "LeakyReLU":
            slope = about.get("negative_slope", about.get("alpha", 0.3))
            return self.node("LeakyRelu", name, reads, alpha=float(slope))
        if kind == "ELU":
            return self.node("Elu", name, reads, alpha=float(about.get("alpha", 1.0)))
        if kind == "Reshape":
            shape = self.constant(np.array([0, *about["target_shape"]], np.int64))
            return self.node("Reshape", name, [reads[0], shape])
        if kind == "Concatenate":
            return self.node("Concat", name, reads, axis=int(about["axis"]))
        if kind == "Dropout":
            return self.node(kind, name, [reads[0], self.constant(np.float32(about["rate"]))])
        if kind == "Softmax":
            axis = about.get("axis", -1)
            return self.node(kind, name, reads, axis=int(axis[0] if isinstance(axis, list) else axis))
        if kind == "Flatten" and about.get("data_format") != "channels_first":
            return self.node(kind, name, reads)
        return self.node({"Subtract": "Sub"}.get(kind, kind), name, reads)

    def activation(self, given: Any, name: str, x: str) -> str:
        """Add an activation behind a value, by its name or as a layer of Keras."""
        if isinstance(given, dict) and given.get("class_name") not in ("function", "Dense", *NESTED):
            return self.layer(given, given["config"], name, (), [x], 0)
        found = ACTIVATIONS.get(given) if isinstance(given, str) else None
        if found is None:
            said = given.get("config") if isinstance(given, dict) else given
            return self.node(f"activation {said!s:.60}", name, [x])
        settings = {"alpha": 0.2} if self.is_old and given == "hard_sigmoid" else found[1]
        return x if found[0] == "Identity" else self.node(found[0], name, [x], **settings)

    def relu(self, about: Mapping[str, Any], name: str, reads: Sequence[str]) -> str:
        """Add a ReLU with a slope below 0 and an upper bound, if it has these."""
        slope, bound = about.get("negative_slope") or 0.0, about.get("max_value")
        if about.get("threshold"):
            return self.node("ReLU with a threshold", name, reads)
        end = self.node("LeakyRelu", name, reads, alpha=float(slope)) if slope else ""
        end = end or self.node("Relu", name, reads)
        return end if bound is None else self.node("Min", name, [end, self.constant(np.float32(bound))])

    def normalization(self, about: Mapping[str, Any], name: str, place: Sequence[str], x: str) -> str:
        """Add (x - mean) / sqrt(var), or with `invert` its inverse."""
        if about.get("mean") is None:
            mean, var = self.numbers(name, place, 2)
        else:
            mean, var = (np.asarray(about[each], np.float32) for each in ("mean", "variance"))
        std = np.maximum(np.sqrt(var), np.float32(1e-7))
        steps = [("Sub", mean), ("Div", std)]
        if about.get("invert"):
            steps = [("Mul", std), ("Add", mean)]
        for op, value in steps:
            x = self.node(op, name, [x, self.constant(value)])
        return x


class OlderTranslation(Translation):
    """That of an `.h5` file, where a group for each layer of the outermost model has an attribute with its arrays."""

    place = "keras"

    def places(self, name: str, place: Sequence[str], k: int) -> Sequence[str]:
        """Return the groups of an array: those of a model within are named by the layer."""
        outer, *inner = name.split("/")
        names = self.file.texts(self.file.item("model_weights", outer), "weight_names")
        own = [each for each in names or () if not inner or f"/{inner[-1]}/" in f"/{each}"]
        return ("model_weights", outer, *dict(enumerate(own))[k].split("/"))
