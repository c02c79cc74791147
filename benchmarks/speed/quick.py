"""Compare within about a minute: four networks to train and two to predict, against the peers that are installed."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from speed.cases import Case
from speed.client import PeerError
from speed.measure import Cell, Contestant, Pool, Say, silent, timed
from speed.peers import PEERS, installed
from speed.ratios import OURS, Comparison, geometric_mean
from speed.timing import Spread

TABLE, DIGITS = Case((8, 32, 32, 1), 32), Case((784, 128, 10), 128)
CELLS = (
    (TABLE, True),
    (DIGITS, True),
    (DIGITS, False),
    (TABLE, False),
    (Case((50, 256, 256, 256, 1), 256), True),
    (Case((784, 512, 512, 10), 128), True),
)
"""Cases, each with whether to train it or to predict one row, the most important first as time may run out."""
WITHOUT = {
    "torch-compile": "its compiler takes longer than all of this",
    "jax-step": "an epoch in one call is faster",
}
"""The peers that only `run.py` runs, with the reason."""
MEASUREMENT, ROUNDS = 1 / 240, 5
"""The share of the time for one measurement, and the number of measurements per peer."""

PATIENCE = 120.0
"""The minimum timeout of an answer, in seconds; on a busy machine an import may take a minute."""


def named(case: Case, is_training: bool) -> str:
    """Describe a case in words."""
    return f"train {case.name}" if is_training else f"one row of {case.network}"


@dataclass(frozen=True)
class QuickRow:
    """One cell: rates by peer, in samples per second (training) or calls per second (prediction)."""

    case: Case
    is_training: bool
    rates: dict[str, Spread]
    refused: dict[str, str]
    losses: dict[str, float] = field(default_factory=dict)

    @property
    def what(self) -> str:
        """The description of the cell: train 784-128-10, batch 128."""
        return named(self.case, self.is_training)

    @property
    def unsteady(self) -> tuple[str, ...]:
        """The peers whose measurements spread too far to be compared."""
        return tuple(peer for peer, spread in self.rates.items() if not spread.is_steady)

    @property
    def comparison(self) -> Comparison:
        """The comparison of the medians of steady measurements; of Chainrule's alone if those are unsteady."""
        counted = (OURS,) if OURS in self.unsteady else [p for p in self.rates if p not in self.unsteady]
        return Comparison({peer: self.rates[peer].median for peer in counted})

    def ratio(self, peer: str) -> float:
        """Return Chainrule's median relative to a peer's, steady or not."""
        return self.rates[OURS].median / self.rates[peer].median

    def counts(self, peer: str) -> bool:
        """Return whether the ratio to a peer is one of steady measurements."""
        return peer in self.comparison.rates

    def as_json(self) -> dict[str, Any]:
        """Return medians, spreads and ratios as data."""
        found = self.comparison
        return {
            "what": self.what,
            "unit": "samples a second" if self.is_training else "calls a second",
            "rates": {p: {"median": s.median, "low": s.low, "high": s.high} for p, s in self.rates.items()},
            "ratios": {peer: self.ratio(peer) for peer in self.rates if peer != OURS},
            "unsteady": list(self.unsteady),
            "best_peer": found.best,
            "ratio": found.ratio(),
            "is_loss": found.is_loss,
            "loss_after_an_epoch": self.losses,
            "left_out": {name.partition("@")[0]: why for name, why in self.refused.items()},
        }


@dataclass(frozen=True)
class QuickBenchmark:
    """The result of the comparison: all rows, and what was compared."""

    rows: tuple[QuickRow, ...]
    threads: int
    seconds: float
    versions: dict[str, str]
    left_out: dict[str, str]
    """peers that did not take part at all, and cells for which there was no time, each with the reason"""

    def mean(self, peer: str | None = None) -> float:
        """Return the geometric mean of the ratios to a peer, by default to the best of each cell; NaN if none."""
        found = [row.comparison for row in self.rows]
        return geometric_mean(c.ratio(peer) for c in found if (peer or c.best) in c.rates)

    def as_json(self) -> dict[str, Any]:
        """Return the result as data."""
        peers = [p for p in PEERS if p != OURS and any(p in row.rates for row in self.rows)]
        return {
            "threads": self.threads,
            "seconds": self.seconds,
            "versions": self.versions,
            "cells": [row.as_json() for row in self.rows],
            "geometric_mean": {"best": self.mean()} | {peer: self.mean(peer) for peer in peers},
            "left_out": self.left_out,
        }


def compare(
    threads: int,
    seconds: float,
    *,
    peers: Iterable[str] = tuple(PEERS),
    say: Say = silent,
    step: Say = silent,
) -> QuickBenchmark:
    """Run the comparison. say: called with what is going on; step: called with each cell that is done.

    seconds: for everything; cells for which there is no time are left out and listed in `QuickBenchmark.left_out`.
    """
    start, left_out, versions = time.monotonic(), dict[str, str](), dict[str, str]()
    rows: list[QuickRow] = []
    with Pool(max(seconds, PATIENCE)) as pool:
        contestants = []
        for name in peers:
            if name in WITHOUT:
                left_out[name] = WITHOUT[name]
            elif not installed(name):
                left_out[name] = f"{' and '.join(PEERS[name].packages)} not installed"
            else:
                contestants.append(Contestant(name, threads))
        say("importing the libraries")
        for who, answer in pool.ask_all(contestants, "versions").items():
            if isinstance(answer, PeerError):
                left_out[who.peer] = str(answer)
                contestants.remove(who)
            else:
                versions |= answer
        for case, is_training in CELLS:
            what = named(case, is_training)
            spent = time.monotonic() - start
            if rows and spent + spent / len(rows) > seconds:
                left_out[what] = f"no time for it in {seconds:g} s"
            else:
                able = [w for w in contestants if PEERS[w.peer].trains or not is_training]
                able = [w for w in able if PEERS[w.peer].predicts or is_training]
                say(f"{what}: loading")
                row = one(pool, case, able, is_training, seconds * MEASUREMENT, say)
                if OURS in row.rates:
                    rows.append(row)
                else:
                    left_out[what] = row.refused.get(
                        str(Contestant(OURS, threads)), "Chainrule was not asked"
                    )
            step(what)
    return QuickBenchmark(tuple(rows), threads, time.monotonic() - start, versions, left_out)


def one(
    pool: Pool, case: Case, able: list[Contestant], is_training: bool, seconds: float, say: Say
) -> QuickRow:
    """Load and warm up all peers at once; then measure each alone."""
    cell, what = Cell(case.as_json()), named(case, is_training)
    ready = [
        who
        for who, answer in pool.ask_all(able, "load", case=case.as_json()).items()
        if not _refused(cell, who, answer)
    ]
    if is_training:
        warm = pool.ask_all(ready, "first")
        ready = [who for who in ready if not _refused(cell, who, warm[who])]
        cell.loss = {who.peer: warm[who]["loss"] for who in ready}
        for who, answer in [(who, _alone(pool, who, what, seconds, say)) for who in ready]:
            if _refused(cell, who, answer):
                ready.remove(who)
    do = "train" if is_training else "predict"
    how: dict[str, Any] = {"seconds": seconds} if is_training else {"rows": 1, "seconds": seconds / 4}
    found = timed(pool, ready, do, ROUNDS, cell.refused, lambda name: say(f"{what}: {name}"), **how)
    return QuickRow(
        case, is_training, {name.partition("@")[0]: s for name, s in found.items()}, cell.refused, cell.loss
    )


def _alone(pool: Pool, who: Contestant, what: str, seconds: float, say: Say) -> Any:
    """Make a first measurement, which finds how much work takes the given time."""
    say(f"{what}: {who}")
    try:
        return pool.ask(who, "train", seconds=seconds)
    except PeerError as error:
        return error


def _refused(cell: Cell, who: Contestant, answer: Any) -> bool:
    reason = str(answer) if isinstance(answer, PeerError) else answer.get("refusal")
    if reason is not None:
        cell.refused[str(who)] = reason
    return reason is not None
