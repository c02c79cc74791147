"""The program that the tests of several processes start: small runs, and what came of them as JSON on its last line."""

from __future__ import annotations

import hashlib
import json
import sys
import time

from chainrule import distributed

if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    distributed.initialize(timeout=given.get("timeout", 600))

    import numpy as np

    from chainrule import (
        BatchNorm,
        Callback,
        Checkpoint,
        Dense,
        Dropout,
        Model,
        Network,
        ParquetSource,
        ReLU,
        SoftmaxCrossEntropy,
    )
    from chainrule.training import loop

    class Slow(Callback):
        def on_steps(self, run):
            time.sleep(given.get("sleep", 0))

    loop.POLL_SECONDS = 0  # a step a call, after each of which the processes agree
    draws = np.random.default_rng(0)
    X, y = draws.normal(size=(86, 6)).astype(np.float32), draws.integers(0, 3, 86)
    if distributed.process_index() == given.get("other_data"):
        X[0] += 1
    results = []
    for settings in given.get("runs", [given]):
        network = Network(
            6, [Dense(8), BatchNorm(), ReLU(), Dropout(0.3), Dense(3)], SoftmaxCrossEntropy(), l2=1e-3
        )
        model, path = Model(network, seed=1), settings.get("checkpoint")
        rows = {"X": X, "y": y, "validation_fraction": 0.1, "sample_weight": np.linspace(0.5, 1.5, 86)}
        if "table" in settings:
            rows = {"X": ParquetSource(settings["table"], target="y", window=32)}
        history = model.fit(
            **rows,
            epochs=3,
            batch_size=20,
            shards=settings.get("shards"),
            reduce=settings.get("reduce", "tree"),
            resume=settings.get("resume"),
            callbacks=[Slow()] if path is None else [Slow(), Checkpoint(path, every_steps=1)],
        )
        numbers = [model.theta, *(value for state in model.states.values() for value in state)]
        records = [{name: value for name, value in record.items() if name != "seconds"} for record in history]
        text = b"".join(value.tobytes() for value in numbers) + json.dumps(records).encode()
        results.append(hashlib.sha256(text).hexdigest())
    print(json.dumps({"processes": distributed.process_count(), "bits": " ".join(results)}))
