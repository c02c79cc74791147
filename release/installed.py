"""Try a wheel as somebody would who has Python and nothing else: `python release/installed.py dist/*.whl`.

In a new environment, from an empty folder, with no compiler and nothing of this clone in sight: the wheel is installed
with its studio, README's examples print what README says, `chainrule train mnist` reaches 98 %, and the studio serves
its page.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import HTTPCookieProcessor, build_opener

README = Path(__file__).parents[1] / "README.md"
MIN_ACCURACY = 0.98
TOLERANCE = 0.05
"""How far a number of an example may be from README's: processors differ in their last digits."""
KEPT = re.compile(r"PIP_|SSL_|REQUESTS_CA|HTTPS?_PROXY|SYSTEM|TEMP|TMP|LANG|OMP_")
"""The environment variables that a program of the environment may see: how pip gets its packages, and the system's."""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def examples(page: str) -> list[tuple[str, str]]:
    """Return the examples of a page, each with what it prints."""
    return re.findall(r"```python\n(.*?)```\s*```text\n(.*?)```", page, re.DOTALL)


def agree(printed: str, expected: str) -> bool:
    """Return whether two texts have the same words, and numbers that are close."""
    if NUMBER.split(printed.strip()) != NUMBER.split(expected.strip()):
        return False
    pairs = zip(map(float, NUMBER.findall(printed)), map(float, NUMBER.findall(expected)), strict=True)
    return all(abs(a - b) <= TOLERANCE * max(abs(a), abs(b)) for a, b in pairs)


class Environment:
    """A new virtual environment, whose programs see nothing but themselves."""

    def __init__(self, folder: Path) -> None:
        """Make it in a folder."""
        self.folder = folder
        self.bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        (folder / "empty").mkdir()
        kept = {name: value for name, value in os.environ.items() if KEPT.match(name)}
        homes = {"CHAINRULE_CACHE": str(folder / "cache"), "HOME": str(folder), "USERPROFILE": str(folder)}
        self.variables = {**kept, **homes, "PATH": str(self.bin)}

    def run(self, *words: str) -> str:
        """Run a program of the environment and return what it prints. Raises CalledProcessError if it fails."""
        with self.start(*words) as process:
            said, _ = process.communicate()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, words, said)
        return said

    @contextmanager
    def start(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Start a program of the environment, and stop it at the end."""
        command = [str(self.bin / words[0]), *words[1:]]
        with subprocess.Popen(
            command,
            cwd=self.folder / "empty",
            env=self.variables,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()


def compilers(path: str) -> list[str]:
    """Return the compilers that a PATH has."""
    return [
        name
        for name in ("cc", "c++", "gcc", "g++", "clang", "clang++", "cl")
        if shutil.which(name, path=path)
    ]


@contextmanager
def trial(description: str | None, name: str) -> Iterator[tuple[Path, Environment]]:
    """Give the file named on the command line, and a new environment that sees no compiler."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(name, type=Path)
    file = getattr(parser.parse_args(), name).resolve()
    with tempfile.TemporaryDirectory() as folder:
        environment = Environment(Path(folder))
        assert not compilers(environment.variables["PATH"])
        yield file, environment


def engines(environment: Environment) -> dict[str, dict[str, Any]]:
    """Return what `chainrule info` says of each engine."""
    return {row["name"]: row for row in json.loads(environment.run("chainrule", "info", "--json"))["engines"]}


def try_examples(environment: Environment) -> None:
    """Run README's examples."""
    found = examples(README.read_text("utf-8"))
    assert len(found) >= 3, "README has fewer examples than it had; this script does not find them"
    for code, expected in found:
        printed = environment.run("python", "-W", "error::FutureWarning", "-X", "utf8", "-c", code)
        assert agree(printed, expected), f"README says\n{expected}\nand the wheel printed\n{printed}"


def try_mnist(environment: Environment) -> float:
    """Train on MNIST as README says, and return the accuracy on the test images."""
    environment.run("chainrule", "train", "mnist", "--seed", "0", "--out", "run")
    accuracy = float(
        json.loads(environment.run("chainrule", "evaluate", "run", "mnist", "--json"))["metrics"]["accuracy"]
    )
    assert accuracy >= MIN_ACCURACY, (
        f"MNIST is read right in {accuracy:.2%} of the test images, not {MIN_ACCURACY:.0%}"
    )
    return accuracy


def try_studio(environment: Environment) -> None:
    """Start the studio on the trained run and fetch its page."""
    with environment.start("chainrule", "studio", "run", "--no-browser", "--json") as process:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["url"]
        # The address is good for one visit, which gives a cookie.
        page = build_opener(HTTPCookieProcessor()).open(address, timeout=60).read().decode("utf-8")
    assert "<title>" in page and "Chainrule" in page, f"the studio's page begins {page[:200]!r}"


def main() -> None:
    """Try the wheel named."""
    with trial(__doc__, "wheel") as (wheel, environment):
        environment.run("python", "-m", "pip", "install", "--quiet", f"{wheel}[studio]")
        native = engines(environment)["native"]
        assert native["auto"], f"the native engine does not run: {native['why']}"
        print("installed; the native engine runs")
        try_examples(environment)
        print("README's examples print what README says")
        print(f"chainrule train mnist: {try_mnist(environment):.2%} of the test images")
        try_studio(environment)
        print("the studio serves its page")


if __name__ == "__main__":
    main()
