"""Determine the number of threads for the native engine: from the environment, the control group and threadpoolctl."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from chainrule.errors import ConfigError

try:
    from chainrule.engines.native import _native
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
    """Return the number of cores available to this process, from its affinity and control group."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, _quota() or allowed)


def _quota() -> int | None:
    """Return the number of whole cores that the control group allows, or None for no limit."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
        return None if quota == "max" else max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return None


def announce() -> None:
    """Register the engine with threadpoolctl: now, or when it is imported by someone else."""
    if "threadpoolctl" in sys.modules:
        register(sys.modules["threadpoolctl"])
    elif not any(isinstance(finder, _Watch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watch())


def register(threadpoolctl: ModuleType) -> None:
    """Add a controller for the two functions exported by native/threads.h."""
    if not hasattr(threadpoolctl, "register"):  # before version 3.2
        return

    class Controller(threadpoolctl.LibController):  # type: ignore[misc,name-defined]
        user_api, internal_api = "chainrule", "chainrule"
        filename_prefixes = ("_native",)
        check_symbols = ("chainrule_get_num_threads", "chainrule_set_num_threads")

        def get_num_threads(self) -> int:
            bound: int = self.dynlib.chainrule_get_num_threads()
            return bound or unlimited()

        def set_num_threads(self, num_threads: int) -> None:
            # The default is no limit, so that the environment applies again after a temporary limit.
            self.dynlib.chainrule_set_num_threads(0 if num_threads == unlimited() else num_threads)

        def get_version(self) -> None:
            return None

    threadpoolctl.register(Controller)


class _Watch(MetaPathFinder):
    """A finder that waits for the import of threadpoolctl, and registers the engine after it is loaded."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "threadpoolctl":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        loader, run = spec.loader, spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            register(module)

        loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
