"""A race keeps each finished fit in its folder, and goes on from there: after Ctrl-C, a kill, with a longer limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import MLPRegressor
from chainrule.race import candidates, runner
from chainrule.race.candidates import Candidate

RACED = (
    "train",
    "houses.csv",
    "--target-column",
    "price",
    "--preset",
    "best",
    "--epochs",
    2,
    "--hidden",
    8,
    "--quiet",
)
SMALL = (Candidate("fast"), Candidate("narrow ranks", variant="ranks"), Candidate("linear", variant="plain"))


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "CANDIDATES", SMALL)
    monkeypatch.setattr(candidates, "OF_FEW_ROWS", ())


def fits(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "race").iterdir())


def ended(monkeypatch: pytest.MonkeyPatch, at: tuple[int, int], error: type[BaseException]) -> Any:
    """A context in which the fit of a candidate to a fold ends the race."""
    original = runner.Runner._fit

    def fit(self: Any, task: Any, *given: Any) -> Any:
        if (task.number, task.fold) == at:
            raise error
        return original(self, task, *given)

    context = monkeypatch.context()
    context.__enter__().setattr(runner.Runner, "_fit", fit)
    return context


def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The fits that are made from now on."""
    original, made = runner.Runner._fit, list[tuple[int, int]]()

    def fit(self: Any, task: Any, *given: Any) -> Any:
        made.append((task.number, task.fold))
        return original(self, task, *given)

    monkeypatch.setattr(runner.Runner, "_fit", fit)
    return made


class Killed(BaseException):
    """The end of the process."""


@pytest.mark.slow
@pytest.mark.parametrize("is_killed", [False, True])
def test_a_stopped_race_goes_on_to_the_same_bits(command, houses, tmp_path, monkeypatch, is_killed: bool):
    command(*RACED, "--out", "whole")
    assert len(fits(tmp_path / "whole")) == 15 and "narrow-ranks-fold-4.safetensors" in fits(
        tmp_path / "whole"
    )
    stopping = ended(monkeypatch, (1, 3), Killed if is_killed else KeyboardInterrupt)
    if is_killed:
        with pytest.raises(Killed):
            command(*RACED, "--out", "run")
    else:
        said = command(*RACED, "--out", "run", code=130).stderr
        assert "run has the results so far; continue with: chainrule train run --resume" in said
        assert (tmp_path / "run" / "model.safetensors").exists()
    stopping.__exit__(None, None, None)
    before = fits(tmp_path / "run")
    assert 5 <= len(before) < 9
    made = counted(monkeypatch)
    command("train", "run", "--resume", "--quiet")
    assert len(made) == 15 - len(before) and fits(tmp_path / "run") == fits(tmp_path / "whole")
    whole, run = (MLPRegressor.load(tmp_path / name / "model.safetensors") for name in ("whole", "run"))
    assert [part[0] for part in run.blend_.parts] == [part[0] for part in whole.blend_.parts]
    X = {name: houses[name] for name in ("area", "town", "garden", "sold", "land")}
    np.testing.assert_array_equal(run.predict(X), whole.predict(X))
    histories = [
        [record["loss"] for record in json.loads((tmp_path / name / "history.json").read_text())["records"]]
        for name in ("whole", "run")
    ]
    assert histories[0] == histories[1] and histories[0]
    made.clear()
    assert "This run is finished" in command("train", "run", "--resume").stdout and not made


def test_a_longer_limit_lets_more_recipes_race(command, houses, tmp_path, monkeypatch):
    monkeypatch.setattr(candidates, "CANDIDATES", SMALL[:1])
    command(*RACED, "--time-limit", 30, "--out", "run")
    monkeypatch.setattr(candidates, "CANDIDATES", SMALL)
    refused = command("train", "run", "--resume", "--time-limit", 20, code=2).stderr
    assert "was started with 30.0; omit it, or give more to train it longer." in refused
    made = counted(monkeypatch)
    command("train", "run", "--resume", "--time-limit", 60, "--quiet")
    assert {number for number, _ in made} == {1, 2} and len(fits(tmp_path / "run")) == 15
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["resolved"]["time_limit"] == 60 and "--time-limit 60" in config["command"]
    report = MLPRegressor.load(tmp_path / "run" / "model.safetensors").report_
    assert [each.recipe for each in report] == [each.name for each in SMALL]


@pytest.mark.slow
def test_a_race_is_repeated_by_its_plan(command, houses, tmp_path):
    command(*RACED, "--time-limit", 0.5, "--out", "run")
    made = MLPRegressor.load(tmp_path / "run" / "model.safetensors")
    (tmp_path / "plan.json").write_text(json.dumps(made.plan_))
    words = [word for word in RACED if word not in ("--preset", "best")]
    for number, plan in enumerate(("run", "run/model.safetensors", "plan.json")):
        command(*words, "--plan", plan, "--out", f"again-{number}")
        again = MLPRegressor.load(tmp_path / f"again-{number}" / "model.safetensors")
        X = {name: houses[name] for name in ("area", "town", "garden", "sold", "land")}
        np.testing.assert_array_equal(again.predict(X), made.predict(X))
        assert again.plan_ == made.plan_ and again.preset == "best"
    for precision in ("bf16", "int8"):
        rows = command("predict", "run", "houses.csv", "--precision", precision, data=True)
        rounded = made.predict(X, precision=precision)
        np.testing.assert_allclose([row["predicted"] for row in rows], rounded, rtol=1e-12)
        assert not np.array_equal(rounded, made.predict(X))
    judged = command("evaluate", "run", "houses.csv", "--precision", "int8", data=True)
    assert judged["metrics"] != judged["metrics_exact"]
    (tmp_path / "again-0" / "metrics.json").unlink()
    command("train", "again-0", "--resume", "--quiet")
    assert MLPRegressor.load(tmp_path / "again-0" / "model.safetensors").plan_ == made.plan_
    config = json.loads((tmp_path / "again-0" / "config.json").read_text())
    assert "--plan run" in config["command"]


REFUSED = {
    ("--plan", "nowhere"): "there is none at nowhere",
    ("--plan", "houses.json"): "houses.json is no JSON",
    ("--plan", "list.json"): "must be the plan_ of an estimator",
    ("--plan", "fast"): "has no plan of a race; name a run of --preset best",
    ("--plan", "run", "--dropout", 0.2): "the race of the plan was made without dropout",
    ("--plan", "run", "--seed", 1): "the targets are not those of the plan",
    ("--plan", "run", "--preset", "fast"): "--plan repeats a race of --preset best; name that preset",
    ("--plan", "run", "--preset", "none"): "--plan repeats a race of --preset best; omit it",
}


def test_plans_that_are_refused(command, houses, tmp_path):
    words = [word for word in RACED if word not in ("--preset", "best")]
    command(*words, "--out", "fast")
    command(*RACED, "--time-limit", 0.1, "--out", "run")
    (tmp_path / "houses.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    for options, said in REFUSED.items():
        assert said in " ".join(command(*words, *options, "--out", "again", code=2).stderr.split())
        assert not (tmp_path / "again" / "model.safetensors").exists()


def test_a_new_race_leaves_no_fit_of_another(command, houses, tmp_path):
    command(*RACED, "--out", "run")
    (tmp_path / "run" / "race" / ".fast-fold-1.safetensors.x.tmp").write_bytes(b"half")
    words = [word for word in RACED if word not in ("--preset", "best")]
    command(*words, "--out", "run", "--overwrite")
    assert not (tmp_path / "run" / "race").exists()


def test_other_data_and_damaged_fits_are_refused(command, houses, tmp_path, monkeypatch):
    monkeypatch.setattr(candidates, "CANDIDATES", SMALL[2:])
    command(*RACED, "--out", "run")
    (tmp_path / "run" / "metrics.json").unlink()
    path = tmp_path / "run" / "race" / "linear-fold-0.safetensors"
    kept = path.read_bytes()
    path.write_bytes(kept.replace(b'\\"best\\":', b'\\"bent\\":'))
    said = command("train", "run", "--resume", code=2).stderr
    assert (
        "linear-fold-0.safetensors is not a fit of a race (bent of the fit is unknown); delete it to fit it again."
        in said
    )
    path.write_bytes(kept)
    table = (tmp_path / "houses.csv").read_text().replace("77.9", "78.9")
    (tmp_path / "houses.csv").write_text(table)
    said = command("train", "run", "--resume", code=2).stderr
    assert "was made with other data; restore them, or start another run." in said
