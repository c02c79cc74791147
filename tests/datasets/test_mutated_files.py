"""12,000 damaged files: each is read or refused by a ChainruleError, in bounded time and memory.

One child process a format reads all its mutants, its address space limited to 100 MB and the file above what it was:
forked for formats of one kind from a process that has their imports and their good files.
A new format is one more row of FORMATS. By hand, the mutant that failed, from the number in the message:

    PYTHONPATH=tests/support python tests/datasets/test_mutated_files.py png 0 --only 123
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gzip
import importlib
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import traceback
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import ChainruleError
from mutated import Mutation, edit_json, mutant

SEED = 0
ALLOWED_BYTES = 100 << 20  # beyond the file
ALLOWED_SECONDS = 5  # for one file, on a busy machine; they take 1 ms


@dataclass(frozen=True)
class Format:
    """How many mutants to make of which good files, and who reads them.

    seal: puts what was mutated into its envelope, or corrects its checksums, so that the damage gets past them.
    most: what makes four of five mutations, such as edit_json, after which a text is still JSON.
    every: of so many mutants one is read, but with CHAINRULE_FULL=1 each; of those that take a tenth of a second.
    """

    mutants: int
    goods: Callable[[], list[bytes]]
    read: Callable[[Path], Any]
    seal: Callable[[bytes], bytes] | None = None
    most: Mutation | None = None
    every: int = 1


def idx_files() -> list[bytes]:
    images = np.random.default_rng(1).integers(0, 256, (20, 28, 28), np.uint8)
    floats = np.linspace(0, 1, 60).reshape(20, 3).astype(">f4")
    return [
        b"\0\0\x08\x03" + struct.pack(">3I", *images.shape) + images.tobytes(),
        b"\0\0\x08\x01" + struct.pack(">I", 20) + bytes(range(20)),
        b"\0\0\x0d\x02" + struct.pack(">2I", *floats.shape) + floats.tobytes(),
    ]


def npy_files() -> list[bytes]:
    rng = np.random.default_rng(2)
    arrays = (
        rng.normal(size=(20, 5)).astype(np.float32),
        np.asfortranarray(rng.normal(size=(20, 5))),
        np.array(["cat", "dog"] * 10),
        rng.integers(0, 2, 20).astype(bool),
    )
    return [saved(np.save, array) for array in arrays]


def npz_files() -> list[bytes]:
    rng = np.random.default_rng(3)
    X, y = rng.integers(0, 256, (20, 28, 28)).astype(np.uint8), np.arange(20)
    return [
        saved(np.savez, X=X, y=y),
        saved(np.savez_compressed, X=X // 64, y=y),
        saved(np.savez_compressed, x_train=X, y_train=y, x_test=X[:5], y_test=y[:5]),
    ]


def saved(save: Callable[..., None], *arrays: Any, **named: Any) -> bytes:
    buffer = io.BytesIO()
    save(buffer, *arrays, **named)
    return buffer.getvalue()


def digit_files(kind: str, **options: Any) -> list[bytes]:
    from PIL import Image

    grey = np.full((48, 40), 250, np.uint8)
    grey[8:12, 6:30] = grey[12:40, 22:26] = 20
    pictures = [Image.fromarray(grey), Image.fromarray(np.dstack([grey, grey, 255 - grey]))]
    if kind == "PNG":
        pictures += [pictures[0].convert("P"), Image.fromarray(np.dstack([grey, grey, grey, 255 - grey]))]
        pictures += [Image.fromarray(grey.astype(np.uint16) * 257)]
    if kind == "JPEG":
        pictures += [pictures[0].convert("CMYK")]
    files = []
    for picture in pictures:
        for extra in ({}, options):
            buffer = io.BytesIO()
            picture.save(buffer, kind, **extra)
            files.append(buffer.getvalue())
    return files


def png_with_extras() -> list[bytes]:
    from PIL import ImageCms, PngImagePlugin

    text = PngImagePlugin.PngInfo()
    text.add_itxt("Title", "a seven" * 9, zip=True)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return digit_files(
        "PNG", pnginfo=text, icc_profile=profile, dpi=(72, 72), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"
    )


def correct_png(data: bytes) -> bytes:
    """Give each chunk the checksum of what it now contains; what follows a chunk that is cut off stays as it is."""
    parts, at = [data[:8]], 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4])
        if end + 4 > len(data):
            break
        parts += [data[at:end], struct.pack(">I", zlib.crc32(data[at + 4 : end]))]
        at = end + 4
    return b"".join([*parts, data[at:]])


def in_npz(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.npy", npy_files()[0])
        archive.writestr("y.npy", data)
    return buffer.getvalue()


def read_idx(path: Path) -> Any:
    from chainrule.datasets import read_idx

    return read_idx(path).tobytes()


def read_npy(path: Path) -> Any:
    from chainrule.datasets import read_npy

    return read_npy(path).tolist()


def read_npz(path: Path) -> Any:
    from chainrule.datasets import load_npz, read_npz

    values = [array.tolist() for array in read_npz(path).values()]
    return values, [split.X.tobytes() for split in load_npz(path) if split is not None]


def read_digit(path: Path) -> Any:
    from chainrule.datasets import read_digit

    return read_digit(path).sum()


def small_model() -> Any:
    import chainrule as c

    block = c.Residual([c.Dense(4), c.BatchNorm(), c.LeakyReLU(0.2)])
    layers = [c.Standardize(), c.Dense(3), c.PReLU(), block, c.Dropout(0.1), c.Dense(3, c.Orthogonal(0.5))]
    return c.Model(c.Network(2, layers, c.SoftmaxCrossEntropy(label_smoothing=0.1), l2=0.01))


def train(model: Any, **settings: Any) -> Any:
    """One epoch of two steps; it takes no time, so that the same run makes the same file."""
    from unittest import mock

    X = np.random.default_rng(4).normal(size=(9, 2))
    with mock.patch("time.perf_counter", lambda: 0.0):
        model.fit(X, np.array(["a", "b", "c"] * 3), batch_size=6, **settings)
    return model


def model_files() -> list[bytes]:
    import chainrule as c

    plain = c.Model(c.Network(3, [c.Dense(2)], c.MeanSquaredError()), dtype="float64")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        files = []
        for model in (train(small_model(), epochs=1).freeze("dense_1"), plain):
            model.save(path)
            files.append(path.read_bytes())
    return files


def checkpoint_files() -> list[bytes]:
    import chainrule as c

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        train(small_model(), epochs=1, callbacks=[c.EarlyStopping("loss"), c.Checkpoint(path)])
        return [path.read_bytes()]


def entry(key: str, files: list[bytes]) -> list[bytes]:
    """The text that the metadata of safetensors files hold under a key."""
    return [
        json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"][key].encode()
        for data in files
    ]


@functools.cache
def good_arrays(checkpoint: bool) -> dict[str, Any]:
    from safetensors.numpy import load

    return dict(load((checkpoint_files() if checkpoint else model_files())[0]))


def in_model(data: bytes) -> bytes:
    from safetensors.numpy import save

    return bytes(save(good_arrays(False), {"chainrule": data.decode(errors="replace")}))


def in_checkpoint(data: bytes) -> bytes:
    from safetensors.numpy import save

    from chainrule.training.checkpoint import checksum

    arrays, text = good_arrays(True), data.decode(errors="replace")
    return bytes(save(arrays, {"chainrule-run": checksum(text, arrays) + text}))


def arrays_in_checkpoint(data: bytes) -> bytes:
    """A whole checkpoint with the checksum of what it now contains, where it can still be read so far."""
    from safetensors import SafetensorError
    from safetensors.numpy import load, save

    from chainrule.training.checkpoint import checksum

    try:
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        text, arrays = header["__metadata__"]["chainrule-run"][8:], load(data)
        return bytes(save(arrays, {"chainrule-run": checksum(text, arrays) + text}))
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return data


@functools.cache
def finished_run() -> tuple[Path, dict[str, bytes]]:
    """The folder of a run of the command, and the files in it."""
    import jax  # noqa: F401 - a mutant may choose its engine, which counts for no file either

    from chainrule.cli import app

    folder = Path(tempfile.mkdtemp()) / "run"
    atexit.register(shutil.rmtree, folder.parent)
    X = np.random.default_rng(5).normal(size=(40, 2))
    np.savez(folder.parent / "data.npz", X=X, y=X[:, 0] > 0)
    words = f"train {folder.parent / 'data.npz'} --out {folder} --epochs 2 --hidden 2 --l2 0.1 --quiet --patience 9"
    with contextlib.redirect_stdout(io.StringIO()):
        app(words.split(), standalone_mode=False)
    return folder, {path.name: path.read_bytes() for path in folder.iterdir()}


def run_file(name: str) -> Callable[[], list[bytes]]:
    return lambda: [finished_run()[1][name]]


@functools.cache
def subcommands() -> Any:
    """Those of the command, with their options: made once, which takes longer than to refuse most mutants."""
    from typer.main import get_command

    from chainrule.cli import app

    return get_command(app)


def resume_with(name: str) -> Callable[[Path], Any]:
    """Go on with a run in whose folder one file is the mutant: the command says what is wrong, in one line."""

    def read(path: Path) -> Any:
        from unittest import mock

        from typer.testing import CliRunner

        folder, files = finished_run()
        for file in folder.iterdir():
            file.unlink()
        for file, data in files.items():
            if name != "checkpoint.safetensors" or file not in ("model.safetensors", "history.json"):
                (folder / file).write_bytes(data)
        (folder / name).write_bytes(path.read_bytes())
        words = ["train", str(folder), "--resume", "--quiet"]
        with mock.patch("typer.testing._get_command", lambda made: made):
            result = CliRunner().invoke(subcommands(), words, prog_name="chainrule")
        if result.exit_code:
            message = result.stderr.strip()
            assert result.exit_code == 2 and len(message.splitlines()) == 1, (result.exit_code, message)
            raise ChainruleError(f"{path}: {message}")
        return result.stdout

    return read


def repeat_scans(data: bytes) -> bytes:
    """A JPEG whose last scan comes again, for some thousand times; the good ones as they are."""
    count = 0 if data in scanned_files() else 5000 * (zlib.crc32(data) % 3)
    start, end = data.rfind(b"\xff\xda"), data.rfind(b"\xff\xd9")
    return data if not 0 < start < end else data[:start] + (1 + count) * data[start:end] + data[end:]


@functools.cache
def scanned_files() -> list[bytes]:
    """Progressive JPEGs so large that a thousand scans take longer than any file may."""
    from PIL import Image

    grey = np.full((2000, 1600), 250, np.uint8)
    grey[300:1500, 700:900] = 20
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", progressive=True)
    return [buffer.getvalue()]


def read_model(path: Path) -> Any:
    """What was read also works: it predicts, whatever its numbers are."""
    from chainrule import load

    model = load(path)
    X = np.zeros((2, model.network.inputs)) if model.network.inputs < 1000 else None
    with np.errstate(all="ignore"):
        return model.summary(), X is None or model.predict(X)


def read_checkpoint(path: Path) -> Any:
    import chainrule as c

    try:
        return train(small_model(), epochs=2, callbacks=[c.EarlyStopping("loss")], resume=path)
    except c.NonFiniteError:
        return None  # it was read, and what it held was noticed


def a_table() -> Any:
    import pyarrow as pa

    words = [f"w{k % 5}" if k % 7 else None for k in range(60)]
    columns = {
        "n": np.arange(60.0),
        "s": words,
        "many": [f"text {k}" for k in range(60)],
        "list": [[1, 2]] * 60,
    }
    return pa.table(columns | {"kind": pa.array(words).dictionary_encode()})


def parquet_files() -> list[bytes]:
    from pyarrow import parquet

    kinds: tuple[dict[str, Any], ...] = (
        {"compression": "zstd"},
        {"compression": "none", "use_dictionary": False, "data_page_version": "2.0"},
    )
    return [
        saved(functools.partial(parquet.write_table, a_table(), row_group_size=30, **how)) for how in kinds
    ]


def arrow_files() -> list[bytes]:
    import pyarrow as pa

    def write(file: Any, make: Any, compression: str | None) -> None:
        table = a_table()
        with make(file, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
            writer.write_table(table)

    kinds = ((pa.ipc.new_file, None), (pa.ipc.new_file, "zstd"), (pa.ipc.new_stream, "zstd"))
    return [saved(lambda file, make=make, how=how: write(file, make, how)) for make, how in kinds]


def csv_files() -> list[bytes]:
    return [b'a;"b";c\r\n1;"x\r\ny";3,5\r\n;NA;1.234,5\r\n', "é,y\n1,Łódź\n".encode()]


def read_table(ending: str) -> Callable[[Path], Any]:
    """Read a table whose cells can then be used, in one thread, which takes no address space of its own."""

    def read(path: Path) -> Any:
        import pyarrow as pa

        from chainrule.datasets import read_table

        pa.set_memory_pool(pa.system_memory_pool())
        pa.set_cpu_count(1)
        pa.set_io_thread_count(1)
        (named := path.with_name(f"{path.name}{ending}")).write_bytes(path.read_bytes())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of where a table begins
            found = read_table(named)
        return found.to_pydict() if isinstance(found, pa.Table) else list(map(list, found.values()))

    return read


@functools.cache
def saved_average() -> tuple[dict[str, Any], str]:
    """The tensors and the metadata of an average of two estimators, and what the metadata say of the average."""
    from safetensors.numpy import load

    import chainrule as c

    with tempfile.TemporaryDirectory() as folder:
        path, X = Path(folder) / "part", {"a": np.arange(20.0)}
        settings = {"preprocess": "auto", "hidden_layer_sizes": (2,), "max_iter": 1, "random_state": 0}
        c.MLPRegressor(**settings).fit(X, X["a"]).save(path)
        data = path.read_bytes()
    record = {"recipe": "fast", "parameters": {"alpha": [0.1]}, "networks": 2, "epochs": 9, "seconds": 1.5}
    record |= {"loss": 0.25, "weight": 0.75, "error": ""}
    said = {"weights": [0.75, 0.25], "recipes": ["fast", "ranks"], "temperature": 1.0}
    said["report"] = [record, record | {"loss": None, "weight": 0.25, "error": "no time"}]
    tensors = dict(load(data)) | {"part_1": np.frombuffer(data, np.uint8)}
    return {"tensors": tensors, "metadata": json.loads(entry("chainrule", [data])[0])}, json.dumps(said)


def in_average(data: bytes) -> bytes:
    from safetensors.numpy import save

    kept, _ = saved_average()
    metadata = json.dumps(kept["metadata"])[:-1] + ', "blend": ' + data.decode(errors="replace") + "}"
    return bytes(save(kept["tensors"], {"chainrule": metadata}))


def read_average(path: Path) -> Any:
    import chainrule as c

    made = c.MLPRegressor.load(path)
    return repr(made.report_), made.report_._repr_html_(), made.predict({"a": [1.0]})


FOLDER = Path(__file__).parents[1] / "golden" / "opened"
CONSTANT_BYTES = 1 << 20
"""What a network's file may take beside ten times its size: the reader's tables, and constants computed from others."""


def edit_network(kind: str) -> Mutation:
    """What edits a graph or an archive, whose libraries other formats do not need."""
    return lambda *given: getattr(importlib.import_module("mutated_networks"), f"edit_{kind}")(*given)


def network_files(ending: str) -> Callable[[], list[bytes]]:
    """Those of one output, which Chainrule has the layers for."""
    left_out = re.compile("layer_norm|pre_norm|hard_swish|heads|sb3")
    return lambda: [
        path.read_bytes() for path in sorted(FOLDER.glob(f"*{ending}")) if not left_out.search(path.name)
    ]


def read_network(ending: str) -> Callable[[Path], Any]:
    """Open a network in little memory; it answers as ONNX Runtime, where that takes the file too."""

    def read(path: Path) -> Any:
        import chainrule as c

        data = path.read_bytes()
        (named := path.with_name(f"{path.name}{ending}")).write_bytes(data)
        importlib.import_module("chainrule.trained.keras_files")
        _ = c.Model  # imports count for no file
        tracemalloc.start()
        try:
            opened = c.open(named)
        except ChainruleError as error:
            assert "\n" not in str(error) and len(str(error)) < 1000
            raise
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 10 * len(data) + CONSTANT_BYTES, (peak, len(data))
        rows = np.random.default_rng(0).integers(-4, 10, (5, opened.network.inputs)).astype(np.float32)
        with np.errstate(all="ignore"):
            answers = opened.predict(rows) if opened.task == "regression" else opened.predict_proba(rows)
        assert answers.shape[0] == 5 and answers.size in (5, 5 * opened.network.outputs, 10)
        wanted = by_runtime(data, rows) if ending == ".onnx" else None
        if wanted is not None and np.isfinite(wanted).all():
            answers = answers[:, 1] if opened.task == "binary" and wanted.size == 5 else answers
            np.testing.assert_allclose(answers.reshape(wanted.shape), wanted, rtol=1e-4, atol=1e-4)
        return answers

    return read


def by_runtime(data: bytes, rows: np.ndarray) -> np.ndarray | None:
    """The last output of an ONNX file, if it is of numbers; None for a file that the runtime refuses."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        given, last = session.get_inputs()[0], session.get_outputs()[-1]
        lengths = [n for n in given.shape[1:] if isinstance(n, int)] or [-1]
        kind = {"tensor(float)": "f4", "tensor(double)": "f8"}[given.type]
        made = session.run([last.name], {given.name: rows.reshape(5, *lengths).astype(kind)})[0]
    except Exception:  # of its own classes, for names, versions and types that no number depends on
        return None
    return made if isinstance(made, np.ndarray) and made.dtype.kind == "f" else None


FORMATS: dict[str, Format] = {
    "network in onnx": Format(400, network_files(".onnx"), read_network(".onnx")),
    "graph in onnx": Format(700, network_files(".onnx"), read_network(".onnx"), most=edit_network("graph")),
    "network of keras": Format(
        600, network_files(".keras"), read_network(".keras"), most=edit_network("archive")
    ),
    "network in h5": Format(400, network_files(".h5"), read_network(".h5")),
    "parquet": Format(500, parquet_files, read_table(".parquet")),
    "arrow": Format(500, arrow_files, read_table(".arrow")),
    "csv": Format(300, csv_files, read_table(".csv")),
    "report of an average": Format(
        500, lambda: [saved_average()[1].encode()], read_average, in_average, most=edit_json, every=4
    ),
    "idx": Format(1200, idx_files, read_idx),
    "idx.gz": Format(800, lambda: [gzip.compress(data, mtime=0) for data in idx_files()], read_idx),
    "idx in gz": Format(800, idx_files, read_idx, lambda data: gzip.compress(data, mtime=0)),
    "npy": Format(1200, npy_files, read_npy),
    "npz": Format(1200, npz_files, read_npz),
    "npy in npz": Format(1200, npy_files, read_npz, in_npz),
    "png": Format(1000, lambda: digit_files("PNG", optimize=True), read_digit),
    "png, checksums right": Format(1600, png_with_extras, read_digit, correct_png),
    "jpeg": Format(1000, lambda: digit_files("JPEG", progressive=True, quality=30), read_digit),
    "jpeg, scans again": Format(60, scanned_files, read_digit, repeat_scans),
    "model": Format(800, model_files, read_model),
    "metadata in model": Format(
        1000, lambda: entry("chainrule", model_files())[:1], read_model, in_model, edit_json
    ),
    "checkpoint": Format(500, checkpoint_files, read_checkpoint),
    "arrays in checkpoint": Format(500, checkpoint_files, read_checkpoint, arrays_in_checkpoint),
    "config.json": Format(300, run_file("config.json"), resume_with("config.json"), most=edit_json, every=4),
    "history.json": Format(
        150, run_file("history.json"), resume_with("history.json"), most=edit_json, every=4
    ),
    "checkpoint of the command": Format(
        100,
        run_file("checkpoint.safetensors"),
        resume_with("checkpoint.safetensors"),
        arrays_in_checkpoint,
        every=3,  # with which one of them is read
    ),
    "state in checkpoint": Format(
        800,
        lambda: [text[8:] for text in entry("chainrule-run", checkpoint_files())],
        read_checkpoint,
        in_checkpoint,
        most=edit_json,
    ),
}

TOGETHER: tuple[tuple[str, ...], ...] = (
    ("parquet",),
    ("arrow",),
    ("csv",),
    ("report of an average",),
    ("idx", "idx.gz", "idx in gz", "npy", "npz", "npy in npz"),
    ("png", "png, checksums right", "jpeg", "jpeg, scans again"),
    ("model", "metadata in model", "checkpoint", "arrays in checkpoint", "state in checkpoint"),
    ("network in onnx",),
    ("graph in onnx",),
    ("network of keras", "network in h5"),
    ("config.json", "history.json", "checkpoint of the command"),
)
"""Which formats have the same imports: PyArrow, which has threads, is not forked."""


def mutated(form: Format, goods: list[bytes], seed: int, number: int) -> bytes:
    """The same bytes for the same numbers, whatever was made before."""
    data = mutant(goods, np.random.default_rng([seed, number]), form.most)
    return form.seal(data) if form.seal else data


# The child.


class TooLongError(BaseException):
    """Not an Exception: no reader may take it for damage."""


def read_all(form: Format, seed: int, numbers: range) -> tuple[int, int, int]:
    """How many were read and how many refused, and by how many bytes the process grew at its peak."""
    import resource
    import signal

    def too_long(*_: object) -> None:
        raise TooLongError

    warnings.filterwarnings("ignore", ".* is not UTF-8; it is read as|.* commas all have three digits")
    signal.signal(signal.SIGALRM, too_long)
    goods = form.goods()
    read = refused = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutant"
        for good in goods:  # what is loaded and kept on first use counts for no file
            path.write_bytes(form.seal(good) if form.seal else good)
            form.read(path)
        start = peak_bytes()
        space = address_space()
        for number in numbers:
            data = mutated(form, goods, seed, number)
            path.write_bytes(data)
            if space:
                resource.setrlimit(
                    resource.RLIMIT_AS, (space + ALLOWED_BYTES + len(data), resource.RLIM_INFINITY)
                )
            signal.setitimer(signal.ITIMER_REAL, ALLOWED_SECONDS)
            try:
                form.read(path)
                read += 1
            except ChainruleError as error:
                assert str(path) in str(error), (
                    f"number {number}: the message does not name the file: {error}"
                )
                refused += 1
            except BaseException as error:
                traceback.print_exc()
                raise SystemExit(f"number {number}: {type(error).__name__}") from error
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
    return read, refused, peak_bytes() - start


def peak_bytes() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def address_space() -> int:
    """The bytes of address space in use; 0 where the system does not tell."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE") if status.exists() else 0


def main(name: str, seed: str, which: str = "", number: str = "1") -> None:
    """which: --only, the mutant of that number, or --every, each of so many."""
    form, n = FORMATS[name], int(number)
    numbers = range(n, n + 1) if which == "--only" else range(0, form.mutants, n)
    read, refused, grown = read_all(form, int(seed), numbers)
    assert read + refused == len(numbers)
    print(read, refused, grown, flush=True)


def main_of_several(seed: str, *names_and_numbers: str) -> None:
    """Each format by a process of its own, forked where the files of all have been made: name, number, name, ..."""
    named = list(zip(names_and_numbers[::2], names_and_numbers[1::2], strict=True))
    for name, _ in named:
        FORMATS[name].goods()
    for name, number in named:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                main(name, seed, "--every", number)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        if status:
            raise SystemExit(f"{name}: exit status {os.waitstatus_to_exitcode(status)}")


# The tests.


def test_there_are_ten_thousand_mutants() -> None:
    assert sum(form.mutants for form in FORMATS.values()) >= 10_000
    assert sorted(name for names in TOGETHER for name in names) == sorted(FORMATS)


@pytest.mark.skipif(sys.platform == "win32", reason="has no limits of this kind")
@pytest.mark.parametrize(
    "least", [pytest.param(30, id="some"), pytest.param(10**6, id="all", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("names", TOGETHER, ids=" and ".join)
def test_each_mutant_is_read_or_refused(
    names: tuple[str, ...], least: int, request: pytest.FixtureRequest
) -> None:
    """Warnings are errors in the child too: a damaged file prints nothing."""
    every_mutant = f"test_each_mutant_is_read_or_refused[{' and '.join(names)}-all]"
    if least == 30 and any(item.name == every_mutant for item in request.session.items):
        pytest.skip("the slow test of this run takes these mutants too")
    if any(name.startswith(("network", "graph")) for name in names):
        pytest.importorskip("onnxruntime")
    path = os.pathsep.join(filter(None, sys.path))
    from full import FULL  # which somebody who runs this file as a script does not need

    numbers = {
        name: str(min(12, max(FORMATS[name].mutants // least, 1 if FULL else FORMATS[name].every)))
        for name in names
    }
    several = [str(SEED), *(word for item in numbers.items() for word in item)]
    child = subprocess.run(
        [
            *(sys.executable, "-W", "error", __file__),
            *(several if len(names) > 1 else [names[0], str(SEED), "--every", numbers[names[0]]]),
        ],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300 * len(names),
    )
    assert child.returncode == 0, child.stderr
    assert child.stderr == ""
    for name, line in zip(names, child.stdout.splitlines(), strict=True):
        read, refused, grown = map(int, line.split())
        # Where history.json makes no sense, the checkpoint contains the records too.
        assert refused > (read + refused) / 5 or name == "history.json", (
            f"only {refused} of {name} refused: the mutations do not reach the reader"
        )
        # The checksum of a checkpoint finds all but what changes nothing; of its arrays some mutants may all be found.
        assert read > 0 or name == "checkpoint" or (name == "arrays in checkpoint" and least == 30), name
        assert grown < ALLOWED_BYTES, name


if __name__ == "__main__":
    (main if sys.argv[1] in FORMATS else main_of_several)(*sys.argv[1:])
