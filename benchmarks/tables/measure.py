"""A cell of the comparison: one contestant fitted to one split of one table, with its scores and its times."""

from __future__ import annotations

import time
import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score, roc_auc_score
from sklearn.model_selection import train_test_split

TEST_SHARE = 0.2


class Split(NamedTuple):
    """The rows to learn from, and those that the scores are of."""

    X: pd.DataFrame
    X_test: pd.DataFrame
    y: pd.Series
    y_test: pd.Series


def split(X: pd.DataFrame, y: pd.Series, is_numeric: bool, seed: int) -> Split:
    """Hold out a fifth of the rows, with as much of each class as there is."""
    return Split(
        *train_test_split(
            X, y, test_size=TEST_SHARE, random_state=seed, stratify=None if is_numeric else y, shuffle=True
        )
    )


def measured(estimator: Any, rows: Split, is_numeric: bool) -> dict[str, float]:
    """Fit and predict; seconds by the clock, and of the processor's time, which other processes lengthen less."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clock, processor = time.perf_counter(), time.process_time()
        estimator.fit(rows.X, rows.y)
        fit, fit_processor = time.perf_counter() - clock, time.process_time() - processor
        clock, processor = time.perf_counter(), time.process_time()
        found = estimator.predict(rows.X_test) if is_numeric else estimator.predict_proba(rows.X_test)
        predict, predict_processor = time.perf_counter() - clock, time.process_time() - processor
    scores = regression(rows.y_test, found) if is_numeric else classification(rows.y_test, found)
    return {
        **scores,
        "fit": fit,
        "fit_cpu": fit_processor,
        "predict": predict,
        "predict_cpu": predict_processor,
    }


def regression(y: Any, found: np.ndarray) -> dict[str, float]:
    """R² and the root of the mean squared error, in the units of the target."""
    return {"r2": r2_score(y, found), "rmse": float(np.sqrt(mean_squared_error(y, found)))}


def classification(y: Any, found: np.ndarray) -> dict[str, float]:
    """Accuracy, area under the curve (of several classes, each against the others, as a mean) and log loss.

    found: (n, classes) probabilities, in the order of the sorted labels.
    """
    classes = np.unique(y)
    is_second = found[:, 1] if len(classes) == 2 else found
    return {
        "accuracy": accuracy_score(y, classes[found.argmax(1)]),
        "auc": roc_auc_score(y, is_second, multi_class="ovr"),
        "log_loss": log_loss(y, found, labels=classes),
    }
