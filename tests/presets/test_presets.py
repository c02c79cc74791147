"""The presets: their networks, what is given beside them, and that each does all that an estimator does."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from chainrule import (
    SELU,
    AdamW,
    ConfigError,
    DataError,
    Dense,
    Ensemble,
    GroupedDense,
    MeanOverMembers,
    Mish,
    MLPClassifier,
    MLPRegressor,
    Model,
    Network,
    ParametricActivation,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    TablePreprocessor,
    Tanh,
)
from chainrule.inspection.story import explain
from chainrule.presets import PRESETS, base, few, realmlp, tabm
from chainrule.presets.base import Facts, Proposal
from halves import half

RNG = np.random.default_rng(5)
N = 160
X = pd.DataFrame(
    {
        "size": RNG.normal(size=N),
        "count": RNG.integers(0, 9, N).astype(float),
        "kind": RNG.choice(["a", "b", "c"], N),
        "place": RNG.choice([f"p{k}" for k in range(12)], N),
        "open": RNG.random(N) < 0.4,
    }
)
X.loc[::7, "size"] = None
X.loc[::9, "kind"] = None
NUMBERS = X["size"].fillna(0) + 0.3 * X["count"] + (X["kind"] == "a")
TARGETS: dict[str, Any] = {
    "regression": 100 + 20 * NUMBERS,
    "binary": np.where(NUMBERS > 1, "much", "little"),
    "multiclass": np.digitize(NUMBERS, [0.5, 1.5]),
    "multilabel": np.c_[NUMBERS > 1, X["count"] > 3].astype(int),
}
SMALL: dict[str, Any] = {"preprocess": "auto", "hidden_layer_sizes": (8, 6), "max_iter": 3, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each = pytest.mark.parametrize("preset", list(PRESETS))


def estimator(task: str, **settings: Any) -> Any:
    """A small one; of preset="tabm" with three members."""
    members = {"n_members": 3} if settings.get("preset") == "tabm" else {}
    return (MLPRegressor if task == "regression" else MLPClassifier)(**SMALL | members | settings)


def answers(net: Any, frame: Any = X) -> Any:
    return net.predict_proba(frame) if hasattr(net, "predict_proba") else net.predict(frame)


def layers(net: Any) -> list[Any]:
    return [link.layer for link in net.members_[0].network.walk()]


def proposed(
    preset: str, task: str = "binary", rows: int = 1000, numbers: tuple[int, ...] = (0,), **given: Any
) -> Any:
    return PRESETS[preset].propose(Facts(rows, 4, task, given, numbers, (0, 1, 1, 2)))


# --- all of them ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("preset", "task"), half(PRESETS, TARGETS))
def test_it_predicts_is_kept_and_goes_on(preset: str, task: str, tmp_path: Path):
    y = TARGETS[task]
    net = estimator(task, preset=preset).fit(X, y)
    before = answers(net)
    assert np.isfinite(before).all() and len(before) == N and np.ptp(before) > 0
    net.save(tmp_path / "net.safetensors")
    assert_array_equal(answers(type(net).load(tmp_path / "net.safetensors")), before)
    assert_array_equal(answers(pickle.loads(pickle.dumps(net))), before)
    assert_array_equal(answers(clone(net).fit(X, y)), before)
    other = clone(net).set_params(random_state=1).fit(X, y)
    assert not np.array_equal(answers(other), before)
    assert_allclose(answers(net, X[:5]), before[:5], rtol=1e-5, atol=1e-6)
    net.partial_fit(X, y)
    assert not np.array_equal(answers(net), before)
    warm = estimator(task, preset=preset, warm_start=True).fit(X, y)
    assert_array_equal(answers(warm), before)
    steps = warm.model_.steps_trained
    assert warm.fit(X, y).model_.steps_trained == 2 * steps


@each
@pytest.mark.parametrize("task", ["regression", pytest.param("multiclass", marks=pytest.mark.slow)])
def test_what_looks_inside_works(preset: str, task: str):
    net = estimator(task, preset=preset).fit(X, TARGETS[task])
    model, table = net.members_[0], net.preprocessor_.transform(X)
    y = np.asarray(TARGETS[task])
    trace = model.trace(table[:1], y[:1])
    assert set(trace.a) == {"input", *(link.name for link in model.network.walk())}
    for slot in model.network.slots:  # the first number of every parameter
        first = ",".join("0" * len(slot.parameter.shape))
        derived = trace.derive(f"{slot.link.name}.{slot.field}[{first}]")
        assert derived.value == pytest.approx(derived.numeric, rel=1e-4, abs=1e-7), derived.name
    assert model.check_gradients(table[:4], y[:4]).error < 1e-4
    assert model.attribute(table[:1]).values.shape == (1, table.shape[1])
    assert len(str(explain(model, table[0], y[0]))) > 200
    assert len(net.coefs_) == len(net.intercepts_) == 3 and "Dense" in net._html_repr()
    assert net.transform(X).shape[0] == N


@each
def test_hidden_layers_go_over_to_another_task(preset: str):
    net = estimator("regression", preset=preset).fit(X, TARGETS["regression"])
    made = net.replace_head(MLPClassifier(max_iter=2, random_state=1)).fit(X, TARGETS["multiclass"])
    for own, theirs in zip(made.coefs_[:-1], net.coefs_[:-1], strict=True):
        assert_array_equal(own, theirs)
    assert_array_equal(made.transform(X), net.transform(X))
    other = net.replace_head(MLPClassifier(max_iter=2)).set_params(activation="tanh")
    with pytest.raises(DataError, match="do not change hidden_layer_sizes, activation"):
        other.fit(X, TARGETS["multiclass"])


@each
@pytest.mark.parametrize("rows", [2, 49, 51])
def test_few_rows(preset: str, rows: int):
    net = estimator("regression", preset=preset).fit(X[:rows], TARGETS["regression"][:rows])
    least = few.LEAST_ROWS if preset == "fast" else 50
    assert (net.validation_scores_ is not None) == (rows >= least) and np.isfinite(net.predict(X)).all()


@each
def test_validation_samples_of_ones_own(preset: str):
    y = TARGETS["regression"]
    net = estimator("regression", preset=preset).fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    assert len(net.validation_scores_) == 3 and net.model_.history[-1]["val_loss"] > 0


@pytest.mark.parametrize("preset", ["realmlp", "tabm"])
def test_what_has_no_place_is_refused(preset: str):
    y = TARGETS["regression"]
    for name in ("batch_norm", "residual"):
        with pytest.raises(ConfigError, match=f"without {name}; omit it"):
            estimator("regression", preset=preset, **{name: True}).fit(X, y)
    with pytest.raises(ConfigError, match="trains in batches"):
        estimator("regression", preset=preset, solver="lbfgs").fit(X, y)
    net = estimator("regression", preset=preset, warm_start=True).fit(X, y)
    with pytest.raises(ConfigError, match="preset cannot change"):
        net.set_params(preset="fast", n_members=1).fit(X, y)


@pytest.mark.parametrize("preset", ["realmlp", "tabm"])
def test_what_is_given_stays(preset: str):
    found = proposed(preset, hidden_layer_sizes=7, activation=["tanh"], dropout=[0.0], n_members=2)
    (hidden,) = found.hidden
    assert hidden[0].units == 7 and len(hidden) == 2
    assert getattr(hidden[1], "function", hidden[1]) == Tanh()
    none = proposed(preset, hidden_layer_sizes=())
    assert none.hidden == () and none.parameters["hidden_layer_sizes"] == ()
    own = proposed(preset).parameters["optimizer"]
    y = TARGETS["binary"]
    net = estimator("binary", preset=preset, learning_rate_init=0.01, beta_2=0.9, alpha=0.5).fit(X, y)
    assert net._optimizer.optimizer == replace(own, learning_rate=0.01, beta2=0.9)
    assert net.model_.network.l2 == 0.5 / {"realmlp": 128, "tabm": 32}[preset]  # alpha / the rows of a batch
    other = estimator("binary", preset=preset, optimizer=AdamW(0.5, weight_decay=0.1)).fit(X, y)
    assert other._optimizer.optimizer == AdamW(0.5, weight_decay=0.1)
    plain = estimator("binary", preset=preset, solver="sgd").fit(X, y)
    assert plain._optimizer.optimizer.kind == "sgd"


# --- realmlp --------------------------------------------------------------------------------------------------------


def test_the_network_of_realmlp():
    net = MLPClassifier(preset="realmlp", preprocess="auto", random_state=0, max_iter=1)
    net.fit(X, TARGETS["multiclass"])
    kinds = [layer.kind for layer in layers(net)]
    assert kinds[:3] == ["embedding", "periodic_embedding", "scale"]
    assert kinds[3:] == ["dense", "parametric_activation", "dropout"] * 3 + ["dense"]
    embedding, waves, _, dense, activation, dropout, *_, last = layers(net)
    assert [size for *_, size in embedding.columns] == [8] and embedding.std == 1
    assert (waves.frequencies, waves.size, waves.sigma) == (16, 4, 0.1)
    assert [net.preprocessor_.get_feature_names_out()[place] for place in waves.columns] == ["size", "count"]
    assert activation == ParametricActivation(SELU(), rate=0.1, decays=0.1) and dropout.rate == 0.15
    assert dense.units == 256 and last.units == 3
    # the learning rate and the decay of a step, by parameter, in the units of the NTK parametrization
    for link in net.model_.network.walk():
        for name, parameter in (link.params._asdict() if link.params else {}).items():
            rate, decay = parameter.rate, parameter.rate * float(parameter.decays)
            if link.layer.kind == "dense":
                root = math.sqrt(link.fan_in)
                expected = {"W": (1 / root, 1), "b": (0.1, 0)}[name]
            else:
                expected = {"embedding": (1, 1), "periodic_embedding": (0.1, 0.01), "scale": (6, 36)}.get(
                    link.layer.kind, (0.1, 0.01)
                )
            assert (rate, decay) == pytest.approx(expected), (link.name, name)
    assert net.model_.network.loss == SoftmaxCrossEntropy(label_smoothing=0.1)
    again = MLPRegressor(preset="realmlp", preprocess="auto", random_state=0, max_iter=1)
    again.fit(X, TARGETS["regression"])
    assert layers(again)[4].function == Mish() and again.model_.target_scale.clamps
    assert again.predict(X).max() <= TARGETS["regression"].max()


@pytest.mark.parametrize(("task", "rate"), [("multiclass", 0.04), ("binary", 0.04), ("regression", 0.2)])
def test_the_training_of_realmlp(task: str, rate: float):
    found = proposed("realmlp", task, 5000)
    p = found.parameters
    assert p["optimizer"] == AdamW(rate, beta2=0.95, weight_decay=0.02) and p["optimizer"].beta1 == 0.9
    assert (p["max_iter"], p["batch_size"], p["validation_fraction"]) == (256, 256, 0.2)
    assert p["n_iter_no_change"] == math.inf and found.last_best and found.drop_last and found.clamp
    total = 256 * 15
    rates = p["schedule"].factor(np.array([0, total // 15, total // 5, total * 7 // 15]), total, 15)
    assert_allclose(rates, 0, atol=1e-12)
    for name in ("decay", "dropout"):
        factor = found.factors[name].factor(np.array([0, total // 2, total * 3 // 4, total]), total, 15)
        assert_allclose(factor, [1, 1, 0.5, 0], atol=1e-12)
    assert p.get("label_smoothing") == (None if task == "regression" else 0.1)
    assert "label_smoothing" not in proposed("realmlp", task, scoring="loss").parameters


def test_realmlp_starts_on_the_rows_that_it_trains_on(monkeypatch: pytest.MonkeyPatch):
    kept: list[Any] = []
    original = Model.start_on

    def start_on(self: Any, samples: Any) -> Any:
        kept.append((samples, original(self, samples), self.theta.copy()))
        return self

    monkeypatch.setattr(Model, "start_on", start_on)
    estimator("regression", preset="realmlp", max_iter=1).fit(X, TARGETS["regression"])
    ((samples, model, theta),) = kept
    assert samples.n == 128 and abs(samples.y).max() < 5
    model = Model.with_theta(model.network, theta)
    for name, z in model.trace(samples.X, samples.y[:, 0], training=False).z.items():
        if name.startswith("dense"):
            assert_allclose((z - model.parameters[name].b).std(0), 1, rtol=1e-3)


def test_one_logit_at_twice_the_rate_is_the_difference_of_two():
    rng = np.random.default_rng(2)
    a, labels = rng.normal(size=(64, 5)), rng.integers(0, 2, 64)
    (head,) = realmlp.head(1, "binary")
    shared = {"parametrization": "ntk", "bias_rate": 0.1, "bias_decays": 0.0}
    two = Model(Network(5, [Dense(2, **shared)], SoftmaxCrossEntropy(label_smoothing=0.1)), dtype="float64")
    one = Model(Network(5, [head], SigmoidCrossEntropy(label_smoothing=0.1)), dtype="float64")
    one.parameters["dense_1"].W[...] = two.parameters["dense_1"].W @ [[-1.0], [1.0]]
    for model in (one, two):
        model.fit(a, labels, epochs=20, batch_size=16, optimizer=AdamW(0.04, weight_decay=0.02, eps=1e-30))
    for own, both in zip(one.parameters["dense_1"], two.parameters["dense_1"], strict=True):
        assert_allclose(own[..., 0], both[..., 1] - both[..., 0], rtol=1e-9, atol=1e-12)


def test_realmlp_returns_to_the_last_of_the_best_epochs():
    thetas: list[Any] = []
    net = estimator(
        "binary", preset="realmlp", max_iter=40, callbacks=lambda run: thetas.append(run.theta.copy())
    )
    scores = np.array(net.fit(X, TARGETS["binary"]).validation_scores_)
    assert len(scores) == 40 and (scores == scores.max()).sum() > 1
    assert_array_equal(net.model_.theta, thetas[np.flatnonzero(scores == scores.max())[-1]])


def test_members_of_realmlp_are_an_ensemble():
    net = estimator("regression", preset="realmlp", n_members=2).fit(X, TARGETS["regression"])
    assert isinstance(net.model_, Ensemble) and net.model_.target_scale.clamps
    one, other = net.members_
    assert not np.array_equal(one.theta, other.theta) and net.spread(X).max() > 0


# --- tabm -----------------------------------------------------------------------------------------------------------


def test_the_network_of_tabm():
    net = MLPClassifier(preset="tabm", preprocess="auto", random_state=0, max_iter=1, n_members=4)
    net.fit(X, TARGETS["multiclass"])
    assert isinstance(net.model_, Model) and net.get_params()["n_members"] == 4
    kinds = [layer.kind for layer in layers(net)]
    assert kinds == [
        *("piecewise_linear_embedding", "take", "scale"),
        *["grouped_dense", "relu", "dropout"] * 2,
        "grouped_dense",
    ]
    embedding, take, scale, dense, _, dropout, *_, last = layers(net)
    assert (embedding.size, embedding.bins) == (16, 48) and dropout.rate == 0.1
    names = net.preprocessor_.get_feature_names_out().tolist()
    width = len(names) + 2 * 15
    assert take.columns == (*range(width),) * 4 and "place=p11" in names
    # one factor for each member and column, repeated: size and its indicator, count, kind, place, open
    assert scale.initializer.sizes == (17, 16, 3, 12, 1)
    assert (dense.units, dense.groups, dense.shared) == (512, 4, True)
    assert (last.units, last.groups, last.shared) == (3, 4, False)
    assert net.model_.network.loss == MeanOverMembers(SoftmaxCrossEntropy(), 4)
    assert net.transform(X).shape == (N, 4 * 512) and [W.shape for W in net.coefs_] == [
        (width, 512),
        (512, 512),
        (4, 512, 3),
    ]


def test_the_start_of_tabm():
    net = estimator("regression", preset="tabm", learning_rate_init=1e-30).fit(X, TARGETS["regression"])
    params, sizes = net.model_.parameters, (17, 16, 3, 12, 1)
    s = np.asarray(params["scale_1"].s).reshape(3, -1)  # (members, columns)
    runs = np.split(s, np.cumsum(sizes)[:-1], 1)
    assert all((run == run[:, :1]).all() for run in runs) and len(np.unique(s)) == 3 * len(sizes)
    W = params["grouped_dense_1"].W
    assert W.shape == (49, 8) and 0.9 / 7 < abs(W).max() < 1 / 7
    assert abs(params["piecewise_linear_embedding_1"].E).max() < 1e-20  # 0, and some steps of 1e-30
    texts = X[["kind", "place"]]
    signs = estimator("regression", preset="tabm", learning_rate_init=1e-30).fit(texts, TARGETS["regression"])
    assert set(np.unique(signs.model_.parameters["scale_1"].s)) == {-1.0, 1.0}


def test_the_training_of_tabm():
    found = proposed("tabm")
    p = found.parameters
    assert p["optimizer"] == AdamW(2e-3, weight_decay=3e-4) and p["clip_norm"] == 1.0 and found.factors == {}
    assert (p["n_iter_no_change"], p["max_iter"], p["validation_fraction"]) == (16, 1000, 0.2)
    assert found.front[1].columns == (*range(19),) * 32 and found.front[2].initializer.sizes == (16, 2, 1)
    assert p["hidden_layer_sizes"] == (512, 512)
    assert proposed("tabm", numbers=()).parameters["hidden_layer_sizes"] == (512, 512, 512)
    sizes = {
        rows: proposed("tabm", rows=rows).parameters["batch_size"] for rows in (1000, 4000, 10_000, 200_000)
    }
    assert sizes == {1000: 32, 4000: 64, 10_000: 256, 200_000: 1024}


def test_tabm_stops_after_17_epochs_that_are_no_better():
    net = estimator("binary", preset="tabm", max_iter=200, scoring=lambda *_: 0.5)
    net.fit(X, TARGETS["binary"])
    assert net.n_iter_ == 18
    first = estimator("binary", preset="tabm", max_iter=1, scoring=lambda *_: 0.5).fit(X, TARGETS["binary"])
    assert_array_equal(net.model_.theta, first.model_.theta)


def test_the_average_of_the_members_is_watched_and_predicted():
    y = TARGETS["binary"]
    net = estimator("binary", preset="tabm").fit(X, y, X_val=X, y_val=y)
    model, table = net.model_, net.preprocessor_.transform(X)
    out = model.trace(table, y, training=False).out  # (n, members)
    assert out.shape == (N, 3)
    mean = (1 / (1 + np.exp(-out))).mean(1)
    assert_allclose(net.predict_proba(X)[:, 1], mean, atol=1e-5)
    assert net.best_validation_score_ == ((mean > 0.5) == (y == "much")).mean()


# --- their parts ----------------------------------------------------------------------------------------------------


def test_a_fifth_of_enough_rows_is_held_out():
    assert [base.trained_rows(rows) for rows in (49, 50, 51, 1003)] == [49, 40, 40, 802]
    for rows in (49, 50, 51, 1003):
        assert base.training(Facts(rows, 1, "binary", {}), 5000, 3)["batch_size"] == base.trained_rows(rows)


def test_a_preparation_of_ones_own_is_taken():
    own = TablePreprocessor(scale="standard", max_one_hot=3)
    net = estimator("regression", preset="tabm", preprocess=own).fit(X, TARGETS["regression"])
    assert layers(net)[0].kind == "embedding" and net.preprocessor_.scale == "standard"
    sizes = layers(net)[3].initializer.sizes
    assert sizes[-1] == layers(net)[0].columns[0][2]  # the vector of a place is one column
    assert isinstance(proposed("tabm"), Proposal) and tabm.MEMBERS == 32
    assert all(isinstance(layer, GroupedDense) for layer in proposed("tabm").head(2))
