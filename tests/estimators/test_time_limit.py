"""time_limit of the estimators, by a clock on which the preparation and each step take a tenth of a second."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import chainrule
from chainrule import MLPClassifier, MLPRegressor
from chainrule.estimators.best import candidates
from chainrule.estimators.best.candidates import Candidate

GENERATOR = np.random.default_rng(2)
X = GENERATOR.normal(size=(40, 3))
Y = X[:, 0] - X[:, 1]
SMALL: dict[str, Any] = {"hidden_layer_sizes": (4,), "batch_size": 4, "random_state": 0, "max_iter": 20}
PREPARATION = 0.5
"""The seconds before the first step."""


class Clock(chainrule.Callback):
    """A clock that says how many steps were taken, of one run."""

    every_steps = 1

    def __init__(self) -> None:
        self.asked = self.steps = 0

    def __call__(self) -> float:
        """Return 0 s when a fit begins, and PREPARATION behind it the seconds of the steps."""
        self.asked += 1
        return 0.0 if self.asked == 1 else PREPARATION + self.steps / 10

    def on_steps(self, run: Any) -> None:
        self.steps = run.step

    def on_epoch_end(self, run: Any) -> None:
        self.on_steps(run)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    with monkeypatch.context() as patched:
        patched.setattr("chainrule.training.time_limit.time.monotonic", made)
        yield made


FITS: dict[str, dict[str, Any]] = {
    "batches": {},
    "members": {"n_members": 2},
    "a table": {"preprocess": "auto", "early_stopping": False},
    "a schedule": {"schedule": "cosine"},
    "held out": {"early_stopping": True, "validation_fraction": 0.2},
    "classes": {"kind": MLPClassifier},
}


def fitted(clock: Clock, limit: float, kind: Any = MLPRegressor, **settings: Any) -> Any:
    made = kind(**SMALL | settings, time_limit=limit, callbacks=clock)
    return made.fit(X, Y if kind is MLPRegressor else Y > 0)


@pytest.mark.parametrize("name", FITS)
def test_a_first_epoch_that_is_late_ends(clock: Clock, name: str):
    made = fitted(clock, 1.2, **FITS[name])  # 0.5 s before it, and 0.8 or 1 s for it: 1.3 to 1.5 s of 2.4
    assert made.n_iter_ == 1 and "time limit of 1.2 s" in made.model_.history.stopped


@pytest.mark.parametrize("name", FITS)
def test_an_epoch_that_does_not_end_is_said(clock: Clock, name: str):
    with pytest.warns(
        ConvergenceWarning, match=r"time_limit=0.1 ended the training after (\d) of the "
    ) as said:
        made = fitted(clock, 0.1, **FITS[name])  # over before the first step: 0.1 s more from there
    of = 8 if name == "held out" else 10
    text = str(said[0].message)
    assert f"of the {of} steps of the first epoch, which needs about {PREPARATION + of / 10:g} s" in text
    assert text.endswith("raise time_limit, or fit fewer rows.") and said[0].filename == __file__
    assert made.n_iter_ == 0 and made.model_.steps_trained > 0


def test_the_preparation_counts(clock: Clock):
    made = fitted(clock, 2.6)  # 2.5 s behind two epochs; 2.7 s at the second step of the third
    assert made.n_iter_ == 2 and clock.steps == 22


def test_a_partial_fit_has_its_epoch(clock: Clock):
    made = MLPRegressor(**SMALL, time_limit=1.2, callbacks=clock)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert made.partial_fit(X, Y).n_iter_ == 1
    clock.asked = clock.steps = 0
    with pytest.warns(ConvergenceWarning, match="of the 10 steps of the first epoch"):
        made.set_params(time_limit=0.1).partial_fit(X, Y)


def test_a_later_fit_forgets_it(clock: Clock):
    with pytest.warns(ConvergenceWarning, match="of the first epoch"):
        made = fitted(clock, 0.1)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        made.set_params(time_limit=None).fit(X, Y)
    assert not [each for each in said if "first epoch" in str(each.message)]


def test_a_race_says_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(candidates, "CANDIDATES", (Candidate("fast", changed={"hidden_layer_sizes": (4,)}),))
    made = MLPRegressor(preprocess="auto", preset="best", batch_size=1, time_limit=1e-9, random_state=0)
    with pytest.warns(
        ConvergenceWarning, match=r"time_limit=1e-09 ended the training after .* steps"
    ) as said:
        made.fit(X, Y)
    assert said[0].filename == __file__ and made.n_iter_ == 0 and len(made.predict(X)) == len(X)
