"""Whether later rows look like those of training: nothing is said of the same, and what is planted is."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from scipy.stats import binom, chi2_contingency, hypergeom, ks_2samp
from sklearn.exceptions import ConvergenceWarning

from chainrule import ConfigError, DataError, FormatError, LeakWarning, MLPRegressor, ShapeError
from chainrule.cli.check import check as check_command
from chainrule.core import codec
from chainrule.fitting.held import result_of
from chainrule.race import candidates
from chainrule.recipe.run import run
from chainrule.recipe.settings import Settings
from chainrule.trust import drift, seen
from chainrule.trust.seen import SeenColumn
from chainrule.views import words


def rows(n: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "size": random.lognormal(size=n),
            "level": np.where(random.random(n) < 0.1, np.nan, random.normal(size=n)),
            "kind": random.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1]),
            "is_new": random.random(n) < 0.4,
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 1000, n), unit="h"),
        }
    )


TRAINING = rows(1500, 0)
FITTED = MLPRegressor(preprocess="auto", hidden_layer_sizes=(2,), max_iter=1, random_state=0).fit(
    TRAINING, np.random.default_rng(99).normal(size=1500)
)


@pytest.fixture(autouse=True)
def _few_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Races of two recipes, in place of seconds."""
    monkeypatch.setattr(candidates, "CANDIDATES", candidates.CANDIDATES[:2])
    monkeypatch.setattr(candidates, "OF_FEW_ROWS", ())


def changed(X: Any) -> list[str]:
    return [each.name for each in FITTED.check(X).changed]


@pytest.mark.slow
def test_the_same_distribution_is_seldom_said_to_have_changed():
    """Within the binomial band of 5 %, of 200 tables: one of a thousand such tests fails by chance."""
    alarms = sum(bool(changed(rows(200, seed))) for seed in range(1, 201))
    assert alarms <= binom.ppf(0.999, 200, 0.05)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("size", lambda X: X.assign(size=X["size"] * 1.6)),
        ("level", lambda X: X.assign(level=X["level"].where(X["size"] > 0.8))),
        ("kind", lambda X: X.assign(kind=X["kind"].where(X["size"] > 0.5, "c"))),
        ("is_new", lambda X: X.assign(is_new=X["is_new"] | (X["size"] > 1))),
    ],
)
def test_a_planted_change_is_named(name: str, change: Any):
    assert [changed(change(rows(400, seed))) for seed in (7, 8, 9)] == [[name]] * 3


def test_rows_like_none():
    X = rows(50, 5)
    X.loc[4, "size"], X.loc[9, "kind"], X.loc[9, "level"] = 1e6, "z", -1e6
    found = FITTED.check(X)
    assert found.strange_rows.tolist() == [4, 9] and found.strange[9] == 2
    by_name = {each.name: each for each in found.columns}
    assert by_name["kind"].unknown == 1 and by_name["size"].beyond >= 1
    assert by_name["size"].to_data()["strange_rows"] == [4]
    assert by_name["when"].p_value is None  # it is later by its nature
    assert "2 of 50 rows look like nothing in training: 4 (size); 9 (level and kind)." in str(found)
    assert str(found).endswith("Unknown: categories that training did not have.")
    assert "Beyond: numbers outside of the range of training." in found.html()
    with words.spoken_in("zh"):
        assert str(found).endswith("未知：訓練資料沒有的類別的個數。")
        assert "50 列中有 2 列" in str(found) and words.drift.TITLE in found._repr_html_()


def test_how_far_beyond_the_range_a_number_is_strange_by_hand():
    """By a tenth of what is between the shares of 1 % and 99 %, 10 to 990 here: 98 below -5,000 or above 9,000."""
    X = pd.DataFrame({"x": [-5_000.0, *range(1, 1_000), 9_000.0]})
    net = MLPRegressor(preprocess="auto", hidden_layer_sizes=(2,), max_iter=1, random_state=0).fit(X, X["x"])
    found = net.check(pd.DataFrame({"x": [-5_097.0, -5_099.0, 500.0, 9_097.0, 9_099.0]}))
    assert found.strange_rows.tolist() == [1, 4] and found.columns[0].beyond == 4


def test_missing_values_have_no_part_in_the_distance_of_numbers():
    """Nor in its p-value: 100 numbers beside 100 gaps are 100 numbers."""
    x, later = np.arange(100.0), pd.DataFrame({"x": np.arange(40.0, 130, 2)})
    found = []
    for values in (x, np.r_[x, np.full(100, np.nan)]):
        net = MLPRegressor(preprocess="auto", hidden_layer_sizes=(2,), max_iter=1, random_state=0)
        (column,) = net.fit(pd.DataFrame({"x": values}), np.arange(len(values))).check(later).columns
        found.append((column.distance, column.p_value, column.beyond, column.missing_now))
    assert found[0] == found[1] and 1e-6 < found[0][1] < 0.01


def test_fewer_missing_values_are_no_change_and_more_are_by_fishers_test():
    X = pd.DataFrame({"x": np.where(np.arange(100) < 40, np.nan, np.arange(100.0))})
    net = MLPRegressor(preprocess="auto", hidden_layer_sizes=(2,), max_iter=1, random_state=0)
    net.fit(X, np.arange(100))
    same = X["x"][40:].to_numpy()  # the numbers are as they were
    for missing in (1, 80):
        rows_ = pd.DataFrame({"x": [*same, *[np.nan] * missing]})
        (column,) = net.check(rows_).columns
        assert column.p_value == 1
        n = 100 + len(rows_)  # with 40 + missing gaps in all
        expected = hypergeom.sf(missing - 1, n, 40 + missing, len(rows_))
        corrected = min(1.0, 2 * expected)  # the smaller one of two
        assert column.p_missing == pytest.approx(corrected)
        assert net.check(rows_).changed == ((column,) if missing == 80 else ())


def test_where_training_had_rare_categories_others_are_not_told_apart():
    later = rows(50, 5)
    later.loc[9, "kind"] = "z"
    columns, known = seen.read_columns(later, FITTED.preprocessor_), list(result_of(FITTED).seen)
    for rare in (0, 3):
        known[2] = known[2]._replace(counts=(*known[2].counts[:-1], rare))
        kind = drift.check(known, columns, 0.05).columns[2]
        assert (kind.unknown, list(kind.strange_rows)) == ((1, [9]) if rare == 0 else (0, []))


def test_a_missing_value_is_strange_where_training_had_none():
    X = pd.DataFrame({"a": np.arange(60.0), "b": [None, *range(59)], "c": ["x", "y"] * 30})
    net = MLPRegressor(preprocess="auto", max_iter=1, random_state=0).fit(X, X["a"])
    later = X[1:6].reset_index(drop=True)
    later.loc[1, "a"], later.loc[2, "b"], later.loc[3, "c"], later.loc[4, "a"] = None, None, None, None
    found = net.check(later)
    assert [found.strange_columns(row) for row in range(5)] == [[], ["a"], [], ["c"], ["a"]]
    assert "3 of 5 rows look like nothing in training: 1, 4 (a); 3 (c)." in str(found)


def test_many_strange_columns_of_a_row_are_counted():
    X = np.random.default_rng(0).normal(size=(100, 8))
    net = MLPRegressor(preprocess="auto", max_iter=1, random_state=0).fit(X, X[:, 0])
    later = X[:3].copy()
    later[1, 2:] = 99
    found = net.check(later)
    assert found.strange_columns(1) == list("234567") and not found.strange_columns(0)
    assert "1 of 3 rows looks like nothing in training: 1 (2, 3, 4 and 3 more)." in str(found)


def test_columns_are_those_of_training():
    """In any order, beside others; a column that lacks is said, and arrays go by the order of training."""
    X = rows(60, 6)
    turned = X[[*X.columns[::-1]]].assign(more="text")
    assert FITTED.check(turned).columns == FITTED.check(X).columns
    assert FITTED.check(X.iloc[0]).columns == FITTED.check(X[:1]).columns
    with pytest.raises(DataError, match="X lacks 'kind' of the 5 columns the model was trained on"):
        FITTED.check(X.drop(columns="kind"))
    with pytest.raises(ShapeError, match="X has 3 features, but TablePreprocessor is expecting 5"):
        FITTED.check(X.to_numpy(object)[:, :3])


@pytest.mark.parametrize(
    "settings", [{"refit": False}, {}, {"preset": "best", "refit": False, "time_limit": 9.0}]
)
def test_a_table_is_compared_as_the_network_reads_it(settings: dict[str, Any]):
    """Its preprocessor has learned without the latest rows, whose categories it does not know."""
    X, y = rows(120, 8).sort_values("when"), np.random.default_rng(8).normal(size=120)
    X["kind"] = np.where(
        np.arange(120) < 102, X["kind"], np.where(np.arange(120) % 2, "a new one", "another")
    )
    net = MLPRegressor(preprocess="auto", hidden_layer_sizes=(2,), early_stopping=True, random_state=0)
    net.set_params(max_iter=1, **settings).fit(X, y, time="when")
    found = net.check(X)
    assert not found.changed and {each.name: each.distance for each in found.columns}["kind"] == 0


@pytest.mark.parametrize(
    "settings", [{"refit": False}, {"preset": "best", "refit": False, "time_limit": 6.0}]
)
def test_only_columns_that_the_network_reads_otherwise_are_counted_again(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    """What is kept is what the network's preprocessor makes of the whole table, and no number is sorted twice."""
    X, y = rows(120, 8).sort_values("when"), np.random.default_rng(8).normal(size=120)
    X["kind"] = np.where(np.arange(120) < 102, X["kind"], "a new one")
    sorted_columns, read = [], []

    class Spied(seen.Ordered):
        def quantiles(self, shares: Any) -> Any:
            sorted_columns.append(shares)
            return super().quantiles(shares)

    def counting(*passed: Any, **more: Any) -> Any:
        found = counted(*passed, **more)
        read.append([learned.name for learned, _ in found])
        return found

    counted = seen.read_columns
    monkeypatch.setattr(seen, "Ordered", Spied)
    monkeypatch.setattr(seen, "read_columns", counting)
    net = MLPRegressor(preprocess="auto", hidden_layer_sizes=(2,), early_stopping=True, random_state=0)
    net.set_params(max_iter=1, **settings).fit(X, y, time="when")
    assert len(sorted_columns) == 3 and read == [["size", "level", "kind", "is_new", "when"], ["kind"]]
    assert result_of(net).seen == seen.summarize_columns(counted(X, net.preprocessor_))


def test_statistics_of_other_categories_are_left_out():
    size, level, kind, *others = result_of(FITTED).seen
    of_others = [size, level, kind._replace(counts=(*kind.counts, 3)), *others[1:]]
    columns = seen.read_columns(TRAINING, FITTED.preprocessor_)
    assert [each.name for each in drift.check(of_others, columns, 0.05).columns] == ["size", "level", "when"]


def test_the_distance_is_at_most_the_real_one_and_near_it():
    random = np.random.default_rng(0)
    for shift in (0.0, 0.3, 3.0):
        before, now = random.normal(size=997), random.normal(shift, size=200)
        learned = FITTED.preprocessor_.learned_[0]
        sketch = np.array(seen.summarize_columns([(learned, before)])[0].quantiles)
        exact = ks_2samp(before, now, method="asymp")
        distance = drift.ks_distance(sketch, now)
        assert exact.statistic - 0.011 <= distance <= exact.statistic + 1e-12
        assert drift.ks_p_value(exact.statistic, 997, 200) == pytest.approx(exact.pvalue)


def test_distances_by_hand():
    assert drift.ks_distance(np.linspace(0, 1, 101), np.array([2.0])) == 1.0
    assert drift.ks_distance(np.linspace(0, 1, 101), np.array([-1.0])) == 1.0
    distance, p_value = drift.levels(np.array([50, 50]), np.array([75, 25]))
    assert distance == 0.25 and p_value == pytest.approx(0.000256, abs=1e-5)  # chi2 = 13.33 of one degree
    # categories of which fewer than 5 are expected are one: chi2 of 60, 40 and 3 beside 40, 60 and 4
    _, p_value = drift.levels(np.array([60, 40, 1, 2]), np.array([40, 60, 3, 1]))
    assert p_value == pytest.approx(chi2_contingency([[60, 40, 3], [40, 60, 4]], correction=False).pvalue)
    # that is of the fewer rows: of 20 rows beside 1,000
    _, p_value = drift.levels(np.array([12, 5, 2, 1]), np.array([500, 400, 60, 40]))
    assert p_value == pytest.approx(chi2_contingency([[12, 5, 3], [500, 400, 100]], correction=False).pvalue)


def test_a_file_keeps_the_statistics(tmp_path: Path):
    FITTED.save(tmp_path / "model.safetensors")
    found = MLPRegressor.load(tmp_path / "model.safetensors").check(rows(50, 3))
    assert found.to_data() == FITTED.check(rows(50, 3)).to_data()


def test_the_command_checks_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A run keeps the statistics, warns of what it notices, and `chainrule check` reads them."""
    hours = pd.DataFrame({"day": np.arange(400) // 4, "size": np.random.default_rng(0).normal(size=400)})
    hours["cost"] = hours["size"] + np.cumsum(np.random.default_rng(1).normal(size=400))
    hours.to_csv(tmp_path / "table.csv", index=False)
    hours.assign(copy=hours["cost"] * 2).to_csv(tmp_path / "leaks.csv", index=False)
    hours.assign(size=hours["size"] + 1).to_csv(tmp_path / "later.csv", index=False)
    settings = Settings(target_column="cost", epochs=1, hidden=(2,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", LeakWarning)
        with pytest.raises(LeakWarning, match="'copy' nearly gives"):
            run(str(tmp_path / "leaks.csv"), settings, out=tmp_path / "warned")
    run(str(tmp_path / "table.csv"), settings, out=tmp_path / "run")
    check_command(model=str(tmp_path / "run"), later=str(tmp_path / "later.csv"), lang="en")
    assert "400 rows: 1 of 2 columns changed: size." in capsys.readouterr().out
    hours[["day"]].to_csv(tmp_path / "lacks.csv", index=False)
    with pytest.raises(typer.Exit):
        check_command(model=str(tmp_path / "run"), later=str(tmp_path / "lacks.csv"), lang="en")
    assert "lacks.csv lacks 'size' of the 2 columns" in capsys.readouterr().err
    page = tmp_path / "check.html"
    check_command(model=str(tmp_path / "run"), later=str(tmp_path / "later.csv"), out=page, lang="zh")
    assert f"已寫入 {page}" in capsys.readouterr().out.replace("\n", "")
    assert "<h1>這些資料列與訓練時相似嗎？</h1>" in page.read_text("utf-8")


def test_a_figure_has_a_bar_for_each_column_and_a_diamond_where_more_are_missing():
    later = rows(400, 5)
    later["size"] *= 2
    later.loc[:80, "level"] = np.nan
    found = FITTED.check(later)
    changed, same, missing = found.figure().data
    by_name = {each.name: each for each in found.columns}
    assert list(changed.x) == [by_name[name].distance for name in ("size", "level")]
    assert [told[0] for told in same.customdata] == ["is_new", "kind", "when"] and same.x[2] == 0
    level = by_name["level"]
    assert list(missing.x) == [pytest.approx(level.missing_now - level.missing_before)]
    assert [list(found.figure().layout.yaxis.ticktext)[i] for i in missing.y] == ["level"]


def test_without_statistics():
    arrays = MLPRegressor(max_iter=1, solver="lbfgs")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        arrays.fit(np.eye(20), np.arange(20.0))
    with pytest.raises(ConfigError, match="needs the statistics"):
        arrays.check(np.eye(20))
    with pytest.raises(ConfigError, match="level"):
        FITTED.check(TRAINING, level=2)


UNORDERED = [["a", 300, 2, [*map(float, range(100)), 98.0], []]]


@pytest.mark.parametrize("damaged", [3, [3], [["a", 1, 2, [], []]], [["a", 3, 2, [2.0, 1.0], []]], UNORDERED])
def test_damaged_statistics_are_refused(damaged: object):
    with pytest.raises(FormatError, match="statistics"):
        codec.read(tuple[SeenColumn, ...], damaged, "the statistics of the columns")
