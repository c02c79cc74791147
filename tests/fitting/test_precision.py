"""Fits with the factors of products rounded to bfloat16: what they equal, what they are near, and refusals."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import GridSearchCV

from chainrule import Adam, Callback, Compute, ConfigError, Ensemble, MLPClassifier, MLPRegressor, Model
from chainrule.engines import native
from chainrule.race.candidates import Candidate

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.skipif(native.REASON is not None, reason=str(native.REASON)),
]
DIGITS, DIGIT = load_digits(return_X_y=True)
DIGITS = DIGITS / 16
NUMBERS, NUMBER = load_diabetes(return_X_y=True)
TABLE = pd.DataFrame(NUMBERS[:120, :4], columns=list("abcd")).assign(kind=["u", "v", "w"] * 40)
OF_TABLE = NUMBER[:120]
LABEL = np.where(OF_TABLE > 140, "high", "low")


def classifier(**settings: Any) -> MLPClassifier:
    how = {"hidden_layer_sizes": (32,), "max_iter": 30, "random_state": 0, "precision": "bf16"}
    return MLPClassifier(**how | settings)


def regressor(**settings: Any) -> MLPRegressor:
    how = {"hidden_layer_sizes": (8,), "max_iter": 3, "random_state": 0, "precision": "bf16"}
    return MLPRegressor(**how | settings)


def thetas(made: Any) -> np.ndarray[Any, Any]:
    return np.concatenate([member.theta for member in made.members_])


class Start(Callback):
    """The model before its first step."""

    def on_train_begin(self, run: Any) -> None:
        self.model = copy.deepcopy(run.model)


def test_digits_are_told_apart_nearly_as_well():
    train, test = slice(1200), slice(1200, None)
    made = {
        name: classifier(precision=name, dtype=None if name else "float32").fit(DIGITS[train], DIGIT[train])
        for name in (None, "bf16")
    }
    plain, rounded = (made[name].score(DIGITS[test], DIGIT[test]) for name in (None, "bf16"))
    assert plain > 0.85 and rounded == pytest.approx(plain, abs=0.02)
    assert made["bf16"].model_.dtype == np.float32  # of X in float64
    assert not np.array_equal(thetas(made[None]), thetas(made["bf16"]))


def test_numbers_are_predicted_nearly_as_well():
    how = {"preprocess": "auto", "preset": "fast", "max_iter": 10, "n_members": 1}
    made = [regressor(precision=name, **how).fit(NUMBERS[:300], NUMBER[:300]) for name in (None, "bf16")]
    plain, rounded = (each.score(NUMBERS[300:], NUMBER[300:]) for each in made)
    assert plain > 0.35 and rounded == pytest.approx(plain, abs=0.02)
    assert not np.array_equal(*map(thetas, made))


@pytest.mark.parametrize("members", [1, 3])
def test_the_bits_are_those_of_a_fit_of_the_model(members: int):
    start = Start()
    made = classifier(
        **{"optimizer": Adam(1e-3), "shuffle": False, "own_batches": False, "alpha": 0.0, "batch_size": 64},
        **{"max_iter": 3, "tol": 0.0, "n_members": members, "callbacks": [start]},
    ).fit(DIGITS[:300], DIGIT[:300])
    assert isinstance(start.model, Ensemble if members > 1 else Model)
    how = {"epochs": 3, "batch_size": 64, "optimizer": Adam(1e-3), "shuffle": False}
    start.model.fit(DIGITS[:300], DIGIT[:300], **how, engine=Compute(precision="bf16"))
    by_hand = start.model.members if members > 1 else [start.model]
    assert_array_equal(thetas(made), np.concatenate([each.theta for each in by_hand]))


def test_a_member_of_an_ensemble_is_the_model_of_its_seed():
    network = classifier(max_iter=1).fit(DIGITS[:300], DIGIT[:300]).model_.network
    how = {"epochs": 2, "batch_size": 64, "engine": Compute(precision="bf16")}
    ensemble = Ensemble(network, 3, seed=4)
    ensemble.fit(DIGITS[:300], DIGIT[:300], **how)
    for member in ensemble:
        alone = Model(network, seed=member.seed)
        alone.fit(DIGITS[:300], DIGIT[:300], **how)
        assert_array_equal(member.theta, alone.theta)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dtype": "float64"}, "precision 'bf16' needs a float32 model, not float64; omit it."),
        ({"solver": "lbfgs"}, "does not support bf16; omit precision."),
        ({"optimizer": "lbfgs"}, "does not support bf16; omit precision."),
        ({"precision": "fp8"}, "The 'precision' parameter of MLPRegressor must be"),
    ],
)
@pytest.mark.parametrize("preset", [None, "fast", "best"])
def test_what_does_not_go_with_it_is_refused(settings: dict[str, Any], words: str, preset: str | None):
    made = regressor(preset=preset, preprocess=preset and "auto", **settings)
    with pytest.raises(ValueError, match=re.escape(words)):
        made.fit(TABLE if preset else NUMBERS, OF_TABLE if preset else NUMBER)


def test_a_network_that_goes_on():
    """One in float64 cannot; one in float32 learns by rounded factors from then on."""
    for again in ("fit", "partial_fit"):
        made = regressor(precision=None, warm_start=True).fit(NUMBERS, NUMBER).set_params(precision="bf16")
        with pytest.raises(ConfigError, match="needs a float32 model, not float64"):
            getattr(made, again)(NUMBERS, NUMBER)
        both = []
        for name in (None, "bf16"):
            one = regressor(precision=None, warm_start=True, dtype="float32").fit(NUMBERS, NUMBER)
            getattr(one.set_params(precision=name), again)(NUMBERS, NUMBER)
            both.append(thetas(one))
        assert not np.array_equal(*both)


def test_it_is_a_parameter_like_others(tmp_path: Path):
    made = classifier(max_iter=2)
    assert clone(made).get_params()["precision"] == "bf16"
    assert made.set_params(precision=None).precision is None and MLPClassifier().precision is None
    made.set_params(precision="bf16").fit(DIGITS[:300], DIGIT[:300]).save(tmp_path / "made.safetensors")
    read = MLPClassifier.load(tmp_path / "made.safetensors")
    assert read.precision == "bf16"
    assert_array_equal(read.predict_proba(DIGITS), made.predict_proba(DIGITS))
    search = GridSearchCV(classifier(max_iter=8), {"precision": [None, "bf16"]}, cv=2)
    found = search.fit(DIGITS[:200].astype(np.float32), DIGIT[:200]).cv_results_
    assert [each["precision"] for each in found["params"]] == [None, "bf16"]
    assert found["mean_test_score"][1] == pytest.approx(found["mean_test_score"][0], abs=0.05)


def test_a_file_without_it_is_as_before(tmp_path: Path):
    """Version 0.2.0 reads a file only of parameters that it knows."""
    for name in (None, "bf16"):
        regressor(precision=name).fit(NUMBERS, NUMBER).save(tmp_path / "made.safetensors")
        assert (b"precision" in (tmp_path / "made.safetensors").read_bytes()) == (name is not None)


@pytest.mark.parametrize(
    "settings",
    [
        {"preset": "fast"},
        {"preset": "fast", "early_stopping": True, "refit": True},
        {"preset": "realmlp"},
        {"preset": "tabm", "n_members": 2},
        {"preset": "additive"},
        {"preset": None},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_preset_is_trained_by_it(kind: type[Any], settings: dict[str, Any]):
    """The recipe stays the same: as many networks, as large, of other weights."""
    y = LABEL if kind is MLPClassifier else OF_TABLE
    made = []
    for name in (None, "bf16"):
        how = {"preprocess": "auto", "max_iter": 4, "random_state": 0, "precision": name} | settings
        made.append(kind(**how).fit(TABLE, y))
    plain, rounded = made
    assert rounded.model_.dtype == np.float32 and thetas(plain).shape == thetas(rounded).shape
    assert plain.loss_curve_ != rounded.loss_curve_  # also where the best epoch is the first, at rate 0
    assert rounded.score(TABLE, y) == pytest.approx(plain.score(TABLE, y), abs=0.05)


def test_a_table_in_float64_too():
    made = regressor(preprocess="auto", n_members=1).fit(TABLE, OF_TABLE)
    of_float64 = clone(made).set_params(preprocess=made.preprocessor_.set_params(dtype="float64"))
    assert of_float64.fit(TABLE, OF_TABLE).model_.dtype == np.float32


def test_an_update_is_trained_by_it():
    made = regressor(preprocess="auto", n_members=1, max_iter=1).fit(TABLE, OF_TABLE)
    plain = copy.deepcopy(made).set_params(precision=None)
    both = [each.update(TABLE[:60], OF_TABLE[:60] + 50, learning_rate=1e-2) for each in (made, plain)]
    assert made.updates_[-1].part > 0 and not np.array_equal(*map(thetas, both))


def test_every_network_of_a_race_is_trained_by_it(race_of: Callable[..., None], tmp_path: Path):
    """Repeated by its plan it has the same bits; in float32 each of the same fits has others."""
    small = {"hidden_layer_sizes": (8,)}
    race_of(
        Candidate("fast", changed=small),
        Candidate("tabm", "tabm", changed={"n_members": 2, "scoring": "loss"} | small),
    )
    how: dict[str, Any] = {"preset": "best", "preprocess": "auto", "max_iter": 2, "random_state": 3}
    made = MLPRegressor(**how, precision="bf16").fit(TABLE, OF_TABLE)
    plan = json.loads(json.dumps(made.plan_))
    again = MLPRegressor(**how, precision="bf16").fit(TABLE, OF_TABLE, plan=plan)
    assert_array_equal(again.predict(TABLE), made.predict(TABLE))
    with pytest.raises(ConfigError, match="the race of the plan was made with precision='bf16'"):
        MLPRegressor(**how).fit(TABLE, OF_TABLE, plan=plan)
    del plan["parameters"]["precision"]
    plain = MLPRegressor(**how).fit(TABLE, OF_TABLE, plan=plan)
    pairs = list(zip(made.blend_.parts, plain.blend_.parts, strict=True))
    assert pairs and all(one.recipe == other.recipe for one, other in pairs)
    for one, other in pairs:
        assert one.estimator.precision == "bf16" and one.result.model.dtype == np.float32
        assert not np.array_equal(thetas(one.estimator), thetas(other.estimator))
    made.save(tmp_path / "made.safetensors")
    read = MLPRegressor.load(tmp_path / "made.safetensors")
    assert [part.estimator.precision for part in read.blend_.parts] == ["bf16"] * len(pairs)
    np.testing.assert_allclose(read.predict(TABLE), made.predict(TABLE), rtol=1e-6)
