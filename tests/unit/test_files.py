"""Files that are whole at any instant: permissions, a full disk, JSON without NaN."""

from __future__ import annotations

import errno
import json
import math
import os
import sys

import pytest

from chainrule.core.files import to_json, write_whole


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
