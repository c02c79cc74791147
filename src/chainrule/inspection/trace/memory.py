"""Estimate the memory of a trace."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from chainrule.errors import ConfigError
from chainrule.network.network import Network
from chainrule.network.summary import as_bytes

MEMORY_LIMIT = 2**30
"""The default of `memory_limit` in `Model.trace`, in bytes: 1 GiB."""


def memory(network: Network, samples: int, dtype: DTypeLike, training: bool = True) -> int:
    """Estimate the peak memory in bytes of creating a trace, which keeps most of it.

    n (2 inputs + sum_l arrays_l fan_out_l) + 3 parameters, each an item of dtype, with arrays_l from `Layer.arrays`.
    """
    numbers = 2 * network.inputs + sum(link.layer.arrays(training) * link.fan_out for link in network.walk())
    return int((samples * numbers + 3 * network.size) * np.dtype(dtype).itemsize)


def check_memory(
    network: Network, samples: int, dtype: DTypeLike, training: bool, limit: float | None
) -> None:
    """Check that a trace needs at most `limit` bytes; None for no limit. Raises ConfigError."""
    need = memory(network, samples, dtype, training)
    if limit is not None and need > limit:
        one = memory(network, 1, dtype, training) - memory(network, 0, dtype, training)
        fit = int((limit - memory(network, 0, dtype, training)) // one)
        few = f"trace at most {fit:,} of them, X[:{fit}], or " if fit > 0 else ""
        raise ConfigError(
            f"a trace of {samples:,} samples takes about {as_bytes(need)}, more than memory_limit, {as_bytes(limit)}; "
            f"{few}pass a larger memory_limit in bytes, or None."
        )
