"""The processes of a run: how they start and end, and which one this is."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from chainrule.core.settings import check_number
from chainrule.distributed import environment
from chainrule.distributed.environment import Rank
from chainrule.errors import ConfigError

SHARDS = 8
"""The shards of a batch in a program that called `initialize`, unless it says another number."""
HEARTBEAT = 30
"""The seconds after which a process that gives no sign of life is taken for dead, and all others end."""
START = 300
"""The seconds that the processes wait for each other at the start."""
END = 3600
"""The seconds that they wait for each other at the end, where process 0 may have to evaluate and to write."""
LAST = 2.0
"""The seconds by which process 0 leaves later than the others after an error."""
THREADS = ("NPROC", "PJRT_NPROC")
"""The variables by which XLA takes the size of its pool of threads, by which it cuts its products."""


ALONE = Rank(None, 1, 0)


@dataclass
class State:
    """What this process knows of the run; that of a program which never calls `initialize`."""

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

    coordinator_address: host:port of process 0.  num_processes: a power of two.  process_id: from 0. What is None is
    read from the environment: `JAX_COORDINATOR_ADDRESS`, `JAX_NUM_PROCESSES` and `JAX_PROCESS_ID`, as Kubeflow sets
    them too; else of Slurm's `srun`, else of Open MPI. Where nothing is said the run has one process, and the bits that
    several would have.
    timeout: the seconds after which a process that waits for another one ends the run. Here they wait for each other
    for 300 s, whatever it is.

    On processors each process computes on one core, unless `NPROC` says another number, on which the bits depend.
    Raises ConfigError for places that do not fit, for a port that is taken, and where JAX has begun to compute.
    """
    timeout = check_number(timeout, "timeout", above=0)
    place = environment.found(os.environ, coordinator_address, num_processes, process_id)
    if _STATE.is_initialized:
        if place == _STATE.place:
            return
        raise ConfigError(
            "distributed.initialize was called before; call it once, at the start of a program."
        )
    pin_threads()
    if place.size > 1:
        _check_port(place)
    _STATE.place, _STATE.timeout = place, timeout
    if place.size > 1:
        _join(place)
    _STATE.is_initialized = True


def pin_threads() -> None:
    """Let XLA have one thread on processors, or as many as the environment says. Raises ConfigError if it runs."""
    if any(os.environ.get(name) for name in THREADS):
        return
    from jax._src import xla_bridge  # there is no public way to ask without starting it

    if xla_bridge.backends_are_initialized():
        raise ConfigError(
            "distributed.initialize must come before JAX computes, since it sets what JAX reads at its start; call it "
            "first."
        )
    os.environ.update(dict.fromkeys(THREADS, "1"))


def _check_port(place: Rank) -> None:
    """Raise ConfigError in process 0 where it cannot listen at its port, on which JAX would abort."""
    if place.number != 0 or place.address is None or "JAX_COORDINATOR_BIND_ADDRESS" in os.environ:
        return
    port = int(place.address.rpartition(":")[2])
    is_dual = socket.has_dualstack_ipv6()
    with socket.socket(socket.AF_INET6 if is_dual else socket.AF_INET) as tried:
        try:
            if is_dual:
                tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            if os.name == "posix":  # or a port counts as taken for a minute after its last run
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(("", port))
        except (OSError, OverflowError) as error:
            if isinstance(error, OSError) and error.errno not in (errno.EADDRINUSE, errno.EACCES):
                return  # JAX may know another way
            why = error.strerror if isinstance(error, OSError) else f"{error}"
            raise ConfigError(
                f"process 0 cannot listen at port {port} ({why}); end what does so, or give all processes another "
                "port in coordinator_address or JAX_COORDINATOR_ADDRESS."
            ) from error


def _join(place: Rank) -> None:
    """Wait until all processes are here and JAX has begun in each. Raises ConfigError."""
    import jax

    jax.config.update("jax_enable_preemption_service", False)  # signals are the training loop's
    sys.excepthook = _leave
    sentence = (
        f"process {place.number} of {place.size} has waited {START} s at the start for all to be at {place.address} "
        f"and ends; see that {place.size} are started, that process 0 runs there, and that its port is open and no "
        "other program's."
    )
    try:
        with Watchdog(START, sentence, end):
            jax.distributed.initialize(
                place.address,
                place.size,
                place.number,
                local_device_ids=None if place.local is None else [place.local],
                cluster_detection_method="deactivate",
                initialization_timeout=2 * START,  # it would abort; the watchdog comes before
                heartbeat_timeout_seconds=HEARTBEAT,
                shutdown_timeout_seconds=END,
            )
            jax.local_devices()  # begins JAX, which asks the others for their devices
    except RuntimeError as error:
        why = str(error.__context__ or error).partition("\n")[0]  # without what JAX says of plugins
        raise ConfigError(
            f"process {place.number} of {place.size} cannot join the run at {place.address} ({why}); see that all "
            "processes run, process 0 there, and that its port is open."
        ) from error


def _leave(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Print an error and end at once: in Python's usual end this process would wait for the others, and they for it."""
    sys.__excepthook__(kind, error, trace)
    end(130 if issubclass(kind, KeyboardInterrupt) else 1)


def end(code: int) -> None:
    """End this process without waiting for the others, which see its connections closed.

    Process 0 holds what the others are connected to, without which JAX aborts them; it leaves time for their error.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if process_count() > 1 and is_first():
        time.sleep(LAST)
    os._exit(code)


def shutdown() -> None:
    """Leave the run, when all processes are here; Python does so at its end too."""
    if _STATE.place.size > 1:
        import jax

        jax.distributed.shutdown()
        sys.excepthook = sys.__excepthook__
    _STATE.place, _STATE.is_initialized = ALONE, False


def is_initialized() -> bool:
    """Return whether this program called `initialize`."""
    return _STATE.is_initialized


def is_one_of_several() -> bool:
    """Return whether the environment says that this process was started as one of several. Raises ConfigError."""
    return environment.found(os.environ).size > 1


def process_count() -> int:
    """Return the number of processes of the run."""
    return _STATE.place.size


def process_index() -> int:
    """Return this process's number, from 0."""
    return _STATE.place.number


def is_first() -> bool:
    """Return whether this is process 0, which prints, evaluates and writes; so is a program of one process."""
    return _STATE.place.number == 0


def watchdog() -> Watchdog:
    """Return what ends this process where it waits for another one for longer than `initialize` was told."""
    return Watchdog(
        _STATE.timeout,
        f"process {process_index()} of {process_count()} has waited {_STATE.timeout:g} s for another one and ends; "
        "see which is stuck, and start all of them again from the last checkpoint.",
        end,
    )


CODE = 75
"""The exit code of a process that its watchdog ends; sysexits.h calls it a failure that may pass."""


class Watchdog:
    """End this process, and with it the run, where `beat` is not called for so many seconds.

    JAX ends a run with a process that is dead. One that is alive and stuck would keep the others waiting for ever.

    seconds: without a beat.  sentence: what is printed then.  end(code): ends the process.
    """

    def __init__(self, seconds: float, sentence: str, end: Callable[[int], object]) -> None:
        """Keep the arguments; nothing is watched yet."""
        self.seconds, self.sentence, self.end = seconds, sentence, end

    def __enter__(self) -> Self:
        """Begin to watch."""
        self.over = threading.Event()
        self.beat()
        threading.Thread(target=self.watch, name="chainrule-watchdog", daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop watching."""
        self.over.set()

    def beat(self) -> None:
        """Say that there is progress."""
        self.last = time.monotonic()

    def watch(self) -> None:
        """Look whether there was progress, until the end."""
        while not self.over.wait(min(self.seconds / 4, 5.0)):
            if time.monotonic() - self.last > self.seconds:
                print(f"chainrule: {self.sentence}", file=sys.stderr)
                self.end(CODE)
                return
