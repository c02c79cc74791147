"""Checks of user input: X, y and weights are validated here once, and become `Samples`.

Accepted as X: NumPy arrays (memory-mapped ones stay memory-mapped), nested lists, SciPy sparse matrices, and all data
frames that narwhals supports (pandas, Polars, PyArrow, ...), except lazy ones, which must be collected first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.core.arrays import Array, RowsLike, TargetsLike, distinct
from chainrule.core.settings import check_choice, check_count, check_seed
from chainrule.data import frames
from chainrule.data.samples import Samples, TargetScale
from chainrule.errors import ConfigError, DataError, ShapeError, counted, instead, option
from chainrule.formulas.losses import Loss
from chainrule.network.network import Network

ROWS_AT_ONCE = 1 << 14
"""Rows checked at a time, so that checking a memory-mapped file does not copy it."""
MAX_DIRECT_CHECK = 1 << 12
"""The array size up to which checking every number costs less than avoiding it."""
LARGE_WEIGHT = 60
"""The exponent of two up to which weights keep their unit: float32 has 127, and the sum of them is to have it too."""
MAX_LABEL_BYTES = 64 << 20
"""The maximum size of all class labels as an array: 100,000 of 160 characters."""


class Targets(NamedTuple):
    """y in the form for the loss, and the label of each class index (None if y does not contain classes)."""

    y: NDArray[Any]  # (n,) int64 or (n, outputs) float64
    classes: NDArray[Any] | None


def as_array(value: object, name: str) -> Any:
    """Convert anything numeric to an array or a CSR matrix; these are returned unchanged."""
    if hasattr(value, "tocsr"):
        return value.tocsr()
    if isinstance(value, np.ndarray):
        return _unmasked(value, name)
    if frames.is_frame(value):
        return frames.to_array(value, name)[0]
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"{name} must be a rectangular array; its rows have different lengths.") from error


def to_numbers(array: Array, names: Sequence[str] | None, name: str) -> Any:
    """Convert an object array to float64. Raises DataError that names the first column with another value."""
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        table = array if array.ndim == 2 else array[None]
        for k in range(table.shape[1] if table.ndim == 2 else 0):
            for row, value in enumerate(table[:, k].tolist()):
                if not is_number(value):
                    raise DataError(
                        f"{name} must contain numbers, not {str(value)[:40]!r} at row {row}, "
                        f"{column_named(k, names)}; "
                        "encode text and categories as numbers and fill in missing values first."
                    ) from error
        raise DataError(
            f"{name} must contain numbers; encode text and categories as numbers first."
        ) from error


def column_named(k: int, names: Sequence[str] | None) -> str:
    """Describe a column in an error: by name if known, else by index."""
    return f"column {int(k)}" if names is None else f"column {names[int(k)]!r}"


def is_number(value: Any) -> bool:
    """Return whether a cell, text or object, can be parsed as a number."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _unmasked(value: NDArray[Any], name: str) -> NDArray[Any]:
    """Return an array, or the data of a masked array without masked values."""
    mask = getattr(value, "mask", None)
    if mask is None:
        return value
    if np.any(mask):
        raise DataError(
            f"{name} is a masked array with {np.count_nonzero(mask)} masked values; "
            "fill them in with its filled() or drop their samples first."
        )
    return np.asarray(value)


def check_X(
    X: RowsLike,
    inputs: int,
    name: str = "X",
    features: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
) -> Any:
    """Check that X (n, inputs) contains finite real numbers; one sample (inputs,) becomes (1, inputs).

    features: the model's feature names, by which a data frame's columns are selected and ordered.
    names: the column names of an array, for errors.
    Raises ShapeError; DataError for text, complex numbers, NaN, infinity or missing columns.
    """
    if frames.is_frame(X) and not hasattr(X, "tocsr"):
        X, names = frames.to_array(X, name, features)
    X = as_array(X, name)
    if X.dtype.kind == "O":
        X = to_numbers(X, names, name)
    if X.dtype.kind not in "biuf":
        raise DataError(
            f"{name} must contain real numbers, not {X.dtype}; encode text and categories as numbers first."
        )
    if X.ndim == 1 and X.shape[0] == inputs:
        X = X[None, :]
    if X.ndim != 2:
        hint = (
            f"reshape it to ({X.shape[0]}, {inputs})"
            if X.ndim > 2
            else f"one row per sample, {inputs} features per row"
        )
        raise ShapeError(
            f"{name} must have two dimensions (samples, features), not {X.ndim}: shape {X.shape}; {hint}."
        )
    if X.shape[1] != inputs:
        raise ShapeError(
            f"{name} has {counted(X.shape[1], 'feature')} but the network takes {inputs}; select the same "
            "columns."
        )
    if X.shape[0] == 0:
        raise ShapeError(f"{name} has no samples; pass at least one.")
    if hasattr(X, "check_format"):
        try:
            X.check_format(full_check=True)
        except ValueError as error:
            raise DataError(
                f"{name} is not a valid CSR matrix: {error}; build it again from its entries."
            ) from error
    if X.dtype.kind == "f":
        _check_finite(X, name, names)
    return X


def _check_finite(X: RowsLike, name: str, names: Sequence[str] | None = None) -> None:
    if hasattr(X, "tocsr"):  # only stored entries; dense rows could exhaust memory
        entries = np.flatnonzero(~np.isfinite(X.data[: X.indptr[-1]]))
        if len(entries):
            at = entries[0]
            row = int(np.searchsorted(X.indptr, at, side="right")) - 1
            raise DataError(
                f"{name} contains {X.data[at]} at row {row}, column {X.indices[at]}; "
                "fill in or drop missing values first."
            )
        return
    if X.size <= MAX_DIRECT_CHECK and np.isfinite(X).all():
        return
    for start in range(0, X.shape[0], ROWS_AT_ONCE):
        rows = X[start : start + ROWS_AT_ONCE]
        with np.errstate(all="ignore"):
            # No NaN, no infinity, and no overflow of the sum: one pass instead of two.
            if np.isfinite(rows.sum(dtype=np.float32 if X.dtype.itemsize < 4 else X.dtype.newbyteorder("="))):
                continue
        bad = np.argwhere(~np.isfinite(rows))
        if len(bad):
            row, column = bad[0]
            raise DataError(
                f"{name} contains {rows[row, column]} at row {start + row}, {column_named(column, names)}; "
                "fill in or drop missing values first."
            )


def check_targets(
    y: TargetsLike, loss: Loss, outputs: int, classes: NDArray[Any] | None = None, name: str = "y"
) -> Targets:
    """Convert y to the form for the loss.

    classes: labels (n,), or rows of probabilities (n, outputs).  binary: labels (n,) for one output, or probabilities
    from 0 to 1, (n,) for one output, or (n, outputs).  regression: (n,) for one output, or (n, outputs).
    `classes` are the labels known to the model.  Floats from 0 to 1 that are not all integers are probabilities.
    """
    y = as_array(y, name)
    if hasattr(y, "toarray"):
        y = y.toarray()
    if y.ndim == 2 and y.shape[1] == 1 and (outputs == 1 or loss.targets == "classes"):
        y = y[:, 0]
    if y.ndim not in (1, 2):
        raise ShapeError(f"{name} must be (samples,) or (samples, {outputs}), not {y.shape}.")
    if loss.targets == "classes" and y.ndim == 1:
        return _labels(y, outputs, classes, name)
    if loss.targets == "binary" and y.ndim == 1 and outputs == 1:
        if _are_probabilities(y, classes):
            return Targets(y.astype(np.float64)[:, None], np.arange(2))
        numbers, classes = _labels(y, 2, classes, name)
        return Targets(numbers.astype(np.float64)[:, None], classes)
    if y.dtype.kind not in "biuf":
        try:
            y = _as_numbers(y)
        except (TypeError, ValueError) as error:
            kind = instead(f"{y.dtype}", "text") if y.dtype.kind in "UT" else y.dtype
            raise DataError(f"{name} must contain numbers for {_named(loss)}, not {kind}.") from error
    y = y.astype(np.float64)
    y = y[:, None] if y.ndim == 1 else y
    if y.shape[1] != outputs:
        raise ShapeError(
            f"{name} has {y.shape[1]} columns but the network has {outputs} outputs; make them equal."
        )
    if not np.isfinite(y).all():
        at = int(np.isfinite(y).all(1).argmin())
        raise DataError(f"{name} contains NaN or infinity at row {at}; drop the samples without a target.")
    low, high = (float(y.min()), float(y.max())) if y.size else (0.0, 0.0)
    least = {"binary": 0, "classes": 0, "survived": -1}.get(loss.targets)
    if least is not None and (low < least or high > 1):
        raise DataError(
            f"{name} must lie between {least} and 1 for {_named(loss)}; it spans {low:g} to {high:g}."
        )
    if loss.targets == "classes" and not np.allclose(y.sum(1), 1, atol=1e-6):
        raise DataError(
            f"each row of {name} must sum to 1 for {_named(loss)}; pass labels (n,) or probabilities."
        )
    if y.size:
        check_amounts(low, loss, name)
    if loss.targets == "classes" and classes is None:
        classes = np.arange(outputs)
    return Targets(y, classes)


def check_amounts(low: float, loss: Loss, name: str = "y") -> None:
    """Check the smallest target of a loss of amounts. Raises DataError."""
    if loss.targets == "positive" and low <= 0:
        hint = (
            f"use {option('loss', 'Tweedie()', 'tweedie')}, which takes 0 too"
            if low == 0
            else "a squared error takes any number"
        )
        raise DataError(
            f"{name} must be above 0 for {_named(loss)}, but its smallest value is {low:g}; {hint}."
        )
    if loss.targets in ("counts", "amounts") and low < 0:
        raise DataError(
            f"{name} must be at least 0 for {_named(loss)}, but its smallest value is {low:g}; a squared error takes "
            "any number."
        )


def _named(loss: Loss) -> str:
    """Return a loss's name for a message: its class, or its kind in interfaces that name losses by text."""
    return instead(type(loss).__name__, getattr(loss, "kind", type(loss).__name__))


def _are_probabilities(y: NDArray[Any], classes: NDArray[Any] | None) -> bool:
    """Return whether y contains probabilities of label 1, and no other labels are known."""
    if y.dtype.kind != "f" or (classes is not None and not np.array_equal(classes, (0, 1))):
        return False
    return bool(((y >= 0) & (y <= 1)).all() and (y != np.floor(y)).any())


def _as_numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """Convert text or Python objects to numbers. Raises TypeError for dates and complex numbers, a lossy conversion."""
    if values.dtype.kind in "cmMV":
        raise TypeError(f"{values.dtype} is not a real number")
    return values.astype(np.float64)


def as_labels(y: NDArray[Any], name: str = "y") -> NDArray[Any]:
    """Return labels (n,) as numbers or text. Raises DataError for missing labels and other types."""
    if y.dtype.kind == "O":
        y = _plain(y, name)
    if y.dtype.kind == "T":  # NumPy's strings of any length
        y = np.asarray(y.tolist())
    if y.dtype.kind not in "biufU":
        raise DataError(f"{name} must contain numbers or text, not {y.dtype}; pass y.astype(str).")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        at = int(np.isfinite(y).argmin())
        raise DataError(f"{name} contains NaN or infinity at row {at}; drop the samples without a label.")
    return y


def _labels(y: NDArray[Any], outputs: int, classes: NDArray[Any] | None, name: str) -> Targets:
    """Convert labels to class indices. Without known classes, integers in [0, outputs) already are class indices."""
    y = as_labels(y, name)
    if y.dtype.kind == "f" and (y == np.floor(y)).all() and (np.abs(y) < 2.0**63).all():
        y = y.astype(np.int64)
    if (
        classes is None
        and y.dtype.kind in "iub"
        and (y.size == 0 or (int(y.min()) >= 0 and int(y.max()) < outputs))
    ):
        return Targets(y.astype(np.int64), np.arange(outputs))
    known = distinct(y) if classes is None else classes
    _check_label_bytes(known.nbytes, name)
    if len(known) > outputs or (classes is None and len(known) < outputs):
        raise DataError(
            f"{name} has {len(known)} classes ({_some(known)}) but the network has {outputs} outputs; "
            f"give its last Dense layer {len(known)} units."
            if outputs != 2
            else f"{name} has {len(known)} classes ({_some(known)}) but a network with this loss has 2; use "
            f"{option('loss', 'SoftmaxCrossEntropy with one output per class', 'softmax_cross_entropy')}."
        )
    is_alike, order = y.dtype.kind == known.dtype.kind or known.dtype.kind != "U", np.argsort(known)
    places = np.searchsorted(known, y, sorter=order) if is_alike else np.zeros(len(y), np.int64)
    numbers = order[np.minimum(places, len(known) - 1)]
    if not is_alike or (known[numbers] != y).any():
        unknown = np.setdiff1d(y, known)
        raise DataError(
            f"{name} contains labels unknown to the model ({_some(unknown)}); it knows {_some(known)}, so "
            "omit the other rows, or train with them."
        )
    return Targets(numbers.astype(np.int64), known)


def check_classes(classes: Any, network: Network) -> NDArray[Any]:
    """Check the labels in a file: one per output (two for one binary output), different, of one type."""
    binary = network.loss.targets == "binary" and network.outputs == 1
    count = network.outputs if network.loss.targets == "classes" else 2 if binary else 0
    if not count:
        raise ConfigError(
            f"classes must be null for {type(network.loss).__name__}, whose targets are not labels."
        )
    kinds = set(map(type, classes)) if isinstance(classes, list) and len(classes) == count else set()
    if len(kinds) != 1 or not kinds <= {bool, int, float, str}:
        raise ConfigError("classes must be a list of one label per output, all numbers or all text.")
    if kinds == {str}:  # before conversion to an array, where each takes the memory of the longest
        _check_label_bytes(4 * len(max(classes, key=len)) * count, "classes")
    labels = np.asarray(classes)
    if labels.dtype.kind not in "biufU" or (labels.dtype.kind == "f" and not np.isfinite(labels).all()):
        raise ConfigError("classes must be 64-bit numbers or text.")
    if len(np.unique(labels)) < count:
        raise ConfigError("classes must be a list of different labels.")
    return labels


def _check_label_bytes(size: int, name: str) -> None:
    if size > MAX_LABEL_BYTES:
        raise DataError(
            f"{name} has labels that take {size >> 20} MB as an array, where each is as wide as the longest; "
            f"the maximum is {MAX_LABEL_BYTES >> 20} MB, so shorten the longest."
        )


def _plain(y: NDArray[Any], name: str) -> NDArray[Any]:
    """Convert an object array to labels: numbers if all are numeric, else text. Raises DataError for missing labels."""
    labels = y.tolist()
    for row, label in enumerate(labels):
        if not isinstance(label, str) and str(label) in ("None", "nan", "NaT", "<NA>"):
            raise DataError(f"{name} has no label at row {row}; drop the samples without a label.")
    is_number = all(isinstance(label, (bool, int, float, np.number, np.bool_)) for label in labels)
    return np.asarray(labels if is_number else [str(label) for label in labels])


def _some(labels: NDArray[Any]) -> str:
    shown = ", ".join(repr(label) for label in labels[:6].tolist())
    return shown + (", ..." if len(labels) > 6 else "")


def check_weight(
    sample_weight: ArrayLike | None,
    class_weight: Mapping[Any, float] | str | None,
    targets: Targets,
    outputs: int,
    name: str = "sample_weight",
    *,
    is_part: bool = False,
) -> Any:
    """Multiply sample weights by class weights: s (n,), not negative, with a positive sum.

    is_part: whether these are only some of the samples, which may all have weight 0.
    class_weight: {label: weight} (1 for labels not named), or "balanced" for the weights of `balanced`.
    """
    n = len(targets.y)
    weight = np.ones(n) if sample_weight is None else as_array(sample_weight, name)
    try:
        is_text = weight.dtype.kind == "O" and any(isinstance(value, str) for value in weight.flat)
        if is_text or weight.dtype.kind not in "biufO":
            raise TypeError
        s = _as_numbers(weight)
    except (AttributeError, TypeError, ValueError) as error:
        raise DataError(
            f"{name} must contain one real number per sample, not text, dates or complex numbers."
        ) from error
    if s.shape != (n,):
        raise ShapeError(f"{name} must be ({n},), one number per sample, not {s.shape}.")
    if not np.isfinite(s).all() or (s < 0).any() or not (is_part or s.any()):
        good = np.isfinite(s) & (s >= 0)
        where = "" if good.all() else f"; it is {s[good.argmin()]} at row {int(good.argmin())}"
        rule = "finite and not negative" if is_part else "finite, not negative, and not zero for every sample"
        raise DataError(f"{name} must be {rule}{where}.")
    s = s if is_part else in_range(s)
    if class_weight is None:
        return s
    check_class_weight(class_weight)
    y = targets.y
    if y.ndim == 2 and outputs == 1 and ((y == 0) | (y == 1)).all():
        y = y[:, 0].astype(np.int64)
    if y.ndim != 1 or y.dtype.kind != "i":
        raise ConfigError("class_weight needs one label per sample; pass sample_weight for other targets.")
    labels = np.arange(max(outputs, 2)) if targets.classes is None else targets.classes
    if not isinstance(class_weight, Mapping):
        return s * balanced(np.bincount(y, minlength=len(labels)))[y]
    table = dict(zip(labels.tolist(), [1.0] * len(labels), strict=True))
    unknown = [label for label in class_weight if label not in table]
    if unknown:
        raise ConfigError(
            f"class_weight has the unknown class {unknown[0]!r}; the classes are {_some(labels)}."
        )
    table |= class_weight
    try:
        weights = np.asarray(list(table.values()), np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError("class_weight must contain one number per label.") from error
    if not np.isfinite(weights).all() or (weights < 0).any() or not (is_part or (s * weights[y]).sum() > 0):
        raise ConfigError(
            "class_weight must contain finite numbers of at least 0, with a positive weight for some sample."
        )
    return s * weights[y]


def in_range(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights of which float32 holds the largest and their sum: only their ratios count.

    A unit that is a power of two changes no bit of these.
    """
    _, exponent = np.frexp(weight.max(initial=0.0))
    return weight if abs(int(exponent)) <= LARGE_WEIGHT else np.ldexp(weight, -int(exponent))


def check_class_weight(class_weight: object) -> None:
    """Check that class_weight is a dict, "balanced" or None. Raises ConfigError."""
    if class_weight is not None and not isinstance(class_weight, Mapping) and class_weight != "balanced":
        raise ConfigError(
            f"class_weight must be 'balanced' or a dict of label: weight, not {class_weight!r}."
        )


def balanced(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Return balanced class weights from the samples per class: n / (classes * count), over the non-empty classes."""
    weights: NDArray[np.float64] = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return weights


def check_samples(
    network: Network,
    X: RowsLike,
    y: TargetsLike,
    *,
    sample_weight: ArrayLike | None = None,
    class_weight: Mapping[Any, float] | str | None = None,
    classes: NDArray[Any] | None = None,
    features: Sequence[str] | None = None,
    scale: TargetScale | None = None,
    names: tuple[str, str] = ("X", "y"),
) -> tuple[Samples, NDArray[Any] | None]:
    """Check a user's arrays, and return them as Samples, with the label of each class index.

    features: as in `check_X`.  scale: the model's standardization of targets.
    """
    X = check_X(X, network.inputs, names[0], features)
    targets = check_targets(y, network.loss, network.outputs, classes, names[1])
    if len(targets.y) != X.shape[0]:
        raise ShapeError(
            f"{names[0]} has {X.shape[0]} samples but {names[1]} has {len(targets.y)}; they must be equal."
        )
    weight = check_weight(sample_weight, class_weight, targets, network.outputs)
    return Samples(X, targets.y, weight, network.outputs).scaled(scale), targets.classes


def check_known(
    samples: Samples,
    y: TargetsLike,
    network: Network,
    sample_weight: ArrayLike | None = None,
    class_weight: object = None,
    scale: TargetScale | None = None,
) -> Samples:
    """Return samples that `check_samples` made for this network, without checking their values again.

    y and the weights must be None, because the samples contain them.  scale: the model's; standardized samples must
    have the same.  Raises ShapeError or DataError.
    """
    given = {"y": y, "sample_weight": sample_weight, "class_weight": class_weight}
    for name, value in given.items():
        if value is not None:
            raise DataError(f"checked samples already contain {name}; omit {name}.")
    sizes, wanted = (samples.X.shape[1], samples.outputs), (network.inputs, network.outputs)
    if sizes != wanted:
        raise ShapeError(
            f"the checked samples have {sizes[0]} features and {sizes[1]} outputs, but the network has "
            f"{wanted[0]} and {wanted[1]}; check them for this network."
        )
    mine, theirs = scale, samples.scale
    if theirs is not None and (mine is None or mine.to_data() != theirs.to_data()):
        raise DataError(
            "the targets of the checked samples were standardized for another model; check them again."
        )
    return samples


__all__ = [
    "Targets",
    "as_array",
    "as_labels",
    "balanced",
    "check_X",
    "check_choice",
    "check_class_weight",
    "check_classes",
    "check_count",
    "check_samples",
    "check_seed",
    "check_targets",
    "check_weight",
]
