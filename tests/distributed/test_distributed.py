"""One run over several processes: the same bits for any number of them, and what happens when one ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chainrule import Adam, Compute, ConfigError, distributed, load
from chainrule.distributed.processes import Rank, first_host, found
from chainrule.training.arguments import check_shards
from distributed_processes import Process, Program, ending, places

SECONDS = 300
"""The most that a run may take, on a machine that does other work too."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> dict[str, str]:
    """Compiled programs are kept between the processes: those of a step are the same for any number of them."""
    return {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PLATFORMS": "cpu",
    }


@pytest.fixture(scope="module")
def program(cache, tmp_path_factory) -> Iterator[Program]:
    made = Program(tmp_path_factory.mktemp("processes"), cache)
    yield made
    made.server.communicate(timeout=60)
    assert made.server.returncode == 0


def commands(
    count: int, environment: dict[str, str], *command: str, folder: Path
) -> contextlib.AbstractContextManager[list[Process]]:
    """Start a command as so many processes of one run."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": folder}
    return ending(
        [
            subprocess.Popen([sys.executable, *command], env=os.environ | environment | place, **pipes)
            for place in places(count)
        ]
    )


def ended(processes: list[Process]) -> list[tuple[int, str, str]]:
    """Wait for the end of all, and return their exit codes, outputs and errors."""
    found = [process.communicate(timeout=SECONDS) for process in processes]
    return [(process.returncode, *texts) for process, texts in zip(processes, found, strict=True)]


def bits(program: Program, count: int, **given: object) -> str:
    """Return the bits of a run of so many processes, or of several ("runs"), which all must have."""
    with program.started(count, **given) as processes:
        results = ended(processes)
    assert [code for code, *_ in results] == [0] * count, results
    said = [json.loads(output.splitlines()[-1]) for _, output, _ in results]
    assert {each["processes"] for each in said} == {count}
    assert len({each["bits"] for each in said}) == 1
    return said[0]["bits"]


@pytest.fixture(scope="module")
def whole(program) -> str:
    """The bits of a run of one process."""
    return bits(program, 1)


@pytest.mark.slow
def test_two_processes_have_the_bits_of_one(whole, program):
    """With batch normalization, dropout, weights, a penalty, a smaller last batch: parameters, statistics, records.

    Also where the two numbers are added by psum, which have one sum in any order.
    """
    assert bits(program, 2, runs=[{}, {"reduce": "psum", "shards": 8}]) == f"{whole} {whole}"


@pytest.mark.slow
@pytest.mark.parametrize("count", [4, 8])
def test_any_number_of_processes_has_the_same_bits(count, whole, program):
    assert bits(program, count) == whole


def wait_for(path: Path, processes: list[Process]) -> None:
    """Wait until a run has written its first checkpoint."""
    end = time.monotonic() + SECONDS
    while (
        not path.exists() and time.monotonic() < end and all(process.poll() is None for process in processes)
    ):
        time.sleep(0.05)
    assert path.exists(), ended(processes)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_a_process_is_killed_and_fewer_go_on(count, whole, program, tmp_path):
    """The others end at once, each with a sentence; half as many go on from the checkpoint, with the same bits."""
    path = tmp_path / "checkpoint.safetensors"
    with program.started(count, checkpoint=str(path), sleep=0.3) as processes:
        wait_for(path, processes)
        processes[count // 2].kill()
        results = ended(processes)
    assert results.pop(count // 2)[0] == -signal.SIGKILL
    for code, _, error in results:
        assert code == 1, results
        assert "has lost another one" in error
    assert bits(program, count // 2, resume=str(path)) == whole


@pytest.mark.slow
def test_a_signal_to_one_ends_all_at_the_same_step(whole, program, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    with program.started(2, checkpoint=str(path), sleep=0.3) as processes:
        wait_for(path, processes)
        processes[1].send_signal(signal.SIGTERM)
        results = ended(processes)
    assert [code for code, *_ in results] == [130, 130], results
    assert bits(program, 1, resume=str(path)) == whole


@pytest.mark.slow
@pytest.mark.usefixtures(
    "whole"
)  # nothing is left to compile, which may take longer than the limit of this test
def test_a_process_that_is_stuck_ends_the_run(program, tmp_path):
    """By the watchdog alone: JAX, which misses its sign of life too, would look for longer."""
    path = tmp_path / "checkpoint.safetensors"
    waits = {"HEARTBEAT": 1000}
    with program.started(2, checkpoint=str(path), sleep=0.1, timeout=15, waits=waits) as processes:
        wait_for(path, processes)
        processes[1].send_signal(signal.SIGSTOP)
        _, error = processes[0].communicate(timeout=SECONDS)
    assert processes[0].returncode == 75, error
    assert "process 0 of 2 has waited 15 s for another one" in error


@pytest.mark.slow
def test_a_process_that_does_not_come_to_its_fit_ends_the_run(program):
    """The others wait for it in the comparison, before the first step."""
    with program.started(2, stuck=1, timeout=2) as processes:
        _, error = processes[0].communicate(timeout=SECONDS)
    assert processes[0].returncode == 75, error
    assert "process 0 of 2 has waited 2 s for another one" in error


@pytest.mark.slow
def test_where_the_port_is_taken_all_end_with_a_sentence(program, monkeypatch):
    """Process 0 at once, the other, which that cannot tell, after the seconds of the start."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        where = {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}"}
        monkeypatch.setattr(
            "distributed_processes.places", lambda count: [each | where for each in places(count)]
        )
        with program.started(2, waits={"START": 3}) as processes:
            (first, _, why), (second, _, waited) = ended(processes)
    assert first == 1
    assert (
        f"process 0 cannot listen at port {port} (Address already in use); end the program that uses it, or"
        in why
    )
    assert second == 75
    assert waited == (
        f"chainrule: process 1 of 2 has waited 3 s at the start for all to be at 127.0.0.1:{port} and ends; check "
        "that 2 processes are started, that process 0 runs there, and that its port is open and not used by "
        "another program.\n"
    )


@pytest.mark.slow
def test_rows_of_files_of_two_processes(program, tmp_path):
    """In row groups of 16 rows, two of which are in memory at a time."""
    pytest.importorskip("pyarrow")
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    draws = np.random.default_rng(3)
    columns = {name: draws.normal(size=86).astype(np.float32) for name in "abcdef"}
    table = pa.table(columns | {"y": draws.integers(0, 3, 86)})
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=16)
    of_files = {"table": str(tmp_path / "rows.parquet")}
    assert bits(program, 2, **of_files) == bits(program, 1, **of_files)


def test_psum_gives_each_process_a_shard(monkeypatch):
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed, "process_count", lambda: 4)
    shards = {how: check_shards(Compute(reduce=how), Adam(), None, None) for how in ("tree", "psum")}
    assert shards == {"tree": 8, "psum": 4}
    assert check_shards(Compute(shards=16, reduce="psum"), Adam(), None, None) == 16


def train_in(folder: Path, cache: dict[str, str], count: int, *options: str) -> list[tuple[int, str, str]]:
    """Start `chainrule train` as so many processes of one run; returns what came of each."""
    command = ["-m", "chainrule", "train", *options]
    with commands(count, cache, *command, folder=folder) as processes:
        return ended(processes)


@pytest.fixture
def options(tmp_path) -> list[str]:
    import numpy as np

    draws = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", X=draws.normal(size=(120, 4)), y=draws.integers(0, 2, 120))
    return ["data.npz", "--hidden", "4", "--batch-norm", "--schedule", "constant"]


@pytest.mark.slow
def test_the_command_started_twice_is_one_run_which_goes_on_in_a_single_process(cache, tmp_path, options):
    """Process 0 prints and writes. What goes on has the bits of a run that never stopped."""
    (code, said, _), other = train_in(tmp_path, cache, 2, *options, "--out", "two", "--epochs", "2")
    assert code == 0
    assert "Run folder: " in said
    assert other[:2] == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.npz", "two"]
    for words in (
        (*options, "--out", "one", "--epochs", "3", "--shards", "8"),
        ("two", "--resume", "--epochs", "3"),
    ):
        assert [code for code, *_ in train_in(tmp_path, cache, 1, *words)] == [0]
    models = [load(tmp_path / name / "model.safetensors").theta.tobytes() for name in ("one", "two")]
    assert models[0] == models[1]


@pytest.mark.slow
def test_processes_with_other_data_are_refused(program):
    with program.started(2, other_data=1) as processes:
        results = ended(processes)
    for code, _, error in results:
        assert code == 1
        assert "process 1 differs from process 0 in its data" in error


# --- where a process finds its place

SLURM = {
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NODELIST": "n[07-08]",
}
MPI = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "1"}
JAX = {"JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "1", "JAX_COORDINATOR_ADDRESS": "host"}


def test_places():
    assert found({}) == Rank(None, 1, 0)
    assert found(JAX | {"JAX_COORDINATOR_PORT": "77"}) == Rank("host:77", 2, 1)
    assert found(SLURM | JAX, "other:9", 8, 5) == Rank("other:9", 8, 5)
    place = found(SLURM | {"SLURM_JOB_ID": "12", "SLURM_STEP_ID": "0"})
    assert place[1:] == (4, 3, 1)
    assert place.address.startswith("n07:6")
    local = found(MPI | {"OMPI_COMM_WORLD_LOCAL_SIZE": "2", "PMIX_NAMESPACE": "a"})
    assert local[1:] == (2, 1, 1)
    assert local.address.startswith("127.0.0.1:")
    assert local.address != found(MPI | {"OMPI_COMM_WORLD_LOCAL_SIZE": "2", "PMIX_NAMESPACE": "b"}).address


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("a", "a"), ("a,b", "a"), ("n[003-006,9],b", "n003"), ("n[3,5]-ib", "n3-ib"), ("x-1,x-2", "x-1")],
)
def test_the_first_host_of_a_list(nodes, first):
    assert first_host(nodes) == first


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (JAX | {"JAX_NUM_PROCESSES": "3"}, "power of two, not 3"),
        (JAX | {"JAX_PROCESS_ID": "2"}, "an index from 0 below it, not 2 and 2"),
        (JAX | {"JAX_PROCESS_ID": "x"}, "JAX_PROCESS_ID must be an integer"),
        (JAX, "host:port"),
        (MPI | {"OMPI_COMM_WORLD_LOCAL_SIZE": "1"}, "the address of the 2 processes is unknown"),
    ],
)
def test_places_that_do_not_fit(environment, said):
    with pytest.raises(ConfigError, match=said):
        found(environment)
