"""A run by Ray Train: the bits of one without it, also when a worker is lost."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from needs import needs

pytestmark = [pytest.mark.slow, needs("ray")]

PROGRAM = str(Path(__file__).parents[1] / "support" / "ray_run.py")
SECONDS = 900
"""The most that a run may take, on a machine that does other work too."""


def said(folder: Path, workers: int) -> dict:
    """What the program says of a run by so many workers; 0 for one in the program itself, without Ray's processes."""
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PLATFORMS": "cpu",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),  # or Ray writes one into the home folder
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # by which Ray stays on 127.0.0.1, on any system
        "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
        "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
        "RAY_TRAIN_METRICS_ENABLED": "0",
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(SECONDS),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    # A name that is short, for those of the sockets in it. What Ray starts ends with the program, however that ends.
    with tempfile.TemporaryDirectory(prefix="ray") as short:
        done = subprocess.run(
            [sys.executable, PROGRAM, str(folder), str(workers), short],
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_run_in_one_process_has_the_bits_of_one_without_ray(tmp_path):
    found = said(tmp_path, 0)
    assert found["epoch"] == 5
    assert found["workers"] == {"0 of 1": {"bits": found["plain"], "resumed": False}}


@pytest.mark.skipif(bool(os.environ.get("CI")), reason="takes two minutes of processor time, to start Ray")
def test_a_killed_worker_is_replaced_and_the_bits_stay(tmp_path):
    """Ray starts both again from the last checkpoint that it took in."""
    found = said(tmp_path, 2)
    assert (tmp_path / "killed").exists()
    assert found["epoch"] == 5
    assert found["saved"] == {"bits": found["plain"], "epochs": 5}
    finished = {"bits": found["plain"], "resumed": True}
    assert found["workers"] == {"0 of 2": finished, "1 of 2": finished}
