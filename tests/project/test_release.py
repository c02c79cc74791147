"""What makes a release: the scripts of release/, the workflows, the recipe, and what RELEASING.md says of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from io import BytesIO
from pathlib import Path
from types import ModuleType

import pytest

from needs import needs

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ADDRESS = "https://example.org/owner/chainrule"
NEXT = "0.2.9"  # a version that is not cut yet, and ends no promise


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    """Import a script of release/ by its name."""
    monkeypatch.syspath_prepend(str(ROOT / "release"))

    def imported(name: str) -> ModuleType:
        from importlib import import_module

        return import_module(name)

    yield imported
    for path in (ROOT / "release").glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that the scripts change, and those that README links to, in a folder of their own."""
    for name in ("CHANGELOG.md", "CITATION.cff", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in (
        "release/conda/recipe.yaml",
        "src/chainrule/core/version.py",
        "src/chainrule/training/options.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    changelog = (tmp_path / "CHANGELOG.md").read_text("utf-8")
    released = re.search(r"(?m)^## \[\d.*", changelog)
    assert released is not None
    old = changelog[released.start() :].replace(" - unreleased\n", " - 2026-11-01\n")
    new = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- Something.\n\n"
    (tmp_path / "CHANGELOG.md").write_text(new + old, "utf-8")
    return tmp_path


# --- the scripts


def test_releasing_names_every_script_and_no_other():
    page = (ROOT / "RELEASING.md").read_text("utf-8")
    named = set(re.findall(r"release/(\w+\.(?:py|sh))", page)) | {"installed.py", "source.py"}
    assert named == {path.name for path in (ROOT / "release").glob("*.*")}
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert {"built.py", "installed.py", "source.py"} == set(re.findall(r"release/(\w+\.py)", makefile))


@pytest.mark.parametrize("name", ["address", "built", "cut", "installed", "readme", "source"])
def test_a_script_needs_only_the_standard_library(name: str):
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'release')!r}); import {name}"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def test_a_version_is_cut_in_every_place(script, clone: Path):
    script("cut").cut(clone, NEXT, "2026-12-01")
    assert tomllib.loads((clone / "pyproject.toml").read_text("utf-8"))["project"]["version"] == NEXT
    for name in ("src/chainrule/core/version.py", "CITATION.cff", "release/conda/recipe.yaml"):
        text = (clone / name).read_text("utf-8")
        assert len(re.findall(rf"version\S* ?[=:]? \"?{re.escape(NEXT)}", text)) == 1
        assert PROJECT["version"] not in text
    changelog = (clone / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"(?m)^## (.*)$", changelog)
    assert headings[:2] == ["[Unreleased]", f"[{NEXT}] - 2026-12-01"]
    assert script("cut").notes(changelog, NEXT) == "### Added\n\n- Something.\n"
    with pytest.raises(ValueError, match="nothing changed since"):
        script("cut").cut(clone, "0.2.10", "2026-12-02")


@pytest.mark.parametrize(
    ("version", "change", "said"),
    [
        ("0.2", None, "three numbers"),
        (NEXT, ("CHANGELOG.md", "## [Unreleased]", "## [0.2.8] - 2026-11-30"), "nothing changed since"),
        (NEXT, ("CHANGELOG.md", "### Added\n\n- Something.\n", ""), "nothing changed since"),
        (
            NEXT,
            ("CHANGELOG.md", "- Something.\n", f"- Something.\n\n## [{NEXT}]\n"),
            f"a version {NEXT} already",
        ),
        (NEXT, ("CITATION.cff", "version: ", "edition: "), "CITATION.cff has 0 versions"),
        ("1.0.0", None, r"still there: src/chainrule/training/options.py:\d+"),
    ],
)
def test_a_version_that_cannot_be_cut_changes_nothing(script, clone: Path, version: str, change, said: str):
    if change:
        name, old, new = change
        text = (clone / name).read_text("utf-8")
        assert old in text
        (clone / name).write_text(text.replace(old, new), "utf-8")
    before = {path: path.read_bytes() for path in clone.rglob("*.*") if path.is_file()}
    with pytest.raises(ValueError, match=said):
        script("cut").cut(clone, version, "2026-12-01")
    assert before == {path: path.read_bytes() for path in clone.rglob("*.*") if path.is_file()}


def test_the_address_is_written_once_and_can_move(script, clone: Path):
    yaml = pytest.importorskip("yaml")
    script("address").write(clone, "https://example.org/first/name")
    script("address").write(clone, ADDRESS)
    project = tomllib.loads((clone / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["urls"]["Repository"] == ADDRESS and project["scripts"] == PROJECT["scripts"]
    assert all(url.startswith(ADDRESS) for url in project["urls"].values())
    assert yaml.safe_load((clone / "CITATION.cff").read_text("utf-8"))["repository-code"] == ADDRESS
    assert (
        yaml.safe_load((clone / "release/conda/recipe.yaml").read_text("utf-8"))["about"]["repository"]
        == ADDRESS
    )
    assert "first/name" not in "".join(path.read_text("utf-8") for path in clone.glob("*.*"))
    for wrong in ("example.org/a/b", "https://example.org/a", f"{ADDRESS}.git"):
        with pytest.raises(ValueError, match="https://HOST/OWNER/NAME"):
            script("address").write(clone, wrong)


def test_the_page_of_the_index_stands_alone(script):
    page = script("readme").for_index((ROOT / "README.md").read_text("utf-8"), ADDRESS, "0.2.0")
    links = re.findall(r"\]\(([^)\s]+)\)", page) + re.findall(r'(?:src|srcset)="([^"]+)"', page)
    assert len(links) > 30 and [link for link in links if not link.startswith(("https://", "#"))] == []
    assert f"{ADDRESS}/raw/v0.2.0/docs/images/studio-light.gif" in links
    assert f"{ADDRESS}/blob/v0.2.0/docs/guide.md#why-this-answer" in links
    assert (
        "```sh\npip install 'chainrule[studio,tune]'\nchainrule train mnist --report --out runs/mnist\n```"
        in page
    )
    assert (
        "pip install '." not in page
        and "venv" not in page
        and re.findall(r"(?m)^make .*|make mnist", page) == ["make test"]
    )
    with pytest.raises(ValueError, match=r"links to docs/nowhere\.md"):
        script("readme").for_index("[a](docs/nowhere.md)", ADDRESS, "0.2.0")


def test_readmes_examples_are_found_and_compared(script):
    installed = script("installed")
    found = installed.examples((ROOT / "README.md").read_text("utf-8"))
    assert len(found) == 3 and all("import" in code and said.strip() for code, said in found)
    assert installed.agree("0.98 of 39 epochs\n", "0.98 of 39 epochs")
    assert installed.agree("0.97 of 39 epochs", "0.98 of 39 epochs")
    assert not installed.agree("0.85 of 39 epochs", "0.98 of 39 epochs")
    assert not installed.agree("0.98 of 39 steps", "0.98 of 39 epochs")


METADATA = """Metadata-Version: 2.4
Name: chainrule
License-Expression: Apache-2.0 AND CC-BY-SA-3.0
License-File: LICENSE
License-File: NOTICE
License-File: src/chainrule/datasets/embedded/LICENSE
"""


def a_wheel(folder: Path, platform: str, without: str = "", size: int = 0) -> Path:
    path = folder / f"chainrule-0.2.0-cp313-cp313-{platform}.whl"
    info = "chainrule-0.2.0.dist-info"
    files = {
        f"{info}/METADATA": METADATA,
        **{f"{info}/licenses/{name}": "text" for name in PROJECT["license-files"]},
        "chainrule/engines/native/_native.cpython-313-x86_64-linux-gnu.so": "\0" * size,
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in files.items():
            if not without or without not in name:
                wheel.writestr(name, content)
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"platform": "manylinux_2_28_x86_64"}, []),
        ({"platform": "linux_x86_64"}, ["its tag, linux_x86_64, is of this machine alone"]),
        (
            {"platform": "win_amd64", "without": "embedded"},
            ["it lacks src/chainrule/datasets/embedded/LICENSE"],
        ),
        ({"platform": "win_amd64", "without": "_native"}, ["it lacks the native engine"]),
        ({"platform": "win_amd64", "size": 15_000_001}, ["more than 15,000,000"]),
    ],
)
def test_what_is_wrong_with_a_wheel_is_said(script, tmp_path: Path, changes: dict, said: list[str]):
    found = script("built").problems(a_wheel(tmp_path, **changes), publish=True)
    assert len(found) == len(said) and all(part in text for part, text in zip(said, found, strict=True))


def test_what_is_wrong_with_a_source_archive_is_said(script, tmp_path: Path):
    path = tmp_path / "chainrule-0.2.0.tar.gz"
    names = (
        "pyproject.toml",
        "native/module.cpp",
        "tests/conftest.py",
        "docs/index.md",
        *PROJECT["license-files"],
    )
    with tarfile.open(path, "w:gz") as archive:
        description = "\n[the guide](docs/guide.md)\n"
        for name, text in {**dict.fromkeys(names, ""), "PKG-INFO": METADATA + description}.items():
            member = tarfile.TarInfo(f"chainrule-0.2.0/{name}")
            member.size = len(text)
            archive.addfile(member, BytesIO(text.encode()))
    assert script("built").problems(path) == ["it lacks CMakeLists.txt"]
    assert "relative links (docs/guide.md)" in script("built").problems(path, publish=True)[1]


def test_the_oldest_system_of_a_wheel_is_read(script):
    said = 'is consistent with the\nfollowing platform tag: "manylinux_2_27_x86_64".\n'
    assert script("built").tags_by_auditwheel(said) == [(2, 27)]


@needs("griffe")
@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_what_breaks_programs_must_be_in_the_changelog(script, tmp_path: Path):
    interface = script("interface")
    package = tmp_path / "src" / "small"
    package.mkdir(parents=True)

    def commit(text: str, *tag: str) -> None:
        (package / "__init__.py").write_text(text, "utf-8")
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(tmp_path)]
        for words in (["add", "-A"], ["commit", "-qm", "x"], *(["tag", name] for name in tag)):
            subprocess.run([*git, *words], check=True)

    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "api.md").write_text(".. automodule:: small\n", "utf-8")
    (package / "inner.py").write_text("def not_documented(): ...\n", "utf-8")
    commit("def f(a, b=1): ...\ndef gone(): ...\ndef _own(): ...\n")
    assert interface.last_release(tmp_path) is None
    commit("def f(a, b=1): ...\ndef gone(): ...\ndef _own(): ...\ndef g(): ...\n", "v0.9.0", "v0.10.0")
    (package / "inner.py").unlink()
    commit("def f(a, b=2): ...\ndef g(new=1): ...\n")
    assert interface.last_release(tmp_path) == "v0.10.0"
    found = interface.breaks(tmp_path, "v0.10.0", "small")
    assert [path for path, _ in found] == ["small.f", "small.gone"]
    open_section = "## [Unreleased]\n\n### Added\n\n- `f`\n\n### Removed\n\n- `small.gone()`\n\n"
    assert interface.told(f"# C\n\n{open_section}## [0.10.0]\n\n### Changed\n- `f`") == {"small", "gone"}


# --- the metadata


def test_the_licence_of_each_part_is_named_and_there():
    assert PROJECT["license"] == "Apache-2.0 AND CC-BY-SA-3.0"
    for name in PROJECT["license-files"]:
        assert (ROOT / name).is_file()
    text = (ROOT / "src/chainrule/datasets/embedded/LICENSE").read_text("utf-8")
    assert "Attribution-ShareAlike 3.0 Unported" in text and "8. Miscellaneous" in text


def test_every_python_that_gets_wheels_is_named():
    versions = {f"3.{build[3:5]}" for build in PYPROJECT["tool"]["cibuildwheel"]["build"]}
    named = {name.rpartition(" ")[2] for name in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", name)}
    assert named == versions and PROJECT["requires-python"] == f">={min(versions, key=lambda v: int(v[2:]))}"


def test_the_recipe_has_the_versions_of_pyproject():
    yaml = pytest.importorskip("yaml")
    recipe = yaml.safe_load((ROOT / "release/conda/recipe.yaml").read_text("utf-8"))
    assert recipe["package"] == {"name": PROJECT["name"], "version": PROJECT["version"]}
    needed = sorted(word.replace(" ", "") for word in recipe["requirements"]["run"] if word != "python")
    assert needed == sorted(PROJECT["dependencies"])
    host = {word.replace(" ", "") for word in recipe["requirements"]["host"]}
    assert set(PYPROJECT["build-system"]["requires"]) <= host
    assert (
        recipe["about"]["license"] == PROJECT["license"]
        and recipe["about"]["summary"] == PROJECT["description"]
    )
    assert recipe["about"]["license_file"] == PROJECT["license-files"]


# --- the workflows


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_an_action_is_pinned_by_the_commit_of_its_version(path: Path):
    used = re.findall(r"uses: (.*)", path.read_text("utf-8"))
    assert (
        used
        and [
            line for line in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)
        ]
        == []
    )


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_says_nothing_twice(path: Path):
    """PyYAML takes the last of equal keys; the service refuses the file."""
    yaml = pytest.importorskip("yaml")

    def keys(node) -> None:
        if isinstance(node, yaml.MappingNode):
            names = [key.value for key, _ in node.value]
            assert len(set(names)) == len(names), f"{path.name}, line {node.start_mark.line + 1}: {names}"
            for _, value in node.value:
                keys(value)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                keys(value)

    keys(yaml.compose(path.read_text("utf-8")))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_only_what_it_says(path: Path):
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] in ({}, {"contents": "read"})
    allowed = {"publish": {"id-token", "pages"}, "release": {"contents"}}
    for name, job in workflow["jobs"].items():
        writes = {scope for scope, value in job.get("permissions", {}).items() if value == "write"}
        assert writes <= allowed.get(name, set())
        # What a person wrote elsewhere is no part of a script: it comes as a variable.
        scripts = [step.get("run", "") for step in job["steps"]]
        assert not [run for run in scripts if "${{" in run]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_files_that_are_there(path: Path):
    text = path.read_text("utf-8")
    for name in re.findall(r"(?<![\w./*-])\.?\w+/[\w./-]+\.(?:py|sh|txt|md)\b|\.ci/run", text):
        assert (ROOT / name).exists(), name
    targets = set(re.findall(r"(?m)^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8")))
    assert set(re.findall(r"run: make ([a-z-]+)", text)) <= targets


def test_publishing_waits_for_every_wheel_and_needs_no_password():
    yaml = pytest.importorskip("yaml")
    jobs = yaml.safe_load((ROOT / ".github/workflows/wheels.yml").read_text("utf-8"))["jobs"]
    assert set(jobs["publish"]["needs"]) == {"wheels", "source"}
    assert jobs["publish"]["environment"] == "pypi" and jobs["publish"]["permissions"] == {
        "id-token": "write"
    }
    assert all("password" not in json.dumps(step) for step in jobs["publish"]["steps"])
    rows = jobs["wheels"]["strategy"]["matrix"]["include"]
    assert len({row["name"] for row in rows}) == len(rows) == 7


@needs("cibuildwheel")
def test_cibuildwheel_takes_the_configuration():
    command = [
        sys.executable,
        "-m",
        "cibuildwheel",
        "--print-build-identifiers",
        "--platform",
        "linux",
        "--archs",
        "x86_64",
    ]
    found = subprocess.run([*command, str(ROOT)], check=True, capture_output=True, text=True).stdout.split()
    assert {"cp311-manylinux_x86_64", "cp314t-manylinux_x86_64", "cp315-musllinux_x86_64"} <= set(found)
    assert not [name for name in found if "i686" in name]
