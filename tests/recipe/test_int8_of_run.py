"""What 8-bit integers do to the model of a run: ranges of training rows, effects on rows that it is judged on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chainrule.estimators.graphs import graph_inputs
from chainrule.export.quantizing import in_int8
from chainrule.graph.passes import simplified
from chainrule.recipe import reported
from chainrule.recipe.data import load
from chainrule.recipe.reported import int8_of_run
from chainrule.recipe.run import Outcome, run
from chainrule.recipe.settings import Settings
from chainrule.tables.rows import rows_of
from chainrule.views.report import render
from chainrule.views.words import spoken_in
from house_tables import columns, write

NAME = "town <b>&"


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("int8")
    table = columns()
    write(
        folder / "houses.csv",
        {NAME if name == "town" else name: table[name] for name in ("area", "town", "size")},
    )
    settings = Settings(target_column="size", hidden=(8,), epochs=3, members=2)
    return run(load(str(folder / "houses.csv"), settings=settings), settings, out=folder / "run")


def test_ranges_are_of_training_rows_and_effects_of_others(houses: Outcome):
    made, table = houses.run.estimator, houses.run.data.table
    found = int8_of_run(houses.run)
    assert made is not None and table is not None and found is not None
    assert (found.ranged, found.effect.rows) == (len(table.train), len(table.test))
    learned, judged = (graph_inputs(made, rows_of(table.inputs, each)) for each in (table.train, table.test))
    exact = simplified(made.graph(), by_column=False)
    p, q = (each.run(judged, "float32")["probabilities"] for each in (exact, in_int8(exact, learned).graph))
    assert found.effect.difference == pytest.approx(np.abs(p - q).mean())
    assert {each.name for each in found.effect.columns} == {"area", NAME}
    assert [each.label for each in found.effect.classes] == ["large", "mid", "small"]


def test_the_report_has_it(houses: Outcome):
    found = int8_of_run(houses.run)
    assert found is not None
    told = houses.run.model, houses.history, houses.run.parts.judged
    page = render(*told, title="houses", judged=houses.judgement, integers=found)
    assert "What 8-bit integers do" in page and f"those of {found.ranged} training rows" in page
    assert "town &lt;b&gt;&amp;" in page and '<th scope="row" data-head="layer">dense_1</th>' in page
    assert (
        f"On {found.effect.rows} rows probabilities differ by {found.effect.difference:.2g} on average"
        in page
    )
    with spoken_in("zh"):
        page = render(*told, title="houses", judged=houses.judgement, integers=found)
    assert "8 位元整數的影響" in page and f"取自 {found.ranged} 列訓練資料" in page


def test_an_array_and_a_model_without_the_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (200, 6)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", X=X, y=X[:, 0] > X[:, 1])
    done = run(load(str(tmp_path / "data.npz")), Settings(hidden=(4,), epochs=1), out=tmp_path / "run").run
    found = int8_of_run(done)
    assert found is not None and found.ranged == done.parts.train.n and len(found.effect.columns) == 6
    monkeypatch.setattr(reported, "MOST_INPUTS", 5)
    assert int8_of_run(done) is None
