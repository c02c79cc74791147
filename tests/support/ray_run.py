"""The program that the tests of Ray start: a run by Ray, whose worker may be killed, and the same one without Ray."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig

from chainrule import (
    BatchNorm,
    Compute,
    Dense,
    Dropout,
    Model,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    distributed,
    load,
)
from chainrule.ray import ChainruleTrainer, RayTrainReportCallback, checkpoint_file

EPOCHS, KILLED_IN = 5, 4
"""When the fourth epoch ends, Ray has taken in the report of the first one at least."""


def trained(**settings: Any) -> Model:
    draws = np.random.default_rng(0)
    X, y = draws.normal(size=(86, 6)).astype(np.float32), draws.integers(0, 3, 86)
    layers = [Dense(8), BatchNorm(), ReLU(), Dropout(0.3), Dense(3)]
    model = Model(Network(6, layers, SoftmaxCrossEntropy(), l2=1e-3), seed=1)
    model.fit(X, y, epochs=EPOCHS, batch_size=20, engine=Compute(shards=8), **settings)
    return model


def bits(model: Model) -> str:
    numbers = [model.theta, *(value for state in model.states.values() for value in state)]
    return hashlib.sha256(b"".join(np.ascontiguousarray(value).tobytes() for value in numbers)).hexdigest()


def train_loop_per_worker(config: dict[str, Any]) -> None:
    folder, place = Path(config["folder"]), f"{distributed.process_index()} of {distributed.process_count()}"

    def kill(run: Any) -> None:
        killed = folder / "killed"
        if run.epoch == KILLED_IN and place == "1 of 2" and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    with checkpoint_file() as path:
        model = trained(resume=path, callbacks=[kill, RayTrainReportCallback()])
        (folder / place).write_text(json.dumps({"bits": bits(model), "resumed": path is not None}))


if __name__ == "__main__":
    folder, workers = Path(sys.argv[1]), int(sys.argv[2])
    if workers:
        ray.init(num_cpus=2, include_dashboard=False, _temp_dir=sys.argv[3], object_store_memory=10**8)
    result = ChainruleTrainer(
        train_loop_per_worker,
        train_loop_config={"folder": str(folder)},
        scaling_config=ScalingConfig(num_workers=workers),
        run_config=RunConfig(
            name="run", storage_path=str(folder), failure_config=FailureConfig(max_failures=1)
        ),
    ).fit()
    said: dict[str, Any] = {"epoch": result.metrics["epoch"]}
    if workers:
        ray.shutdown()
        saved = load(Path(result.checkpoint.path, "model.safetensors"))
        said["saved"] = {"bits": bits(saved), "epochs": saved.epochs_trained}
    said["workers"] = {path.name: json.loads(path.read_text()) for path in folder.glob("? of ?")}
    distributed.initialize()
    print(json.dumps(said | {"plain": bits(trained())}))
