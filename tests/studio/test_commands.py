"""Commands: their arguments are checked by their annotations before anything is called."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import Dense, MeanSquaredError, Model, Network, SoftmaxCrossEntropy
from chainrule.errors import ChainruleError, ConfigError
from chainrule.recipe.data import from_arrays
from chainrule.studio import screens
from chainrule.studio.commands import COMMANDS, Command, command, find, fitted
from chainrule.studio.studio import AHEAD, Studio, Tab

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
assert screens.__name__


def digits() -> Studio:
    X = np.arange(60, dtype=np.float32).reshape(20, 3)
    network = Network(3, [Dense(4)], SoftmaxCrossEntropy())
    return Studio(Model(network, seed=0), from_arrays(X, np.arange(20) % 4), name="small")


@pytest.mark.parametrize(
    ("value", "hint", "found"),
    [
        (3, int, 3),
        (3, float, 3.0),
        (2.5, float, 2.5),
        ("a", str, "a"),
        (True, bool, True),
        (None, int | None, None),
        ([1, 2], list[int], [1, 2]),
        ([[1.0], []], list[list[float]], [[1.0], []]),
        ([1, 2], tuple[int, ...], (1, 2)),
        ("sgd", Literal["sgd", "adam"], "sgd"),
        ({"a": 1}, dict[str, Any], {"a": 1}),
    ],
    ids=str,
)
def test_values_that_fit(value, hint, found):
    assert fitted(value, hint, "x") == found
    assert type(fitted(value, hint, "x")) is type(found)


@pytest.mark.parametrize(
    ("value", "hint", "says"),
    [
        (True, int, "x must be a whole number, not True"),
        (1.0, int, "x must be a whole number, not 1.0"),
        (1 << 60, int, "a whole number"),
        ("1", float, "x must be a number, not '1'"),
        (float("nan"), float, "a number"),
        (None, int, "not None"),
        ([1, "a"], list[int], "a list of whole numbers"),
        ([1, "a"], tuple[int, ...], "a list of whole numbers"),
        ("lbfgs", Literal["sgd", "adam"], "one of sgd, adam"),
        (1, Literal["sgd", True], "one of"),
        ([], int | None, "a whole number or null"),
        ("x" * 70_000, str, "text, not"),
    ],
    ids=str,
)
def test_values_that_do_not_fit(value, hint, says):
    with pytest.raises(ConfigError, match=says.replace("(", r"\(")):
        fitted(value, hint, "x")


def test_arguments_are_checked_before_the_call():
    called = []
    found = Command("do.it", lambda studio, **given: called.append(given) or {}, {"a": int}, frozenset({"a"}))
    for arguments, says in (
        ({}, "needs a"),
        ({"a": "1"}, "a must be"),
        ({"a": 1, "b": 2}, "no argument 'b'"),
    ):
        with pytest.raises(ConfigError, match=says):
            found(Studio(), arguments)
    assert called == []
    found(Studio(), {"a": 1})
    assert called == [{"a": 1}]


@dataclass(frozen=True)
class Size:
    width: int
    height: int = 2


def test_a_dataclass_stands_for_its_fields(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("chainrule.studio.commands.COMMANDS", {})

    @command("size.get")
    def get(studio: Studio, *, size: Size) -> dict[str, Any]:
        return {"size": size}

    assert find("size.get")(Studio(), {"width": 3}) == {"size": Size(3, 2)} == get(Studio(), size=Size(3))
    for arguments, says in (
        ({}, "needs width"),
        ({"width": 1.5}, "width must be a whole number"),
        ({"size": {}}, "no argument 'size'; it takes width, height"),
    ):
        with pytest.raises(ConfigError, match=says):
            find("size.get")(Studio(), arguments)


def test_a_command_that_there_is_not():
    with pytest.raises(ConfigError, match="no command"):
        find("os.system")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_answers(name):
    function = COMMANDS[name].function
    assert function.__doc__
    parameters = list(inspect.signature(function).parameters.values())
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters[1:])


@given(values=st.lists(JSON, max_size=4), others=st.dictionaries(st.text(max_size=8), JSON, max_size=1))
def test_no_arguments_bring_a_command_down(values, others):
    """Of an empty studio: an answer, or one sentence.

    Drawn once for all commands, for which drawing takes longer than calling: each gets the values under its own names.
    """
    for name, found in COMMANDS.items():
        arguments = dict(zip(found.hints, values, strict=False)) | others
        try:
            find(name)(Studio(), arguments)
        except ChainruleError as error:
            assert str(error).endswith("."), name
        except Exception as error:
            error.add_note(f"{name} with {arguments}")
            raise


def test_the_model_as_a_page_knows_it():
    studio = digits()
    found = find("model.get")(studio, {})["model"]
    assert found["name"] == "small" and found["task"] == "multiclass" and found["shape"] is None
    assert [link["name"] for link in found["links"]] == ["dense_1"]
    assert found["arrays"]["dense_1.W"].dtype == np.float32
    assert np.array_equal(found["arrays"]["dense_1.W"], studio.model.parameters["dense_1"].W)
    assert find("model.get")(Studio(), {}) == {"model": None}


def test_samples():
    found = find("data.samples")(digits(), {"rows": [3, 0]})
    assert np.array_equal(found["X"], [[9, 10, 11], [0, 1, 2]]) and found["y"] == [3, 0]
    for bad in ({"rows": [20]}, {"rows": [-1]}, {"start": 15, "count": 10}, {"count": 1000}):
        with pytest.raises(ChainruleError, match="from 0 to 19"):
            find("data.samples")(digits(), bad)


def test_targets_are_numbers_or_text():
    studio = Studio(
        Model(Network(3, [Dense(1)], MeanSquaredError()), seed=0), from_arrays(np.zeros((2, 3)), [0.5, 1.5])
    )
    assert find("data.samples")(studio, {"count": 2})["y"] == [0.5, 1.5]


def test_a_slow_page_gets_the_newest_frame():
    """Frames wait for the page's word where it is behind; other events keep their order and come first."""

    async def run():
        tab = Tab(asyncio.get_running_loop())
        for number in range(3):
            tab.put("train.frame", {"n": number})
        assert '"n": 2' in tab.take() or '"n":2' in tab.take()
        assert tab.take() is None
        for number in range(3, 2 + AHEAD):
            tab.put("train.frame", {"n": number})
            assert f"{number}" in tab.take()
        tab.put("train.frame", {"n": 97})
        assert tab.take() is None
        tab.put("train.epoch", {"n": 98})
        tab.put("train.frame", {"n": 99})
        assert "train.epoch" in tab.take()
        assert tab.take() is None
        tab.acknowledge(1)
        assert "99" in tab.take()
        assert tab.take() is None

    asyncio.run(run())
