"""What must hold of the built module: each instruction set's code is its own, and the processor's is found."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from assembly import VECTOR_ON_STACK
from chainrule.engines import native
from sanitized import SANITIZED

ROOT = Path(__file__).parents[2]
TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
OBJECTS = sorted(ROOT.glob(f"build/{TAG}-{TAG}-*/CMakeFiles/engine_*.dir/*/*.o"))
VECTOR = re.compile(r"^\s+[0-9a-f]+:\s+v[a-z]")  # an instruction of AVX or later
TILE = re.compile(
    r"_tile<\w+, (\d+), 2, chainrule::\w+::All>\("
)  # the kernel of a tile, and its number of rows

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)


def weak(path: Path) -> set[str]:
    """Functions of which the linker keeps any one, whichever object it is from."""
    listed = subprocess.run(["nm", "-C", path], capture_output=True, text=True, check=True).stdout
    return {line.split(" W ", 1)[1] for line in listed.splitlines() if " W " in line}


@cache
def functions(path: Path) -> dict[str, list[str]]:
    """The instructions of each function."""
    command = ["objdump", "-dC", "--no-show-raw-insn", path]
    found: dict[str, list[str]] = {}
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        if line.endswith(">:"):
            here = found.setdefault(line.split(" <", 1)[1][:-2], [])
        elif line.startswith(" "):
            here.append(line)
    return found


def reads_objects(test):
    """Mark a test that reads the instructions of the objects that a build has left."""
    for condition, reason in (
        (SANITIZED, "reads the objects of the build without a sanitizer, as a run without one does"),
        (not OBJECTS, "no objects of a build lie here"),
        (not (shutil.which("nm") and shutil.which("objdump")), "no nm, or no objdump"),
        (platform.machine() != "x86_64", "reads the instructions of x86-64"),
    ):
        test = pytest.mark.skipif(condition, reason=reason)(test)
    return test


@reads_objects
def test_no_function_that_the_linker_may_take_from_any_set_has_vector_code():
    """Else an old processor would meet instructions that it does not have."""
    for path in OBJECTS:
        isa = path.parts[-3].removeprefix("engine_").removesuffix(".dir")
        if isa == "baseline":
            continue
        shared = {name for name in weak(path) if f"chainrule::{isa}::" not in name}
        found = {
            name for name in shared & set(functions(path)) if any(map(VECTOR.match, functions(path)[name]))
        }
        assert not found, isa


@reads_objects
def test_the_sums_of_a_whole_tile_stay_in_registers():
    """From their first number to the last: on the stack they would take as long as the products of a narrow layer."""
    for path in OBJECTS:
        tiles = {
            name: code
            for name, code in functions(path).items()
            if (tile := TILE.search(name)) and tile[1] in ("6", "12")
        }
        assert tiles, path
        for name, code in tiles.items():
            assert sum(map(bool, map(VECTOR_ON_STACK.search, code))) < 8, (path.parts[-3], name)


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="no /proc/cpuinfo")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the sets of x86-64")
def test_the_sets_are_those_of_the_processor():
    flags = set(re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)[1].split())
    needs = {
        "baseline": set(),
        "avx2": {"avx2", "fma"},
        "wide": {"avx2", "fma"},
        "avx512": {"avx512f", "avx512dq", "avx512bw", "avx512vl"},
        "avx512bf16": {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512_bf16"},
        "amx": {"avx512f", "avx512dq", "avx512bw", "avx512vl", "amx_bf16", "amx_tile"},
        "wide_tiles": {"avx2", "fma"},
    }
    found = set(native._native.instruction_sets())
    assert all(needs[isa] <= flags for isa in found)
    built = {path.parts[-3].removeprefix("engine_").removesuffix(".dir") for path in OBJECTS}
    built |= {"avx512bf16"} if "avx512" in built else set()  # the same engine, with its kernels of pairs
    if built >= {"baseline", "avx2", "avx512"} and not SANITIZED:
        assert {isa for isa, wanted in needs.items() if wanted <= flags and isa in built} <= found
