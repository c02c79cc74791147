"""The loops in which a step spends its time keep their vectors in registers, whichever compiler is there.

On the stack a tile's sums would take as long as their products: Clang's AVX-512 engine had half of GCC's speed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from assembly import VECTOR_ON_STACK

ROOT = Path(__file__).parents[2]
CMAKE = (ROOT / "CMakeLists.txt").read_text()
COMPILERS = ["g++", "clang++", *(f"clang++-{version}" for version in range(16, 30)), "aarch64-linux-gnu-g++"]
SETS = {"x86_64": ("avx512", "avx2"), "aarch64": ("baseline",)}
"""The sets of each processor; SSE2 has too few registers for what surrounds a tile's sums."""
LABEL = re.compile(r"^(\.L\w+|_Z\w+):")
JUMP = re.compile(r"^\s+(?:j\w+|b\.?\w*|[ct]bn?z)\s.*?(\.L\w+)$")
PRODUCT = re.compile(r"^\s+(?:vfmadd\d+p[sd]|v?mulp[sd]|fml[as])\s")
SUM = re.compile(r"^\s+(?:v?(?:add|sub|mul)ss|f(?:add|sub|mul)\s+s\d)")
"""Arithmetic of a single float."""


class Loop(NamedTuple):
    """An innermost loop: its function, its products of vectors, and those read from the stack or written there."""

    function: str
    products: int
    on_stack: int


def loops(assembly: str) -> Iterator[Loop]:
    """Yield the innermost loops of a file: what lies between a label and the first jump back to it."""
    function, labels, lines, last = "", {}, assembly.splitlines(), -1
    for at, line in enumerate(lines):
        if label := LABEL.match(line):
            labels[label[1]] = at
            function = label[1] if label[1].startswith("_Z") else function
        elif (jump := JUMP.match(line.split("#")[0].rstrip())) and labels.get(jump[1], -1) > last:
            body, last = lines[labels[jump[1]] : at], at
            yield Loop(
                function,
                sum(map(bool, map(PRODUCT.match, body))),
                sum(map(bool, map(VECTOR_ON_STACK.search, body))),
            )


def single(assembly: str, function: str) -> list[str]:
    """Return the arithmetic of single floats in the functions of a name."""
    found, here = [], False
    for line in assembly.splitlines():
        if line.startswith("_Z"):
            here = function in line
        elif here and SUM.match(line):
            found.append(line)
    return found


def flags(compiler: str, name: str) -> list[str]:
    """Return what CMakeLists.txt has a compiler optimize with, and compile for an instruction set with."""
    others, gnu = re.findall(r"set\(OPTIMIZE (-O[23][^)]*)\)", CMAKE)
    always = re.search(r"target_compile_options\(\S+ PRIVATE \S+ (.*) \$", CMAKE)[1]
    own = re.search(rf"set\(FLAGS_{name} ([^)]*)\)", CMAKE)[1].replace('""', "")
    return [*(others if "clang" in compiler else gnu).split(), *always.split(), *own.split()]


def cases() -> Iterator[tuple[str, str]]:
    """Yield each compiler that is there and writes assembly that can be read, and each of its sets."""
    for compiler in filter(shutil.which, COMPILERS):
        told = subprocess.run([compiler, "-dumpmachine"], capture_output=True, text=True, check=True).stdout
        if "linux" in told:
            yield from ((compiler, name) for name in SETS.get(told.split("-")[0], ()))


@pytest.mark.slow
@pytest.mark.parametrize(("compiler", "name"), list(cases()))
def test_no_vector_of_a_hot_loop_lies_on_the_stack(compiler, name):
    command = [
        compiler,
        "-std=c++20",
        *flags(compiler, name),
        "-fPIC",
        f"-DCHAINRULE_ISA={name}",
        f"-DCHAINRULE_FOR_{name}",
    ]
    command += [f"-I{ROOT / 'native'}", "-S", "-o", "-", str(ROOT / "tests/support/hot_loops.cpp")]
    assembly = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = list(loops(assembly))

    rows = 6 if name == "avx2" else 12
    tiles = [loop for loop in found if "_tileI" in loop.function and loop.products >= 2 * rows]
    assert (
        len({loop.function for loop in tiles}) == 5
    )  # forward and gradient, of all terms and of some; in blocks of 32
    assert all(loop.on_stack == 0 for loop in tiles), tiles
    rules = [loop for loop in found if "updateI" in loop.function and loop.products > 0]
    assert len(rules) >= 9  # the running maximum of |w| is an array, which may be read and written once
    assert all(loop.on_stack <= 2 for loop in rules), rules
    assert "times_prime_rows" in assembly and single(assembly, "times_prime_rows") == []
