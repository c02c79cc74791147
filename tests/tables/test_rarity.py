"""How many rows a category needs for a code of its own, by the targets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from chainrule import MLPRegressor, TablePreprocessor
from chainrule.recipe.columns import TargetColumn
from chainrule.recipe.table_data import prepared
from chainrule.tables.fitting import rows_of_a_code
from chainrule.tables.preprocessor import read_known_target
from chainrule.tables.rarity import KnownTarget

GOLDEN = Path(__file__).parents[1] / "golden" / "table_preprocessor_1.json"


def groups(spread: float, count: int = 200) -> tuple[Any, Any]:
    """Categories of two rows each, whose targets are m - 1 and m + 1 with m = -spread or spread."""
    codes = np.repeat(np.arange(count, dtype=float), 2)
    middle = spread * np.where(codes % 2, 1.0, -1.0)
    return codes, (middle + np.tile([-1.0, 1.0], count))[:, None]


@pytest.mark.parametrize(("spread", "rows"), [(0.0, 10), (1.2, 10), (1.3, 5), (1.5, 3), (2.0, 2), (9.0, 2)])
def test_the_rows_by_hand(spread: float, rows: int):
    """within is 400 / (400 - 200) = 2, and between 400 spread^2 / 199.

    With spread 1.5 between is 4.523, rho 2.523 / 6.523 = 0.387 and 1.5 (1 - rho) / rho 2.38 rows. With 1.2 F is 1.447,
    no larger than 1 + 4 sqrt(2 / 199 + 2 / 200) = 1.566: not sure enough.
    """
    codes, y = groups(spread)
    assert rows_of_a_code(codes, None, KnownTarget(y)) == rows
    assert rows_of_a_code(codes, np.full(len(codes), 0.25), KnownTarget(y)) == 10  # half a row in each
    each = np.argsort(codes % 7, kind="stable")
    assert rows_of_a_code(codes[each], None, KnownTarget(y[each])) == rows


def test_rows_are_usual_where_rare_categories_are_few_or_the_target_is_not_known():
    codes, y = groups(2.0)
    common = np.full(10_000, 500.0)  # of 10,400 rows less than 5 % are of rare categories
    assert rows_of_a_code(codes, None, None) == 10
    assert (
        rows_of_a_code(np.append(codes, common), None, KnownTarget(np.append(y, np.zeros(10_000))[:, None]))
        == 10
    )
    assert (
        rows_of_a_code(
            np.append(codes, np.full(100, np.nan)), None, KnownTarget(np.append(y, np.ones(100))[:, None])
        )
        == 2
    )
    assert rows_of_a_code(np.full(50, np.nan), None, KnownTarget(np.ones((50, 1)))) == 10


def test_classes_are_compared_by_their_shares():
    codes, y = groups(2.0)
    is_second = (y[:, 0] > 0).astype(int)  # the same in both rows of a category
    for labels in (
        is_second,
        np.array(["no", "yes"])[is_second],
        is_second == 1,
        pd.Series(is_second, dtype="Int64"),
    ):
        target = read_known_target(labels, len(codes))
        assert target is not None and target.classes == 2 and rows_of_a_code(codes, None, target) == 2
    one_by_one = read_known_target(np.tile(["no", "yes"], 200), 400)
    assert rows_of_a_code(codes, None, one_by_one) == 10
    assert read_known_target(np.arange(400) % 3 + 0.5, 400).classes == 0  # type: ignore[union-attr]
    for useless in (
        None,
        [f"t{k}" for k in range(400)],
        [np.nan] * 400,
        [1, 2],
        [[1], [2, 3]] * 200,
    ):
        assert read_known_target(useless, 400) is None


def shops(rows: int = 1500, count: int = 400) -> tuple[pd.DataFrame, Any]:
    """Shops with some four rows each, which a number depends on."""
    rng = np.random.default_rng(0)
    shop = rng.integers(0, count, rows)
    size = rng.normal(size=rows)
    y = rng.normal(size=count)[shop] + 0.5 * size + 0.1 * rng.normal(size=rows)
    return pd.DataFrame({"shop": [f"s{k}" for k in shop], "size": size}), y


def test_the_default_learns_of_each_shop():
    X, y = shops()
    made = MLPRegressor(preprocess="auto", max_iter=60, refit=False, random_state=0).fit(X[:1200], y[:1200])
    assert made.score(X[1200:], y[1200:]) > 0.6  # 0.76; of the 64 most frequent shops 0.27
    assert made.preprocessor_.columns_["shop"].became == "embedded"
    new = X[1200:].assign(shop="another")
    assert np.abs(made.predict(new) - 0.5 * new["size"]).mean() < 0.5  # as of a shop that is rare


def test_categories_that_tell_nothing_share_a_code():
    X, y = shops()
    noise = np.random.default_rng(1).permutation(y)
    for made in (
        TablePreprocessor().fit(X, noise),
        TablePreprocessor().fit(X),
        TablePreprocessor(min_count=10).fit(X, y),
    ):
        assert made.columns_["shop"].became == "one_hot" and made.columns_["shop"].outputs == 65
    weight = np.where(np.arange(1500) < 1200, 1.0, 0.0)
    weighted = TablePreprocessor().fit(X, y, sample_weight=weight)
    assert weighted.columns_["shop"][1:] == TablePreprocessor().fit(X[:1200], y[:1200]).columns_["shop"][1:]
    again = TablePreprocessor.from_data(json.loads(json.dumps(weighted.to_data())))
    assert again.min_count == "auto"
    np.testing.assert_array_equal(again.transform(X), weighted.transform(X))


def test_the_command_learns_of_each_shop_by_the_rows_to_learn_from(tmp_path: Path):
    X, y = shops()
    target = TargetColumn("y", y[10:], np.arange(10, len(y)), True, "fractions")
    columns = {"shop": X["shop"].tolist(), "size": X["size"].tolist(), "y": y.tolist()}
    learned = [
        prepared(tmp_path / "t.csv", columns, each, TablePreprocessor(), 0, 0.1)[2]
        .preprocessor.columns_["shop"]
        .became
        for each in (target, target._replace(y=np.random.default_rng(1).permutation(y[10:])))
    ]
    assert learned == ["embedded", "one_hot"]


def test_what_an_earlier_version_learned_is_applied_as_it_was():
    """Written by version 0.1 before dates of two digits, times as text and 0/1 columns were taken for what they are."""
    kept = json.loads(GOLDEN.read_text())
    for made in kept["made"]:
        found = TablePreprocessor.from_data(made["data"]).transform(kept["later"])
        np.testing.assert_array_equal(found.astype(float), np.array(made["outputs"]))
