"""Converters for skl2onnx, so that a scikit-learn Pipeline with an estimator of this package becomes one ONNX file.

from chainrule.estimators.pipelines import register_converters
from skl2onnx import to_onnx

register_converters()
made = to_onnx(pipeline, X[:1].astype("float32"), options={"zipmap": False})
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import numpy as np

from chainrule.errors import ConfigError
from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.estimators.graphs import graph_of_estimator
from chainrule.graph.operation import NUMBERS
from chainrule.graph.passes import only, simplified

if TYPE_CHECKING:
    from chainrule.export.as_onnx.writer import OnnxWriter


class _Variable(Protocol):
    full_name: str
    type: object


class _Operator(Protocol):
    inputs: list[_Variable]
    outputs: list[_Variable]
    raw_operator: MLPClassifier | MLPRegressor


class _Scope(Protocol):
    def get_unique_variable_name(self, seed: str) -> str: ...


class _Container(Protocol):
    def add_node(
        self, op_type: str, inputs: list[str], outputs: list[str], op_domain: str = ..., **settings: object
    ) -> None: ...

    def add_initializer(
        self, name: str, onnx_type: int, shape: list[int] | None, content: object
    ) -> object: ...


def register_converters() -> None:
    """Tell skl2onnx how to convert `MLPClassifier` and `MLPRegressor`. Raises ConfigError without skl2onnx."""
    if find_spec("skl2onnx") is None or find_spec("onnx") is None:
        raise ConfigError("converters need skl2onnx; install it: pip install skl2onnx.")
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    options = {
        "zipmap": [True, False, "columns"],
        "nocl": [True, False],
        "output_class_labels": [False, True],
    }
    update_registered_converter(
        *(MLPClassifier, "ChainruleMLPClassifier", calculate_linear_classifier_output_shapes),
        convert_classifier,
        options=options,
    )
    update_registered_converter(
        *(MLPRegressor, "ChainruleMLPRegressor", calculate_linear_regressor_output_shapes), convert_regressor
    )


def convert_classifier(scope: _Scope, operator: _Operator, container: _Container) -> None:
    """Add the nodes of a classifier: its labels, and the probabilities."""
    from onnx import TensorProto

    writer, made, labels = _written(operator, ("label", "probabilities"))
    chosen = writer.node("Squeeze", made["label"], writer.integers([1]))
    places, shares = _add(scope, operator, container, writer, [chosen, made["probabilities"]])
    classes = scope.get_unique_variable_name("classes")
    if all(isinstance(each, str) for each in labels):
        texts = [str(each).encode() for each in labels]
        container.add_initializer(classes, TensorProto.STRING, [len(texts)], texts)
    else:
        container.add_initializer(
            classes, TensorProto.INT64, [len(labels)], np.array(labels, np.int64).tolist()
        )
    container.add_node("Gather", [classes, places], [operator.outputs[0].full_name], op_version=13, axis=0)
    container.add_node("Identity", [shares], [operator.outputs[1].full_name], op_version=13)


def convert_regressor(scope: _Scope, operator: _Operator, container: _Container) -> None:
    """Add the nodes of a regressor: its predictions (n, outputs)."""
    writer, made, _ = _written(operator, ("predictions",))
    (numbers,) = _add(scope, operator, container, writer, [made["predictions"]])
    container.add_node("Identity", [numbers], [operator.outputs[0].full_name], op_version=13)


def _written(
    operator: _Operator, names: tuple[str, ...]
) -> tuple[OnnxWriter, dict[str, str], tuple[object, ...]]:
    """Return the nodes of an estimator's graph, the values of some outputs, and the labels."""
    from chainrule.export.as_onnx.operations import written
    from chainrule.export.as_onnx.writer import OnnxWriter

    graph = simplified(only(graph_of_estimator(operator.raw_operator), *names))
    if len(graph.inputs) != 1 or graph.inputs[0].holds != NUMBERS:
        raise ConfigError(
            "a converter of a Pipeline takes a matrix of numbers, and this estimator prepares a table itself; "
            "export it alone: estimator.export('net.onnx')."
        )
    is_double = type(operator.inputs[0].type).__name__ == "DoubleTensorType"
    writer = OnnxWriter(np.dtype(np.float64 if is_double else np.float32))
    made: list[str] = []
    for step in graph.steps:
        writer.begin(step.of.replace(" ", "_"))
        made.append(written(step.operation, writer, *(made[read] for read in step.reads)))
    return writer, {name: made[k] for name, k in graph.outputs.items()}, graph.labels


def _add(
    scope: _Scope, operator: _Operator, container: _Container, writer: OnnxWriter, answers: list[str]
) -> list[str]:
    """Add nodes to the model that skl2onnx writes, with names that are new in it; return those of the answers."""
    from onnx import helper

    entry = scope.get_unique_variable_name("numbers")
    container.add_node(
        *("Cast", [operator.inputs[0].full_name], [entry]),
        to=writer.number_type(writer.network),
        op_version=13,
    )
    names = {"X": entry}
    for tensor in writer.constants:
        names[tensor.name] = scope.get_unique_variable_name(tensor.name)
        container.add_initializer(names[tensor.name], tensor.data_type, None, tensor)
    for node in writer.nodes:
        names |= {name: scope.get_unique_variable_name(name) for name in node.output}
        settings = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        container.add_node(
            *(node.op_type, [names[name] for name in node.input], [names[name] for name in node.output]),
            op_domain=node.domain,
            op_version=2 if node.domain else 13,
            name=scope.get_unique_variable_name(node.name),
            **settings,
        )
    return [names[answer] for answer in answers]
