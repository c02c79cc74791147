"""What the estimators have beyond scikit-learn's parameters."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_regression
from sklearn.metrics import f1_score

import chainrule
from chainrule import FormatError, MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)
A, B = make_regression(200, 5, n_targets=1, noise=10, random_state=0)
B = B / B.std()
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class EachStep(chainrule.Callback):
    """Makes each step a call of the engine."""

    every_steps = 1


def net(**settings: Any) -> MLPClassifier:
    return MLPClassifier(
        **{"hidden_layer_sizes": (16, 16), "max_iter": 30, "learning_rate_init": 0.01, "random_state": 0}
        | settings
    )


def kinds(estimator: Any) -> list[str]:
    return [link.layer.kind for link in estimator.model_.network.walk()]


def test_the_architecture():
    made = net(activation=["gelu", "logistic"], dropout=[0.1, 0.0], batch_norm=True, max_iter=1).fit(X, Y)
    assert kinds(made) == [
        "dense",
        "batch_norm",
        "gelu",
        "dropout",
        "dense",
        "batch_norm",
        "sigmoid",
        "dense",
    ]
    made = net(activation=chainrule.LeakyReLU(0.2), residual=True, max_iter=1).fit(X, Y)
    assert kinds(made)[0] == "residual" and made.model_.network.layers[0].layers[1] == chainrule.LeakyReLU(
        0.2
    )
    assert [W.shape for W in made.coefs_] == [(4, 16), (4, 16), (16, 16), (16, 3)]
    with pytest.raises(
        ValueError, match="activation must have one entry for each of the 2 hidden layers, not 1"
    ):
        net(activation=["relu"]).fit(X, Y)
    with pytest.raises(
        ValueError, match="dropout must have one entry for each of the 2 hidden layers, not 3"
    ):
        net(dropout=[0.1, 0.2, 0.3]).fit(X, Y)


def test_an_optimizer_and_a_schedule():
    made = net(optimizer=chainrule.AdamW(0.02), schedule="one_cycle", clip_norm=1.0).fit(X, Y)
    rates = [record["learning_rate"] for record in made.model_.history]
    assert max(rates) <= 0.02 and rates[-1] < rates[10] and made.score(X, Y) > 0.8
    named = net(optimizer="rmsprop", learning_rate_init=0.003, max_iter=1).fit(X, Y)
    assert named.model_.history[-1]["learning_rate"] == 0.003
    solved = net(optimizer="lbfgs").fit(X, Y)
    assert solved.score(X, Y) > 0.9 and not hasattr(net(optimizer="lbfgs"), "partial_fit")


def test_class_weight_is_a_weight_by_row():
    weight = np.array([1.0, 5.0, 0.5])
    by_class = net(class_weight={0: 1.0, 1: 5.0, 2: 0.5}, max_iter=5).fit(X, Y)
    by_row = net(max_iter=5).fit(X, Y, weight[Y])
    assert by_class.loss_curve_ == by_row.loss_curve_
    rare = np.concatenate([np.arange(100), [120, 130]])
    balanced = net(class_weight="balanced", max_iter=60).fit(X[rare], Y[rare])
    assert (balanced.predict(X) == 2).sum() > 10


def test_label_smoothing_keeps_probabilities_from_the_ends():
    sharp, smooth = (
        net(max_iter=200, tol=0).fit(X, Y),
        net(max_iter=200, tol=0, label_smoothing=0.3).fit(X, Y),
    )
    assert smooth.predict_proba(X).max() < 0.95 < sharp.predict_proba(X).max()


@pytest.mark.parametrize("loss", ["huber", "absolute_error", "quantile", chainrule.Huber(0.3)])
def test_losses(loss: Any):
    made = MLPRegressor(loss=loss, max_iter=60, learning_rate_init=0.02, random_state=0).fit(A, B)
    assert made.loss_curve_[-1] < 0.3 * made.loss_curve_[0] and made.score(A, B) > 0.9


def test_several_quantiles():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (3000, 1))
    y = x[:, 0] + rng.normal(size=3000)
    made = MLPRegressor(
        "quantile", 16, quantiles=(0.1, 0.5, 0.9), max_iter=40, learning_rate_init=0.01, random_state=0
    ).fit(x, y)
    low, middle, high = made.predict(x).T
    assert [round(float((y < q).mean()), 1) for q in (low, middle, high)] == [0.1, 0.5, 0.9]
    assert made.score(x, y) == pytest.approx(0.25, abs=0.1)  # R2 of the median
    assert made.n_outputs_ == 3 and MLPRegressor("quantile", max_iter=2).fit(x, y).predict(x).shape == (3000,)
    with pytest.raises(ValueError, match="q of Quantile must be"):
        MLPRegressor("quantile", quantiles=(0.1, 1.5)).fit(x, y)


def test_validation_samples_of_ones_own():
    made = net(max_iter=8).fit(X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2])
    assert len(made.validation_loss_curve_) == len(made.validation_scores_) == 8
    assert made.validation_scores_[-1] == pytest.approx(made.score(X[1::2], Y[1::2]))
    assert made.validation_loss_curve_[-1] == pytest.approx(
        made.model_.evaluate(X[1::2], Y[1::2], metrics=["accuracy"])["loss"]
    )
    stopped = net(max_iter=300, early_stopping=True, tol=1e-2).fit(
        X[::2], Y[::2], X_val=X[1::2], y_val=Y[1::2]
    )
    assert stopped.n_iter_ < 300 and stopped.best_validation_score_ == stopped.score(X[1::2], Y[1::2])
    with pytest.raises(ValueError, match="pass both X_val and y_val"):
        net().fit(X, Y, X_val=X)


@pytest.mark.parametrize(
    "form", [lambda pair: [pair], lambda pair: pair, lambda pair: [[*pair]], lambda pair: (pair,)]
)
def test_an_eval_set_is_validation_samples(form):
    """As LightGBM and XGBoost take it: to the bit what X_val and y_val do, also as lists of two rows."""
    for held in ((X[1::2], Y[1::2]), (X[:2].tolist(), Y[:2].tolist())):
        made = net(max_iter=4).fit(X[::2], Y[::2], eval_set=form(held))
        ours = net(max_iter=4).fit(X[::2], Y[::2], X_val=held[0], y_val=held[1])
        assert made.validation_loss_curve_ == ours.validation_loss_curve_


def test_eval_sets_that_are_not_one_pair():
    pair = X[1::2], Y[1::2]
    for two in ([pair, pair], (pair, pair)):
        with pytest.raises(
            chainrule.ConfigError, match=r"eval_set has 2 pairs, and a fit validates on one; pass \[\(X_val"
        ):
            net().fit(X, Y, eval_set=two)
    for other in ([], (), [*pair], X, [X], [(*pair, Y)], "X", (X,)):
        with pytest.raises(
            chainrule.ConfigError, match=r"eval_set must be a list with one pair, \[\(X_val, y_val\)\], or"
        ):
            net().fit(X, Y, eval_set=other)
    for name, value in {"X_val": X, "y_val": Y}.items():
        with pytest.raises(chainrule.ConfigError, match="pass either eval_set"):
            net().fit(X, Y, eval_set=[pair], **{name: value})


@pytest.mark.parametrize(
    "scoring", ["loss", "roc_auc_ovr", lambda estimator, X, y: estimator.score(X, y) / 2]
)
def test_early_stopping_on_a_score(scoring: Any):
    made = net(max_iter=12, early_stopping=True, validation_fraction=0.3, scoring=scoring).fit(X, Y)
    assert len(made.validation_scores_) == made.n_iter_ == 12
    if scoring == "loss":
        np.testing.assert_allclose(made.validation_scores_, -np.array(made.validation_loss_curve_))
    assert made.best_validation_score_ == max(made.validation_scores_)


@pytest.mark.parametrize(
    "scoring", ["f1", "jaccard", "average_precision", "roc_auc", "accuracy", "neg_log_loss"]
)
@pytest.mark.parametrize("preprocess", [None, "auto"])
def test_a_score_of_named_labels_is_that_of_their_numbers(scoring: str, preprocess: Any):
    """The label that sorts last is the positive one, as 1 is of 0 and 1."""
    settings = {"max_iter": 4, "early_stopping": True, "scoring": scoring, "preprocess": preprocess}
    settings |= {"hidden_layer_sizes": (16, 16)}
    numbers = (Y == 1).astype(int)
    made = net(**settings).fit(X, np.where(numbers, "Yes", "No"))
    assert made.validation_scores_ == net(**settings).fit(X, numbers).validation_scores_
    assert made.predict(X[:1])[0] in ("Yes", "No") and made.classes_.tolist() == ["No", "Yes"]


def test_a_score_of_labels_with_a_one_is_scikit_learns():
    y = np.where(Y == 0, 1, 2)
    made = net(early_stopping=True, scoring="f1", max_iter=5).fit(X, y, X_val=X, y_val=y)
    assert max(made.validation_scores_) == f1_score(y, made.predict(X), pos_label=1) > 0


def test_a_score_that_cannot_be_is_named():
    with pytest.raises(
        ValueError, match=r"scoring='f1' cannot score .*multiclass.*name another, as 'f1_macro'"
    ):
        net(early_stopping=True, scoring="f1", max_iter=3).fit(X, Y)


def test_a_time_limit():
    begin = time.perf_counter()
    made = net(max_iter=10**6, tol=0, n_iter_no_change=10**6, time_limit=0.2).fit(X, Y)
    assert (
        time.perf_counter() - begin < 2 and made.n_iter_ > 3 and "time limit" in made.model_.history.stopped
    )


def test_a_time_limit_scores_the_end_of_its_schedule(monkeypatch: pytest.MonkeyPatch):
    ticks = iter(range(10_000))
    monkeypatch.setattr("chainrule.training.time_limit.SECONDS_BEFORE_PLAN", 0.0)
    made = net(
        early_stopping=True,
        schedule="cosine",
        max_iter=50,
        batch_size=8,
        time_limit=5.0,
        callbacks=EachStep(),
    )
    with monkeypatch.context() as patched:
        patched.setattr("chainrule.training.time_limit.time.monotonic", lambda: next(ticks) / 10)
        made.fit(X, Y)
    assert "time limit" in made.model_.history.stopped and made.n_iter_ < 5
    assert len(made.validation_scores_) == made.n_iter_ + 1  # the last one of a part of an epoch


def test_the_model_beneath_explains():
    made = net().fit(X, Y)
    assert made.model_.trace(X[:1], Y[:1]).loss > 0
    assert (made.model_.predict(X) == made.predict(X)).all()
    assert made.model_.attribute(X[:2], "saliency").values.shape == (2, 4)


@pytest.mark.parametrize(
    "target", [net(), MLPRegressor(max_iter=20, random_state=0)], ids=["same", "regressor"]
)
def test_transfer(target: Any):
    trunk = net(max_iter=40, activation="tanh").fit(X, Y)
    y = (Y == 1).astype(float) if isinstance(target, MLPRegressor) else Y == 1
    made = trunk.replace_head(target).fit(X, y)
    assert type(made) is type(target) and made.activation == "tanh"
    np.testing.assert_array_equal(made.coefs_[0], trunk.coefs_[0])
    np.testing.assert_array_equal(made.transform(X), trunk.transform(X))
    tuned = trunk.replace_head(target, freeze=False).fit(X, y)
    assert not np.array_equal(tuned.coefs_[0], trunk.coefs_[0])
    with pytest.raises(ValueError, match="hidden layers were trained on 4"):
        trunk.replace_head(target).fit(X[:, :3], y)


def test_freeze():
    made = net().fit(X, Y).freeze("dense_1")
    before = [W.copy() for W in made.coefs_]
    made.partial_fit(X, Y)
    assert np.array_equal(before[0], made.coefs_[0]) and not np.array_equal(before[1], made.coefs_[1])
    made.unfreeze().partial_fit(X, Y)
    assert not np.array_equal(before[0], made.coefs_[0])


@pytest.mark.parametrize(
    "unfitted",
    [
        net(
            activation=[chainrule.ELU(0.5), "relu"],
            batch_norm=True,
            optimizer=chainrule.AdamW(1e-2),
            class_weight={"setosa": 1.0, "versicolor": 2.0, "virginica": 0.5},
        ),
        MLPRegressor(
            loss=chainrule.Huber(0.3),
            schedule=chainrule.StepDecay(at=(0.5,)),
            n_iter_no_change=np.inf,
            max_iter=3,
        ),
    ],
    ids=["classifier", "regressor"],
)
def test_a_file(unfitted: Any, tmp_path: Path):
    made = clone(
        unfitted
    )  # pytest keeps a parameter to the end, where the native engine reports what still lives
    names = np.array(["setosa", "versicolor", "virginica"])
    made.fit(X, names[Y] if isinstance(made, MLPClassifier) else Y)
    path = tmp_path / "net.safetensors"
    made.save(path)
    again = type(made).load(path)
    np.testing.assert_array_equal(again.predict(X), made.predict(X))
    assert again.get_params() == made.get_params()
    assert again.loss_curve_ == made.loss_curve_ and again.n_iter_ == made.n_iter_
    assert again.partial_fit(X, made.predict(X)).n_iter_ == 1
    assert (chainrule.load(path).predict(X) == made.predict(X)).all()
    other = MLPRegressor if isinstance(made, MLPClassifier) else MLPClassifier
    with pytest.raises(FormatError, match=f"contains an {type(made).__name__}"):
        other.load(path)
    made.model_.save(path)
    with pytest.raises(FormatError, match="no estimator"):
        type(made).load(path)


def test_what_a_notebook_shows():
    made = net()
    assert (
        "MLPClassifier" in made._repr_html_() and "<svg" not in made._repr_html_().split("</style>")[-1][:0]
    )
    text = made.fit(X, Y)._repr_html_()
    assert "dense_1" in text and "polyline" in text and "sk-" in text


def test_training_that_diverges_says_so():
    with pytest.raises(ValueError, match="non-finite parameter weights"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net(solver="sgd", activation="identity", learning_rate_init=1e6).fit(X * 1e100, Y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activation": "swish"}, "The 'activation' parameter"),
        ({"optimizer": "lion"}, "The 'optimizer' parameter"),
        ({"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes must be > 0"),
        ({"schedule": chainrule.ReduceOnPlateau("val_loss")}, "needs early_stopping=True or X_val"),
        ({"class_weight": {7: 2.0}}, "class"),
    ],
)
def test_errors(settings: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        net(**settings).fit(X, Y)


@pytest.mark.parametrize("quantiles", [0.9, (0.1, 0.9)])
def test_quantiles_of_another_loss_are_said_to_change_nothing(quantiles):
    x = np.linspace(-1, 1, 40)[:, None]
    with pytest.warns(
        UserWarning, match="changes nothing without loss='quantile'; pass that too, or omit it."
    ):
        MLPRegressor(hidden_layer_sizes=4, quantiles=quantiles, solver="lbfgs", max_iter=30).fit(x, x[:, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", "Stochastic Optimizer")
        MLPRegressor("quantile", 4, quantiles=quantiles, max_iter=3).fit(x, x[:, 0])
