"""What a request costs a server: `chainrule serve` beside FastAPI with PyTorch, many clients with one row each.

    python benchmarks/serve.py [--clients 200] [--seconds 10] [--rounds 3]

Each server is a process of its own on this machine and is asked by `wrk`, in turn. Microseconds are of the server's
processor time, for each request that it answered. Needs wrk, and the packages fastapi and torch for the peer.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import numpy as np
from results import generation, machine, today

from chainrule import Dense, MeanSquaredError, MLPRegressor, Model, Network, ReLU

WIDTHS = (20, 128, 128, 1)
PEER = """
import sys

import torch
from fastapi import FastAPI, Request

torch.set_num_threads(1)
widths = {widths}
layers = [part for a, b in zip(widths, widths[1:]) for part in (torch.nn.Linear(a, b), torch.nn.ReLU())][:-1]
network = torch.nn.Sequential(*layers).eval()
app = FastAPI()


@app.get("/health")
async def health():
    return {{}}


@app.post("/predict")
async def predict(request: Request):
    rows = torch.tensor(await request.json(), dtype=torch.float32)
    with torch.inference_mode():
        return network(rows).tolist()
"""


class Contestant(NamedTuple):
    """A server, and the request that it gets."""

    name: str
    command: list[str]
    """its arguments, without the port"""
    body: str
    """one row, as JSON"""


def contestants(folder: Path) -> Iterator[Contestant]:
    """Make the models and yield the servers; the peer only where its packages are installed."""
    draws = np.random.default_rng(0)
    number = draws.normal(size=(3_000, 4))
    text = draws.choice(["north", "south", "east"], (3_000, 2))
    table = {f"n{k}": column for k, column in enumerate(number.T)} | {
        f"t{k}": c for k, c in enumerate(text.T)
    }
    estimator = MLPRegressor(preprocess="auto", preset="fast", random_state=0).fit(table, number.sum(1))
    estimator.save(folder / "table.safetensors")
    layers = [part for width in WIDTHS[1:] for part in (Dense(width), ReLU())][:-1]
    model = Model(Network(WIDTHS[0], layers, loss=MeanSquaredError()), seed=0)
    model.fit(draws.normal(size=(64, WIDTHS[0])), draws.normal(size=64), epochs=1)
    model.save(folder / "network.safetensors")
    (folder / "peer.py").write_text(PEER.format(widths=WIDTHS), "utf-8")
    row = "{" + ", ".join(f'"n{k}": 0.5' for k in range(4)) + ', "t0": "north", "t1": "east"}'
    numbers = f"[[{', '.join(['0.5'] * WIDTHS[0])}]]"
    ours = [sys.executable, "-m", "chainrule", "serve"]
    yield Contestant(
        'Chainrule: table of six columns, preset="fast"', [*ours, f"{folder}/table.safetensors"], f"[{row}]"
    )
    yield Contestant("Chainrule: network 20-128-128-1", [*ours, f"{folder}/network.safetensors"], numbers)
    if find_spec("fastapi") and find_spec("torch"):
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "peer:app",
            "--app-dir",
            str(folder),
            "--log-level",
            "warning",
        ]
        yield Contestant("FastAPI with PyTorch, asynchronous: the same network", command, numbers)


@contextmanager
def started(contestant: Contestant) -> Iterator[tuple[int, int]]:
    """Run a server until the block ends; yield its process and its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([*contestant.command, "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                urlopen(f"http://127.0.0.1:{port}/health").close()
                break
            except OSError:
                time.sleep(0.1)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait()


def processor_seconds(pid: int) -> float:
    """Return the seconds of the processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Round(NamedTuple):
    """What a server did in a round."""

    microseconds: float
    rate: float
    """requests a second"""
    slow: str
    """the latency that one of a hundred requests exceeds"""
    failed: int


def asked(pid: int, port: int, body: str, clients: int, seconds: int, folder: Path) -> Round:
    """Ask a server by `wrk` for some seconds."""
    script = folder / "post.lua"
    script.write_text(
        f"wrk.method = 'POST'\nwrk.body = '{body}'\nwrk.headers['Content-Type'] = 'application/json'\n",
        "utf-8",
    )
    before = processor_seconds(pid)
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "-s", str(script)]
    said = subprocess.run(
        [*command, f"http://127.0.0.1:{port}/predict"], check=True, capture_output=True, text=True
    ).stdout
    count, took = re.search(r"(\d+) requests in ([\d.]+)s", said).groups()
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    return Round(
        (processor_seconds(pid) - before) / int(count) * 1e6,
        int(count) / float(took),
        re.search(r"99%\s+(\S+)", said)[1],
        int(refused[1]) if refused else 0,
    )


def main() -> None:
    """Measure, and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--clients", type=int, default=200)
    arguments.add_argument("--seconds", type=int, default=10, help="of a round")
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        servers = list(contestants(folder))
        found: dict[str, list[Round]] = {each.name: [] for each in servers}
        for _ in range(given.rounds):
            for each in servers:
                with started(each) as (pid, port):
                    asked(pid, port, each.body, given.clients, 1, folder)
                    found[each.name].append(asked(pid, port, each.body, given.clients, given.seconds, folder))
    print(f"{today()}, {generation(machine())}, {given.rounds} rounds, load {os.getloadavg()[0]:.0f}\n")
    print(
        "| server | microseconds | requests a second | slowest of a hundred | failed |\n|---|---:|---:|---:|---:|"
    )
    for name, rounds in found.items():
        costs, rates = sorted(each.microseconds for each in rounds), sorted(each.rate for each in rounds)
        row = [f"{costs[0]:.0f} to {costs[-1]:.0f}", f"{rates[0]:,.0f} to {rates[-1]:,.0f}"]
        row += [", ".join(each.slow for each in rounds), str(sum(each.failed for each in rounds))]
        print(f"| {name} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
