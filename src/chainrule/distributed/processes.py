"""The processes of a run: how they start and end, and which one this is."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import Any

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
    timeout: the seconds after which a process that waits for another one ends the run.

    On processors each process computes on one core, unless `NPROC` says another number, on which the bits depend.
    Raises ConfigError for places that do not fit, and where JAX has begun to compute.
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
        _join(place)
    _STATE.place, _STATE.is_initialized, _STATE.timeout = place, True, timeout


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


def _join(place: Rank) -> None:
    import jax

    jax.config.update("jax_enable_preemption_service", False)  # signals are the training loop's
    try:
        jax.distributed.initialize(
            place.address,
            place.size,
            place.number,
            local_device_ids=None if place.local is None else [place.local],
            cluster_detection_method="deactivate",
            initialization_timeout=START,
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=END,
        )
    except RuntimeError as error:
        raise ConfigError(
            f"process {place.number} of {place.size} cannot join the run at {place.address} ({error}); see that "
            "process 0 runs there, and that the port is free and open."
        ) from error
    sys.excepthook = _leave


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


def timeout() -> float:
    """Return the seconds after which a process that waits ends the run."""
    return _STATE.timeout
