"""The processes of a run: how they start and end, and which one this is."""

from __future__ import annotations

import errno
import os
import re
import sys
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from chainrule.core.settings import check_number
from chainrule.errors import ConfigError

# --- the rank of a process, from the environment variables

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


# --- start and end

SHARDS = 8
"""The default number of shards of a batch in a program that called `initialize`."""
HEARTBEAT = 30
"""The seconds without a sign of life after which a process counts as dead, and all others end."""
START = 300
"""The seconds that the processes wait for each other at the start."""
END = 3600
"""The seconds that they wait for each other at the end, while process 0 may evaluate and write."""
EXIT_DELAY_SECONDS = 2.0
"""The seconds by which process 0 exits later than the others after an error."""
THREADS = ("NPROC", "PJRT_NPROC")
"""The variables from which XLA takes the size of its thread pool, by which it splits its products."""


ALONE = Rank(None, 1, 0)


@dataclass
class State:
    """The state of this process in the run; the default is that of a program that never calls `initialize`."""

    place: Rank = ALONE
    is_initialized: bool = False
    timeout: float = 600.0


_STATE = State()


def initialize(
    coordinator_address: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    timeout: float = 600.0,
) -> None:
    """Join the run that this process was started for. Call it before anything else uses JAX.

    coordinator_address: host:port of process 0.  num_processes: a power of two.  process_id: from 0. Those that are
    None are read from the environment: `JAX_COORDINATOR_ADDRESS`, `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID`, which
    Kubeflow also sets; else from Slurm's `srun`, else from Open MPI. Without any of them the run has one process, and
    the same bits as with several.
    timeout: the seconds after which a process that waits for another one ends the run. In this call they always wait
    for each other for 300 s.

    On processors each process uses one core, unless `NPROC` sets another number, on which the bits depend.
    Raises ConfigError for inconsistent arguments, for a port in use, and if JAX has already started to compute.
    """
    timeout = check_number(timeout, "timeout", above=0)
    place = found(os.environ, coordinator_address, num_processes, process_id)
    if _STATE.is_initialized:
        if place == _STATE.place:
            return
        raise ConfigError(
            "distributed.initialize was already called; call it once, at the start of a program."
        )
    pin_threads()
    if place.size > 1:
        _check_port(place)
    _STATE.place, _STATE.timeout = place, timeout
    if place.size > 1:
        _join(place)
    _STATE.is_initialized = True


def pin_threads() -> None:
    """Limit XLA to one thread on processors, or to the environment's number. Raises ConfigError if it is running."""
    if any(os.environ.get(name) for name in THREADS):
        return
    from jax._src import xla_bridge  # there is no public query that does not start it

    if xla_bridge.backends_are_initialized():
        raise ConfigError(
            "distributed.initialize must come before JAX computes, because it changes settings that JAX "
            "reads at its start; call it first."
        )
    os.environ.update(dict.fromkeys(THREADS, "1"))


def _check_port(place: Rank) -> None:
    """Raise ConfigError in process 0 if it cannot listen at its port, where JAX would abort."""
    if place.number != 0 or place.address is None or "JAX_COORDINATOR_BIND_ADDRESS" in os.environ:
        return
    import socket  # milliseconds, which each start of the command would take

    port = int(place.address.rpartition(":")[2])
    is_dual = socket.has_dualstack_ipv6()
    with socket.socket(socket.AF_INET6 if is_dual else socket.AF_INET) as tried:
        try:
            if is_dual:
                tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            if os.name == "posix":  # otherwise a port counts as in use for a minute after its last run
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(("", port))
        except (OSError, OverflowError) as error:
            if isinstance(error, OSError) and error.errno not in (errno.EADDRINUSE, errno.EACCES):
                return  # JAX may know another way
            why = error.strerror if isinstance(error, OSError) else f"{error}"
            raise ConfigError(
                f"process 0 cannot listen at port {port} ({why}); end the program that uses it, or give all "
                "processes another port in coordinator_address or JAX_COORDINATOR_ADDRESS."
            ) from error


def _join(place: Rank) -> None:
    """Wait until all processes have joined and JAX has started in each. Raises ConfigError."""
    import jax

    jax.config.update("jax_enable_preemption_service", False)  # the training loop handles signals
    sys.excepthook = _leave
    sentence = (
        f"process {place.number} of {place.size} has waited {START} s at the start for all to be at "
        f"{place.address} and ends; check that {place.size} processes are started, that process 0 runs "
        "there, and that its port is open and not used by another program."
    )
    try:
        with Watchdog(START, sentence, end):
            jax.distributed.initialize(
                place.address,
                place.size,
                place.number,
                local_device_ids=None if place.local is None else [place.local],
                cluster_detection_method="deactivate",
                initialization_timeout=2 * START,  # it would abort; the watchdog ends the process before
                heartbeat_timeout_seconds=HEARTBEAT,
                shutdown_timeout_seconds=END,
            )
            jax.local_devices()  # starts JAX, which asks the others for their devices
    except RuntimeError as error:
        why = str(error.__context__ or error).partition("\n")[0]  # without JAX's remarks about plugins
        raise ConfigError(
            f"process {place.number} of {place.size} cannot join the run at {place.address} ({why}); check "
            "that all processes run, process 0 there, and that its port is open."
        ) from error


def _leave(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Print an error and exit at once: a normal exit of Python would wait for the others, and they for this process."""
    sys.__excepthook__(kind, error, trace)
    end(130 if issubclass(kind, KeyboardInterrupt) else 1)


def end(code: int) -> None:
    """Exit without waiting for the others, which then see closed connections.

    Process 0 holds the others' connections, without which JAX aborts them; it leaves time for their error messages.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if process_count() > 1 and is_first():
        time.sleep(EXIT_DELAY_SECONDS)
    os._exit(code)


def shutdown() -> None:
    """Leave the run once all processes are here; Python also does so at its exit."""
    if _STATE.place.size > 1:
        import jax

        jax.distributed.shutdown()
        sys.excepthook = sys.__excepthook__
    _STATE.place, _STATE.is_initialized = ALONE, False


def is_initialized() -> bool:
    """Return whether this program called `initialize`."""
    return _STATE.is_initialized


def is_one_of_several() -> bool:
    """Return whether the environment describes this process as one of several. Raises ConfigError."""
    is_started = any(name in os.environ for name, *_ in STARTERS)
    return is_started and found(os.environ).size > 1


def process_count() -> int:
    """Return the number of processes of the run."""
    return _STATE.place.size


def process_index() -> int:
    """Return the index of this process, from 0."""
    return _STATE.place.number


def is_first() -> bool:
    """Return whether this is process 0, which prints, evaluates and writes; true for a single process."""
    return _STATE.place.number == 0


def watchdog() -> Watchdog:
    """Return a watchdog that ends this process if it waits for another one longer than the timeout of `initialize`."""
    return Watchdog(
        _STATE.timeout,
        f"process {process_index()} of {process_count()} has waited {_STATE.timeout:g} s for another one and "
        "ends; find the one that hangs, and restart all of them from the last checkpoint.",
        end,
    )


CODE = 75
"""The exit code of a process that its watchdog ended; in sysexits.h that of a temporary failure."""


class Watchdog:
    """End this process, and with it the run, if `beat` is not called for some seconds.

    JAX ends a run with a dead process. A live process that hangs would keep the others waiting forever.

    seconds: the maximum time without a beat.  sentence: printed at the end.  end(code): ends the process.
    """

    def __init__(self, seconds: float, sentence: str, end: Callable[[int], object]) -> None:
        """Store the arguments without starting."""
        self.seconds, self.sentence, self.end = seconds, sentence, end

    def __enter__(self) -> Self:
        """Start watching."""
        self.over = threading.Event()
        self.beat()
        threading.Thread(target=self.watch, name="chainrule-watchdog", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop watching."""
        self.over.set()

    def beat(self) -> None:
        """Signal progress."""
        self.last = time.monotonic()

    def watch(self) -> None:
        """Check for progress until the end."""
        while not self.over.wait(min(self.seconds / 4, 5.0)):
            if time.monotonic() - self.last > self.seconds:
                print(f"chainrule: {self.sentence}", file=sys.stderr)
                self.end(CODE)
                return
