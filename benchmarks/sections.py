"""What the matrix consists of. Each section is a generator of (cell's name, function that measures it)."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from speed import PEERS, Case, PeerError, Worker, installed, interleaved
from speed.measure import Contestant, Pool, prediction, training

Cell = dict[str, Any]
Section = Iterator[tuple[str, Callable[[], Cell]]]

HOME = (
    Case((8, 32, 32, 1), 32),
    Case((50, 256, 256, 256, 1), 256),
    Case((784, 128, 10), 32),
    Case((784, 128, 10), 128),
    Case((784, 512, 512, 10), 128),
    Case((784, 2500, 2000, 1500, 1000, 500, 10), 256),
    Case((4, 32, 16, 4), 32),
    *(Case((10, w, w, 10), 32) for w in (32, 45, 46, 64, 128, 256)),
    Case((784, 800, 10), 128),
    Case((784, 1024, 1024, 1024, 10), 256),
    Case((784, 4096, 4096, 4096, 10), 256),
)
"""Each shape at the batch at which it is usually trained."""
BATCHES = (1, 8, 32, 128, 512, 2048, 16384)
BLOCKS = tuple(
    Case(widths, batch, blocks)
    for widths, batch in (((10, 64, 64, 10), 32), ((784, 256, 256, 10), 128), ((50, 256, 256, 256, 1), 256))
    for blocks in ("batch norm", "dropout", "residual")
)
PREDICTED = ((784, 128, 10), (8, 32, 32, 1), (784, 512, 512, 10), (784, 2500, 2000, 1500, 1000, 500, 10))
ROWS = (1, 32, 1024, 8192)
FITTED = (
    (Case((8, 32, 32, 1), 32), 20),
    (Case((784, 128, 10), 128), 10),
    (Case((784, 512, 512, 10), 128), 4),
)
TOGETHER = (Case((784, 128, 10), 128), Case((784, 512, 512, 10), 128))
LIMITED = 1_000_000
"""Weights from which on matrix products by NumPy are measured beside a cell: the limit."""
IMPORTS = {
    "chainrule": "from chainrule import Adam, Dense, Model, Network, ReLU, SoftmaxCrossEntropy",
    "chainrule alone": "import chainrule",
    "sklearn": "from sklearn.neural_network import MLPClassifier",
    "torch": "import torch",
    "jax": "import jax.numpy",
    "onnxruntime": "import onnxruntime",
    "numpy": "import numpy",
}


@dataclass
class Plan:
    """How a run measures."""

    threads: tuple[int, ...]
    seconds: float
    rounds: int
    peers: tuple[str, ...]
    say: Callable[[str], None]
    pool: Pool
    seeds: int = 10

    @property
    def most(self) -> int:
        """All threads."""
        return self.threads[-1]

    def contestants(self, what: str = "trains", without: tuple[str, ...] = ()) -> list[Contestant]:
        """Every peer that is here and does this, on each number of threads."""
        names = [p for p in self.peers if p not in without and getattr(PEERS[p], what) and installed(p)]
        return [Contestant(name, threads) for name in names for threads in self.threads]


def train(plan: Plan) -> Section:
    """Each shape at its batch, by everyone."""
    for case in HOME:
        yield case.name, partial(trained, plan, case)


def blocks(plan: Plan) -> Section:
    """Batch norm, dropout and residual blocks."""
    for case in BLOCKS:
        yield case.name, partial(trained, plan, case)


def batches(plan: Plan) -> Section:
    """Each shape at every other batch, without torch.compile, whose compiler would take an hour."""
    for widths in dict.fromkeys(case.widths for case in HOME):
        for batch in BATCHES:
            case = Case(widths, batch)
            if case not in HOME:
                yield case.name, partial(trained, plan, case, ("torch-compile",))


def trained(plan: Plan, case: Case, without: tuple[str, ...] = ()) -> Cell:
    """A cell of training, with the limit beside it where the network is large."""
    if not case.is_affordable:
        return {"case": case.as_json(), "left out": f"a step would take {case.step_seconds:.0f} s"}
    beside = limits(plan) if case.weights >= LIMITED else {}
    cell = dataclasses.asdict(
        training(
            plan.pool,
            case,
            plan.contestants(without=without),
            seconds=plan.seconds,
            rounds=plan.rounds,
            say=plan.say,
            beside=beside,
        )
    )
    if beside:
        cell["sgemm"] = {name.partition("@")[2]: cell["values"].pop(name) for name in beside}
    return cell


def limits(plan: Plan) -> dict[str, Callable[[], float]]:
    """Calls that measure the operations a second of NumPy's matrix product, by name and threads."""

    def rate(threads: int) -> float:
        return float(plan.pool.ask(Contestant("numpy", threads), "sgemm", seconds=plan.seconds)["rate"])

    return {f"sgemm@{threads}": partial(rate, threads) for threads in plan.threads}


def predict(plan: Plan) -> Section:
    """One row, and batches."""
    for widths in PREDICTED:
        for rows in ROWS:
            case = Case(widths, max(ROWS) // 2)  # an epoch has the rows
            yield f"{case.network}, {rows} row{'s' * (rows > 1)}", partial(predicted, plan, case, rows)


def predicted(plan: Plan, case: Case, rows: int) -> Cell:
    """Calls a second."""
    cell = prediction(
        plan.pool,
        case,
        plan.contestants("predicts"),
        rows=rows,
        seconds=plan.seconds / 4,
        rounds=plan.rounds,
        say=plan.say,
    )
    return dataclasses.asdict(cell) | {"rows": rows}


def fit(plan: Plan) -> Section:
    """From arrays to a trained network, compilation and all, in a process that has the library imported."""
    for case, epochs in FITTED:
        yield f"{case.name}, {epochs} epochs", partial(fitted, plan, case, epochs)


def fitted(plan: Plan, case: Case, epochs: int) -> Cell:
    """Seconds, and those of the first epoch alone."""
    cell: Cell = {"case": case.as_json(), "epochs": epochs, "values": {}, "first": {}}
    ready = []
    for who in plan.contestants():
        if who.threads != plan.most:
            continue
        plan.say(f"{who}: first epoch")
        if plan.pool.ask(who, "load", case=case.as_json())["refusal"] is None:
            cell["first"][str(who)] = plan.pool.ask(who, "first")["seconds"]
            ready.append(who)
    calls = {str(w): lambda w=w: plan.pool.ask(w, "fit", epochs=epochs)["seconds"] for w in ready}
    spread = interleaved(calls, min(3, plan.rounds), before=plan.say)
    cell["values"] = {name: list(s.values) for name, s in spread.items()}
    return cell


def together(plan: Plan) -> Section:
    """Two processes of the same library at once, each on all threads: the sum of their rates."""
    for case in TOGETHER:
        yield case.name, partial(both, plan, case)


def both(plan: Plan, case: Case) -> Cell:
    """Samples a second of the two together, and of one of them alone."""
    cell: Cell = {"case": case.as_json(), "values": {}, "alone": {}}
    pairs: dict[str, list[Worker]] = {}
    names = [
        w.peer for w in plan.contestants(without=("torch-compile", "jax-step")) if w.threads == plan.most
    ]
    try:
        for name in names:
            plan.say(f"{name}: two processes load")
            pairs[name] = [Worker(name, plan.most) for _ in range(2)]
            for worker in pairs[name]:
                worker.ask("load", case=case.as_json())
                worker.ask("first")
                worker.ask("train", seconds=4 * plan.seconds)

        def at_once(name: str) -> float:
            for worker in pairs[name]:
                worker.send("train", seconds=4 * plan.seconds)
            return float(sum(worker.receive()["rate"] for worker in pairs[name]))

        def alone(name: str) -> float:
            return float(pairs[name][0].ask("train", seconds=4 * plan.seconds)["rate"])

        for key, call in (("values", at_once), ("alone", alone)):
            calls = {f"{name}@{plan.most}": lambda name=name, call=call: call(name) for name in names}
            spread = interleaved(calls, plan.rounds, before=plan.say)
            cell[key] = {name: list(s.values) for name, s in spread.items()}
    finally:
        for worker in (w for pair in pairs.values() for w in pair):
            worker.close()
    return cell


def memory(plan: Plan) -> Section:
    """Peak resident memory of a process that trains, the data and the library in it."""
    for case in (Case((784, 128, 10), 128), Case((784, 2500, 2000, 1500, 1000, 500, 10), 256)):
        yield case.name, partial(peaks, plan, case)


def peaks(plan: Plan, case: Case) -> Cell:
    """MiB, each in a fresh process."""
    cell: Cell = {"case": case.as_json(), "data": case.samples * case.widths[0] * 4 / 2**20, "values": {}}
    for who in plan.contestants(without=("torch-compile",)):
        if who.threads != plan.most:
            continue
        plan.say(f"{who}: memory")
        with Worker(*who) as worker:
            worker.ask("load", case=case.as_json())
            worker.ask("train", seconds=plan.seconds)
            cell["values"][str(who)] = [worker.ask("memory")["peak"]]
    return cell


def imports(plan: Plan) -> Section:
    """Seconds until a library can be used, in a fresh interpreter, beyond the interpreter's own start."""
    yield "seconds", partial(imported, plan)


def imported(plan: Plan) -> Cell:
    """By library."""

    def seconds(statement: str) -> float:
        code = f"import time\nstart = time.perf_counter()\n{statement}\nprint(time.perf_counter() - start)"
        done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
        return float(done.stdout.split()[-1])

    wanted = {n: s for n, s in IMPORTS.items() if n.split()[0] in ("chainrule", "jax") or installed(n)}
    calls = {name: lambda s=s: seconds(s) for name, s in wanted.items()}
    spread = interleaved(calls, max(3, plan.rounds), before=plan.say)
    return {"values": {name: list(s.values) for name, s in spread.items()}}


def target(plan: Plan) -> Section:
    """`chainrule train mnist --target 0.98`, the whole process, a seed each."""
    yield "chainrule train mnist --target 0.98", partial(to_target, plan)


def to_target(plan: Plan) -> Cell:
    """Seconds, and which seeds missed."""
    cell: Cell = {"values": {"chainrule": []}, "missed": []}
    for seed in range(plan.seeds):
        plan.say(f"seed {seed}")
        folder = Path(tempfile.mkdtemp())
        command = [
            *(sys.executable, "-P", "-m", "chainrule", "train", "mnist", "--target", "0.98", "--quiet")
        ]
        try:
            start = time.perf_counter()
            done = subprocess.run(
                [*command, "--seed", str(seed), "--out", str(folder / "run")],
                capture_output=True,
                env=dict(os.environ),
            )
            cell["values"]["chainrule"].append(time.perf_counter() - start)
        finally:
            shutil.rmtree(folder)
        if done.returncode == 1:
            cell["missed"].append(seed)
        elif done.returncode:
            raise PeerError(done.stderr.decode().strip())
    return cell


SECTIONS: dict[str, Callable[[Plan], Section]] = {
    "train": train,
    "blocks": blocks,
    "predict": predict,
    "fit": fit,
    "imports": imports,
    "memory": memory,
    "together": together,
    "target": target,
    "batches": batches,
}
"""In the order in which they run: what matters first, what takes longest last."""
