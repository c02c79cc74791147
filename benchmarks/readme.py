"""The READMEs' table of speed, from the newest whole run."""

from __future__ import annotations

import re
from pathlib import Path

from results import Results
from verdicts import by_peer

from chainrule.benchmark.ratios import OURS

ROOT = Path(__file__).parents[1]
BATCH = {"README.md": ", batch ", "README.zh-TW.md": "，批次 "}
"""By file: what stands between a network and its batch."""
CELLS = (
    "8-32-32-1, batch 32",
    "50-256-256-256-1, batch 256",
    "784-128-10, batch 128",
    "784-512-512-10, batch 128",
    "784-2500-2000-1500-1000-500-10, batch 256",
)
COLUMNS = (("sklearn",), ("torch",), ("jax-step", "jax-scan"))
"""Peers that share a column, of which the better one counts."""
ROWS = re.compile(r"(?<=\| Chainrule \| scikit-learn \| PyTorch \| JAX \|\n)(\|[-:|]+\|\n)((?:\|.*\n)+)")


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


def refreshed(text: str, results: Results, batch: str) -> str:
    """The README with this run's figures."""
    new, count = ROWS.subn(lambda found: found[1] + rows(results, batch), text)
    if count != 1:
        raise ValueError(f"a README must have one table of speed, and this one has {count}")
    return new


def write(results: Results) -> None:
    """Into both files."""
    for name, batch in BATCH.items():
        path = ROOT / name
        path.write_text(refreshed(path.read_text("utf-8"), results, batch), "utf-8")
