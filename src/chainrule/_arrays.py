"""One source for NumPy and JAX: the array namespace of what is passed in."""

from __future__ import annotations

from typing import Any, TypeAlias

Array: TypeAlias = Any
"""A NumPy array, or a JAX array or tracer: whatever has `__array_namespace__` (the Python array API standard)."""


def namespace(z: Array) -> Any:
    """The module whose functions work on z: `numpy` or `jax.numpy`."""
    return z.__array_namespace__()


def zeros(like: Array) -> Array:
    """Of the same shape and type; NumPy's take no memory until they are written to, unlike those of zeros_like."""
    return namespace(like).zeros(like.shape, dtype=like.dtype)


def erf(z: Array) -> Array:
    """erf(z) = 2/sqrt(pi) * integral from 0 to z of exp(-t^2) dt, which neither namespace has itself."""
    if namespace(z).__name__ == "numpy":
        from scipy.special import erf as scipy_erf

        return scipy_erf(z)
    from jax.scipy.special import erf as jax_erf

    return jax_erf(z)
