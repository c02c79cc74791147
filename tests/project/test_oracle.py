"""The lines by which a refactoring is compared with what was before it: unique, and the same ones twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ORACLE = Path(__file__).parent / "oracle.py"


def quick(*rooms: str) -> list[str]:
    """The lines of some rooms, or of all."""
    done = subprocess.run(
        [sys.executable, ORACLE, "--quick", *rooms], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.slow
def test_every_line_has_a_name_of_its_own_and_comes_again():
    first = quick()
    names = [line.rsplit("  ", 1)[0] for line in first]
    assert len(names) == len(set(names)) > 1000
    rooms = {name.split("/")[0] for name in names}
    assert rooms == {
        *(
            "names",
            "help",
            "model",
            "inspection",
            "estimators",
            "trust",
            "race",
            "export",
            "files",
            "command",
        ),
        "serve",
    }
    assert not [name for name in names if name.endswith("/ended")], "a topic that an error ended"
    assert quick() == first


@pytest.mark.slow
def test_a_room_that_there_is_not():
    done = subprocess.run([sys.executable, ORACLE, "cellar"], capture_output=True, text=True)
    assert done.returncode == 2 and "there is no room cellar; there are names, help, model" in done.stderr
