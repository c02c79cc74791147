"""Write where the repository is into every file that says so: `python release/address.py https://HOST/OWNER/NAME`.

Once, when the repository gets its public address, and again when it moves: [project.urls] of pyproject.toml, which the
index shows and release/readme.py builds links from; `repository-code` of CITATION.cff; the conda recipe's `repository`.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def with_urls(pyproject: str, address: str) -> str:
    """Return pyproject.toml with [project.urls] for an address."""
    urls = {
        "Changelog": f"{address}/blob/main/CHANGELOG.md",
        "Documentation": f"{address}/blob/main/docs/index.md",
        "Issues": f"{address}/issues",
        "Repository": address,
    }
    table = "[project.urls]\n" + "".join(f'{name} = "{url}"\n' for name, url in urls.items())
    without = re.sub(r"\[project\.urls\]\n(?:.+\n)*\n", "", pyproject)
    return without.replace("[project.scripts]", f"{table}\n[project.scripts]", 1)


def with_field(text: str, name: str, value: str, after: str) -> str:
    """Return YAML text whose field `name` has a value; where it is missing it follows the line of `after`."""
    if re.search(rf"(?m)^( *){name}: .*$", text):
        return re.sub(rf"(?m)^( *){name}: .*$", rf"\g<1>{name}: {value}", text, count=1)
    return re.sub(rf"(?m)^( *){after}: .*$", rf"\g<0>\n\g<1>{name}: {value}", text, count=1)


def write(root: Path, address: str) -> None:
    """Write an address into the files of a clone. Raises ValueError unless it is one of a repository."""
    if not re.fullmatch(r"https://[\w.-]+/[\w.-]+/[\w.-]+?", address) or address.endswith(".git"):
        raise ValueError(
            f"the address must be https://HOST/OWNER/NAME, without .git at its end, not {address!r}"
        )
    changes = {
        "pyproject.toml": lambda text: with_urls(text, address),
        "CITATION.cff": lambda text: with_field(text, "repository-code", address, after="license"),
        "release/conda/recipe.yaml": lambda text: with_field(text, "repository", address, after="summary"),
    }
    for name, change in changes.items():
        text = (root / name).read_text("utf-8")
        (root / name).write_text(change(text), "utf-8")


def main() -> None:
    """Write the address given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("address")
    try:
        write(ROOT, parser.parse_args().address)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
