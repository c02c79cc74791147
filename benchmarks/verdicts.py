"""What the cells of a run say: ratios, shares of the limit, and whether the losses agree."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from results import Results
from sections import HOME
from speed import PEERS, Comparison, Spread
from speed.ratios import OURS, said
from speed.timing import UNSTEADY

TOLERANCE = {"plain": 0.005, "residual": 0.005, "batch norm": 0.01, "dropout": 0.05}
"""Relative difference of the loss after an epoch from Chainrule's. Sums in another order go apart step by step, and
each library draws its own masks."""


def by_peer(cell: dict[str, Any], threads: int, most: int) -> dict[str, Spread]:
    """The rates to compare: Chainrule's on these threads, a peer's on them or, for all, the better of its two."""
    found: dict[str, Spread] = {}
    for name, values in cell.get("values", {}).items():
        peer, _, count = name.partition("@")
        spread = Spread(tuple(values))
        is_meant = int(count) == threads or (threads == most and peer != OURS)
        if is_meant and (peer not in found or spread.median > found[peer].median):
            found[peer] = spread
    return found


def comparison(cell: dict[str, Any], threads: int, most: int) -> Comparison | None:
    """Rates by peer, or None where Chainrule or every peer is missing."""
    rates = {peer: spread.median for peer, spread in by_peer(cell, threads, most).items()}
    return Comparison(rates) if OURS in rates and len(rates) > 1 else None


def in_a_line(cell: dict[str, Any]) -> str:
    """What a cell says, while it runs: all threads against the best."""
    if "left out" in cell:
        return f"left out: {cell['left out']}"
    medians = {name: statistics.median(values) for name, values in cell["values"].items() if values}
    contestants = [name for name in medians if "@" in name]
    if not contestants:
        return ", ".join(f"{name} {value:.3g}" for name, value in medians.items())
    most = max(int(name.partition("@")[2]) for name in contestants)
    found = comparison(cell, most, most)
    if found is None or "epochs" in cell or "data" in cell:  # seconds and memory, of which less is better
        return ", ".join(f"{name} {value:.3g}" for name, value in medians.items())
    spread = spread_of(cell)
    note = "" if spread <= UNSTEADY else ", unsteady: is something else running?"
    return f"{said(found.ratio())} against {PEERS[found.best or OURS].title} (spread {spread:.0f} %{note})"


def spread_of(cell: dict[str, Any]) -> float:
    """The widest spread of a cell, in per cent."""
    return max((Spread(tuple(values)).percent for values in cell["values"].values()), default=0.0)


def compared(results: Results, sections: Iterable[str], threads: int) -> Iterator[tuple[str, Comparison]]:
    """Every cell that has a comparison."""
    most = results.data["settings"]["threads"][-1]
    for section in sections:
        for name, cell in results.section(section).items():
            found = comparison(cell, threads, most)
            if found is not None:
                yield f"{section}: {name}", found


def share_of_limit(results: Results, threads: int) -> list[tuple[str, float, float, float]]:
    """(network, GFLOP/s, the limit, share) of the three largest shapes at the batch where they are usually trained."""
    found = []
    for case in sorted(HOME, key=lambda case: -case.weights)[:3]:
        cell = results.section("train").get(case.name, {})
        rates, sgemm = (
            cell.get("values", {}).get(f"{OURS}@{threads}"),
            cell.get("sgemm", {}).get(str(threads)),
        )
        if rates and sgemm:
            rate, limit = statistics.median(rates) * case.operations, statistics.median(sgemm)
            found.append((case.name, rate / 1e9, limit / 1e9, rate / limit))
    return found


class Agreement(NamedTuple):
    """How far the losses after the first epoch go apart."""

    count: int
    worst: float
    apart: list[tuple[str, str, float, float]]
    """cell, contestant, its loss and Chainrule's, where they differ by more than TOLERANCE"""


def agreement(results: Results) -> Agreement:
    """Of all cells."""
    count, worst, apart = 0, 0.0, []
    for name, cell in results.cells.items():
        losses = cell.get("loss", {})
        ours = next((loss for who, loss in losses.items() if who.startswith(f"{OURS}@")), None)
        for who, loss in losses.items():
            if ours is None or who.startswith(f"{OURS}@"):
                continue
            difference = abs(loss - ours) / max(abs(ours), 1e-3)
            count, worst = count + 1, max(worst, difference)
            if not difference <= TOLERANCE[cell["case"]["blocks"]]:
                apart.append((name, who, loss, ours))
    return Agreement(count, worst, apart)
