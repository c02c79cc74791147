"""What preprocess="auto" sets, what it leaves, and that the parameters are as before afterwards."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from chainrule import (
    AdamW,
    ConfigError,
    Cosine,
    Dense,
    Dropout,
    FlatCosine,
    LeCunNormal,
    MeanOverMembers,
    MLPClassifier,
    MLPRegressor,
    Model,
    Scale,
    TablePreprocessor,
    Tanh,
)
from chainrule.fitting.curve import LearningCurve
from chainrule.fitting.parameters import values_of
from chainrule.fitting.plan import FitPlan, resolved
from chainrule.presets import PRESETS, fast
from chainrule.presets.base import Facts, Proposal, Recipe
from chainrule.presets.variants import VARIANTS
from chainrule.tables.data import FitInput, of_table

EMBEDDING = "piecewise_linear_embedding"


def table(n: int = 200) -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"size": rng.normal(size=n), "kind": rng.choice(["a", "b", "c"], n)})
    return frame, frame["size"] * 3 + (frame["kind"] == "a") * 5 + 100


def values(rows: int) -> dict[str, Any]:
    return fast.fast(Facts(rows, 2, "regression", {})).parameters


def kinds(net: Any) -> list[str]:
    return [link.layer.kind for link in net.model_.network.walk()]


def test_rows_of_few_groups_have_a_narrow_network():
    """Before and after all rows are learned from; of more groups it is as of rows that do not belong together."""
    for groups, sizes in ((None, (256, 128, 64)), (1_500, (64, 64)), (1_501, (256, 128, 64))):
        found = fast.fast(Facts(6_000, 2, "regression", {}, groups=groups)).parameters
        assert found["hidden_layer_sizes"] == sizes
        assert found["dropout"] == (0.2 if len(sizes) == 2 else 0.1)
    X, y = table()
    who, seen = np.arange(len(y)) // 4, set[tuple[int, ...]]()
    watched = {
        "n_members": 1,
        "max_iter": 3,
        "callbacks": lambda run: seen.add(tuple(W.shape[1] for W in net.coefs_)),
    }
    net = MLPRegressor(preprocess="auto", random_state=0, **watched)
    net.fit(X, y, groups=who)
    assert net.n_iter_refit_ and [W.shape[1] for W in net.coefs_] == [64, 64, 1] and seen == {(64, 64, 1)}
    given: dict[str, Any] = {"n_members": 1, "max_iter": 3, "hidden_layer_sizes": (9,)}
    wide = MLPRegressor(preprocess="auto", random_state=0, **given).fit(X, y, groups=who)
    assert [W.shape[1] for W in wide.coefs_] == [9, 1]  # what is given stays


def test_the_recipe_is_used_and_the_parameters_stay_as_they_are_all_the_while():
    X, y = table()
    seen = []
    net = MLPRegressor(preprocess="auto", random_state=0, max_iter=30, n_members=1)
    net.set_params(callbacks=lambda run: seen.append((net.get_params(), clone(net).get_params())))
    before = dict(net.get_params())
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the planned end of a schedule is no failure
        net.fit(X, y)
    assert seen and all(own == copied == before for own, copied in seen)
    assert kinds(net) == [EMBEDDING, "scale", *["dense", "relu", "dropout"] * 3, "dense"]
    assert [W.shape[1] for W in net.coefs_] == [256, 128, 64, 1] and net.n_layers_ == 5
    assert net.n_iter_ <= 30  # what is given stays
    assert len(net.validation_scores_) == len(net.validation_loss_curve_) == net.n_iter_
    assert net.best_validation_score_ == -min(net.validation_loss_curve_)  # the loss decides
    assert net.transform(X).shape == (200, 64) and net.transform(X, 0).shape == (200, 256)
    assert net.score(X, y) > 0.9


def test_a_preprocessor_of_ones_own_leaves_scikit_learns_defaults():
    X, y = table()
    net = MLPRegressor(preprocess=TablePreprocessor(), max_iter=2, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        net.fit(X, y)
    assert kinds(net) == ["dense", "relu", "dense"] and net.coefs_[0].shape[1] == 100


def plan_of(net: Any, y: Any, **more: Any) -> FitPlan:
    """The plan of a fit on the table of `table()`."""
    X = table()[0]
    made = TablePreprocessor().fit(X, y)
    return resolved(net, of_table(net.target_type, FitInput(X, y), values_of(net), made), **more)


def test_given_parameters_stay():
    assert {"optimizer", "schedule", "alpha"} <= set(values(200))
    assert isinstance(values(200)["optimizer"], AdamW)
    y = np.arange(200) % 2
    net = MLPClassifier([100], preprocess="auto", dropout=0.2, solver="sgd")
    plan = plan_of(net, y)
    found = plan.parameters
    assert plan.hidden_layer_sizes == (100,) and found.dropout == 0.2 and found.batch_size == 64
    assert (found.solver, found.optimizer, found.schedule, found.alpha) == ("sgd", None, None, 0.0001)
    assert found.early_stopping and found.scoring == "loss"
    assert [each.kind for each in plan.proposal.front] == [EMBEDDING, "scale"]
    assert not net.early_stopping and net.batch_size == "auto"
    found = plan_of(net.set_params(solver="adam"), y, incremental=True).parameters
    assert found.optimizer is not None and found.schedule is None and not found.early_stopping
    plain = plan_of(MLPClassifier(preprocess=TablePreprocessor()), y)
    assert values_of(plain.parameters) == values_of(plain.parameters) | {"n_members": 1, "alpha": 0.0001}
    with pytest.raises(AttributeError):
        plain.loss = None


def test_a_solver_keeps_its_objective():
    plan = plan_of(MLPRegressor(preprocess="auto", solver="lbfgs"), table()[1])
    found = plan.parameters
    assert plan.hidden_layer_sizes == (256, 128, 64) and (found.dropout, found.early_stopping) == (0.0, False)


def test_a_recipe_knows_the_table_and_what_is_given(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def own(facts: Facts) -> Proposal:
        asked.append(facts)
        return Proposal(
            {"hidden_layer_sizes": (facts.features,), "max_iter": 2, "schedule": Cosine()},
            front=(Scale(), Scale()),
        )

    monkeypatch.setitem(PRESETS, "fast", Recipe(own))
    X, y = table()
    net = MLPClassifier(preprocess="auto", random_state=0, tol=0.0).fit(X, y > 100)
    width = len(net.preprocessor_.get_feature_names_out())
    given = {"preprocess": "auto", "random_state": 0, "tol": 0.0}
    assert asked == [
        Facts(
            200,
            width,
            "binary",
            given,
            (0,),
            (0, 0, 1, 1, 1),
            rarest=min((y > 100).mean(), (y <= 100).mean()),
        )
    ]  # size is a number, and its rank is none
    assert kinds(net) == ["scale", "scale", "dense", "relu", "dense"] and net.coefs_[0].shape == (
        width,
        width,
    )
    MLPClassifier(preprocess="auto", random_state=0).fit(X, X["kind"])
    MLPRegressor(preprocess="auto", random_state=0).fit(X, y)
    assert [facts.task for facts in asked[1:]] == ["multiclass", "regression"]


def whole_proposal(facts: Facts) -> Proposal:
    return Proposal(
        {"batch_size": 64, "max_iter": 4, "early_stopping": True, "validation_fraction": 0.2, "tol": 0.0}
        | {"optimizer": AdamW(0.01), "schedule": Cosine(), "n_iter_no_change": 9},
        consumed={"n_members": 1},
        hidden=((Dense(6), Dropout(0.2), Tanh()), (Dense(5, LeCunNormal()), Tanh())),
        head=lambda outputs: (Dense(3 * outputs),),
        loss=lambda loss: MeanOverMembers(loss, 3),
        start="samples",
        factors={"decay": FlatCosine(), "dropout": Cosine()},
        drop_last=True,
        last_best=True,
        clamp=True,
    )


def test_a_recipe_may_set_the_whole_network_and_its_training(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(PRESETS, "fast", Recipe(whole_proposal, {"scale": "robust", "max_one_hot": 8}))
    X, y = table(203)
    net = MLPRegressor(preprocess="auto", n_members=7, random_state=0)
    started, steps = [], []
    monkeypatch.setattr(
        Model, "start_on", lambda self, samples: started.append((samples.n, self.theta.copy()))
    )
    net.set_params(callbacks=lambda run: steps.append((run.step, run.rows_per_epoch))).fit(X, y)
    rows = 203 - 41  # a fifth is held out
    assert kinds(net) == ["dense", "dropout", "tanh", "dense", "tanh", "dense"]
    assert [n for n, _ in started] == [rows] and not started[0][1][net.model_.network.slots[1].start]
    assert net.preprocessor_.max_one_hot == 8 and net.preprocessor_.scale == "robust"
    assert (
        steps == [(2 * epoch, 128) for epoch in (1, 2, 3, 4)] and net.t_ == 4 * 128
    )  # 34 rows fill no batch
    assert isinstance(net.model_, Model) and isinstance(net.model_.network.loss, MeanOverMembers)
    assert net.model_.target_scale.high == [y.max()] and net.predict(X).shape == (203,)
    assert net.transform(X, 0).shape == (203, 6) and net.transform(X).shape == (203, 5)
    assert net.get_params()["n_members"] == 7
    net.partial_fit(X, y)
    assert net.t_ == 4 * 128 + 192 and len(started) == 1


def test_the_factors_of_a_recipe_reach_each_step(monkeypatch: pytest.MonkeyPatch):
    seen: list[Any] = []
    original = LearningCurve.settings

    def settings(self: Any, run: Any, rows: Any) -> Any:
        found = original(self, run, rows)
        seen.append((found.decay.tolist(), found.dropout.tolist(), found.smoothing.tolist()))
        return found

    monkeypatch.setattr(LearningCurve, "settings", settings)
    monkeypatch.setitem(PRESETS, "fast", Recipe(whole_proposal))
    X, y = table(203)
    MLPRegressor(preprocess="auto", random_state=0).fit(X, y)
    decay = [factor for part, *_ in seen for factor in part]
    dropout = [factor for _, part, _ in seen for factor in part]
    steps = np.arange(8)
    assert decay == pytest.approx(FlatCosine().factor(steps, 8, 2).tolist()) and min(decay) < 1
    assert dropout == pytest.approx(Cosine().factor(steps, 8, 2).tolist()) and seen[0][2] == [1.0, 1.0]


def recorded(kept: float, **settings: Any) -> tuple[Any, Any]:
    """Return the parameters after each epoch of a fit with so much averaging, and the estimator."""
    thetas: list[Any] = []
    net = MLPRegressor(preprocess="auto", random_state=0, max_iter=6, refit=False, **settings)
    net.set_params(callbacks=lambda run: thetas.append(run.theta.copy()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast, "AVERAGING", kept)
        net.fit(*table())
    return np.array(thetas, np.float64), net


@pytest.mark.parametrize(
    ("rows", "decay"), [(2_000, 0.3), (50_000, 0.3), (100_000, 0.15), (1_000_000, 0.015)]
)
def test_the_weight_decay_of_many_rows_is_less_in_proportion(rows: int, decay: float):
    assert values(rows)["optimizer"].weight_decay == pytest.approx(decay)
    of_many_numbers = fast.fast(Facts(rows, 30, "regression", {}, numbers=tuple(range(30)))).parameters
    assert of_many_numbers["optimizer"].weight_decay == pytest.approx(2 * decay)


@pytest.mark.parametrize("settings", [{}, {"n_members": 2}, {"engine": "reference"}])
def test_the_average_of_the_parameters_is_judged_and_kept_while_the_steps_go_their_own_way(settings: Any):
    plain, last = recorded(0.0, **settings)
    averages, net = recorded(0.8, **settings)
    weights = [0.8 ** np.arange(t)[::-1] for t in range(1, len(plain) + 1)]
    expected = [np.tensordot(w / w.sum(), plain[: len(w)], 1) for w in weights]
    assert len(plain) == 6
    np.testing.assert_allclose(averages, expected, atol=1e-6)
    best = int(np.argmin(net.validation_loss_curve_))
    assert (net.model_.theta == averages[best].astype(np.float32)).all()
    assert net.validation_loss_curve_[1:] != last.validation_loss_curve_[1:]
    assert net.loss_curve_ == last.loss_curve_


@pytest.mark.parametrize("rows", [50, 10_000, 100_000])
def test_a_fit_of_any_table_waits_as_many_epochs(rows: int):
    found = values(rows)
    assert found["n_iter_no_change"] == fast.PATIENCE <= found["max_iter"]


@pytest.mark.parametrize(
    ("rows", "bins"), [(3, 2), (200, 20), (480, 48), (4_899, 48), (4_900, 49), (20_000, 200), (10**6, 200)]
)
def test_a_large_table_has_more_bins(rows: int, bins: int):
    assert fast.fast(Facts(rows, 2, "regression", {}, numbers=(0,))).front[0].bins == bins


def test_a_run_without_rows_held_out_ends_with_the_average():
    averages, net = recorded(0.8, early_stopping=False, validation_fraction=0.2)
    assert (net.model_.theta == averages[-1].astype(np.float32)).all()


def test_no_average_is_taken_where_normalization_has_statistics_of_its_own():
    assert fast.fast(Facts(200, 2, "regression", {"batch_norm": True})).averaging == 0
    assert fast.fast(Facts(200, 2, "regression", {})).averaging == fast.AVERAGING > 0


@pytest.mark.parametrize("last_best", [False, True])
def test_of_equally_good_epochs_the_first_or_the_last_is_the_best(
    monkeypatch: pytest.MonkeyPatch, last_best: bool
):
    monkeypatch.setitem(
        PRESETS, "fast", Recipe(lambda facts: whole_proposal(facts)._replace(last_best=last_best))
    )
    X, y = table(200)
    thetas: list[Any] = []
    net = MLPRegressor(preprocess="auto", random_state=0, scoring=lambda *_: 1.0)
    net.set_params(callbacks=lambda run: thetas.append(run.theta.copy())).fit(X, y)
    assert (net.model_.theta == thetas[-1 if last_best else 0]).all() and len(thetas) == 4


def test_a_solver_has_no_network_of_a_recipe(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(PRESETS, "fast", Recipe(whole_proposal))
    X, y = table()
    with pytest.raises(ConfigError, match="trains in batches"):
        MLPRegressor(preprocess="auto", solver="lbfgs").fit(X, y)


def test_a_fit_that_fails_leaves_the_parameters():
    X, y = table()

    def fails(run: Any) -> None:
        raise RuntimeError("in the midst of it")

    net = MLPRegressor(preprocess="auto", callbacks=fails)
    before = dict(net.get_params())
    with pytest.raises(RuntimeError, match="midst"):
        net.fit(X, y)
    assert net.get_params() == before


@pytest.mark.parametrize("rows", [2, 3, 5, 8, 9])
def test_a_handful_of_rows_leaves_doubt(rows: int):
    """Labels of noise: new rows are predicted hardly worse than by the shares, and no probability is 0."""
    rng = np.random.default_rng(rows)
    X, y = rng.normal(size=(rows + 500, 3)), rng.integers(0, 2, rows + 500)
    y[:2] = 0, 1
    net = MLPClassifier(preprocess="auto", random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the least populated class")
        net.fit(X[:rows], y[:rows])
    p = net.predict_proba(X[rows:])
    assert p.min() >= 1 / (1 + max(rows, 3) ** 2) - 1e-9
    assert -np.log(p[np.arange(500), y[rows:]]).mean() < 1.1
    numbers = MLPRegressor(preprocess="auto", random_state=0).fit(X[:rows], X[:rows, 0])
    wide = np.abs(numbers.predict(100 * X[rows:])).max()
    assert wide <= 20 * np.abs(X[:rows, 0]).max()


@pytest.mark.parametrize("rows", [2, 49, 51])
def test_very_few_rows_are_validated_too(rows: int):
    X, y = table(rows)
    net = MLPRegressor(preprocess="auto", random_state=0, max_iter=3, hidden_layer_sizes=(8,)).fit(X, y)
    assert net.validation_scores_ is not None
    assert np.isfinite(net.predict(X)).all()


def test_a_class_of_one_row_is_no_obstacle():
    X, y = table(120)
    y = np.where(np.arange(120) == 5, "rare", "usual")
    with pytest.warns(UserWarning, match="the least populated class 'rare' in y has only 1 member"):
        net = MLPClassifier((8,), preprocess="auto", random_state=0, max_iter=2).fit(X, y)
    assert net.predict_proba(X).shape == (120, 2)


def test_more_epochs_one_at_a_time():
    X, y = table()
    net = MLPRegressor(hidden_layer_sizes=(8,), preprocess="auto", random_state=0)
    for _ in range(3):
        net.partial_fit(X, y)
    assert net.t_ == 600 and kinds(net)[:2] == [EMBEDDING, "scale"] and net.get_params()["optimizer"] is None


def test_a_network_without_hidden_layers():
    X, y = table()
    net = MLPRegressor(hidden_layer_sizes=(), preprocess="auto", random_state=4, max_iter=20).fit(X, y)
    assert kinds(net) == [EMBEDDING, "scale", "dense"] and net.score(X, y) > 0.3


def test_larger_tables_get_larger_batches_and_fewer_epochs():
    found = [values(rows) for rows in (100, 10_000, 50_000, 1_000_000)]
    assert [each["batch_size"] for each in found] == [64, 128, 256, 512]
    assert [each["max_iter"] for each in found] == [100, 100, 45, 20]
    assert found[-1]["validation_fraction"] == 0.01 and found[0]["validation_fraction"] == 0.15
    assert values(10)["batch_size"] == 8 and "early_stopping" not in values(10)


def test_numbers_are_embedded_and_neither_their_ranks_nor_codes():
    rng = np.random.default_rng(0)
    n = 2000
    X = pd.DataFrame(
        {
            "place": [f"p{k}" for k in rng.integers(0, 90, n)],  # codes, which the Embedding puts last
            "size": rng.normal(size=n),
            "kind": rng.choice(["a", "b"], n),
            "age": rng.integers(0, 80, n).astype(float),
        }
    )
    net = MLPRegressor(preprocess="auto", random_state=0, max_iter=2).fit(X, X["size"])
    names = net.preprocessor_.get_feature_names_out().tolist()
    assert [names[place] for place in net.preprocessor_.numbers_] == ["size", "age"]
    front = net.model_.network.layers[:3]
    assert [layer.kind for layer in front] == ["embedding", EMBEDDING, "scale"]
    rest = [name for name in names if name != "place"]
    assert [rest[place] for place in front[1].columns] == ["size", "age"]
    state = net.model_.states[net.model_.network.links[1].name]
    assert state.bins.tolist() == [48, pytest.approx(48, abs=2)]  # some ages are two of the edges


def test_a_preset_is_asked_for_by_name_whoever_prepares_the_table():
    X, y = table()
    same = TablePreprocessor(scale="robust+rank+straight")
    own = MLPRegressor(preprocess=same, preset="fast", random_state=0, max_iter=2).fit(X, y)
    auto = MLPRegressor(preprocess="auto", preset="fast", random_state=0, max_iter=2).fit(X, y)
    assert kinds(own) == kinds(auto) and (own.predict(X) == auto.predict(X)).all()
    by_preset = MLPRegressor(preset="fast", random_state=0, max_iter=2).fit(X, y)
    assert (by_preset.predict(X) == auto.predict(X)).all()
    with pytest.raises(ValueError, match="The 'preset' parameter"):
        MLPRegressor(preset="slow").fit(np.asarray(X[["size"]]), y)


def test_a_table_of_many_numbers_has_no_embedding():
    for task, most in (("binary", 128), ("regression", 128), ("multiclass", 24), ("multilabel", 24)):
        made = [fast.fast(Facts(900, k, task, {}, tuple(range(k)))) for k in (24, most, most + 1)]
        fronts = [[layer.kind for layer in each.front] for each in made]
        assert fronts == [[EMBEDDING, "scale"], [EMBEDDING, "scale"], ["scale"]]
        assert [made[k].front[0].size for k in (0, 1)] == [8, 8 if most == 24 else 4]
        decays = [each.parameters["optimizer"].weight_decay for each in made]
        assert decays == [0.3, 0.3 if most == 24 else 0.6, 0.3]
    assert fast.fast(Facts(15, 1, "binary", {}, (0,))).front[0].bins == 2


@pytest.mark.parametrize(
    ("name", "few", "many"),
    [
        ("plain", ["scale"], ["scale"]),
        ("embedded", [EMBEDDING, "scale"], [EMBEDDING, "scale"]),
        ("switched", ["scale"], [EMBEDDING, "scale"]),
    ],
)
def test_variants_with_and_without_an_embedding(name: str, few: list[str], many: list[str]):
    propose = VARIANTS[name].propose
    fronts = [propose(Facts(900, k, "multiclass", {}, tuple(range(k)))).front for k in (24, 25, 0)]
    assert [[layer.kind for layer in front] for front in fronts] == [few, many, ["scale"]]


def test_categories_of_many_have_smaller_outputs():
    X, y = table()
    X["place"] = np.arange(len(X)) % 20
    X["place"] = "p" + X["place"].astype(str)
    net = MLPRegressor(preprocess="auto", random_state=0, max_iter=2).fit(X, y)
    made = net.preprocessor_.transform(X)
    names = net.preprocessor_.get_feature_names_out().tolist()
    assert made[:, names.index("place=p3")].max() == pytest.approx(0.1) and net.preprocess == "auto"
    assert all(recipe.table["category_scale"] == 0.1 for recipe in (PRESETS["fast"], *VARIANTS.values()))
    assert TablePreprocessor().category_scale == 1 and "category_scale" not in PRESETS["realmlp"].table


def test_each_member_has_the_edges(tmp_path: Path):
    X, y = table(400)
    net = MLPRegressor(preprocess="auto", random_state=0, n_members=2, max_iter=3).fit(X, y)
    edges = [member.states[f"{EMBEDDING}_1"].edges for member in net.members_]
    assert (edges[0] == edges[1]).all() and edges[0][0, 0] < edges[0][0, 1]
    net.save(tmp_path / "net.safetensors")
    assert (MLPRegressor.load(tmp_path / "net.safetensors").predict(X) == net.predict(X)).all()
