"""Make README.md the page of the package index, in place, before a release is built: `python release/readme.py`.

Links get the address of the version's tag, since the index shows the page alone; pictures that of their bytes; and the
package is installed from the index.  [project.urls] has the repository (see release/address.py).
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?P<before>\]\(|src=\"|srcset=\")(?P<target>[^)\"\s]+)")


def for_index(page: str, repository: str, version: str, root: Path = ROOT) -> str:
    """Return the page with absolute links into a version's tag. Raises ValueError for a link to a missing file."""

    def absolute(link: re.Match[str]) -> str:
        target = link["target"]
        if re.match(r"[a-z]+:|#", target):
            return link[0]
        path = target.partition("#")[0]
        if not (root / path).exists():
            raise ValueError(
                f"README.md links to {target}, which is not in the repository; correct the link."
            )
        kind = "raw" if Path(path).suffix in (".gif", ".png", ".svg", ".jpg") else "blob"
        return f"{link['before']}{repository}/{kind}/v{version}/{target}"

    page = LINK.sub(absolute, page)
    page = re.sub(r"(?m)^python3 -m venv .*\n|^make page .*\n| +# or only this: make mnist$", "", page)
    return re.sub(r"pip install '\.\[([\w,]+)\]'", r"pip install 'chainrule[\1]'", page)


def main() -> None:
    """Rewrite README.md."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    repository = project.get("urls", {}).get("Repository")
    if repository is None:
        sys.exit(
            "pyproject.toml does not say where the repository is; run release/address.py https://HOST/OWNER/NAME first."
        )
    file = ROOT / "README.md"
    file.write_text(for_index(file.read_text("utf-8"), repository, project["version"]), "utf-8")


if __name__ == "__main__":
    main()
