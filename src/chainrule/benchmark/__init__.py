"""Compare Chainrule with its peers on the same networks, data, loss, optimizer and precision, timed side by side.

Each peer runs in a process of its own (`client`, `worker`), so that its threads do not disturb the others. Calls are
timed in turn, peer by peer (`timing`), and compared as ratios (`ratios`). `chainrule bench` runs a minute of it,
`benchmarks/` in the repository all of it.
"""

from __future__ import annotations

from chainrule.benchmark.cases import Case
from chainrule.benchmark.client import PeerError, Worker
from chainrule.benchmark.peers import PEERS, installed
from chainrule.benchmark.ratios import Comparison, geometric_mean
from chainrule.benchmark.timing import Spread, interleaved

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
