"""Hostile tables through the estimators: fitted, and then a prediction or a sentence, and nothing else."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from chainrule import ChainruleError, MLPClassifier, MLPRegressor, ShapeError
from chainrule.presets import PRESETS
from chainrule.tables.reading import read
from full import FULL
from halves import half
from hostile_tables import COUNT, WIDE, hostile_table

FAST = {"fast": (70, 6), "realmlp": (50, 5), "tabm": (50, 5)}
"""Tables of every run by preset, and a number of sentences below theirs; the first of 10,000 columns is a later one."""


def target(kind: type[Any], y: list[Any]) -> list[Any]:
    """A target that the estimator takes, so that the table is what is tried."""
    is_text = any(isinstance(each, str) for each in y)
    if kind is MLPRegressor:
        return list(range(len(y))) if is_text else y
    return y if is_text or all(isinstance(each, int) for each in y) else [each > 0 for each in y]


def outcome(kind: type[Any], seed: int, preset: str = "fast") -> str:
    """What became of a table: "fitted", or the sentence; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, while the table is made
        case = hostile_table(seed)
    settings: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0}
    settings |= {"preprocess": "auto", "preset": preset, "n_members": 2 if preset == "tabm" else 1}
    try:
        net = kind(**settings).fit(case.X, target(kind, case.y))
        for X in (case.X, case.later):
            assert len(net.predict(X)) == len(net.transform(X))
            out = net.predict_proba(X) if kind is MLPClassifier else net.predict(X)
            assert np.isfinite(out).all(), (seed, case.name)
    except ChainruleError as error:
        text = str(error)
        assert 20 < len(text) < 500 and text.endswith((".", "?)")), (seed, case.name, text)
        return text
    return "fitted"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("kind", "preset"), half([MLPClassifier, MLPRegressor], PRESETS))
def test_many_tables(kind: type[Any], preset: str):
    count, sentences = FAST[preset]
    found = [outcome(kind, seed, preset) for seed in range(count)]
    assert 0.3 < found.count("fitted") / count < 0.9 and len({text[:25] for text in found}) > sentences


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_more_tables(kind: type[Any]):
    """A third with CHAINRULE_FULL=1, else an eleventh."""
    seeds = range(0, COUNT, 3 if FULL else 11)  # among them one of 10,000 columns
    found = [outcome(kind, seed) for seed in seeds]
    assert any(seed % WIDE == WIDE - 1 for seed in seeds)
    assert 0.3 < found.count("fitted") / len(seeds) < 0.9


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            [0.1, 0.2, "x"],
            r"X must be a data frame.*, not \[0.1, 0.2, 'x'\]; pass \[X\] for a single row, or",
        ),
        ([0.5] * 10**6, r"0.5, \.\.\.\]; pass \[X\] for a single row, or {'x': X} for a single column\."),
        (("a", "b"), r"not \('a', 'b'\); pass \[X\]"),
        (None, "X must be a data frame, a dict of columns or rows, not None."),
        ("table.csv", "a dict of columns or rows, not 'table.csv'."),
        (np.zeros(3), "Expected 2D array for X"),
    ],
)
def test_what_is_no_table_of_rows(given: object, said: str):
    with pytest.raises(ShapeError, match=said):
        read(given)
