"""One file of all networks of an average: that of the heaviest part, with the files of the others as tensors in it."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from chainrule.core.files import write_whole
from chainrule.errors import ChainruleError, FormatError
from chainrule.estimators import files
from chainrule.estimators.best.blend import Blend, BlendPart
from chainrule.estimators.best.report import RaceReport, record_of
from chainrule.estimators.best.weights import EXTREME

KEY = "blend"
"""The key of an average in a file's metadata."""


def save(estimator: Any, path: str | os.PathLike[str], more: Mapping[str, Any] | None = None) -> None:
    """Write a fitted estimator of preset="best"; the file is replaced in one step. more: further metadata."""
    from safetensors import safe_open
    from safetensors.numpy import save as to_bytes

    blend: Blend = estimator.blend_
    with TemporaryDirectory() as folder:
        first = Path(folder) / "first"
        extra = {**(more or {}), "estimator": files.described(estimator), KEY: _described(estimator)}
        estimator.model_.save(first, extra=extra)
        with safe_open(str(first), framework="numpy") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        for number, part in enumerate(blend.parts[1:], 1):
            part.estimator.save(one := Path(folder) / "one")
            tensors[_name(number)] = np.frombuffer(one.read_bytes(), np.uint8)
    write_whole(path, to_bytes(tensors, metadata=metadata))


def restore(estimator: Any, path: str | os.PathLike[str], data: Any) -> None:
    """Give an estimator that was read from a file the average that the file has. data: of its metadata, under KEY."""
    from safetensors import SafetensorError, safe_open

    try:
        weights, recipes = [float(each) for each in data["weights"]], list(map(str, data["recipes"]))
        degree = float(data["temperature"])
        fits = all(weight > 0 for weight in weights) and abs(sum(weights) - 1) < 1e-6
        if not (fits and len(weights) == len(recipes) and 1 / EXTREME <= degree * 1.001 <= 1.01 * EXTREME):
            raise FormatError("the weights of the average are not above 0 with a sum of 1")
        own = copy.copy(estimator)
        made = [own]
        with safe_open(str(path), framework="numpy") as file, TemporaryDirectory() as folder:
            for number in range(1, len(weights)):
                one = Path(folder) / "one"
                one.write_bytes(file.get_tensor(_name(number)))
                part, extra = files.read(type(estimator), one)
                if KEY in extra:  # it would have parts again, and so on
                    raise FormatError(f"part {number} of the average is an average")
                made.append(part)
        for each in made:
            if each.model_.network.outputs != estimator.model_.network.outputs:
                raise FormatError("the parts of the average have other outputs than the estimator")
        report = RaceReport(map(record_of, data["report"]))
    except (
        SafetensorError, ChainruleError, KeyError, TypeError, ValueError, AttributeError, OverflowError
    ) as error:  # fmt: skip
        fault = " ".join(str(error).split())[:200]
        raise FormatError(
            f"{path}: the average in the file is malformed ({fault}); save it again."
        ) from error
    parts = [BlendPart(*each) for each in zip(weights, made, recipes, strict=True)]
    estimator.blend_, estimator.report_ = Blend(parts, degree), report
    estimator.blend_.share_preprocessors()


def _name(number: int) -> str:
    return f"part_{number}"


def _described(estimator: Any) -> dict[str, Any]:
    """Return an average and its report as JSON values."""
    blend = estimator.blend_
    return {
        "weights": [part.weight for part in blend.parts],
        "recipes": [part.recipe for part in blend.parts],
        "temperature": blend.temperature,
        "report": [
            each._asdict() | {"loss": each.loss if math.isfinite(each.loss) else None}
            for each in estimator.report_
        ],
    }
