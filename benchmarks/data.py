"""Training from files: what docs/data.md says of the order of rows, of memory and of rates.

    python benchmarks/data.py order            the loss after an epoch, by the order of the file and the window
    python benchmarks/data.py memory [rows]    a run in a third of the memory of its rows (Linux)
    python benchmarks/data.py rate             rows a second from memory and from a file, each in its own process
    python benchmarks/data.py large [GB [FOLDER]]
                                               an epoch of 30 GB in a third of that memory, the page cache counted too,
                                               ended by kill -9 and gone on with (Linux, where one may make a cgroup)

The files are made in the system's folder of temporary files, up to 2 GB or as many as asked for, and deleted; those of
`large` are made in FOLDER, where there is one, and stay.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from chainrule import (
    Adam,
    ArraySource,
    Callback,
    Checkpoint,
    Dense,
    Model,
    Network,
    ParquetSource,
    ReLU,
    SoftmaxCrossEntropy,
    Standardize,
)
from chainrule.data.source import Source
from chainrule.datasets import shuffled_copy
from chainrule.training import Run

CLASSES, FEATURES, GROUP, BATCH = 10, 50, 1 << 17, 256
PLAIN: dict[str, Any] = {"use_dictionary": False, "compression": "none"}


def rows(n: int, features: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw n rows and their labels, by a network of one hidden layer and noise: X (n, features), y (n,)."""
    fixed, draw = np.random.default_rng(99), np.random.default_rng(seed)
    W = fixed.normal(size=(features, 32)).astype(np.float32) / np.float32(features**0.5)
    V = fixed.normal(size=(32, CLASSES)).astype(np.float32)
    X = draw.standard_normal((n, features), np.float32)
    return X, (np.tanh(2 * X @ W) @ V + 0.3 * draw.gumbel(size=(n, CLASSES))).argmax(1)


def table(X: np.ndarray, y: np.ndarray) -> pa.Table:
    """Return rows as columns x0, x1, ... and y."""
    return pa.table({f"x{k}": X[:, k] for k in range(X.shape[1])} | {"y": y})


def model(features: int, hidden: int, seed: int, *first: Any) -> Model:
    """Return a new model that knows its labels."""
    made = Model(
        Network(features, [*first, Dense(hidden), ReLU(), Dense(CLASSES)], SoftmaxCrossEntropy()), seed=seed
    )
    made.classes = np.arange(CLASSES)
    return made


def order(folder: Path) -> None:
    """Print the loss on other rows after an epoch, the mean of three seeds."""
    X, y = rows(200_000, 20, 0)
    X, y = X[by_label := np.argsort(y, kind="stable")], y[by_label]
    held_out, path = rows(20_000, 20, 1), folder / "sorted.parquet"
    parquet.write_table(table(X, y), path, row_group_size=4000, **PLAIN)
    shuffled_copy(path, folder / "shuffled", row_group_size=4000)

    def source(name: str, **settings: Any) -> Callable[[], Source]:
        return lambda: ParquetSource(folder / name, target="y", **settings)

    for name, made in {
        "arrays": lambda: ArraySource(X, y),
        "sorted, exact, 16,000": source("sorted.parquet", shuffle="exact", window=16_000),
        "sorted, blocks, 16,000": source("sorted.parquet", window=16_000),
        "sorted, blocks, 4,000": source("sorted.parquet", window=4000),
        "shuffled once, blocks, 16,000": source("shuffled", window=16_000),
        "shuffled once, blocks, 4,000": source("shuffled", window=4000),
    }.items():
        losses = []
        for seed in range(3):
            how = {"epochs": 1, "batch_size": 128, "optimizer": Adam(2e-3), "validation_data": held_out}
            losses.append(model(20, 64, seed).fit(made(), **how)[-1]["val_loss"])
        print(f"{name}: {np.mean(losses):.3f}, from {min(losses):.3f} to {max(losses):.3f}", flush=True)


def memory(folder: Path, n: str = "4194304") -> None:
    """Run in a process that may not allocate more than a third of its rows."""
    group = int(n) // 32
    for k in range(8):
        some = table(*rows(4 * group, FEATURES, k))
        parquet.write_table(some, folder / f"{k}.parquet", row_group_size=group, **PLAIN)
    run("within", str(folder))


def within(folder: str) -> None:
    """Train and validate in a third of the memory that the rows take, beside what there is after reading a block."""
    import resource

    def of_process(name: str) -> int:
        line = next(
            line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
        )
        return int(line.split()[1]) << 10

    model(FEATURES, 64, 0).fit(np.zeros((512, FEATURES), np.float32), np.arange(512) % CLASSES, epochs=1)
    held_out = ParquetSource(f"{folder}/7.parquet", target="y")
    group = len(held_out.read(0).X)
    source = ParquetSource(folder, target="y", window=group)
    size = int(source.sizes.sum()) * (4 * FEATURES + 8)
    limit, before = of_process("VmData") + size // 3, of_process("VmRSS")
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    history = model(FEATURES, 64, 0, Standardize()).fit(
        source, validation_data=held_out, epochs=1, batch_size=256
    )
    peak = of_process("VmHWM")
    print(
        f"{size >> 20} MB of rows, {size // 3 >> 20} MB to allocate: resident from {before >> 20} to {peak >> 20} MB, "
        f"val_loss {history[-1]['val_loss']:.3f}"
    )


def large(folder: Path, gigabytes: str = "30", kept: str = "") -> None:
    """Train an epoch on files of so many GB in a third of that memory: whole, and again with kill -9 in its middle."""
    folder, size = Path(kept) if kept else folder, float(gigabytes) * 1e9
    file_rows = 16 * GROUP
    for k in range(max(1, round(size / (4 * FEATURES + 8) / file_rows))):
        path = folder / f"{k:03}.parquet"
        if not path.exists():
            with parquet.ParquetWriter(
                folder / "part", table(*rows(1, FEATURES, 0)).schema, **PLAIN
            ) as writer:
                for group in range(16):
                    writer.write_table(table(*rows(GROUP, FEATURES, 16 * k + group)))
            (folder / "part").rename(path)
    files = sorted(folder.glob("*.parquet"))
    limit = sum(path.stat().st_size for path in files) // 3
    print(
        f"{len(files)} files of {3 * limit / 1e9:.1f} GB, {limit / 1e9:.1f} GB of memory for all", flush=True
    )
    run("timed", str(files[0]), "memory", "64", CHAINRULE_NUM_THREADS="1")
    with cgroup(limit) as group:
        whole, halved = folder / "whole.safetensors", folder / "halved.safetensors"
        for checkpoint in (whole, halved):
            checkpoint.unlink(missing_ok=True)
        command = [sys.executable, __file__, "streamed", str(folder)]
        within_group: dict[str, Any] = {
            "env": os.environ | {"CHAINRULE_NUM_THREADS": "1"},
            "preexec_fn": partial(join, group),
        }
        subprocess.run([*command, str(whole)], check=True, **within_group)
        half = len(files) * file_rows // BATCH // 2
        with subprocess.Popen(
            [*command, str(halved), "watched"], stdout=subprocess.PIPE, text=True, **within_group
        ) as process:
            assert process.stdout is not None
            while int(process.stdout.readline()) < half:
                pass
            process.kill()
        subprocess.run([*command, str(halved)], check=True, **within_group)


class Watch(Callback):
    """Remember the step at which a run begins and the time of it, and print the step where one is watched."""

    looks_inside = False

    def __init__(self, is_watched: bool) -> None:
        """Store what is asked for."""
        self.is_watched = is_watched

    def on_train_begin(self, run: Run) -> None:
        """Remember."""
        self.first, self.clock, self.processor = run.step, time.perf_counter(), time.process_time()

    def on_steps(self, run: Run) -> None:
        """Print the step."""
        if self.is_watched:
            print(run.step, flush=True)


def streamed(folder: str, checkpoint: str, how: str = "") -> None:
    """Train an epoch from files, from the last checkpoint on if there is one; print the rate and a checksum."""
    source, made, watch = ParquetSource(folder, target="y"), model(FEATURES, 64, 0), Watch(how == "watched")
    made.fit(
        source,
        epochs=1,
        batch_size=BATCH,
        callbacks=[watch, Checkpoint(checkpoint, every_steps=20_000)],
        resume=checkpoint if Path(checkpoint).exists() else None,
    )
    clock, processor = time.perf_counter() - watch.clock, time.process_time() - watch.processor
    n = (int(source.sizes.sum()) - BATCH * watch.first) / 1e6
    peak = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    print(
        f"from step {watch.first:,} on {n:.1f} million rows in {clock:.1f} s: {n / clock:.2f} million a second by the "
        f"clock, {processor / n:.2f} us of processor time a row; resident at most {int(peak.split()[1]) >> 10} MB; "
        f"theta {theta_of(made)}",
        flush=True,
    )


def theta_of(made: Model) -> str:
    """Return the start of a checksum of the parameters."""
    return hashlib.sha256(made.theta.tobytes()).hexdigest()[:16]


@contextmanager
def cgroup(limit: int) -> Iterator[Path]:
    """Make a cgroup of version 1 or 2 whose processes have so many bytes together, page cache included."""
    root = Path("/sys/fs/cgroup")
    first = (root / "memory").is_dir()
    group = (root / "memory" if first else root) / f"chainrule-{os.getpid()}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if first else "memory.max")).write_text(str(limit))
    except OSError as error:
        sys.exit(f"no cgroup with a limit of memory can be made ({error}); run this as root, with cgroups.")
    try:
        yield group
    finally:
        group.rmdir()


def join(group: Path) -> None:
    """Put this process into a cgroup."""
    (group / "cgroup.procs").write_text(str(os.getpid()))


def rate(folder: Path) -> None:
    """Print the rows a second of the second and third epoch."""
    path = folder / "of.parquet"
    with parquet.ParquetWriter(path, table(*rows(1, FEATURES, 0)).schema, **PLAIN) as writer:
        for k in range(16):
            writer.write_table(table(*rows(GROUP, FEATURES, k)))
    for hidden, threads in ((64, 1), (64, 2), (256, 1)):
        for how in ("memory", "blocks", "exact"):
            run("timed", str(path), how, str(hidden), CHAINRULE_NUM_THREADS=str(threads))


def timed(path: str, how: str, hidden: str) -> None:
    """Print the rate of one run."""
    source = ParquetSource(
        path, target="y", shuffle="exact" if how == "exact" else "blocks", folder=Path(path).parent
    )
    data: tuple[Any, ...] = (source,)
    if how == "memory":
        blocks = list(source)
        data = np.concatenate([each.X for each in blocks]), np.concatenate([each.y for each in blocks])
        del blocks
    marks: list[tuple[float, float]] = []
    model(FEATURES, int(hidden), 0).fit(
        *data,
        epochs=3,
        batch_size=256,
        callbacks=[lambda run: marks.append((time.perf_counter(), time.process_time()))],
    )
    clock, processor = (marks[2][k] - marks[0][k] for k in (0, 1))
    n = 2 * int(source.sizes.sum()) / 1e6
    threads = os.environ["CHAINRULE_NUM_THREADS"]
    print(
        f"50-{hidden}-10, {threads} threads, {how}: {n / clock:.2f} million rows a second by the clock, "
        f"{processor / n:.2f} us of processor time a row",
        flush=True,
    )


def run(name: str, *arguments: str, **environment: str) -> None:
    """Run a function of this file in a process of its own."""
    subprocess.run([sys.executable, __file__, name, *arguments], env=os.environ | environment, check=True)


if __name__ == "__main__":
    asked, *rest = sys.argv[1:] or [""]
    inner: dict[str, Callable[..., None]] = {"within": within, "timed": timed, "streamed": streamed}
    outer: dict[str, Callable[..., None]] = {"order": order, "memory": memory, "rate": rate, "large": large}
    if asked in inner:
        inner[asked](*rest)
    elif asked in outer:
        with tempfile.TemporaryDirectory() as made:
            outer[asked](Path(made), *rest)
    else:
        sys.exit(__doc__)
