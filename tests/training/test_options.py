"""The arguments of `fit` as objects, and the names that some of them had before."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import chainrule as c
from chainrule.training.options import NEW, FitOptions, Former

X = np.random.default_rng(0).normal(size=(24, 4))
Y = np.arange(24) % 3
OLD: dict[str, Any] = {
    "clip_norm": 0.1,
    "clip_value": 0.01,
    "decay_schedule": "cosine",
    "dropout_schedule": "cosine",
    "smoothing_schedule": "cosine",
    "precision": "bf16",
    "device": "cpu",
    "shards": 2,
    "reduce": "psum",
    "group": 2,
}


def fitted(**how: Any) -> c.Model:
    layers = [c.Dense(5), c.ReLU(), c.Dropout(0.3), c.Dense(3)]
    model = c.Model(c.Network(4, layers, c.SoftmaxCrossEntropy(label_smoothing=0.1)), seed=1)
    model.fit(X, Y, epochs=2, batch_size=8, optimizer="adamw", **how)
    return model


@pytest.mark.parametrize("name", OLD)
def test_a_former_argument_is_said_to_be_a_field(name: str, monkeypatch: pytest.MonkeyPatch):
    given: list[FitOptions] = []
    monkeypatch.setattr(
        "chainrule.training.arguments.checked_fit", lambda *args, **how: given.append(args[3])
    )
    argument, field = NEW[name]
    kind = {"clip": c.Clip, "schedule": c.Schedules, "engine": c.Compute}[argument]
    with pytest.warns(
        FutureWarning, match=rf"fit\({name}=...\) is now fit\({argument}=\w+\({field}="
    ) as seen:
        fitted(**{name: OLD[name]})
    assert seen[0].filename == __file__
    fitted(**{argument: kind(**{field: OLD[name]})})
    assert given[0] == given[1]


def test_former_arguments_add_to_new_ones():
    with pytest.warns(FutureWarning):
        old = fitted(clip_value=1e-3, decay_schedule="cosine", clip=0.1, schedule="one_cycle")
    new = fitted(clip=c.Clip(0.1, 1e-3), schedule=c.Schedules("one_cycle", weight_decay="cosine"))
    assert old.theta.tobytes() == new.theta.tobytes() != fitted().theta.tobytes()


def test_an_unknown_argument_is_refused():
    with pytest.raises(TypeError, match=r"fit\(\) got an unexpected keyword argument 'batchsize'"):
        fitted(batchsize=3)


def test_model_and_ensemble_take_the_same_arguments():
    """As many as are listed, with the same defaults; former ones are known by their names alone."""
    of_model, of_ensemble = (inspect.signature(kind.fit).parameters for kind in (c.Model, c.Ensemble))
    for name in of_model.keys() & of_ensemble.keys():
        assert of_model[name].default == of_ensemble[name].default, name
    options = set(FitOptions.__dataclass_fields__)
    assert of_model.keys() - {"self", "X", "y", "former"} == options
    assert of_ensemble.keys() - {"self", "X", "y", "former", "own_batches"} == options - {"method"}
    assert Former.__annotations__.keys() == NEW.keys() == OLD.keys()


def test_a_single_model_has_no_group():
    with pytest.raises(c.ConfigError, match="group is for the members of an Ensemble"):
        fitted(engine=c.Compute(group=2))
