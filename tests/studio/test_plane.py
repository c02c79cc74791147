"""The screen Plane without a browser: the same numbers as `Model.fit`, frames that stay small, and bad input."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from chainrule import ChainruleError, ConfigError, DataError, Model
from chainrule.studio import screens
from chainrule.studio.screens.plane.commands import (
    ACTIVATION_KINDS,
    KINDS,
    MAX_LAYERS,
    MAX_WIDTH,
    OPTIMIZER_KINDS,
    PlaneSettings,
    data_of,
    network_of,
    optimizer_of,
    points,
    python,
)
from chainrule.studio.session.commands import COMMANDS, find
from chainrule.studio.session.messages import pack
from chainrule.studio.session.studio import Studio

assert COMMANDS, screens.__name__  # importing the screens registers the commands
MAX_FRAME = 8 << 10
PAINTED = [-0.5, -0.5, 0.0, 0.5, 0.5, 1.0, -0.5, 0.5, 2.0, -0.4, -0.45, 0.0, 0.4, 0.45, 1.0, -0.45, 0.4, 2.0]


class Seen(Studio):
    """A studio that keeps what it sends, and lets a test wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, Any]] = []
        self.news = threading.Condition()

    def send(self, event: str, data: Any) -> None:
        """Keep an event."""
        with self.news:
            self.events.append((event, data))
            self.news.notify_all()

    def wait(self, holds: Any) -> Any:
        """The first event that the function holds of, among all so far and those to come."""
        with self.news:
            assert self.news.wait_for(lambda: any(holds(*event) for event in self.events), 60)
            return next(data for event, data in self.events if holds(event, data))


@pytest.fixture
def studio() -> Iterator[Seen]:
    found = Seen()
    yield found
    found.close()
    assert not any(thread.name == "plane" and thread.is_alive() for thread in threading.enumerate())


def ask(studio: Studio, name: str, **arguments: Any) -> dict[str, Any]:
    return find(f"plane.{name}")(studio, arguments)


def stopped_at(step: int) -> Any:
    """An event that says that the training waits at a step."""
    return lambda event, data: event == "plane.frame" and data["step"] == step and not data["running"]


def by_fit(settings: PlaneSettings, epochs: int) -> Model:
    drawn = data_of(settings)
    model = Model(network_of(settings, drawn.y), seed=settings.seed)
    model.fit(drawn.X, drawn.y, epochs=epochs, batch_size=settings.batch, optimizer=optimizer_of(settings))
    return model


@pytest.mark.parametrize(
    "given",
    [
        {},
        {
            "kind": "blobs",
            "layers": [5, 3],
            "activation": "relu",
            "batch_norm": True,
            "optimizer": "momentum",
        },
        {"kind": "surface", "layers": [6, 6, 4], "residual": True, "seed": 7, "batch": 13},
        {"kind": "painted", "painted": PAINTED, "layers": [], "batch": 4, "rate": 0.1, "optimizer": "sgd"},
    ],
)
def test_paused_and_stepped_it_trains_to_the_numbers_of_fit(studio: Seen, given: dict[str, Any]):
    built = ask(studio, "build", **given)
    per_epoch = built["steps_per_epoch"]
    ask(studio, "step", steps=1)
    studio.wait(stopped_at(1))
    ask(studio, "start", epochs=2, pace="fast")
    studio.wait(stopped_at(1 + 2 * per_epoch))
    ask(studio, "step", steps=per_epoch - 1)
    frame = studio.wait(stopped_at(3 * per_epoch))
    numbers = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    model = by_fit(PlaneSettings(**numbers), 3)
    theta = [frame["numbers"][start : start + int(np.prod(shape))] for name, start, shape in built["slots"]]
    names = [name for name, _, _ in built["slots"]]
    assert frame["epoch"] == 3 and names == list(built["model"]["arrays"])
    assert np.array_equal(np.concatenate(theta)[: model.theta.size], model.theta)
    assert frame["record"][1] == pytest.approx(model.history["loss"][-1])
    history = ask(studio, "get")["history"]
    assert history["epoch"].tolist() == [0, 1, 2, 3] and np.isfinite(history["loss"]).all()


def test_a_rewind_begins_with_the_same_weights_and_another_seed_with_others(studio: Seen):
    first, again, other = (ask(studio, "build", seed=seed)["frame"]["numbers"] for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_largest_network_fits_into_a_frame(studio: Seen):
    widths = [MAX_WIDTH if i % 2 else MAX_WIDTH - 1 for i in range(MAX_LAYERS)]
    for layers in (widths, [MAX_WIDTH] * MAX_LAYERS):
        built = ask(studio, "build", kind="blobs", layers=layers, batch_norm=True, residual=True)
        assert len(pack({"event": "plane.frame", "data": built["frame"], "frame": 1 << 40})) <= MAX_FRAME


@pytest.mark.parametrize("kind", KINDS)
def test_points_are_a_function_of_the_seed(kind: str):
    one, same, other = (points(kind, n=50, noise=0.05, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one.X, other.X) and not np.array_equal(one.X, one.X_test)
    assert one.X.shape == one.X_test.shape == (50, 2) and np.abs(one.X).max() < 1.4
    if kind != "surface":
        counts = np.bincount(np.concatenate([one.y, one.y_test]))
        assert len(counts) == (3 if kind == "blobs" else 2) and counts.min() > 20


@pytest.mark.parametrize("kind", ["moons", "circles", "spirals", "xor", "blobs", "surface"])
def test_each_data_set_is_learned_by_a_small_network(kind: str):
    settings = PlaneSettings(kind=kind, noise=0.02, layers=(12, 12), optimizer="adam", rate=0.02)
    model, drawn = by_fit(settings, 600), data_of(settings)
    if kind == "surface":
        assert model.evaluate(drawn.X_test, drawn.y_test)["loss"] < 0.05
    else:
        assert model.evaluate(drawn.X_test, drawn.y_test)["accuracy"] > 0.9


@pytest.mark.parametrize("optimizer", OPTIMIZER_KINDS)
@pytest.mark.parametrize("kind", ["moons", "blobs", "surface", "painted"])
def test_the_python_that_is_shown_trains_to_the_same_numbers(
    kind: str, optimizer: str, capsys: pytest.CaptureFixture[str]
):
    settings = PlaneSettings(
        kind=kind,
        layers=(4, 4),
        batch_norm=kind == "blobs",
        residual=kind == "moons",
        optimizer=optimizer,
        painted=tuple(PAINTED) if kind == "painted" else (),
    )
    found: dict[str, Any] = {}
    exec(python(settings, "2"), found)
    assert np.array_equal(found["model"].theta, by_fit(settings, 2).theta)
    assert "loss" in capsys.readouterr().out


@pytest.mark.parametrize("activation", ACTIVATION_KINDS)
def test_the_python_imports_what_it_uses(activation: str, capsys: pytest.CaptureFixture[str]):
    exec(python(PlaneSettings(n=20, activation=activation), "1"), {})
    exec(python(PlaneSettings(n=20, layers=()), "1"), {})
    assert capsys.readouterr().out.count("'loss'") == 2


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"kind": "stars"}, ConfigError, "kind must be one of moons"),
        ({"n": 5}, ConfigError, "n must be from 10 to 400, not 5"),
        ({"n": 4000}, ConfigError, "n must be from 10 to 400"),
        ({"n": 20.5}, ConfigError, "n must be an integer"),
        ({"noise": -0.1}, ConfigError, "noise must be"),
        ({"seed": -1}, ConfigError, "seed"),
        ({"layers": [13]}, ConfigError, "layers must be at most 6 numbers from 1 to 12"),
        ({"layers": [1] * 7}, ConfigError, "layers must be at most 6"),
        ({"layers": ["8"]}, ConfigError, "layers must be a list"),
        ({"activation": "softmax"}, ConfigError, "activation must be one of"),
        ({"optimizer": "lbfgs"}, ConfigError, "optimizer must be one of"),
        ({"rate": 0}, ConfigError, "rate must be a finite number above 0"),
        ({"batch": 0}, ConfigError, "batch must be from 1 to 400"),
        ({"kind": "painted"}, DataError, "fewer than two classes"),
        ({"kind": "painted", "painted": [0.0, 0.0]}, DataError, "x1, x2 and a class"),
        ({"kind": "painted", "painted": [0.0, 0.0, 1.0] * 401}, DataError, "at most 400"),
        ({"kind": "painted", "painted": [0.0, 9.0, 1.0]}, DataError, "between -1.3 and 1.3"),
        ({"kind": "painted", "painted": [0.0, 0.0, 1.5]}, DataError, "classes from 0 to 3"),
        ({"kind": "painted", "painted": [0.0, 0.0, 1.0]}, DataError, "fewer than two classes"),
    ],
)
def test_bad_input_is_refused_in_a_sentence_and_leaves_the_network(
    studio: Seen, given: dict[str, Any], error: type[ChainruleError], says: str
):
    number = ask(studio, "build")["frame"]["id"]
    with pytest.raises(error, match=says):
        ask(studio, "build", **given)
    assert ask(studio, "get")["frame"]["id"] == number


@pytest.mark.parametrize("given", [{"epochs": 0}, {"epochs": 10**9}, {"pace": "warp"}])
def test_a_start_without_sense_is_refused(studio: Seen, given: dict[str, Any]):
    with pytest.raises(ConfigError, match="there is no plane network yet"):
        ask(studio, "start")
    ask(studio, "build")
    with pytest.raises(ConfigError, match=f"{next(iter(given))} must be"):
        ask(studio, "start", **given)
    with pytest.raises(ConfigError, match="steps must be from 1"):
        ask(studio, "step", steps=0)


def test_a_run_that_diverges_says_so(studio: Seen):
    ask(studio, "build", kind="surface", activation="identity", optimizer="sgd", rate=10.0)
    ask(studio, "start", pace="fast")
    said = studio.wait(lambda event, data: event == "plane.failed")
    assert "learning rate" in said["error"] and said["error"] == ask(studio, "get")["error"]


def test_another_network_ends_the_one_before(studio: Seen):
    ask(studio, "build")
    ask(studio, "start", pace="slow")
    before = studio.runs["plane"]
    ask(studio, "build", kind="xor")
    before.thread.join(30)
    assert not before.thread.is_alive() and not before.is_running


def test_put_on_show_the_network_is_a_copy_with_its_points(studio: Seen):
    ask(studio, "build", kind="blobs")
    ask(studio, "step", steps=5)
    frame = studio.wait(stopped_at(5))
    ask(studio, "show")
    model = studio.model
    assert model.steps_trained == 5 and studio.data.train.X.shape == (200, 2)
    assert np.array_equal(frame["numbers"][: model.theta.size], model.theta)
    ask(studio, "step", steps=5)
    studio.wait(stopped_at(10))
    assert np.array_equal(frame["numbers"][: model.theta.size], model.theta)
    assert studio.data.test is not None
    assert model.predict_proba(studio.data.test.X).shape == (200, 3)
    assert {"model.changed", "data.changed"} <= {event for event, _ in studio.events}
