"""An ONNX model with products of 8-bit integers: weights by output neuron, activations by their range on given rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

BATCH = 100
"""The rows of a step of the calibration."""


class CalibrationRows(CalibrationDataReader):  # type: ignore[misc]
    """The rows on which ONNX Runtime measures the range of each activation, some at a time."""

    def __init__(self, rows: Mapping[str, NDArray[np.generic]]) -> None:
        """Keep the inputs by name, as an ONNX model takes them."""
        count = len(next(iter(rows.values())))
        self.parts: Iterator[dict[str, NDArray[np.generic]]] = iter(
            [
                {name: values[start : start + BATCH] for name, values in rows.items()}
                for start in range(0, count, BATCH)
            ]
        )

    def get_next(self) -> dict[str, NDArray[np.generic]] | None:
        """Return the next part; None after the last."""
        return next(self.parts, None)


def quantized(content: bytes, rows: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Return a float32 model with its dense layers in int8, as pairs of QuantizeLinear and DequantizeLinear (QDQ).

    Weights are symmetric int8 with a scale for each output, biases int32, activations uint8 with a zero point; a
    runtime for integers fuses the pairs. The preparation of a table and the answer stay as they are.
    rows: inputs of the model, on which the ranges of activations are measured.
    """
    with TemporaryDirectory() as folder, quietly():
        path = Path(folder, "int8.onnx")
        quantize_static(
            onnx.load_from_string(content),
            str(path),
            CalibrationRows(rows),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Gemm", "MatMul"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        made = onnx.load(path)
    onnx.checker.check_model(made, full_check=True)
    found: bytes = made.SerializeToString(deterministic=True)
    return found


@contextmanager
def quietly() -> Iterator[None]:
    """Leave out advice that ONNX Runtime logs about models that others wrote."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
