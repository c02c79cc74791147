"""JAX itself, imported when it is first needed: its devices by name, and its settings for the formulas."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from chainrule.errors import ConfigError, option

MISSING = "it needs JAX, which is not installed (pip install 'chainrule[xla]')"


def missing() -> str | None:
    """Return why there is no JAX, or None if there is one; it is looked for and not imported."""
    return None if importlib.util.find_spec("jax") is not None else MISSING


def names() -> list[str]:
    """Return the names of all devices, as "cpu:0" and "cuda:0", those that JAX prefers first."""
    return [_name(device) for device in _devices()]


def find(name: str | None) -> Any:
    """Return the device of a name, "cuda:0", or the first of a kind, "cpu", "gpu", "cuda"; for None JAX's choice.

    Raises ConfigError that lists what there is.
    """
    import jax

    known = _devices()
    chosen = jax.config.jax_default_device if name is None else name  # JAX takes a device there, or its kind
    if chosen is None:
        return known[0]
    if not isinstance(chosen, str) and name is None:
        return chosen
    kind, _, number = str(chosen).lower().partition(":")
    for device in known:
        if kind in _kinds(device) and number in ("", str(device.id)):
            return device
    there = ", ".join(repr(_name(device)) for device in known)
    raise ConfigError(f"{option('device')} must be one of {there}, not {name!r}; leave it out for the first.")


def _devices() -> list[Any]:
    """Return all devices that this process may use, those of JAX's default platform first, then the processor."""
    import jax

    found = list(jax.local_devices())
    with suppress(RuntimeError):  # JAX_PLATFORMS may leave the processor out
        found += [device for device in jax.local_devices(backend="cpu") if device not in found]
    return found


def _kinds(device: Any) -> set[str]:
    """Return the names that a device's kind goes by: JAX's "gpu" is CUDA's or ROCm's."""
    kinds = {str(device.platform)}
    if device.platform == "gpu":
        kinds |= {"rocm"} if "rocm" in str(device.client.platform_version).lower() else {"cuda"}
    return kinds


def _name(device: Any) -> str:
    return f"{max(_kinds(device) - {'gpu'}, default='gpu')}:{device.id}"


@contextmanager
def settings() -> Iterator[None]:
    """Use JAX's own settings as the formulas need them, in this thread, for a while.

    float64 stays float64 (in a float32 network the settings of a step are worked out so), products of float32 are not
    rounded to TF32 or bfloat16, types are promoted as in NumPy, and NaN is reported by the engine.
    """
    import jax

    with ExitStack() as stack:
        stack.enter_context(jax.enable_x64(True))
        stack.enter_context(jax.default_matmul_precision("highest"))
        stack.enter_context(jax.numpy_dtype_promotion("standard"))
        stack.enter_context(jax.numpy_rank_promotion("allow"))
        stack.enter_context(jax.debug_nans(False))
        stack.enter_context(jax.debug_infs(False))
        yield
