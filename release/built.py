"""Check the files that a release would publish: `python release/built.py dist/*`.

Size, names, licences and tags; what twine and check-wheel-contents say; and of a wheel for Linux the oldest systems
that it runs on, by auditwheel.  `pip install --group release` has the tools.  Ends with 1 where one complains.
"""

from __future__ import annotations

import argparse
import email
import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

MAX_WHEEL = 15_000_000
"""The largest wheel, in bytes."""
LICENSES = ("LICENSE", "NOTICE", "src/chainrule/datasets/embedded/LICENSE")
"""The Apache License, what it asks to be shown, and the licence of MNIST."""
OLDEST_LINUX = (2, 28)
"""The glibc of the oldest Linux that a wheel for manylinux runs on."""


def problems(path: Path, publish: bool = False) -> list[str]:
    """Return what is wrong with a wheel or a source archive. publish: also what an index refuses or shows badly."""
    if path.name.endswith(".tar.gz"):
        metadata = source_metadata(path)
        return [
            *problems_of_metadata(metadata),
            *problems_of_source(path),
            *(relative_links(metadata) if publish else []),
        ]
    if path.suffix != ".whl":
        return ["it is neither a wheel nor a source archive"]
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        (info,) = (name for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        metadata = email.message_from_bytes(wheel.read(info))
    folder = info.removesuffix("METADATA")
    found = problems_of_metadata(metadata)
    found += [f"it lacks {name}" for name in LICENSES if f"{folder}licenses/{name}" not in names]
    if path.stat().st_size > MAX_WHEEL:
        found.append(f"it has {path.stat().st_size:,} bytes, more than {MAX_WHEEL:,}")
    if not any(re.fullmatch(r"chainrule/engines/native/_native\..*(so|pyd)", name) for name in names):
        found.append("it lacks the native engine")
    platform = path.stem.rpartition("-")[2]
    if platform.startswith("linux_") and publish:
        found.append(
            f"its tag, {platform}, is of this machine alone, and no index takes it; build it by cibuildwheel"
        )
    return found


def problems_of_metadata(metadata: Message) -> list[str]:
    """Return what is wrong with the metadata, which the index shows."""
    found = []
    if metadata["License-Expression"] != "Apache-2.0 AND CC-BY-SA-3.0":
        found.append(f"its licence is {metadata['License-Expression']}, not Apache-2.0 AND CC-BY-SA-3.0")
    if missing := set(LICENSES) - set(metadata.get_all("License-File", [])):
        found.append(f"its metadata do not name {', '.join(sorted(missing))}")
    return found


def problems_of_source(path: Path) -> list[str]:
    """Return what a source archive lacks of what it takes to build, test and read it."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = (
        "CMakeLists.txt",
        "native/module.cpp",
        "pyproject.toml",
        "tests/conftest.py",
        "docs/index.md",
        *LICENSES,
    )
    return [f"it lacks {name}" for name in needed if name not in names]


def source_metadata(path: Path) -> Message:
    """Return the metadata of a source archive."""
    with tarfile.open(path) as archive:
        file = archive.extractfile(f"{path.name.removesuffix('.tar.gz')}/PKG-INFO")
        assert file is not None
        return email.message_from_bytes(file.read())


def relative_links(metadata: Message) -> list[str]:
    """Return that the description has links which lead nowhere from the index's page, those without an address."""
    text = str(metadata.get_payload())
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    links = [link for link in found if not re.match(r"[a-z]+:|#", link)]
    return (
        [f"its description has relative links ({links[0]}); run release/readme.py before the build"]
        if links
        else []
    )


def tags_by_auditwheel(said: str) -> list[tuple[int, int]]:
    """Return the versions of glibc in the tags that `auditwheel show` names."""
    return [(int(a), int(b)) for a, b in re.findall(r"manylinux_(\d+)_(\d+)_", said)]


def main() -> None:
    """Check the files named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument(
        "--publish", action="store_true", help="also what the package index refuses or shows badly"
    )
    given = parser.parse_args()
    wheels = [path for path in given.files if path.suffix == ".whl"]
    bad = {str(path): problems(path, given.publish) for path in given.files}
    tools = [["twine", "check", "--strict", *map(str, given.files)]]
    if wheels:
        tools.append(["check_wheel_contents", *map(str, wheels)])
    for tool in tools:
        if subprocess.run([sys.executable, "-m", *tool]).returncode:
            bad.setdefault(tool[0], []).append("complains")
    for path in wheels:
        if "linux" not in path.name or sys.platform != "linux":
            continue
        said = subprocess.run(
            [sys.executable, "-m", "auditwheel", "show", str(path)], capture_output=True, text=True
        )
        print(said.stdout.strip())
        oldest = min(tags_by_auditwheel(said.stdout), default=None)
        if "manylinux" in path.name and (oldest is None or oldest > OLDEST_LINUX):
            bad[str(path)].append(f"it needs a newer glibc than {OLDEST_LINUX[0]}.{OLDEST_LINUX[1]}")
    for name, found in bad.items():
        print(f"{name}: {'; '.join(found) or 'good'}")
    sys.exit(any(bad.values()))


if __name__ == "__main__":
    main()
