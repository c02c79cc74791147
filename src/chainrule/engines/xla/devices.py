"""JAX, imported on first use: its devices by name, and its settings for the formulas."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from chainrule.errors import ConfigError, option

MISSING = "it needs JAX, which is not installed (pip install 'chainrule[xla]')"


def missing() -> str | None:
    """Return why JAX is unavailable, or None if it is installed, without importing it."""
    return None if importlib.util.find_spec("jax") is not None else MISSING


def names() -> list[str]:
    """Return the names of all devices, such as "cpu:0" and "cuda:0", in JAX's order of preference."""
    return [_name(device) for device in _devices()]


def find(name: str | None) -> Any:
    """Return the device of a name, "cuda:0", or the first of a kind, "cpu", "gpu", "cuda"; for None JAX's default.

    Raises ConfigError that lists the devices.
    """
    import jax

    known = _devices()
    chosen = jax.config.jax_default_device if name is None else name  # a device or its kind
    if chosen is None:
        return known[0]
    if not isinstance(chosen, str) and name is None:
        return chosen
    kind, _, number = str(chosen).lower().partition(":")
    for device in known:
        if kind in _kinds(device) and number in ("", str(device.id)):
            return device
    there = ", ".join(repr(_name(device)) for device in known)
    raise ConfigError(f"{option('device')} must be one of {there}, not {name!r}; omit it for the first.")


def _devices() -> list[Any]:
    """Return all devices available to this process, those of JAX's default platform first, then the CPU."""
    import jax

    found = list(jax.local_devices())
    with suppress(RuntimeError):  # JAX_PLATFORMS may exclude the CPU
        found += [device for device in jax.local_devices(backend="cpu") if device not in found]
    return found


def _kinds(device: Any) -> set[str]:
    """Return the names of a device's kind: JAX's "gpu" is also CUDA's or ROCm's."""
    kinds = {str(device.platform)}
    if device.platform == "gpu":
        kinds |= {"rocm"} if "rocm" in str(device.client.platform_version).lower() else {"cuda"}
    return kinds


def _name(device: Any) -> str:
    return f"{max(_kinds(device) - {'gpu'}, default='gpu')}:{device.id}"


@contextmanager
def settings() -> Iterator[None]:
    """Apply the JAX settings that the formulas need, in this thread and context.

    Keep float64 (also used for step settings in a float32 network), do not round products of float32 to TF32 or
    bfloat16, promote dtypes as NumPy does, and leave reporting NaN to the engine.
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
