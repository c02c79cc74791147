"""What a fit notices by itself: leaks that are planted, and tables that have none."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import ensemble
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.preprocessing import TargetEncoder

from chainrule import ChainruleError, FormatError, LeakWarning, MLPClassifier, MLPRegressor
from chainrule.core import codec
from chainrule.tables.rarity import mean_squares
from chainrule.trust import notices
from chainrule.trust.notice import Notice, Notices
from chainrule.trust.notices import SampledTable, autocorrelation, blocks, frequent
from chainrule.views import words
from hostile_tables import hostile_table

N = 600


def noise(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=shape or N)


def table(seed: int = 1) -> pd.DataFrame:
    """Three columns of which a target may be made."""
    return pd.DataFrame(noise(N, 3, seed=seed), columns=["a", "b", "c"])


def fitted(X: Any, y: Any, **passed: Any) -> Any:
    """A fit of one epoch, and its warnings."""
    numeric = np.asarray(y).dtype.kind == "f"
    made = (MLPRegressor if numeric else MLPClassifier)(
        preprocess="auto", hidden_layer_sizes=(2,), max_iter=1, random_state=0
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", LeakWarning)
        made.fit(X, y, **passed)
    assert [str(each.message) for each in said] == [str(each) for each in made.notices_]
    assert all(each.filename == __file__ for each in said)
    return made


def found(X: Any, y: Any, **passed: Any) -> list[tuple[str, tuple[str, ...]]]:
    return [(each.what, each.columns) for each in fitted(X, y, **passed).notices_]


def persons() -> tuple[pd.DataFrame, Any]:
    """120 persons with 5 rows each, in any order."""
    person = np.random.default_rng(0).permutation(np.repeat(np.arange(120), 5))
    X = table().assign(person=[f"P{k}" for k in person])
    return X, X["a"] + 2 * noise(120)[person] + 0.3 * noise(seed=5)


def series() -> tuple[pd.DataFrame, Any]:
    """A random walk through the hours."""
    X = table().assign(when=pd.date_range("2024-01-01", periods=N, freq="h"))
    return X, X["a"] + np.cumsum(noise(seed=7))


# --- each kind by name


@pytest.mark.parametrize("scale", [1.0, -1e-6, 1e9])
def test_a_copy_of_a_number(scale: float):
    X = table()
    y = np.exp(X["a"] + noise(seed=2))  # skewed, as prices are
    assert found(X.assign(copy=scale * (y + 0.01 * noise(seed=3))), y) == [("target", ("copy",))]


@pytest.mark.parametrize(
    ("kind", "gaps"),
    [
        ("same", 0.05),
        ("bent", 0.05),
        ("noisy", 0.3),
        ("same", 0.8),
        ("bent", 0.8),
        ("word", 0.3),
        ("word", 0.8),
    ],
)
def test_a_copy_with_gaps(kind: str, gaps: float):
    """What it explains of all rows is little, so the rows where it has a value are looked at by themselves."""
    X, random = table(), np.random.default_rng(0)
    y = X["a"] + noise(seed=2)
    copy = {
        "same": y,
        "bent": -np.exp(y),
        "noisy": 3 * y + 0.05 * noise(seed=3),
        "word": pd.Series(np.where(y > 0, "p", "q"), dtype=object),
    }[kind].where(random.permutation(N) >= gaps * N)
    made = fitted(X.assign(copy=copy), np.where(y > 0, "yes", "no") if kind == "word" else y)
    notice = made.notices_[0]
    assert [(each.what, each.columns) for each in made.notices_] == [("target", ("copy",))]
    assert notice.share == pytest.approx(1 - gaps) and notice.figure > 0.97
    share = f"{100 * (1 - gaps):.1f} %"
    assert f"gives the target away in the {share} of the rows where it has a value: alone it" in str(notice)
    assert words.verdict.on_other_rows(notice).endswith("without 'copy' on the rows with a value")
    with words.spoken_in("zh"):
        assert f"在有值的 {share} 資料列中" in str(notice)
        assert "在有值的列上" in words.verdict.on_other_rows(notice)


def test_copies_do_not_hide_each_other():
    X = table()
    y = X["a"] + noise(seed=2)
    is_there = np.arange(N) % 2 == 0
    assert {*found(X.assign(one=y, two=2 * y), y)[0][1]} == {"one", "two"}
    assert {*found(X.assign(one=y, two=y.where(is_there)), y)[0][1]} == {"one", "two"}
    halves = X.assign(even=y.where(is_there), odd=y.where(~is_there))
    notice = fitted(halves, y).notices_[0]
    assert set(notice.columns) == {"even", "odd"} and notice.share == 1
    notice = fitted(halves[:400].assign(odd=y.where(np.arange(N) % 4 == 1)), y[:400]).notices_[0]
    assert set(notice.columns) == {"even", "odd"} and "75.0 % of the rows where they have a value" in str(
        notice
    )


@pytest.mark.parametrize("rows", [100, 140])
def test_a_copy_of_few_numbers(rows: int):
    X = table()[:rows]
    y = X["a"] + noise(seed=2)[:rows]
    assert found(X.assign(copy=np.exp(y)), y) == [("target", ("copy",))]


@pytest.mark.parametrize("gaps", [0.05, 0.3, 0.8])
def test_values_with_gaps_that_give_nothing_away(gaps: float):
    X, is_there = table(), np.random.default_rng(0).random(N) >= gaps
    y = X["a"] + noise(seed=2)
    assert found(X.assign(near=(y + 0.4 * noise(seed=3)).where(is_there)), y) == []
    classes = np.where(y > 0, "yes", "no")
    assert found(X.assign(near=(y + 0.4 * noise(seed=3)).where(is_there)), classes) == []


def test_values_of_one_class_with_gaps_give_nothing_away():
    X = table()
    y = X["a"] + noise(seed=2)
    classes = np.where(y > 0, "yes", "no")
    only = pd.Series(noise(seed=3)).where((y > 0) & (np.arange(N) % 2 == 0))
    assert found(X.assign(only=only), classes) == []
    assert found(X.assign(only=only, copy=classes), classes) == [("target", ("copy",))]


def test_moments_with_gaps_give_nothing_away():
    X = table().assign(when=pd.date_range("2024-01-01", periods=N, freq="h"))
    y = np.sin(np.arange(N) / 60) + 0.01 * X["a"]
    some = X.assign(when=X["when"].where(np.random.default_rng(0).random(N) >= 0.1))
    assert "target" not in [what for what, _ in found(some, y)]


def test_a_column_that_is_known_after_a_class():
    X = table()
    y = np.where(X["a"] + noise(seed=3) > 0, "yes", "no")
    later = pd.Series(np.where(y == "yes", pd.Timestamp("2024-05-01"), None))
    assert found(X.assign(left_on=later), y) == [("target", ("left_on",))]


@pytest.mark.parametrize("rare", [60, 30, 12])
@pytest.mark.parametrize("kind", ["number", "text", "gap"])
def test_a_value_that_only_the_rarer_class_has(kind: str, rare: int):
    """Its few values fill no intervals, so whether one is there is looked at by itself."""
    X = table()
    is_rare = np.argsort(np.argsort(-(X["a"] + 2 * noise(seed=3)))) < rare
    values = {
        "number": np.where(is_rare, noise(seed=5), np.nan),
        "text": np.where(is_rare, np.random.default_rng(0).choice([*"uvwxyz"], N), None),
        "gap": np.where(is_rare, np.nan, noise(seed=5)),
    }[kind]
    assert found(X.assign(paid_back=values), np.where(is_rare, "yes", "no")) == [("target", ("paid_back",))]


def test_a_value_that_is_there_where_a_number_is_large():
    X = table()
    is_large = X["a"] + 2 * noise(seed=3) > 2
    y = np.where(is_large, 20 + noise(seed=4), 0.0)
    assert found(X.assign(bill=np.where(is_large, noise(seed=5), np.nan)), y) == [("target", ("bill",))]


@pytest.mark.parametrize("there", [0.02, 0.5, 0.98])
def test_values_that_are_missing_more_often_for_a_class_give_nothing_away(there: float):
    X = table()
    y = np.where(X["a"] + noise(seed=3) > 1.5, "yes", "no")
    chance = np.random.default_rng(0).random(N) < np.where(y == "yes", there, there / 2)
    assert found(X.assign(more=np.where(chance, noise(seed=5), np.nan)), y) == []


def test_a_sum_that_is_the_target():
    X = table().assign(d=noise(seed=4))
    assert found(X, X["b"] + 3 * X["d"]) == [("target", ("b", "d"))]
    sentence = str(fitted(X, X["b"] + 3 * X["d"]).notices_[0])
    assert "with them and" in sentence and "; if they would not be known when predicting, pass" in sentence


def test_a_number_of_the_rows():
    X = table()
    shuffled = np.random.default_rng(0).permutation(N)
    assert found(X.assign(entry=shuffled), X["a"] + noise(seed=2)) == [("row_number", ("entry",))]
    assert (
        found(X.assign(entry=shuffled * 9), X["a"] + noise(seed=2)) == []
    )  # numbers with gaps are quantities


def test_rows_of_persons():
    X, y = persons()
    notice = fitted(X, y).notices_[0]
    assert (notice.what, notice.columns, notice.score, notice.groups) == ("groups", ("person",), "r2", 120)
    assert notice.score_with > notice.score_without + 0.3
    assert 0.7 < notice.figure < 0.9  # 4 of 5.09
    assert "fit(groups='person')" in str(notice)


def test_equal_rows():
    """Persons without a column that names them."""
    person = np.random.default_rng(0).permutation(np.repeat(np.arange(120), 5))
    X = table().loc[person].reset_index(drop=True)
    y = X["a"] + 2 * noise(120)[person] + 0.3 * noise(seed=5)
    notice = fitted(X, y).notices_[0]
    assert (notice.what, notice.columns, notice.figure, notice.groups) == ("repeated", (), 1.0, 120)


def hidden_persons(seed: int = 0) -> tuple[pd.DataFrame, Any]:
    """Persons whom no column names: age, weight and clinic are theirs, the dose is a visit's."""
    random = np.random.default_rng(seed)
    own = pd.DataFrame(
        {
            "age": random.integers(20, 80, 120),
            "weight": random.normal(75, 14, 120).round(1),
            "clinic": random.choice(list("abcdefgh"), 120),
            "level": random.normal(0, 2, 120),
        }
    )
    X = own.loc[random.permutation(np.repeat(np.arange(120), 5))].reset_index(drop=True)
    X["dose"] = random.gamma(3, 2, N).round(2)
    y = X.pop("level") + 0.1 * X["dose"] + random.normal(0, 0.5, N)
    return X, y


@pytest.mark.parametrize("seed", range(3))
def test_persons_whom_no_column_names(seed: int):
    X, y = hidden_persons(seed)
    notice = fitted(X, y).notices_[0]
    assert notice.what == "groups" and "weight" in notice.columns
    assert set(notice.columns) <= {"age", "weight", "clinic"}
    assert 115 <= notice.groups <= 125 and notice.score_with > notice.score_without + 0.5
    if len(notice.columns) > 1:
        key = X.groupby(list(notice.columns)).ngroup()
        assert f"fit(groups=X.groupby({list(notice.columns)}).ngroup())" in str(notice)
        assert found(X, y, groups=key.to_numpy()) == []


def test_persons_who_differ_in_nothing_else_are_not_noticed():
    """Their rows find each other, and say nothing of each other's targets."""
    X, _ = hidden_persons()
    assert found(X, 0.1 * X["dose"] + noise(seed=3)) == []


def test_quantities_that_follow_from_each_other_are_no_persons():
    """Rows with the same two have the same third, as has a row with nearly the same two."""
    random = np.random.default_rng(0)
    dew, humid = random.integers(0, 16, N) / 2 + 0.25, random.integers(0, 8, N) * 5.5
    X = pd.DataFrame(
        {"dew": dew, "humid": humid, "pressure": (dew * 3 + humid).round(), "wind": noise(seed=1)}
    )
    assert found(X, dew + humid / 4 + 0.1 * noise(seed=2)) == []


def test_rows_in_order_of_time():
    X, y = series()
    assert found(X, y) == [("time", ("when",))]
    mixed = np.random.default_rng(0).permutation(N)
    assert found(X.loc[mixed].reset_index(drop=True), y[mixed].to_numpy()) == [("time", ("when",))]
    assert found(X[["a", "b"]].assign(level=y + 5 * noise(seed=9)), y) == [("order", ())]
    hours = X.assign(hour_number=np.arange(N) * 2.0).drop(columns="when")
    assert found(hours, y) == [("time", ("hour_number",))]


# --- what was said already, and honest tables


def test_what_is_passed_is_not_noticed():
    X, y = persons()
    assert found(X, y, groups="person") == []
    assert found(X, y, X_val=X[:60], y_val=y[:60]) == []
    X, y = series()
    assert found(X, y, time="when") == []
    assert found(X, y, groups=np.arange(N) // 5) == [("time", ("when",))]


HONEST = {"diabetes": load_diabetes, "iris": load_iris, "wine": load_wine, "cancer": load_breast_cancer}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_table(name: str):
    X, y = HONEST[name](return_X_y=True, as_frame=True)
    assert found(X, y.astype(float) if name == "diabetes" else y.astype(str)) == []


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_not_noticed(seed: int):
    random = np.random.default_rng(seed)
    X = table(seed).assign(word=random.choice(list("abcdefgh"), N), id_code=random.integers(0, 100, N))
    assert found(X, random.normal(size=N)) == found(X, random.integers(0, 3, N)) == []
    assert found(X, (X["a"] + noise(seed=seed + 10)).to_numpy()) == []


def test_a_sorted_table_is_not_in_time():
    X, y = table(), noise(seed=3)
    by_column = X.sort_values("a", ignore_index=True)
    assert found(by_column, by_column["a"] + y) == []
    assert found(X, np.sort(y)) == []
    assert found(X, np.sort(np.random.default_rng(0).integers(0, 4, N))) == []


def test_equal_rows_of_few_categories_are_chance():
    random = np.random.default_rng(0)
    X = pd.DataFrame({name: random.choice(list("xyz"), N) for name in "abc"})
    assert found(X, (X["a"] == "x") + noise(seed=1)) == []


# --- off, kept, and without an effect


def test_ignored_warnings_cost_nothing(monkeypatch: pytest.MonkeyPatch):
    X, y = persons()
    monkeypatch.setattr(notices, "small_score", None)
    assert len(MLPRegressor(preprocess="auto", max_iter=1).fit(X, y).notices_) == 0  # pytest ignores them


def test_arrays_are_not_looked_at():
    X = noise(N, 3)
    made = MLPRegressor(max_iter=1, early_stopping=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", LeakWarning)
        assert made.fit(X, X[:, 0]).notices_ == Notices()


def test_the_bits_of_a_fit_do_not_change():
    X, y = persons()
    plain = MLPRegressor(preprocess="auto", hidden_layer_sizes=(2,), max_iter=1, random_state=0).fit(X, y)
    assert len(fitted(X, y).notices_) == 1 and len(plain.notices_) == 0
    assert np.array_equal(fitted(X, y).model_.theta, plain.model_.theta)


def test_a_fit_that_goes_on_keeps_its_notices():
    X, y = persons()
    made = fitted(X, y).set_params(warm_start=True)
    assert len(made.partial_fit(X, y).notices_) == 1


def test_a_file_keeps_them(tmp_path: Path):
    made = fitted(*persons())
    made.save(tmp_path / "model.safetensors")
    assert MLPRegressor.load(tmp_path / "model.safetensors").notices_ == made.notices_


def test_a_file_is_readable_where_no_row_of_a_class_is_judged(tmp_path: Path):
    y = np.full(N, "no")
    y[np.random.default_rng(0).permutation(N)[N // 3 :][:40]] = "ok"  # all of them among those learned from
    fitted(table().assign(copy=y, entry=np.random.default_rng(1).permutation(N)), y).save(tmp_path / "model")
    assert MLPClassifier.load(tmp_path / "model").notices_ == Notices()


@pytest.mark.parametrize(
    "change",
    [
        {"what": "else"},
        {"columns": []},
        {"columns": [3]},
        {"score": "f1"},
        {"figure": float("inf")},
        {"groups": -1},
        {"more": 1},
    ],
)
def test_a_damaged_file_is_refused(change: dict[str, Any]):
    whole = Notice("groups", ("a",), "r2", 0.9, 0.1, 0.5, 3)
    assert list(codec.read(Notices, codec.write(Notices((whole,))), "the notices")) == [whole]
    with pytest.raises(FormatError, match="notice"):
        codec.read(Notices, {"found": [whole._asdict() | change]}, "the notices")


def test_a_notice_is_shown_in_both_languages():
    notices = Notices(
        tuple(
            Notice(what, ("a", "b")[: 1 + (what == "target")], "auc", 0.9, 0.6, 0.97, 3, 0.5)
            for what in words.notices.KINDS
        )
    )
    texts = []
    for language in ("en", "zh"):
        with words.spoken_in(language):
            texts.append((str(notices), notices._repr_html_()))
            assert str(notices).count("\n") == 5 and str(notices).count("0.900") == 6
            assert all(head in notices._repr_html_() for head in words.notices.HEADS)
            assert words.notices.NOTHING in Notices()._repr_html_()
    assert texts[0] != texts[1] and repr(notices).startswith("<Notices: target(a, b), row_number(a)")


# --- the parts, by hand


def small(values: Any, y: Any, labels: int = 0) -> SampledTable:
    values = np.asarray(values, float)
    rows, count = values.shape
    return SampledTable(
        *(tuple("abcdefgh"[:count]), ("number",) * count, values, np.ones(count, bool)),
        *(np.asarray(y, float), labels, np.arange(rows), rows),
    )


def test_correlations_by_hand():
    assert autocorrelation(np.array([[1.0], [2.0], [3.0]])) == pytest.approx(0.0)  # (-1 0 + 0 1) / 2
    assert autocorrelation(np.array([[0.0], [0.0], [1.0], [1.0]])) == pytest.approx(
        0.25
    )  # (.25 - .25 + .25) / 1
    # means 1 and 3 of two rows each: between 4, within (2 + 2) / 2 = 2, n0 = 2
    found = mean_squares(np.array([0, 0, 1, 1]), np.array([[0.0, 2.0, 2.0, 4.0]]))
    assert found is not None and found.rho == pytest.approx((4 - 2) / (4 + 2))


def test_a_column_alone_by_hand():
    values = np.tile([0.0, 1.0], 100)
    explained = notices.explained_alone(small(np.stack([values, np.zeros(200)], 1), values))
    assert explained[0] > 0.99 and abs(explained[1]) < 0.05


def test_nothing_is_said_to_be_nothing():
    assert str(Notices()) == "The fit noticed nothing about the table."
    with words.spoken_in("zh"):
        assert str(Notices()) == words.notices.NOTHING


def counted_persons(spread: float, seed: int) -> tuple[pd.DataFrame, Any]:
    """300 persons with 4 rows each, and a count of which little can be predicted. spread: of the persons."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(300), 4)
    age = random.integers(20, 70, 300)[person] + np.tile(np.arange(4), 300)
    X = pd.DataFrame({"person": person, "age": age, "dose": random.normal(size=1200)})
    mean = np.exp(spread * random.normal(size=300)[person] + 0.2 * X["dose"] + 0.5)
    return X, random.poisson(mean).astype(float)


def test_persons_whose_first_test_is_not_sure(monkeypatch: pytest.MonkeyPatch):
    assert found(*counted_persons(0.8, seed=3)) == [("groups", ("person",))]
    monkeypatch.setattr(notices, "groups_compared", lambda table, codes, group=None: notices.compared(
        table, notices.by_groups(table, codes), group))  # fmt: skip
    assert found(*counted_persons(0.8, seed=3)) == []


@pytest.mark.parametrize("seed", range(5))
def test_persons_who_are_alike(seed: int):
    assert found(*counted_persons(0.0, seed)) == []


def test_tests_together_by_hand():
    def pair(errors: list[float], score: float, group: int) -> notices.ScorePair:
        good, bad = np.array(errors), np.array(errors) + 1.0
        ways = notices.SmallScore(score, good), notices.SmallScore(score - 0.4, bad)
        return notices.ScorePair(*ways, np.full(len(errors), group))

    found = notices.pooled([pair([1.0], 0.5, 0), pair([2.0, 3.0, 6.0], 0.1, 1)])
    assert found.with_it.score == pytest.approx(0.2) and found.without.score == pytest.approx(-0.2)
    assert found.ratio == pytest.approx(16 / 12) and found.clusters is not None
    assert found.clusters.tolist() == [0, 1, 1, 1]


@pytest.fixture
def learned_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows that each of the trees' models learns."""
    counts: list[int] = []
    for kind in (ensemble.HistGradientBoostingRegressor, ensemble.HistGradientBoostingClassifier):

        def fit(self: Any, X: Any, y: Any, fit: Any = kind.fit) -> Any:
            counts.append(len(X))
            return fit(self, X, y)

        monkeypatch.setattr(kind, "fit", fit)
    return counts


@pytest.mark.parametrize(
    "what", [*(pytest.param(what, marks=pytest.mark.slow) for what in ("groups", "time")), "target"]
)
def test_some_rows_of_a_large_table_are_learned(what: str, learned_rows: list[int]):
    n, random = 30_000, np.random.default_rng(0)
    X, y = pd.DataFrame(random.normal(size=(n, 15))).add_prefix("n"), random.normal(size=n)
    if what == "groups":
        person = random.integers(0, 300, n)
        X, y = X.assign(person=[f"P{k}" for k in person]), y + 2 * random.normal(size=300)[person]
    elif what == "time":
        X, y = X.assign(when=pd.date_range("2024-01-01", periods=n, freq="h")), np.cumsum(y)
    else:
        X = X.assign(copy=y + 0.01 * random.normal(size=n))
    assert found(X, y)[0][0] == what
    assert len(learned_rows) == 2 and all(1_000 <= count <= 8_000 for count in learned_rows)


def test_tests_go_on_until_they_are_sure(learned_rows: list[int]):
    """Those of other groups are learned once for three tests."""
    assert found(*counted_persons(0.8, seed=3)) == [("groups", ("person",))]
    assert 2 < len(learned_rows) < 8


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_means_of_groups(outputs: int):
    random = np.random.default_rng(0)
    codes, of = random.integers(0, 40, 503), random.integers(0, 45, 90)
    y = random.normal(size=503) if outputs == 1 else random.integers(0, 3, 503)
    targets = y[:, None] if outputs == 1 else (y[:, None] == np.arange(3)).astype(float)
    encoder = TargetEncoder(target_type="continuous" if outputs == 1 else "multiclass").fit(codes[:, None], y)
    assert notices.group_means(codes, targets, of) == pytest.approx(encoder.transform(of[:, None]))
    assert len(np.unique(notices.means_of_others(np.zeros(503, np.int64), targets)[:, 0])) == 5


def test_a_column_that_begins_late():
    """A sensor of the last days has no value in the rows that are learned."""
    X, y = series()
    assert found(X.assign(sensor=np.where(np.arange(N) < 0.85 * N, np.nan, noise(seed=4))), y) == [
        ("time", ("when",))
    ]


def test_a_warning_needs_no_other_texts():
    code = (
        "import sys; from chainrule.trust.notice import Notice;"
        "said = str(Notice('groups', ('person',), 'r2', 0.9, 0.1, 0.5, 3));"
        "assert said.startswith('rows with the same') and 'chainrule.views.text' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_turns_of_a_split_by_groups():
    codes = np.random.default_rng(0).integers(0, 50, 1000)
    made = small(np.zeros((1000, 1)), np.zeros(1000))
    turns = [notices.by_groups(made, codes, turn) for turn in range(6)]
    tested = np.concatenate([split.test for split in turns])
    assert len(np.unique(tested)) == len(tested) and 700 < len(tested) <= 800
    for split in turns:
        assert set(codes[split.test]).isdisjoint(codes[split.far]) and len(split.near) == len(split.far)


def test_a_split_by_groups_and_by_time():
    codes = np.random.default_rng(0).integers(0, 50, 1000)
    made = small(np.zeros((1000, 1)), np.zeros(1000))
    split = notices.by_groups(made, codes)
    assert len(split.near) == len(split.far) and set(codes[split.test]).isdisjoint(codes[split.far])
    assert set(codes[split.test]) <= set(codes[split.near])
    assert set(split.test).isdisjoint(split.near) and set(split.test).isdisjoint(split.far)
    split = notices.by_time(made, np.arange(1000)[::-1], None)
    assert split.test.max() < 200 <= split.far.min() and len(split.near) == len(split.far)
    split = notices.by_time(made, np.arange(1000), codes)
    assert set(codes[split.test]).isdisjoint(codes[split.far]) and set(codes[split.test]).isdisjoint(
        codes[split.near]
    )


@given(st.integers(1, 100_000), st.integers(1, 300).map(lambda k: 20 * k), st.just(20))
def test_blocks_are_rows_in_order(n: int, most: int, count: int):
    rows = blocks(n, most, count)
    assert len(rows) == min(n, most) and (np.diff(rows) > 0).all() and rows[0] == 0 and rows[-1] == n - 1


def test_rare_classes_are_one():
    y, labels = frequent(np.array([5.0, 5, 5, 7, 7, 1, 2]), 3)
    assert labels == 3 and y.tolist() == [0, 0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("name", "time", "thing"),
    [
        *(
            ("time_hour", True, False),
            ("dteday", True, False),
            ("patientId", False, True),
            ("idcode", False, True),
        ),
        *(
            ("price", False, False),
            ("monthly", False, False),
            ("YearOfBirth", True, False),
            ("t", True, False),
        ),
    ],
)
def test_names(name: str, time: bool, thing: bool):
    assert (notices.is_of_time(name), notices.is_of_thing(name)) == (time, thing)


def test_which_rows_are_sorted():
    assert notices.steps_up(np.array([1.0, 2, 2, 3])) == 1.0 and notices.steps_up(np.array([1.0, 1])) == 0.5
    assert notices.is_sorted_by_target(small(np.zeros((6, 1)), [0, 0, 1, 1, 0, 0], labels=2))


@pytest.mark.parametrize("seed", range(0, 400, 8))
def test_hostile_tables_break_nothing(seed: int):
    case = hostile_table(seed)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", LeakWarning)
        try:
            numeric = np.asarray(case.y).dtype.kind == "f"
            kind = MLPRegressor if numeric else MLPClassifier
            kind(preprocess="auto", hidden_layer_sizes=(2,), max_iter=1).fit(case.X, case.y)
        except (ChainruleError, ValueError) as error:
            assert str(error)
