"""A folder has one run at a time: a second is refused, whoever reads is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule import ConfigError
from chainrule.recipe import folder

HOLDER = """
import sys, time
from pathlib import Path
from chainrule.recipe import folder
with folder.locked(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(600)
"""


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.fixture
def run(command, tables, tmp_path) -> Path:
    command("train", tables["two"], "--epochs", 1, "--out", "run", "--quiet")
    return tmp_path / "run"


def test_a_second_run_is_refused_and_the_first_loses_nothing(command, tables, run):
    half = run / ".checkpoint.safetensors.0123.tmp"
    half.write_bytes(b"half")
    with folder.locked(run):
        before = contents(run)
        for arguments in (
            (tables["two"], "--out", "run", "--overwrite"),
            (tables["words"], "--out", "run"),
            ("run", "--resume"),
            (tables["two"], "--out", "run", "--resume"),
        ):
            result = command("train", *arguments, code=2)
            assert result.stderr.startswith("Error: another process is training in run; wait until it ends")
            assert len(result.stderr.splitlines()) == 1 and not result.stdout
        assert contents(run) == before
        for arguments in (
            ("info", "run"),
            ("evaluate", "run", tables["two"]),
            ("predict", "run", tables["two"]),
        ):
            command(*arguments)
        assert contents(run) == before
    command("train", "run", "--resume")
    assert not half.exists() and not (run / folder.LOCK).exists()


def test_a_folder_that_does_not_exist_yet_is_locked_too(command, tables, tmp_path):
    with folder.locked(tmp_path / "new" / "run"):
        command("train", tables["two"], "--out", "new/run", code=2)
    command("train", tables["two"], "--epochs", 1, "--out", "new/run")


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_a_killed_process_holds_no_lock(command, run):
    words = [sys.executable, "-c", HOLDER, str(run)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
        command("train", "run", "--resume", code=2)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert (run / folder.LOCK).exists()
    command("train", "run", "--resume")
    assert not (run / folder.LOCK).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="deletes no open file")
def test_a_lock_is_on_the_file_that_others_see(tmp_path, monkeypatch):
    """The last holder deletes its file, maybe between another's opening and locking it."""
    lock, deleted = folder._lock, []

    def late(handle: int) -> None:
        if not deleted:
            deleted.append((tmp_path / folder.LOCK).unlink())
        lock(handle)

    monkeypatch.setattr(folder, "_lock", late)
    with (
        folder.locked(tmp_path),
        pytest.raises(ConfigError, match="another process"),
        folder.locked(tmp_path),
    ):
        pass
    assert deleted and os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="deletes no open file")
def test_the_lock_of_a_folder_that_was_made_anew_is_left_alone(tmp_path):
    run = tmp_path / "run"
    with folder.locked(run):
        (run / folder.LOCK).unlink()
        run.rmdir()
        second = folder.locked(run)
        second.__enter__()
    with pytest.raises(ConfigError, match="another process"), folder.locked(run):
        pass
    second.__exit__(None, None, None)
    assert os.listdir(run) == []


def test_a_file_system_without_locks_is_no_obstacle(tmp_path, monkeypatch):
    import errno

    def unknown(_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(folder, "_lock", unknown)
    with folder.locked(tmp_path):
        pass
    assert os.listdir(tmp_path) == []
