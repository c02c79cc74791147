"""Generated C without <math.h>: its own functions are exact to the last digits, and the answers the same."""

from __future__ import annotations

import ctypes
import math
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from chainrule import Dense, MeanSquaredError, MLPClassifier, Model, Network, ReLU, SoftmaxCrossEntropy, Tanh
from chainrule.estimators.graphs import graph_inputs
from chainrule.export.as_c import STRICT
from chainrule.export.as_c.text import (
    ABSOLUTE,
    ANGLES,
    FUNCTIONS,
    HALF_PI,
    LN2,
    MOST_UNITS,
    PRECISIONS,
    functions_called,
    own_math,
    parts,
)

COMPILERS = [name for name in ("gcc", "clang", "clang-19", "clang-14") if shutil.which(name)][:2]
NAMES = [name for name in FUNCTIONS if name != "sine"]
EXACT: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in NAMES if name != "erfc"},
    "erfc": special.erfc,
}
pytestmark = pytest.mark.skipif(not COMPILERS, reason="there is neither gcc nor clang")


def compiled(cc: str, folder: Path) -> ctypes.CDLL:
    """All functions in both precisions, each over an array: map_exp, map_expf, ..."""
    called = functions_called(" ".join(f"{name}({name}f(" for name in NAMES))
    lines = ["#include <stdint.h>", *own_math(called, "own")]
    for name, suffix in sorted(called):
        kind = "float" if suffix else "double"
        head = f"void map_{name}{suffix}(const {kind} *x, {kind} *y, uint32_t n)"
        lines += [f"{head};", head, "{", "    for (uint32_t k = 0u; k < n; ++k) {"]
        lines += [f"        y[k] = {name}{suffix}(x[k]);", "    }", "}"]
    (folder / "own.c").write_text("\n".join([*lines, ""]), "utf-8")
    flags = [*STRICT, "-shared", "-fPIC", "-nostdlib"]
    done = subprocess.run([cc, *flags, "own.c", "-o", "own.so"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return ctypes.CDLL(str(folder / "own.so"))


def found(library: ctypes.CDLL, name: str, x: np.ndarray) -> np.ndarray:
    given, made = np.ascontiguousarray(x), np.empty_like(x)
    suffix = "f" if x.dtype == np.float32 else ""
    getattr(library, f"map_{name}{suffix}")(
        *(ctypes.c_void_p(each.ctypes.data) for each in (given, made)), ctypes.c_uint32(len(given))
    )
    return made


def numbers_for(name: str, dtype: type[np.floating[Any]]) -> np.ndarray:
    """Numbers large and small, where the function's result is a normal number."""
    rng = np.random.default_rng(0)
    small, digits = np.finfo(dtype), PRECISIONS[0 if dtype is np.float32 else 1]
    low, high = math.log(small.tiny), math.log(small.max)
    both = np.concatenate([rng.normal(0, 3, 4000), rng.normal(0, 1e-4, 1000)])
    if name == "exp":
        both = np.concatenate([both, rng.uniform(low, high, 4000)])
    if name in ("log", "sqrt"):
        both = np.exp(np.concatenate([rng.uniform(low, high, 4000), both / 9]))
    if name == "log1p":
        both = np.exp(rng.uniform(-40, 0, 8000))
    if name in ANGLES:
        both = np.concatenate([both, rng.uniform(-digits.most_angle, digits.most_angle, 4000)])
    if name == "floor":
        both = np.concatenate([both * 1e4, np.arange(-9, 9), [1e30, -1e30, 2.0**23 - 0.5, 2.0**52 + 1]])
    return both.astype(dtype)


@pytest.mark.parametrize("cc", COMPILERS)
def test_functions_are_exact_to_the_last_units(cc: str, tmp_path: Path):
    """Compared with float64 in float32, and in float64 with the machine's longer numbers where it has them."""
    library = compiled(cc, tmp_path)
    for name in NAMES:
        for dtype, longer in ((np.float32, np.float64), (np.float64, np.longdouble)):
            x = numbers_for(name, dtype)
            exact = EXACT[name](x.astype(np.float64 if name == "erfc" else longer))
            unit = np.spacing(np.ones_like(x) if name in ABSOLUTE else np.abs(exact).astype(dtype))
            most = float((np.abs(found(library, name, x) - exact) / unit).max())
            assert most <= (0 if name in ("fabs", "floor") else MOST_UNITS), (name, dtype, most)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ends_and_missing_numbers(dtype: type[np.floating[Any]], tmp_path: Path):
    library = compiled(COMPILERS[0], tmp_path)
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e30], dtype)
    for name in NAMES:
        if name == "log1p":  # of numbers from 0 to 1
            continue
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            expected = EXACT[name](x)
        if name in ANGLES:  # an angle of 1e30 is known to no turn
            assert (np.abs(found(library, name, x)[5:]) <= 1).all()
            expected[5:] = found(library, name, x)[5:]
        np.testing.assert_allclose(
            found(library, name, x), expected, rtol=8 * np.finfo(dtype).eps, err_msg=name
        )


def test_numbers_in_parts_by_hand():
    assert parts(LN2, 4, 2)[0] == 11 / 16
    first, second, rest = parts(HALF_PI, 20, 3)
    assert first * 2**19 % 1 == 0 and second * 2**41 % 1 == 0
    assert math.fsum([first, second, rest]) == float(HALF_PI)


@pytest.mark.slow
def test_a_table_whose_words_are_those_of_c(tmp_path: Path):
    """Columns called as the functions are, and a category that looks like a call and a comment."""
    rng = np.random.default_rng(0)
    table = {
        "floor": rng.normal(size=80),
        "log": rng.choice(["expm1(x) /*", "sin(", "plain"], 80),
        "built": np.datetime64("2001-02-03") + rng.integers(0, 9000, 80),
    }
    made = MLPClassifier((4,), preprocess="auto", activation="tanh", max_iter=2, random_state=0)
    made.fit(table, table["floor"] > 0)
    written = made.export(tmp_path / "house.c", table)
    assert written.about["difference_without_libm"] <= written.tolerance
    header = (tmp_path / "house.h").read_text("utf-8")
    assert re.search(
        r"-DNO_LIBM +no <math.h>: .*\bfloor\b.* of its own, at most 5 units in the last place", header
    )
    assert "expm1" not in header.split("-DNO_LIBM")[1].split("*/")[0]
    rows = graph_inputs(made, table)
    assert set(rows) == set(table)


@pytest.mark.parametrize("cc", COMPILERS)
def test_the_program_without_the_library(cc: str, tmp_path: Path):
    X = np.random.default_rng(0).normal(size=(60, 3))
    model = Model(Network(3, [Dense(5), Tanh(), Dense(3)], SoftmaxCrossEntropy()), seed=0)
    model.fit(X, X.argmax(1), epochs=2)
    model.export(tmp_path / "net.c", X)
    flags = [*STRICT, "-ffreestanding", "-DNO_LIBM"]
    subprocess.run([cc, *flags, "-c", "net.c"], cwd=tmp_path, check=True)
    read = subprocess.run(
        [cc, *flags, "-M", "net.c"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert "stdint.h" in read.stdout and "math.h" not in read.stdout
    subprocess.run([cc, "-std=c99", "net.o", "net_test.c", "-lm"], cwd=tmp_path, check=True)
    done = subprocess.run(["./a.out"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "as expected" in done.stdout
    names = subprocess.run(["nm", "-u", "net.o"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert not {"exp", "expf", "tanh", "tanhf"} & set(names.stdout.split())


def test_a_network_without_functions_has_none(tmp_path: Path):
    model = Model(Network(3, [Dense(5), ReLU(), Dense(1)], MeanSquaredError()), seed=0)
    written = model.export(tmp_path / "net.c", np.ones((9, 3)))
    text = (tmp_path / "net.c").read_text("utf-8") + (tmp_path / "net.h").read_text("utf-8")
    assert "NO_LIBM" not in text and "difference_without_libm" not in written.about
