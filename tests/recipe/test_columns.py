"""The test rows of a table whose rows belong together or have an order in time, and a run that is told so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import ConfigError, DataError
from chainrule.recipe.columns import TiedRows, divide, read_target, tied_rows
from chainrule.recipe.data import load
from chainrule.recipe.run import run
from chainrule.recipe.settings import Settings
from chainrule.views.report.tables import TableRun, contenders

N = 120
RNG = np.random.default_rng(4)
WHO, DAY = np.arange(N) % 12, np.arange(N) // 3


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [f"p{WHO[k]},{DAY[k]},{RNG.normal():.3f},{k % 7}" for k in range(N)]
    path = tmp_path / "visits.csv"
    path.write_text("\n".join(["who,day,dose,level", *rows]))
    return path


def small(**more: Any) -> Settings:
    given: dict[str, Any] = {
        "target_column": "level",
        "loss": "mean_squared_error",
        "epochs": 1,
        "hidden": (4,),
    }
    return Settings(**{**given, **more})


def test_test_rows_are_whole_groups_or_what_comes_last(table: Path):
    by_group = load(str(table), settings=small(groups="who", preset="fast")).table
    assert by_group is not None and "who" not in by_group.columns
    assert set(WHO[by_group.train]).isdisjoint(WHO[by_group.test]) and len(by_group.test) == 20
    by_time = load(str(table), settings=small(time="day", gap="2", preset="fast")).table
    assert by_time is not None and "day" in by_time.columns
    assert DAY[by_time.test].min() == 32 and DAY[by_time.train].max() == 29  # 30 and 31 are within the gap
    out = load(str(table), settings=small(time="day", exclude_columns="day,who", preset="fast")).table
    assert out is not None and list(out.columns) == ["dose", "level"] and DAY[out.test].min() == 32


def test_rows_without_a_target_tie_nothing():
    target = read_target("y", [None, *range(40)], "it", "mean_squared_error")
    tied = TiedRows(groups=[None, *([1, 2, 3, 4, 5] * 8)])
    train, test = divide(target, 0, "it", tied)
    assert len(test) == 8 and len(train) == 32
    untied = divide(target, 0, "it")
    assert [each.tolist() for each in divide(target, 0, "it", TiedRows())] == [
        each.tolist() for each in untied
    ]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"groups": "whom"}, "it has no column 'whom', the value of groups; did you mean 'who'"),
        ({"time": "level"}, "time names 'level', the column to predict; name another"),
        ({"gap": "3"}, "gap lies between times; also name their column with time"),
    ],
)
def test_what_cannot_be(settings: dict[str, str], said: str):
    with pytest.raises(ConfigError, match=said):
        tied_rows({"who": WHO, "level": DAY}, "level", small(**settings), "it")


def test_a_run_says_which_rows_were_held_out(table: Path, tmp_path: Path):
    settings = small(groups="who", preset="fast")
    made = run(str(table), settings, out=tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert "--groups who" in config["command"] and config["settings"]["groups"] == "who"
    found = made.run.data.table
    assert found is not None and made.comparison is not None and made.comparison.rows == 100
    report = contenders(TableRun(found, made.comparison, None, None))
    assert "have other values of &#x27;who&#x27; than those trained on" in report
    estimator = made.run.estimator
    assert estimator is not None
    again = run(str(table), settings, out=tmp_path / "run", resume=True)
    assert again.judgement.metrics == made.judgement.metrics
    with pytest.raises(ConfigError, match="groups"):
        run(str(table), small(groups="day", preset="fast"), out=tmp_path / "run", resume=True)


def test_a_plain_network_is_told_too_and_one_without_an_estimator_says_so(table: Path, tmp_path: Path):
    made = run(
        str(table), small(time="day", schedule="constant", lr=0.01, patience=3), out=tmp_path / "plain"
    )
    estimator = made.run.estimator
    assert estimator is not None and estimator.preprocessor_.out_of_range == "clip"
    assert made.judgement.n == 24
    with pytest.raises(
        ConfigError, match="time is for a table in memory and a fit that holds out rows itself"
    ):
        run(str(table), small(time="day", method="spsa"), out=tmp_path / "other")
    with pytest.raises(DataError, match="time must be numbers or dates"):
        run(str(table), small(time="who", preset="fast"), out=tmp_path / "third")
