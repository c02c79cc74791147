"""Hostile tables: fitted or refused in a clear sentence, and nothing else."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from chainrule import ChainruleError, TablePreprocessor
from full import FULL
from hostile_tables import COUNT, WIDE, hostile_table

FAST = 140
"""Tables of every run; WIDE apart, whose columns take seconds."""


def outcome(seed: int) -> str:
    """What became of a table: "fitted", or the sentence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, while the table is made
        case = hostile_table(seed)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "column '")  # what a user should know of one
            fitted = TablePreprocessor().fit(case.X, case.y)
        made = fitted.transform(case.X)
        assert made.dtype == np.float32 and np.isfinite(made).all()
        assert made.shape[1] == len(fitted.get_feature_names_out())
        again = TablePreprocessor.from_data(json.loads(json.dumps(fitted.to_data(), allow_nan=False)))
        assert again.transform(case.X).tobytes() == made.tobytes()
        assert str(fitted.columns_)
        assert np.isfinite(fitted.transform(case.later)).all()
    except ChainruleError as error:
        text = str(error)
        assert 20 < len(text) < 500 and text.endswith((".", "?)")), (case.name, text)
        return text
    return "fitted"


def test_many_tables():
    found = [outcome(seed) for seed in range(FAST) if seed % WIDE != WIDE - 1]
    fitted = found.count("fitted")
    assert 0.3 < fitted / len(found) < 0.9, "the generator makes tables of both kinds"
    assert len({text[:25] for text in found}) > 8


@pytest.mark.slow
def test_more_tables():
    """All with CHAINRULE_FULL=1, else of those that no other test takes a third."""
    seeds = range(COUNT) if FULL else range(FAST, COUNT, 3)
    found = [outcome(seed) for seed in seeds]
    assert any(seed % WIDE == WIDE - 1 for seed in seeds)
    assert 0.3 < found.count("fitted") / len(seeds) < 0.9


def test_a_seed_makes_the_same_table():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(14):
            one, other = hostile_table(seed), hostile_table(seed)
            assert one.name == other.name and str(one.y) == str(other.y)
    assert outcome(0) == outcome(0)
