"""What a run on a table trains where no preset is named, and how it stands beside simpler models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from chainrule import ConfigError, MLPRegressor
from chainrule.recipe import preset_choice
from chainrule.recipe.baselines import BaselineComparison, Compared, difference_in_errors, sure_errors
from chainrule.recipe.by_model import prepare
from chainrule.recipe.data import from_arrays
from chainrule.recipe.run import run
from chainrule.recipe.settings import Settings
from chainrule.views import words
from chainrule.views.report.tables import TableRun
from chainrule.views.report.tables import compared as section
from chainrule.views.text.verdict import verdict
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
    assert difference_in_errors(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 8.0])) == pytest.approx(
        3 / np.sqrt(7 / 3)
    )
    assert (
        difference_in_errors(np.zeros(3), np.ones(3)) is None
        and difference_in_errors(np.zeros(1), np.ones(1)) is None
    )
    assert difference_in_errors(np.array([0.0, np.inf]), np.ones(2)) is None


def test_rows_of_a_group_count_as_one():
    """By hand for groups of unequal size, by the groups' means for equal ones, and as rows where each is its own."""
    d = np.array([1.0, 2.0, 6.0, 3.0])  # mean 3; sums of deviations of {0, 1} -3, of {2} 3, of {3} 0
    by_hand = 3 / np.sqrt(3 / 2 * (9 + 9 + 0) / 16)
    assert difference_in_errors(np.zeros(4), d, np.array([5, 5, 2, 7])) == pytest.approx(by_hand)
    random = np.random.default_rng(0)
    d, groups = random.normal(0.3, 1, 60) + np.repeat(random.normal(0, 1, 12), 5), np.repeat(np.arange(12), 5)
    means = d.reshape(12, 5).mean(1)
    of_means = means.mean() / (means.std(ddof=1) / np.sqrt(12))
    assert difference_in_errors(np.zeros(60), d, groups) == pytest.approx(of_means)
    assert abs(of_means) < 0.8 * abs(difference_in_errors(np.zeros(60), d))
    assert difference_in_errors(np.zeros(60), d, np.arange(60)) == pytest.approx(
        difference_in_errors(np.zeros(60), d)
    )
    assert difference_in_errors(np.zeros(60), d, np.zeros(60, np.int64)) is None


def test_a_difference_between_groups_is_seldom_called_sure_by_chance():
    """Two equal models, of eight groups of 30 rows: sure in about 4.6 % of 2,000 draws; rows alone would be in most."""
    random, groups = np.random.default_rng(1), np.repeat(np.arange(8), 30)
    sure = {None: 0, 8: 0}
    for _ in range(2_000):
        d = np.repeat(random.normal(size=8), 30) + random.normal(size=240)
        sure[None] += abs(difference_in_errors(np.zeros(240), d)) >= sure_errors(None)
        sure[8] += abs(difference_in_errors(np.zeros(240), d, groups)) >= sure_errors(8)
    assert 60 <= sure[8] <= 125 and sure[None] > 1_000  # 91 +- 9 by chance


def test_the_verdict_of_groups(tmp_path: Path):
    """A run with groups judges by those of its test rows, and its report says so."""
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(30), 4)
    x = random.normal(size=120)
    y = x + random.normal(size=30)[person] + 0.1 * random.normal(size=120)
    lines = [f"P{p},{a:.4f},{b:.4f}" for p, a, b in zip(person, x, y, strict=True)]
    (tmp_path / "table.csv").write_text("\n".join(["person,x,y", *lines]))
    settings = Settings(target_column="y", groups="person", hidden=(4,), epochs=2)
    made = run(str(tmp_path / "table.csv"), settings, out=tmp_path / "run")
    found, table = made.comparison, made.run.data.table
    assert found is not None and table is not None
    persons = np.unique(person[table.test])
    assert found.groups == found.verdict.groups == len(persons) == 6
    assert json.loads((tmp_path / "run/metrics.json").read_text())["verdict"]["groups"] == 6
    few = found._replace(models=tuple(each._replace(apart=-2.2) for each in found.models))
    assert few.verdict._replace(code="behind").may_be_chance  # 2.65 by Student's t of 5 degrees
    assert not few.verdict._replace(code="behind", apart=-2.7).may_be_chance
    assert few.verdict._replace(code="behind", apart=None, groups=1).may_be_chance
    for language, sentences in {
        "en": ("of 6 groups, which are too few", "judged by the means of 6 groups"),
        "zh": ("只屬於 6 個群組", "以 6 個群組各自的平均判斷"),
    }.items():
        with words.spoken_in(language):
            assert sentences[0] in words.verdict.may_be_chance(6) and sentences[1] in words.tables.compared(
                96, 6
            )
            assert sentences[1] in section(TableRun(table, found, None))
            unsure = tuple(each._replace(apart=1.0) for each in compared(2.0, 9.0, 4.0, 3.0).models)
            told = verdict(compared(2.0, 9.0, 4.0, 3.0)._replace(groups=6, models=unsure).verdict, "fast")
            assert (". The test" if language == "en" else "。測試列") in told and "。 " not in told
    assert (
        words.verdict.may_be_chance(1)
        == "The test rows are of one group, which is too few to be sure of that."
    )


def test_the_verdict_in_words():
    assert verdict(compared(29123.4, 166441.0, 40000.0, 30712.0).verdict, "fast") == (
        "This network is the best of the four: RMSE 29,123; next, boosted trees: 30,712."
    )
    behind = compared(0.45, 0.6, 0.439, 0.46, metric="log_loss")
    assert verdict(behind.verdict, "fast") == (
        "The linear model is better here: log loss 0.439; this network: 0.45. "
        "Use that model, or try --preset best, which averages the best of several networks."
    )
    assert verdict(behind.verdict, "best").endswith("this network: 0.45.")
    few = behind._replace(models=tuple(each._replace(apart=-1.2) for each in behind.models))
    assert "this network: 0.45. The test rows are too few to be sure of that. Use that model, or" in verdict(
        few.verdict, "fast"
    )
    assert not few._replace(
        models=tuple(each._replace(apart=-2.0) for each in few.models)
    ).verdict.may_be_chance
    assert not compared(3.02, 9.0, 4.0, 3.0).verdict.may_be_chance  # close: nobody is called better
    assert "say little" in verdict(compared(9.5, 9.0, 8.95, 11.0).verdict, "fast")
