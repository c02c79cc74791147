"""The laboratory's screens without a browser: the same numbers as `Model.fit`, small frames, and bad input."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from chainrule import SGD, Adam, ConfigError, Dense, Model, Network, SoftmaxCrossEntropy, Tanh
from chainrule.core.random import generator
from chainrule.lab import vanishing as lab
from chainrule.lab.without_backprop import ARMS, BATCH, MethodTask, run, samples
from chainrule.studio import screens
from chainrule.studio.screens.labs.side_by_side import SideBySide
from chainrule.studio.session.commands import COMMANDS, find
from chainrule.studio.session.messages import pack
from chainrule.studio.session.studio import Studio

assert COMMANDS, screens.__name__  # importing the screens registers the commands
MAX_FRAME = 8 << 10
LABS = ("vanishing", "without_backprop")


class Seen(Studio):
    """A studio that keeps what it sends, and lets a test wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, Any]] = []
        self.news = threading.Condition()
        # A page that another test file has open runs laboratories too.
        self.others = set(threading.enumerate())

    def alive(self) -> list[threading.Thread]:
        """List the threads of its laboratories."""
        return [t for t in threading.enumerate() if t not in self.others and t.name.split(" ")[0] in LABS]

    def send(self, event: str, data: Any) -> None:
        """Keep an event."""
        with self.news:
            self.events.append((event, data))
            self.news.notify_all()

    def wait(self, name: str, count: int = 1) -> None:
        """Wait for so many events of a name."""
        with self.news:
            assert self.news.wait_for(lambda: sum(event == name for event, _ in self.events) >= count, 120)


@pytest.fixture
def studio() -> Iterator[Seen]:
    found = Seen()
    yield found
    found.close()
    assert not found.alive()


def ask(studio: Studio, name: str, **arguments: Any) -> Any:
    return find(name)(studio, arguments)["run"]


def test_the_nets_end_with_the_numbers_of_fit(studio: Seen):
    started = ask(studio, "vanishing.start", arms=["tanh", "relu_batch_norm"], depth=3, budget=0.05, seed=4)
    assert started["running"] and [arm["name"] for arm in started["arms"]] == ["tanh", "relu_batch_norm"]
    studio.wait("vanishing.ended")
    ended = ask(studio, "vanishing.get")
    assert not ended["running"]
    data = lab.load_parts(4, 6 * 64)
    for arm in ended["arms"]:
        network = lab.make_network(lab.ARMS[arm["name"]](3, lab.WIDTH))
        model = Model(network, seed=4)
        before = model.gradient_flow(data.X[:256], data.y[:256], samples=None)
        model.fit(data.X, data.y, epochs=5, batch_size=64, optimizer=SGD(arm["facts"]["rate"], momentum=0.9))
        assert arm["facts"]["loss"] == model.evaluate(data.X, data.y)["loss"]
        assert arm["facts"]["accuracy"] == model.evaluate(*data.test)["accuracy"]
        assert arm["facts"]["ratio"] == pytest.approx(before["dense_1"].delta_ratio, rel=1e-3)
        assert arm["step"][0] == 0 and arm["step"][-1] == 30 and np.all(np.diff(arm["step"]) > 0)
        assert arm["loss"][0] == pytest.approx(before.loss, rel=1e-4) and arm["loss"][-1] < arm["loss"][0]
        after = model.gradient_flow(data.X[:256], data.y[:256], samples=None)
        assert arm["profile"] == pytest.approx([row.delta_ratio for row in after.layers], rel=1e-4)
    assert ended["ending"]["sentence"] is None


@pytest.mark.slow
def test_the_laboratory_says_what_the_nets_came_to(studio: Seen):
    ask(studio, "vanishing.start", arms=list(lab.ARMS), depth=8, budget=0.04)
    studio.wait("vanishing.ended")
    ended = ask(studio, "vanishing.get")
    sentence = ended["ending"]["sentence"]
    assert sentence.startswith("In the plain sigmoid network with 8 hidden layers") and "4 cures" in sentence
    plain = next(arm for arm in ended["arms"] if arm["name"] == "sigmoid")
    assert plain["facts"]["ratio"] < 1e-3 and len(plain["profile"]) == 9
    assert ended["ending"]["ratio"] == plain["facts"]["ratio"]
    for arm in ended["arms"]:  # a loss far above guessing has the outputs that explain it
        highest, peak = max(arm["loss"]), arm["peak"]
        assert bool(peak) == (highest > 2 * np.log(10))
        if peak:
            assert peak["loss"] == pytest.approx(highest, rel=1e-6)
            assert arm["step"][list(arm["loss"]).index(highest)] == peak["step"]
            assert highest <= peak["spread"] + np.log(10)  # cross-entropy of ten classes so far apart
    assert next(arm for arm in ended["arms"] if arm["name"] == "sigmoid_residual")["peak"]


def by_fit(name: str, passes: int, seed: int) -> tuple[float, int]:
    """The loss and the steps of a method of the laboratory's own runs, with the walks used up."""
    train, test = samples()
    network = Network(49, [Dense(8), Tanh(), Dense(10)], SoftmaxCrossEntropy())
    course = run(MethodTask(network, train, test), ARMS[name], ARMS[name].tuned, seed, passes, looks=0)
    return course.loss[-1], course.steps


@pytest.mark.slow
def test_the_methods_end_with_the_numbers_of_the_laboratory(studio: Seen):
    names = ["spsa", "cma_es", "feedback_alignment"]
    ask(studio, "without_backprop.start", arms=names, passes=120, seed=2)
    studio.wait("without_backprop.ended")
    ended = ask(studio, "without_backprop.get")
    assert [arm["name"] for arm in ended["arms"]] == [n for n in ARMS if n in (*names, "backpropagation")]
    for arm in ended["arms"]:
        loss, steps = by_fit(arm["name"], 120, 2)
        assert arm["step"][-1] == steps
        assert arm["loss"][-1] == pytest.approx(loss, rel=1e-6)
        assert arm["passes"][0] == 0 and arm["passes"][-1] >= 120
        assert np.all(np.diff(arm["passes"]) > 0) and np.all(np.diff(arm["seconds"]) >= 0)
    assert "backpropagation" in ended["ending"]["sentence"] and ended["ending"]["best"] in names


def test_passes_are_counted_over_several_epochs(studio: Seen):
    ask(studio, "without_backprop.start", arms=["none"], passes=150)
    studio.wait("without_backprop.ended")
    none = ask(studio, "without_backprop.get")["arms"][-1]
    assert none["step"][-1] == none["passes"][-1] == 150  # 40 steps an epoch, a walk each
    assert np.unique(none["loss"]).size == 1
    assert generator(0, "shuffle", 3).permutation(10_000).size // BATCH == 40


@pytest.mark.parametrize(
    ("lab_name", "given"),
    [
        ("vanishing", {"arms": ["tanh", "relu"], "depth": 2, "budget": 0.05}),
        pytest.param(
            *("without_backprop", {"arms": ["spsa", "random_search"], "passes": 130}), marks=pytest.mark.slow
        ),
    ],
)
def test_the_python_that_is_shown_comes_to_the_same_numbers(
    studio: Seen, lab_name: str, given: dict[str, Any], capsys: pytest.CaptureFixture[str]
):
    started = ask(studio, f"{lab_name}.start", **given)
    studio.wait(f"{lab_name}.ended")
    exec(started["code"], {})
    said = capsys.readouterr().out.splitlines()
    for arm, line in zip(ask(studio, f"{lab_name}.get")["arms"], said, strict=True):
        number = (
            f"loss {arm['facts']['loss']:.3f}" if lab_name == "vanishing" else str(arm["facts"]["accuracy"])
        )
        assert line.startswith(arm["name"]) and number in line


@pytest.mark.slow
def test_the_largest_frames_are_small(studio: Seen):
    ask(studio, "vanishing.start", arms=list(lab.ARMS), depth=20, budget=0.01)
    ask(studio, "without_backprop.start", arms=list(ARMS), passes=100)
    for name in LABS:
        studio.wait(f"{name}.ended")
        frames = [data for event, data in studio.events if event == f"{name}.frame"]
        assert len(frames) >= 2
        assert (
            max(len(pack({"event": f"{name}.frame", "data": data, "frame": 1})) for data in frames)
            <= MAX_FRAME
        )


@pytest.mark.parametrize("name", LABS)
def test_a_run_stops_at_any_time_and_another_takes_its_place(studio: Seen, name: str):
    given = {"depth": 20, "budget": 2.0} if name == "vanishing" else {"passes": 20_000}
    arms = list(lab.ARMS) if name == "vanishing" else list(ARMS)
    first = ask(studio, f"{name}.start", arms=arms, **given)
    studio.wait(f"{name}.frame", 3)
    second = ask(studio, f"{name}.start", arms=arms, **given)
    assert second["id"] > first["id"]
    studio.wait(f"{name}.frame", 6)
    stopped = ask(studio, f"{name}.stop")
    assert not stopped["running"]
    for thread in studio.alive():
        thread.join(20)
    assert not studio.alive()
    assert ask(studio, f"{name}.get")["ending"] == {}


def test_a_net_that_diverges_says_so_and_the_others_go_on(studio: Seen):
    ask(studio, "vanishing.start", arms=["sigmoid", "relu"], depth=6, budget=0.05, rate=10.0)
    studio.wait("vanishing.ended")
    sigmoid, relu = ask(studio, "vanishing.get")["arms"]
    assert "learning rate" in (relu["error"] or "") and relu["facts"]["loss"] is None
    assert sigmoid["error"] is None and sigmoid["facts"]["loss"] > 0


def test_turns_go_round():
    seen: list[str] = []

    class Turns(SideBySide):
        def train(self, arm: str) -> None:
            for _ in range(3 if arm == "a" else 2):
                seen.append(arm)
                self.pass_on(arm)

        def conclude(self) -> dict[str, Any]:
            return {}

    side = Turns("test", 1, ["a", "b", "c"], {}, lambda event, data: None)
    side.start()
    for thread in side.threads:
        thread.join(20)
    assert "".join(seen) == "abcabca"


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("vanishing.start", {}, "needs arms"),
        ("vanishing.start", {"arms": []}, "arms must name at least one of sigmoid"),
        ("vanishing.start", {"arms": ["gelu"]}, "arms must be one of sigmoid"),
        ("vanishing.start", {"arms": ["relu"], "depth": 0}, "depth must be from 1 to 20"),
        ("vanishing.start", {"arms": ["relu"], "depth": 21}, "depth must be from 1 to 20"),
        ("vanishing.start", {"arms": ["relu"], "budget": 0}, "budget must be"),
        ("vanishing.start", {"arms": ["relu"], "budget": 50}, "budget must be"),
        ("vanishing.start", {"arms": ["relu"], "rate": -1}, "rate must be"),
        ("vanishing.start", {"arms": ["relu"], "seed": -1}, "seed"),
        ("without_backprop.start", {"arms": ["adam"]}, "arms must be one of backpropagation"),
        ("without_backprop.start", {"arms": "spsa"}, "arms must be a list"),
        ("without_backprop.start", {"arms": [], "passes": 5}, "passes must be from 100"),
        ("without_backprop.start", {"arms": [], "depth": 9}, "depth must be from 1 to 3"),
        ("without_backprop.start", {"arms": [], "activation": "gelu"}, "activation must be one of tanh"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(studio: Seen, name: str, given: dict[str, Any], says: str):
    with pytest.raises(ConfigError, match=says):
        ask(studio, name, **given)
    assert ask(studio, name.replace("start", "get")) is None and not studio.alive()
    assert Adam(ARMS["spsa"].tuned).learning_rate == 0.03
