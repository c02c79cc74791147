"""Compare Chainrule with the installed libraries in about a minute: a table in the terminal, or JSON.

    python benchmarks/minute.py [--threads N] [--seconds S] [--json]

Each library runs in its own process; the measurements alternate among them. A ratio above 1 means that Chainrule is
faster; below 1 a peer is, and the table calls it a loss. A measurement that spreads by more than ±50 %, as on a busy
machine, is marked by a ~ and not counted. `run.py` in this folder measures the whole matrix.
"""

from __future__ import annotations

import argparse
import math
import sys

from rich import box
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from speed import PEERS, quick
from speed.ratios import OURS, said
from speed.timing import UNSTEADY

from chainrule.cli import output
from chainrule.engines.native.threads import threads as available

MIN_SECONDS = 5.0
SHORT = {
    "sklearn": "sklearn",
    "torch": "PyTorch",
    "torch-compile": "compiled",
    "jax-step": "JAX step",
    "jax-scan": "JAX",
    "onnxruntime": "ONNX",
    "numpy": "NumPy",
}
"""The column headings, by peer."""


def arguments(words: list[str]) -> argparse.Namespace:
    """Parse the command line; exits with a sentence for a number out of bounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    most = available()
    parser.add_argument("--threads", type=int, default=most, help="threads of each library; default: all")
    parser.add_argument("--seconds", type=float, default=60.0, help="total seconds; default: 60")
    parser.add_argument("--json", action="store_true", help="print the result as JSON, and nothing else")
    found = parser.parse_args(words)
    if not 1 <= found.threads <= most:
        parser.error(f"--threads must be from 1 to {most}, the usable threads, not {found.threads}.")
    if not MIN_SECONDS <= found.seconds < math.inf:
        parser.error(f"--seconds must be {MIN_SECONDS:g} or more, not {found.seconds:g}.")
    return found


def main(words: list[str]) -> None:
    """Compare, and print the result."""
    asked = arguments(words)
    out = output.console(quiet=asked.json)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("", total=len(quick.CELLS))
        found = quick.compare(
            asked.threads,
            asked.seconds,
            say=lambda what: bar.update(task, description=output.plain(what)),
            step=lambda what: bar.advance(task),
        )
    if asked.json:
        output.print_json(found.as_json())
        return
    for shown in tables(found):
        out.print(shown)
    for line in conclusions(found):
        out.print(line, soft_wrap=True, markup=False)


def tables(found: quick.QuickBenchmark) -> list[Table]:
    """Return the tables of training and of prediction: Chainrule's rate, and its ratio to each peer's."""
    shown = []
    for is_training in (True, False):
        rows = [row for row in found.rows if row.is_training is is_training]
        if rows:
            shown.append(table(rows, is_training))
    return shown


def table(rows: list[quick.QuickRow], is_training: bool) -> Table:
    """Return a table with one row per cell and one column per peer, at most 80 characters wide."""
    peers = [peer for peer in PEERS if peer != OURS and any(peer in row.rates for row in rows)]
    made = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    made.add_column("train" if is_training else "predict one row", no_wrap=True)
    if is_training:
        made.add_column("batch", justify="right", no_wrap=True)
    made.add_column("samples/s" if is_training else "Chainrule", justify="right", no_wrap=True)
    for peer in peers:
        made.add_column(SHORT[peer], justify="right", no_wrap=True)
    for row in rows:
        ratios = [
            styled(row.ratio(peer), row.counts(peer)) if peer in row.rates else styled(math.nan)
            for peer in peers
        ]
        own = row.rates[OURS].median
        cells = [row.case.network, *([str(row.case.batch)] if is_training else [])]
        cells.append(f"{own / 1000:,.0f} k" if is_training else f"{1e6 / own:,.1f} µs")
        made.add_row(*cells, *ratios)
    return made


def styled(ratio: float, is_steady: bool = True) -> str:
    """Format a ratio: a win in bold blue, a loss in orange and called a loss; with ~ if unsteady."""
    if math.isnan(ratio):
        return said(ratio)
    if not is_steady:
        return f"[dim]~{said(ratio)}"
    return f"[{'orange1' if ratio < 1 else 'bold bright_blue'}]{said(ratio)}"


def conclusions(found: quick.QuickBenchmark) -> list[str]:
    """Return the conclusions of the tables, line by line."""
    lines = []
    counted = [row for row in found.rows if row.comparison.best]
    losses = [row for row in counted if row.comparison.is_loss]
    unsteady = [row for row in found.rows if row.unsteady]
    if counted:
        lines.append(
            f"Geometric mean against the best peer of each line: {found.mean():.2f}. "
            + (
                f"In {len(losses)} of {len(counted)} a peer is faster."
                if losses
                else f"No peer is faster in any of {len(counted)}."
            )
        )
    elif unsteady:
        lines.append("No measurement is steady enough to count: run it again on an idle machine.")
    else:
        lines.append("No peer is installed: install torch, jax or onnx with onnxruntime.")
    if unsteady:
        lines.append(
            f"~: measurements that spread by more than ±{UNSTEADY:g} %, as on a busy machine, are not counted."
        )
    steady = [s.percent for row in found.rows for s in row.rates.values() if s.is_steady]
    spread = max(steady, default=0.0)
    lines.append(
        f"The columns are Chainrule's speed divided by the peer's: above 1 Chainrule is faster. {found.threads} "
        f"thread{'s' * (found.threads > 1)} each, float32, Adam; medians of alternating measurements, "
        f"spread up to ±{spread:.0f} %. {found.seconds:.0f} s."
    )
    for name, why in found.left_out.items():
        lines.append(f"Skipped: {PEERS[name].title if name in PEERS else name} ({why}).")
    return lines


if __name__ == "__main__":
    main(sys.argv[1:])
