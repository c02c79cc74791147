"""A shuffled copy of files: the same rows, every order as likely, of columns of any types, and nothing half-made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import chainrule as c
from chainrule.datasets import shuffled_copy

N = 500


def table(n: int = N) -> pa.Table:
    numbers = np.arange(n)
    return pa.table(
        {
            "k": numbers,
            "x": pa.array([None if k % 7 == 0 else k / 3 for k in range(n)]),
            "text": pa.array([f"t{k % 5}" for k in range(n)]).dictionary_encode(),
            "list": [[k, k + 1] for k in range(n)],
            "day": pa.array(numbers).cast(pa.timestamp("s")),
        }
    )


def write(path: Path, rows: pa.Table, group: int = 64) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(rows, path, row_group_size=group)
    return path


def read(folder: Path) -> pa.Table:
    return pa.concat_tables(parquet.read_table(path) for path in sorted(folder.iterdir()))


def test_text_that_is_stored_as_views(tmp_path: Path):
    texts, numbers = [f"t{k % 5}" * 9 for k in range(N)], np.arange(N)
    views = pa.array(texts, pa.string_view()), pa.array([each.encode() for each in texts], pa.binary_view())
    write(tmp_path / "of.parquet", pa.table({"k": numbers, "text": views[0], "raw": views[1]}))
    shuffled_copy(tmp_path / "of.parquet", tmp_path / "out")
    found = read(tmp_path / "out")
    order = found["k"].to_numpy()
    assert (np.sort(order) == numbers).all() and (order != numbers).any()
    assert found["text"].to_pylist() == [texts[k] for k in order]
    assert found["raw"].to_pylist() == [texts[k].encode() for k in order]


def test_files_without_rows(tmp_path: Path):
    shares: list[float] = []
    made = shuffled_copy(
        write(tmp_path / "of.parquet", table(0)),
        tmp_path / "out",
        progress=lambda share, what: shares.append(share),
    )
    assert (made.rows, made.files) == (0, 1) and shares[-1] == 1
    assert read(tmp_path / "out").schema.names == table().schema.names


@pytest.mark.parametrize("few", [True, False])
def test_the_same_rows_in_another_order(few: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import sys

    module = sys.modules["chainrule.datasets.shuffled_copy"]
    monkeypatch.setattr(module, "BUCKET_BYTES", 1 << 28 if few else 1000)
    monkeypatch.setattr(module, "FILE_ROWS", 300)
    for k in range(3):
        write(tmp_path / "in" / f"{k}.parquet", table().slice(200 * k, 200))
    shares: list[float] = []
    made = shuffled_copy(
        tmp_path / "in",
        tmp_path / "out",
        row_group_size=100,
        progress=lambda share, what: shares.append(share),
    )
    found = read(tmp_path / "out")
    order = found["k"].to_numpy()
    assert (
        found.take(np.argsort(order)).equals(table().cast(found.schema)) and not (order == np.arange(N)).all()
    )
    assert (made.rows, made.files, made.row_groups) == (N, 2, 5) and made.path == tmp_path / "out"
    assert shares == sorted(shares) and shares[-1] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    again = shuffled_copy(tmp_path / "in", tmp_path / "again", row_group_size=100)
    assert again.rows == N and read(tmp_path / "again").equals(found)
    shuffled_copy(tmp_path / "in", tmp_path / "other", seed=1)
    assert not read(tmp_path / "other").equals(found)


@pytest.mark.slow
def test_every_order_is_equally_likely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import sys

    monkeypatch.setattr(sys.modules["chainrule.datasets.shuffled_copy"], "BUCKET_BYTES", 40)
    path = write(tmp_path / "in.parquet", pa.table({"k": [0, 1, 2]}), 2)
    counts = Counter[Any]()
    for seed in range(240):
        shuffled_copy(path, tmp_path / f"{seed}", seed=seed)
        counts[tuple(read(tmp_path / f"{seed}")["k"].to_pylist())] += 1
    assert len(counts) == 6
    assert sum((count - 40) ** 2 / 40 for count in counts.values()) < 20.5  # the 0.1 % quantile of chi2(5)


def test_faults_leave_nothing_behind(tmp_path: Path):
    write(tmp_path / "in" / "0.parquet", table())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("")
    with pytest.raises(c.ConfigError, match="full already exists"):
        shuffled_copy(tmp_path / "in", tmp_path / "full")
    with pytest.raises(c.ConfigError, match="row_group_size must be"):
        shuffled_copy(tmp_path / "in", tmp_path / "out", row_group_size=0)
    write(tmp_path / "in" / "1.parquet", table().drop(["text"]))
    with pytest.raises(c.DataError, match=r"1.parquet lacks the column 'text'"):
        shuffled_copy(tmp_path / "in", tmp_path / "out")
    write(tmp_path / "in" / "1.parquet", table().set_column(0, "k", pa.array(["a"] * N)))
    with pytest.raises(c.DataError, match=r"row group 0 of .*1.parquet does not match"):
        shuffled_copy(tmp_path / "in", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "in"]


def test_the_copy_is_a_source(tmp_path: Path):
    write(tmp_path / "in.parquet", pa.table({"x": np.arange(N, dtype=np.float32), "y": np.arange(N) * 2.0}))
    shuffled_copy(tmp_path / "in.parquet", tmp_path / "out")
    block = c.ParquetSource(tmp_path / "out", target="y").read(0)
    assert (block.X[:, 0] * 2 == block.y).all() and sorted(block.y) == sorted(np.arange(N) * 2.0)
