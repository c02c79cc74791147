"""Write docs/scale.md, what a training of 10^12 rows on 1,024 hosts would take: `python docs/make_scale.py`.

Nothing of it was run at that size. Each figure follows from the assumptions at the top, by the formulas below, or from
a simulation of failures with a fixed seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

PAGE = Path(__file__).with_name("scale.md")

ROWS = 1e12
INPUTS = 50
ROW_BYTES = 4 * (INPUTS + 1)  # float32, with the target
HOSTS = 1024
FEW = 64
CORES = 32
CORE_FLOPS = 95e9  # docs/benchmarks.md: 191 GFLOP/s of two cores
SHARE = 0.7  # of it, on all cores of a host at once
LATENCY = 30e-6  # seconds of a message
BANDWIDTH = 25e9 / 8  # bytes a second: 25 Gb/s Ethernet
DISK = 1e9  # bytes a second that a host reads from object storage or its own disk
HOST_MTBF = 365 * 86400.0  # seconds between the failures of one host
RESTART = 180.0  # seconds until all hosts train again
WRITING = 1e9  # bytes a second of the one process that writes a checkpoint
SEED = 0


class Net(NamedTuple):
    """A fully connected network, and the samples of a step over all hosts."""

    name: str
    widths: tuple[int, ...]
    batch: int

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum((a + 1) * b for a, b in zip(self.widths, self.widths[1:], strict=False))

    @property
    def operations(self) -> int:
        """Of a sample: 2 a weight forward, 2 for dL/dW, and 2 for dL/da behind the first layer."""
        pairs = list(zip(self.widths, self.widths[1:], strict=False))
        return sum((4 if i == 0 else 6) * a * b for i, (a, b) in enumerate(pairs))


NETS = (
    Net("50-64-1", (50, 64, 1), 1 << 20),
    Net("50-256-256-256-1", (50, 256, 256, 256, 1), 1 << 20),
    Net("50-1024-1024-1024-1", (50, 1024, 1024, 1024, 1), 1 << 20),
    Net("50-4096-4096-4096-1", (50, 4096, 4096, 4096, 1), 1 << 20),
)


def computing(net: Net, hosts: int = HOSTS) -> float:
    """Return the seconds in which each host computes its part of a step."""
    return net.batch / hosts * net.operations / (CORES * CORE_FLOPS * SHARE)


def ring(size: float, hosts: int, latency: float = LATENCY, bandwidth: float = BANDWIDTH) -> float:
    """Return the seconds of an all-reduce of `size` bytes by a ring.

    2 (P - 1) (latency + size / (P bandwidth)): each part goes once round to be summed, and once round to be known.
    """
    return 2 * (hosts - 1) * (latency + size / hosts / bandwidth)


def doubling(size: float, hosts: int, latency: float = LATENCY, bandwidth: float = BANDWIDTH) -> float:
    """Return the seconds of an all-reduce by recursive doubling: log2 P (latency + size / bandwidth).

    In round k each host exchanges its whole sum with the one whose number differs in bit k. The sums are those of a
    fixed binary tree, so their bits do not depend on the number of hosts.
    """
    return math.log2(hosts) * (latency + size / bandwidth)


def halving(size: float, hosts: int, latency: float = LATENCY, bandwidth: float = BANDWIDTH) -> float:
    """Return the seconds of recursive halving and doubling: 2 log2 P latency + 2 (1 - 1/P) size / bandwidth.

    The same tree, of which each host sums a part: the bits of `doubling` at the traffic of `ring`.
    Source: Thakur, Rabenseifner, Gropp, Optimization of Collective Communication Operations in MPICH, 2005.
    """
    return 2 * math.log2(hosts) * latency + 2 * (1 - 1 / hosts) * size / bandwidth


def crossover(hosts: int, latency: float = LATENCY, bandwidth: float = BANDWIDTH) -> float:
    """Return the size in bytes up to which `doubling` is faster than `halving`."""
    rounds = math.log2(hosts)
    return rounds * latency * bandwidth / (rounds - 2 + 2 / hosts)


def step(net: Net, hosts: int = HOSTS, times: int = 1) -> tuple[float, float]:
    """Return the seconds that a step computes, and those that it takes with the fastest of the three sums.

    times: the rows of the step, as a multiple of the network's batch.
    """
    size, compute = 4.0 * net.parameters, times * computing(net, hosts)
    return compute, compute + min(each(size, hosts) for each in (ring, doubling, halving))


def young(cost: float, mtbf: float) -> float:
    """Return Young's interval between checkpoints, sqrt(2 C M). Source: Young, CACM 17, 1974."""
    return math.sqrt(2 * cost * mtbf)


def daly(cost: float, mtbf: float) -> float:
    """Return Daly's interval: sqrt(2 C M) (1 + sqrt(C / 2M) / 3 + C / 18M) - C for C < 2M, else M.

    Source: Daly, A higher order estimate of the optimum checkpoint interval for restart dumps, FGCS 22, 2006.
    """
    if cost >= 2 * mtbf:
        return mtbf
    root = math.sqrt(cost / (2 * mtbf))
    return young(cost, mtbf) * (1 + root / 3 + root * root / 9) - cost


def expected(work: float, interval: float, cost: float, mtbf: float, restart: float) -> float:
    """Return the expected seconds of `work` seconds with failures: M e^(R/M) (e^((T + C)/M) - 1) work / T (Daly)."""
    return mtbf * math.exp(restart / mtbf) * math.expm1((interval + cost) / mtbf) * work / interval


def simulated(
    work: float, interval: float, cost: float, mtbf: float, restart: float, runs: int = 400, seed: int = SEED
) -> float:
    """Return the mean seconds of simulated runs whose failures are exponentially distributed.

    A failure loses what came after the last checkpoint, and a restart can fail too.
    """
    rng = np.random.default_rng(seed)
    total = 0.0
    for _ in range(runs):
        left, now, failure = work, 0.0, rng.exponential(mtbf)
        while left > 1e-9:
            piece = min(interval, left)
            end = now + piece + cost
            if failure >= end:
                now, left = end, left - piece
                continue
            now = failure + restart
            failure += rng.exponential(mtbf)
            while failure < now:
                now, failure = failure + restart, failure + rng.exponential(mtbf)
        total += now
    return total / runs


def slowest(hosts: int, spread: float, steps: int = 2000, seed: int = SEED) -> float:
    """Return the mean of the largest of `hosts` times, each log-normal with median 1 and this spread."""
    rng = np.random.default_rng(seed)
    return float(np.mean([np.exp(spread * rng.normal(size=hosts)).max() for _ in range(steps)]))


def seconds(value: float) -> str:
    """Write a time with two or three digits and a unit that suits it."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e6:.3g} µs"


def byte(value: float) -> str:
    """Write a size with a unit that suits it."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f} B"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown, whose first column is text."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def steps() -> str:
    """Return the table of a step."""
    rows = []
    for net in NETS:
        size, (compute, whole) = 4.0 * net.parameters, step(net)
        rows.append(
            [net.name, f"{net.parameters:,}", byte(size), seconds(compute)]
            + [seconds(each(size, HOSTS)) for each in (ring, doubling, halving)]
            + [f"{100 * compute / whole:.0f} %"]
        )
    head = [
        "network",
        "parameters",
        "gradient",
        "computing",
        "ring",
        "doubling",
        "halving",
        "computing's share",
    ]
    return table(head, rows)


def epochs() -> str:
    """Return the table of an epoch on few and on all hosts."""
    rows = []
    for net in NETS:
        cells = [net.name, f"{math.ceil(ROWS / net.batch):,}"]
        for count in (FEW, HOSTS):
            training = ROWS / net.batch * step(net, count)[1]
            reading = ROWS * ROW_BYTES / count / DISK
            cells += [seconds(training), seconds(reading), "reading" if reading > training else "training"]
        rows.append(cells)
    head = [
        "network",
        "steps",
        f"{FEW} hosts train",
        "read",
        "bound by",
        f"{HOSTS:,} hosts train",
        "read",
        "bound by",
    ]
    return table(head, rows)


def hosts() -> str:
    """Return the table of what more hosts bring, at the same global batch."""
    rows = []
    for count in (1, 16, 64, 256, 1024, 4096):
        cells = [f"{count:,}"]
        for net in NETS:
            speedup = step(net, 1)[1] / step(net, count)[1]
            cells.append(f"{speedup:,.0f} ({100 * speedup / count:.0f} %)")
        rows.append(cells)
    return table(["hosts", *(net.name for net in NETS)], rows)


def checkpoints() -> str:
    """Return the table of a checkpoint's cost and interval."""
    rows = []
    mtbf = HOST_MTBF / HOSTS
    for net in NETS:
        size = 3 * 4.0 * net.parameters
        cost = size / WRITING + 1.0
        best = daly(cost, mtbf)
        lost = expected(1.0, best, cost, mtbf, RESTART) - 1
        rows.append(
            [
                net.name,
                byte(size),
                seconds(cost),
                seconds(young(cost, mtbf)),
                seconds(best),
                f"{100 * lost:.1f} %",
            ]
        )
    return table(
        ["network", "checkpoint", "time to write it", "interval by Young", "by Daly", "overhead"], rows
    )


def intervals() -> str:
    """Return the table of other intervals, by formula and by simulation, for the largest network."""
    net, mtbf, work = NETS[-1], HOST_MTBF / HOSTS, 7 * 86400.0
    cost = 3 * 4.0 * net.parameters / WRITING + 1.0
    best = daly(cost, mtbf)
    rows = []
    for factor in (1 / 16, 1 / 4, 1, 4, 16, 64):
        interval = best * factor
        formula = expected(work, interval, cost, mtbf, RESTART) / work - 1
        drawn = simulated(work, interval, cost, mtbf, RESTART) / work - 1
        rows.append([seconds(interval), f"{factor:g}", f"{100 * formula:.1f} %", f"{100 * drawn:.1f} %"])
    return table(["interval", "of Daly's", "overhead by formula", "simulated"], rows)


def stragglers() -> str:
    """Return the table of what waiting for the slowest host costs."""
    rows = []
    for spread in (0.01, 0.05, 0.1):
        rows.append(
            [f"{100 * spread:.0f} %", *(f"{slowest(count, spread):.2f}" for count in (16, 256, 1024))]
        )
    return table(["standard deviation of log(time)", "16 hosts", "256", "1,024"], rows)


def fill(text: str, **parts: Callable[[], str]) -> str:
    """Return a text with {{name}} replaced by what the function of this name returns."""
    for name, part in parts.items():
        text = text.replace("{{" + name + "}}", part())
    return text


TEXT = """<!-- Made by make_scale.py, which has the formulas and the simulation. -->

# An estimate: 10¹² rows on a thousand hosts

How long would it take to train a fully connected network on a trillion rows with 1,024 hosts? The figures on this
page were not measured: they follow from the assumptions below, by formulas in `docs/make_scale.py` that have tests.

{{assumptions}}

The number of hosts is a power of two, so that the gradients of the hosts can be summed along one fixed binary tree.
The sums then have the same bits for 1, 2, 4, ... hosts.

## A step

Each host computes the gradient of its part of the batch, and an all-reduce sums the gradients. Three algorithms are
compared: a *ring*, whose latency is proportional to the number of hosts P; *recursive doubling*, which exchanges the
whole gradient log₂ P times; and *recursive halving and doubling*, which sends as few bytes as the ring, in 2 log₂ P
messages. The last two sum along the same tree.

{{steps}}

With a thousand hosts, a ring takes {{latency}} for its messages alone, however small the gradient is. Recursive
doubling is the fastest for gradients of up to {{crossing}}, and halving and doubling for larger ones. The last
column, and all further tables, assume the fastest one. A step of the smallest network still consists mostly of
communication, so it should have fewer hosts or a larger batch.

## An epoch

{{epochs}}

The rows take {{bytes}}: {{few}} for each of 64 hosts, {{part}} for each of 1,024. Hosts read and train at the same
time, so an epoch takes the longer of the two times.

## Speedup

The speedup over one host with the same global batch of 2²⁰ rows, without reading, and the parallel efficiency in
parentheses:

{{hosts}}

## Failures and checkpoints

If each host fails once a year, one of 1,024 hosts fails every {{mtbf}}. All hosts then resume from the last
checkpoint, which has the parameters and the two moments of Adam. One process writes it; its time includes one second
in which all hosts stop.

{{checkpoints}}

Near the best interval, its exact length matters little, and checkpoints of even the largest of these networks are
cheap, unlike those of models that exceed the memory of a host. For the largest network and a run of seven days, the
overhead of failures, restarts and checkpoints, by Daly's formula and as the mean of 400 simulated runs, is:

{{intervals}}

## The slowest host

A step ends when the slowest host is done. If the time of a host is log-normal, with independent steps, a step takes
this multiple of the median:

{{stragglers}}

## Conclusions

- Small networks do not need a thousand hosts, because their steps consist of communication; a few hosts that read
  quickly are as fast.
- With 2²⁰ rows per step, a thousand hosts spend {{half}} of their time on the all-reduce even for a network of two
  million parameters. With four times the rows per step, {{larger}} of the time is computation.
- Recursive halving and doubling sends as few bytes as a ring, in {{halved}} messages one after the other instead of
  {{ringed}}, and gives the same bits for any number of hosts.
- A checkpoint every few minutes is enough. An interval four times as long or as short adds one percent to the time.
- The slowest host matters: if the time of a step varies by 5 % between hosts, a step takes {{slow}} of the median.
"""


def page() -> str:
    """Return the page."""
    mtbf, usual, larger = HOST_MTBF / HOSTS, step(NETS[2]), step(NETS[2], times=4)
    assumptions = [
        ["rows, and columns of float32 with the target", f"10¹², {INPUTS + 1}"],
        ["hosts, and cores of each", f"{HOSTS:,}, {CORES}"],
        [
            "speed of one core (half of that of [two](benchmarks.md) on wide layers)",
            f"{CORE_FLOPS / 1e9:.0f} GFLOP/s",
        ],
        ["fraction of that speed if all cores work", f"{100 * SHARE:.0f} %"],
        ["operations per weight and row", "6, in the first layer 4"],
        ["rows per step, of all hosts together", "2²⁰"],
        ["network between hosts", f"{8 * BANDWIDTH / 1e9:.0f} Gb/s, {LATENCY * 1e6:.0f} µs per message"],
        ["reading, per host", f"{DISK / 1e9:.0f} GB/s"],
        ["failures of a host", "one a year"],
        ["restart of all hosts", seconds(RESTART)],
        ["writing a checkpoint", f"{WRITING / 1e9:.0f} GB/s"],
    ]
    return fill(
        TEXT,
        assumptions=lambda: table(["what", "assumed"], assumptions),
        steps=steps,
        epochs=epochs,
        hosts=hosts,
        checkpoints=checkpoints,
        intervals=intervals,
        stragglers=stragglers,
        bytes=lambda: byte(ROWS * ROW_BYTES),
        part=lambda: byte(ROWS * ROW_BYTES / HOSTS),
        mtbf=lambda: seconds(mtbf),
        few=lambda: byte(ROWS * ROW_BYTES / FEW),
        larger=lambda: f"{100 * larger[0] / larger[1]:.0f} %",
        half=lambda: f"{100 * (1 - usual[0] / usual[1]):.0f} %",
        latency=lambda: seconds(ring(0.0, HOSTS)),
        ringed=lambda: f"{2 * (HOSTS - 1):,}",
        halved=lambda: f"{2 * math.log2(HOSTS):.0f}",
        crossing=lambda: byte(crossover(HOSTS)),
        slow=lambda: f"{100 * slowest(HOSTS, 0.05):.0f} %",
    )


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
