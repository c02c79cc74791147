"""Compact files: matrices in 8 bits, all compressed together."""

from __future__ import annotations

import json
import lzma
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from safetensors.numpy import save as to_bytes

from chainrule import (
    Dense,
    Ensemble,
    FormatError,
    MeanSquaredError,
    MLPClassifier,
    MLPRegressor,
    Model,
    Network,
    load,
)
from chainrule.fitting.held import as_fitted, result_of
from chainrule.race.blend import Blend, BlendPart, RaceResult
from chainrule.race.report import RaceReport
from chainrule.trained import packing, persistence

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({"x": RNG.normal(size=80), "kind": RNG.choice(["a", "b", "c"], 80)})
NUMBER = FRAME["x"].to_numpy() + (FRAME["kind"] == "a")


def test_a_matrix_is_rounded_by_the_largest_of_each_output(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(persistence, "MIN_NUMBERS_TO_ROUND", 4)
    W = np.array([[127.0, 0.2, 0.0], [-63.4, -2.54, 0.0]], np.float32)
    found = persistence.rounded({"W": W, "b": W[0]})
    np.testing.assert_array_equal(found["W"], np.array([[127, 10, 0], [-63, -127, 0]], np.int8), strict=True)
    np.testing.assert_allclose(found["W.scale"], [[1.0, 0.02, 1.0]], rtol=1e-6)
    assert found["b"] is not None and found["b"].dtype == np.float32 and "b.scale" not in found
    np.testing.assert_allclose(
        persistence.restored(found["W"], found["W.scale"]), [[127, 0.2, 0], [-63, -2.54, 0]], rtol=1e-6
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("members", [None, 3])
def test_a_model_and_an_ensemble_are_read_back_near_what_they_were(
    dtype: str, members: int | None, tmp_path: Path
):
    network = Network(40, [Dense(50), Dense(2)], MeanSquaredError())
    if members is None:
        kind, model = Model, Model(network, dtype=dtype, seed=0)
    else:
        kind, model = Ensemble, Ensemble(network, members, dtype=dtype, seed=0)
    model.save(tmp_path / "plain")
    model.save(tmp_path / "compact", compact=True)
    again = kind.load(tmp_path / "compact")
    was, now = np.atleast_2d(model.theta), np.atleast_2d(again.theta)
    assert (
        now.dtype == dtype and (tmp_path / "compact").stat().st_size < (tmp_path / "plain").stat().st_size / 2
    )
    for one, other in zip(was, now, strict=True):
        W, V = one[:2000].reshape(40, 50), other[:2000].reshape(40, 50)
        error, half = np.abs(W - V), np.abs(W).max(0) / 254
        assert (error <= half * (1 + 1e-4)).all() and error.max() > 0
        np.testing.assert_array_equal(one[2000:], other[2000:])  # biases, and a matrix of 100 numbers


def race() -> Any:
    """A race by hand: an ensemble and two networks."""
    usual: dict[str, Any] = {"preprocess": "auto", "max_iter": 1, "random_state": 0, "early_stopping": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nets = [
            MLPClassifier((32, 32), **usual, n_members=n, dropout=0.1).fit(FRAME, NUMBER > 0.4)
            for n in (2, 1, 1)
        ]
    parts = [BlendPart(w, net, "some", result_of(net)) for w, net in zip((0.5, 0.3, 0.2), nets, strict=True)]
    return as_fitted(nets[0], RaceResult.of(parts[0].result, Blend(parts, 1.5), RaceReport()))


def test_a_race_is_read_back_with_all_of_its_networks(tmp_path: Path):
    net, plain, compact = race(), tmp_path / "plain", tmp_path / "compact"
    net.save(plain)
    net.save(compact, compact=True)
    again = MLPClassifier.load(compact)
    assert len(again.blend_) == 3 and again.blend_.temperature == 1.5
    found, expected = again.predict_proba(FRAME), net.predict_proba(FRAME)
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert np.abs(found - expected).max() > 0
    assert compact.stat().st_size < plain.stat().st_size / 2
    again.save(tmp_path / "again")  # a plain file of what was read
    np.testing.assert_array_equal(MLPClassifier.load(tmp_path / "again").predict_proba(FRAME), found)
    assert isinstance(Ensemble.load(compact), Ensemble)
    assert set(load_file(compact)) == {packing.PACKED}


@pytest.mark.parametrize("compact", [False, True])
def test_a_race_is_read_where_no_temporary_file_can_be_written(
    compact: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    net = race()
    net.save(tmp_path / "race", compact=compact)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(OSError):
        tempfile.TemporaryDirectory()
    again = MLPClassifier.load(tmp_path / "race")
    np.testing.assert_allclose(again.predict_proba(FRAME), net.predict_proba(FRAME), atol=0.01)


def test_a_single_network_is_compact_too(tmp_path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = MLPRegressor(hidden_layer_sizes=(32, 32), preprocess="auto", preset="fast", max_iter=1).fit(
            FRAME, NUMBER
        )
    net.save(tmp_path / "compact", compact=True)
    again = MLPRegressor.load(tmp_path / "compact")
    np.testing.assert_allclose(again.predict(FRAME), net.predict(FRAME), atol=0.05)


def repacked(path: Path, change: Any) -> None:
    """Write a compact file again with other bytes compressed: change(those of the ordinary file)."""
    data = lzma.decompress(load_file(path)[packing.PACKED].tobytes())
    path.write_bytes(packing.packed(change(data)))


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda packed: packed[:-40], "does not end|damaged"),
        (lambda packed: packed[::-1].copy(), "damaged"),
        (lambda packed: np.frombuffer(lzma.compress(bytes(1 << 22)), np.uint8), "does not end"),
        (lambda packed: np.frombuffer(lzma.compress(b"nothing"), np.uint8), "not a complete safetensors"),
    ],
)
def test_a_damaged_file_is_said_to_be(damage: Any, fault: str, tmp_path: Path):
    path = tmp_path / "compact"
    race().save(path, compact=True)
    with safe_open(str(path), framework="numpy") as file:
        metadata = file.metadata()
    save_file({packing.PACKED: damage(load_file(path)[packing.PACKED])}, path, metadata)
    with pytest.raises(FormatError, match=fault):
        MLPClassifier.load(path)


def test_an_earlier_version_is_told_that_the_format_is_new_to_it(tmp_path: Path):
    Model(Network(40, [Dense(50)], MeanSquaredError()), seed=0).save(tmp_path / "compact", compact=True)
    with safe_open(str(tmp_path / "compact"), framework="numpy") as file:
        header = json.loads(file.metadata()["chainrule"])
    assert header == {"format": packing.FORMAT, "network": {}} and packing.FORMAT > persistence.FORMAT


def with_tensor(path: Path, name: str, kind: str) -> None:
    """Write a tensor of two numbers of a byte beside those of a file."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header, rest = json.loads(data[8 : 8 + size]), data[8 + size :]
    header[name] = {"dtype": kind, "shape": [2], "data_offsets": [len(rest), len(rest) + 2]}
    written = json.dumps(header).encode()
    path.write_bytes(len(written).to_bytes(8, "little") + written + rest + bytes(2))


def test_a_tensor_that_numpy_does_not_know(tmp_path: Path):
    """Beside a model it is left alone; of an average, and as what is compressed, it is no part of a file."""
    model = Model(Network(40, [Dense(50)], MeanSquaredError()), seed=0)
    model.save(path := tmp_path / "model")
    with_tensor(path, "more", "F8_E4M3")
    np.testing.assert_array_equal(load(path).theta, model.theta)
    with_tensor(path, packing.PACKED, "F8_E4M3")
    with pytest.raises(FormatError, match="what it has compressed are no bytes"):
        load(path)
    race().save(path)
    with_tensor(path, "more", "F8_E4M3")
    with pytest.raises(FormatError, match="the tensor more has a type or a shape that NumPy does not know"):
        MLPClassifier.load(path)


def with_header(path: Path, change: Any) -> None:
    """Write a plain file again whose header is changed."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    change(header)
    written = json.dumps(header).encode()
    path.write_bytes(len(written).to_bytes(8, "little") + written + data[8 + size :])


def test_a_header_that_says_more_of_a_tensor_is_read(tmp_path: Path):
    """As safetensors reads it, also within a compact file."""
    model = Model(Network(40, [Dense(50)], MeanSquaredError()), seed=0)
    model.save(path := tmp_path / "model")
    with_header(path, lambda header: header["dense_1.W"].update(note="x"))
    packed = tmp_path / "packed"
    packed.write_bytes(packing.packed(path.read_bytes()))
    for each in (path, packed):
        np.testing.assert_array_equal(load(each).theta, model.theta)


@pytest.mark.parametrize("shape", [[0, 2**62, 8], [1] * 80 + [0]])
def test_a_shape_that_numpy_does_not_know(shape: list[int], tmp_path: Path):
    race().save(path := tmp_path / "race")
    empty = {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
    with_header(path, lambda header: header.update(more=empty))
    for each in (path, tmp_path / "packed"):
        (tmp_path / "packed").write_bytes(packing.packed(path.read_bytes()))
        with pytest.raises(
            FormatError, match="the tensor more has a type or a shape that NumPy does not know"
        ):
            MLPClassifier.load(each)


def test_what_is_compressed_twice_is_refused(tmp_path: Path):
    Model(Network(40, [Dense(50)], MeanSquaredError()), seed=0).save(tmp_path / "compact", compact=True)
    repacked(tmp_path / "compact", packing.packed)
    with pytest.raises(FormatError, match="compressed again"):
        load(tmp_path / "compact")


def test_what_hardly_anything_would_be_left_of_is_not_compressed(tmp_path: Path):
    model = Model(Network(1000, [Dense(1000)], MeanSquaredError()), seed=0)
    model.theta[:] = 0
    model.save(tmp_path / "compact", compact=True)
    assert packing.PACKED not in load_file(tmp_path / "compact")
    np.testing.assert_array_equal(load(tmp_path / "compact").theta, model.theta)


@pytest.mark.parametrize(
    "scale",
    [None, np.ones((1, 49), np.float32), np.ones((1, 50)), np.full((1, 50), np.nan, np.float32)],
)
def test_scales_that_do_not_fit_are_refused(scale: Any, tmp_path: Path):
    path = tmp_path / "compact"
    Model(Network(40, [Dense(50)], MeanSquaredError()), seed=0).save(path, compact=True)

    def changed(data: bytes) -> bytes:
        (tmp_path / "plain").write_bytes(data)
        with safe_open(str(tmp_path / "plain"), framework="numpy") as file:
            metadata = file.metadata()
        tensors = load_file(tmp_path / "plain")
        tensors.pop("dense_1.W.scale")
        return to_bytes(tensors | ({} if scale is None else {"dense_1.W.scale": scale}), metadata)

    repacked(path, changed)
    with pytest.raises(FormatError, match=r"dense_1\.W should be float32 but is I8|contains NaN"):
        load(path)
