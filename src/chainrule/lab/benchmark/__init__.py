"""Compare Chainrule with its peers on the same networks, data, loss, optimizer and precision, timed side by side.

Each peer runs in a process of its own (`client`, `worker`), so that its threads do not disturb the others. Calls are
timed in turn, peer by peer (`timing`), and compared as ratios (`ratios`). `chainrule bench` runs a minute of it,
`benchmarks/` in the repository all of it.
"""

from __future__ import annotations

from chainrule.lab.benchmark.cases import Case
from chainrule.lab.benchmark.client import PeerError, Worker
from chainrule.lab.benchmark.peers import PEERS, installed
from chainrule.lab.benchmark.ratios import Comparison, geometric_mean
from chainrule.lab.benchmark.timing import Spread, interleaved

__all__ = [
    "PEERS",
    "Case",
    "Comparison",
    "PeerError",
    "Spread",
    "Worker",
    "geometric_mean",
    "installed",
    "interleaved",
]
