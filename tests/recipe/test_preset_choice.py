"""What a run on a table trains where no preset is named, and how it stands beside simpler models."""

from __future__ import annotations

import json

import numpy as np
import pytest

from chainrule import ConfigError, MLPRegressor
from chainrule.recipe import preset_choice
from chainrule.recipe.baselines import BaselineComparison, Compared, apart
from chainrule.recipe.by_model import prepare
from chainrule.recipe.data import from_arrays
from chainrule.recipe.run import run
from chainrule.recipe.settings import Settings
from chainrule.views.text.tables import verdict
from house_tables import columns, write


@pytest.mark.parametrize(
    ("settings", "preset"),
    [
        (Settings(), "fast"),
        (Settings(hidden=(8,), epochs=3, dropout=0.1, time_limit=9.0, members=2, loss="huber"), "fast"),
        (Settings(optimizer="sgd", lr=0.1, momentum=0.9), "fast"),
        (Settings(preset="realmlp"), "realmlp"),
        (Settings(preset="none"), "none"),
        (Settings(l2=1e-3), "none"),
        (Settings(lr=0.1), "none"),
        (Settings(method="spsa"), "none"),
        (Settings(shards=4), "none"),
        (Settings(target=0.9), "none"),
        (Settings(loss="binary_cross_entropy"), "none"),
        (Settings(activation="softmax"), "none"),
    ],
)
def test_a_table_has_the_preset_fast_unless_an_option_asks_for_a_plain_network(settings, preset):
    assert preset_choice.chosen(settings).preset == preset


@pytest.fixture
def table(tmp_path):
    write(tmp_path / "houses.csv", columns(), ["area", "town", "garden", "sold", "land", "price"])
    return str(tmp_path / "houses.csv")


def test_the_default_of_a_table_is_the_estimator_of_fast(table, tmp_path):
    """Its file says so, and the command that repeats the run is the one that was given."""
    given = {"target_column": "price", "epochs": 2, "hidden": (8,)}
    by_default = run(table, Settings(**given), out=tmp_path / "a")
    named = run(table, Settings(**given, preset="fast"), out=tmp_path / "b")
    np.testing.assert_array_equal(by_default.model.theta, named.model.theta)
    assert MLPRegressor.load(tmp_path / "a" / "model.safetensors").preset == "fast"
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    assert "preset" not in config["command"] and config["resolved"]["preset"] == "fast"


def test_arrays_have_a_plain_network():
    data = from_arrays(np.zeros((20, 2)), np.arange(20.0))
    assert prepare(data, Settings()).training.model.network.size > 0
    outcome = run(data, Settings(epochs=1))
    assert not outcome.run.settings.has_preset


@pytest.mark.parametrize("key", [None, "none"])
def test_a_plain_run_on_a_table_goes_on_as_one(table, tmp_path, key):
    """Also one of a version in which tables had no preset by default, whose settings name none."""
    out = tmp_path / "run"
    settings = {"target_column": "price", "hidden": (8,), "schedule": "constant"}
    run(table, Settings(**settings, epochs=2, preset="none"), out=out)
    config = json.loads((out / "config.json").read_text())
    config["settings"].pop("preset")
    config["resolved"]["preset"] = key
    (out / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=r"preset is 'fast', but the run in .* was started without it"):
        run(table, Settings(**settings, epochs=4, preset="fast"), out=out, resume=True)
    longer = run(table, Settings(**settings, epochs=4, preset=key), out=out, resume=True)
    whole = run(table, Settings(**settings, epochs=4, preset="none"), out=tmp_path / "whole")
    np.testing.assert_array_equal(longer.model.theta, whole.model.theta)


def compared(*losses: float, metric: str = "rmse") -> BaselineComparison:
    """The comparison of a network, the constant, the linear model and the boosting with these losses."""
    names = ("network", "constant", "linear", "boosting")
    models = tuple(Compared(name, {metric: loss}, 1.0) for name, loss in zip(names, losses, strict=True))
    return BaselineComparison(models, (metric,), 100)


@pytest.mark.parametrize(
    ("losses", "code", "model"),
    [
        ((2.0, 9.0, 4.0, 3.0), "best", "boosting"),
        ((3.02, 9.0, 4.0, 3.0), "close", "boosting"),
        ((3.04, 9.0, 3.0, 4.0), "behind", "linear"),
        ((12.0, 9.0, 3.0, 4.0), "behind", "linear"),
        ((9.5, 9.0, 8.95, 11.0), "nothing", "linear"),
        ((float("nan"), 9.0, 4.0, 3.0), "behind", "boosting"),
        ((float("nan"), 9.0, 9.0, 11.0), "nothing", "constant"),
    ],
)
def test_verdict(losses, code, model):
    """A hundredth of the loss decides; where no model is better than the constant by it, none is called better."""
    found = compared(*losses).verdict
    assert (found.code, found.model) == (code, model)
    assert compared(*losses).of_run()["verdict"]["code"] == code


def test_how_far_apart_two_models_are_by_hand():
    """Differences 1, 2 and 6: mean 3, deviation sqrt(7), standard error sqrt(7 / 3)."""
    assert apart(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 8.0])) == pytest.approx(3 / np.sqrt(7 / 3))
    assert apart(np.zeros(3), np.ones(3)) is None and apart(np.zeros(1), np.ones(1)) is None
    assert apart(np.array([0.0, np.inf]), np.ones(2)) is None


def test_the_verdict_in_words():
    assert verdict(compared(29123.4, 166441.0, 40000.0, 30712.0), "fast") == (
        "This network is the best of the four: RMSE 29,123; next, boosted trees: 30,712."
    )
    behind = compared(0.45, 0.6, 0.439, 0.46, metric="log_loss")
    assert verdict(behind, "fast") == (
        "The linear model is better here: log loss 0.439; this network: 0.45. "
        "Use that, or try --preset best, which averages the best of several networks."
    )
    assert verdict(behind, "best").endswith("this network: 0.45.")
    few = behind._replace(models=tuple(each._replace(apart=-1.2) for each in behind.models))
    assert "this network: 0.45. The test rows are too few to be sure of that. Use that, or" in verdict(
        few, "fast"
    )
    assert not few._replace(
        models=tuple(each._replace(apart=-2.0) for each in few.models)
    ).verdict.may_be_chance
    assert not compared(3.02, 9.0, 4.0, 3.0).verdict.may_be_chance  # close: nobody is called better
    assert "say little" in verdict(compared(9.5, 9.0, 8.95, 11.0), "fast")
