"""The results as a page: ratios, aims beside what was measured, and every loss."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from results import FOLDER, Results, comma_separated, generation
from speed import ALL, PEERS, Spread, geometric_mean
from speed.ratios import OURS, said
from verdicts import TOLERANCE, agreement, compared, comparison, share_of_limit

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
TRAINING = ("train", "blocks", "batches")
BF16 = FOLDER / "bf16.jsonl"
BF16_PEERS = ("chainrule", "chainrule-bf16", "torch", "torch-bf16", "torch-autocast")
UNITS = {
    "predict": "calls per second",
    "fit": "seconds",
    "imports": "seconds",
    "target": "seconds",
    "memory": "MiB",
}
"""By section, where it is not samples per second."""
HEAD = """\
# Benchmarks

`make bench` writes this page. Compare ratios, and only within one run: the speed of a machine varies by tens of percent
from day to day. Every measurement is in [a CSV file]({file}): one and two threads, batch sizes from 1 to 16,384, batch
norm, dropout, residual blocks, prediction, whole fits, memory, imports, and two processes at once.

- **Competitors, each in its fastest form**: scikit-learn; PyTorch with fused Adam, eager and compiled; JAX with one
  jitted call per step, and with a whole epoch in one `scan`; a NumPy loop without allocations; ONNX Runtime for
  prediction. If Chainrule uses all threads, the competitor uses one or all, whichever is faster.
- **The same task**: data, batch size, loss, initial weights, Adam at 1e-4, float32. The losses after the first
  epoch, in equal order, are compared. Later epochs are shuffled, and shuffling is part of the time.
- **One process per library** measures its own time. The libraries take turns; each figure is the median.
- **A ratio** is Chainrule's rate divided by the competitor's. Below 1 it is marked as a loss.
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
            rows.append([name, cell.get("left out", "-"), *["-"] * (len(peers) + 1)])
            continue
        each = [said(found.ratio(p)) if p in found.rates else "-" for p in peers]
        rows.append([name, thousands(found.ours), strong(found.ratio()), *each])
    heads = ["network, batch", "samples per second", "against the fastest"]
    return table([*heads, *(PEERS[p].title for p in peers)], rows) if rows else []


def strong(ratio: float) -> str:
    """A ratio that matters most."""
    return f"**{said(ratio)}**"


def thousands(rate: float) -> str:
    """1,234,000 as 1,234 k"""
    return f"{rate / 1000:,.0f} k" if rate >= 20_000 else f"{rate / 1000:,.1f} k"


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
            f"training against the fastest competitor, {where}, any cell",
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
    imported = results.section("imports").get("seconds", {}).get("values", {}).get("chainrule")
    value = statistics.median(imported) if imported else math.nan
    row("import of the names of a program", "under 0.15 s", value, f"{value:.3f} s", value < 0.15)
    return table(["figure", "aim", "measured", "met"], rows)


def title(name: str) -> str:
    """Of a contestant: its name, and a number of threads where there is one."""
    peer, _, count = name.partition("@")
    return (
        PEERS[peer].title
        + (f", {count} threads" if count and count != "1" else ", 1 thread" if count else "")
        if peer in PEERS
        else name
    )


def one_row(results: Results) -> list[str]:
    """Microseconds for a row, of each peer on its faster number of threads."""
    cells = {
        name.removesuffix(", 1 row"): cell["values"]
        for name, cell in results.section("predict").items()
        if cell.get("rows") == 1 and cell.get("values")
    }
    peers = list(dict.fromkeys(who.partition("@")[0] for values in cells.values() for who in values))
    rows = []
    for network, values in cells.items():
        rates: dict[str, float] = {}
        for who, found in values.items():
            peer = who.partition("@")[0]
            rates[peer] = max(rates.get(peer, 0.0), statistics.median(found))
        rows.append([network, *(f"{1e6 / rates[p]:.1f}" if p in rates else "-" for p in peers)])
    return table(["network", *map(title, peers)], rows) if rows else []


def every_cell(results: Results) -> list[list[object]]:
    """The rows of the file: medians, and the spreads of the measurements in percent."""
    rows: list[list[object]] = [["section", "what", "contestant", "threads", "median", "unit", "spread %"]]
    for name, cell in results.cells.items():
        section, _, what = name.partition("/")
        for who, values in cell.get("values", {}).items():
            peer, _, threads = who.partition("@")
            if values:
                spread, unit = Spread(tuple(values)), UNITS.get(section, "samples per second")
                rows.append([section, what, title(peer), threads, spread.median, unit, spread.percent])
    return rows


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
    return [*(lines or ["In no case is a competitor faster."]), ""]


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


def bf16_records() -> list[dict[str, Any]]:
    """Return what `benchmarks/bf16.py` has kept of each processor."""
    return [json.loads(line) for line in BF16.read_text("utf-8").splitlines()] if BF16.exists() else []


def bf16() -> Iterator[str]:
    """Products of bfloat16 numbers, a processor after the other."""
    for record in bf16_records():
        where = f"{record['processor']}, {record['cores']} cores"
        yield from (f"## Products in bfloat16: {where}", "")
        yield from (
            f"Samples per second of training on all threads (`benchmarks/bf16.py`, {record['date']}, {record['isa']}); "
            "PyTorch's faster one of bf16 and autocast:",
            "",
        )
        rows = []
        for cell in record["speed"]:
            rates = cell["rates"]
            own, theirs = rates["chainrule-bf16"], max(rates[p] for p in ("torch-bf16", "torch-autocast"))
            ratios_ = (said(own / rates["chainrule"]), said(own / theirs))
            rows.append(
                [cell["case"], *map(thousands, (rates["chainrule"], own, rates["torch"], theirs)), *ratios_]
            )
        heads = [
            "network, batch",
            *(ALL[p].title for p in BF16_PEERS[:3]),
            "PyTorch, bf16",
            "to float32",
            "to PyTorch",
        ]
        yield from table(heads, rows)
        yield from ("Means of five seeds, and the difference with its standard error:", "")
        rows = [
            [
                cell["what"],
                *(f"{statistics.mean(cell[key]):.4g}" for key in ("float32", "bf16")),
                f"{cell['difference']:+.2g} ±{cell['error']:.1g}",
            ]
            for cell in record.get("accuracy", [])
        ]
        yield from table(["", "float32", "bf16", "difference"], rows)
        if calls := record.get("prediction"):
            yield from predictions(calls)
        if cells := record.get("tables"):
            losses_, seconds = ([cell[key] for cell in cells] for key in ("loss", "seconds"))
            worst = max(cells, key=lambda cell: float(cell["loss"]))
            yield (
                f'`preset="fast"` of {len(cells)} tables in bf16 takes {statistics.geometric_mean(seconds):.2f} of '
                f"float32's processor time and has {statistics.geometric_mean(losses_):.4f} of its loss, geometric "
                f"means; at most {worst['loss']:.3f}, of {worst['table']}. So it is off unless asked for."
            )
            yield ""


def predictions(calls: list[dict[str, Any]]) -> Iterator[str]:
    """A bound network in three precisions, beside ONNX Runtime's static 8-bit integers."""
    names = ("float32", "bf16", "int8", "onnxruntime")
    yield from (
        "Microseconds of a call of a bound 784-512-512-10, all threads; ONNX Runtime in static int8:",
        "",
    )
    rows = []
    for cell in calls[1:]:
        took = cell["microseconds"]
        ratios_ = (took["float32"] / took["bf16"], took["onnxruntime"] / took["int8"])
        rows.append([str(cell["rows"]), *(f"{took[name]:.3g}" for name in names), *map(said, ratios_)])
    heads = [
        "rows",
        "float32",
        "bf16",
        "int8",
        "ONNX Runtime, int8",
        "bf16 to float32",
        "int8 to ONNX Runtime",
    ]
    yield from table(heads, rows)
    right = calls[0]["accuracy"]
    shares = ", ".join(f"{100 * right[name]:.2f} % in {name}" for name in names[:3])
    yield from (
        f"Test digits of MNIST classified correctly: {shares}, {100 * right[names[3]]:.2f} % by ONNX Runtime.",
        "",
    )


def text(results: Results, file: str = "benchmarks.csv") -> str:
    """The page, and the file that it links to."""
    data, settings = results.data, results.data["settings"]
    machine, most = data["machine"], settings["threads"][-1]
    facts = {
        "date": data["date"],
        "machine": f"{generation(machine)}, {machine['cores']} cores, {', '.join(machine['instruction sets'])}",
        "system": f"{machine['system']}, Python {machine['python']}",
        "versions": ", ".join(f"{name} {version}" for name, version in data["versions"].items()),
        "extent": extent(data),
        "a figure": f"median of {settings['rounds']} measurements of {settings['seconds']} s",
    }
    lines = [HEAD.format(file=file), "## This run", "", *table(["what", ""], facts.items())]
    lines += ["## Aims", "", *aims(results)]
    if rows := ratios(results, "train", most):
        lines += [f"## Training, {most} thread{'s' * (most > 1)}", "", *rows]
    if rows := one_row(results):
        lines += ["## Prediction of one row, microseconds", "", *rows]
    lines += bf16()
    lines += ["## Losses", "", *losses(results), "## Agreement", "", *agreed(results)]
    return "\n".join(lines).rstrip() + "\n"


def write(results: Results, path: Path = PAGE) -> None:
    """The page and its file, by default into the documentation."""
    file = path.with_suffix(".csv")
    path.write_text(text(results, file.name), "utf-8")
    file.write_text(comma_separated(every_cell(results)), "utf-8")
