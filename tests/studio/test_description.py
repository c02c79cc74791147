"""What the page's engine knows of the package, as data: products and trees by hand, and layers with other settings."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from chainrule import Dense, GlorotUniform, HeNormal
from chainrule.formulas.optimizers import OPTIMIZERS
from chainrule.formulas.schedules import SCHEDULES
from chainrule.studio.description import description
from chainrule.studio.description.expressions import evaluated, product, traced
from chainrule.trained.persistence import LAYERS

DESCRIBED = description()


def test_products_by_hand():
    settings = [{"a": a, "b": b} for a, b in ((2.0, 9.0), (3.0, 5.0), (7.0, 11.0), (5.0, 2.0))]
    assert product([each["a"] for each in settings], settings) == "a"
    assert product([4.0] * 4, settings) == 4
    found = product([6 * each["a"] / math.sqrt(each["b"]) for each in settings], settings)
    assert found == {"times": 6.0, "powers": {"a": 1.0, "b": -0.5}}
    assert evaluated(found, {"a": 5.0, "b": 4.0}) == pytest.approx(15)
    with pytest.raises(ValueError, match="no product of a, b"):
        product([each["a"] + each["b"] for each in settings], settings)
    with pytest.raises(ValueError, match="no product of a, b"):  # too few to tell
        product([18.0, 15.0, 77.0], settings[:3])


def test_trees_by_hand():
    """max asks which is larger: both answers are kept."""
    tree = traced(lambda given: 2 * max(given["x"] - 1, 0), ["x"])
    x = {"name": "x"}
    assert tree == ["where", ["<", ["-", x, 1], 0], 0, ["*", 2, ["-", x, 1]]]
    with pytest.raises(TypeError):
        traced(lambda given: given["x"] + "1", ["x"])
    with pytest.raises(TypeError):
        traced(lambda given: sum(given["x"]), ["x"])  # a list


def value(tree, given):
    if isinstance(tree, dict):
        return given[tree["name"]]
    if not isinstance(tree, list):
        return tree
    name, *parts = tree
    if name == "where":
        return value(parts[1] if value(parts[0], given) else parts[2], given)
    known = {
        **{"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.true_divide, "<": np.less},
        **{"<=": np.less_equal, "power": np.float_power, "cos": np.cos, "log2": np.log2, "clip": np.clip},
    }
    return known[name](*(value(part, given) for part in parts))


@pytest.mark.parametrize("kind", DESCRIBED["schedules"])
def test_a_schedule_has_the_factors_of_the_package(kind):
    """Of every step, of runs as short as one step too."""
    entry, schedule = DESCRIBED["schedules"][kind], SCHEDULES[kind]()
    for total in (1, 2, 3, 17):
        expected = schedule.factor(np.arange(total + 1), total, 5)
        given = entry["settings"] | {"total": total, "steps_per_epoch": 5}
        found = [value(entry["factor"], given | {"step": step}) for step in range(total + 1)]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_layers_as_the_package_has_them():
    """With settings that were not tried."""
    of_dense = DESCRIBED["layers"]["dense"]
    ntk = next(case for case in of_dense["cases"] if case["when"] == {"parametrization": "ntk"})
    given = {"units": 7, "fan_in": 16} | {name: 0.5 for name in of_dense["settings"] if "_" in name}
    one = Dense(7, None, 0.5, 0.5, 0.5, 0.5, "ntk")
    for parameter, expected in zip(ntk["parameters"], one.parameters(16, GlorotUniform()), strict=True):
        assert tuple(evaluated(side, given) for side in parameter["shape"]) == expected.shape
        assert evaluated(parameter["rate"], given) == pytest.approx(expected.rate, rel=1e-14)
        assert evaluated(parameter["decays"], given) == pytest.approx(expected.decays, rel=1e-14)
        assert parameter["isWeight"] == expected.is_weight
    assert ntk["parameters"][0]["initializer"] == {"isSetting": True, "otherwise": {"kind": "lecun_normal"}}
    norm = DESCRIBED["layers"]["batch_norm"]["cases"][0]
    assert norm["ops"][0]["constants"] == {"eps": "eps", "momentum": "momentum"}
    assert [state["value"] for state in norm["state"]] == [0, 1]
    passes = {kind: entry["passes"] for kind, entry in DESCRIBED["layers"].items()}
    assert (passes["relu"], passes["tanh"]["kind"]) == ({"kind": "he_uniform"}, "glorot_uniform")
    assert {kind for kind, entry in passes.items() if entry == "after"} >= {
        "batch_norm",
        "dropout",
        "rescale",
    }


def test_initializers_optimizers_and_what_is_left_out():
    he = DESCRIBED["initializers"]["he_normal"]["cases"][0]
    drawn = HeNormal()(np.random.default_rng(0), (100_000,), 50, 1).std()
    assert (he["draw"], evaluated(he["scale"], {"fan_in": 50})) == ("normal", pytest.approx(drawn, rel=0.01))
    rules = {
        json.dumps(case["when"]): case["rule"]["name"] for case in DESCRIBED["optimizers"]["sgd"]["cases"]
    }
    assert [*rules.values()] == ["gradient_descent", "momentum", "nesterov"]
    assert DESCRIBED["optimizers"]["adamw"]["cases"][0]["rule"]["decay"] == "weight_decay"
    assert set(OPTIMIZERS) - set(DESCRIBED["optimizers"]) == {"lbfgs"}
    assert set(SCHEDULES) - set(DESCRIBED["schedules"]) == {"step_decay", "reduce_on_plateau"}
    left_out = set(LAYERS) - {*DESCRIBED["layers"], *DESCRIBED["blocks"]}
    assert left_out == {
        "embedding",
        "grouped_dense",
        "periodic_embedding",
        "piecewise_linear_embedding",
        "take",
    }
    json.dumps(DESCRIBED, allow_nan=False)
