"""Parquet and Arrow files as a source: the numbers of the file, every row once, and each fault with its place."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import chainrule as c
from chainrule import ParquetSource, datasets
from chainrule.data.stream import Stream
from chainrule.data.windows import pieces
from chainrule.datasets.column_files import ColumnFile
from chainrule.datasets.parquet_source import TILE_ROWS

R = np.random.default_rng(1)
N = 400
X = R.normal(size=(N, 3)).astype(np.float32)
Y, WEIGHT = R.integers(0, 3, N), R.random(N)
TABLE = pa.table({"a": X[:, 0], "y": Y, "b": X[:, 1], "w": WEIGHT, "c": X[:, 2]})


def write(path: Path, table: pa.Table = TABLE, rows: int = 64) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=rows)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, rows)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for k in range(3):
        write(tmp_path / "train" / f"part-{k}.parquet", TABLE.slice(150 * k, 150))
    return tmp_path / "train"


def source(paths: Any, **settings: Any) -> ParquetSource:
    return ParquetSource(paths, **{"target": "y", "weight": "w"} | settings)


def model(*layers: c.Layer, inputs: int = 3) -> c.Model:
    return c.Model(
        c.Network(inputs, [*layers, c.Dense(6), c.ReLU(), c.Dense(3)], c.SoftmaxCrossEntropy()), seed=2
    )


def rows_of(of: ParquetSource) -> tuple[Any, Any, Any]:
    blocks = [of.read(k) for k in range(len(of.sizes))]
    X, y, weight = zip(*blocks, strict=True)
    return np.concatenate(X), np.concatenate(y), None if weight[0] is None else np.concatenate(weight)


@pytest.mark.parametrize(
    "kinds", [["float32"] * 3, ["float64"] * 3, ["uint8"] * 3, ["float32", "int16", "uint8"]]
)
def test_a_row_group_of_more_rows_than_become_rows_at_once(tmp_path: Path, kinds: list[str]):
    """Columns of one type, as stored, take another way than those of several."""
    n = 2 * TILE_ROWS + 7
    columns = {f"x{k}": R.integers(0, 200, n).astype(kind) for k, kind in enumerate(kinds)}
    write(tmp_path / "x.parquet", pa.table({"y": np.arange(n) % 3, **columns}), n)
    of = ParquetSource(tmp_path / "x.parquet", target="y")
    assert of.dtype == np.result_type(*kinds)
    np.testing.assert_array_equal(of.read(0).X, np.stack(list(columns.values()), 1))


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_the_rows_of_a_file(ending: str, tmp_path: Path):
    of = source(write(tmp_path / f"all.{ending}"))
    assert of.sizes.tolist() == [64] * 6 + [16] and of.feature_names == ("a", "b", "c") and of.inputs == 3
    block = of.read(2)
    assert block.X.flags.c_contiguous and block.X.dtype == np.float32
    for mine, theirs in zip(rows_of(of), (X, Y, WEIGHT), strict=True):
        assert (mine == theirs).all() and mine.dtype == theirs.dtype


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_columns_that_are_not_used_are_not_read(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from chainrule.datasets import column_files

    class Counting:
        """A file whose bytes are counted as they are read."""

        bytes = 0

        def __init__(self, path: str) -> None:
            self.file = open(path, "rb")  # noqa: SIM115

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def read(self, size: int = -1) -> bytes:
            found = self.file.read(size)
            Counting.bytes += len(found)
            return found

    n, numbers = 20_000, R.random((20, 20_000))
    names = [f"x{k}" for k in range(20)]
    table = pa.table(dict(zip(names, numbers, strict=True)) | {"y": pa.array(["a", "b"] * (n // 2))})
    path = write(tmp_path / f"of.{ending}", table, 2000)
    monkeypatch.setattr(column_files, "opened", lambda path, _: pa.PythonFile(Counting(path), mode="r"))
    of = ParquetSource(path, target="y", columns=["x7", "x3"])
    assert of.sizes.tolist() == [2000] * 10 and Counting.bytes < 2 * path.stat().st_size / len(names)
    Counting.bytes = 0
    block = of.read(4)
    assert (block.X == numbers[[7, 3], 8000:10_000].T).all() and block.y[:2].tolist() == ["a", "b"]
    assert 2 * 8 * 2000 < Counting.bytes < 5 * 8 * 2000


def test_an_arrow_file_without_columns(tmp_path: Path):
    with pytest.raises(c.DataError, match=r"of.arrow has no columns but the target"):
        ParquetSource(write(tmp_path / "of.arrow", pa.table({})), target="y")


@pytest.mark.parametrize("how", ["folder", "pattern", "list", "text"])
def test_files_in_the_order_of_their_names(folder: Path, how: str):
    write(folder / "_temporary" / "part-9.parquet")
    (folder / "notes.txt").write_text("none")
    paths = {
        "folder": folder,
        "pattern": str(folder / "part-*.parquet"),
        "list": [folder / f"part-{k}.parquet" for k in range(3)],
        "text": str(folder),
    }[how]
    assert (rows_of(source(paths))[0] == X).all()


def test_fit_is_that_of_arrays_without_a_shuffle(folder: Path):
    kept, settings = [], {"shuffle": False, "epochs": 3, "batch_size": 32, "class_weight": {0: 2.0}}
    for data, others in (
        ((source(folder),), source(folder)),
        ((X, Y), c.ArraySource(X, Y, WEIGHT)),
    ):
        made = model()
        weight = {} if len(data) == 1 else {"sample_weight": WEIGHT}
        made.fit(*data, validation_data=others, **settings, **weight)
        kept.append((made.theta.tobytes(), [record["val_loss"] for record in made.history.records]))
        assert made.feature_names == (("a", "b", "c") if len(data) == 1 else None)
    assert kept[0] == kept[1]


@pytest.mark.parametrize("shuffle", ["blocks", "exact"])
def test_every_row_once(folder: Path, shuffle: str):
    stream = Stream(source(folder, shuffle=shuffle, window=100), model().network, 0)
    found = np.concatenate([p.samples.X[p.rows] for p in pieces(stream, 32, 0, 0, True)])
    assert not (found == X).all() and (np.sort(found, 0) == np.sort(X, 0)).all()
    assert set(map(bytes, found)) == set(map(bytes, X))


def test_standardize_is_that_of_arrays(folder: Path):
    made, other = model(c.Standardize()), model(c.Standardize())
    made.fit(source(folder), epochs=1)
    other.fit(X, Y, epochs=1)
    for mine, theirs in zip(made.states["standardize_1"], other.states["standardize_1"], strict=True):
        assert np.allclose(mine, theirs, rtol=1e-7)


@pytest.mark.parametrize(
    ("columns", "dtype"),
    [
        ([R.integers(0, 255, N).astype(np.uint8), Y == 1], "uint8"),
        ([X[:, 0], Y.astype(np.int16), Y == 1], "float32"),
        ([X[:, 0], Y.astype(np.int32)], "float64"),
        ([X[:, 0].astype(np.float64)], "float64"),
    ],
)
def test_the_smallest_type_that_keeps_all_numbers(columns: list[Any], dtype: str, tmp_path: Path):
    table = pa.table({f"x{k}": values for k, values in enumerate(columns)} | {"y": Y})
    of = ParquetSource(write(tmp_path / "of.parquet", table), target="y")
    found = rows_of(of)[0]
    assert found.dtype == dtype and (found == np.stack(columns, 1)).all()
    small = ParquetSource(tmp_path / "of.parquet", target="y", dtype="float32", columns=["x0"])
    assert small.read(0).X.dtype == np.float32 and small.inputs == 1


@pytest.mark.parametrize("kind", ["int64", "uint64"])
def test_integers_that_no_type_keeps_apart(kind: str, tmp_path: Path):
    exact = np.array([3, 2**53 - 1, 2**53], kind)
    for values, row in ((exact, None), (np.array([5, 2**53 + 1], kind), 1), (-exact.astype(np.int64) - 1, 2)):
        path = write(tmp_path / "of.parquet", pa.table({"x": values, "y": np.arange(len(values))}))
        rounded = ParquetSource(path, target="y", dtype="float64").read(0).X[:, 0]
        if row is None:
            found = ParquetSource(path, target="y").read(0).X
            assert found.dtype == np.float64 and [int(x) for x in found[:, 0]] == exact.tolist()
            continue
        said = rf"row group 0 of .*of.parquet has {values[row]} at row {row}, column 'x', but float64 is exact only"
        with pytest.raises(c.DataError, match=said):
            ParquetSource(path, target="y").read(0)
        assert (rounded == values.astype(np.float64)).all()


@pytest.mark.parametrize("shuffle", ["blocks", "exact"])
def test_a_file_without_rows(shuffle: str, tmp_path: Path):
    empty = source(write(tmp_path / "empty.parquet", TABLE.slice(0, 0)), shuffle=shuffle)
    for fit in (
        lambda: model().fit(empty),
        lambda: model().fit(source(write(tmp_path / "of.parquet")), validation_data=empty, epochs=1),
    ):
        with pytest.raises(c.DataError, match="the source has no rows; pass at least one"):
            fit()


def test_columns_of_one_name(tmp_path: Path):
    path = write(tmp_path / "twice.parquet", pa.table([[1.0], [2.0], [3.0]], ["a", "y", "y"]))
    for use in (
        lambda: ParquetSource(path, target="y"),
        lambda: datasets.shuffled_copy(path, tmp_path / "out"),
    ):
        with pytest.raises(c.DataError, match=r"twice.parquet has two columns named 'y'; rename one"):
            use()
    with pytest.raises(c.ConfigError, match="target must be a column name"):
        source(write(tmp_path / "of.parquet"), target=[])


def test_bytes_are_for_columns_of_bytes(tmp_path: Path):
    numbers = pa.array([300, -1, 5])
    path = write(tmp_path / "of.parquet", pa.table({"a": numbers, "y": [0.0, 1.0, 2.0]}))
    with pytest.raises(c.ConfigError, match="dtype='uint8' supports only byte and boolean columns"):
        ParquetSource(path, target="y", dtype="uint8")
    table = pa.table({"a": numbers.cast(pa.uint8(), safe=False), "y": [0.0, 1.0, 2.0]})
    of = ParquetSource(write(path, table), target="y", dtype="uint8")
    assert of.read(0).X.tolist() == [[44], [255], [5]]


def test_decimals_and_several_targets(tmp_path: Path):
    price = pa.array([f"{k}.25" for k in range(N)]).cast(pa.decimal128(12, 2))
    table = pa.table({"price": price, "y": X[:, 0], "z": X[:, 1], "text": ["a"] * N})
    of = ParquetSource(write(tmp_path / "of.parquet", table), target=["y", "z"], columns=["price"])
    found, y, _ = zip(*(of.read(k) for k in range(len(of.sizes))), strict=True)
    assert (np.concatenate(found)[:, 0] == np.arange(N) + 0.25).all() and (
        np.concatenate(y) == X[:, :2]
    ).all()


# --- what a run is resumed with


def test_a_fingerprint_tells_all_that_decides_the_rows(tmp_path: Path):
    """Each source here reads other rows than all others, and each again the same."""
    rows = {"a": X[:, 0], "b": X[:, 1], "y": Y, "w": WEIGHT, "v": WEIGHT[::-1].copy(), "z": Y[::-1].copy()}
    texts = {"city": np.array(["Oslo", "Bern"])[Y % 2], "street": np.array(["High", "Low"])[Y % 2]}
    one = write(tmp_path / "one.parquet", pa.table(rows | texts))
    other = write(tmp_path / "other.parquet", pa.table(rows | texts | {"a": X[:, 2]}))
    north, south = {"city": ("Bern", "Oslo")}, {"city": ("Oslo", "Bern")}
    base: dict[str, Any] = {"paths": one, "columns": ["a", "b", "city", "street"], "categories": north}
    changes: list[dict[str, Any]] = [
        {},
        {"paths": other},
        {"paths": [one, other]},
        {"paths": [other, one]},
        {"columns": ["b", "a", "city", "street"]},
        {"columns": ["a", "city", "street"]},
        {"target": "z"},
        {"target": ["y", "z"]},
        {"target": ["z", "y"]},
        {"weight": None},
        {"weight": "v"},
        {"dtype": "float64"},
        {"categories": south},
        {"categories": {"city": ("Oslo",)}},
        {"categories": {"city": ("Bern", "Oslo", "Rome")}},
        {"categories": {"street": ("Bern", "Oslo")}},
        {"categories": north | {"street": ("High", "Low")}},
    ]
    first, again = ([source(**base | change).fingerprint() for change in changes] for _ in range(2))
    assert first == again and len(set(first)) == len(changes)
    known = source(**base | {"categories": None})
    before = known.fingerprint()
    known.learn_categories()
    learned = source(**base | {"categories": north | {"street": ("High", "Low")}})
    assert before != known.fingerprint() == learned.fingerprint()


def test_other_categories_do_not_resume_a_run(tmp_path: Path):
    path = write(tmp_path / "of.parquet", pa.table({"city": np.array(["Oslo", "Bern"])[Y % 2], "y": Y}))

    def fit(*texts: str, **how: Any) -> None:
        of = source(path, weight=None, categories={"city": texts})
        model(inputs=1).fit(of, epochs=2, **how)

    fit("Bern", "Oslo", callbacks=c.Checkpoint(tmp_path / "checkpoint"))
    with pytest.raises(c.ConfigError, match="another data"):
        fit("Oslo", "Bern", resume=tmp_path / "checkpoint")


# --- text


def test_text_becomes_codes_and_labels(tmp_path: Path):
    cities = np.array(["Oslo", "Aarhus", "Taipei", "Bern"])[R.integers(0, 4, N)].astype(object)
    cities[:100] = np.where(cities[:100] == "Bern", "Oslo", cities[:100])  # not in the first row groups
    cities[7] = None
    answers = np.array(["no", "perhaps", "yes"])[Y]
    table = pa.table({"x": X[:, 0], "city": pa.array(cities).dictionary_encode(), "y": answers})
    of = ParquetSource(write(tmp_path / "of.parquet", table), target="y")
    with pytest.raises(c.DataError, match=r"text in column 'city'; call learn_categories"):
        model(inputs=2).fit(of)
    assert of.learn_categories() == {"city": ("Aarhus", "Bern", "Oslo", "Taipei")}
    assert of.embedded(3) == ((1, 5, 3),)
    codes = np.array([0 if city is None else 1 + of.categories["city"].index(city) for city in cities])
    found, y, _ = zip(*(of.read(k) for k in range(len(of.sizes))), strict=True)
    assert (np.concatenate(found)[:, 1] == codes).all() and (np.concatenate(y) == answers).all()
    made = model(c.Embedding(of.embedded(3)), inputs=2)
    made.fit(of, epochs=2)
    assert made.classes is not None and made.classes.tolist() == ["no", "perhaps", "yes"]
    fewer = ParquetSource(tmp_path / "of.parquet", target="y", categories={"city": ("Oslo",)})
    assert set(np.unique(fewer.read(0).X[:, 1])) == {0, 1}


# --- faults


def test_columns_that_are_not_there(folder: Path):
    for settings, said in (
        ({"target": "z"}, "part-0.parquet lacks the column 'z'; it has a, y, b, w, c"),
        ({"columns": ["a", "bb"]}, "lacks the column 'bb'; did you mean 'b'"),
        ({"columns": ["a", "a"]}, "distinct columns"),
        ({"columns": ["a", "y"]}, "distinct columns"),
        ({"columns": []}, "no columns but the target"),
        ({"dtype": "int8"}, "dtype must be one of"),
        ({"categories": {"a": ("x",)}}, "not a text column"),
        ({"window": 0}, "window must be an integer"),
    ):
        with pytest.raises((c.DataError, c.ConfigError), match=said):
            source(folder, **settings)


def test_files_that_differ(folder: Path):
    write(folder / "part-3.parquet", TABLE.drop(["b"]))
    with pytest.raises(c.DataError, match=r"part-3.parquet lacks the column 'b' of .*part-0.parquet"):
        source(folder)
    write(folder / "part-3.parquet", TABLE.set_column(2, "b", pa.array(["x"] * N)))
    with pytest.raises(
        c.DataError, match=r"part-3.parquet has column 'b' of type string, but .* has type float"
    ):
        source(folder)
    write(folder / "part-3.parquet", TABLE.set_column(2, "b", pa.array(X[:, 1].astype(np.float64))))
    assert source(folder).dtype == np.float64


def test_types_that_are_neither_numbers_nor_text(tmp_path: Path):
    table = TABLE.append_column("day", pa.array([0] * N).cast(pa.timestamp("s")))
    with pytest.raises(c.DataError, match=r"column 'day' of type timestamp\[ms\], which is neither"):
        source(write(tmp_path / "of.parquet", table)).read(0)


def test_nothing_there(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    for path, said in (
        (tmp_path / "none.parquet", "does not exist"),
        (tmp_path / "empty", "has no file with the ending .parquet"),
        (str(tmp_path / "*.parquet"), "has no file with the ending"),
        ([], "a path or a list of paths"),
        (5, "a path or a list of paths"),
    ):
        with pytest.raises((c.DataError, c.ConfigError), match=said):
            source(path)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no other system bounds a process's data so")
def test_a_run_in_a_third_of_the_memory_of_its_rows():
    script = Path(__file__).parents[2] / "benchmarks" / "data.py"
    done = subprocess.run(
        [sys.executable, script, "memory", str(1 << 20)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("208 MB of rows, 69 MB to allocate: resident from")


@pytest.mark.parametrize("column", ["b", "y", "w"])
def test_a_null_is_named_with_its_place(folder: Path, column: str):
    values = [None if k == 70 else v for k, v in enumerate(TABLE[column].to_pylist())]
    place = TABLE.schema.names.index(column)
    write(folder / "part-1.parquet", TABLE.set_column(place, column, pa.array(values)))
    made = model()
    with pytest.raises(
        c.DataError, match=f"row group 1 of .*part-1.parquet has a null at row 6, column '{column}'"
    ):
        made.fit(source(folder))


def test_nan_is_named_with_its_column(folder: Path):
    values = X[:, 1].copy()
    values[70] = np.nan
    write(folder / "part-1.parquet", TABLE.set_column(2, "b", pa.array(values)))
    with pytest.raises(
        c.DataError, match=r"row group 1 of .*part-1.parquet contains nan at row 6, column 'b'"
    ):
        model().fit(source(folder))


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_a_file_cut_short(ending: str, tmp_path: Path):
    path = write(tmp_path / f"of.{ending}")
    whole = path.read_bytes()
    for length in (0, 3, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(c.FormatError, match=f"of.{ending} is damaged or not a valid"):
            source(path)


def test_a_damaged_column_is_named(tmp_path: Path):
    path = write(tmp_path / "of.parquet")
    chunk = parquet.ParquetFile(path).metadata.row_group(1).column(2)  # b
    damaged = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    damaged[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(damaged)
    of = source(path)
    of.read(0)
    with pytest.raises(c.FormatError, match=r"row group 1 of .*of.parquet, column 'b', cannot be read"):
        of.read(1)


def test_columns_that_can_be_read_alone_are_not_blamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    reads = ColumnFile._read

    def read(self: ColumnFile, group: int, columns: Any) -> Any:
        if len(columns) > 1:
            raise OSError("timed out")
        return reads(self, group, columns)

    of = source(write(tmp_path / "of.parquet"))
    monkeypatch.setattr(ColumnFile, "_read", read)
    with pytest.raises(c.FormatError, match=r"row group 1 of .*of.parquet cannot be read \(timed out\)"):
        of.read(1)


def test_a_lack_of_memory_is_no_fault_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(tmp_path / "of.parquet")
    of = source(path)

    def lacks(*_: Any, **__: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(parquet, "ParquetFile", lacks)
    with pytest.raises(MemoryError):
        of.read(0)
    with pytest.raises(MemoryError):
        source(path)


def test_a_file_that_changes_while_it_is_read(folder: Path):
    of = source(folder)
    write(folder / "part-1.parquet", TABLE.slice(0, 10))
    with pytest.raises(c.DataError, match=r"part-1.parquet was replaced or changed while in use"):
        model().fit(of, epochs=2)


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
@pytest.mark.parametrize("how", ["replaced", "written over", "numbered anew"])
def test_other_columns_in_the_place_of_a_file_in_use(ending: str, how: str, tmp_path: Path):
    """The same rows, columns in another order and of the same length: by the old footer, b would be read as a."""
    path, other = tmp_path / f"of.{ending}", tmp_path / f"new.{ending}"
    write(path), write(other, TABLE.select(["b", "y", "a", "w", "c"]))
    of, after = source(path, columns=["a"]), source(path, columns=["a"])
    expected = of.read(0).X
    if how == "numbered anew":  # as some file systems do: another inode, and nothing else
        kept = path.stat()
        other.write_bytes(path.read_bytes())
        os.utime(other, ns=(kept.st_atime_ns, kept.st_mtime_ns))
        os.replace(other, path)
        assert (expected == of.read(0).X).all()
        return
    if how == "replaced":
        os.replace(other, path)
    else:
        path.write_bytes(other.read_bytes())
        os.utime(path, ns=(0, 0))
    for each in (of, after):
        with pytest.raises(c.DataError, match=rf"of.{ending} was replaced or changed while in use; create"):
            each.read(0)
    assert (expected == source(path, columns=["a"]).read(0).X).all()


# --- behind a URL


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A file system of fsspec in memory, whose server can vanish."""
    fsspec = pytest.importorskip("fsspec")
    from fsspec.implementations.memory import MemoryFileSystem

    class Server:
        reads, last = 0, 10**9

    opens = MemoryFileSystem.open

    def opened(system: Any, path: str, mode: str = "rb", **settings: Any) -> Any:
        Server.reads += 1
        if Server.reads > Server.last:
            raise ConnectionResetError("the server closed the connection")
        return opens(system, path, mode, **settings)

    system = fsspec.filesystem("memory")
    for k in range(3):
        with system.open(f"/bucket/part-{k}.parquet", "wb") as file:
            parquet.write_table(TABLE.slice(150 * k, 150), file, row_group_size=64)
    monkeypatch.setattr(MemoryFileSystem, "open", opened)
    yield Server
    system.rm("/bucket", recursive=True)


@pytest.mark.parametrize("url", ["memory://bucket", "memory://bucket/part-*.parquet"])
def test_urls(remote: Any, url: str):
    of = source(url)
    assert (rows_of(of)[0] == X).all()
    made = model()
    made.fit(of, epochs=1)
    assert made.epochs_trained == 1


def test_hidden_files_behind_a_url_are_left_out(remote: Any):
    import fsspec

    system = fsspec.filesystem("memory")
    for name in ("_temporary/part-9.parquet", ".part-8.parquet", "_delta_log/part-7.parquet"):
        system.pipe_file(f"/bucket/{name}", b"half written")
    assert [file.path for file in source("memory://bucket/").files] == [
        f"/bucket/part-{k}.parquet" for k in range(3)
    ]
    with system.open("/_of/part-0.parquet", "wb") as file:
        parquet.write_table(TABLE, file)
    assert len(source("memory://_of").files) == 1  # a folder that is asked for by its name
    system.rm("/_of", recursive=True)


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_a_copy_of_the_file_of_a_pickled_source(ending: str, tmp_path: Path):
    """As another machine has it: of another time, and the same otherwise."""
    path = write(tmp_path / f"of.{ending}")
    of = pickle.loads(pickle.dumps(source(path)))
    os.utime(path, ns=(0, 0))
    assert (rows_of(of)[0] == X).all()
    write(path, TABLE.select(["b", "y", "a", "w", "c"]))
    with pytest.raises(c.DataError, match="was replaced or changed while in use"):
        of.read(0)


def test_a_file_behind_a_url_that_is_replaced(remote: Any):
    import fsspec

    of = source("memory://bucket/part-0.parquet")
    before = of.read(0)
    system = fsspec.filesystem("memory")
    with system.open("/bucket/part-0.parquet", "wb") as file:
        parquet.write_table(TABLE.select(["b", "y", "a", "w", "c"]).slice(0, 150), file, row_group_size=64)
    with pytest.raises(c.DataError, match=r"part-0.parquet was replaced or changed while in use"):
        of.read(0)
    assert (source("memory://bucket/part-0.parquet", columns=["a", "b", "c"]).read(0).X == before.X).all()


def test_a_server_that_vanishes(remote: Any, tmp_path: Path):
    def fit(**settings: Any) -> c.Model:
        made = model()
        saves = c.Checkpoint(tmp_path / "checkpoint", every_steps=1)
        made.fit(source("memory://bucket", window=64), epochs=3, batch_size=32, callbacks=[saves], **settings)
        return made

    whole = fit()
    remote.last = remote.reads + 25  # three footers, a pass to find the labels, and most of two epochs
    with pytest.raises(
        c.FormatError, match=r"row group \d of /bucket/part-\d.parquet, column 'a', cannot be read"
    ):
        fit()
    remote.last = 10**9
    assert fit(resume=tmp_path / "checkpoint").theta.tobytes() == whole.theta.tobytes()


def test_an_address_that_is_wrong(remote: Any):
    with pytest.raises(c.DataError, match="nowhere has no file with the ending"):
        source("memory://nowhere")
    with pytest.raises(c.DataError, match="cannot be reached"):
        source("unheardof://bucket")
