"""What must hold of the project as a whole: its versions, its licence, its documentation, its files."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import tomllib
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

import chainrule

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "chainrule"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SOURCES = sorted(PACKAGE.rglob("*.py"))

# Top to bottom as in docs/design.md, turned over: a module imports its own row and the rows above it.
ROWS = (
    {"errors", "core"},
    {"formulas"},
    {"network", "data"},
    {"engines", "training", "inspection", "trained", "datasets"},
    {"model"},
    {"views"},
    {"lab", "benchmark"},
    {"cli"},
)
RANK = {module: rank for rank, row in enumerate(ROWS) for module in row}


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def project_files() -> list[Path]:
    """What is, or is about to be, in the repository; in an unpacked source archive, what lies there."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        paths = [ROOT / name for name in listed.split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if ".venv" not in path.parts]
    return [path for path in paths if path.is_file()]


# --- versions and licence


def test_changelog_opens_with_the_version():
    versions = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert versions[0] in (PROJECT["version"], "Unreleased")
    assert PROJECT["version"] in versions


def test_one_version():
    assert chainrule.__version__ == PROJECT["version"]
    assert f"\nversion: {PROJECT['version']}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


def test_licence_text_is_whole():
    text = (ROOT / "LICENSE").read_text("utf-8")
    positions = [
        text.index(part)
        for part in (
            "Apache License",
            "Version 2.0, January 2004",
            "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION",
            "9. Accepting Warranty or Additional Liability.",
            "END OF TERMS AND CONDITIONS",
        )
    ]
    assert positions == sorted(positions)
    assert PROJECT["license"].startswith("Apache-2.0")


def test_embedded_data_has_its_own_licence():
    embedded = PACKAGE / "datasets" / "embedded"
    for path in (ROOT / "NOTICE", embedded / "README.md"):
        text = " ".join(path.read_text("utf-8").split())
        for part in ("MNIST", "LeCun", "Cortes", "Burges", "Attribution-ShareAlike 3.0"):
            assert part in text, f"{relative(path)} does not say {part}"


# --- documentation


def test_public_names_are_sorted():
    names = [name for name in chainrule.__all__ if name != "__version__"]
    assert names == sorted(set(names))
    assert set(chainrule.__all__) <= set(dir(chainrule))


def test_type_checkers_see_the_public_names():
    stub = ast.parse((PACKAGE / "__init__.pyi").read_text("utf-8"))
    seen = {
        alias.asname: getattr(import_module(str(node.module)), alias.name)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {name: getattr(chainrule, name) for name in chainrule.__all__ if name != "__version__"}


def test_documented_names_are_the_public_ones():
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    table = page.split("<!-- public names -->")[1].split("<!-- end of public names -->")[0]
    documented = re.findall(r"`(\w+)`", table)
    assert sorted(documented) == sorted(chainrule.__all__)


def test_every_public_module_has_its_place_in_the_documentation():
    """All at the top of the package, and of a folder that is only a shelf each module on it."""
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    documented = set(re.findall(r"automodule:: chainrule\.([\w.]+)", page))

    def modules(folder: Path) -> set[str]:
        files = [*folder.glob("*.py"), *(path.parent for path in folder.glob("*/__init__.py"))]
        return {path.stem for path in files if not path.stem.startswith("_")}

    shelves = {"core", "data", "formulas", "network", "trained", "views"}
    public = modules(PACKAGE) - shelves - {"cli"}  # cli is a command
    public |= {f"{shelf}.{module}" for shelf in shelves for module in modules(PACKAGE / shelf)}
    assert public - {"core.arrays"} <= documented
    assert {
        name for name in documented if not (PACKAGE / name.replace(".", "/")).with_suffix(".py").exists()
    } <= {name for name in documented if (PACKAGE / name.replace(".", "/") / "__init__.py").exists()}


# --- files


def test_no_file_names_a_path_of_one_machine():
    machine = re.compile(rb"(?<![\w.~-])/(?:work|root|home|Users|tmp)/\w+")
    found = [
        f"{relative(path)}: {match.group().decode()}"
        for path in project_files()
        if b"\0" not in (content := path.read_bytes())
        for match in machine.finditer(content)
    ]
    assert found == []


def test_a_long_file_says_why():
    silent = []
    for path in SOURCES:
        lines = path.read_text("utf-8").splitlines()
        if len(lines) > 300 and not lines[0].startswith("# Over 300 lines because "):
            silent.append(f"{relative(path)}: {len(lines)} lines")
    assert silent == []


VIEWS = {"views"}


class Import(NamedTuple):
    """A part of chainrule that a file imports, and whether that runs when the file is loaded."""

    module: str
    is_late: bool


def imports(path: Path) -> set[Import]:
    """All of a file's, those for type checkers and those inside functions too, which are late."""
    found: set[Import] = set()

    def visit(node: ast.AST, is_late: bool) -> None:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found.update({Import(name.split(".")[1], is_late)} if name.startswith("chainrule.") else ())
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("chainrule."):
                    found.add(Import(alias.name.split(".")[1], is_late))
        is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        is_typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.iter_child_nodes(node):
            visit(child, is_late or is_function or is_typing)

    visit(ast.parse(path.read_text("utf-8")), False)
    return {one for one in found if one.module in RANK}


def is_allowed(module: str, one: Import) -> bool:
    """What docs/design.md says of imports."""
    if RANK[one.module] <= RANK[module]:
        return True
    return one.is_late and one.module in VIEWS


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_imports_point_one_way(path: Path):
    module = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if module == "__init__":
        assert imports(path) == set()  # `import chainrule` loads nothing until a name is used
    elif module != "__main__":
        assert {one for one in imports(path) if not is_allowed(module, one)} == set()


@pytest.mark.parametrize(
    ("code", "late"),
    [
        ("from chainrule import model", False),
        ("import chainrule.model", False),
        ("if TYPE_CHECKING:\n from chainrule.model import Model", True),
        ("class A:\n def f(self):\n  from chainrule.model import Model", True),
        ("try:\n from chainrule.model import Model\nexcept ImportError: pass", False),
    ],
)
def test_every_import_is_seen(tmp_path: Path, code: str, late: bool):
    (tmp_path / "a.py").write_text(code)
    (one,) = imports(tmp_path / "a.py")
    assert one == Import("model", late)
    assert not is_allowed("formulas", one) and not is_allowed("training", one)
    assert not is_allowed("inspection", one) and is_allowed("cli", one)


def test_design_draws_the_rows():
    """The picture of docs/design.md has every module, in the row where the test above has it."""
    picture = re.search(
        r"## The picture\n\n```text\n(.*?)```", (ROOT / "docs/design.md").read_text("utf-8"), re.S
    )
    assert picture is not None
    lines = picture[1].splitlines()
    places = [
        {
            name: next((i for i, line in enumerate(lines) if re.search(rf"\b{name}\b", line)), None)
            for name in row
        }
        for row in ({name for name in row if not name.startswith("_")} for row in ROWS)
    ]
    assert [name for row in places for name, i in row.items() if i is None] == []
    for above, below in pairwise(places):
        assert max(above.values()) < min(below.values())


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_says_what_it_sets_up():
    """Each step that takes long is announced by the line before it."""
    words = ["make", "--dry-run", "--always-make", "mnist"]
    lines = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    said = [i for i, line in enumerate(lines) if line.startswith("echo ")]
    slow = [i for i, line in enumerate(lines) if " -m venv " in line or " install " in line]
    assert len(said) == len(slow) == 3 and all(a < b for a, b in zip(said, slow, strict=True))
    assert all(f"{k} of 3" in lines[i] for k, i in enumerate(said, 1))
