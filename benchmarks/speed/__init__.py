"""Compare Chainrule with its peers on the same networks, data, loss, optimizer and precision, timed side by side.

Each peer runs in a process of its own (`client`, `worker`), so that its threads do not disturb the others. Calls are
timed in turn, peer by peer (`timing`), and compared as ratios (`ratios`). `run.py` beside this folder runs all of it,
`minute.py` a minute of it.
"""

from __future__ import annotations

from speed.cases import Case
from speed.client import PeerError, Worker
from speed.peers import ALL, PEERS, installed
from speed.ratios import Comparison, geometric_mean
from speed.timing import Spread, interleaved

__all__ = [
    "ALL",
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
