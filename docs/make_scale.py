"""Write docs/scale.md, what a training of 10^12 rows on 1,024 hosts would take: `python docs/make_scale.py`.

Nothing of it was run at that size. Each figure follows from the assumptions at the top, by the formulas below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

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
WRITING = 1e9  # bytes a second of the one process that writes a checkpoint


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


def epochs() -> str:
    """Return the table of an epoch on few and on all hosts: the longer of reading and training, which overlap."""
    rows = []
    for net in NETS:
        cells = [net.name, f"{net.parameters:,}"]
        for count in (FEW, HOSTS):
            training = ROWS / net.batch * step(net, count)[1]
            cells.append(seconds(max(training, ROWS * ROW_BYTES / count / DISK)))
        speedup = step(net, 1)[1] / step(net, HOSTS)[1]
        rows.append([*cells, f"{speedup:,.0f} ({100 * speedup / HOSTS:.0f} %)"])
    head = [
        "network",
        "parameters",
        f"epoch, {FEW} hosts",
        f"{HOSTS:,} hosts",
        "speedup of training (efficiency)",
    ]
    return table(head, rows)


def page() -> str:
    """Return the page."""
    mtbf, (computes, whole) = HOST_MTBF / HOSTS, step(NETS[2])
    more = step(NETS[2], times=4)
    interval = daly(3 * 4.0 * NETS[-1].parameters / WRITING + 1.0, mtbf)
    return f"""<!-- Made by make_scale.py, which has the formulas. -->

# An estimate: 10¹² rows on a thousand hosts

How many hosts does a trillion rows need? Nothing on this page was measured: the figures follow from these
assumptions, by the formulas of `docs/make_scale.py`.

- **Rows**: 10¹² of {INPUTS + 1} columns of float32 with the target, {byte(ROWS * ROW_BYTES)}. A step has 2²⁰ rows of
  all hosts together.
- **Hosts**: {CORES} cores of {CORE_FLOPS / 1e9:.0f} GFLOP/s (half of that of [two](benchmarks.md) on wide layers),
  {100 * SHARE:.0f} % of it if all cores work; {DISK / 1e9:.0f} GB/s of reading, and {8 * BANDWIDTH / 1e9:.0f} Gb/s
  and {LATENCY * 1e6:.0f} µs per message between hosts.
- **Operations**: 6 per weight and row, 4 in the first layer.
- **Sum of the gradients**: the fastest of a ring, recursive doubling, and recursive halving and doubling.

Hosts read and train at the same time, so an epoch takes the longer of both:

{epochs()}

- **Small networks do not need a thousand hosts**: their steps consist of communication, and a few hosts that read
  quickly are as fast.
- **Larger steps help**: with 2²⁰ rows a thousand hosts spend {100 * (1 - computes / whole):.0f} % of their time on
  the sum for a network of two million parameters; with four times the rows
  {100 * more[0] / more[1]:.0f} % of the time is computation.
- **A tree sums as fast as a ring**: recursive halving and doubling sends as few bytes in
  {2 * math.log2(HOSTS):.0f} messages instead of {2 * (HOSTS - 1):,}. Its sums have the same bits for 1, 2, 4, ...
  hosts.
- **A checkpoint every few minutes is enough**: if each host fails once a year, one of 1,024 fails every
  {seconds(mtbf)}. Daly's best interval for the largest network is {seconds(interval)}.
"""


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
