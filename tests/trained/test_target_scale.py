"""Targets in their own units: the network learns them standardized by output, and what it says is in their units."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as c
from chainrule.data.samples import measure_targets
from chainrule.inspection import story
from chainrule.inspection.attribution import METHODS

RNG = np.random.default_rng(3)
X = RNG.normal(size=(400, 4))
SIGNAL = np.stack([np.sin(X[:, 0]) + X[:, 1], X[:, 2] - 0.5 * X[:, 3] ** 2], 1)
Y = SIGNAL * [1.0, 1e5] + [0.0, 3e5]
"""Two outputs, one of a hundred thousand times the other's units."""
LOSSES = (
    c.MeanSquaredError(),
    c.MeanSquaredError(half=True),
    c.Huber(),
    c.MeanAbsoluteError(),
    c.Quantile(0.5),
)


def model(outputs: int = 2, loss: c.Loss | None = None, **settings: Any) -> c.Model:
    layers = [c.Standardize(), c.Dense(16), c.Tanh(), c.Dense(outputs)]
    return c.Model(c.Network(4, layers, c.MeanSquaredError() if loss is None else loss), **settings)


def fitted(outputs: int = 2, y: Any = Y, **settings: Any) -> c.Model:
    made = model(outputs, **settings)
    made.fit(X, y, epochs=40, batch_size=32, optimizer=c.Adam(1e-2), scale_targets=True)
    return made


def r2s(y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return 1 - np.square(y - predicted).mean(0) / y.var(0)


@pytest.fixture(scope="module")
def two() -> c.Model:
    return fitted(dtype="float64")


def test_the_scale_by_hand():
    y, weight = np.array([[1.0, 5.0], [3.0, 5.0], [99.0, 5.0]]), np.array([1.0, 1.0, 0.0])
    scale = measure_targets(y, weight)
    np.testing.assert_array_equal(scale.mean, [2, 5])
    np.testing.assert_array_equal(scale.std, [1, 1])  # a constant output is only centered
    np.testing.assert_array_equal(scale.standardize(y), [[-1, 0], [1, 0], [97, 0]])
    np.testing.assert_array_equal(scale.restore(scale.standardize(y)), y)


def test_the_bounds_by_hand():
    """Of targets that count: 99 has a weight of 0."""
    y, weight = np.array([[1.0, 5.0], [3.0, 7.0], [99.0, 5.0]]), np.array([1.0, 2.0, 0.0])
    scale = measure_targets(y, weight, clamp=True)
    np.testing.assert_array_equal([scale.low, scale.high], [[1, 5], [3, 7]])
    np.testing.assert_array_equal(scale.clamp(np.array([[0.0, 8.0], [2.0, 6.0]])), [[1, 7], [2, 6]])
    np.testing.assert_array_equal(scale.restore(scale.standardize(y)), y)  # targets are not clamped
    assert measure_targets(y, weight).clamp(y) is y and not measure_targets(y, weight).clamps


@pytest.mark.parametrize("engine", ["reference", "auto"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_predictions_are_kept_within_the_training_targets(engine: str, outputs: int, tmp_path: Path):
    y, far = Y[:, :outputs], 20 * X
    plain, made = (model(outputs, dtype="float64") for _ in range(2))
    for one, how in ((plain, True), (made, "clamp")):
        one.fit(X[:300], y[:300], epochs=20, optimizer=c.Adam(1e-2), scale_targets=how)
    assert made.theta.tobytes() == plain.theta.tobytes()  # training is the same
    low, high = y[:300].min(0), y[:300].max(0)
    free, kept = (one.predict(far, engine=engine).reshape(400, -1) for one in (plain, made))
    assert ((free < low) | (free > high)).any(0).all()
    np.testing.assert_array_equal(kept, np.clip(free, low, high))
    np.testing.assert_array_equal(made.outputs(far), plain.outputs(far))
    bound = made.bind(engine=engine)
    np.testing.assert_allclose(bound.predict(far).reshape(400, -1), kept, rtol=1e-12)
    np.testing.assert_allclose(bound.predict(far[:1]).reshape(1, -1), kept[:1], rtol=1e-12)
    found, unbound = (one.evaluate(far, y, engine=engine) for one in (made, plain))
    assert found["loss"] == unbound["loss"]
    assert found["mae"] == pytest.approx(np.abs(kept - y).mean()) and found["mae"] < unbound["mae"]
    trace = made.trace(far[:3], y[:3])
    np.testing.assert_allclose(trace.prediction, kept[:3], rtol=1e-9)
    np.testing.assert_allclose(trace.target, y[:3], rtol=1e-12)
    made.save(tmp_path / "model.safetensors")
    again = c.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(far, engine=engine).reshape(400, -1), kept)
    again.fit(X, y, epochs=1)  # goes on as it began
    assert again.target_scale is not None and again.target_scale.clamps
    for how, sentence in ((True, "with predictions within their range"), (False, "targets standardized")):
        with pytest.raises(
            c.ConfigError, match=f"scale_targets is {how}, but the model was trained on .*{sentence}"
        ):
            again.fit(X, y, scale_targets=how)
    with pytest.raises(c.ConfigError, match=r"scale_targets is 'clamp', .* with predictions of any size"):
        plain.fit(X, y, scale_targets="clamp")
    with pytest.raises(c.ConfigError, match="scale_targets must be True, False, 'clamp' or None, not 'clip'"):
        model(outputs).fit(X, y, scale_targets="clip")


def test_an_ensemble_keeps_its_average_within_the_training_targets():
    ensemble = c.Ensemble(model().network, 2, seed=1)
    ensemble.fit(X[:300], Y[:300], epochs=5, optimizer=c.Adam(1e-2), scale_targets="clamp")
    free = ensemble.outputs(20 * X)
    kept = np.clip(free, Y[:300].min(0), Y[:300].max(0))
    assert (kept != free).any()
    np.testing.assert_array_equal(ensemble.predict(20 * X), kept)


def test_bounds_in_a_file_that_are_none(tmp_path: Path):
    from chainrule.trained.files import check_scale

    for low, high in (
        ([0.0], [1.0, 2.0]),
        ([2.0, 0.0], [1.0, 1.0]),
        ([0.0, np.nan], [1.0, 1.0]),
        ([0.0, 0.0], None),
    ):
        with pytest.raises(c.ConfigError, match="target_scale must "):
            check_scale([0.0, 1.0], [1.0, 1.0], 2, low, high)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_outputs_of_very_different_units_are_all_learned(loss: c.Loss):
    made = fitted(loss=loss)
    assert (r2s(Y, made.predict(X)) > 0.9).all()
    assert made.evaluate(X, Y)["r2"] == pytest.approx(r2s(Y, made.predict(X)).mean())


def test_a_mean_far_from_zero_takes_no_digits():
    for mean, std in ((1e6, 1e3), (1e9, 1.0)):
        y = mean + std * SIGNAL[:, 0]
        made = fitted(1, y)
        assert made.predict(X).dtype == np.float64
        assert float(r2s(y, made.predict(X))) > 0.95


def test_the_steps_are_those_of_targets_standardized_by_hand():
    by_hand, made = model(dtype="float64"), model(dtype="float64")
    t = (Y - Y.mean(0)) / Y.std(0)
    theirs = by_hand.fit(X, t, epochs=3, validation_data=(X[:50], t[:50]))
    ours = made.fit(X, Y, epochs=3, validation_data=(X[:50], Y[:50]), scale_targets=True)
    np.testing.assert_allclose(made.theta, by_hand.theta, rtol=1e-12)
    np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=1e-12)
    np.testing.assert_allclose(ours["val_loss"], theirs["val_loss"], rtol=1e-12)
    np.testing.assert_allclose(made.predict(X), by_hand.predict(X) * Y.std(0) + Y.mean(0), rtol=1e-12)
    rmse = np.sqrt(np.square(made.predict(X[:50]) - Y[:50]).mean(0)).mean()
    assert ours["val_rmse"][-1] == pytest.approx(rmse)
    found = made.evaluate(X[:50], Y[:50])
    assert found["loss"] == pytest.approx(ours["val_loss"][-1]) and found["rmse"] == pytest.approx(rmse)
    assert found == pytest.approx(made.evaluate(X[:50], Y[:50], outputs=made.outputs(X[:50])), rel=1e-12)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_every_engine_and_the_bound_model_say_the_same(two: c.Model, engine: str):
    expected = two.outputs(X)
    np.testing.assert_allclose(two.outputs(X, engine=engine), expected, rtol=1e-10)
    bound = two.bind(engine=engine)
    np.testing.assert_allclose(bound.outputs(X), expected, rtol=1e-10)
    np.testing.assert_allclose(bound.predict(X[0]), expected[:1], rtol=1e-10)


def test_weights_count_in_the_scale():
    far, weight = np.concatenate([Y, Y[:1] + 1e9]), np.r_[np.ones(400), 0.0]
    made, plain = model(), model()
    made.fit(np.concatenate([X, X[:1]]), far, sample_weight=weight, epochs=1, scale_targets=True)
    plain.fit(X, Y, epochs=1, scale_targets=True)
    assert made.target_scale is not None and plain.target_scale is not None
    np.testing.assert_allclose(made.target_scale.mean, plain.target_scale.mean)
    np.testing.assert_allclose(made.target_scale.std, plain.target_scale.std)


def test_the_held_out_part_does_not_count_in_the_scale():
    made = model()
    made.fit(X, Y, epochs=1, validation_fraction=0.5, scale_targets=True)
    assert made.target_scale is not None and not np.allclose(made.target_scale.mean, Y.mean(0))


def test_the_file_holds_the_scale_to_the_bit(two: c.Model, tmp_path: Path):
    two.save(tmp_path / "m.safetensors")
    loaded = c.load(tmp_path / "m.safetensors")
    assert loaded.target_scale is not None and two.target_scale is not None
    np.testing.assert_array_equal(loaded.target_scale.std, two.target_scale.std)
    np.testing.assert_array_equal(loaded.predict(X), two.predict(X))
    loaded.fit(X, Y, epochs=1)  # goes on as it was trained
    assert loaded.evaluate(X, Y)["r2"] > 0.9


WRONG = (3, [], {"mean": [0, 0]}, {"mean": [0, 0], "std": [1, 0]}, {"mean": [0, 0], "std": [1, float("nan")]},
         {"mean": [0], "std": [1]}, {"mean": ["a", 0], "std": [1, 1]}, {"mean": [0, 0], "std": [1, True]})  # fmt: skip


@pytest.mark.parametrize("scale", WRONG, ids=repr)
def test_a_file_with_an_impossible_scale_is_refused(scale: Any, two: c.Model, tmp_path: Path):
    from safetensors.numpy import load, save

    path = tmp_path / "m.safetensors"
    two.save(path)
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    inner = json.loads(header["__metadata__"]["chainrule"]) | {"target_scale": scale}
    path.write_bytes(save(load(data), {"chainrule": json.dumps(inner)}))
    with pytest.raises(c.FormatError):
        c.load(path)


def test_a_run_is_resumed_with_the_same_bits(tmp_path: Path):
    def trained(**settings: Any) -> c.Model:
        made = model()
        made.fit(X, Y, batch_size=32, scale_targets=True, **settings)
        return made

    path = tmp_path / "run.safetensors"
    trained(epochs=2, callbacks=[c.Checkpoint(path)])
    resumed = trained(epochs=4, resume=path, callbacks=[c.Checkpoint(tmp_path / "other.safetensors")])
    np.testing.assert_array_equal(resumed.theta, trained(epochs=4).theta)
    with pytest.raises(c.ConfigError, match="another data"):
        model().fit(X, 2 * Y, batch_size=32, epochs=4, scale_targets=True, resume=path,
                    callbacks=[c.Checkpoint(path)])  # fmt: skip


def test_a_trace_walks_as_training_does_and_knows_the_units(two: c.Model):
    trace = two.trace(X[:3], Y[:3], training=False)
    loss, grads = two.loss_and_gradients(X[:3], Y[:3], training=False)
    assert trace.loss == pytest.approx(loss)
    np.testing.assert_allclose(trace.grads["dense_2"].W, grads["dense_2"].W)
    np.testing.assert_allclose(trace.prediction, two.predict(X[:3]))
    np.testing.assert_allclose(trace.target, Y[:3])
    assert f"{two.predict(X[:1])[0, 1]:.4g}" in str(two.trace(X[0], Y[0]))
    assert json.loads(trace.to_json())["prediction"] == trace.prediction.tolist()
    assert abs(trace.derive("dense_2.W[0,1]").value - trace.grads["dense_2"].W[0, 1]) < 1e-12
    assert two.check_gradients(X, Y).error < 1e-6
    plain = model().trace(X[0], Y[0])
    np.testing.assert_array_equal(plain.prediction, plain.out)
    np.testing.assert_array_equal(plain.target, plain.y)


@pytest.mark.parametrize("method", METHODS)
def test_attributions_are_in_the_targets_units(method: str, two: c.Model):
    found = two.attribute(X[:5], method, target=1)
    np.testing.assert_allclose(found.outputs, two.predict(X[:5])[:, 1], rtol=1e-10)
    np.testing.assert_allclose(found.baseline_outputs, two.predict(found.baseline)[:, 1], rtol=1e-10)
    if found.is_complete:
        assert (found.relative_error < 1e-3).all()


def test_a_story_is_in_the_targets_units(two: c.Model):
    told = story.explain(two, X[0], Y[0])
    np.testing.assert_allclose([answer.output for answer in told.answers], two.predict(X[:1])[0], rtol=1e-10)
    assert told.truth == ", ".join(f"{v:.6g}" for v in Y[0])
    change = told.change
    assert change is not None and change.loss_after < change.loss
    before, after = (np.array([a.output for a in each]) for each in (told.answers, change.answers_after))
    assert (np.abs((after - before) / Y.std(0)) < 1).all() and (before != after).all()


def test_it_cannot_be_changed_after_the_first_fit():
    scaled, plain = fitted(), model()
    plain.fit(X, SIGNAL, epochs=1)
    for made, wanted, how in ((scaled, False, "standardized"), (plain, True, "unscaled")):
        with pytest.raises(
            c.ConfigError, match=f"scale_targets is {wanted}, but .* trained on targets {how}"
        ):
            made.fit(X, Y, scale_targets=wanted)
    scale = scaled.target_scale
    scaled.fit(X, 2 * Y, epochs=1, scale_targets=True)
    assert scaled.target_scale is scale


def test_where_it_cannot_be():
    with pytest.raises(
        c.ConfigError, match="scale_targets is for losses of numbers in any unit, not for Poisson"
    ):
        model(loss=c.Poisson()).fit(X, np.abs(SIGNAL), scale_targets=True)
    with pytest.raises(c.ConfigError, match="not for SigmoidCrossEntropy"):
        model(loss=c.SigmoidCrossEntropy()).fit(X, SIGNAL > 0, scale_targets=True)
    with pytest.raises(c.ConfigError, match="scale_targets must be True, False, 'clamp' or None, not 'yes'"):
        model().fit(X, Y, scale_targets="yes")
    with pytest.raises(c.DataError, match="too large to standardize"):
        model().fit(X, SIGNAL * 1e300, scale_targets=True)


def test_a_fit_that_is_refused_leaves_no_scale():
    made = model()
    with pytest.raises(c.ConfigError):
        made.fit(X, Y, scale_targets=True, engine=c.Compute("reference", device="cuda:0"))
    assert made.target_scale is None


def test_a_new_head_learns_its_own_units(two: c.Model):
    assert two.replace_head([c.Dense(1)]).target_scale is None


@pytest.mark.parametrize(
    "how", [{"optimizer": "lbfgs"}, {"method": "spsa"}, {"engine": "reference"}], ids=repr
)
def test_other_ways_of_training(how: dict[str, Any]):
    made = model()
    history = made.fit(X, Y, epochs=3, scale_targets=True, **how)
    assert history["loss"][-1] < 5 and made.evaluate(X, Y)["loss"] < 5
