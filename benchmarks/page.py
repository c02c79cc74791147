"""The results as a page: ratios, aims beside what was measured, and every loss."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from results import Results
from sections import BATCHES, HOME
from speed import PEERS, Case, geometric_mean
from speed.ratios import OURS, said
from verdicts import TOLERANCE, agreement, by_peer, compared, comparison, share_of_limit

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
TRAINING = ("train", "blocks", "batches")
HEAD = """\
# Benchmarks

This page is written by `make bench`. Only the ratios mean anything, and only within one run: machines vary by tens of
per cent from day to day.

- **Peers, each at its best**: scikit-learn (`MLPClassifier`, `MLPRegressor`), PyTorch (fused Adam) eager and
  compiled, JAX with one jitted call a step and with a whole epoch in one `scan`, a NumPy loop written by hand into
  preallocated arrays, and for prediction ONNX Runtime. Where Chainrule has all threads a peer has the better of one and
  all.
- **The same** data, batch, loss, initial weights, Adam at 1e-4, and float32. The first epoch goes through the samples
  in the same order, and the losses after it are compared; all others are shuffled, the shuffling counted.
- **Each in a process of its own**, which imports only that library, on as many cores as it has threads, and takes its
  times inside. The measurements go round and round, A B C A B C; a figure is the median.
- **Training goes on** from one measurement to the next, in a loop that keeps its state or a fit that waits at the end
  of an epoch: a rate is that of training alone. A whole `fit`, with all that it has to make anew, is measured for
  itself.
- **A ratio** is Chainrule's rate by the peer's: above 1 Chainrule is faster, below it is a loss and called one.
- GFLOP/s count 6 operations a weight and sample, 4 in the first layer.
"""


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """Markdown."""
    heads = list(heads)
    return [
        f"| {' | '.join(heads)} |",
        f"|{'|'.join(['---'] + ['---:'] * (len(heads) - 1))}|",
        *(f"| {' | '.join(map(str, row))} |" for row in rows),
        "",
    ]


def ratios(results: Results, section: str, threads: int) -> list[str]:
    """A row a cell, a column a peer."""
    most = results.data["settings"]["threads"][-1]
    peers = [p for p in results.data["settings"]["peers"] if p != OURS and PEERS[p].trains]
    rows = []
    for name, cell in results.section(section).items():
        found = comparison(cell, threads, most)
        if found is None:
            rows.append([name, cell.get("left out", "-"), *["-"] * (len(peers) + 2)])
            continue
        case = Case.from_json(cell["case"])
        each = [said(found.ratio(p)) if p in found.rates else "-" for p in peers]
        ours = by_peer(cell, threads, most)[OURS]
        rows.append(
            [
                name,
                f"{thousands(ours.median)} ±{ours.percent:.0f} %",
                f"{found.ours * case.operations / 1e9:.1f}",
                strong(found.ratio()),
                *each,
            ]
        )
    heads = ["network, batch", "samples a second", "GFLOP/s", "against the best"]
    return table([*heads, *(PEERS[p].title for p in peers)], rows) if rows else []


def strong(ratio: float) -> str:
    """A ratio that matters most."""
    return f"**{said(ratio)}**"


def thousands(rate: float) -> str:
    """1,234,000 as 1,234 k"""
    return f"{rate / 1000:,.0f} k" if rate >= 20_000 else f"{rate / 1000:,.1f} k"


def grid(results: Results, threads: int) -> list[str]:
    """The ratio to the best peer, shape by batch."""
    most = results.data["settings"]["threads"][-1]
    cells = results.section("train") | results.section("batches")
    rows = []
    for widths in dict.fromkeys(case.widths for case in HOME):
        row = [Case(widths, 1).network]
        for batch in BATCHES:
            cell = cells.get(Case(widths, batch).name, {})
            found = comparison(cell, threads, most)
            row.append(said(found.ratio()) if found else "too long" if "left out" in cell else "-")
        rows.append(row)
    return table(["network", *map(str, BATCHES)], rows)


def aims(results: Results) -> list[str]:
    """The table of aims, with what was measured."""
    threads = results.data["settings"]["threads"]
    rows: list[list[str]] = []

    def row(what: str, aim: str, value: float, shown: str, met: bool) -> None:
        rows.append(
            [
                what,
                aim,
                "not measured" if math.isnan(value) else shown,
                "-" if math.isnan(value) else "yes" if met else "no",
            ]
        )

    for count in dict.fromkeys((threads[-1], threads[0])):
        found = list(compared(results, TRAINING, count))
        where = "1 thread" if count == 1 else f"{count} threads"
        every = [c.ratio() for _, c in found]
        low, mean = min(every, default=math.nan), geometric_mean(every)
        lost = sum(ratio < 1 for ratio in every)
        row(
            f"training against the best peer, {where}, any cell",
            "at least 1.0",
            low,
            f"{low:.3f}; {lost} of {len(every)} cells below",
            low >= 1,
        )
        row(f"the same, geometric mean, {where}", "1.5 or more", mean, f"{mean:.2f}", mean >= 1.5)
        for peer, aim in (("torch", 3), ("sklearn", 5)):
            mean = geometric_mean(c.ratio(peer) for _, c in found if peer in c.rates)
            row(
                f"training against {PEERS[peer].title}, {where}, geometric mean",
                str(aim),
                mean,
                f"{mean:.2f}",
                mean >= aim,
            )
        shares = [share for *_, share in share_of_limit(results, count)]
        low = min(shares, default=math.nan)
        row(
            f"share of sgemm on the three largest shapes, {where}",
            "90 %",
            low,
            " ".join(f"{100 * s:.0f} %" for s in shares),
            low >= 0.9,
        )
    seconds = [s for cell in results.section("target").values() for s in cell["values"]["chainrule"]]
    missed = sum(len(cell["missed"]) for cell in results.section("target").values())
    value = statistics.median(seconds) if seconds else math.nan
    row(
        "`chainrule train mnist --target 0.98`, whole process",
        "under 1.2 s, median of ten seeds",
        value,
        f"{value:.2f} s, {missed} of {len(seconds)} missed",
        value < 1.2,
    )
    one = (
        results.section("predict").get("784-128-10, 1 row", {}).get("values", {}).get(f"{OURS}@{threads[0]}")
    )
    value = 1e6 / statistics.median(one) if one else math.nan
    row("one row, 784-128-10, from Python", "under 5 µs", value, f"{value:.1f} µs", value < 5)
    imported = results.section("imports").get("seconds", {}).get("values", {}).get("chainrule alone")
    value = statistics.median(imported) if imported else math.nan
    row("`import chainrule`", "under 0.15 s", value, f"{value:.3f} s", value < 0.15)
    return table(["figure", "aim", "measured", "met"], rows)


def times(results: Results, section: str, unit: float, digits: int, first: bool = False) -> list[str]:
    """Rows of medians by contestant; first: the first epoch alone in brackets."""
    cells = results.section(section)
    names = list(dict.fromkeys(name for cell in cells.values() for name in cell.get("values", {})))
    rows = []
    for what, cell in cells.items():
        row = [what]
        for name in names:
            values = cell.get("values", {}).get(name)
            shown = f"{unit * statistics.median(values):,.{digits}f}" if values else "-"
            row.append(f"{shown} ({cell['first'][name]:.2f})" if first and values else shown)
        rows.append(row)
    return table(["", *map(title, names)], rows) if rows else []


def title(name: str) -> str:
    """Of a contestant: its name, and a number of threads where there is one."""
    peer, _, count = name.partition("@")
    return (
        PEERS[peer].title
        + (f", {count} threads" if count and count != "1" else ", 1 thread" if count else "")
        if peer in PEERS
        else name
    )


def predictions(results: Results) -> list[str]:
    """Microseconds a call."""
    cells = {
        name: cell | {"values": {k: [1 / v for v in values] for k, values in cell["values"].items()}}
        for name, cell in results.section("predict").items()
        if "values" in cell
    }
    shown = Results(results.path, {"cells": {f"predict/{name}": cell for name, cell in cells.items()}})
    return times(shown, "predict", 1e6, 1)


def losses(results: Results) -> list[str]:
    """Every cell in which a peer is faster."""
    lines = []
    for threads in reversed(results.data["settings"]["threads"]):
        for what, found in compared(results, (*TRAINING, "predict"), threads):
            if found.is_loss:
                best = PEERS[found.best or OURS].title
                lines.append(
                    f"- {what}, {threads} thread{'s' * (threads > 1)}: {found.ratio():.2f} against {best}"
                )
    return [*(lines or ["There is no cell in which a peer is faster."]), ""]


def agreed(results: Results) -> list[str]:
    """Whether all trained the same network."""
    found = agreement(results)
    bounds = ", ".join(f"{100 * bound:g} % with {blocks}" for blocks, bound in TOLERANCE.items())
    lines = [
        f"{found.count} losses after a first epoch were compared with Chainrule's. The largest relative difference "
        f"is {100 * found.worst:.2g} % (allowed: {bounds}).",
        "",
    ]
    apart = [
        f"- {name}: {title(who)} {loss:.5g}, Chainrule {ours:.5g}" for name, who, loss, ours in found.apart
    ]
    return [*lines, *apart, *([""] if apart else [])]


def extent(data: dict[str, Any]) -> str:
    """How much of the matrix was measured."""
    if data["settings"]["quick"]:
        return "quick: all threads alone, each network at its own batch"
    if not data["complete"]:
        return f"stopped after {len(data['cells'])} of {data['planned']} cells"
    return "whole"


def text(results: Results) -> str:
    """The page."""
    data, settings = results.data, results.data["settings"]
    machine, most = data["machine"], settings["threads"][-1]
    facts = {
        "date": data["date"],
        "machine": f"{machine['processor']}, {machine['cores']} cores, {', '.join(machine['instruction sets'])}",
        "system": f"{machine['system']}, Python {machine['python']}",
        "versions": ", ".join(f"{name} {version}" for name, version in data["versions"].items()),
        "threads": " and ".join(map(str, settings["threads"])),
        "extent": extent(data),
        "a figure": f"median of {settings['rounds']} measurements of {settings['seconds']} s",
    }
    lines = [HEAD, "## This run", "", *table(["what", ""], facts.items()), "## Aims", "", *aims(results)]
    for heading, section in (("Training", "train"), ("Batch norm, dropout, residual blocks", "blocks")):
        for threads in dict.fromkeys((most, settings["threads"][0])):
            rows = ratios(results, section, threads)
            lines += [f"## {heading}, {threads} thread{'s' * (threads > 1)}", "", *rows] if rows else []
    if results.section("batches"):
        for threads in dict.fromkeys((most, settings["threads"][0])):
            lines += [
                f"## Every batch, {threads} thread{'s' * (threads > 1)}",
                "",
                "Ratio to the best peer.",
                "",
                *grid(results, threads),
            ]
    limits = [(n, t, *rest) for t in settings["threads"] for n, *rest in share_of_limit(results, t)]
    if limits:
        rows = [
            [n, t, f"{rate:.0f}", f"{limit:.0f}", f"{100 * share:.0f} %"]
            for n, t, rate, limit, share in limits
        ]
        limit = "The limit is the float32 matrix product of NumPy's library, at its better size, in the same rounds."
        lines += ["## Share of the limit", "", limit, ""]
        lines += table(["network, batch", "threads", "GFLOP/s", "limit", "share"], rows)
    parts = (
        ("Prediction, microseconds a call", predictions(results)),
        (
            "Whole fit, seconds (the first epoch, compilation included)",
            times(results, "fit", 1, 2, first=True),
        ),
        ("Import, seconds", times(results, "imports", 1, 3)),
        ("Peak memory of a training process, MiB", times(results, "memory", 1, 0)),
        ("Two processes at once, thousand samples a second together", times(results, "together", 1e-3, 1)),
    )
    for heading, rows in parts:
        lines += [f"## {heading}", "", *rows] if rows else []
    lines += ["## Losses", "", *losses(results), "## Agreement", "", *agreed(results)]
    return "\n".join(lines).rstrip() + "\n"


def write(results: Results) -> None:
    """Into the documentation."""
    PAGE.write_text(text(results), "utf-8")
