"""Compare the public interface with that of the last release: `python release/interface.py`.

griffe finds what breaks a program that was written for the last release: a name that is gone, an argument that was
renamed, a default that changed.  Each must be named in backticks under Changed or Removed in the changelog's open
section; ends with 1 where one is not.  The last release is the newest tag like v1.2.3, or `--against TAG`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import griffe

ROOT = Path(__file__).parents[1]
PRIVATE = re.compile(r"(^|\.)_(?!_)")
"""Names that begin with an underscore."""


def last_release(root: Path) -> str | None:
    """Return the newest tag of a version, None before the first release."""
    command = ["git", "tag", "--list", "v[0-9]*", "--sort=-version:refname", "--merged", "HEAD"]
    tags = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split()
    return tags[0] if tags else None


def public_modules(root: Path, tag: str) -> set[str]:
    """Return the modules that the documentation of a tag described; what others hold is nobody's to rely on."""
    command = ["git", "grep", "-h", "automodule::", tag, "--", "docs"]
    said = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"automodule:: ([\w.]+)", said))


def breaks(root: Path, tag: str, package: str = "chainrule") -> list[tuple[str, str]]:
    """Return what breaks programs that were written for a tag: the object, and what happened to it."""
    old = griffe.load_git(package, ref=tag, repo=root, search_paths=["src"], allow_inspection=False)
    new = griffe.load(package, search_paths=[root / "src"], allow_inspection=False)
    modules = public_modules(root, tag)
    found = {
        (change.obj.path, change.explain(griffe.ExplanationStyle.ONE_LINE))
        for change in griffe.find_breaking_changes(old, new)
        if {change.obj.path, change.obj.module.path} & modules
    }
    return sorted((path, said) for path, said in found if not PRIVATE.search(path))


def told(changelog: str) -> set[str]:
    """Return the names that the open section names under Changed or Removed."""
    section = re.split(r"(?m)^## ", changelog)[1]
    parts = re.split(r"(?m)^### ", section)[1:]
    text = "".join(part for part in parts if part.startswith(("Changed", "Removed")))
    return set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", text))))


def main() -> None:
    """Compare, and list what the changelog does not tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--against",
        metavar="TAG",
        help="a tag or commit to compare with; by default the newest tag of a version",
    )
    tag = parser.parse_args().against or last_release(ROOT)
    if tag is None:
        print("There is no release yet that the interface could be compared with.")
        return
    names = told((ROOT / "CHANGELOG.md").read_text("utf-8"))
    found = breaks(ROOT, tag)
    silent = [(path, said) for path, said in found if not names & set(path.split(".")[-2:])]
    for path, said in silent:
        print(f"{path}: {re.sub(chr(27) + r'[^m]*m', '', said)}")
    print(f"{len(found)} changes since {tag} break programs; the changelog does not tell of {len(silent)}.")
    sys.exit(bool(silent))


if __name__ == "__main__":
    main()
