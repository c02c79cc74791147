"""What must hold of the project as a whole: its versions, its licence, its documentation, its files."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import tomllib
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import chainrule
from sources import tree_of

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "chainrule"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SOURCES = sorted(PACKAGE.rglob("*.py"))

# From the top of docs/design.md's picture to its bottom: a module imports what stands before it, never after.
ORDER = (
    *("errors", "core", "distributed", "formulas", "network", "data", "datasets", "engines", "trained"),
    *("graph", "export", "training", "ray"),
    *(
        "inspection",
        "model",
        *("tables", "trust", "presets", "fitting", "race", "explain", "bound"),
        "estimators",
        "mlflow",
        "tracking",
        "recipe",
        "views",
        "lab",
        "serve",
        "studio",
        "cli",
    ),
)
"""The rooms from top to bottom, see the picture in docs/design.md."""
RANK = {module: rank for rank, module in enumerate(ORDER)}


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
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    seen = {
        name: getattr(import_module(str(node.module)), name)
        for node in next(node for node in tree.body if isinstance(node, ast.If)).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        for name in (import_module(str(node.module)).__all__ if alias.name == "*" else [alias.name])
    }
    assert seen == {name: getattr(chainrule, name) for name in chainrule.__all__}


def test_documented_names_are_the_public_ones():
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    table = page.split("<!-- public names -->")[1].split("<!-- end of public names -->")[0]
    documented = re.findall(r"`(\w+)`", table)
    assert sorted(documented) == sorted(chainrule.__all__)


def test_every_public_module_has_its_place_in_the_documentation():
    """All at the top of the package, and of a folder that is only a shelf each module on it."""
    pages = sorted((ROOT / "docs" / "reference").glob("*.md"))
    described = [
        name
        for page in pages
        for name in re.findall(r"automodule:: chainrule\.([\w.]+)", page.read_text("utf-8"))
    ]
    documented = set(described)
    assert len(described) == len(documented)

    def modules(folder: Path) -> set[str]:
        files = [*folder.glob("*.py"), *(path.parent for path in folder.glob("*/__init__.py"))]
        return {path.stem for path in files if not path.stem.startswith("_")}

    shelves = {"core", "data", "formulas", "model", "network", "recipe", "trained", "export", "views"}
    beneath = {"tables", "trust", "presets", "fitting", "race", "explain", "bound"}  # on the estimators' page
    public = modules(PACKAGE) - shelves - beneath - {"cli"}  # cli is a command
    public |= {f"{shelf}.{module}" for shelf in shelves for module in modules(PACKAGE / shelf)}
    assert public - {"core.arrays", "core.version"} <= documented
    assert {f"chainrule.{name}" for name in documented} <= MODULES
    overview = (ROOT / "docs" / "api.md").read_text("utf-8")
    assert [page.name for page in pages] == sorted(re.findall(r"\]\(reference/(\w+\.md)\)", overview))


# --- files


def test_every_room_has_its_folder_of_tests():
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    others = {"golden", "platforms", "project", "sanitizers", "support"}
    listed = [
        path.relative_to(ROOT / "tests") for path in project_files() if (ROOT / "tests") in path.parents
    ]
    assert {path.parts[0] for path in listed if len(path.parts) > 1} == rooms | others
    assert [path.name for path in listed if len(path.parts) == 1] == ["conftest.py"]


def test_what_the_sanitizers_run_is_there():
    """Of the files and tests that tests/sanitizers/run.sh names."""
    script, engines = (
        (ROOT / "tests" / "sanitizers" / "run.sh").read_text("utf-8"),
        ROOT / "tests" / "engines",
    )
    files = [name for names in re.findall(r"\$e/test_\{([\w,]+)\}\.py", script) for name in names.split(",")]
    tests = re.findall(r"\$e/(test_\w+\.py)::test_(?:\{([\w,]+)\}|(\w+))", script)
    assert len(files) > 10 and len(tests) > 5
    assert [name for name in files if not (engines / f"test_{name}.py").exists()] == []
    missing = [
        f"{file}: test_{name}"
        for file, several, one in tests
        for name in (several or one).split(",")
        if f"\ndef test_{name}(" not in (engines / file).read_text("utf-8")
    ]
    assert missing == []


def test_the_sanitizers_are_run_again_when_the_engine_changes(tmp_path: Path):
    """The checksum of what they depend on follows the contents of these files, and of no other."""
    script = tmp_path / "tests" / "sanitizers" / "run.sh"
    script.parent.mkdir(parents=True)
    script.write_bytes((ROOT / "tests" / "sanitizers" / "run.sh").read_bytes())
    engine, other = tmp_path / "native" / "engine.cpp", tmp_path / "README.md"
    engine.parent.mkdir()
    found = []
    for written, text in ((engine, "1"), (other, "1"), (other, "2"), (engine, "2"), (engine, "1")):
        written.write_text(text, "utf-8")
        for command in (["git", "init", "-q"], ["git", "add", "."], ["bash", str(script), "", "--inputs"]):
            run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        found.append(run.stdout.strip())
    first, *then = found
    assert re.fullmatch("[0-9a-f]{64}", first) and [each == first for each in then] == [
        True,
        True,
        False,
        True,
    ]


def test_no_file_names_a_path_of_one_machine():
    machine = re.compile(rb"(?<![\w.~-])/(?:work|root|home|Users|tmp)/\w+")
    found = [
        f"{relative(path)}: {match.group().decode()}"
        for path in project_files()
        if b"\0" not in (content := path.read_bytes())
        for match in machine.finditer(content)
    ]
    assert found == []


def module_of(path: Path) -> str:
    """src/chainrule/core/files.py is chainrule.core.files, and a package's __init__.py the package."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in PACKAGE.rglob("*.py*") if path.suffix in (".py", ".pyi")}


@cache
def imports(path: Path) -> frozenset[str]:
    """The modules of chainrule that a file imports anywhere: for type checkers and inside functions too.

    Of `chainrule/__init__.py` those for type checkers are left out: they are the list of the public names.
    """
    found: set[str] = set()
    tree = tree_of(path)
    if path == PACKAGE / "__init__.py":
        tree = ast.Module([node for node in tree.body if not isinstance(node, ast.If)], [])
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            source = str(node.module)
            if node.level:  # in words, of which each language is a package
                assert path.parent.name == "catalogue", (
                    f"{relative(path)} has a relative import; write chainrule.{source}"
                )
                source = ".".join(filter(None, (module_of(path.parent / "__init__.py"), node.module)))
            names = [f"{source}.{alias.name}" for alias in node.names]
            found |= {name if name in MODULES else source for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return frozenset(found & MODULES)


def room(module: str) -> str:
    """The entry at the top of the package that a module belongs to: core of chainrule.core.files."""
    return module.partition(".")[2].partition(".")[0]


def downward(path: Path) -> set[str]:
    """What a file imports from rooms that stand after its own."""
    own = room(module_of(path))
    return {name for name in imports(path) if room(name) in RANK and RANK[room(name)] > RANK[own]}


def test_imports_point_one_way():
    """Of the top, __init__ imports nothing until a name is used, and __main__ whatever it wants."""
    assert imports(PACKAGE / "__init__.py") == set()
    inside = [path for path in SOURCES if room(module_of(path)) not in ("", "__main__")]
    found = {module_of(path): downward(path) for path in inside}
    assert {module: names for module, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "code",
    [
        "from chainrule import model",
        "import chainrule.model",
        "if TYPE_CHECKING:\n from chainrule.model import Model",
        "class A:\n def f(self):\n  from chainrule.model import Model",
        "try:\n from chainrule.model import Model\nexcept ImportError: pass",
    ],
)
def test_every_import_is_seen(tmp_path: Path, code: str):
    (tmp_path / "a.py").write_text(code)
    assert imports(tmp_path / "a.py") == {"chainrule.model"}


def test_an_import_that_points_down_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path / "chainrule")
    for name, expected in (("inspection", {"chainrule.model"}), ("views", set())):
        file = tmp_path / "chainrule" / name / "a.py"
        file.parent.mkdir(parents=True)
        file.write_text("def f():\n from chainrule.model import Model")
        assert downward(file) == expected


def test_no_files_import_each_other():
    """No circle of imports, however long."""
    graph = {module_of(path): imports(path) - {module_of(path)} for path in SOURCES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_no_folders_of_the_studio_import_each_other():
    """Nor in a circle of several folders, of which each file beside them counts as one."""
    studio = PACKAGE / "studio"
    homes = {module_of(path): path if path.parent == studio else path.parent for path in studio.rglob("*.py")}
    graph: dict[Path, set[Path]] = {home: set() for home in homes.values()}
    for path in studio.rglob("*.py"):
        home = homes[module_of(path)]
        graph[home] |= {homes[name] for name in imports(path) if name in homes} - {home}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(relative(home) for home in reversed(error.args[1])))


def test_the_top_of_the_package_is_small():
    entries = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert len(entries) <= 34
    modules = {name.partition(".")[0] for name in entries} - {"__init__", "__main__", "py"}
    assert modules == {name for name in ORDER if (PACKAGE / name).exists()} | {
        "errors",
        "mlflow",
        "model",
        "ray",
    }


def test_design_draws_the_order():
    """The picture of docs/design.md has every room, none above what it may import."""
    picture = re.search(
        r"## The picture\n\n```text\n(.*?)```", (ROOT / "docs/design.md").read_text("utf-8"), re.S
    )
    assert picture is not None
    places = [
        next((i for i, line in enumerate(picture[1].splitlines()) if line.split()[:1] == [name]), None)
        for name in ORDER
        if name in {room(module) for module in MODULES}
    ]
    assert None not in places
    assert places == sorted(places)


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_says_what_it_sets_up():
    """Each step that takes long is announced by the line before it."""
    words = ["make", "--no-print-directory", "--dry-run", "--always-make", "mnist"]
    lines = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    said = [i for i, line in enumerate(lines) if line.startswith("echo ")]
    slow = [i for i, line in enumerate(lines) if " -m venv " in line or " install " in line]
    *said, ended = said
    assert len(said) == len(slow) == 3 and all(a < b for a, b in zip(said, slow, strict=True))
    assert all(f"{k} of 3" in lines[i] for k, i in enumerate(said, 1))
    # The last line names commands that are there, in a shell that has not activated the environment.
    assert ended == len(lines) - 1 and "make studio" in lines[-1] and ". .venv/bin/activate" in lines[-1]
