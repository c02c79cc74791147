"""The build of the engine for web pages, by a compiler that only notes that it was called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPILER = """#!/bin/sh
echo "$@" >>"$CALLS"
while [ "$1" != -o ]; do shift; done
sleep 0.2
echo compiled >"$2"
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no flock and no sh")
def test_of_processes_that_build_at_once_one_compiles(tmp_path):
    """As the workers of a test run do; a build after them compiles nothing either."""
    compiler, calls, folder = tmp_path / "em++", tmp_path / "calls", tmp_path / "web"
    compiler.write_text(COMPILER)
    compiler.chmod(0o755)
    there = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "CALLS": str(calls)}
    command = [sys.executable, str(ROOT / "native/build_web.py"), str(folder)]
    running = [subprocess.Popen(command, env=there, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0] for process in running] == [f"{folder}\n"] * 2
    compiled = calls.read_text().splitlines()
    assert (
        len(compiled) == len(set(compiled)) and sum(" -c " in call for call in compiled) == len(compiled) - 1
    )
    subprocess.run(command, env=there, check=True)
    assert calls.read_text().splitlines() == compiled
    assert (folder / "engine.wasm").read_text() == "compiled\n"
    assert {"activations.js", "calls.js", "description.json"} < {path.name for path in folder.iterdir()}
