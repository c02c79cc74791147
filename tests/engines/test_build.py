"""What must hold of the built module: each instruction set's code is its own, and the processor's is found."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.engines import native
from sanitized import SANITIZED

ROOT = Path(__file__).parents[2]
TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
OBJECTS = sorted(ROOT.glob(f"build/{TAG}-{TAG}-*/CMakeFiles/engine_*.dir/native/*.cpp.o"))
VECTOR = re.compile(r"^\s+[0-9a-f]+:\s+v[a-z]")  # an instruction of AVX or later

if native.REASON is not None and not os.environ.get("CI"):
    pytest.skip(native.REASON, allow_module_level=True)


def weak(path: Path) -> set[str]:
    """Functions of which the linker keeps any one, whichever object it is from."""
    listed = subprocess.run(["nm", "-C", path], capture_output=True, text=True, check=True).stdout
    return {line.split(" W ", 1)[1] for line in listed.splitlines() if " W " in line}


@pytest.mark.skipif(
    SANITIZED, reason="reads the objects of the build without a sanitizer, as a run without one does"
)
@pytest.mark.skipif(not OBJECTS, reason="no objects of a build lie here")
@pytest.mark.skipif(not (shutil.which("nm") and shutil.which("objdump")), reason="no nm, or no objdump")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="reads the instructions of x86-64")
def test_no_function_that_the_linker_may_take_from_any_set_has_vector_code():
    """Else an old processor would meet instructions that it does not have."""
    for path in OBJECTS:
        isa = path.parts[-3].removeprefix("engine_").removesuffix(".dir")
        shared = {name for name in weak(path) if f"chainrule::{isa}::" not in name}
        if isa == "baseline":
            continue
        command = ["objdump", "-dC", "--no-show-raw-insn", path]
        code, here, found = (
            subprocess.run(command, capture_output=True, text=True, check=True).stdout,
            "",
            set(),
        )
        for line in code.splitlines():
            if line.endswith(">:"):
                here = line.split(" <", 1)[1][:-2]
            elif here in shared and VECTOR.match(line):
                found.add(here)
        assert not found, isa


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
    }
    found = set(native._native.instruction_sets())
    assert all(needs[isa] <= flags for isa in found)
    built = {path.parts[-3].removeprefix("engine_").removesuffix(".dir") for path in OBJECTS}
    if built >= {"baseline", "avx2", "avx512"} and not SANITIZED:
        assert {isa for isa, wanted in needs.items() if wanted <= flags and isa in built} <= found
