"""Measure a cell of a comparison: one case, by each contestant (a peer on a number of threads)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from speed.cases import Case
from speed.client import TIMEOUT, PeerError, Worker
from speed.timing import Spread, interleaved

Say = Callable[[str], None]


def silent(what: str) -> None:
    """Ignore a message."""


class Contestant(NamedTuple):
    """A peer on a number of threads."""

    peer: str
    threads: int

    def __str__(self) -> str:
        """Write the peer and its number of threads: torch@2."""
        return f"{self.peer}@{self.threads}"


@dataclass
class Cell:
    """The measurements of one case, by contestant (as text)."""

    case: dict[str, Any]
    values: dict[str, list[float]] = field(default_factory=dict)
    """samples per second, or calls per second, of each round"""
    first: dict[str, float] = field(default_factory=dict)
    """seconds of the first epoch"""
    loss: dict[str, float] = field(default_factory=dict)
    """the loss after that epoch"""
    refused: dict[str, str] = field(default_factory=dict)
    """why a contestant did not take part, or failed"""

    def rates(self) -> dict[str, Spread]:
        """Return the medians with their spreads."""
        return {name: Spread(tuple(values)) for name, values in self.values.items()}


class Pool:
    """Worker processes that are kept; one that failed is restarted at its next command. Use it in a `with`."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        """Start without workers. timeout: seconds that each has for an answer."""
        self.workers: dict[Contestant, Worker] = {}
        self.timeout = timeout

    def ask(self, who: Contestant, do: str, **arguments: Any) -> Any:
        """Send a command to a worker and return its answer. Raises PeerError."""
        self.worker(who).send(do, **arguments)
        return self.answer(who)

    def ask_all(self, everyone: Iterable[Contestant], do: str, **arguments: Any) -> dict[Contestant, Any]:
        """Send a command to all workers at once; return their answers, or the PeerError in its place."""
        everyone, answers = list(everyone), dict[Contestant, Any]()
        for who in everyone:
            self.worker(who).send(do, **arguments)
        for who in everyone:
            try:
                answers[who] = self.answer(who)
            except PeerError as error:
                answers[who] = error
        return answers

    def worker(self, who: Contestant) -> Worker:
        """Return the process of a contestant, started if necessary."""
        if who not in self.workers:
            self.workers[who] = Worker(*who, timeout=self.timeout)
        return self.workers[who]

    def answer(self, who: Contestant) -> Any:
        """Return the answer to the last command. Raises PeerError, and ends the process then."""
        try:
            return self.workers[who].receive()
        except PeerError:
            self.workers.pop(who).close()
            raise

    def __enter__(self) -> Pool:
        """Return the pool."""
        return self

    def __exit__(self, *error: object) -> None:
        """End all processes."""
        while self.workers:
            self.workers.popitem()[1].close()


def entered(
    pool: Pool, case: Case, contestants: Iterable[Contestant], cell: Cell, say: Say
) -> list[Contestant]:
    """Return the contestants that loaded the case; the reasons of the others go into the cell."""
    found = []
    for who in contestants:
        say(f"{who}: loads")
        try:
            refusal = pool.ask(who, "load", case=case.as_json())["refusal"]
        except PeerError as error:
            refusal = str(error)
        if refusal is None:
            found.append(who)
        else:
            cell.refused[str(who)] = refusal
    return found


def training(
    pool: Pool,
    case: Case,
    contestants: Iterable[Contestant],
    *,
    seconds: float,
    rounds: int,
    say: Say = silent,
    beside: Mapping[str, Callable[[], float]] | None = None,
) -> Cell:
    """Measure training in samples per second, and the first epoch, from the same weights in the same order.

    beside: what else to measure in the same rounds, by name.
    """
    cell, ready = Cell(case.as_json()), []
    for who in entered(pool, case, contestants, cell, say):
        say(f"{who}: first epoch")
        try:
            first = pool.ask(who, "first")
            pool.ask(who, "train", seconds=seconds)  # finds how much work takes so many seconds
        except PeerError as error:
            cell.refused[str(who)] = str(error)
            continue
        cell.first[str(who)], cell.loss[str(who)] = first["seconds"], first["loss"]
        ready.append(who)
    found = timed(pool, ready, "train", rounds, cell.refused, say, beside, seconds=seconds)
    cell.values = {name: list(spread.values) for name, spread in found.items()}
    return cell


def prediction(
    pool: Pool,
    case: Case,
    contestants: Iterable[Contestant],
    *,
    rows: int,
    seconds: float,
    rounds: int,
    say: Say = silent,
) -> Cell:
    """Measure prediction in calls per second, on a number of rows."""
    cell = Cell(case.as_json())
    ready = entered(pool, case, contestants, cell, say)
    found = timed(pool, ready, "predict", rounds, cell.refused, say, rows=rows, seconds=seconds)
    cell.values = {name: list(spread.values) for name, spread in found.items()}
    return cell


def timed(
    pool: Pool,
    contestants: Iterable[Contestant],
    do: str,
    rounds: int,
    refused: dict[str, str],
    say: Say = silent,
    beside: Mapping[str, Callable[[], float]] | None = None,
    **arguments: Any,
) -> dict[str, Spread]:
    """Measure rates in turn, by contestant as text: "train" in samples per second, "predict" in calls per second.

    A contestant that fails is left out, and its reason is added to `refused`.
    """

    def call(who: Contestant) -> float:
        if str(who) in refused:
            return math.nan
        try:
            answer = pool.ask(who, do, **arguments)
        except PeerError as error:
            refused[str(who)] = str(error)
            return math.nan
        return float(answer["rate"] if "rate" in answer else 1 / answer["seconds"])

    calls = {str(who): partial(call, who) for who in contestants} | dict(beside or {})
    found = interleaved(calls, rounds, before=say)
    return {name: spread for name, spread in found.items() if name not in refused}
