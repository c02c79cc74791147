"""The command in this process, and small data of every kind."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.datasets import load_mnist
from commands import invoke
from house_tables import columns, write

Command = Callable[..., Any]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """command("train", "data.npz") runs in tmp_path, and must exit with `code` unless that is None.

    Returns what was printed; with data=True adds --json and returns the data.
    """
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, code: int | None = 0, data: bool = False) -> Any:
        words = [str(argument) for argument in arguments] + (["--json"] if data else [])
        result = invoke(words)
        assert code is None or result.exit_code == code, (result.exit_code, result.output, result.exception)
        return json.loads(result.stdout) if data else result

    return run


def make_tables(folder: Path) -> dict[str, Path]:
    """An .npz for each task, with 160 samples of 6 features."""
    r = np.random.default_rng(0)
    X = r.normal(size=(160, 6))
    number = 100 + 20 * X[:, 0] + 5 * X[:, 1]
    targets = {
        "numbers": number,
        "pairs": np.stack([number, 90 - X[:, 2]], 1),
        "two": (X[:, 0] > 0).astype(np.int64),
        "words": np.array(["low", "<b>mid</b>", "high"])[np.digitize(X[:, 0], [-0.4, 0.4])],
        "labels": (X[:, :3] > 0).astype(np.uint8),
    }
    paths = {}
    for name, y in targets.items():
        paths[name] = folder / f"{name}.npz"
        np.savez(paths[name], X=X, y=y)
    return paths


def write_idx(path: Path, array: np.ndarray[Any, Any]) -> None:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    data = header + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten rounds of boosting in place of a hundred, which take as long as the networks that they are compared with."""
    from chainrule.recipe import baselines

    monkeypatch.setattr(baselines, "ROUNDS", 10)


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_tables(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="session")
def idx_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """800 and 200 digits of MNIST."""
    folder = tmp_path_factory.mktemp("digits")
    train, test = load_mnist()
    for half, part, n in (("train", train, 800), ("t10k", test, 200)):
        write_idx(folder / f"{half}-images-idx3-ubyte.gz", part.images[:n])
        write_idx(folder / f"{half}-labels-idx1-ubyte", part.y[:n])
    return folder


@pytest.fixture
def houses(tmp_path: Path) -> dict[str, list[str]]:
    """The columns of houses.csv, in the folder where the command runs."""
    table = columns()
    write(tmp_path / "houses.csv", {name: table[name] for name in table if name not in ("size", "cheap")})
    write(tmp_path / "sizes.csv", {name: table[name] for name in table if name not in ("price", "cheap")})
    return table
