"""Node.js, for tests of JavaScript: the machine's, or the one that comes with Playwright."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def node() -> str:
    """The path of Node.js; the test is skipped where there is none."""
    found = shutil.which("node")
    if found is None:
        playwright = pytest.importorskip("playwright")
        found = str(Path(playwright.__file__).parent / "driver" / "node")
    return found


def run(folder: Path, script: str, given: object = None) -> Any:
    """Run a module in a folder, which finds `given` as `given`; return what it gives to `say`, as JSON."""
    (folder / "given.json").write_text(json.dumps(given), "utf-8")
    head = (
        "import { readFileSync } from 'node:fs';\n"
        "const given = JSON.parse(readFileSync(new URL('./given.json', import.meta.url), 'utf8'));\n"
        "const written = (key, value) => (Number.isFinite(value) || typeof value !== 'number' ? value : `${value}`);\n"
        "const say = (value) => console.log(JSON.stringify(value, written));\n"
    )
    path = folder / "main.mjs"
    path.write_text(head + script, "utf-8")
    done = subprocess.run([node(), str(path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
