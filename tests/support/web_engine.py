"""The engine for web pages, built once for all tests, and modules of JavaScript that use it under Node.js."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@cache
def built() -> Path:
    """The folder of the built engine; outside CI a test is skipped where it cannot be built."""
    missing = [tool for tool in ("em++", "node") if shutil.which(tool) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(
            f"the engine for web pages is built and run by {' and '.join(missing)}, not installed here"
        )
    done = subprocess.run(
        [sys.executable, str(ROOT / "native/build_web.py")], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return Path(done.stdout.split("\n")[-2])


HEAD = """
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
const at = new URL('./', import.meta.url), folder = process.argv[2];
const { load } = await import(pathToFileURL(`${folder}/engine/engine.js`).href);
const numbers = (text, Type = Float32Array) => new Type(new Uint8Array(Buffer.from(text, 'base64')).buffer);
const text = (array) => Buffer.from(array.buffer ?? array, array.byteOffset ?? 0, array.byteLength).toString('base64');
const given = JSON.parse(readFileSync(new URL('given.json', at), 'utf8'));
const description = JSON.parse(readFileSync(`${folder}/description.json`, 'utf8'));
const engine = await load(readFileSync(`${folder}/engine.wasm`), description);
const say = (value) => process.stdout.write(JSON.stringify(value));
"""


def run(folder: Path, script: str, given: object = None) -> Any:
    """Run a script with `engine` and `given` under Node.js; return what it gives to `say`.

    Arrays go both ways as texts: `text` of here and `numbers` of there, and the other way round.
    """
    (folder / "given.json").write_text(json.dumps(given), "utf-8")
    (folder / "main.mjs").write_text(HEAD + script, "utf-8")
    done = subprocess.run(
        ["node", str(folder / "main.mjs"), str(built())], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def text(array: np.ndarray | bytes) -> str:
    """An array's bytes as a text."""
    given = array if isinstance(array, bytes) else np.ascontiguousarray(array).tobytes()
    return base64.b64encode(given).decode()


def numbers(text: str, dtype: str = "float32") -> np.ndarray:
    """The array of a text."""
    return np.frombuffer(base64.b64decode(text), dtype)
