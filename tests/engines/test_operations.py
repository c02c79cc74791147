"""A native operation owns itself: `native/ops/` and its line in `native/enumerations.h` alone know of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"
LIST = re.search(
    r"#define CHAINRULE_OPS\(X\)(.*?)\n\n", (NATIVE / "enumerations.h").read_text("utf-8"), re.DOTALL
)[1]
OPERATIONS = re.findall(r"X\((\w+),", LIST)
ENGINE = sorted(path for path in NATIVE.iterdir() if path.suffix in (".h", ".cpp"))
CLASSES = "\n".join(path.read_text("utf-8") for path in (NATIVE / "ops").iterdir())


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.name)
def test_no_file_of_the_engine_names_an_operation(path: Path):
    code = re.sub(r"//.*", "", path.read_text("utf-8"))
    assert not re.findall(r"\bKind::\w+|\bops::(?!Operation\b)\w+", code)


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_is_a_class_that_says_its_shapes(name: str):
    """A few words before `forward` and `backward`: what comes in, what comes out."""
    found = re.search(rf"^(?:struct|class|using) {name}\b", CLASSES, re.MULTILINE)
    assert found
    body = CLASSES[found.start() :]
    for way in ("void forward(", "void backward("):
        comment = re.search(r"((?:^ *//.*\n)+)[^\n/]*" + re.escape(way), body, re.MULTILINE)
        assert name == "grouped_dense" or "(batch" in comment[1], (name, way)
