"""The training loop: batches, shuffles, validation, weights, label types, freezing, NaN, L-BFGS, schedules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import chainrule as c

GENERATOR = np.random.default_rng(11)
X = GENERATOR.normal(size=(60, 4))
NUMBERS = np.arange(60) % 3  # (60,) class numbers
LINE = X @ np.array([1.0, -2.0, 0.5, 0.0]) + 0.3  # (60,) without noise


def network(*extra: c.Layer, outputs: int = 3, loss: c.Loss | None = None, **settings: Any) -> c.Network:
    layers = [c.Dense(6), *extra, c.Tanh(), c.Dense(outputs)]
    return c.Network(4, layers, loss=loss or c.SoftmaxCrossEntropy(), **settings)


def model(*extra: c.Layer, seed: int = 0, dtype: str = "float64", **settings: Any) -> c.Model:
    return c.Model(network(*extra, **settings), seed=seed, dtype=dtype)


def trained(y: Any = NUMBERS, data: Any = X, start: c.Model | None = None, **settings: Any) -> c.Model:
    start = model() if start is None else start
    start.fit(data, y, **({"epochs": 3, "batch_size": 16} | settings))
    return start


# --- batches and shuffles


@pytest.mark.parametrize("batch_size", [1, 7, 16, 60, 1000, None])
def test_every_batch_size_sees_each_sample_once_an_epoch(batch_size: int | None):
    seen: list[float] = []
    steps: list[int] = []

    def note(run: Any) -> None:
        seen.append(run.session.sums[1])  # the weight of the samples of this epoch
        steps.append(run.step)

    trained(batch_size=batch_size, epochs=2, callbacks=[note])
    per_epoch = -(-60 // (batch_size or 60))
    assert seen == [60.0, 60.0]
    assert steps == [per_epoch, 2 * per_epoch]


def test_full_batch_step_is_the_gradient_step():
    before = model()
    _, grads = before.loss_and_gradients(X, NUMBERS)
    theta = before.theta.copy()
    g = before.network.flatten(tuple(grads.get(link.name, ()) for link in before.network.links))
    trained(start=before, batch_size=None, epochs=1, optimizer=c.SGD(0.5))
    np.testing.assert_allclose(before.theta, theta - 0.5 * g, rtol=1e-12, atol=1e-14)


def test_a_seed_gives_the_same_bits_and_another_one_others():
    first, again, other = (trained(start=model(c.Dropout(0.3), seed=seed)) for seed in (0, 0, 1))
    assert first.theta.tobytes() == again.theta.tobytes()
    assert not np.array_equal(first.theta, other.theta)


def test_shuffle_follows_the_seed_and_changes_each_epoch():
    orders: dict[int, list[np.ndarray]] = {0: [], 1: []}
    for seed, thetas in orders.items():
        made = c.Model(network(), seed=seed, dtype="float64")
        made.theta[...] = model().theta  # so that the shuffles alone differ

        def note(run: Any, thetas: list[np.ndarray] = thetas) -> None:
            thetas.append(run.theta.copy())

        made.fit(X, NUMBERS, epochs=2, batch_size=16, callbacks=note)
    assert not np.array_equal(orders[0][0], orders[1][0])
    from chainrule.core.random import generator

    first, second = (generator(0, "shuffle", epoch).permutation(60) for epoch in (0, 1))
    assert not np.array_equal(first, second)


def test_without_shuffle_the_order_is_the_datas():
    by_hand = model()
    for begin in range(0, 60, 16):
        rows = slice(begin, begin + 16)
        trained(NUMBERS[rows], X[rows], by_hand, epochs=1, batch_size=None, optimizer="sgd", shuffle=False)
    at_once = trained(epochs=1, optimizer="sgd", shuffle=False)
    np.testing.assert_array_equal(at_once.theta, by_hand.theta)


def test_a_second_fit_goes_on_with_other_shuffles_and_masks():
    twice = model(c.Dropout(0.4))
    trained(start=twice, epochs=2, optimizer="sgd")
    trained(start=twice, epochs=3, optimizer="sgd")
    once = trained(
        start=model(c.Dropout(0.4)), epochs=5, optimizer="sgd"
    )  # SGD keeps no state between the calls
    assert twice.theta.tobytes() == once.theta.tobytes()
    assert twice.epochs_trained == 5 and twice.steps_trained == 20


def test_no_epochs_change_nothing():
    for optimizer in ("adam", "lbfgs"):
        made = model()
        history = made.fit(X, NUMBERS, epochs=0, optimizer=optimizer)
        assert len(history) == 0 and made.theta.tobytes() == model().theta.tobytes()
        assert list(made.classes) == [0, 1, 2] and made.steps_trained == 0


# --- what is recorded


def test_history_has_the_loss_before_each_update():
    made = model()
    expected = made.loss_and_gradients(X, NUMBERS)[0]
    history = made.fit(X, NUMBERS, epochs=1, batch_size=None)
    assert history["loss"] == [pytest.approx(expected, rel=1e-14)]


def test_validation_data_is_evaluated_each_epoch():
    made = model()
    history = made.fit(X[:40], NUMBERS[:40], epochs=3, validation_data=(X[40:], NUMBERS[40:]),
                       metrics=["accuracy", "f1", "auc", "log_loss"])  # fmt: skip
    last = made.evaluate(X[40:], NUMBERS[40:], metrics=["accuracy", "f1", "auc", "log_loss"])
    assert {f"val_{name}": value for name, value in last.items()} == pytest.approx(
        {name: value for name, value in history[-1].items() if name.startswith("val_")}
    )
    assert history.columns == ["loss", "accuracy", "learning_rate", "val_loss", "val_accuracy", "val_f1", "val_auc",
                               "val_log_loss", "seconds"]  # fmt: skip


def test_validation_does_not_touch_training():
    plain = trained(start=model(c.BatchNorm(), c.Dropout(0.2)))
    watched = trained(start=model(c.BatchNorm(), c.Dropout(0.2)), validation_data=(X, NUMBERS))
    assert plain.theta.tobytes() == watched.theta.tobytes()
    assert np.array_equal(plain.states["batch_norm_1"].mean, watched.states["batch_norm_1"].mean)


def test_validation_fraction_splits_by_the_seed():
    parts: list[Any] = []
    for seed in (0, 0, 1):
        model(seed=seed).fit(X, NUMBERS, epochs=1, validation_fraction=0.25,
                             callbacks=[lambda run: parts.append((run.samples, run.validation))])  # fmt: skip
    training, held_out = parts[0]
    assert (training.n, held_out.n) == (45, 15)
    both = np.concatenate([training.X, held_out.X])
    np.testing.assert_array_equal(np.sort(both, 0), np.sort(X, 0))  # every sample is on one side
    np.testing.assert_array_equal(parts[0][1].X, parts[1][1].X)
    assert not np.array_equal(parts[0][1].X, parts[2][1].X)


def test_a_history_that_overflowed_is_valid_json():
    history = c.History([{"loss": 1.5, "val_loss": np.nan}, {"loss": np.inf, "val_loss": 2.0}], "why")
    text = history.to_json()
    assert json.loads(text, parse_constant=pytest.fail)["records"][0] == {"loss": 1.5, "val_loss": None}
    again = c.History.from_json(text)
    assert np.isnan(again["val_loss"][0]) and again["val_loss"][1] == 2.0 and again.stopped == "why"


def test_history_becomes_a_frame_and_json():
    history = model().fit(X, NUMBERS, epochs=3)
    frame = history.to_frame()
    assert isinstance(frame, pd.DataFrame) and len(frame) == 3
    assert list(frame.columns) == history.columns
    assert frame["loss"].tolist() == history["loss"]
    again = c.History.from_json(history.to_json())
    assert again.records == history.records and again.stopped is None
    assert "loss" in history and "val_loss" not in history
    assert [record["loss"] for record in history] == history["loss"] and history[0] == history.records[0]
    assert repr(history).startswith("<History of 3 epochs: loss ") and "empty" in repr(c.History())
    with pytest.raises(KeyError, match="there are loss, accuracy"):
        history["val_loss"]


def test_history_becomes_a_polars_frame():
    polars = pytest.importorskip("polars")
    assert isinstance(model().fit(X, NUMBERS, epochs=2).to_frame("polars"), polars.DataFrame)


def test_accuracy_in_training_counts_weighted_hits():
    made = model()
    weight = np.linspace(0.1, 2, 60)
    right = made.outputs(X).argmax(1) == NUMBERS
    history = made.fit(X, NUMBERS, epochs=1, batch_size=None, sample_weight=weight)
    assert history["accuracy"][0] == pytest.approx(weight @ right / weight.sum())


# --- weights


def test_class_weights_are_sample_weights():
    table = {0: 1.0, 1: 4.0, 2: 0.5}
    by_class = trained(class_weight=table)
    by_sample = trained(sample_weight=np.array([1.0, 4.0, 0.5])[NUMBERS])
    assert by_class.theta.tobytes() == by_sample.theta.tobytes()


def test_balanced_weights_are_scikit_learns():
    from sklearn.utils.class_weight import compute_sample_weight

    y = np.repeat([0, 1, 2], [40, 15, 5])
    expected = trained(y, sample_weight=compute_sample_weight("balanced", y))
    np.testing.assert_allclose(trained(y, class_weight="balanced").theta, expected.theta, rtol=1e-12)


def test_weights_of_labels_by_name_and_of_two_classes():
    y = np.array(["no", "yes"])[NUMBERS % 2]
    made = model(outputs=1, loss=c.SigmoidCrossEntropy())
    trained(y, start=made, class_weight={"yes": 3.0})
    other = model(outputs=1, loss=c.SigmoidCrossEntropy())
    trained(y, start=other, sample_weight=np.where(y == "yes", 3.0, 1.0))
    assert made.theta.tobytes() == other.theta.tobytes()


@pytest.mark.filterwarnings("ignore:y contains the classes 0 to 1, but the network has 3 outputs")
def test_a_sample_of_weight_zero_does_not_count():
    weight = np.where(NUMBERS == 2, 0.0, 1.0)
    kept = NUMBERS != 2
    everything = trained(sample_weight=weight, batch_size=None, optimizer="sgd")
    part = trained(NUMBERS[kept], X[kept], batch_size=None, optimizer="sgd")
    np.testing.assert_allclose(everything.theta, part.theta, rtol=1e-12)


def test_a_batch_of_weight_zero_changes_nothing():
    made = model()
    history = made.fit(X, NUMBERS, epochs=1, batch_size=20, shuffle=False, optimizer="sgd",
                       sample_weight=np.repeat([0.0, 1.0, 0.0], 20))  # fmt: skip
    part = trained(NUMBERS[20:40], X[20:40], epochs=1, batch_size=20, shuffle=False, optimizer="sgd")
    np.testing.assert_allclose(made.theta, part.theta, rtol=1e-12)
    assert np.isfinite(history["loss"][0])


# --- forms of data

FORMS: dict[str, Any] = {
    "list": X.tolist(),
    "fortran": np.asfortranarray(X),
    "strided": np.repeat(X, 2, axis=0)[::2],
    "pandas": pd.DataFrame(X, columns=list("abcd")),
    "pandas_objects": pd.DataFrame(X).astype(object),
    "csr": sparse.csr_matrix(X),
    "csr_array": sparse.csr_array(X),
    "csc": sparse.csc_array(X),
    "coo": sparse.coo_matrix(X),
    "big_endian": X.astype(">f8"),
    "longdouble": X.astype(np.longdouble),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_X_trains_the_same(form: str):
    made = trained(data=FORMS[form])
    assert made.theta.tobytes() == trained().theta.tobytes()
    np.testing.assert_array_equal(made.predict(FORMS[form]), trained().predict(X))


def test_polars_frame():
    polars = pytest.importorskip("polars")
    assert trained(data=polars.DataFrame(X)).theta.tobytes() == trained().theta.tobytes()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64", "uint16", "float16", "float32", "bool"])
def test_every_type_of_number_trains_as_its_float64(dtype: str):
    data = (np.abs(X) * 3).astype(dtype)
    assert trained(data=data).theta.tobytes() == trained(data=data.astype(np.float64)).theta.tobytes()


def test_memory_mapped_and_bytes(tmp_path: Path):
    path = tmp_path / "X.npy"
    np.save(path, X)
    mapped = np.load(path, mmap_mode="r")
    assert (
        trained(data=mapped, validation_data=(mapped, NUMBERS)).theta.tobytes() == trained().theta.tobytes()
    )
    assert trained(data=mapped, validation_fraction=0.2).epochs_trained == 3


def test_sparse_integers_and_nan_in_sparse():
    data = sparse.random(60, 4, 0.3, format="csr", random_state=0)
    counts = (data * 10).astype(np.int64)
    assert trained(data=counts).theta.tobytes() == trained(data=counts.toarray()).theta.tobytes()
    data.data[3] = np.nan
    with pytest.raises(c.DataError, match=r"X contains nan at row \d+, column \d"):
        trained(data=data)


ANIMALS = np.array(["ant", "bee", "cat"])
LABELS: dict[str, tuple[Any, list[Any]]] = {
    "numbers": (NUMBERS, [0, 1, 2]),
    "uint8": (NUMBERS.astype(np.uint8), [0, 1, 2]),
    "floats": (NUMBERS.astype(np.float64), [0, 1, 2]),
    "float_labels": (NUMBERS / 2, [0.0, 0.5, 1.0]),
    "other_numbers": (NUMBERS * 5 - 5, [-5, 0, 5]),
    "column": (NUMBERS[:, None], [0, 1, 2]),
    "list": (NUMBERS.tolist(), [0, 1, 2]),
    "strings": (ANIMALS[NUMBERS], ANIMALS.tolist()),
    "string_list": (ANIMALS[NUMBERS].tolist(), ANIMALS.tolist()),
    "objects": (ANIMALS[NUMBERS].astype(object), ANIMALS.tolist()),
    "object_numbers": ((NUMBERS + 1).astype(object), [1, 2, 3]),
    "long_strings": (ANIMALS[NUMBERS].astype(np.dtypes.StringDType()), ANIMALS.tolist()),
    "series": (pd.Series(ANIMALS[NUMBERS]), ANIMALS.tolist()),
    "categorical": (pd.Series(pd.Categorical(ANIMALS[NUMBERS])), ANIMALS.tolist()),
    "frame": (pd.DataFrame({"y": NUMBERS}), [0, 1, 2]),
    "one_hot": (np.eye(3)[NUMBERS], [0, 1, 2]),
    "one_hot_frame": (pd.DataFrame(np.eye(3)[NUMBERS]), [0, 1, 2]),
    "one_hot_bool": (np.eye(3, dtype=bool)[NUMBERS], [0, 1, 2]),
    "one_hot_sparse": (sparse.csr_array(np.eye(3)[NUMBERS]), [0, 1, 2]),
}


@pytest.mark.parametrize("form", LABELS)
def test_every_form_of_the_same_labels_trains_the_same(form: str):
    y, classes = LABELS[form]
    made = trained(y)
    assert made.theta.tobytes() == trained().theta.tobytes()
    assert made.classes is not None and made.classes.tolist() == classes
    predicted = made.predict(X)
    assert predicted.tolist() == np.array(classes)[trained().predict(X)].tolist()
    assert made.evaluate(X, y) == trained().evaluate(X, NUMBERS)
    assert made.evaluate(X, predicted)["accuracy"] == 1.0


TRUTHS = NUMBERS % 2 == 1
TWO: dict[str, tuple[Any, list[Any]]] = {
    "bool": (TRUTHS, [0, 1]),
    "objects": (TRUTHS.astype(object), [0, 1]),
    "signs": (np.where(TRUTHS, 1, -1), [-1, 1]),
    "strings": (np.where(TRUTHS, "yes", "no"), ["no", "yes"]),
    "column": (TRUTHS[:, None].astype(float), [0, 1]),
    "frame": (pd.Series(TRUTHS), [0, 1]),
}


@pytest.mark.parametrize("form", TWO)
def test_two_classes_in_one_output(form: str):
    y, classes = TWO[form]
    made, plain = (model(outputs=1, loss=c.SigmoidCrossEntropy()) for _ in range(2))
    trained(y, start=made)
    trained(TRUTHS.astype(int), start=plain)
    assert made.theta.tobytes() == plain.theta.tobytes()
    assert made.predict(X).tolist() == np.array(classes)[plain.predict(X)].tolist()
    assert made.evaluate(X, y) == plain.evaluate(X, TRUTHS.astype(int))


def test_labels_once_learned_are_the_models():
    made = trained()
    for other in (NUMBERS + 1, ANIMALS[NUMBERS]):
        with pytest.raises(
            c.DataError,
            match=r"labels unknown to the model .* it knows 0, 1, 2, so omit the other rows, or train with them",
        ):
            made.evaluate(X, other)
        with pytest.raises(c.DataError, match="unknown to the model"):
            made.fit(X, other)
        with pytest.raises(c.DataError, match=r"validation_data\[1\] contains labels unknown to the model"):
            model().fit(X, NUMBERS, validation_data=(X, other))
    named = trained(ANIMALS[NUMBERS])
    trained(np.eye(3)[NUMBERS], start=named)  # columns are the classes in order; the names stay
    assert named.classes is not None and named.classes.tolist() == ANIMALS.tolist()
    assert named.evaluate(X[:2], ["ant", "bee"], metrics="accuracy").keys() == {
        "loss",
        "accuracy",
    }  # some of them


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA, pd.NaT])
def test_a_missing_label_is_no_class(nothing: Any):
    y = ANIMALS[NUMBERS].astype(object)
    y[17] = nothing
    with pytest.raises(c.DataError, match="y has no label at row 17; drop"):
        trained(y)


# --- freezing and new heads


@pytest.mark.parametrize(
    "optimizer", [c.SGD(0.1, momentum=0.9), c.AdamW(0.05, weight_decay=0.5), "nadam", "lbfgs"]
)
def test_frozen_links_keep_their_bits(optimizer: Any):
    layers = [c.Dense(6), c.BatchNorm(), c.PReLU(), c.Residual([c.Dense(6), c.ReLU()]), c.Dense(3)]
    bound = None if optimizer == "lbfgs" else 0.4
    made = c.Model(c.Network(4, layers, c.SoftmaxCrossEntropy(), l2=0.1, max_norm=bound), dtype="float64")
    made.fit(X, NUMBERS, epochs=1, optimizer="lbfgs" if optimizer == "lbfgs" else "adam")
    frozen = ("dense_1", "batch_norm_1", "dense_2")
    made.parameters["dense_2"].W[...] *= 3  # beyond max_norm, which must not reach it
    assert made.freeze(*frozen) is made
    kept = {name: [part.copy() for part in made.parameters[name]] for name in frozen}
    free = {name: [part.copy() for part in made.parameters[name]] for name in ("prelu_1", "dense_3")}
    state = made.states["batch_norm_1"]
    made.fit(X, NUMBERS, epochs=2, batch_size=16, optimizer=optimizer)
    for name, parts in kept.items():
        assert all(a.tobytes() == b.tobytes() for a, b in zip(parts, made.parameters[name], strict=True))
    for name, parts in free.items():
        assert all((a != b).all() for a, b in zip(parts, made.parameters[name], strict=True))
    for before, after in zip(state, made.states["batch_norm_1"], strict=True):
        assert before.tobytes() == after.tobytes()
    assert "frozen" in str(made.summary())
    made.unfreeze().fit(X, NUMBERS, epochs=1)
    assert all((a != b).any() for a, b in zip(kept["dense_1"], made.parameters["dense_1"], strict=True))


def test_everything_frozen_trains_nothing():
    for optimizer in ("adam", "nadam", "lbfgs"):
        made = model(c.BatchNorm()).freeze()
        made.fit(X, NUMBERS, epochs=2, optimizer=optimizer)
        assert made.theta.tobytes() == model(c.BatchNorm()).theta.tobytes()


def test_frozen_gradients_have_no_part_in_the_clipped_norm():
    # The last layer alone against the same layer behind frozen ones, one of which follows it in the chain.
    layers = [c.Dense(3), c.Dense(5), c.Dense(3)]
    behind = c.Model(c.Network(4, layers, c.SoftmaxCrossEntropy()), dtype="float64").freeze(
        "dense_2", "dense_3"
    )
    theta = behind.theta.copy()
    behind.fit(X, NUMBERS, epochs=1, batch_size=None, clip=1e-3, optimizer=c.SGD(1.0))
    assert np.linalg.norm(behind.theta - theta) == pytest.approx(1e-3)


def test_replace_head_keeps_the_trunk():
    inner = c.Residual([c.Dense(6), c.Residual([c.BatchNorm(), c.Tanh()])])
    old = c.Model(
        c.Network(4, [c.Standardize(), c.Dense(6), inner, c.Dense(3)], c.SoftmaxCrossEntropy()), seed=5
    )
    old.fit(X, ANIMALS[NUMBERS], epochs=2)
    before = old.theta.copy()
    new = old.replace_head([c.Dense(8), c.ReLU(), c.Dense(1)], loss=c.MeanSquaredError())
    assert new.frozen == {"dense_1", "dense_2", "batch_norm_1"} and new.classes is None
    assert new.network.outputs == 1 and new.task == "regression" and new.seed == 5
    for name in new.frozen:
        for a, b in zip(new.parameters[name], old.parameters[name], strict=True):
            assert a.tobytes() == b.tobytes()
    for name in ("standardize_1", "batch_norm_1"):
        for a, b in zip(new.states[name], old.states[name], strict=True):
            assert a.tobytes() == b.tobytes()
    trunk = new.theta[: old.network.slots[-2].start].copy()
    new.fit(X, LINE, epochs=3, optimizer=c.AdamW(0.01))
    assert new.theta[: len(trunk)].tobytes() == trunk.tobytes()
    assert old.theta.tobytes() == before.tobytes()  # a copy
    for name in ("standardize_1", "batch_norm_1"):
        for a, b in zip(new.states[name], old.states[name], strict=True):
            assert a.tobytes() == b.tobytes()


def test_replace_head_with_the_same_loss_learns_its_own_labels():
    old = trained(ANIMALS[NUMBERS])
    new = old.replace_head([c.Dense(2)], freeze=False)
    assert new.frozen == frozenset()
    new.fit(X, np.array(["car", "bus"])[NUMBERS % 2], epochs=1)
    assert set(new.predict(X)) <= {"car", "bus"}


def test_replace_head_after_a_named_link():
    old = trained(start=model(c.BatchNorm()))
    new = old.replace_head([c.Dense(3)], after="batch_norm_1", seed=9)
    assert [link.name for link in new.network.links] == [
        "dense_1",
        "batch_norm_1",
        "dense_2",
    ] and new.seed == 9
    with pytest.raises(
        c.ConfigError, match="after must be one of dense_1, batch_norm_1, tanh_1, dense_2, not 'x'"
    ):
        old.replace_head([c.Dense(3)], after="x")


# --- penalties, bounds, clipping


def test_max_norm_holds_after_every_step():
    norms: list[float] = []

    class Look(c.Callback):
        every_steps = 1

        def on_steps(self, run: Any) -> None:
            for name in ("dense_1", "dense_2"):
                norms.append(np.linalg.norm(run.model.parameters[name].W, axis=0).max())

        on_epoch_end = on_steps

    trained(start=model(max_norm=0.5), optimizer=c.SGD(1.0), callbacks=[Look()])
    assert len(norms) == 24 and max(norms) <= 0.5 * (1 + 1e-12)
    biased = model(max_norm=0.5)
    biased.parameters["dense_1"].b[...] = 5.0
    trained(start=biased)
    assert biased.parameters["dense_1"].b.min() > 4.5  # biases are free


def test_clip_norm_bounds_the_step():
    for limit in (1e-2, 1e-4):
        made = model()
        theta = made.theta.copy()
        trained(start=made, epochs=1, batch_size=None, optimizer=c.SGD(1.0), clip=limit)
        assert np.linalg.norm(made.theta - theta) == pytest.approx(limit)


def test_clip_value_bounds_each_number():
    made = model()
    theta = made.theta.copy()
    trained(start=made, epochs=1, batch_size=None, optimizer=c.SGD(1.0), clip=c.Clip(value=1e-3))
    assert np.abs(made.theta - theta).max() == pytest.approx(1e-3)
    assert trained(clip=c.Clip(1e6, 1e6)).theta.tobytes() == trained().theta.tobytes()


def test_penalties_make_small_and_sparse_weights():
    def weights(**settings: Any) -> np.ndarray:
        made = trained(start=model(**settings), epochs=200, optimizer=c.SGD(0.1), batch_size=None)
        return made.parameters["dense_1"].W

    assert np.linalg.norm(weights(l2=0.1)) < 0.5 * np.linalg.norm(weights())
    assert np.abs(weights(l1=0.1)).mean() < 0.05


# --- learning rates


@pytest.mark.parametrize(
    "schedule",
    [
        c.StepDecay(),
        c.Exponential(0.8),
        c.Cosine(warmup=0.2),
        c.OneCycle(),
        c.InverseScaling(),
        "one_cycle",
        None,
    ],
)
def test_the_history_has_the_rate_of_each_epochs_last_step(schedule: Any):
    history = model().fit(X, NUMBERS, epochs=5, batch_size=16, schedule=schedule, optimizer=c.Adam(0.02))
    rule = {"one_cycle": c.OneCycle(), None: c.StepDecay(at=(0.999,))}.get(schedule, schedule)
    steps = np.arange(5) * 4 + 3
    expected = 0.02 * np.asarray(rule.factor(steps, 20, 4))
    np.testing.assert_allclose(history["learning_rate"], expected, rtol=1e-12)


def test_plateau_lowers_the_rate():
    plateau = c.ReduceOnPlateau("loss", drop=0.1, patience=1, min_delta=1e9, floor=1e-2)
    history = model().fit(X, NUMBERS, epochs=5, optimizer=c.SGD(1e-3), schedule=plateau)
    # The first epoch is the best by definition; each one after it lowers the rate of the next, down to the floor.
    np.testing.assert_allclose(history["learning_rate"], [1e-3, 1e-3, 1e-4, 1e-5, 1e-5])


def test_plateau_watches_metrics_that_should_rise():
    history = model().fit(X, NUMBERS, epochs=6, validation_data=(X, NUMBERS), optimizer=c.SGD(1e-9),
                          schedule=c.ReduceOnPlateau("val_accuracy", drop=0.5, patience=2))  # fmt: skip
    np.testing.assert_allclose(history["learning_rate"], np.array([1, 1, 1, 0.5, 0.5, 0.25]) * 1e-9)


# --- NaN


class Bad(c.Layer):
    """NaN in one walk, from one step on."""

    def __init__(self, walk: str, step: int = 3) -> None:
        object.__setattr__(self, "walk", walk)
        object.__setattr__(self, "step", step)

    def forward(self, params: Any, a: Any, ctx: Any) -> tuple[Any, Any]:
        bad = self.walk == "forward" and ctx.training and ctx.step >= self.step
        return a * (np.nan if bad else 1.0), ctx.step

    def backward(self, params: Any, cache: Any, delta: Any, ctx: Any) -> tuple[Any, Any]:
        return (), delta * (np.inf if self.walk == "backward" and cache >= self.step else 1.0)


@pytest.mark.parametrize(
    ("walk", "where"), [("forward", "bad_1"), ("backward", "gradient of tanh_1")], ids=["forward", "backward"]
)
def test_nan_is_caught_at_its_step_and_named(walk: str, where: str):
    made = c.Model(c.Network(4, [c.Dense(6), c.Tanh(), Bad(walk), c.Dense(3)], c.SoftmaxCrossEntropy()))
    with pytest.raises(
        c.NonFiniteError, match=rf"at step 3, first in {where}, at a learning rate of"
    ) as caught:
        trained(start=made)
    assert caught.value.step == 3 and caught.value.link == where
    assert np.isfinite(made.theta).all()  # the step's update was not made
    assert made.steps_trained == 2


def test_nan_inside_a_block_is_named():
    block = c.Residual([c.Dense(4), Bad("forward", 1)])
    made = c.Model(c.Network(4, [block, c.Dense(3)], c.SoftmaxCrossEntropy()))
    with pytest.raises(c.NonFiniteError, match="first in bad_1"):
        trained(start=made)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_infinite_weights_are_named(value: float):
    made = model(dtype="float32")
    made.parameters["dense_2"].W[1, 1] = value
    with pytest.raises(c.NonFiniteError) as caught:
        trained(start=made)
    assert (caught.value.step, caught.value.link) == (1, "dense_2")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_rate_that_explodes(dtype: str):
    loss = c.MeanSquaredError()
    made = model(outputs=1, loss=loss, dtype=dtype)
    with pytest.raises(c.NonFiniteError, match="lower the learning rate, clip the gradient") as caught:
        trained(LINE, start=made, optimizer=c.SGD(1e30 if dtype == "float32" else 1e200), epochs=50)
    assert 1 <= caught.value.step <= 200


@pytest.mark.filterwarnings("ignore:y has mean 264")
@pytest.mark.parametrize(("dtype", "rate"), [("float32", 1e300), ("float64", 1e308)])
def test_an_update_that_overflows_is_caught_in_the_very_last_step(dtype: str, rate: float):
    made = model(dtype=dtype, outputs=1, loss=c.MeanSquaredError())
    with pytest.raises(c.NonFiniteError, match="at step 1, first in update of dense_"):
        trained(LINE * 1e3, start=made, epochs=1, batch_size=None, optimizer=c.SGD(rate))


@pytest.mark.filterwarnings("ignore:y has mean 2.64e.29")
def test_input_and_targets_beyond_the_precision():
    made = model(dtype="float32", outputs=1, loss=c.MeanSquaredError())
    with pytest.raises(c.NonFiniteError, match="first in input"):
        trained(LINE, X * 1e300, made)
    with pytest.raises(c.NonFiniteError, match="first in loss"):
        trained(LINE * 1e30, X, model(dtype="float32", outputs=1, loss=c.MeanSquaredError()))


# --- L-BFGS


def test_lbfgs_finds_the_least_squares_solution():
    noisy = LINE + GENERATOR.normal(size=60)
    line = c.Model(c.Network(4, [c.Dense(1)], c.MeanSquaredError()), dtype="float64")
    history = line.fit(X, noisy, optimizer=c.LBFGS(tolerance=1e-10), epochs=100)
    solution = np.linalg.lstsq(np.column_stack([X, np.ones(60)]), noisy, rcond=None)[0]
    np.testing.assert_allclose(line.theta, solution, atol=1e-7)
    assert len(history) < 100 and history.stopped is not None and history.stopped.startswith("L-BFGS ended")
    assert all(a >= b for a, b in zip(history["loss"], history["loss"][1:], strict=False))


def test_lbfgs_with_weights_penalty_and_ridge_solution():
    weight = np.linspace(0.5, 2.0, 60)
    line = c.Model(c.Network(4, [c.Dense(1)], c.MeanSquaredError(half=True), l2=0.3), dtype="float64")
    line.fit(X, LINE, optimizer=c.LBFGS(tolerance=1e-10), epochs=100, sample_weight=weight)
    A = np.column_stack([X, np.ones(60)])
    share = weight / weight.sum()
    solution = np.linalg.solve(A.T @ (share[:, None] * A) + np.diag([0.3] * 4 + [0]), A.T @ (share * LINE))
    np.testing.assert_allclose(line.theta, solution, atol=1e-7)


def test_lbfgs_walks_large_data_in_pieces():
    rows = np.arange(60).repeat(150)  # 9,000 samples, more than one walk takes
    a, b = (c.Model(c.Network(4, [c.Dense(1)], c.MeanSquaredError()), dtype="float64") for _ in range(2))
    a.fit(X[rows], LINE[rows], optimizer="lbfgs", epochs=30)
    b.fit(X, LINE, optimizer="lbfgs", epochs=30)
    np.testing.assert_allclose(a.theta, b.theta, atol=1e-6)


def test_lbfgs_ends_by_evaluations_or_a_small_decrease():
    def ended(**settings: Any) -> c.History:
        made = c.Model(c.Network(4, [c.Dense(8), c.Tanh(), c.Dense(1)], c.MeanSquaredError()), seed=0)
        return made.fit(X, LINE, optimizer=c.LBFGS(**settings), epochs=200)

    few = ended(max_evaluations=5)
    assert 0 < len(few) <= 5 and few.stopped is not None and "evaluations exceeds limit" in few.stopped
    loose, strict = ended(loss_tolerance=1e-2), ended()
    assert len(loose) < len(strict) and loose.stopped is not None and "reduction of f" in loose.stopped
    loss = loose["loss"]
    assert loss[-2] - loss[-1] <= 1e-2 * max(loss[-2], 1) and (loss[-3] - loss[-2] > 1e-2 * max(loss[-3], 1))


def test_lbfgs_trains_a_deep_classifier_with_batch_norm_and_early_stopping():
    made = model(c.BatchNorm())
    before = made.evaluate(X, NUMBERS)["loss"]
    history = made.fit(
        X, NUMBERS, optimizer="lbfgs", epochs=30, callbacks=[c.EarlyStopping("loss", patience=3)]
    )
    assert history["loss"][-1] < 0.7 * before
    assert (
        np.isfinite(made.states["batch_norm_1"].var).all() and (made.states["batch_norm_1"].mean != 0).any()
    )
    stopped = model().fit(X, NUMBERS, optimizer="lbfgs", callbacks=[lambda run: run.stop("enough")])
    assert len(stopped) == 1 and stopped.stopped == "enough"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"callbacks": [c.Checkpoint("never.safetensors")]}, "cannot be resumed"),
        ({"clip": 1.0}, "cannot clip gradients"),
        ({"schedule": "cosine"}, "omit schedule"),
    ],
)
def test_lbfgs_refuses_what_it_cannot_do(settings: dict[str, Any], words: str):
    with pytest.raises(c.ConfigError, match=words):
        model().fit(X, NUMBERS, optimizer="lbfgs", **settings)


def test_lbfgs_refuses_dropout_and_max_norm_but_not_a_rate_of_zero():
    with pytest.raises(c.ConfigError, match="Dropout changes it; use Adam"):
        model(c.Dropout(0.1)).fit(X, NUMBERS, optimizer="lbfgs")
    with pytest.raises(c.ConfigError, match="bound norms"):
        model(max_norm=1.0).fit(X, NUMBERS, optimizer="lbfgs")
    assert len(model(c.Dropout(0.0)).fit(X, NUMBERS, optimizer="lbfgs", epochs=2)) == 2


def test_lbfgs_notices_what_is_not_finite():
    made = model(outputs=1, loss=c.MeanSquaredError())
    made.theta[0] = np.inf
    with pytest.raises(c.NonFiniteError, match="not finite"):
        made.fit(X, LINE, optimizer="lbfgs")


# --- standardize


def test_standardize_measures_the_training_data_once():
    far = X * np.array([1.0, 100.0, 1e-3, 1.0]) + np.array([0.0, 1e4, 0.0, 7.0])
    far[:, 3] = 7.0  # constant
    made = c.Model(
        c.Network(4, [c.Rescale(0.5), c.Standardize(), c.Dense(3)], c.SoftmaxCrossEntropy()), dtype="float64"
    )
    made.fit(far, NUMBERS, epochs=1)
    state = made.states["standardize_1"]
    np.testing.assert_allclose(state.mean, 0.5 * far.mean(0), rtol=1e-12)
    np.testing.assert_allclose(state.std, np.where(far.std(0) < 1e-9, 1.0, 0.5 * far.std(0)), rtol=1e-9)
    made.fit(X, NUMBERS, epochs=1)
    assert np.array_equal(made.states["standardize_1"].mean, state.mean)


def test_standardize_does_not_see_the_validation_part():
    made = c.Model(c.Network(4, [c.Standardize(), c.Dense(3)], c.SoftmaxCrossEntropy()), dtype="float64")
    parts: list[Any] = []
    made.fit(X, NUMBERS, epochs=1, validation_fraction=0.5, callbacks=[lambda run: parts.append(run.samples)])
    np.testing.assert_allclose(made.states["standardize_1"].mean, parts[0].X.mean(0), rtol=1e-12)


# --- what the bar and the lines show


@pytest.mark.parametrize("verbose", [1, 2])
def test_progress_prints_a_line_an_epoch(verbose: int, capsys: pytest.CaptureFixture[str]):
    model().fit(X, NUMBERS, epochs=2, verbose=verbose, validation_data=(X, NUMBERS),
                callbacks=[c.StopAt("val_accuracy", 0.0)])  # fmt: skip
    heads, first, last = capsys.readouterr().out.splitlines()
    assert heads.startswith("epoch of 2") and "val_loss" in heads and first.split()[0] == "1"
    assert last == "Stopped: val_accuracy reached 0."
    model().fit(X, NUMBERS, epochs=1)
    assert capsys.readouterr().out == ""
