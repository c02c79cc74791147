"""The build of the engine for web pages, by a compiler that only notes that it was called."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sources import tree_of

ROOT = Path(__file__).parents[2]
COMPILER = """#!/bin/sh
echo "$@" >>"$CALLS"
while [ "$1" != -o ]; do shift; done
sleep 0.2
echo compiled >"$2"
"""


@pytest.mark.slow
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


BUILDERS = ("web_engine", "static_pages")
COMPILING = {"built", "pages", "run"}
"""What of the modules web_engine and static_pages, and which fixture, has the engine compiled."""


def takes_the_engine(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.ImportFrom) and node.module in BUILDERS for node in tree.body)


def is_slow(marked: list[ast.expr]) -> bool:
    return "pytest.mark.slow" in " ".join(map(ast.unparse, marked))


def quick_ones(tree: ast.Module) -> list[str]:
    """The tests of a file that have the engine compiled and are not slow."""
    marks = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and "pytestmark" in ast.dump(node)
    ]
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        if not is_slow([*marks, *node.decorator_list])
        if COMPILING & {getattr(part, "id", getattr(part, "arg", None)) for part in ast.walk(node)}
    ]


def test_whoever_has_the_engine_compiled_is_slow():
    """It takes forty seconds of a processor, which make test does without."""
    named = [
        path
        for path in (ROOT / "tests").glob("*/test_*.py")
        if any(module in path.read_text("utf-8") for module in BUILDERS)
    ]
    files = [path for path in named if takes_the_engine(tree_of(path))]
    assert len(files) > 3
    assert {path.name: found for path in files if (found := quick_ones(tree_of(path)))} == {}


def test_a_quick_test_that_has_it_compiled_is_seen():
    text = "from web_engine import run\n@pytest.mark.slow\ndef test_a(): run(1)\ndef test_b(): run(2)\n"
    assert takes_the_engine(ast.parse(text)) and quick_ones(ast.parse(text)) == ["test_b"]
    assert quick_ones(ast.parse(text + "pytestmark = pytest.mark.slow")) == []
    assert quick_ones(ast.parse("def test_a(pages): ...\ndef test_b(tmp_path): ...")) == ["test_a"]
