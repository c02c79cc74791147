"""Ensembles: members are models of their seeds, the average is what is validated, and no bit depends on the cores."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix

import chainrule as c
from chainrule.core.random import generator, member_seed
from chainrule.data.samples import Samples
from chainrule.engines import NativeEngine, Plan, native
from chainrule.training import fit as training
from chainrule.training.ensemble import joined, of_each
from chainrule.training.run import RunSettings
from full import FULL

RNG = np.random.default_rng(11)
X = RNG.normal(size=(90, 4)).astype(np.float32)
LABELS = np.where(X[:, 0] + X[:, 1] ** 2 > 0.5, "yes", "no")
NUMBERS = 1000 + 50 * X[:, 0] + 3 * RNG.normal(size=90)
HELD = (X[60:], LABELS[60:])
needs_native = pytest.mark.skipif(native.REASON is not None, reason="the native engine was not built")
each_engine = pytest.mark.parametrize(
    "engine", [pytest.param("native", marks=needs_native), "reference"], ids=str
)


def network(outputs: int = 2, loss: c.Loss | None = None, **settings: Any) -> c.Network:
    layers = [c.Dense(8), c.BatchNorm(), c.ReLU(), c.Dropout(0.2), c.Dense(outputs)]
    return c.Network(4, layers, c.SoftmaxCrossEntropy() if loss is None else loss, **settings)


def fitted(n: int = 3, seed: int = 5, **settings: Any) -> c.Ensemble:
    ensemble = c.Ensemble(network(l2=1e-3), n, seed=seed)
    ensemble.fit(X[:60], LABELS[:60], **({"epochs": 3, "batch_size": 16, "validation_data": HELD} | settings))
    return ensemble


def bits(model: c.Model) -> list[Any]:
    return [model.theta, *(value for state in model.states.values() for value in state)]


def assert_same(a: c.Model, b: c.Model) -> None:
    for mine, theirs in zip(bits(a), bits(b), strict=True):
        assert_array_equal(mine, theirs)
    assert (a.epochs_trained, a.steps_trained) == (b.epochs_trained, b.steps_trained)


# --- members


@each_engine
def test_a_member_is_the_model_of_its_seed(engine: str):
    ensemble = fitted(engine=engine)
    assert ensemble.seeds == [member_seed(5, i) for i in range(3)] and len(set(ensemble.seeds)) == 3
    for member in ensemble:
        alone = c.Model(network(l2=1e-3), seed=member.seed)
        alone.fit(X[:60], LABELS[:60], epochs=3, batch_size=16, validation_data=HELD, engine=engine)
        assert_same(member, alone)


def test_training_goes_on_where_it_ended():
    ensemble = fitted(2)
    ensemble.fit(X[:60], LABELS[:60], epochs=2, batch_size=16)
    alone = c.Model(network(l2=1e-3), seed=ensemble.seeds[1])
    for epochs in (3, 2):
        alone.fit(X[:60], LABELS[:60], epochs=epochs, batch_size=16)
    assert_same(ensemble[1], alone)
    assert ensemble.epochs_trained == 5


@each_engine
def test_what_the_optimizer_remembers_is_read_when_the_sessions_have_ended(engine: str):
    kept: dict[str, Any] = {}

    class Keep(c.Callback):
        def on_train_end(self, run: Any) -> None:
            kept["before"] = [np.array(leaf) for leaf in run.session.optimizer_state]
            run.session.end()
            kept["after"] = run.session.optimizer_state

    ensemble = c.Ensemble(network(), 2, seed=5)
    ensemble.fit(X[:60], LABELS[:60], epochs=1, batch_size=16, callbacks=[Keep()], engine=engine)
    assert any(leaf.any() for leaf in kept["before"])
    for before, after in zip(kept["before"], kept["after"], strict=True):
        np.testing.assert_array_equal(before, after)


def test_shared_batches_are_those_of_the_ensembles_seed():
    ensemble = fitted(2, own_batches=False)
    for member in ensemble:
        alone = c.Model(network(l2=1e-3), seed=member.seed)
        samples = fitted(1).check_samples(X[:60], LABELS[:60])
        plan = Plan(alone.network, c.Adam(), 16, member.seed)
        order = lambda run: generator(5, "shuffle", run.epoch).permutation(60)  # noqa: E731
        training.fit(alone, RunSettings(plan, c.Adam(), samples, epochs=3, order=order))
        assert_same(member, alone)


@needs_native
@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7])
def test_bits_do_not_depend_on_the_cores(monkeypatch: pytest.MonkeyPatch, workers: int):
    expected = fitted(5)
    monkeypatch.setattr(NativeEngine, "workers", lambda self: workers)
    found = fitted(5)
    for mine, theirs in zip(found, expected, strict=True):
        assert_same(mine, theirs)
    drop = [{k: v for k, v in record.items() if k != "seconds"} for record in found.history]
    assert drop == [{k: v for k, v in record.items() if k != "seconds"} for record in expected.history]
    assert_array_equal(found.predict_proba(np.tile(X, (5, 1))), expected.predict_proba(np.tile(X, (5, 1))))


# --- the average


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (c.SoftmaxCrossEntropy(), LABELS),
        (c.SigmoidCrossEntropy(), LABELS),
        (c.MeanSquaredError(), NUMBERS / 1000),
        (c.Poisson(), np.round(NUMBERS / 100)),
    ],
    ids=repr,
)
def test_predictions_are_averaged(loss: c.Loss, y: Any):
    outputs = 2 if loss.targets == "classes" else 1
    ensemble = c.Ensemble(network(outputs, loss), 3)
    ensemble.fit(X, y, epochs=2, batch_size=16)
    if loss.targets in ("classes", "binary"):
        each = np.stack([member.predict_proba(X) for member in ensemble])
        assert_allclose(ensemble.predict_proba(X), each.mean(0), atol=3e-7)
        assert_array_equal(ensemble.predict(X), ensemble.classes[each.mean(0).argmax(1)])
    else:
        each = np.stack([member.predict(X) for member in ensemble])
        assert_allclose(ensemble.predict(X), each.mean(0), rtol=3e-6)
    assert_allclose(ensemble.spread(X), each.std(0), atol=3e-7 * np.abs(each).max())
    assert ensemble.outputs_of_each(X).shape == (3, 90, outputs)


def test_the_average_is_validated():
    ensemble = fitted(3, epochs=2)
    found = ensemble.evaluate(*HELD)
    last = ensemble.history[-1]
    assert (last["val_loss"], last["val_accuracy"]) == (found["loss"], found["accuracy"])
    share = np.mean([member.predict_proba(X[60:]) for member in ensemble], 0)
    truth = share[np.arange(30), (LABELS[60:] == "yes").astype(int)]
    penalty = np.mean([m.network.penalty(m.network.unflatten(m.theta.astype(np.float64))) for m in ensemble])
    assert_allclose(found["loss"], -np.log(truth).mean() + penalty, rtol=1e-6)
    assert ensemble.confusion_matrix(*HELD).sum() == 30


def test_the_training_loss_is_the_members_mean():
    ensemble = fitted(3, validation_data=None)
    losses = []
    for seed in ensemble.seeds:
        alone = c.Model(network(l2=1e-3), seed=seed)
        losses.append(alone.fit(X[:60], LABELS[:60], epochs=3, batch_size=16)["loss"])
    assert_allclose(ensemble.history["loss"], np.mean(losses, 0), rtol=1e-12)


def test_targets_are_scaled_for_all_members_alike():
    ensemble = c.Ensemble(network(1, c.MeanSquaredError()), 2)
    ensemble.fit(X, NUMBERS, epochs=20, batch_size=16, scale_targets=True)
    assert ensemble[0].target_scale == ensemble[1].target_scale == ensemble.target_scale
    assert ensemble.evaluate(X, NUMBERS)["rmse"] < NUMBERS.std()
    each = np.stack([member.predict(X) for member in ensemble])
    assert_allclose(ensemble.predict(X), each.mean(0), rtol=1e-6)
    assert_allclose(ensemble.spread(X), each.std(0), rtol=1e-5)


def test_standardize_is_measured_in_each_member():
    net = c.Network(4, [c.Standardize(), c.Dense(2)], c.SoftmaxCrossEntropy())
    ensemble = c.Ensemble(net, 2)
    ensemble.fit(X + 7, LABELS, epochs=1)
    for member in ensemble:
        assert_allclose(member.states["standardize_1"].mean, (X + 7).mean(0), rtol=1e-5)


def test_members_of_which_nothing_was_measured_share_what_is(monkeypatch: pytest.MonkeyPatch):
    net = c.Network(4, [c.Standardize(), c.PiecewiseLinearEmbedding(2, 4), c.Dense(1)], c.MeanSquaredError())
    samples = Samples(X, X[:, :1].astype(float), np.ones(len(X)), 1)
    fresh, name = net.initial_states(np.float32), "standardize_1"
    known = training.measure(net, fresh, Samples(X + 7, samples.y, samples.weight, 1), np.float32)
    calls, whole = [], training.measure
    monkeypatch.setattr(training, "measure", lambda *a: calls.append(1) or whole(*a))
    first, second, third = training.measure_each(net, [fresh, known, fresh], samples, np.float32)
    assert len(calls) == 2 and first[name] is third[name]
    assert_array_equal(first[name].mean, whole(net, fresh, samples, np.float32)[name].mean)
    assert_array_equal(second[name].mean, known[name].mean)
    assert_allclose(second[name].mean, first[name].mean + 7, rtol=1e-5)


@needs_native
def test_a_walk_takes_other_constants_after_those_it_has():
    net = c.Network(4, [c.PiecewiseLinearEmbedding(2, 4), c.Dense(1)], c.MeanSquaredError())
    theta = c.Model(net, seed=1).theta
    fresh, zeros = net.initial_states(np.float32), np.zeros((len(X), 1))
    near, far = (
        training.measure(net, fresh, Samples(rows, zeros, np.ones(len(X)), 1), np.float32)
        for rows in (X, 3 * X)
    )
    theta = np.linspace(-1, 1, len(theta), dtype=theta.dtype)  # of bins too, which begin at 0
    walk = NativeEngine().bind(net, theta, near, 90)
    of_near = walk(X)
    for states in (far, near, near, far):
        walk.put(theta, states)
        assert_array_equal(walk(X), NativeEngine().bind(net, theta, states, 90)(X))
    assert np.abs(walk(X) - of_near).max() > 0.01


# --- how a run ends


class Watched(c.Callback):
    """Writes what is watched by hand, and keeps theta after each epoch."""

    def __init__(self, values: list[float]) -> None:
        self.values, self.thetas = values, []  # type: ignore[var-annotated]

    def on_epoch_end(self, run: Any) -> None:
        run.logs["val_loss"] = self.values[run.epoch - 1]
        self.thetas.append(run.theta.copy())


@pytest.mark.parametrize(("last_best", "best"), [(False, 1), (True, 3)])
def test_early_stopping_restores_one_epoch_in_all_members(last_best: bool, best: int):
    watched = Watched([0.9, 0.5, 0.7, 0.5, 0.6, 0.6])
    stop = c.EarlyStopping(patience=2 if last_best else 4, last_best=last_best)
    ensemble = fitted(2, epochs=20, callbacks=[watched, stop])
    assert_array_equal(ensemble.theta, watched.thetas[best])
    assert len(ensemble.history) == 6 and stop.best_epoch == best + 1


class InterruptAt(c.Callback):
    """Raises KeyboardInterrupt within the second epoch."""

    every_steps = 6

    def on_steps(self, run: Any) -> None:
        if run.step == 6:
            raise KeyboardInterrupt


@each_engine
def test_ctrl_c_leaves_whole_epochs(engine: str):
    ensemble = c.Ensemble(network(), 3)
    with pytest.raises(KeyboardInterrupt):
        ensemble.fit(X[:60], LABELS[:60], epochs=3, batch_size=16, callbacks=[InterruptAt()], engine=engine)
    whole = c.Ensemble(network(), 3)
    whole.fit(X[:60], LABELS[:60], epochs=1, batch_size=16, engine=engine)
    for mine, theirs in zip(ensemble, whole, strict=True):
        assert_same(mine, theirs)
    assert len(ensemble.history) == 1


@needs_native
def test_ctrl_c_within_a_call_leaves_whole_epochs(monkeypatch: pytest.MonkeyPatch):
    steps = native.engine.NativeSession.steps
    monkeypatch.setattr(NativeEngine, "workers", lambda self: 2)

    def interrupted(self: Any, samples: Any, rows: Any, settings: Any, first: int) -> None:
        steps(self, samples, rows, settings, first)
        if self.plan.seed == member_seed(0, 1) and first > 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(native.engine.NativeSession, "steps", interrupted)
    ensemble = c.Ensemble(network(), 3)
    with pytest.raises(KeyboardInterrupt):
        ensemble.fit(X[:60], LABELS[:60], epochs=3, batch_size=16)
    monkeypatch.undo()
    whole = c.Ensemble(network(), 3)
    whole.fit(X[:60], LABELS[:60], epochs=1, batch_size=16)
    for mine, theirs in zip(ensemble, whole, strict=True):
        assert_same(mine, theirs)


def test_a_time_limit_leaves_whole_epochs(monkeypatch: pytest.MonkeyPatch):
    clock = iter(range(1000))
    monkeypatch.setattr("chainrule.training.time_limit.time.monotonic", lambda: float(next(clock)))
    ensemble = fitted(2, epochs=50, callbacks=[c.TimeLimit(7.5)])
    assert "time limit" in ensemble.history.stopped
    epochs = len(ensemble.history)
    assert 1 <= epochs < 9 and ensemble.epochs_trained == epochs and ensemble.steps_trained == 4 * epochs
    for mine, theirs in zip(ensemble, fitted(2, epochs=epochs), strict=True):
        assert_same(mine, theirs)


@pytest.mark.parametrize("bad", [0.0, -1, "1", True])
def test_a_time_limit_is_a_positive_number(bad: Any):
    with pytest.raises(c.ConfigError, match="seconds of TimeLimit"):
        c.TimeLimit(bad)


@each_engine
def test_a_member_that_diverges_is_left_out(engine: str):
    ensemble = c.Ensemble(network(), 3)
    ensemble[1].theta[...] = 1e30
    kept = [ensemble[0], ensemble[2]]
    seen: list[Any] = []
    settings: dict[str, Any] = {"epochs": 2, "batch_size": 16, "engine": engine}
    with pytest.warns(UserWarning, match="member 1 diverged and is removed") as said:
        ensemble.fit(
            X[:60],
            LABELS[:60],
            validation_data=HELD,
            callbacks=lambda run: seen.append(run.model.predict_proba(X[60:])),
            **settings,
        )
    assert [str(w.filename) for w in said] == [__file__]
    assert ensemble.members == kept
    assert_allclose(seen[-1], ensemble.predict_proba(X[60:]), rtol=1e-6)
    assert ensemble.history[-1]["val_loss"] == ensemble.evaluate(*HELD, engine=engine)["loss"]
    losses = []
    for member in ensemble:
        alone = c.Model(network(), seed=member.seed)
        losses.append(alone.fit(X[:60], LABELS[:60], **settings)["loss"])
        assert_same(member, alone)
    assert_allclose(ensemble.history["loss"], np.mean(losses, 0), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("own_batches", "as_rows"),
    [(True, np.asarray), (False, csr_matrix), *([(True, csr_matrix), (False, np.asarray)] if FULL else [])],
)
def test_members_side_by_side_in_one_program(own_batches: bool, as_rows: Any):
    """A group of two and one of one, with a smaller last batch, and rows that do not lie on the device.

    With CHAINRULE_FULL=1 both kinds of rows with both kinds of batches.
    """
    pytest.importorskip("jax")

    def trained(**settings: Any) -> c.Ensemble:
        ensemble = c.Ensemble(network(l2=1e-3), 3, seed=5, dtype="float64")
        how = {"epochs": 2, "batch_size": 16, "own_batches": own_batches, "validation_data": HELD}
        ensemble.fit(as_rows(X[:60]), LABELS[:60], **how, **settings)
        return ensemble

    alone, together = trained(engine="reference"), trained(engine=c.Compute("xla", group=2))
    for mine, theirs in zip(alone, together, strict=True):
        for one, other in zip(bits(mine), bits(theirs), strict=True):
            assert_allclose(one, other, rtol=1e-9, atol=1e-9)  # biases before batch norm are rounding
    assert_allclose(alone.history["val_loss"], together.history["val_loss"], rtol=1e-9)


@pytest.mark.slow
def test_a_member_of_a_group_that_diverges_is_left_out():
    pytest.importorskip("jax")
    ensemble = c.Ensemble(network(), 3, dtype="float64")
    ensemble[1].theta[...] = 1e300
    kept = [ensemble[0], ensemble[2]]
    with pytest.warns(UserWarning, match="member 1 diverged and is removed"):
        ensemble.fit(X[:60], LABELS[:60], epochs=2, batch_size=16, engine=c.Compute("xla", group=3))
    assert ensemble.members == kept
    alone = c.Model(network(), seed=kept[1].seed, dtype="float64")
    alone.fit(X[:60], LABELS[:60], epochs=2, batch_size=16, engine="reference")
    assert_allclose(kept[1].theta, alone.theta, rtol=1e-9, atol=1e-9)


def test_a_group_is_for_the_xla_engine():
    ensemble = c.Ensemble(network(), 2)
    for engine in ("native", "reference"):
        with pytest.raises(c.ConfigError, match="a group requires the xla engine"):
            ensemble.fit(X, LABELS, engine=c.Compute(engine, group=2))
    with pytest.raises(c.ConfigError, match="group must be an integer of at least 1, not 0"):
        ensemble.fit(X, LABELS, engine=c.Compute("xla", group=0))


def test_the_error_of_the_last_member_is_raised():
    ensemble = c.Ensemble(network(), 2)
    for member in ensemble:
        member.theta[...] = 1e30
    with pytest.warns(UserWarning, match="member 0"), pytest.raises(c.NonFiniteError):
        ensemble.fit(X, LABELS)
    assert len(ensemble) == 2 and (ensemble.theta == np.float32(1e30)).all()  # no epoch was whole


class Spoil(c.Callback):
    """Makes a member diverge in the third epoch."""

    def on_epoch_end(self, run: Any) -> None:
        if run.epoch == 2:
            run.session.theta[0] = 1e30


def test_the_best_epoch_has_the_members_of_its_time():
    watched = Watched([0.5, 0.6, 0.7])
    with pytest.warns(UserWarning, match="member 0 diverged"):
        ensemble = fitted(2, callbacks=[watched, c.EarlyStopping(), Spoil()])
    assert len(ensemble) == 2
    assert_array_equal(ensemble.theta, watched.thetas[0])


def test_a_run_that_is_refused_leaves_the_ensemble_as_it_was():
    ensemble = c.Ensemble(network(), 2)
    before = ensemble.theta.copy()
    refused = partial(ensemble.fit, X, LABELS)
    with pytest.raises(c.ConfigError, match="first-order optimizer"):
        refused(optimizer="lbfgs")
    with pytest.raises(c.ConfigError, match="every_steps of Checkpoint is for one model"):
        refused(callbacks=c.Checkpoint("run", every_steps=3))
    with pytest.raises(c.ConfigError, match="GradientFlow reads one network"):
        refused(callbacks=c.GradientFlow())
    with pytest.raises(c.ConfigError, match="there is no checkpoint"):
        refused(resume="nowhere")
    assert ensemble.classes is None and ensemble.steps_trained == 0
    assert_array_equal(ensemble.theta, before)


# --- checkpoints and files


@each_engine
def test_a_resumed_run_has_the_same_bits(tmp_path: Path, engine: str):
    settings: dict[str, Any] = {"engine": engine, "schedule": c.ReduceOnPlateau(patience=1)}
    whole = fitted(3, epochs=4, callbacks=c.EarlyStopping(), **settings)
    path = tmp_path / "run.safetensors"
    fitted(3, epochs=2, callbacks=[c.EarlyStopping(), c.Checkpoint(path)], **settings)
    resumed = c.Ensemble(network(l2=1e-3), 3, seed=5)
    resumed.fit(
        X[:60], LABELS[:60], epochs=4, batch_size=16, validation_data=HELD, resume=path,
        callbacks=c.EarlyStopping(), **settings,
    )  # fmt: skip
    for mine, theirs in zip(resumed, whole, strict=True):
        assert_same(mine, theirs)
    assert resumed.history["val_loss"] == whole.history["val_loss"]


def test_a_checkpoint_knows_its_members(tmp_path: Path):
    path = tmp_path / "run.safetensors"
    fitted(2, callbacks=c.Checkpoint(path))
    with pytest.raises(c.ConfigError, match="made with another members"):
        fitted(3, resume=path)
    with pytest.raises(c.ConfigError, match="made with another own batches"):
        fitted(2, own_batches=False, resume=path)
    model = c.Model(network(l2=1e-3), seed=5)
    with pytest.raises(c.FormatError):
        model.fit(X[:60], LABELS[:60], epochs=3, batch_size=16, validation_data=HELD, resume=path)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_file_has_all_members(tmp_path: Path, dtype: str):
    ensemble = c.Ensemble(network(1, c.MeanSquaredError()), 3, seed=2, dtype=dtype).freeze("dense_1")
    ensemble.fit(X, NUMBERS, epochs=2, scale_targets=True)
    ensemble.feature_names = ["a", "b", "c", "d"]
    path = tmp_path / "ensemble.safetensors"
    ensemble.save(path, extra={"note": "mine"})
    found, extra = c.Ensemble.load_with_extra(path)
    assert extra["note"] == "mine" and repr(found) == repr(ensemble)
    for mine, theirs in zip(found, ensemble, strict=True):
        assert_same(mine, theirs)
        assert mine.seed == theirs.seed and mine.frozen == theirs.frozen == {"dense_1"}
        assert mine.feature_names == ("a", "b", "c", "d")
    assert_array_equal(found.predict(X), ensemble.predict(X))
    with pytest.raises(c.FormatError, match=r"has an ensemble; read it with Ensemble\.load"):
        c.load(path)
    found[0].save(tmp_path / "one.safetensors")
    with pytest.raises(c.FormatError, match=r"has a single model; read it with chainrule\.load"):
        c.Ensemble.load(tmp_path / "one.safetensors")


@pytest.mark.parametrize("seeds", [[], 3, ["a", "b"], [1], [1, 2, 3], [1, -2]])
def test_a_file_with_other_seeds_is_refused(tmp_path: Path, seeds: Any):
    path = tmp_path / "ensemble.safetensors"
    fitted(2).save(path)
    with safe_open(str(path), framework="numpy") as file:
        text = file.metadata()["chainrule"]
    header = json.loads(text) | {"seeds": seeds}
    save_file(load_file(path), path, metadata={"chainrule": json.dumps(header)})
    with pytest.raises(c.FormatError):
        c.Ensemble.load(path)


# --- making one


def test_an_ensemble_of_models_that_exist():
    models = [c.Model(network(), seed=i) for i in range(2)]
    for model in models:
        model.fit(X, LABELS, epochs=1)
    ensemble = c.Ensemble.of(models)
    assert ensemble.members == models and ensemble[1] is models[1] and len(ensemble) == 2
    share = np.mean([model.predict_proba(X) for model in models], 0)
    assert_allclose(ensemble.predict_proba(X), share, atol=3e-7)
    ensemble.fit(X, LABELS, epochs=1)
    assert models[0].epochs_trained == 2


def test_models_of_one_ensemble_are_alike():
    first = c.Model(network())
    for other, name in (
        (c.Model(network(l2=1.0)), "network"),
        (c.Model(network(), dtype="float64"), "dtype"),
        (c.Model(network()).freeze("dense_1"), "frozen links"),
    ):
        with pytest.raises(c.ConfigError, match=f"the same {name}, but those of model 1 differ"):
            c.Ensemble.of([first, other])
    for nothing in ([], ["model"]):
        with pytest.raises(c.ConfigError, match="models must be a list of at least one Model"):
            c.Ensemble.of(nothing)  # type: ignore[arg-type]
    for count in (0, 1.5, "3"):
        with pytest.raises(c.ConfigError, match="n_members"):
            c.Ensemble(network(), count)  # type: ignore[arg-type]


def test_an_untrained_ensemble_says_so():
    for ask in ("predict", "predict_proba", "spread"):
        with pytest.warns(UserWarning, match="never trained") as said:
            getattr(c.Ensemble(network(), 2), ask)(X)
        assert [str(w.filename) for w in said] == [__file__]


def test_a_member_is_traced_and_replaced():
    ensemble = fitted(2)
    assert ensemble[0].trace(X[:2], LABELS[:2]).to_data()["kind"] == "trace"
    other = c.Model(network(l2=1e-3), seed=9)
    other.classes = ensemble.classes
    ensemble.members[1] = other
    assert_array_equal(ensemble.theta[1], other.theta)
    assert np.shares_memory(ensemble.theta, other.theta)


def test_the_summary_is_that_of_a_member():
    ensemble = fitted(2)
    assert str(ensemble.summary()) == str(ensemble[0].summary())
    assert repr(ensemble).startswith("<Ensemble of 2 members, each a Model 4-8-8-2: ")


@pytest.mark.parametrize("method", ["integrated_gradients", "deep_lift", "occlusion"])
@pytest.mark.parametrize("loss", [c.SoftmaxCrossEntropy(), c.SigmoidCrossEntropy(), c.MeanSquaredError()])
def test_an_ensemble_is_attributed_to_as_its_members_are_in_the_mean(loss: Any, method: str):
    X = np.random.default_rng(3).normal(size=(3, 4))
    last = 3 if isinstance(loss, c.SoftmaxCrossEntropy) else 1
    ensemble = c.Ensemble(c.Network(4, [c.Dense(6), c.ReLU(), c.Dense(last)], loss), 3, dtype="float64")
    for member in ensemble:
        member.theta[...] = np.random.default_rng(member.seed).normal(size=member.theta.shape)
    target = None if isinstance(loss, c.MeanSquaredError) else 1
    found = ensemble.attribute(X, method, target=target)
    each = [member.attribute(X, method, target=target) for member in ensemble]
    np.testing.assert_allclose(found.values, np.mean([one.values for one in each], 0), atol=1e-12)
    np.testing.assert_allclose(found.outputs, np.mean([one.outputs for one in each], 0))
    if method != "occlusion":
        assert found.is_complete and found.error.max() < 1e-9
    chosen = ensemble.attribute(X, method).labels
    assert target is None or chosen == tuple(np.asarray(ensemble.predict(X)).ravel().tolist())


def test_states_of_all_members_are_those_of_each():
    """Links of blocks have a "/" in their names too; "members" is a state of the ensemble."""
    each = [{"batch_norm_1": i, "residual_1/dense_2": 10 + i} for i in range(12)]
    assert of_each(joined(each) | {"members": None}, 12) == each
