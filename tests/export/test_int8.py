"""Products of 8-bit integers are those of LiteRT's reference, bit for bit, in NumPy and in generated C."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import (
    BatchNorm,
    ConfigError,
    Dense,
    MLPClassifier,
    MLPRegressor,
    Model,
    Network,
    ReLU,
    Rescale,
    Residual,
    SoftmaxCrossEntropy,
    Standardize,
    Tanh,
)
from chainrule.estimators.graphs import graph_inputs
from chainrule.export import as_c
from chainrule.export.formats import ExportedFiles, RowsToCompare
from chainrule.export.quantizing import in_int8, multiplier_of, range_of
from chainrule.graph.columns import GraphInput
from chainrule.graph.graph import ComputationGraph, GraphBuilder
from chainrule.graph.integers import FromInt8, Int8Affine, Int8Table, ToInt8, rounded, scaled
from chainrule.graph.numbers import Affine, Columnwise
from chainrule.graph.operation import constant
from chainrule.graph.passes import simplified
from exported import later, moved, table
from needs import needs

CASES = int(os.environ.get("CHAINRULE_EXPORT_CASES", "6"))
QUICK: dict[str, Any] = {"hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 0}
needs_compiler = pytest.mark.skipif(as_c.compiler() is None, reason="there is no C compiler")
INT32 = st.integers(-(2**31), 2**31 - 1)


# --- LiteRT's reference, written from its formulas with integers of any size ------------------------------------


def by_quantized_multiplier(x: int, multiplier: int, shift: int) -> int:
    """MultiplyByQuantizedMultiplier in its single rounding: floor(x multiplier / 2^(31 - shift) + 1 / 2)."""
    return math.floor(Fraction(x * multiplier, 2 ** (31 - shift)) + Fraction(1, 2))


def by_cmsis(x: int, multiplier: int, shift: int) -> int:
    """arm_nn_requantize with CMSIS_NN_USE_SINGLE_ROUNDING: all bits but one, and half of that rounded up."""
    return ((x * multiplier >> (30 - shift)) + 1) >> 1


def fully_connected(q: np.ndarray, layer: Int8Affine, group: int = 0) -> list[int]:
    """The reference kernel FullyConnectedPerChannel for one row."""
    own = group if len(layer.W) > 1 else 0
    out = []
    for j in range(layer.W.shape[2]):
        total = sum(int(w) * (int(x) - layer.zero) for w, x in zip(layer.W[own, :, j], q, strict=True))
        total += int(layer.bias[own, j])
        total = by_quantized_multiplier(total, int(layer.multiplier[own, j]), int(layer.shift[own, j]))
        out.append(min(max(total + layer.zero_out, layer.low), 127))
    return out


@given(INT32, st.integers(2**30, 2**31 - 1), st.integers(-31, 30))
def test_scaled_is_the_reference(x: int, multiplier: int, shift: int):
    found = scaled(np.array([x]), np.array([multiplier]), np.array([shift]))
    assert (
        found.tolist() == [by_quantized_multiplier(x, multiplier, shift)] == [by_cmsis(x, multiplier, shift)]
    )


def test_small_parts_by_hand():
    assert rounded(np.float32([0.5, -0.5, 1.5, 0.49999997, -2.4])).tolist() == [1, -1, 2, 0, -2]
    assert scaled(np.array([7, -7, 2**31 - 1]), np.array([2**30]), np.array([0])).tolist() == [4, -3, 2**30]
    multiplier, shift = multiplier_of(np.array([0.75, 1.5, 2.0**-40, 1 - 2.0**-40]))
    assert multiplier.tolist() == [3 * 2**29, 3 * 2**29, 0, 2**30] and shift.tolist() == [0, 1, 0, 1]
    assert range_of(np.array([0.0, 255.0])) == (1.0, -128)
    assert range_of(np.array([-51.0, 204.0, np.nan])) == (1.0, -77)
    assert range_of(np.array([3.0, 510.0])) == (2.0, -128)  # 0 is one of the numbers
    assert range_of(np.zeros(3)) == (1.0, 0)
    x = np.array([[0.4, 0.6, -3.0, 1e30, -np.inf, np.nan]], np.float32)
    assert ToInt8(0.4, 3).compute(x).tolist() == [[4, 5, -5, 127, -128, -128]]
    assert np.allclose(FromInt8(0.5, 3).compute(np.array([[3, -128]], np.int8)), [[0, -65.5]])


def dense_by_hand(W: list[list[float]], b: list[float], x: list[list[float]]) -> ComputationGraph:
    build = GraphBuilder()
    value = build.add(GraphInput("X", "numbers", len(W)))
    graph = build.done(
        {"predictions": build.add(Affine(constant(W), constant(b)), value, of="d")}, "regression"
    )
    return in_int8(graph, {"X": x}).graph


def test_a_layer_by_hand():
    """Inputs 0 to 255 are integers; the weights 127 and -254 have the scales 1 and 2."""
    graph = dense_by_hand([[127.0, -254.0]], [0.0, 512.0], [[0.0], [255.0]])
    layer = graph.steps[2].operation
    assert isinstance(layer, Int8Affine)
    assert layer.W.tolist() == [[[127, -127]]] and layer.bias.tolist() == [[0, 256]] and layer.zero == -128
    assert layer.scale_out == pytest.approx((32385 + 64258) / 255) and layer.zero_out == 42
    found = layer.compute(np.array([[-128], [127]], np.int8))
    # 0 and 512 / 379 = 1.35 above the zero; 32,385 / 379 = 85.4 above it, and -64,258 / 379 = -169.5 at the lowest
    assert found.tolist() == [[42, 43], [127, -128]]


@pytest.mark.parametrize("number", range(CASES))
def test_random_networks_are_the_reference(number: int, tmp_path: Path):
    """Each dense layer of random networks, row by row, and the compiled C beside them."""
    model, X = moved(number)
    rows = {"X": X[:30]}
    try:
        made = in_int8(simplified(model.graph(), by_column=False), rows)
    except ConfigError as error:
        assert "has none" in str(error)
        return
    values = made.graph.values(rows, "float32")
    for step, value in zip(made.graph.steps, values, strict=True):
        layer = step.operation
        if isinstance(layer, Int8Affine):
            given = values[step.reads[0]].reshape(len(value), layer.groups, -1)
            for row, expected in list(zip(given, value, strict=True))[:3]:
                found = [out for g in range(layer.groups) for out in fully_connected(row[g], layer, g)]
                assert found == expected.tolist()
    if as_c.compiler() is not None:
        written = write(model.graph(), tmp_path / "net.c", rows)
        assert written.rows == len(X[:30]) and np.isfinite(written.difference)


def write(graph: ComputationGraph, path: Path, rows: Any) -> ExportedFiles:
    return as_c.write(graph, path, RowsToCompare(rows, True), dtype="int8")


def check_one_row(graph: ComputationGraph, given: list[float], row: int, found: float) -> None:
    """Check the graph's own answers, but of one row another one."""
    rows = {"X": np.array(given)[:, None]}
    answers = graph.run(rows, "float32")
    answers["predictions"] = answers["predictions"].astype(np.float64)
    answers["predictions"][row] = found
    as_c.check_integers(graph, answers, rows)


def test_a_row_may_differ_by_its_rounding_alone():
    """2 x / 2 becomes an integer: 10.5 lies between 10 and 11, and 10.4 is 10; one integer is 1 in the answer too."""
    build, given = GraphBuilder(), [0.0, 255.0, 10.5, 10.4]
    value = build.add(GraphInput("X", "numbers", 1))
    for factor in (2.0, 0.5):
        value = build.add(Columnwise(*(constant([number]) for number in (0.0, factor, 0.0))), value)
    value = build.add(Affine(constant([[1.0]]), constant([0.0])), value, of="d")
    graph = in_int8(build.done({"predictions": value}, "regression"), {"X": np.array(given)[:, None]}).graph
    assert graph.run({"X": np.array(given)[:, None]})["predictions"].tolist() == [[0], [255], [11], [10]]
    for right in (11.0, 10.0):
        check_one_row(graph, given, 2, right)
    for row, wrong in ((2, 12.0), (2, 9.0), (2, 10.5), (2, np.nan), (3, 11.0), (3, 9.0), (1, 254.0)):
        with pytest.raises(ConfigError, match=f"in row {row} are none that rounding could make"):
            check_one_row(graph, given, row, wrong)
    read = dense_by_hand([[1.0]], [0.0], [[each] for each in given])
    with pytest.raises(ConfigError, match="in row 2 are none"):
        check_one_row(read, given, 2, 10.0)  # a row's own number is the same everywhere


def trained(*links: Any, inputs: int = 20) -> tuple[Model, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (300, inputs)).astype(np.float64)
    y = X.reshape(300, 4, -1).sum(2).argmax(1)
    model = Model(Network(inputs, [*links, Dense(4)], SoftmaxCrossEntropy()), seed=0)
    model.fit(X, y, epochs=10)
    return model, X


def test_a_network_of_pictures_is_integers_throughout(tmp_path: Path):
    model, X = trained(Rescale(1 / 255), Dense(16), BatchNorm(), ReLU(), Dense(8), Tanh())
    made = in_int8(simplified(model.graph(), by_column=False), {"X": X})
    names = [step.operation.name for step in made.graph.steps]
    assert names == [
        *("input", "to_int8", "int8_affine", "int8_affine", "int8_table", "int8_affine"),
        *("int8_largest", "int8_softmax"),
    ]
    assert [layer.of for layer in made.layers] == ["dense_1", "dense_2", "dense_3"]
    assert isinstance(made.graph.steps[4].operation, Int8Table)
    found, exact = (graph.run({"X": X})["label"] for graph in (made.graph, model.graph()))
    assert (found == exact).mean() > 0.95
    if as_c.compiler() is not None:
        written = write(model.graph(), tmp_path / "net.c", {"X": X})
        source, header = ((tmp_path / f"net{end}").read_text("utf-8") for end in (".c", ".h"))
        assert "math.h" not in source and "NET_Q_INPUT_ZERO (-128)" in header
        assert re.search(
            r"error +at most \S+ from the model on 300 rows, \S+ on average; the same label", header
        )
        assert written.about["same_labels"] > 0.95 and written.about["constant_bytes"] < 5000
        assert written.difference < 0.2 and written.tolerance == np.inf


@needs("onnx")
@needs("onnxruntime")
def test_ranges_are_those_of_an_onnx_file(tmp_path: Path):
    """ONNX Runtime measures the same scales and zeros on the same rows, but counts its integers from 0."""
    import onnx

    model, X = trained(Rescale(1 / 255), Dense(8), ReLU())
    model.export(tmp_path / "net.onnx", X, dtype="int8")
    constants = onnx.load(tmp_path / "net.onnx").graph.initializer
    stored = {each.name: onnx.numpy_helper.to_array(each) for each in constants}
    made = in_int8(simplified(model.graph(), by_column=False), {"X": X}).graph
    layers = [step.operation for step in made.steps]
    [entry] = [each for each in layers if isinstance(each, ToInt8)]
    assert stored["X_scale"] == pytest.approx(entry.scale) and stored["X_zero_point"] == entry.zero + 128
    scales = np.array([float(v) for name, v in stored.items() if name.endswith("_scale") and v.ndim == 0])
    for each in layers:
        if isinstance(each, Int8Affine):
            assert np.isclose(scales, each.scale_out, rtol=1e-4).any()


def test_scales_of_columns_stay_in_front(tmp_path: Path):
    """A scale that differs by column is no part of the weights: the range of one column would be all there is."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) * [1e5, 1, 1e-3]
    model = Model(Network(3, [Standardize(), Dense(8), ReLU(), Dense(2)], SoftmaxCrossEntropy()), seed=0)
    model.fit(X, (X / [1e5, 1, 1e-3]).sum(1) > 0, epochs=20)
    graph = simplified(model.graph(), by_column=False)
    assert isinstance(graph.steps[1].operation, Columnwise)
    found = in_int8(graph, {"X": X}).graph.run({"X": X}, "float32")
    assert (found["label"] == model.graph().run({"X": X})["label"]).mean() > 0.97


@needs_compiler
@pytest.mark.slow
def test_tables_and_members(tmp_path: Path):
    X, y = table(120)
    for made in (
        MLPClassifier(**QUICK, preprocess="auto", n_members=2).fit(X, np.digitize(y, [3, 5])),
        MLPRegressor(**QUICK, preset="tabm", preprocess="auto").fit(X, y),
    ):
        rows = graph_inputs(made, X)
        written = write(made.graph(), tmp_path / "people.c", rows)
        assert written.rows == 120 and written.difference < 0.2
        other = write(made.graph(), tmp_path / "people.c", graph_inputs(made, later(X)))
        assert other.rows == 20


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_the_program_beside_it_under_sanitizers(cc: str, tmp_path: Path):
    found = shutil.which(cc) or (cc == "clang" and next(map(shutil.which, ("clang-14", "clang-19")), None))
    if not found:
        pytest.skip(f"there is no {cc}")
    model, X = trained(Rescale(1 / 255), Dense(17), Residual([Dense(17), Tanh()]), ReLU(), Dense(8), Tanh())
    net, other = (trained(Rescale(1 / 255), Dense(9), ReLU(), Dense(7), Tanh())[0], model)
    for graph in (net.graph(), other.graph()):
        write(graph, tmp_path / "net.c", {"X": X})
        flags = [*as_c.STRICT, "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
        build = [found, *flags, "net.c", "net_test.c", "-lm"]
        built = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True)
        if "cannot find" in built.stderr:
            pytest.skip("the sanitizers' libraries are missing")
        assert built.returncode == 0, built.stderr
        done = subprocess.run(["./a.out"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and "as expected" in done.stdout, done.stdout + done.stderr
    write(net.graph(), tmp_path / "net.c", {"X": X})
    source = (tmp_path / "net.c").read_text("utf-8")
    (tmp_path / "net.c").write_text(source.replace("sum += pair;", "sum += pair + 1;"), "utf-8")
    subprocess.run([found, "-std=c99", "net.c", "net_test.c", "-lm"], cwd=tmp_path, check=True)
    assert subprocess.run(["./a.out"], cwd=tmp_path, capture_output=True).returncode == 1


def test_what_is_refused(tmp_path: Path):
    model = Model(Network(3, [Dense(4), ReLU(), Dense(2)], SoftmaxCrossEntropy()))
    with pytest.raises(ConfigError, match="measures ranges on rows"):
        as_c.write(
            model.graph(), tmp_path / "net.c", RowsToCompare({"X": np.zeros((3, 3))}, False), dtype="int8"
        )
    with pytest.raises(ConfigError, match="has 70,000 inputs, whose sum in 8-bit integers"):
        dense_by_hand([[1.0]] * 70_000, [0.0], [[1.0] * 70_000])
    none = Model(Network(3, [ReLU()], SoftmaxCrossEntropy()))
    with pytest.raises(ConfigError, match="are for dense layers, and the model has none"):
        as_c.write(
            none.graph(), tmp_path / "net.c", RowsToCompare({"X": np.zeros((3, 3))}, True), dtype="int8"
        )
    assert not list(tmp_path.iterdir())
