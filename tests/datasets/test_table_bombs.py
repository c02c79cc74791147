"""Parquet and Arrow files that would take far more memory than they have bytes, and honest ones of every writing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import chainrule as c
from chainrule.datasets import idx, read_table
from chainrule.datasets.table_files import chunks, pages, unpacked_bytes

N = 20_000
LONG = "x" * 1000
SAFE = 1 << 20
CHOSEN = pa.array(np.zeros(N, np.int32))


def in_parquet(path: Path, table: pa.Table, **settings: Any) -> None:
    settings = {"compression": "zstd", "write_statistics": False, "store_schema": False} | settings
    parquet.write_table(table, path, **settings)


def in_arrow(
    path: Path, table: pa.Table, make: Any = pa.ipc.new_file, compression: str | None = "zstd"
) -> None:
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.OSFile(str(path), "wb") as file, make(file, table.schema, options=options) as writer:
        writer.write_table(table)


def varint(value: int, size: int) -> bytes:
    """A number of Thrift's compact protocol in so many bytes."""
    digits = [(2 * value >> 7 * k) & 127 for k in range(size)]
    return bytes(digit | 128 * (k < size - 1) for k, digit in enumerate(digits))


def said_to_be_small(path: Path) -> None:
    """Let a footer say 1 byte for each of its large sizes."""
    in_parquet(path, pa.table({"a": np.zeros(1 << 20)}), use_dictionary=False, column_encoding={"a": "PLAIN"})
    found = parquet.ParquetFile(path).metadata.row_group(0)
    data = path.read_bytes()
    for size in {found.total_byte_size, found.column(0).total_uncompressed_size}:
        assert size > SAFE and varint(size, 4) in data
        data = data.replace(varint(size, 4), varint(1, 4))
    path.write_bytes(data)
    assert parquet.ParquetFile(path).metadata.row_group(0).total_byte_size == 1


def in_dictionary(texts: list[str]) -> pa.Table:
    return pa.table({"a": pa.DictionaryArray.from_arrays(CHOSEN, texts)})


BOMBS: dict[str, Callable[[Path], Any]] = {
    "text of a dictionary.parquet": lambda path: in_parquet(path, in_dictionary([LONG])),
    "text of a dictionary, kept as such.parquet": lambda path: in_parquet(
        path, in_dictionary([LONG]), store_schema=True
    ),
    "text that begins alike.parquet": lambda path: in_parquet(
        path, pa.table({"a": [LONG] * N}), use_dictionary=False, column_encoding={"a": "DELTA_BYTE_ARRAY"}
    ),
    "lists of text.parquet": lambda path: in_parquet(path, pa.table({"a": [[LONG] * N]})),
    "lists of numbers.parquet": lambda path: in_parquet(path, pa.table({"a": [[7.0] * 10 * N]})),
    "a number many times.parquet": lambda path: in_parquet(path, pa.table({"a": np.zeros(10 * N)})),
    "a footer that says little.parquet": said_to_be_small,
    "one batch.arrow": lambda path: in_arrow(path, pa.table({"a": np.zeros(1 << 20)})),
    "one batch of a stream.arrow": lambda path: in_arrow(
        path, pa.table({"a": np.zeros(1 << 20)}), pa.ipc.new_stream
    ),
    "a dictionary.arrow": lambda path: in_arrow(path, in_dictionary(["x" * SAFE, "y" * SAFE])),
    "text of a dictionary.arrow": lambda path: in_arrow(path, in_dictionary([LONG])),
    "views.arrow": lambda path: in_arrow(path, pa.table({"a": pa.array([LONG] * N, pa.string_view())})),
    "runs.arrow": lambda path: in_arrow(
        path, pa.table({"a": pa.RunEndEncodedArray.from_arrays(pa.array([N], pa.int32()), [LONG])})
    ),
}


@pytest.fixture
def pool() -> Iterator[Any]:
    """Where Arrow takes its memory from, which keeps the most that was taken."""
    before, pool = pa.default_memory_pool(), pa.proxy_memory_pool(pa.system_memory_pool())
    pa.set_memory_pool(pool)
    yield pool
    pa.set_memory_pool(before)


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_before_they_are_unpacked(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: Any
):
    BOMBS[name](path := tmp_path / name)
    assert path.stat().st_size < SAFE / 20
    monkeypatch.setattr(idx, "SAFE_BYTES", SAFE)
    monkeypatch.setattr(idx, "MAX_RATIO", 2)
    before = pool.max_memory()
    with pytest.raises(c.FormatError, match=r"packed bytes (claim to|may) contain \d+"):
        read_table(path)
    assert pool.max_memory() - max(before, pool.bytes_allocated()) < 4 * SAFE


HONEST = pa.table(
    {
        "number": np.arange(700.0),
        "few": [f"w{k % 5}" if k % 7 else None for k in range(700)],
        "many": [f"text {k}" for k in range(700)],
        "bytes": pa.array([b"%d" % (k % 3) for k in range(700)]),
        "day": pa.array(np.arange(700).astype("M8[D]")),
        "price": pa.array(range(700)).cast(pa.decimal128(22, 2)),
        "kind": pa.array(["a", "b"] * 350).dictionary_encode(),
        "list": [["a", "bb", None], []] * 350,
        "struct": [{"n": 1, "s": "x"}] * 700,
        "nothing": pa.nulls(700),
        "a.b": ["x", "yy"] * 350,
    }
)
TEXTS = ["few", "many", "list.list.element"]


@pytest.mark.parametrize("compression", ["none", "zstd", "gzip"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("encoding", [None, "PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_honest_parquet_files_of_every_writing(
    compression: str, version: str, encoding: str | None, tmp_path: Path
):
    path = tmp_path / "t.parquet"
    in_parquet(
        path, HONEST, compression=compression, data_page_version=version, row_group_size=300, data_page_size=500,
        use_dictionary=encoding is None, write_statistics=True, store_schema=True,
        column_encoding=None if encoding is None else dict.fromkeys(TEXTS, encoding),
    )  # fmt: skip
    assert read_table(path).equals(HONEST)
    metadata = parquet.ParquetFile(path).metadata
    with path.open("rb") as file:
        for k, group in enumerate(chunks(file)):
            for j, chunk in enumerate(group):
                said, found = metadata.row_group(k).column(j), pages(file, chunk)
                assert found.values == chunk.values == said.num_values
                assert (
                    0 < found.unpacked < said.total_uncompressed_size
                )  # which has the heads of the pages too
    assert (len(group), k) == (metadata.num_columns, metadata.num_row_groups - 1)


@pytest.mark.parametrize("make", [pa.ipc.new_file, pa.ipc.new_stream])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_honest_arrow_files_of_every_writing(make: Any, compression: str | None, tmp_path: Path):
    table = HONEST.append_column("views", HONEST["many"].cast(pa.string_view()))
    in_arrow(tmp_path / "t.arrow", table, make, compression)
    assert read_table(tmp_path / "t.arrow").equals(table)


def test_files_of_polars(tmp_path: Path):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"n": [1.5, None, 2.0] * 50, "s": ["x", None, "long enough for a view"] * 50})
    frame.write_parquet(tmp_path / "t.parquet", row_group_size=40)
    frame.write_ipc(tmp_path / "t.arrow", compression="zstd")
    for name in ("t.parquet", "t.arrow"):
        assert polars.from_arrow(read_table(tmp_path / name)).equals(frame)


@pytest.mark.parametrize(
    ("column", "size"),
    [
        (pa.array([1.0, 2.0, None]), 24),
        (pa.array([True, False]), 2),
        (pa.array(["abc", None, "de"]), 3 * 8 + 5),
        (pa.array(["abc", "d" * 50], pa.string_view()).slice(1), 8 + 50),
        (pa.DictionaryArray.from_arrays([0, 1, 1, None], ["abc", "de"]), 4 * 8 + 3 + 2 + 2 + 3),
        (pa.RunEndEncodedArray.from_arrays(pa.array([3, 5], pa.int32()), ["abc", "de"]), 5 * 8 + 9 + 4),
        (pa.array([["abc", "de"], []]), 2 * 8 + 2 * 8 + 5),
        (pa.array([{"n": 1.0, "s": "abc"}]), 8 + 8 + 8 + 3),
        (pa.nulls(9), 0),
    ],
)
def test_the_bytes_of_cells(column: Any, size: int):
    assert unpacked_bytes(column) == size


def test_text_that_is_none(tmp_path: Path):
    wrong = pa.table({"a": pa.array([b"\xff\xfe", b"b"]).view(pa.string())})
    in_parquet(tmp_path / "t.parquet", wrong), in_arrow(tmp_path / "t.arrow", wrong, compression=None)
    for name in ("t.parquet", "t.arrow"):
        with pytest.raises(c.FormatError, match=rf"{name} is damaged or not a valid .* file \(.*UTF"):
            read_table(tmp_path / name)


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_columns_of_one_name(ending: str, tmp_path: Path):
    table = pa.table([[1.0], [2.0], [3.0]], ["a", "y", "y"])
    (in_parquet if ending == "parquet" else in_arrow)(path := tmp_path / f"t.{ending}", table)
    with pytest.raises(c.DataError, match=rf"t.{ending} has two columns named 'y'; rename one"):
        read_table(path)
