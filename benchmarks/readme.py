"""The READMEs' table of speed, and the ratios above it, from the newest whole run."""

from __future__ import annotations

import re
from pathlib import Path

from page import TRAINING
from results import Results
from speed.ratios import OURS, geometric_mean
from verdicts import by_peer, compared

ROOT = Path(__file__).parents[1]
BATCH = {"README.md": ", batch ", "README.zh-TW.md": "，批次 "}
"""By file: what stands between a network and its batch."""
CELLS = (
    "8-32-32-1, batch 32",
    "784-128-10, batch 128",
    "784-2500-2000-1500-1000-500-10, batch 256",
)
COLUMNS = (("sklearn",), ("torch",), ("jax-step", "jax-scan"))
"""Peers that share a column, of which the better one counts."""
ROWS = re.compile(r"(?<=\| Chainrule \| scikit-learn \| PyTorch \| JAX \|\n)(\|[-:|]+\|\n)((?:\|.*\n)+)")

RATIO = re.compile(r"(?<=\*\*)[\d.]+(?= × (PyTorch|scikit-learn|JAX)\*\*)")
"""**5.5 × PyTorch**: the geometric mean over all of the training cells, on all threads"""
SHARED = {"scikit-learn": COLUMNS[0], "PyTorch": COLUMNS[1], "JAX": COLUMNS[2]}


def thousands(rate: float) -> str:
    """4,956,000 as 4,956; below ten thousand with a digit more."""
    return f"{rate / 1000:,.0f}" if rate >= 10_000 else f"{rate / 1000:,.1f}"


def rows(results: Results, batch: str) -> str:
    """Thousands of samples a second on all threads, Chainrule's first."""
    most = results.data["settings"]["threads"][-1]
    lines = []
    for name in CELLS:
        rates = {
            peer: spread.median
            for peer, spread in by_peer(results.cells[f"train/{name}"], most, most).items()
        }
        peers = [max(rates[peer] for peer in column) for column in COLUMNS]
        cells = [name.replace(", batch ", batch), f"**{thousands(rates[OURS])}**", *map(thousands, peers)]
        lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


def ratio(results: Results, title: str) -> str:
    """Chainrule's rate to that of a library, its better way where there are two: the geometric mean of the training."""
    most = results.data["settings"]["threads"][-1]
    cells = [found.rates for _, found in compared(results, TRAINING, most)]
    peers = SHARED[title]
    ratios = [
        rates[OURS] / max(rates[peer] for peer in peers if peer in rates)
        for rates in cells
        if any(peer in rates for peer in peers)
    ]
    return f"{geometric_mean(ratios):.1f}"


def refreshed(text: str, results: Results, batch: str) -> str:
    """The README with this run's figures."""
    new, count = ROWS.subn(lambda found: found[1] + rows(results, batch), text)
    if count != 1:
        raise ValueError(f"a README must have one table of speed, and this one has {count}")
    new, count = RATIO.subn(lambda found: ratio(results, found[1]), new)
    if count != len(SHARED):
        raise ValueError(
            f"a README must have one ratio to each of {', '.join(SHARED)}, and this one has {count}"
        )
    return new


def write(results: Results) -> None:
    """Into both files."""
    for name, batch in BATCH.items():
        path = ROOT / name
        path.write_text(refreshed(path.read_text("utf-8"), results, batch), "utf-8")
