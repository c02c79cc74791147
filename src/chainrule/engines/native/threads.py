"""Determine the number of threads for the native engine: from the environment, the control group and threadpoolctl."""

from __future__ import annotations

import ctypes
import os
import platform
import re

import threadpoolctl  # type: ignore[import-untyped]

from chainrule.errors import ConfigError

try:
    import chainrule.engines.native._native as _native
except ImportError:  # not built
    _native = None  # type: ignore[assignment]


def threads() -> int:
    """Return the number of threads that may be used.

    The limit set with threadpoolctl; without one CHAINRULE_NUM_THREADS, OMP_NUM_THREADS, or the number of cores
    available to the process.
    """
    return (0 if _native is None else _native.thread_limit()) or unlimited()


def unlimited() -> int:
    """Return the number of threads without threadpoolctl's limit. Raises ConfigError for an invalid variable."""
    for name in ("CHAINRULE_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "").split(",")[0].strip()
        if value:
            if not re.fullmatch("[0-9]{1,9}", value) or not 1 <= int(value) <= 1024:
                raise ConfigError(f"{name} must be a number of threads from 1 to 1024, not {value!r}.")
            return int(value)
    return cores()


def cores() -> int:
    """Return the number of cores available to this process, from its affinity and control group.

    Of an Apple processor only the fast ones: threads have equal shares of the rows, and would wait for the slow ones.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = _performance_cores() or os.cpu_count() or 1
    return min(allowed, _quota() or allowed)


def _performance_cores() -> int | None:
    """Return the number of an Apple processor's performance cores, or None if it has but one kind, or is none."""
    if platform.system() != "Darwin":
        return None
    count = ctypes.c_int()
    size = ctypes.c_size_t(ctypes.sizeof(count))
    ask = ctypes.CDLL(None).sysctlbyname
    failed = ask(
        b"hw.perflevel0.physicalcpu", ctypes.byref(count), ctypes.byref(size), None, ctypes.c_size_t(0)
    )
    return None if failed or count.value < 1 else count.value


def _quota() -> int | None:
    """Return the number of whole cores that the control group allows, or None for no limit."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
        return None if quota == "max" else max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return None


class Controller(threadpoolctl.LibController):  # type: ignore[misc]
    """The engine to threadpoolctl, by the two functions that native/threads.h exports."""

    user_api, internal_api = "chainrule", "chainrule"
    filename_prefixes = ("_native",)
    check_symbols = ("chainrule_get_num_threads", "chainrule_set_num_threads")

    def get_num_threads(self) -> int:
        """Return the limit that is set, or the number of threads without one."""
        bound: int = self.dynlib.chainrule_get_num_threads()
        return bound or unlimited()

    def set_num_threads(self, num_threads: int) -> None:
        """Set a limit. The default is none, so that after a temporary limit the environment counts again."""
        self.dynlib.chainrule_set_num_threads(0 if num_threads == unlimited() else num_threads)

    def get_version(self) -> None:
        """Return None: the engine has the package's version."""
        return None


if _native is not None:
    threadpoolctl.register(Controller)
