"""A run on files of columns that need not fit into memory: what is held out, what is learned, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from chainrule import ConfigError, DataError
from chainrule.recipe import table_data
from chainrule.recipe.data import load
from chainrule.recipe.run import run
from chainrule.recipe.settings import Settings

R = np.random.default_rng(0)
N = 900
NUMBERS = np.arange(N) / 8
CITIES = np.array(["Oslo", "Bern", "Taipei"])[R.integers(0, 3, N)]
ANSWERS = np.array(["no", "yes"])[((NUMBERS % 7 > 3) ^ (CITIES == "Bern")).astype(int)].astype(object)
ANSWERS[[3, 500]] = None
TABLE = pa.table({"x": NUMBERS, "city": CITIES, "y": ANSWERS, "price": 3 * NUMBERS + 1000})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows").mkdir()
    for k in range(3):
        parquet.write_table(TABLE.slice(300 * k, 300), tmp_path / "rows" / f"{k}.parquet", row_group_size=64)
    return tmp_path / "rows"


def test_every_row_is_trained_on_or_held_out(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(table_data, "SAMPLE", 300)
    loaded = table_data.load_files(str(folder), Settings(target_column="y", seed=2), 0.25)
    stream, table = loaded.stream, loaded.table
    assert len(loaded.train) + len(loaded.test) == pytest.approx(300, abs=60)
    blocks = [stream.read(k) for k in range(len(stream.sizes)) if stream.sizes[k]]
    assert [len(block.X) for block in blocks] == [size for size in stream.sizes if size]
    inputs = table.preprocessor.transform(TABLE.filter(pa.array(ANSWERS != None)).drop(["y"]))  # noqa: E711
    whole = [(bytes(row), y) for row, y in zip(inputs, ANSWERS[ANSWERS != None], strict=True)]  # noqa: E711
    streamed = [(bytes(row), y) for block in blocks for row, y in zip(block.X, block.y, strict=True)]
    held = [whole[k] for k in stream.held]
    assert len(whole) == N - 2 and sorted(streamed + held) == sorted(whole)
    tested = [(bytes(row), y) for row, y in zip(loaded.test.X, loaded.test.y, strict=True)]
    assert set(tested) < set(held) and len(held) - len(tested) == round(0.25 * len(loaded.train))


def test_small_files_are_a_sample_of_themselves(folder: Path):
    data = load(str(folder), settings=Settings(target_column="y"))
    assert data.stream is not None and data.stream.sizes is not None and data.table is not None
    assert len(data.train) + len(data.test) == N - 2  # type: ignore[arg-type]
    assert data.stream.sizes.sum() == len(data.train) - round(0.2 * len(data.train))


def test_a_rare_label_is_in_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(table_data, "SAMPLE", 100)
    answers = np.where(np.arange(N) == 777, "perhaps", np.array(["no", "yes"])[np.arange(N) % 2])
    (tmp_path / "rows").mkdir()
    parquet.write_table(
        pa.table({"x": NUMBERS, "y": answers}), tmp_path / "rows" / "0.parquet", row_group_size=100
    )
    loaded = table_data.load_files(str(tmp_path / "rows"), Settings(target_column="y"), 0.2)
    assert set(loaded.train.y) | set(loaded.test.y) == {"no", "perhaps", "yes"}


@pytest.mark.parametrize("target", ["y", pytest.param("price", marks=pytest.mark.slow)])
def test_run(folder: Path, tmp_path: Path, target: str):
    paths = ",".join(str(folder / f"{k}.parquet") for k in range(3))
    given = Settings(
        target_column=target, exclude_columns="price" if target == "y" else "y", epochs=4, hidden=(16,)
    )
    outcomes = [run(text, given, out=tmp_path / f"{k}") for k, text in enumerate((paths, str(folder)))]
    assert outcomes[0].model.theta.tobytes() == outcomes[1].model.theta.tobytes()
    losses = [record["loss"] for record in outcomes[0].history]
    assert losses[-1] < losses[0] and outcomes[0].comparison is not None
    again = run(str(folder), given, out=tmp_path / "1", resume=True)
    assert again.model.theta.tobytes() == outcomes[1].model.theta.tobytes()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "name the column to predict with target_column: the last are x, city, y, price"),
        ({"target_column": "Y"}, "did you mean 'y'"),
        ({"target_column": "y", "preset": "fast"}, "preset needs a table in memory"),
        ({"target_column": "y", "exclude_columns": "z"}, "has no column 'z', the value of exclude_columns"),
    ],
)
def test_settings_that_are_refused(folder: Path, settings: dict[str, Any], said: str):
    with pytest.raises(ConfigError, match=said):
        load(str(folder), settings=Settings(**settings))


def test_a_later_file_of_another_kind(folder: Path, monkeypatch: pytest.MonkeyPatch):
    parquet.write_table(TABLE.drop(["city"]), folder / "3.parquet")
    with pytest.raises(DataError, match=r"3.parquet lacks the column 'city'"):
        load(str(folder), settings=Settings(target_column="y"))
