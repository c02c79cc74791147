"""`chainrule bench`: Chainrule beside the libraries that are installed, in about a minute."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from chainrule.cli import options, output
from chainrule.cli.guard import guarded

if TYPE_CHECKING:
    from rich.table import Table

    from chainrule.lab.benchmark.quick import QuickBenchmark, QuickRow

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
"""Headings of the columns, by peer."""


@guarded
def bench(
    threads: options.BenchThreads = None,
    seconds: options.BenchSeconds = 60.0,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Time training and prediction against the libraries that are installed, side by side on this machine."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from chainrule.engines.native.threads import threads as available
    from chainrule.errors import ConfigError
    from chainrule.lab.benchmark import quick

    max_threads = available()
    count = max_threads if threads is None else threads
    if not 1 <= count <= max_threads:
        raise ConfigError(
            f"--threads must be from 1 to {max_threads}, the threads that may be used here, not {count}."
        )
    if not MIN_SECONDS <= seconds < math.inf:
        raise ConfigError(f"--seconds must be {MIN_SECONDS:g} or more, not {seconds:g}.")
    out = output.console(quiet=as_json)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task("", total=len(quick.CELLS))
        found = quick.compare(
            count,
            seconds,
            say=lambda what: bar.update(task, description=output.plain(what)),
            step=lambda what: bar.advance(task),
        )
    if as_json:
        output.print_json(found.as_json())
        return
    for table in tables(found):
        out.print(table)
    for line in words(found):
        out.print(line, soft_wrap=True, markup=False)


def tables(found: QuickBenchmark) -> list[Table]:
    """Make the tables of training and of prediction: Chainrule's rate, and its ratio to each peer's."""
    shown = []
    for is_training in (True, False):
        rows = [row for row in found.rows if row.is_training is is_training]
        if rows:
            shown.append(table(rows, is_training))
    return shown


def table(rows: list[QuickRow], is_training: bool) -> Table:
    """Make a table with one row per cell and one column per peer, at most 80 characters wide."""
    from rich import box
    from rich.table import Table

    from chainrule.lab.benchmark import PEERS
    from chainrule.lab.benchmark.ratios import OURS

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
    from chainrule.lab.benchmark.ratios import said

    if math.isnan(ratio):
        return said(ratio)
    if not is_steady:
        return f"[dim]~{said(ratio)}"
    return f"[{'orange1' if ratio < 1 else 'bold bright_blue'}]{said(ratio)}"


def words(found: QuickBenchmark) -> list[str]:
    """Return the conclusions of the tables, line by line."""
    from chainrule.lab.benchmark import PEERS
    from chainrule.lab.benchmark.timing import UNSTEADY

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
        lines.append("No measurement is steady enough to count: run it again while nothing else runs.")
    else:
        lines.append("There is no peer to compare with: install torch, jax or onnx with onnxruntime.")
    if unsteady:
        lines.append(
            f"~: measurements that spread by more than ±{UNSTEADY:g} %, as on a busy machine, are not counted."
        )
    steady = [s.percent for row in found.rows for s in row.rates.values() if s.is_steady]
    spread = max(steady, default=0.0)
    lines.append(
        f"The columns are Chainrule's speed divided by the peer's: above 1 Chainrule is faster. {found.threads} "
        f"thread{'s' * (found.threads > 1)} each, float32, Adam; medians of measurements that went round and round, "
        f"spread up to ±{spread:.0f} %. {found.seconds:.0f} s."
    )
    for name, why in found.left_out.items():
        lines.append(f"Left out: {PEERS[name].title if name in PEERS else name} ({why}).")
    return lines
