"""The progress of fits and races, and what Ctrl-C leaves of them."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from chainrule import ConfigError, DataError, MLPClassifier, MLPRegressor, TablePreprocessor
from chainrule.fitting import progress
from chainrule.fitting.progress import RaceProgress
from chainrule.race import candidates, race, runner
from chainrule.race.candidates import Candidate
from chainrule.training.events import EpochEnd, Finished, Progress, Started

GENERATOR = np.random.default_rng(1)
X = {"size": GENERATOR.normal(size=60), "kind": GENERATOR.choice(["a", "b", "c"], 60)}
Y = X["size"] + (X["kind"] == "a")
SMALL = (
    Candidate("fast", changed={"hidden_layer_sizes": (8,)}),
    Candidate("linear", variant="plain", changed={"hidden_layer_sizes": ()}),
)


@pytest.fixture(autouse=True)
def _few(race_of: Callable[..., None]) -> None:
    race_of(*SMALL)


def best(**settings: Any) -> Any:
    known = {"preprocess": "auto", "preset": "best", "max_iter": 4, "random_state": 3}
    return MLPRegressor(**known | settings)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Let standard error be a terminal whose text is kept."""
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(progress, "console_of", lambda verbose: console if int(verbose) == 1 else None)
    return text


def test_a_race_tells_where_it_is():
    told: list[RaceProgress] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(race, "watcher_of_race", lambda line, verbose: told.append)
        best().fit(X, Y)
    begun, ended = [each for each in told if not each.said], [each for each in told if each.said]
    assert len(begun) == len(ended) == 10  # five folds of two recipes
    assert {each.doing for each in begun} == {f"{c.name}, fold {k}" for c in SMALL for k in range(1, 6)}
    assert [each.fitted for each in ended] == [*range(1, 11)] and {each.planned for each in told} == {10}
    assert begun[0].best is None
    least = [each.best for each in ended]
    losses = [float(each.said.split()[1]) for each in ended]
    np.testing.assert_allclose(least, np.minimum.accumulate(losses), rtol=1e-4)


def test_a_line_and_a_text_by_hand():
    event = RaceProgress("wide, fold 2", 7, 80, 0.25, 3.21, "loss 0.3 held out")
    assert event.line() == "   3.2 s  wide, fold 2: loss 0.3 held out"
    assert event.text() == "wide, fold 2 · 7 of 80 fits · least loss 0.25"
    assert event._replace(best=None).text() == "wide, fold 2 · 7 of 80 fits"


def test_the_bar_of_a_race(terminal: io.StringIO, capsys: pytest.CaptureFixture[str]):
    best(verbose=1).fit(X, Y)
    shown = terminal.getvalue()  # either of the last two fits may end last
    assert re.search(r"linear, fold [45] · 10 of 10 fits · least loss", shown)
    said = capsys.readouterr()
    assert "held out, 4 epochs" not in said.out and said.out.startswith("recipe") and not said.err


def test_the_bar_of_a_repeated_race_shows_its_fits(terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch):
    """No clock is over in it: half of its bar is half of the ten fits."""
    made, shown, original = best().fit(X, Y), list[tuple[float | None, float]](), progress.ProgressLine.show

    def show(self: progress.ProgressLine, text: str, done: float = 0.0) -> None:
        shown.append((self.limit, done))
        original(self, text, done)

    monkeypatch.setattr(progress.ProgressLine, "show", show)
    best(verbose=1).fit(X, Y, plan=made.plan_)
    assert {limit for limit, _ in shown} == {None}
    assert sorted({done for _, done in shown}) == pytest.approx([k / 10 for k in range(11)])


def test_the_bar_of_a_fit(terminal: io.StringIO, capsys: pytest.CaptureFixture[str]):
    made = MLPRegressor(preprocess="auto", max_iter=6, random_state=0, verbose=True).fit(X, Y)
    assert "fast · epoch 6 of 6 · least loss" in terminal.getvalue()
    assert not capsys.readouterr().out
    quiet = MLPRegressor(preprocess="auto", max_iter=6, random_state=0).fit(X, Y)
    np.testing.assert_array_equal(made.predict(X), quiet.predict(X))


@pytest.mark.parametrize("settings", [{"preset": "best"}, {"preset": "fast"}])
def test_silent_unless_asked_and_lines_without_a_terminal(
    settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
):
    best(**settings).fit(X, Y)
    said = capsys.readouterr()
    assert not said.out and not said.err
    best(**settings, verbose=1).fit(X, Y)
    said = capsys.readouterr()
    assert not said.err and said.out.count("\n") > 4


def test_the_time_left_by_hand(monkeypatch: pytest.MonkeyPatch):
    seconds = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: seconds[0])
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    limited = progress.ProgressLine(console, "fast", 60.0, 90.0)
    try:
        limited.show("fast")
        assert limited.left(0.0) == "0:50 left"
        seconds[0] = 200.0
        assert limited.left(1.0) == "0:00 left"
    finally:
        limited.close()
    free = progress.ProgressLine(console, "fast")
    try:
        free.show("fast", 0.0)
        assert free.left(0.0) == ""
        seconds[0] = 210.0  # a quarter in 10 s
        assert free.left(0.25) == "0:30 left"
    finally:
        free.close()


def test_the_events_of_a_fit_by_hand():
    shown: list[tuple[str, float]] = []

    class Noted:
        def show(self, text: str, done: float) -> None:
            shown.append((text, done))

    listener = progress.FitBar(Noted(), "tabm")  # type: ignore[arg-type]
    for event in (
        Started(0, 4, step=0, steps_per_epoch=10, samples=80, batch_size=8, engine="reference"),
        Progress(0, 4, step=5, of=10, loss=1.0, rate=0.1, seconds=0.1),
        EpochEnd(1, 4, {"val_loss": 0.5}),
        EpochEnd(2, 4, {"val_loss": 0.75}),
        Finished(4, 4),
    ):
        listener.show(event)
    assert shown == [
        ("tabm · epoch 1 of 4", 0.0),
        ("tabm · epoch 1 of 4", 0.125),
        ("tabm · epoch 2 of 4 · least loss 0.5", 0.25),
        ("tabm · epoch 3 of 4 · least loss 0.5", 0.5),
    ]


# --- Ctrl-C ---------------------------------------------------------------------------------------------------------


class CtrlC:
    """Ctrl-C in the main thread of a race, while it waits for its fits, as soon as one of them asks for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked, original = threading.Event(), runner.wait

        def wait(threads: Any, **settings: Any) -> Any:
            while original(threads, timeout=0.01).not_done:
                if self.asked.is_set():
                    raise KeyboardInterrupt
            return original(threads, **settings)

        monkeypatch.setattr(runner, "wait", wait)

    def __call__(self, race: runner.Runner) -> None:
        self.asked.set()
        assert race.ended.wait(20)


@pytest.mark.parametrize("preset", ["fast", "best"])
def test_in_the_preparation_it_ends_the_fit_and_leaves_the_one_before(
    preset: str, monkeypatch: pytest.MonkeyPatch
):
    made = best(preset=preset).fit(X, Y)
    before = made.predict(X)

    def interrupted(self: Any, table: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(TablePreprocessor, "transform", interrupted)
        with pytest.raises(KeyboardInterrupt):
            made.fit(X, -Y)
    np.testing.assert_array_equal(made.predict(X), before)


def test_in_a_fit_it_keeps_the_best_epoch():
    def after_three(run: Any) -> None:
        if run.epoch == 3:
            raise KeyboardInterrupt

    made = best(preset="fast", callbacks=[after_three], max_iter=50)
    with pytest.warns(UserWarning, match=r"Training interrupted by user: its best epoch is kept\."):
        made.fit(X, Y)
    assert made.n_iter_ == 3 and len(made.predict(X)) == 60
    plain = MLPClassifier(callbacks=[after_three], random_state=0)
    with pytest.warns(UserWarning, match=r"interrupted by user: the network as it was is kept\."):
        plain.fit(X["size"][:, None], Y > 0)


@pytest.mark.parametrize(("fold", "ended"), [(0, 0), (3, 3)])
def test_in_the_first_fit_of_a_race_and_in_a_later_one(
    fold: int, ended: int, monkeypatch: pytest.MonkeyPatch
):
    original, ctrl_c = runner.Runner._trained, CtrlC(monkeypatch)

    def interrupted(self: Any, made: Any, task: Any, *given: Any, **conditions: Any) -> Any:
        if (task.number, task.fold) == (0, fold):
            ctrl_c(self)
        return original(self, made, task, *given, **conditions)

    monkeypatch.setattr(runner.Runner, "_trained", interrupted)
    kept = f"the average is of the {ended} fits" if ended else "no fit had ended"
    with pytest.warns(UserWarning, match=f"Training interrupted by user: {kept}"):
        made = best(engine="reference", max_iter=50).fit(X, Y)
    assert len(made.predict(X)) == 60 and [each.recipe for each in made.report_] == ["fast"]


def test_in_the_networks_of_all_rows_it_keeps_the_ones_that_ended(monkeypatch: pytest.MonkeyPatch):
    original, ctrl_c = runner.Runner._fit_all, CtrlC(monkeypatch)

    def interrupted(self: Any, task: Any, seconds: float, parts: Any) -> Any:
        if task.fold == 1:
            ctrl_c(self)
        return original(self, task, seconds, parts)

    monkeypatch.setattr(runner.Runner, "_fit_all", interrupted)
    monkeypatch.setattr(race, "MAX_ROWS_FOR_ALL_FOLDS", 0)
    monkeypatch.setattr(candidates, "CANDIDATES", SMALL[:1])
    monkeypatch.setattr(candidates, "OF_FEW_ROWS", ())
    with pytest.warns(UserWarning, match=r"interrupted by user: the average is of the \d fits"):
        made = best(engine="reference").fit(X, Y)
    assert len(made.blend_) == 1 and made.n_iter_refit_ > 0 and np.isfinite(made.predict(X)).all()


# --- a race that goes on ----------------------------------------------------------------------------------------------


def test_a_race_goes_on_with_the_fits_that_it_has(monkeypatch: pytest.MonkeyPatch):
    """The first race has time for one recipe, by what its fits are said to take, and the second for both."""
    whole = best().fit(X, Y)
    made = best()
    with monkeypatch.context() as patched:
        patched.setattr(candidates, "CANDIDATES", SMALL[:1])
        patched.setattr(candidates, "OF_FEW_ROWS", ())
        made.fit(X, Y)
    assert [each.recipe for each in made.report_] == ["fast"]
    fitted: list[tuple[int, int]] = []
    original = runner.Runner._fit

    def noted(self: Any, task: Any, seconds: float, parts: Any) -> Any:
        fitted.append((task.number, task.fold))
        assert seconds <= 60 and 0.95 * self.seconds > 0.95 * 60
        return original(self, task, seconds, parts)

    first = made._fitted.state
    seeds = whole._fitted.state.drawn
    monkeypatch.setattr(made, "_result", replace(made._fitted, state=first._replace(drawn=seeds)))
    monkeypatch.setattr(runner.Runner, "_fit", noted)
    made.fit(X, Y, more=60)
    assert sorted(fitted) == [(1, fold) for fold in range(5)]
    kept = {key: fit.result.model.theta for key, fit in first.fits.items()}
    for key, fit in made._fitted.state.fits.items():
        if key in kept:
            np.testing.assert_array_equal(fit.result.model.theta, kept[key])
    again = made._fitted.state.fits
    for key, fit in whole._fitted.state.fits.items():
        if key[0] == 1:  # as if they had raced at once
            np.testing.assert_array_equal(again[key].result.model.theta, fit.result.model.theta)


def test_the_seconds_of_a_race_that_goes_on_by_hand():
    """Fits of 19 s by one worker were planned for 20 s, so that ten more are 30, of which 9.5 s are left."""
    made = best(engine="reference").fit(X, Y)
    state = made._fitted.state
    each = {key: fit._replace(seconds=1.9) for key, fit in state.fits.items()}
    seen: list[tuple[float, float]] = []

    class Stopped(Exception):
        pass

    def run(self: Any, *given: Any) -> None:
        self.workers = 1
        seen.append((self.seconds * self.workers, self.left(1.0, self.fits.values())))
        raise Stopped

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(made, "_result", replace(made._fitted, state=state._replace(fits=each)))
        patched.setattr("chainrule.engines.reference.ReferenceEngine.workers", lambda self: 1, raising=False)
        patched.setattr(race.Race, "run", run)
        with pytest.raises(Stopped):
            made.fit(X, Y, more=10)
    assert seen[0] == (pytest.approx(30), pytest.approx(9.5))


def test_what_no_race_goes_on_with(tmp_path: Any):
    made = best().fit(X, Y)
    made.save(tmp_path / "made")
    for estimator in (best(), MLPRegressor.load(tmp_path / "made")):
        with pytest.raises(
            ConfigError, match="more= goes on with the race of a fit of preset='best' in this process"
        ):
            estimator.fit(X, Y, more=5)
    with pytest.raises(ConfigError, match="more must be"):
        made.fit(X, Y, more=0)
    with pytest.raises(DataError, match="the race to go on with had 60 rows, and these are 30"):
        made.fit({name: values[:30] for name, values in X.items()}, Y[:30], more=5)
    with pytest.raises(ConfigError, match="preset is 'fast' now"):
        made.set_params(preset="fast").fit(X, Y, more=5)
