"""The number of processes of a run, this one's index and their meeting point, from the environment variables."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from chainrule.errors import ConfigError

STARTERS = (
    ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID", ""),
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID"),
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"),
)
"""The variables of the number of processes, and of this one's index among all and on its machine: set by hand or by
Kubeflow Trainer, by Slurm's `srun`, by Open MPI's `mpirun`. (JAX reads `JAX_LOCAL_DEVICE_IDS` itself.)"""
FIRST_PORT, PORTS = 61440, 4096
"""The default ports of a coordinator; the job number selects one."""


class Rank(NamedTuple):
    """The rank of a process of a run."""

    address: str | None
    """host:port of process 0; None for a single process"""
    size: int
    """the number of processes"""
    number: int
    """from 0"""
    local: int | None = None
    """its index on its machine, which selects one accelerator; None if unknown"""


def found(
    environment: Mapping[str, str],
    address: str | None = None,
    count: int | None = None,
    number: int | None = None,
) -> Rank:
    """Return the rank from the arguments and, where they are None, from the environment; a single process without both.

    Raises ConfigError for inconsistent values, and for several processes without an address.
    """
    local = None
    for of_count, of_number, of_local in STARTERS:
        if count is None and number is None and of_count in environment:
            count, number = (_integer(environment, name) for name in (of_count, of_number))
            local = _integer(environment, of_local) if of_local in environment else None
    if count is None and number is None and address is None:
        return Rank(None, 1, 0)
    if count is None or number is None or not 0 <= number < count:
        raise ConfigError(
            f"num_processes and process_id must be a count and an index from 0 below it, not {count} and "
            f"{number}; set JAX_NUM_PROCESSES and JAX_PROCESS_ID, or pass both."
        )
    if count & (count - 1):
        raise ConfigError(
            f"num_processes must be a power of two, not {count}: gradients are summed along a binary tree; "
            f"start {1 << (count.bit_length() - 1)} or {1 << count.bit_length()}."
        )
    if count == 1:
        return Rank(None, 1, 0, local)
    address = address or _address(environment)
    if address is None:
        raise ConfigError(
            f"the address of the {count} processes is unknown; set JAX_COORDINATOR_ADDRESS to host:port of "
            "process 0, or pass coordinator_address."
        )
    if not re.fullmatch(r".+:\d+", address):
        raise ConfigError(f"coordinator_address must be host:port, such as 'node1:61440', not {address!r}.")
    return Rank(address, count, number, local)


def _integer(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "")
    if not text.strip().isdecimal():
        raise ConfigError(f"the variable {name} must be an integer of at least 0, not {text!r}; set it.")
    return int(text)


def _address(environment: Mapping[str, str]) -> str | None:
    """Return host:port of process 0 according to the environment, or None."""
    given = environment.get("JAX_COORDINATOR_ADDRESS")
    if given:
        port = environment.get("JAX_COORDINATOR_PORT")
        return given if port is None or re.search(r":\d+$", given) else f"{given}:{port}"
    if "SLURM_STEP_NODELIST" in environment:
        job = f"{environment.get('SLURM_JOB_ID')}.{environment.get('SLURM_STEP_ID')}"
        return f"{first_host(environment['SLURM_STEP_NODELIST'])}:{_port(job)}"
    size = environment.get("OMPI_COMM_WORLD_SIZE")
    if size is not None and environment.get("OMPI_COMM_WORLD_LOCAL_SIZE") == size:  # all on one machine
        job = environment.get("PMIX_NAMESPACE") or environment.get("OMPI_MCA_ess_base_jobid") or ""
        return f"127.0.0.1:{_port(job)}"
    return None


def _port(job: str) -> int:
    return FIRST_PORT + zlib.crc32(job.encode()) % PORTS


def first_host(nodes: str) -> str:
    """Return the first host of a list in Slurm's notation: node[003-006,9],other is node003."""
    match = re.match(r"([^\[,]+)(?:\[(\d+)[^\]]*\])?([^,]*)", nodes)
    if match is None:
        raise ConfigError(f"the variable SLURM_STEP_NODELIST must be a list of hosts, not {nodes!r}; set it.")
    return "".join(part or "" for part in match.groups())
