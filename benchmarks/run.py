"""Chainrule against its peers: the whole matrix, into benchmarks/results, docs/benchmarks.md and the READMEs' table.

    python benchmarks/run.py [--quick] [--only NAME] [--seconds S] [--rounds N] [--threads 1,2] [--resume]

See docs/benchmarks.md for how a comparison is made.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import page
import readme
from results import FOLDER, Results, cores, slug, today
from sections import SECTIONS, Plan
from speed import PEERS, PeerError, installed
from speed.measure import Contestant, Pool
from verdicts import in_a_line

QUICK = ("train", "predict", "imports", "target")
UNFINISHED = Path(__file__).parents[1] / "build" / "bench"
"""Where a run is kept until it is complete, and for good if it is not of the whole matrix."""
BUSY = 0.6
"""Average load from which on something else is running."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--quick", action="store_true", help="a few minutes: all threads only, each shape at its own batch")
    add(
        "--only",
        action="append",
        metavar="NAME",
        help=f"sections ({', '.join(SECTIONS)}), or part of a cell's name",
    )
    add("--peers", help=f"some of {', '.join(PEERS)}")
    add("--seconds", type=float, help="of a measurement (0.2; 0.1 if quick)")
    add("--rounds", type=int, help="measurements of each (5; 3 if quick)")
    add("--threads", help="as 1,2: the last is taken for all (1 and all the cores)")
    add("--seeds", type=int, default=10, help="of the run to 98 %% on MNIST")
    add("--resume", action="store_true", help="go on with the newest run that was stopped")
    add("--out", type=Path, help="file of the results, rather than one of today's")
    add("--page-only", action="store_true", help="only write docs/benchmarks.md and the READMEs' table again")
    return parser.parse_args()


class Progress:
    """A line that is written over and over on a terminal, and a line a cell."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.start, self.title = total, 0, time.monotonic(), ""

    def say(self, what: str) -> None:
        if sys.stderr.isatty():
            print(
                f"\r\x1b[K[{self.done + 1}/{self.total}] {self.title}: {what}"[:110], end="", file=sys.stderr
            )

    def finish(self, what: str) -> None:
        self.done += 1
        spent = time.monotonic() - self.start
        left = spent / self.done * (self.total - self.done)
        clear = "\r\x1b[K" if sys.stderr.isatty() else ""
        print(
            f"{clear}[{self.done}/{self.total}] {self.title}: {what}  ({spent / 60:.0f} min, {left / 60:.0f} left)",
            file=sys.stderr,
            flush=True,
        )


def is_wanted(section: str, name: str, only: list[str] | None) -> bool:
    """Whether --only asks for a cell."""
    return only is None or any(word == section or word in f"{section}/{name}" for word in only)


def settings_of(asked: argparse.Namespace) -> dict[str, Any]:
    """What decides the figures."""
    quick = asked.quick
    if asked.threads:
        threads = [int(count) for count in asked.threads.split(",")]
    else:
        threads = [cores()] if quick else sorted({1, cores()})
    peers = asked.peers.split(",") if asked.peers else [p for p in PEERS if not quick or p != "torch-compile"]
    if unknown := set(peers) - set(PEERS):
        sys.exit(f"--peers: {', '.join(sorted(unknown))} is none of {', '.join(PEERS)}")
    return {
        "threads": threads,
        "seconds": asked.seconds or (0.1 if quick else 0.2),
        "rounds": asked.rounds or (3 if quick else 5),
        "peers": [name for name in peers if installed(name)],
        "quick": quick,
    }


def opened(asked: argparse.Namespace, settings: dict[str, Any]) -> Results:
    """The file of a run: one that was stopped with --resume, else a new one."""
    part = "" if is_whole(asked) else "-part"
    path = asked.out or UNFINISHED / f"{today()}-{slug()}{part}.json"
    if asked.resume:
        found = [path] if asked.out else sorted(UNFINISHED.glob("*.json"))
        for before in map(Results.read, (one for one in reversed(found) if one.exists())):
            if not before.data["complete"] and before.data["settings"] == settings:
                return before
        print("There is no run with these settings to go on with; this is a new one.", file=sys.stderr)
    return Results.begin(settings, path)


def is_whole(asked: argparse.Namespace) -> bool:
    """Whether all of the matrix was asked for, by everyone: the only kind that the documentation shows."""
    return not (asked.quick or asked.only or asked.peers or asked.threads)


def main() -> None:
    """Run what is asked for."""
    asked = arguments()
    if not asked.page_only:
        if (load := os.getloadavg()[0]) > BUSY:
            print(f"The machine is busy (load {load:.1f}): the figures will be off.", file=sys.stderr)
        settings = settings_of(asked)
        results = opened(asked, settings)
        try:
            with Pool() as pool:
                threads, peers = tuple(settings["threads"]), tuple(settings["peers"])
                measure_all(
                    results,
                    Plan(threads, settings["seconds"], settings["rounds"], peers, str, pool, asked.seeds),
                    asked,
                )
        except KeyboardInterrupt:
            sys.exit("\nStopped; the same command with --resume goes on.")
        results.data["complete"] = True
        if is_whole(asked) and asked.out is None:
            results.path.unlink()
            results.path = FOLDER / results.path.name
        results.write()
        page.write(results, results.path.with_suffix(".md"))
        print(f"{results.path}\n{results.path.with_suffix('.md')}")
    newest = Results.newest()
    if newest is not None:
        page.write(newest)
        readme.write(newest)


def measure_all(results: Results, plan: Plan, asked: argparse.Namespace) -> None:
    """Every cell that is wanted and not there yet."""
    if not results.data["versions"]:
        plan.say("importing the libraries")
        results.data["versions"] = versions(plan)
    cells = [
        (f"{section}/{name}", measure)
        for section, make in SECTIONS.items()
        if not asked.quick or asked.only or section in QUICK
        for name, measure in make(plan)
        if is_wanted(section, name, asked.only)
    ]
    results.data["planned"] = len(cells)
    todo = [(name, measure) for name, measure in cells if name not in results.cells]
    progress = Progress(len(todo))
    plan.say = progress.say
    for name, measure in todo:
        progress.title = name
        try:
            cell = measure()
        except (PeerError, OSError, subprocess.SubprocessError) as error:
            cell = {"left out": str(error)}
        results.put(name, cell)
        progress.finish(in_a_line(cell))


def versions(plan: Plan) -> dict[str, str]:
    """Of all that is compared."""
    found: dict[str, str] = {}
    everyone = [Contestant(name, plan.most) for name in plan.peers if installed(name)]
    for who, answer in plan.pool.ask_all(everyone, "versions").items():
        if isinstance(answer, PeerError):  # each cell says it too, and goes on with the others
            print(f"Skipped: {who.peer} ({answer})", file=sys.stderr)
        else:
            found |= answer
    return found


if __name__ == "__main__":
    main()
