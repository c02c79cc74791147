"""Files that are whole at any instant: permissions, a full disk, killed writers; what is no file; JSON."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import chainrule as c
from chainrule import datasets
from chainrule.core.files import is_modest_json, to_json, write_whole
from chainrule.training import checkpoint


@pytest.mark.skipif(sys.platform == "win32", reason="has no such permissions")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_new_file(tmp_path, mask, monkeypatch):
    """The umask belongs to the whole process: another thread's file would get what is set for an instant here."""
    before = os.umask(mask)
    try:
        monkeypatch.setattr(os, "umask", lambda _: pytest.fail("the umask was changed"))
        write_whole(tmp_path / "new", b"1")
        (tmp_path / "plain").write_bytes(b"1")
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path, call, monkeypatch):
    path = tmp_path / "model"
    write_whole(path, b"old")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left") as raised:
        write_whole(path, b"new")
    monkeypatch.undo()
    assert raised.value.filename == str(path) and raised.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == ["model"] and path.read_bytes() == b"old"


def test_json_has_null_for_what_it_cannot_hold():
    value = {"a": [1.5, math.nan, (math.inf, -math.inf)], "b": {"c": "NaN", "d": None}}
    text = to_json(value, indent=1)
    refuse = {"parse_constant": lambda word: pytest.fail(word)}
    assert json.loads(text, **refuse) == {"a": [1.5, None, [None, None]], "b": {"c": "NaN", "d": None}}


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_what_a_killed_writer_left_is_removed_and_a_living_ones_file_stays(tmp_path: Path):
    path = tmp_path / "model"
    program = (
        "import os, sys; from chainrule.core.files import write_whole\n"
        "os.fsync = lambda _: (print('writing', flush=True), sys.stdin.read())\n"
        "write_whole(sys.argv[1], b'theirs')"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None and other.stdout.readline() == "writing\n"
        (theirs,) = tmp_path.iterdir()
        write_whole(path, b"mine")
        assert theirs.exists() and path.read_bytes() == b"mine"
        other.kill()
    write_whole(tmp_path / "another", b"2")
    assert theirs.exists()
    write_whole(path, b"again")
    assert sorted(os.listdir(tmp_path)) == ["another", "model"] and path.read_bytes() == b"again"


def test_files_that_no_writer_made_stay(tmp_path: Path):
    names = [
        ".model.tmp",
        ".model.0123456789abcdef.txt",
        ".model2.0123456789abcdef.tmp",
        "model.0123456789abcdef.tmp",
    ]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".model.0123456789abcdef.tmp").mkdir()
    write_whole(tmp_path / "model", b"1")
    assert set(os.listdir(tmp_path)) == {*names, ".model.0123456789abcdef.tmp", "model"}


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be removed")
def test_a_file_that_another_process_took_for_a_dead_writers_is_written_anew(tmp_path, monkeypatch):
    taken, flush = [], os.fsync

    def fsync(handle: int) -> None:
        if not taken:
            taken.extend(tmp_path.iterdir())
            taken[0].unlink()
        flush(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(tmp_path / "model", b"whole")
    assert len(taken) == 1 and os.listdir(tmp_path) == ["model"]
    assert (tmp_path / "model").read_bytes() == b"whole"


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Named pipes to which a thread writes nothing, so that who opens one does not wait for ever."""
    done, fed = threading.Event(), list[tuple[Path, threading.Thread]]()

    def feed(path: Path) -> None:
        while not done.is_set():
            os.close(os.open(path, os.O_WRONLY))

    def made(name: str) -> Path:
        os.mkfifo(path := tmp_path / name)
        fed.append((path, threading.Thread(target=feed, args=(path,), daemon=True)))
        fed[-1][1].start()
        return path

    yield made
    done.set()
    for path, thread in fed:
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        thread.join()
        os.close(reader)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
@pytest.mark.parametrize(
    ("read", "name"),
    [
        (c.load, "p"), (c.Ensemble.load, "p"), (c.MLPClassifier.load, "p"), (checkpoint.read, "p"),
        (datasets.read_idx, "p"), (datasets.read_npy, "p"), (datasets.load_npz, "p"), (datasets.read_digit, "p"),
        (datasets.read_table, "p.csv"), (datasets.read_table, "p.parquet"), (datasets.read_table, "p.arrow"),
        (lambda path: c.ParquetSource(path, target="y"), "p.parquet"),
        (lambda path: c.ParquetSource(path, target="y"), "p.arrow"),
        (lambda path: datasets.shuffled_copy(path, path.parent / "out"), "p.parquet"),
    ],
)  # fmt: skip
def test_a_pipe_is_refused(read: Callable[[Path], Any], name: str, pipe: Callable[[str], Path]):
    path = pipe(name)
    with pytest.raises(c.FormatError, match=f"{name} is not a regular file; give the path of a file"):
        read(path)


@pytest.mark.parametrize(
    ("text", "is_modest"),
    [
        ('[1, {"a": [2]}]', True),
        ("[[], [], []]", True),
        ("[[], [], [], []]", False),
        ("[1, 2, 3, 4, 5]", False),
        (r'["[[[[[", "a\\\"{{{{{", ",,,,,"]', True),
        ("[" * 256 + "]" * 256, False),
        ("]][", True),
    ],
)
def test_how_much_json_holds(text: str, is_modest: bool):
    assert is_modest_json(text, 4, 3) == is_modest


def test_how_deep_json_nests():
    for depth, is_modest in ((256, True), (256 + 1, False)):
        assert is_modest_json("[" * depth + "]" * depth, 1000, 0) == is_modest
