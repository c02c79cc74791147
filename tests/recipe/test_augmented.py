"""Runs whose images are distorted anew in each epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import chainrule as c
from chainrule import ConfigError
from chainrule.recipe import augmented
from chainrule.recipe.by_model import prepare
from chainrule.recipe.data import from_arrays
from chainrule.recipe.run import run, trained
from chainrule.recipe.settings import Settings

R = np.random.default_rng(0)
X = R.integers(0, 256, (120, 64), np.uint8)
FROM_ONE = R.integers(1, 4, 120)
TWO = np.array(["no", "yes"])[R.integers(0, 2, 120)]
QUICK = Settings(hidden=(8,), epochs=3, augment=True, validation_fraction=0.2)


@pytest.mark.parametrize("y", [FROM_ONE, TWO], ids=["from one", "two words"])
def test_a_run_trains_on_distorted_images(tmp_path: Path, y):
    outcome = run(from_arrays(X, y), QUICK, out=tmp_path / "run")
    prepared = prepare(from_arrays(X, y), QUICK).training
    parts, net = prepared.parts, prepared.model.network
    model = c.Model(net, seed=0)
    labels = prepared.model.classes[parts.train.y.reshape(-1).astype(int)]
    assert set(labels.tolist()) == set(y.tolist())
    source = c.ArraySource(parts.train.X, labels).map(augmented.IMAGES)
    model.fit(
        source,
        epochs=3,
        batch_size=128,
        optimizer=prepared.optimizer,
        schedule=prepared.schedule,
        shuffle=True,
    )
    assert model.theta.tobytes() == outcome.model.theta.tobytes()
    plain = run(
        from_arrays(X, y), Settings(hidden=(8,), epochs=3, validation_fraction=0.2), out=tmp_path / "b"
    )
    assert plain.model.theta.tobytes() != outcome.model.theta.tobytes()


def test_a_stopped_run_goes_on_with_the_same_images(tmp_path: Path):
    import threading

    from chainrule.training.events import EpochEnd

    whole = run(from_arrays(X, FROM_ONE), QUICK, out=tmp_path / "whole")
    stop = threading.Event()
    first = run(
        from_arrays(X, FROM_ONE),
        QUICK,
        out=tmp_path / "run",
        stop=stop,
        listen=lambda event: stop.set() if isinstance(event, EpochEnd) else None,
    )
    assert len(first.history) < 3
    second = run(from_arrays(X, FROM_ONE), QUICK, out=tmp_path / "run", resume=True)
    assert second.model.theta.tobytes() == whole.model.theta.tobytes()


def test_examples_are_what_the_run_sees():
    prepared = prepare(from_arrays(X, FROM_ONE), QUICK)
    train = prepared.training.parts.train
    found = augmented.examples(train, (8, 8), 0, 5, 2)
    assert found.shape == (5, 3, 64) and np.array_equal(found[:, 0], train.X[:5])
    augment = c.Augment(rotate=15, scale=0.15, shear=10, shift=1, elastic=(36, 5), shape=(8, 8), fill=None)
    assert np.array_equal(found[:, 2], augment.images(found[:, 0], seed=0, epoch=1, rows=np.arange(5)))
    assert augmented.examples(train, (8, 8), 0, 1000, 1).shape == (96, 2, 64)


def test_data_without_images_are_refused():
    with pytest.raises(ConfigError, match="augment distorts images, and data has none; omit it"):
        prepare(from_arrays(X.astype(float), FROM_ONE), QUICK)


def test_a_method_without_steps_is_refused(tmp_path: Path):
    settings = Settings(hidden=(8,), epochs=1, augment=True, optimizer="lbfgs")
    with pytest.raises(ConfigError, match="needs all rows at each step"):
        trained(prepare(from_arrays(X, FROM_ONE), settings)._replace(place=tmp_path), lambda event: None)


def test_the_report_shows_them(tmp_path: Path):
    from chainrule.views import report, words

    outcome = run(from_arrays(X, FROM_ONE), QUICK, out=tmp_path / "run")
    prepared = prepare(from_arrays(X, FROM_ONE), QUICK)
    shown = augmented.examples(prepared.training.parts.train, (8, 8), 0, 3, 2)
    for language in ("en", "zh"):
        with words.spoken_in(language):
            page = report.render(
                outcome.model,
                outcome.history,
                X,
                FROM_ONE,
                title="digits",
                image_shape=(8, 8),
                distorted=shown,
            )
            said = words.model
            assert said.AUGMENTATION in page and page.count('height="24"') == 3 and said.distorted(2) in page
    plain = report.render(outcome.model, outcome.history, X, FROM_ONE, title="digits", image_shape=(8, 8))
    assert words.model.AUGMENTATION not in plain
