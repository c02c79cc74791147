"""Sources: the bits of arrays, every row once in an epoch, resumed anywhere, and what is wrong said with its place."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import chainrule as c
from chainrule.core.buffers import Buffers
from chainrule.core.threads import prefetch
from chainrule.data.source import SourceBlock
from chainrule.data.stream import Stream
from chainrule.data.windows import pieces

R = np.random.default_rng(0)
N = 300
X = R.normal(size=(N, 4)).astype(np.float32)
Y, WEIGHT = R.integers(0, 3, N), R.random(N)
LOSS = c.SoftmaxCrossEntropy()


def as_it_is(block: SourceBlock, seed: int, epoch: int, numbers: np.ndarray[Any, Any]) -> SourceBlock:
    return block


def model(*layers: c.Layer, loss: c.Loss = LOSS, inputs: int = 4) -> c.Model:
    return c.Model(
        c.Network(inputs, [*layers, c.Dense(5), c.ReLU(), c.Dense(3 if loss is LOSS else 1)], loss), seed=3
    )


def trained(*data: Any, layers: tuple[c.Layer, ...] = (), loss: c.Loss = LOSS, **settings: Any) -> c.Model:
    made = model(*layers, loss=loss)
    made.fit(*data, **{"epochs": 3, "batch_size": 32} | settings)
    return made


def bits(made: c.Model) -> tuple[bytes, list[dict[str, float]]]:
    records = [{k: v for k, v in record.items() if k != "seconds"} for record in made.history.records]
    return made.theta.tobytes(), records


def in_batches(size: int, *arrays: Any) -> list[tuple[Any, ...]]:
    return [tuple(a[k : k + size] for a in arrays) for k in range(0, arrays[0].shape[0], size)]


# --- the bits of arrays


@pytest.mark.parametrize(
    "rows", [X, sparse.csr_array(X), np.asfortranarray(X), (X * 20 + 100).astype(np.uint8)]
)
@pytest.mark.parametrize("shuffle", [True, False])
def test_arrays_as_a_source(rows: Any, shuffle: bool):
    settings: dict[str, Any] = {"shuffle": shuffle, "layers": (c.Dropout(0.1),)}
    alone = trained(rows, Y, sample_weight=WEIGHT, validation_data=(rows, Y), **settings)
    for source in (c.ArraySource(rows, Y, WEIGHT), c.ArraySource(rows, Y, WEIGHT, window=70).map(as_it_is)):
        held_out = c.ArraySource(rows, Y, window=40).map(as_it_is)
        assert bits(trained(source, validation_data=held_out, **settings)) == bits(alone)


def test_labels_and_their_weights():
    labels, settings = np.array(["no", "so so", "yes"])[Y], {"class_weight": "balanced"}
    alone = trained(X, labels, **settings)
    made = trained(c.ArraySource(X, labels, window=50).map(as_it_is), **settings)
    assert bits(made) == bits(alone)
    assert made.classes is not None and made.classes.tolist() == ["no", "so so", "yes"]


@pytest.mark.parametrize(
    ("loss", "weights", "said"),
    [
        (LOSS, "even", "class_weight must be 'balanced' or a dict of label: weight, not 'even'"),
        (LOSS, 5, "class_weight must be 'balanced' or a dict of label: weight, not 5"),
        (c.MeanSquaredError(), "balanced", "needs one label per sample, but MeanSquaredError takes numbers"),
    ],
)
def test_weights_of_labels_that_are_refused(loss: c.Loss, weights: Any, said: str):
    source = c.BatchSource(lambda: pytest.fail("a block was read"))
    with pytest.raises(c.ConfigError, match=said):
        trained(source, loss=loss, class_weight=weights)


def test_probabilities_are_no_labels():
    p = np.concatenate([np.zeros(150), R.random(150)])
    loss = c.SigmoidCrossEntropy()
    alone = trained(X, p, loss=loss)
    assert bits(trained(c.ArraySource(X, p, window=50).map(as_it_is), loss=loss)) == bits(alone)


@pytest.mark.parametrize("clamp", [True, "clamp"])
def test_what_is_measured_in_one_pass(clamp: Any):
    y, weight = 1e3 * R.normal(size=N) + 1e6, WEIGHT.copy()
    y[[5, 60, 61, 250]], weight[[5, 60, 61, 250]] = (1e9, -1e9, 0.0, 2e9), 0  # rows that do not count
    settings: dict[str, Any] = {
        "scale_targets": clamp,
        "layers": (c.Standardize(),),
        "loss": c.MeanSquaredError(),
    }
    far = X.astype(np.float64) * 1e-3 + 1e3
    passes = []

    def counted() -> Iterator[Any]:
        passes.append(1)
        yield from in_batches(37, far, y, weight)

    made = trained(c.BatchSource(counted), epochs=1, **settings)
    alone = trained(far, y, sample_weight=weight, epochs=1, **settings)
    assert made.target_scale is not None and alone.target_scale is not None
    if clamp == "clamp":
        assert (made.target_scale.low, made.target_scale.high) == (y[weight > 0].min(), y[weight > 0].max())
    for mine, theirs in zip(made.target_scale, alone.target_scale, strict=True):
        assert (mine is None and theirs is None) or np.allclose(mine, theirs, rtol=1e-12, atol=0)
    measured, before = made.states["standardize_1"], alone.states["standardize_1"]
    assert np.allclose(measured.mean, before.mean, rtol=1e-7) and np.allclose(
        measured.std, before.std, rtol=1e-6
    )
    assert len(passes) == 2  # one for all that is measured, and one to train


def test_statistics_are_those_of_arrays():
    from chainrule.training.fit import measure

    made = model(c.Standardize())
    far = X.astype(np.float64) * 1e-3 + 1e3
    stream = Stream(c.BatchSource(in_batches(37, far, Y)), made.network, 0)
    found = measure(made.network, made.network.initial_states(np.float64), stream, np.float64)[
        "standardize_1"
    ]
    assert np.allclose(found.mean, far.mean(0), rtol=1e-12, atol=0)
    assert np.allclose(found.std, far.std(0), rtol=1e-9, atol=0)  # the deviation is 1e-6 of the mean
    whole = measure(
        made.network, made.network.initial_states(np.float64), made.check_samples(far, Y), np.float64
    )
    assert np.allclose(found.std, whole["standardize_1"].std, rtol=1e-9, atol=0)


def test_a_memory_map_is_not_copied(tmp_path: Path):
    import tracemalloc

    np.save(tmp_path / "X.npy", R.normal(size=(20_000, 100)).astype(np.float32))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    made, labels = model(inputs=100), np.arange(20_000) % 3
    tracemalloc.start()
    try:
        made.fit(c.ArraySource(mapped, labels), epochs=1, validation_data=c.ArraySource(mapped, labels))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < mapped.nbytes / 2
    assert bits(made) == bits((whole := model(inputs=100), whole.fit(
        np.array(mapped), labels, epochs=1, validation_data=(np.array(mapped), labels)))[0])  # fmt: skip


# --- batches and their order


@given(
    st.integers(1, 400), st.integers(1, 60), st.integers(1, 400), st.sampled_from([np.float32, np.float64])
)
@settings(max_examples=15)
def test_batches_of_any_sizes(size: int, batch_size: int, window: int, dtype: Any):
    rows = X.astype(dtype)
    source = c.BatchSource(in_batches(size, rows, Y, WEIGHT), window=window)
    options: dict[str, Any] = {"shuffle": False, "epochs": 2, "batch_size": batch_size}
    assert bits(trained(source, **options)) == bits(trained(rows, Y, sample_weight=WEIGHT, **options))


class Blocks(c.Source):
    """Rows whose only feature is their number, in blocks of any sizes that can be read in any order."""

    def __init__(self, sizes: list[int], **settings: Any) -> None:
        super().__init__(**settings)
        self.of = np.array(sizes)
        self.reads = Counter[int]()

    @property
    def sizes(self) -> np.ndarray[Any, Any]:
        return self.of

    def read(self, block: int) -> SourceBlock:
        self.reads[block] += 1
        start = int(self.of[:block].sum())
        numbers = np.arange(start, start + self.of[block])
        return SourceBlock(numbers[:, None].astype(np.float64), numbers.astype(np.float64), numbers + 1.0)


def network() -> c.Network:
    return c.Network(1, [c.Dense(1)], c.MeanSquaredError())


def rows_of(
    stream: Stream, size: int, epoch: int, position: int = 0, shuffle: bool = True
) -> list[list[int]]:
    """The numbers of the rows in each batch of an epoch, from a step on; y and weights are of the same rows."""
    found = []
    for piece in pieces(stream, size, epoch, position, shuffle):
        assert piece.begin == position + len(found)
        X, y, weight = (part[piece.rows] for part in piece.samples[:3])
        assert (y == X).all() and (weight == y[:, 0] + 1).all()
        found += [X[k : k + size, 0].astype(int).tolist() for k in range(0, len(X), size)]
    return found


@pytest.mark.slow
@given(
    st.lists(st.integers(0, 12), min_size=1, max_size=8).filter(any),
    st.integers(1, 30),
    st.integers(1, 9),
    st.sampled_from(["blocks", "exact", "sequential", "unshuffled"]),
    st.integers(0, 3),
)
@settings(max_examples=60)
def test_every_row_once_and_from_any_step(sizes: list[int], window: int, size: int, kind: str, epoch: int):
    source: c.Source = Blocks(sizes, window=window, shuffle="exact" if kind == "exact" else "blocks")
    if kind == "sequential":
        source = c.BatchSource([tuple(source.read(k)) for k in range(len(sizes))], window=window)
    stream, shuffle = Stream(source, network(), 5), kind != "unshuffled"
    whole = rows_of(stream, size, epoch, 0, shuffle)
    flat = [row for batch in whole for row in batch]
    assert sorted(flat) == list(range(sum(sizes))) and all(len(batch) == size for batch in whole[:-1])
    assert shuffle or flat == sorted(flat)
    for position in range(len(whole)):
        assert rows_of(stream, size, epoch, position, shuffle) == whole[position:]


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = [
        rows_of(Stream(Blocks([40] * 5, window=80, shuffle=shuffle), network(), seed), 200, epoch)[0]
        for shuffle in ("blocks", "exact")
        for seed in (0, 1)
        for epoch in (0, 1)
    ]
    assert len(set(map(tuple, orders))) == 8


def test_a_window_has_whole_blocks_in_a_random_order():
    flat = rows_of(Stream(Blocks([10] * 6, window=20), network(), 0), 60, 0)[0]
    windows = [{row // 10 for row in flat[k : k + 20]} for k in range(0, 60, 20)]
    assert [len(blocks) for blocks in windows] == [2, 2, 2] and set().union(*windows) == set(range(6))
    assert windows != [{0, 1}, {2, 3}, {4, 5}]
    assert flat[:20] != sorted(flat[:20]) and flat[:10] != sorted(flat[:10])


def test_a_resumed_epoch_reads_one_window_again():
    source = Blocks([10] * 10, window=20)
    rows_of(Stream(source, network(), 0), 10, 0, position=7)
    assert sum(source.reads.values()) == 4  # the window of step 7, and the last one


@pytest.mark.slow
@pytest.mark.parametrize("of", ["seeds", "epochs"])
def test_exact_orders_are_equally_likely(of: str):
    """Over the seeds, and for one seed over the epochs, none of which tells anything of another one."""
    streams = [
        (Stream(Blocks([2, 2], window=2, shuffle="exact"), network(), k if of == "seeds" else 0), k)
        for k in range(600)
    ]
    counts = Counter(tuple(rows_of(stream, 4, 0 if of == "seeds" else k)[0]) for stream, k in streams)
    assert len(counts) == 24
    assert sum((count - 25) ** 2 / 25 for count in counts.values()) < 49.7  # the 0.1 % quantile of chi2(23)


def test_the_row_cache_is_deleted(tmp_path: Path):
    source = Blocks([10] * 10, window=20, shuffle="exact")
    source.folder = str(tmp_path)
    made = pieces(Stream(source, network(), 0), 10, 0, 0, True)
    next(made)
    assert any(tmp_path.iterdir())
    made.close()
    assert not any(tmp_path.iterdir())


def test_map_sees_seed_epoch_and_row_numbers():
    seen = []

    def noted(block: SourceBlock, seed: int, epoch: int, numbers: np.ndarray[Any, Any]) -> SourceBlock:
        assert (block.X[:, 0] == numbers).all()
        seen.append((seed, epoch))
        return block._replace(X=block.X + 1000 * epoch)

    source = Blocks([7, 8, 9], window=10).map(noted)
    assert Blocks([7]).functions == () and source.functions == (noted,)
    found = [batch for batch in rows_of_mapped(Stream(source, network(), 4), 2)]
    assert sorted(found) == [2000 + k for k in range(24)] and set(seen) == {(4, 2)}
    mapped = c.ArraySource(np.arange(24.0)[:, None], np.arange(24.0), window=5).map(noted)
    assert sorted(rows_of_mapped(Stream(mapped, network(), 4), 2)) == [2000 + k for k in range(24)]


def rows_of_mapped(stream: Stream, epoch: int) -> list[int]:
    return [int(x) for p in pieces(stream, 5, epoch, 0, True) for x in p.samples.X[p.rows, 0]]


# --- resumed


class Killed(Exception):
    pass


class RaiseAt(c.Callback):
    """Raises at a step."""

    every_steps = 1

    def __init__(self, step: int, error: type[BaseException]) -> None:
        self.step, self.error = step, error

    def on_steps(self, run: Any) -> None:
        if run.step == self.step:
            raise self.error


class Sixths(c.Source):
    """X + more, Y and WEIGHT in six blocks that can be read in any order."""

    def __init__(self, more: float = 0, **settings: Any) -> None:
        super().__init__(**settings)
        self.X = X + np.float32(more)

    @property
    def sizes(self) -> np.ndarray[Any, Any]:
        return np.full(6, 50)

    def read(self, block: int) -> SourceBlock:
        rows = slice(50 * block, 50 * block + 50)
        return SourceBlock(self.X[rows], Y[rows], WEIGHT[rows])


@pytest.mark.parametrize("kind", ["blocks", "exact", "batches"])
def test_resume_within_an_epoch(kind: str, tmp_path: Path):
    path = tmp_path / "checkpoint.safetensors"

    def source() -> c.Source:
        if kind == "batches":
            return c.BatchSource(in_batches(41, X, Y, WEIGHT), window=100)
        return Sixths(shuffle=kind, window=120)

    layers = (c.Standardize(), c.Dropout(0.2))
    whole = trained(source(), layers=layers, epochs=4, callbacks=[c.Checkpoint(tmp_path / "other", 5)])
    with pytest.raises(Killed):
        trained(source(), layers=layers, epochs=4, callbacks=[RaiseAt(25, Killed), c.Checkpoint(path, 5)])
    resumed = trained(source(), layers=layers, epochs=4, callbacks=[c.Checkpoint(path, 5)], resume=path)
    assert bits(resumed) == bits(whole)
    others = c.BatchSource(in_batches(41, X + 1, Y, WEIGHT), window=100)
    with pytest.raises(c.ConfigError, match="another data"):
        trained(others, layers=layers, epochs=4, callbacks=[c.Checkpoint(path, 5)], resume=path)


def test_batches_that_a_resumed_run_passes_over_are_not_mapped(tmp_path: Path):
    called = []

    def noted(block: SourceBlock, seed: int, epoch: int, numbers: np.ndarray[Any, Any]) -> SourceBlock:
        called.append((epoch, int(numbers[0])))
        return block

    def fit(*callbacks: c.Callback, **settings: Any) -> c.Model:
        source = c.BatchSource(in_batches(41, X, Y), window=100).map(noted)
        saves = c.Checkpoint(tmp_path / "checkpoint", 1)
        return trained(source, epochs=2, callbacks=[*callbacks, saves], **settings)

    whole = fit()
    with pytest.raises(Killed):
        fit(RaiseAt(17, Killed))  # in the second epoch, after 7 * 32 = 224 rows
    called.clear()
    assert bits(fit(resume=tmp_path / "checkpoint")) == bits(whole)
    assert [first for epoch, first in called if epoch == 1] == [
        123,
        164,
        205,
        246,
        287,
    ]  # windows of 123 rows


def test_resume_with_validation_by_a_source(tmp_path: Path):
    class StopAfter(c.Callback):
        def on_epoch_end(self, run: Any) -> None:
            if run.epoch == 2:
                raise KeyboardInterrupt

    def fit(*callbacks: c.Callback, batches: Any = None, **settings: Any) -> c.Model:
        held_out = c.BatchSource(in_batches(70, X, Y) if batches is None else batches)
        saves = c.Checkpoint(tmp_path / "checkpoint")
        source = c.BatchSource(in_batches(41, X, Y))
        return trained(source, validation_data=held_out, epochs=4, callbacks=[*callbacks, saves], **settings)

    whole = fit()
    with pytest.raises(KeyboardInterrupt):
        fit(StopAfter())
    assert bits(fit(resume=tmp_path / "checkpoint")) == bits(whole)
    with pytest.raises(c.ConfigError, match="another validation data"):
        fit(resume=tmp_path / "checkpoint", batches=in_batches(70, X + 1, Y))


@pytest.mark.parametrize("kind", ["counted", "blocks"])
def test_resume_the_model_that_was_interrupted(kind: str, tmp_path: Path):
    def fit(made: c.Model, *callbacks: c.Callback, more: float = 0, **settings: Any) -> c.Model:
        source = c.BatchSource(in_batches(41, X + more, Y), n=N) if kind == "counted" else Sixths(more)
        saves = c.Checkpoint(tmp_path / "checkpoint", 5)
        made.fit(source, epochs=4, batch_size=32, callbacks=[*callbacks, saves], **settings)
        return made

    whole, made = fit(model(c.Standardize())), model(c.Standardize())
    with pytest.raises(KeyboardInterrupt):
        fit(made, RaiseAt(12, KeyboardInterrupt))
    with pytest.raises(c.ConfigError, match="another data"):
        fit(made, more=1, resume=tmp_path / "checkpoint")
    assert bits(fit(made, resume=tmp_path / "checkpoint")) == bits(whole)


def test_what_a_checkpoint_needs_is_read_before_the_first_epoch(tmp_path: Path):
    read = []

    def noted() -> Iterator[Any]:
        read.append(run.epoch if (run := seen.get("run")) else None)
        yield from in_batches(41, X, Y)

    seen: dict[str, Any] = {}

    class Sees(c.Callback):
        def on_epoch_end(self, run: Any) -> None:
            seen["run"] = run

    held_out = c.BatchSource(in_batches(41, X, Y), n=N)
    made = model()
    made.classes = np.arange(3)
    saves = c.Checkpoint(tmp_path / "checkpoint")
    made.fit(c.BatchSource(noted, n=N), validation_data=held_out, epochs=2, callbacks=[Sees(), saves])
    assert read == [None, None, 1]  # for the checkpoint, and in each epoch


# --- errors


def test_settings_that_need_all_rows():
    source = c.BatchSource([(X, Y)])
    for asked, said in (
        ({"batch_size": None}, "one batch"),
        ({"optimizer": "lbfgs"}, "needs all rows"),
        ({"validation_fraction": 0.1}, "validation_data"),
        ({"sample_weight": WEIGHT}, "its own weight"),
    ):
        with pytest.raises(c.ConfigError, match=said):
            trained(source, **asked)
    with pytest.raises(c.ConfigError, match="its own y"):
        trained(source, Y)
    with pytest.raises(c.ConfigError, match="its own y"):
        trained(c.ArraySource(X, Y), Y)
    with pytest.raises(c.ConfigError, match="an ensemble is trained on arrays"):
        c.Ensemble(model().network, n_members=2).fit(source)
    with pytest.raises(c.ConfigError, match="start_on"):
        trained(source, layers=(c.PiecewiseLinearEmbedding(4, bins=2),))


class OfItsOwn(c.SGD):
    """An optimizer that only the engines of Python know."""

    def rule(self) -> Any:
        """Name none."""
        return None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"engine": c.Compute(device=5)}, "device"),
        ({"validation_data": 5}, "validation_data must be a pair"),
        ({"scale_targets": "x"}, "scale_targets must be True"),
        ({"scale_targets": True}, "scale_targets is for losses of numbers"),
        ({"engine": "none"}, "engine must be one of"),
        ({"engine": "native", "optimizer": OfItsOwn(0.1)}, "engine 'native' cannot run this"),
        ({"callbacks": [3]}, "callbacks"),
        ({"schedule": c.ReduceOnPlateau("val_loss")}, "ReduceOnPlateau watches 'val_loss'"),
        ({"layers": (c.PiecewiseLinearEmbedding(4, bins=2),)}, "start_on"),
    ],
)
def test_wrong_arguments_are_refused_before_a_row_is_read(asked: dict[str, Any], said: str):
    def unread() -> Any:
        raise AssertionError("a block was read")

    with pytest.raises(c.ConfigError, match=said):
        trained(c.BatchSource(unread), **asked)


def test_sources_that_are_refused():
    with pytest.raises(c.ConfigError, match="exhausted after one"):
        c.BatchSource(iter([(X, Y)]))
    with pytest.raises(c.ConfigError, match="a function that returns an iterator"):
        c.BatchSource(5)  # type: ignore[arg-type]
    with pytest.raises(c.ConfigError, match="shuffle must be one of blocks, exact"):
        c.BatchSource([], shuffle="rows")
    with pytest.raises(c.ShapeError, match="the same number of rows"):
        c.ArraySource(X, Y[:-1])
    with pytest.raises(c.ConfigError, match="function must be callable"):
        c.ArraySource(X, Y).map(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        ([], "has no rows"),
        ([X], "batch 0 of the source must be"),
        ([(X, Y), (X[:, :3], Y)], "batch 1 of the source has 3 features"),
        ([(X, Y), (X, Y[:-1])], "batch 1 of the source has 300 rows of X but 299 of y"),
        ([(X, Y), (np.where(X[7, 2] == X, np.nan, X), Y)], "batch 1 of the source contains nan at row 7, column 2"),
        ([(X, Y), (X, Y + 0.5 * (Y == 1))], "y in batch 1 of the source has 4 classes"),
        ([(X, Y, -WEIGHT)], "the weight in batch 0 of the source must be finite and not negative"),
        ([(X, Y, 0 * WEIGHT)], "every row of the source has a weight of 0"),
        ([(X, Y), (X, np.eye(3)[Y])], "y has labels in some blocks"),
        ([(X, Y), (X, Y.astype(str))], "y in batch 1 of the source has text, but the blocks before have numbers"),
        ([(X, Y.astype(str)), (X, Y)], "y in batch 1 of the source has numbers, but the blocks before have text"),
    ],
)  # fmt: skip
def test_faults_are_named_with_their_place(batches: list[Any], said: str):
    with pytest.raises((c.DataError, c.ShapeError), match=said):
        trained(c.BatchSource(batches))


class Weightless(Sixths):
    """Rows of which none counts."""

    def read(self, block: int) -> SourceBlock:
        return super().read(block)._replace(weight=np.zeros(50))


def test_rows_without_a_weight_that_no_pass_saw():
    loss = c.MeanSquaredError()
    with pytest.raises(c.DataError, match="every row of the source has a weight of 0"):
        trained(Weightless(window=120), loss=loss)
    with pytest.raises(c.DataError, match="every row of the source has a weight of 0"):
        trained(X, Y, loss=loss, validation_data=Weightless())
    assert trained(Sixths(window=120), loss=loss).epochs_trained == 3


def test_other_rows_in_a_later_epoch():
    sizes = iter([N, N, N - 1])
    with pytest.raises(c.DataError, match="299 rows in epoch 2, but had 300 before"):
        trained(c.BatchSource(lambda: [(X[: (n := next(sizes))], Y[:n])]))
    with pytest.raises(c.DataError, match="more rows in epoch 1, but had 100 before"):
        trained(c.BatchSource([(X, Y)], n=100))


def test_a_function_that_loses_rows():
    source = c.ArraySource(X, Y).map(
        lambda block, seed, epoch, numbers: SourceBlock(block.X[1:], block.y[1:])
    )
    with pytest.raises(c.DataError, match="returned 299 rows for 300"):
        trained(source)


def test_columns_of_another_model():
    made = trained(c.BatchSource([(X, Y)], feature_names="abcd"))
    assert made.feature_names == ("a", "b", "c", "d")
    with pytest.raises(
        c.DataError, match="the source has columns b, a, c, d, but the model was trained on a, b"
    ):
        made.fit(c.BatchSource([(X, Y)], feature_names="bacd"))


def test_a_model_that_is_refused_is_left_as_it_was():
    made = model()
    with pytest.raises(c.DataError):
        made.fit(c.BatchSource([(X, np.array(["a", "b", "c"])[Y]), (X * np.nan, Y)]))
    assert made.classes is None and made.steps_trained == 0


def test_gradient_flow_looks_at_the_first_block():
    called, flow = [], c.GradientFlow(samples=16)

    def noted(block: SourceBlock, seed: int, epoch: int, numbers: np.ndarray[Any, Any]) -> SourceBlock:
        called.append((epoch, int(numbers[0])))
        return block

    trained(c.BatchSource(in_batches(100, X, Y)).map(noted), callbacks=[flow], epochs=2)
    assert flow.epochs == [0, 1, 2] and [each.samples for each in flow.flows] == [16] * 3
    assert called.count((0, 0)) == 3  # for the labels, for the flow, and in the first epoch


# --- memory and the thread


def test_memory_is_used_again_when_nobody_refers_to_it():
    buffers = Buffers(most=2)
    first = buffers.empty((10, 3), np.float32)
    place, row = first.ctypes.data, first[2]
    second = buffers.empty((10, 3), np.float32)
    assert second.ctypes.data != place
    del first
    assert buffers.empty((4, 4), np.float64).ctypes.data not in (
        place,
        second.ctypes.data,
    )  # row is a view of it
    del row
    again = buffers.empty((5, 3), np.float64)
    assert again.ctypes.data == place and again.shape == (5, 3) and again.dtype == np.float64
    del again, second
    assert buffers.empty((100, 100), np.float64).shape == (100, 100) and len(buffers.kept) <= 2


def test_two_threads_never_share_memory(monkeypatch: pytest.MonkeyPatch):
    real, alone = sys.getrefcount, [object()]

    def counted(each: Any) -> int:
        return real(each)

    more = counted(alone[0]) - real(alone[0])  # the references of the call itself

    def slowly(each: Any) -> int:
        found = real(each) - more
        del each  # which would be a reference
        time.sleep(0.05)  # the other thread looks at the same buffer meanwhile
        return found

    buffers, made = Buffers(), list[Any]()
    buffers.empty((64,), np.int64)  # memory that is free
    monkeypatch.setattr(sys, "getrefcount", slowly)
    both = [threading.Thread(target=lambda: made.append(buffers.empty((64,), np.int64))) for _ in "ab"]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert len(made) == 2 and not np.shares_memory(*made)


def test_a_copy_of_buffers_has_none_of_their_memory():
    buffers = Buffers(most=2)
    kept = buffers.empty((4,), np.float32)
    for made in (copy.deepcopy(buffers), pickle.loads(pickle.dumps(buffers))):
        assert made.most == 2 and not made.kept and made.empty((4,), np.float32) is not kept


@pytest.mark.parametrize(("shuffle", "most"), [("blocks", 4.5), ("exact", 3.1)])  # 5.4 and 3.6 with one more
@pytest.mark.parametrize(
    "batch_size", [pytest.param(250, marks=pytest.mark.slow), 256]
)  # 256 leaves a rest of each window
def test_three_windows_are_in_memory_and_the_blocks_of_one(
    shuffle: str, most: float, batch_size: int, tmp_path: Path
):
    rows, features, window = 400, 20, 4000

    class Made(c.Source):
        sizes = np.full(100, rows)

        def read(self, block: int) -> SourceBlock:
            return SourceBlock(np.full((rows, features), block, np.float32), np.zeros(rows))

    source = Made(shuffle=shuffle, window=window)
    source.folder = str(tmp_path)
    network = c.Network(features, [c.Dense(1)], c.MeanSquaredError())
    tracemalloc.start()
    try:
        begin = tracemalloc.get_traced_memory()[0]
        for _ in pieces(Stream(source, network, 0), batch_size, 0, 0, True):
            time.sleep(0.05)  # the thread makes all that it may meanwhile
        peak = tracemalloc.get_traced_memory()[1] - begin
    finally:
        tracemalloc.stop()
    assert 2 < peak / (window * (4 * features + 16)) < most  # X, y and the weight


def threads() -> int:
    return sum(thread.name == "chainrule-prefetch" for thread in threading.enumerate())


def test_prefetch_gives_the_same_and_ends():
    assert list(prefetch(iter(range(50)))) == list(range(50)) and threads() == 0
    endless = prefetch(iter(int, 1))
    assert next(endless) == 0 and threads() == 1
    endless.close()
    assert threads() == 0


def test_prefetch_raises_after_what_came_before():
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the server went away")

    found = []
    with pytest.raises(OSError, match="went away"):
        for item in prefetch(items()):
            found.append(item)
    assert found == [1] and threads() == 0


def test_no_thread_outlives_a_run_that_fails():
    with pytest.raises(KeyboardInterrupt):
        trained(c.BatchSource(in_batches(10, X, Y), window=20), callbacks=[RaiseAt(2, KeyboardInterrupt)])
    assert threads() == 0
