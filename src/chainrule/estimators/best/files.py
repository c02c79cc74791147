"""One file of all networks of an average: that of the heaviest part, with the files of the others as tensors in it."""

from __future__ import annotations

import lzma
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.files import write_whole
from chainrule.errors import ChainruleError, FormatError
from chainrule.estimators import files
from chainrule.estimators.best.blend import Blend, BlendPart, RaceResult, shared
from chainrule.estimators.best.plan import plan_of
from chainrule.estimators.best.report import RaceReport, record_of
from chainrule.estimators.best.weights import are_weights, is_temperature
from chainrule.estimators.held import Held, HoldsResult, as_fitted, result_of
from chainrule.model import Ensemble, Model, load_any

KEY = "blend"
"""The key of an average in a file's metadata."""
PACKED = "compressed_parts"
"""The tensor of a compact file that has the other networks' files."""
MOST_TIMES, MOST_MEMORY = 100, 1 << 27
"""How many times as long as what is compressed may be what comes of it, and the bytes that this may need."""


def save(
    estimator: HoldsResult,
    result: RaceResult,
    path: str | os.PathLike[str],
    more: Mapping[str, Any] | None = None,
    compact: bool = False,
) -> None:
    """Write a fitted estimator of preset="best"; the file is replaced in one step.

    more: further metadata.  compact: whether weights are rounded to 8 bits, and the files of the other networks, which
    have much in common, are compressed together.
    """
    from safetensors.numpy import save as to_bytes

    def others(folder: Path) -> dict[str, NDArray[Any]]:
        found = {}
        for number, part in enumerate(result.blend.parts[1:], 1):
            part.estimator.save(one := folder / "one", compact=compact)
            found[_name(number)] = np.frombuffer(one.read_bytes(), np.uint8)
        if not compact or not found:
            return found
        return {PACKED: np.frombuffer(lzma.compress(to_bytes(found)), np.uint8)}

    extra = {**(more or {}), "estimator": files.described(estimator), KEY: _described(result)}
    write_whole(path, with_tensors(result.model, extra, others, compact))


def with_tensors(
    model: Model | Ensemble,
    extra: dict[str, Any],
    more: Callable[[Path], Mapping[str, NDArray[Any]]],
    compact: bool = False,
) -> bytes:
    """Return the file of a model with further tensors. more(folder): these; it may use the folder for itself."""
    from safetensors import safe_open
    from safetensors.numpy import save as to_bytes

    with TemporaryDirectory() as folder:
        first = Path(folder) / "first"
        model.save(first, extra=extra, compact=compact)
        with safe_open(str(first), framework="numpy") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return to_bytes(tensors | dict(more(Path(folder))), metadata=metadata)


def unpacked(data: bytes) -> dict[str, NDArray[Any]]:
    """Return the files that a compact file has compressed together. Raises FormatError for others."""
    from safetensors.numpy import load as from_bytes

    reader = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)
    try:
        whole = reader.decompress(data, max_length=MOST_TIMES * len(data))
    except lzma.LZMAError as error:
        raise FormatError(f"the compressed networks are damaged: {error}") from error
    if not reader.eof:
        raise FormatError("the compressed networks do not end where they should")
    return from_bytes(whole)


def restored(estimator: Held, path: str | os.PathLike[str], data: Any) -> Held:
    """Return an estimator that was read from a file with the average that the file has. data: its metadata of KEY."""
    from safetensors import SafetensorError, safe_open

    try:
        weights, recipes = [float(each) for each in data["weights"]], list(map(str, data["recipes"]))
        degree = float(data["temperature"])
        fits = all(weight > 0 for weight in weights) and are_weights(weights) and is_temperature(degree)
        if not (fits and len(weights) == len(recipes)):
            raise FormatError("the weights of the average are not above 0 with a sum of 1")
        made = [estimator]
        with safe_open(str(path), framework="numpy") as file, TemporaryDirectory() as folder:
            is_packed = PACKED in file.keys()  # noqa: SIM118
            packed = unpacked(file.get_tensor(PACKED).tobytes()) if is_packed else {}
            for number in range(1, len(weights)):
                one = Path(folder) / "one"
                whole = packed[_name(number)] if is_packed else file.get_tensor(_name(number))
                one.write_bytes(whole.tobytes())
                part, extra = files.read(type(estimator), one)
                if KEY in extra:  # it would have parts again, and so on
                    raise FormatError(f"part {number} of the average is an average")
                made.append(part)
        results = [result_of(each) for each in made]
        outputs = {each.model.network.outputs for each in results}
        if len(outputs) > 1:
            raise FormatError("the parts of the average have other outputs than the estimator")
        report = RaceReport(map(record_of, data["report"]))
        plan = None if data.get("plan") is None else plan_of(data["plan"])
        preprocessors = shared([each.preprocessor for each in results if each.preprocessor is not None])
        results = [replace(each, preprocessor=own) for each, own in zip(results, preprocessors, strict=True)]
    except (
        SafetensorError, ChainruleError, KeyError, TypeError, ValueError, AttributeError, OverflowError
    ) as error:  # fmt: skip
        fault = " ".join(str(error).split())[:200]
        raise FormatError(
            f"{path}: the average in the file is malformed ({fault}); save it again."
        ) from error
    parts = [
        BlendPart(weight, as_fitted(each, result), name, result)
        for weight, each, name, result in zip(weights, made, recipes, results, strict=True)
    ]
    blend = Blend(parts, degree, estimator.engine)
    return as_fitted(estimator, RaceResult.of(results[0], blend, report, plan=plan))


def plan_in(path: str | os.PathLike[str]) -> object:
    """Return the plan of the race in an estimator's file, as data; None for an estimator of no race."""
    average = load_any(path)[1].get(KEY)
    return average.get("plan") if isinstance(average, dict) else None


def _name(number: int) -> str:
    return f"part_{number}"


def _described(result: RaceResult) -> dict[str, Any]:
    """Return an average and its report as JSON values."""
    blend = result.blend
    return {
        "weights": [part.weight for part in blend.parts],
        "recipes": [part.recipe for part in blend.parts],
        "temperature": blend.temperature,
        "plan": None if result.plan is None else result.plan.to_data(),
        "report": [
            each._asdict() | {name: _finite(getattr(each, name)) for name in ("loss", "score")}
            for each in result.report
        ],
    }


def _finite(value: float | None) -> float | None:
    """Return a number as JSON has it, None for another."""
    return value if value is not None and math.isfinite(value) else None
