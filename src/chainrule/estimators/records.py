"""What a fit records, checked where a file says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from chainrule.core.settings import is_count
from chainrule.errors import FormatError
from chainrule.estimators.fit.result import FitResult, UpdateRecord
from chainrule.estimators.labels import Labels

COUNTS = ("n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_")
NUMBERS = ("loss_", "best_loss_", "best_validation_score_")
WAITED = "no_improvement_"
"""A count that only the state of a fit has."""
REFIT = "n_iter_refit_"
"""A count that files of earlier versions do not have."""
CURVES = ("loss_curve_", "validation_loss_curve_", "validation_scores_")
OUTPUTS = ("identity", "logistic", "softmax", "exp")
RECORDS = (*COUNTS, REFIT, *NUMBERS, *CURVES, "out_activation_")
"""The attributes that a file keeps beside the model's own."""


def checked(name: str, value: Any) -> Any:
    """Return a record from a file. Raises FormatError for a value that no fit records."""
    if name in (*COUNTS, REFIT, WAITED):
        fits = is_count(value)
    elif name in NUMBERS:
        fits = value is None or _is_number(value)
    elif name in CURVES:
        is_left_out = value is None and name == "validation_scores_"
        fits = is_left_out or (isinstance(value, list) and all(map(_is_number, value)))
    else:
        fits = value in OUTPUTS
    if not fits:
        raise FormatError(f"{name} is {value!r:.60}, which no fit records")
    return value


def update_records(data: Iterable[Iterable[Any]]) -> tuple[UpdateRecord, ...]:
    """Return the records of updates in a file. Raises FormatError for values that no update records."""
    found = tuple(UpdateRecord(*each) for each in data)
    for each in found:
        counts = each.rows, each.held_out, each.epochs
        if not all(map(is_count, counts)):
            raise FormatError(f"an update has the counts {counts!r:.60}, which no update records")
        if not (
            _is_number(each.part)
            and 0 <= each.part <= 1
            and _is_number(each.before)
            and _is_number(each.after)
        ):
            raise FormatError(f"an update has the numbers {each[3:]!r:.60}, which no update records")
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
        "the outputs": known["n_outputs_"] == network.outputs,
        "the hidden layers": all(size > 0 for size in sizes) and sum(sizes) < len(network.layers),
        "the labels": (labels is not None) == is_classifier
        and (labels is None or _are_labels(labels.classes, labels.outputs, network.outputs)),
    }
    for what, fits in facts.items():
        if not fits:
            raise FormatError(f"{what} are not those of the network in the file")


def _are_labels(classes: Any, outputs: int, trained: int) -> bool:
    """Return whether these can be the labels of a network: sorted, different, and as many as its outputs say."""
    is_sorted = classes.ndim == 1 and np.array_equal(np.unique(classes), classes)
    return bool(is_sorted and len(classes) > 0 and outputs == trained and (trained > 1 or len(classes) <= 2))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
