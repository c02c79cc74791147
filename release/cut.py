"""Cut a version: `python release/cut.py 0.2.0`.  The last change before a release's tag.

The version in pyproject.toml, `chainrule.__version__`, CITATION.cff and the conda recipe; the changelog's open section
gets the version and today's date, and an empty one begins above it.  Refused while the package accepts what it promised
to end with this version.
"""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACES = {
    "pyproject.toml": r'(?m)^(version = ")[^"]+(")$',
    "src/chainrule/core/version.py": r'(?m)^(__version__ = ")[^"]+(")$',
    "CITATION.cff": r"(?m)^(version: )\S+()$",
    "release/conda/recipe.yaml": r"(?m)^(  version: \")[^\"]+(\")$",
}
"""Each file that has the version, and where in it."""
OPEN = re.compile(r"(?ms)^## \[[^\]\n]+\](?: - unreleased)?$\n(?P<said>.*?)(?=^## |\Z)")
"""The changelog's open section: `## [Unreleased]`, or a version that is not released yet; and what it says."""


def cut(root: Path, version: str, day: str) -> None:
    """Write a version into the files of a clone. Raises ValueError where it cannot be cut; then nothing is written."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ValueError(f"a version has three numbers, as 0.2.0 has, not {version!r}")
    if promises := overdue(root, version):
        raise ValueError(
            f"what was accepted until {version} is still there: {'; '.join(promises)}; remove it"
        )
    written = {}
    for name, place in PLACES.items():
        written[name], count = re.subn(place, rf"\g<1>{version}\g<2>", (root / name).read_text("utf-8"))
        if count != 1:
            raise ValueError(f"{name} has {count} versions where one was expected")
    changelog = (root / "CHANGELOG.md").read_text("utf-8")
    first = re.search(r"(?m)^## .*$", changelog)
    section = first and OPEN.match(changelog, first.start())
    if not section or not section["said"].strip():
        raise ValueError(
            f"the changelog begins with {first and first[0]!r}: nothing changed since that version was cut"
        )
    rest = f"{section['said']}{changelog[section.end() :]}"
    if f"## [{version}]" in rest:
        raise ValueError(f"the changelog has a version {version} already")
    before = changelog[: section.start()]
    written["CHANGELOG.md"] = f"{before}## [Unreleased]\n\n## [{version}] - {day}\n{rest}"
    for name, text in written.items():
        (root / name).write_text(text, "utf-8")


def overdue(root: Path, version: str) -> list[str]:
    """Return where the package says that something is accepted until this version, or one before it: FILE:LINE."""
    found = []
    for path in sorted((root / "src").rglob("*.py")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            for said in re.findall(r"(?:until|from) version (\d+(?:\.\d+)+)", line):
                if tuple(map(int, said.split("."))) <= tuple(map(int, version.split("."))):
                    found.append(f"{path.relative_to(root).as_posix()}:{number}")
    return found


def notes(changelog: str, version: str) -> str:
    """Return what the changelog says of a version, the text of its release. Raises ValueError if it has none."""
    found = re.search(rf"(?ms)^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## |\Z)", changelog)
    if found is None:
        raise ValueError(f"the changelog has no section [{version}]; run release/cut.py {version}")
    return found[1].strip() + "\n"


def main() -> None:
    """Cut the version given, or print a version's notes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("version")
    parser.add_argument(
        "--notes",
        action="store_true",
        help="print what the changelog says of the version, and change nothing",
    )
    given = parser.parse_args()
    try:
        if given.notes:
            print(notes((ROOT / "CHANGELOG.md").read_text("utf-8"), given.version), end="")
        else:
            cut(ROOT, given.version, datetime.now(UTC).date().isoformat())
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
