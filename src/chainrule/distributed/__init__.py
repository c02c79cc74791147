"""One training run over several processes, on one machine or on many, with the same bits for any number of them.

    import chainrule
    from chainrule import distributed

    distributed.initialize()  # if started by Slurm, Kubeflow, Open MPI or with JAX_* variables
    model.fit(X, y, batch_size=4096)  # each process takes its part of every batch

Every process runs the same program with the same data and settings. A batch is split into `shards`, whose gradients
are summed along one binary tree: the result depends on the number of shards but not on the number of processes. JAX
transfers the messages (`jax.distributed`). Only process 0 prints, evaluates and writes.
"""

from __future__ import annotations

from chainrule.distributed.processes import (
    SHARDS,
    end,
    initialize,
    is_first,
    is_initialized,
    is_one_of_several,
    process_count,
    process_index,
    shutdown,
)

__all__ = [
    "SHARDS",
    "end",
    "initialize",
    "is_first",
    "is_initialized",
    "is_one_of_several",
    "process_count",
    "process_index",
    "shutdown",
]
