"""What 8-bit integers do, by layer, class and column, against what the graphs themselves compute."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule import Dense, MeanSquaredError, MLPClassifier, Model, Network, ReLU, SoftmaxCrossEntropy
from chainrule.estimators.graphs import graph_inputs
from chainrule.export import effect
from chainrule.export.effect import effect_of_int8
from chainrule.export.quantizing import in_int8
from chainrule.graph.passes import simplified
from chainrule.views.words import spoken_in
from exported import table


def test_columns_of_a_matrix_by_hand():
    """y = 200 a + b with a from 0 to 1 and b from 0 to 255: a column of whole numbers loses nothing, the other does."""
    rng = np.random.default_rng(0)
    X = np.c_[rng.random(300), np.r_[0.0, 255.0, rng.integers(0, 256, 298)]]
    model = Model(Network(2, [Dense(1)], MeanSquaredError()), dtype="float64")
    model.theta[:] = [200.0, 1.0, 0.0]
    found = effect_of_int8(model.graph(), {"X": X})
    a, b = found.columns
    assert (a.name, b.name) == ("x0", "x1") and b.change == 0.0
    spread = (200 * X[:, 0] + X[:, 1]).std()
    assert a.change == pytest.approx(
        200 * np.abs(np.round(X[:200, 0]) - X[:200, 0]).mean() / spread, rel=1e-4
    )
    assert a.step == pytest.approx(1 / X[:200, 0].astype(np.float32).std(), rel=1e-4)
    assert found.classes == () and found.rows == 300


def test_layers_and_classes_are_those_of_the_graphs():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    model = Model(Network(4, [Dense(8), ReLU(), Dense(3)], SoftmaxCrossEntropy()), seed=0)
    model.fit(X, np.digitize(X[:, 0], [-0.5, 0.5]), epochs=10)
    found = effect_of_int8(model.graph(), {"X": X})
    graph = simplified(model.graph(), by_column=False)
    made = in_int8(graph, {"X": X}).graph
    p, q = (each.run({"X": X}, "float32")["probabilities"] for each in (graph, made))
    assert found.difference == pytest.approx(np.abs(p - q).mean())
    assert [layer.name for layer in found.layers] == ["dense_1", "dense_2"]
    assert all(0 < layer.error < 0.05 and 1 < layer.used <= 256 for layer in found.layers)
    assert found.layers[0].low == 0.0  # of a ReLU
    for k, one in enumerate(found.classes):
        assert one.rows == (p.argmax(1) == k).sum()
        assert one.same == pytest.approx((q.argmax(1)[p.argmax(1) == k] == k).mean())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_columns_of_a_table_have_its_names():
    X, y = table(120)
    made = MLPClassifier((8,), preprocess="auto", max_iter=5, random_state=0).fit(X, y > 4)
    found = effect_of_int8(made.graph(), graph_inputs(made, X))
    assert {each.name for each in found.columns} == {each.label for each in made.graph().inputs}
    assert [each.change for each in found.columns] == sorted(
        (each.change for each in found.columns), reverse=True
    )
    assert "answer off by" in str(found) and str(found.columns[0].name) in str(found)
    with spoken_in("zh"):
        assert "答案相差" in str(found)


def test_columns_that_change_nothing_are_not_shown(monkeypatch: pytest.MonkeyPatch):
    """Whole numbers from 0 to 255 are integers already; of more columns than are tried there is no table either."""
    rng = np.random.default_rng(0)
    whole = np.r_[np.zeros((1, 3)), np.full((1, 3), 255.0), rng.integers(0, 256, (98, 3))]
    model = Model(Network(3, [Dense(2)], MeanSquaredError()), seed=0)
    found = effect_of_int8(model.graph(), {"X": whole})
    assert [each.change for each in found.columns] == [0.0, 0.0, 0.0]
    assert "dense_1" in str(found) and "x0" not in str(found) and "column" not in str(found)
    monkeypatch.setattr(effect, "MOST_COLUMNS", 2)
    assert effect_of_int8(model.graph(), {"X": whole}).columns == ()
