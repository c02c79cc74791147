"""Commands: their arguments are checked by their annotations before anything is called."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import (
    ChainruleError,
    ConfigError,
    Dense,
    MeanSquaredError,
    Model,
    Network,
    SoftmaxCrossEntropy,
)
from chainrule.recipe.data import from_arrays
from chainrule.studio import screens
from chainrule.studio.page.export import offline_page
from chainrule.studio.server.serve import serve_tab
from chainrule.studio.session.commands import COMMANDS, Command, command, find, fitted
from chainrule.studio.session.studio import Studio, Tab

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
        (True, int, "x must be an integer, not True"),
        (1.0, int, "x must be an integer, not 1.0"),
        (1 << 60, int, "an integer"),
        ("1", float, "x must be a number, not '1'"),
        (float("nan"), float, "a number"),
        (None, int, "not None"),
        ([1, "a"], list[int], "a list of integers"),
        ([1, "a"], tuple[int, ...], "a list of integers"),
        ("lbfgs", Literal["sgd", "adam"], "one of sgd, adam"),
        (1, Literal["sgd", True], "one of"),
        ([], int | None, "an integer or null"),
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
    monkeypatch.setattr("chainrule.studio.session.commands.COMMANDS", {})

    @command("size.get")
    def get(studio: Studio, *, size: Size) -> dict[str, Any]:
        return {"size": size}

    assert find("size.get")(Studio(), {"width": 3}) == {"size": Size(3, 2)} == get(Studio(), size=Size(3))
    for arguments, says in (
        ({}, "needs width"),
        ({"width": 1.5}, "width must be an integer"),
        ({"size": {}}, "no argument 'size'; it has width, height"),
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


@pytest.mark.slow
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
    for bad in (
        {"rows": [20]},
        {"rows": [-1]},
        {"start": 15, "count": 10},
        {"count": 1000},
        {"count": 2**53},  # refused before there is a list of so many numbers, which no memory holds
        {"start": -(2**53), "count": 2**53},
    ):
        with pytest.raises(ChainruleError, match="from 0 to 19"):
            find("data.samples")(digits(), bad)


def test_targets_are_numbers_or_text():
    studio = Studio(
        Model(Network(3, [Dense(1)], MeanSquaredError()), seed=0), from_arrays(np.zeros((2, 3)), [0.5, 1.5])
    )
    assert find("data.samples")(studio, {"count": 2})["y"] == [0.5, 1.5]


def read(tab: Tab) -> tuple[str, int]:
    """The name and the number of the event that is sent next."""
    found = json.loads(tab.take().content)
    return found["event"], found["data"]["n"]


def test_a_slow_page_gets_the_newest_frame():
    """Frames wait for the page's word where it is behind; other events keep their order and come first."""

    async def run():
        tab = Tab(asyncio.get_running_loop())
        for number in range(3):
            tab.put("train.frame", {"n": number})
        assert read(tab) == ("train.frame", 2)
        assert tab.take() is None
        for number in range(3, 2 + 16):
            tab.put("train.frame", {"n": number})
            assert read(tab) == ("train.frame", number)
        tab.put("train.frame", {"n": 97})
        assert tab.take() is None
        tab.put("train.epoch", {"n": 98})
        tab.put("train.frame", {"n": 99})
        assert read(tab) == ("train.epoch", 98)
        assert tab.take() is None
        tab.acknowledge(1)
        assert read(tab) == ("train.frame", 99)
        assert tab.take() is None

    asyncio.run(run())


def test_a_page_is_never_more_than_so_many_frames_behind():
    """Whatever it says that it got: what was not sent does not count, and what it said before is not taken back."""

    async def run():
        tab, numbers = Tab(asyncio.get_running_loop()), itertools.count()

        def sent() -> int:
            """The frames that are sent until the page has to say something."""
            for found in itertools.count():
                tab.put("train.frame", {"n": next(numbers)})
                if found > 3 * 16 or tab.take() is None:
                    return found

        tab.acknowledge(10**9)
        assert sent() == 16
        tab.acknowledge(16 - 3)
        assert sent() == 16 - 3
        tab.acknowledge(5)
        assert sent() == 0
        tab.acknowledge(10**9)
        assert sent() == 16

    asyncio.run(run())


def test_a_slow_page_that_missed_events_is_told_so_and_gets_every_answer():
    async def run():
        tab = Tab(asyncio.get_running_loop())
        tab.reply('{"id": 1}')
        for number in range(256):
            tab.put("train.mark", {"n": number})
        tab.reply('{"id": 2}')
        tab.put("train.state", {"n": 256})
        tab.put("train.mark", {"n": 256 + 1})
        found = [json.loads(message.content) for message in iter(tab.take, None)]
        assert found == [
            {"id": 1},
            {"id": 2},
            {"event": "missed", "data": {}},
            {"event": "train.mark", "data": {"n": 256 + 1}},
        ]

    asyncio.run(run())


@pytest.mark.parametrize(
    "name", ["</title><script>alert(1)</script>", "a & b <b>", "&lt;", "數字.safetensors", ""]
)
def test_an_exported_page_has_the_name_as_text(name: str):
    """A file may have any name. The page has its own elements alone, and the name is its title."""
    studio = digits()
    studio.name = name
    elements: dict[str, list[str]] = {"": [""]}
    inside = [""]

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            inside.append(tag)
            elements.setdefault(tag, []).append("")

        def handle_data(self, data: str) -> None:
            elements[inside[-1]][-1] += data

    Reader().feed(offline_page(studio, {"screen": "draw"}, []).decode())
    assert elements["title"][0].strip() == (f"{name} – Chainrule" if name else "Chainrule")
    counts = {tag: len(each) for tag, each in elements.items() if tag not in ("", "meta")}
    assert counts == dict.fromkeys(["html", "head", "title", "style", "body", "div"], 1) | {"script": 2}


class SlowSocket:
    """The socket of a page that sends commands, and reads nothing until it is told to."""

    def __init__(self, count: int, *, is_gone: bool = False) -> None:
        self.calls = iter(range(count))
        self.received, self.is_gone, self.answered = 0, is_gone, list[int]()
        self.reads, self.all = asyncio.Event(), asyncio.Event()
        self.count = count

    async def accept(self) -> None:
        pass

    async def receive(self) -> dict[str, Any]:
        for number in self.calls:
            self.received += 1
            text = f'{{"id": {number}, "do": "model.get"}}' if number % 2 else "no JSON"
            return {"type": "websocket.receive", "text": text}
        await (asyncio.sleep(0) if self.is_gone else self.all.wait())
        return {"type": "websocket.disconnect"}

    async def send_text(self, text: str) -> None:
        if self.is_gone:
            raise RuntimeError("the page has gone")
        await self.reads.wait()
        self.answered.append(json.loads(text)["id"])
        if len(self.answered) == self.count:
            self.all.set()


def test_a_page_that_reads_slowly_loses_no_answer():
    """No more is read of it than has room; when it reads at last, each command has its answer, or its refusal."""

    async def run():
        page = SlowSocket(400)
        serving = asyncio.create_task(serve_tab(Studio(), page))  # type: ignore[arg-type]
        for _ in range(500):
            await asyncio.sleep(0.001)
            if page.received > 8:
                break
        assert page.received == 8 + 1
        page.reads.set()
        await asyncio.wait_for(serving, 60)
        assert sorted(n for n in page.answered if n is not None) == list(range(1, 400, 2))
        assert page.answered.count(None) == 200

    asyncio.run(run())


def test_a_page_that_has_gone_with_answers_waiting_is_let_go():
    async def run():
        await asyncio.wait_for(serve_tab(Studio(), SlowSocket(50, is_gone=True)), 60)  # type: ignore[arg-type]

    asyncio.run(run())
