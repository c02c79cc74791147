"""An estimator as data for a model file: its parameters and its fit's records, as JSON, without any code."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any, Generic, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.core import codec
from chainrule.core.settings import check_choice, describe, is_count
from chainrule.errors import ChainruleError, DataError, FormatError, fault_of
from chainrule.fitting.held import Held, HoldsResult, as_fitted, check_parameters, result_of
from chainrule.fitting.parameters import AboutParameter, about
from chainrule.fitting.result import (
    COUNTS,
    RECORDS,
    Calibration,
    FitResult,
    Records,
    UpdateRecord,
    checked,
    is_number,
)
from chainrule.fitting.terms import Terms
from chainrule.formulas.layers import Activation
from chainrule.formulas.losses import Loss, loss_of
from chainrule.formulas.optimizers import Optimizer, Solver
from chainrule.formulas.schedules import Schedule
from chainrule.model import load_with_others
from chainrule.tables.labels import ClassShares, Labels
from chainrule.tables.numbers import NumericTargets, Targets, as_loss
from chainrule.tables.preprocessor import TablePreprocessor
from chainrule.tables.relevance import Relevances
from chainrule.tables.times import Times, checked_knots
from chainrule.trained.persistence import Custom, by_kind, encode
from chainrule.trust.conformal import Intervals, LabelSets
from chainrule.trust.decisions import Decision
from chainrule.trust.notice import Notices
from chainrule.trust.seen import SeenColumn

KEPT = "biufUO"
"""The kinds of NumPy's types that labels in a file may have."""
MAX_LABEL_BYTES = 1 << 28
LATER = ("lookup", "precision")
"""The parameters that files have only where they are not at their defaults: version 0.2.0 does not know them."""


def described(estimator: HoldsResult) -> dict[str, Any]:
    """Return an estimator as JSON values: its class, its parameters, its labels and its records."""
    parameters = plain_parameters(estimator)
    result = result_of(estimator)
    labels = result.targets if isinstance(result.targets, Labels) else None
    if labels is not None and labels.classes.dtype.kind not in KEPT:
        raise DataError(
            f"labels of type {labels.classes.dtype} cannot be saved in a file; fit with text, for example "
            "y.astype(str)."
        )
    return {
        "class": type(estimator).__name__,
        "parameters": parameters,
        "labels": None
        if labels is None
        else {"classes": labels.classes.tolist(), "dtype": labels.classes.dtype.str, "kind": labels.kind}
        | {"is_sparse": labels.is_sparse},
        **({"knots": list(result.targets.knots)} if isinstance(result.targets, Times) else {}),
        "records": {name: _finite(getattr(estimator, name)) for name in RECORDS if hasattr(estimator, name)},
        "table": None if result.preprocessor is None else result.preprocessor.to_data(),
        "group_sizes": list(result.group_sizes),
        **({} if result.terms is None else {"terms": codec.write(result.terms)}),
        **({} if result.exposure is None else {"exposure": result.exposure}),
        "updates": [_finite(list(each)) for each in result.updates],
        "calibration": None if result.calibration is None else result.calibration.to_data(),
        "shares": codec.write(result.shares),
        "decision": codec.write(result.decision),
        "seen": codec.write(result.seen),
        "notices": result.notices.to_data()["found"],
    }


def plain_parameters(estimator: HoldsResult, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Return parameters of an estimator as JSON values: those of some names, or all. Those of no such kind are None."""
    values = estimator.get_params(deep=False)
    for name in LATER:
        if names is None and values[name] == getattr(type(estimator), name):
            del values[name]
    return {name: _plain(name, values[name]) for name in (values if names is None else names)}


def _plain(name: str, value: Any) -> Any:
    """Return a parameter as JSON values; objects of this package by kind and settings, others as None."""
    if isinstance(value, (Optimizer, Solver, Schedule)):
        return describe(value)
    if isinstance(value, (Activation, Loss)):
        return encode(value)
    if name == "loss" and callable(value):
        return {"kind": loss_of(value).kind}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple, range, set, frozenset)):
        return [_plain(name, item) for item in value]
    if isinstance(value, dict):
        return [[_plain(name, key), _plain(name, item)] for key, item in value.items()]
    if isinstance(value, np.generic):
        value = value.item()
    is_plain = value is None or isinstance(value, (str, int, float, bool))
    return _finite(value) if is_plain else None


def _finite(value: Any) -> Any:
    """Return numbers as JSON has them: infinity and NaN as text."""
    if isinstance(value, list):
        return [_finite(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    return {"number": repr(value)} if isinstance(value, float) and not np.isfinite(value) else value


def _number(value: Any) -> Any:
    """Return what `_finite` wrote as numbers again."""
    if isinstance(value, list):
        return [_number(item) for item in value]
    if isinstance(value, dict) and value.keys() == {"number"}:
        return {"inf": np.inf, "-inf": -np.inf}.get(value["number"], np.nan)
    return value


class EstimatorFile(NamedTuple, Generic[Held]):
    """What a file of an estimator has."""

    estimator: Held
    metadata: dict[str, Any]
    tensors: dict[str, NDArray[Any]]
    """those that are none of its network's"""


def read(
    kind: type[Held],
    path: str | os.PathLike[str],
    contents: bytes | None = None,
    custom: Custom | None = None,
) -> EstimatorFile[Held]:
    """Return the estimator in a file, and what else is there.

    contents: the file, where it is in memory; the path is then for errors only.  custom: as for `load`.
    Raises FormatError for a file without one, or with one of another class.
    """
    own = by_kind(custom)
    model, saved = load_with_others(path, contents, own)
    data = saved.extra.get("estimator")
    if data is None:
        raise FormatError(f"{path} contains a Model but no estimator; read it with chainrule.load.")
    try:
        name = str(data["class"])[:40]
    except (KeyError, TypeError) as error:
        raise FormatError(f"{path}: the estimator in the metadata has no class; save it again.") from error
    if name != kind.__name__:
        raise FormatError(f"{path} contains an {name}; read it with its load.")
    try:
        known_of = about(kind)
        parameters = {name: _object(name, value, known_of, own) for name, value in data["parameters"].items()}
        check_parameters(kind(**parameters))
        known = {
            name: checked(name, _number(data["records"][name])) for name in RECORDS if name in data["records"]
        }
        table = None if data["table"] is None else TablePreprocessor.from_data(data["table"])
        if table is not None and parameters.get("preset") is None:
            parameters["preprocess"] = parameters["preprocess"] or table
        targets: Targets
        if issubclass(kind.target_type, Times):
            targets = Times(checked_knots(data["knots"]))
        elif issubclass(kind.target_type, Relevances):
            targets = Relevances.learn(np.empty(0), parameters)
        else:
            targets = _targets(data["labels"], parameters, known)
        terms = None if data.get("terms") is None else codec.read(Terms, data["terms"], "the terms")
        result = FitResult(
            model,
            targets,
            tuple(int(size) for size in data["group_sizes"]),
            known.get("n_layers_", 0),
            table,
            _records(known),
            terms=terms,
            kept=_calibration(data.get("calibration"), targets, model.network.inputs),
            seen=codec.read(tuple[SeenColumn, ...], data.get("seen") or [], "the statistics of the columns"),
            notices=codec.read(Notices, {"found": data.get("notices", [])}, "the notices"),
            updates=update_records(_number(data.get("updates", []))),
            exposure=_exposure(data.get("exposure")),
        )
        if (shares := data.get("shares")) is not None and isinstance(result.targets, Labels):
            result = replace(result, shares=ClassShares.read(shares, result.targets))
        if (decision := data.get("decision")) is not None and isinstance(result.targets, Labels):
            result = replace(result, decision=Decision.read(decision, result.targets))
        made = as_fitted(kind(**parameters), result)
        check_whole(known, result, hasattr(made, "predict_proba"))
    except (
        ChainruleError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError
    ) as error:  # fmt: skip
        raise FormatError(
            f"{path}: the estimator in the metadata is malformed ({fault_of(error)}); save it again."
        ) from error
    return EstimatorFile(made, saved.extra, saved.others)


def _records(known: dict[str, Any]) -> Records:
    """Return records from a file, where names have an underscore behind."""
    own = {field.name: known[f"{field.name}_"] for field in fields(Records) if f"{field.name}_" in known}
    return Records(**own)


def _exposure(data: object) -> str | None:
    return None if data is None else codec.read(str, data, "the exposure")


def _calibration(data: Mapping[str, Any] | None, targets: Targets, inputs: int) -> Calibration | None:
    """Return a calibration from a file. inputs: of the network.  Raises FormatError for one of another network."""
    if data is None:
        return None
    if isinstance(targets, (Times, Relevances)):
        raise FormatError("times and relevances have no intervals")
    if isinstance(targets, Labels):
        return LabelSets.from_data(data, targets)
    return Intervals.from_data(data, targets, inputs)


def _targets(
    data: dict[str, Any] | None, parameters: dict[str, Any], known: dict[str, Any]
) -> Labels | NumericTargets:
    """Return what is predicted, from a file. data: the labels of a classifier."""
    if data is None:
        if "loss" not in parameters:
            raise FormatError("the labels are missing")
        return NumericTargets(known["n_outputs_"], as_loss(parameters["loss"], parameters["quantiles"]))
    dtype = np.dtype(data["dtype"])
    if dtype.kind not in KEPT:
        raise FormatError(f"labels of type {dtype} cannot be read from a file.")
    if dtype.itemsize * len(data["classes"]) > MAX_LABEL_BYTES:
        raise FormatError(
            f"{len(data['classes']):,} labels of type {dtype} take over {MAX_LABEL_BYTES >> 20} MB."
        )
    kind = (
        check_choice(data["kind"], dict.fromkeys(("binary", "multiclass", "multilabel")), "kind")
        or data["kind"]
    )
    return Labels(np.array(data["classes"], dtype), kind, bool(data["is_sparse"]))


def _object(name: str, value: Any, known_of: dict[str, AboutParameter], own: dict[str, type[Any]]) -> Any:
    """Return a parameter from JSON values. own: custom classes by kind."""
    if isinstance(value, dict) and "kind" in value:
        settings = {key: tuple(v) if isinstance(v, list) else v for key, v in value.items() if key != "kind"}
        made = check_choice(value["kind"], {**(known_of[name].kinds or {}), **own}, name)
        return made.args[0] if isinstance(made, partial) else made(**settings)  # a function as it was given
    are_pairs = isinstance(value, list) and all(isinstance(item, list) for item in value)
    if name in ("class_weight", "monotonic_cst") and are_pairs:  # of a dict
        return {key: each for key, each in value}
    if isinstance(value, list):
        items = [_object(name, item, known_of, own) for item in value]
        return items if name == "activation" else tuple(items)
    return _number(value)


def update_records(data: Iterable[Iterable[Any]]) -> tuple[UpdateRecord, ...]:
    """Return the records of updates in a file. Raises FormatError for values that no update records."""
    found = tuple(UpdateRecord(*each) for each in data)
    for each in found:
        fits = all(map(is_count, each[:3])) and all(map(is_number, each[3:])) and 0 <= each.part <= 1
        if not fits:
            raise FormatError(f"an update has the figures {tuple(each)!r:.60}, which no update records")
    return found


def check_whole(known: Mapping[str, Any], result: FitResult, is_classifier: bool) -> None:
    """Check that labels, table and hidden layers from a file are those of its network. Raises FormatError if not.

    known: the records in the file by name.
    """
    for name in (*COUNTS, "loss_curve_"):
        if name not in known:
            raise FormatError(f"{name} is missing")
    network, table, sizes = result.model.network, result.preprocessor, result.group_sizes
    inputs = known["n_features_in_"] if table is None else len(table.get_feature_names_out())
    labels = result.targets if isinstance(result.targets, Labels) else None
    facts = {
        "the features": inputs == network.inputs,
        "the outputs": known["n_outputs_"] == network.outputs == result.targets.outputs,
        "the hidden layers": all(size > 0 for size in sizes) and sum(sizes) < len(network.layers),
        "the labels": (labels is not None) == is_classifier
        and (labels is None or _are_labels(labels.classes, labels.outputs, network.outputs)),
    }
    for what, fits in facts.items():
        if not fits:
            raise FormatError(f"{what} are not those of the network in the file")


def _are_labels(classes: Any, outputs: int, trained: int) -> bool:
    """Return whether these can be the labels of a network: different, and as many as its outputs say."""
    is_list = classes.ndim == 1 and len(np.unique(classes)) == len(classes)
    return bool(is_list and len(classes) > 0 and outputs == trained and (trained > 1 or len(classes) <= 2))
