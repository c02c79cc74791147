"""Training on Ray: each worker of a Ray Train run is a process of one run, which Ray restarts if it fails.

    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from chainrule.ray import ChainruleTrainer, RayTrainReportCallback, checkpoint_file

    def train_loop_per_worker(config):
        model = Model(...)
        with checkpoint_file() as path:
            model.fit(X, y, epochs=config["epochs"], resume=path, callbacks=[RayTrainReportCallback()])

    ChainruleTrainer(
        train_loop_per_worker,
        train_loop_config={"epochs": 20},
        scaling_config=ScalingConfig(num_workers=4),
        run_config=RunConfig(storage_path="/shared/runs", failure_config=FailureConfig(max_failures=3)),
    ).fit()

The parameters have the bits of `fit(engine=Compute(shards=8))` in a single process, with any number of workers and
failures. Needs the extra `ray`.
"""

from __future__ import annotations

import functools
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any

from chainrule import distributed
from chainrule.training import checkpoint
from chainrule.training.callbacks import Checkpoint
from chainrule.training.run import Run

try:
    import ray.train
    from ray.train.collective import broadcast_from_rank_zero
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
except ImportError as error:
    raise ImportError(
        "chainrule.ray needs Ray Train, version 2.51 or later; install it: pip install 'chainrule[ray]'."
    ) from error

FILE = "checkpoint.safetensors"
"""The file in Ray's checkpoint from which a run continues."""


class ChainruleTrainer(DataParallelTrainer):  # type: ignore[misc]
    """Call a function in workers that together are one run; `fit()` starts them and returns Ray's `Result`.

    train_loop_per_worker: a function of train_loop_config, or without arguments, that calls `Model.fit`. Each worker
    passes the same data, and trains on its part of every batch.
    scaling_config: its num_workers is a power of two.  run_config: the storage and the handling of failures.
    timeout: the seconds after which a worker that waits for another one ends.
    """

    def __init__(
        self,
        train_loop_per_worker: Callable[..., Any],
        *,
        train_loop_config: dict[str, Any] | None = None,
        scaling_config: ray.train.ScalingConfig | None = None,
        run_config: ray.train.RunConfig | None = None,
        timeout: float = 600.0,
    ) -> None:
        """Pass the function to Ray, wrapped in the workers' start and end."""

        @functools.wraps(train_loop_per_worker)
        def joined(*config: Any) -> Any:
            context = ray.train.get_context()
            first = context.get_world_rank() == 0
            address = broadcast_from_rank_zero(_free_address() if first else None)
            distributed.initialize(
                address, context.get_world_size(), context.get_world_rank(), timeout=timeout
            )
            found = train_loop_per_worker(*config)
            distributed.shutdown()  # not after an error: Ray ends the others before they reach it
            return found

        super().__init__(
            joined,
            train_loop_config=train_loop_config,
            scaling_config=scaling_config,
            run_config=run_config,
        )


def _free_address() -> str:
    """Return host:port with a free port of this machine."""
    with socket.socket() as listening:
        listening.bind(("", 0))
        return f"{ray.util.get_node_ip_address()}:{listening.getsockname()[1]}"


class RayTrainReportCallback(Checkpoint):
    """Report each epoch's record to Ray Train, with a checkpoint from which a lost run continues.

    A checkpoint is a folder in Ray's storage: `checkpoint.safetensors`, for `fit(resume=)`, and `model.safetensors`,
    for `chainrule.load`. Process 0 writes it, and all wait for each other.
    """

    def __init__(self) -> None:
        """Write after each epoch."""
        super().__init__(FILE)

    def write(self, run: Run) -> None:
        """Report the record of the last epoch, with its number."""
        with tempfile.TemporaryDirectory() as folder:
            kept = None
            if distributed.is_first():
                checkpoint.write(Path(folder, FILE), run)
                model = copy(run.model)  # whose steps are set when the run ends
                model.epochs_trained, model.steps_trained = run.trained
                model.save(Path(folder, "model.safetensors"))
                kept = ray.train.Checkpoint.from_directory(folder)
            ray.train.report({"epoch": run.epoch, **run.logs}, checkpoint=kept)


@contextmanager
def checkpoint_file() -> Iterator[Path | None]:
    """Yield the file of the run's last checkpoint, for `fit(resume=)`; None in a new run.

    A file from remote storage exists until the end of the block.
    """
    last = ray.train.get_checkpoint()
    if last is None:
        yield None
        return
    with last.as_directory() as folder:
        yield Path(folder, FILE)
