"""The studio: how much of its speed training keeps while a page watches, frames a second, and a stroke's latency.

    python benchmarks/studio.py [--rounds N] [--epochs E] [--widths 128] [--only train|draw]

Training alone and watched take turns, A B A B, in one process. Both are measured in seconds and in seconds of processor
time, which other programs disturb less. The browser of the page that watches reports nothing meanwhile, where it would
report every message of a socket to Playwright. On Linux, with Chromium and Playwright.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np
from playwright.sync_api import Page, sync_playwright
from websockets.sync.client import connect

from chainrule import Dense, Model, Network, ReLU, Rescale, SoftmaxCrossEntropy
from chainrule.recipe.data import Data, load
from chainrule.studio.screens.train.desk import desk_of
from chainrule.studio.server.serve import served
from chainrule.studio.session.commands import find
from chainrule.studio.session.studio import Studio

BATCH = 128
CHROMIUM = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
FLAGS = ("--no-sandbox", "--disable-gpu")
TICK = os.sysconf("SC_CLK_TCK")
SETTLED = """new Promise(async (resolve) => {
  while (!window.chainrule) await new Promise((next) => setTimeout(next, 50));
  await window.chainrule.idle();
  resolve();
})"""
COUNTED = """(() => {
  const drawn = [performance.now()];
  window.drawn = drawn;
  let frames = window.chainrule.frames;
  const set = (n) => { frames = n; drawn.push(performance.now()); };
  Object.defineProperty(window.chainrule, 'frames', { get: () => frames, set });
})()"""
STROKES = """() => {
  const pad = document.querySelector('[data-test=pad]'), shown = document.querySelector('[data-test=latency]');
  window.strokes = [];
  new MutationObserver(() => {
    const until = Number(shown.dataset.value), begun = performance.now() - until;
    requestAnimationFrame(() => window.strokes.push([until, performance.now() - begun]));   // this frame is out by then
  }).observe(shown, { attributes: true, attributeFilter: ['data-value'] });
}"""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="of training alone and watched")
    parser.add_argument("--epochs", type=int, default=20, help="of each")
    parser.add_argument("--widths", default="128", help="of the hidden layers, as 512,512")
    parser.add_argument("--only", choices=("train", "draw"))
    parser.add_argument("--strokes", type=int, default=100)
    parser.add_argument("--screen", default="train", help="that is open meanwhile")
    return parser.parse_args()


def processes(root: int) -> Iterator[tuple[str, float]]:
    """The role of each process below one, and its seconds of processor time."""
    children: dict[int, list[int]] = {}
    times: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(folder.name))
        times[int(folder.name)] = (int(fields[11]) + int(fields[12])) / TICK
    stack = list(children.get(root, []))
    while stack:
        pid = stack.pop()
        stack += children.get(pid, [])
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "chrom" in command:
            kind = command.partition("--type=")[2].split()
            yield kind[0] if kind else "browser", times[pid]


def page_seconds() -> dict[str, float]:
    """Seconds of processor time of the browser's processes, by role."""
    found: dict[str, float] = {}
    for role, seconds in processes(os.getpid()):
        found[role] = found.get(role, 0.0) + seconds
    return found


def network(widths: list[int]) -> Network:
    """Dense layers with ReLU, on MNIST."""
    hidden = [layer for width in widths for layer in (Dense(width), ReLU())]
    return Network(784, [Rescale(1 / 255), *hidden, Dense(10)], SoftmaxCrossEntropy())


class Clock:
    """Seconds, of this process's processor time too, since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu, self.page = time.perf_counter(), time.process_time(), page_seconds()

    def read(self) -> dict[str, float]:
        """So far."""
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        page = {role: seconds - self.page.get(role, 0.0) for role, seconds in page_seconds().items()}
        return {"wall": wall, "cpu": cpu, "page": sum(page.values())} | page


def alone(data: Data, widths: list[int], epochs: int) -> tuple[dict[str, float], np.ndarray[Any, Any]]:
    """Model.fit."""
    model = Model(network(widths), seed=0)
    clock = Clock()
    model.fit(
        data.train.X,
        data.train.y,
        epochs=epochs,
        batch_size=BATCH,
        validation_data=(data.test.X, data.test.y),
    )
    return clock.read(), model.theta


def watched(studio: Studio, widths: list[int], epochs: int) -> tuple[dict[str, float], np.ndarray[Any, Any]]:
    """The same run, begun as a page begins it."""
    layers = [each for width in widths for each in ({"kind": "dense", "units": width}, {"kind": "relu"})]
    clock = Clock()
    form = {"layers": layers, "epochs": epochs, "batch_size": BATCH}
    find("train.start")(studio, {"form": form})
    run = desk_of(studio).current()
    assert run.thread is not None
    run.thread.join()
    return clock.read(), run.model.theta


@contextmanager
def watching(path: str, studio: Studio, screen: str) -> Iterator[Callable[[str], Any]]:
    """A page of a served studio, 1440 x 900, that has settled. Yields what runs a script there."""
    with served(studio) as address, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        place = (f"--user-data-dir={profile}", "--remote-debugging-port=0", "--window-size=1440,900")
        browser = subprocess.Popen(
            [path, "--headless", "--force-prefers-reduced-motion", *FLAGS, *place],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            told = Path(profile) / "DevToolsActivePort"
            while not (told.exists() and "\n" in told.read_text()):
                time.sleep(0.05)
            blank = f"http://127.0.0.1:{told.read_text().split()[0]}/json/new?about:blank"
            with urlopen(Request(blank, method="PUT")) as reply:
                target = json.load(reply)["webSocketDebuggerUrl"]
            with connect(target) as socket:

                def ask(method: str, **params: Any) -> Any:
                    socket.send(json.dumps({"id": 1, "method": method, "params": params}))
                    return json.loads(socket.recv())["result"]

                def run(script: str) -> Any:
                    found = ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
                    if "exceptionDetails" in found:
                        raise RuntimeError(found["exceptionDetails"])
                    return found["result"].get("value")

                ask("Page.navigate", url=address)
                run(SETTLED)
                run(f"window.chainrule.store.set({{ screen: '{screen}', lang: 'en' }})")
                run(SETTLED)
                yield run
        finally:
            os.killpg(browser.pid, signal.SIGTERM)
            browser.wait()


@contextmanager
def opened(path: str, studio: Studio, screen: str) -> Iterator[Page]:
    """The same as a page of Playwright, which moves the pointer."""
    with served(studio) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
        page = context.new_page()
        context.request.get(address)
        parts = urlsplit(address)
        page.goto(f"{parts.scheme}://{parts.netloc}/#screen={screen}&lang=en")
        page.wait_for_function("() => window.chainrule !== undefined")
        page.evaluate("window.chainrule.idle()")
        yield page
        browser.close()


def median(rows: list[dict[str, float]], key: str) -> float:
    """Over the rounds."""
    return statistics.median(row[key] for row in rows)


def train(path: str, data: Data, settings: argparse.Namespace) -> None:
    """Print what training keeps of its speed, and the frames that the page drew."""
    widths = [int(width) for width in settings.widths.split(",")]
    studio = Studio(data=data)
    epochs = settings.epochs
    alone(data, widths, 1)
    by_itself, with_page, intervals = [], [], []
    with watching(path, studio, settings.screen) as run:
        run(COUNTED)
        watched(studio, widths, 1)
        for i in range(settings.rounds):
            row, theta = alone(data, widths, epochs)
            by_itself.append(row)
            run("window.drawn.length = 0")
            row, found = watched(studio, widths, epochs)
            drawn = run("window.drawn")
            with_page.append(row)
            intervals += list(np.diff(drawn))
            np.testing.assert_array_equal(theta, found)
            seconds = (
                f"{by_itself[-1]['wall'] / epochs:.3f} s an epoch alone, {row['wall'] / epochs:.3f} s watched"
            )
            print(f"round {i + 1}: {seconds}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    print(
        f"784-{settings.widths.replace(',', '-')}-10, batches of {BATCH}, {epochs} epochs, {settings.rounds} rounds"
    )
    for name, rows in (("alone", by_itself), ("watched", with_page)):
        wall, cpu = median(rows, "wall") / epochs, median(rows, "cpu") / epochs
        print(f"  {name:<8} {wall:.3f} s an epoch, {cpu:.3f} s of processor time")
    kept = statistics.median(a["wall"] / b["wall"] for a, b in zip(by_itself, with_page, strict=True))
    share = median(by_itself, "cpu") / median(with_page, "cpu")
    print(f"  speed kept {kept:.0%}; by this process's processor time {share:.0%}")
    wall, extra = median(with_page, "wall"), median(with_page, "cpu") - median(by_itself, "cpu")
    roles = sorted({role for row in with_page for role in row} - {"wall", "cpu", "page"})
    each = {role: statistics.median(row.get(role, 0.0) for row in with_page) / wall for role in roles}
    parts = ", ".join(f"{role} {part:.2f}" for role, part in each.items() if part >= 0.005)
    print(f"  the page takes {median(with_page, 'page') / wall:.2f} of a core ({parts})")
    print(f"  this process takes {extra / wall:.2f} of a core more than when it trains alone")
    if intervals:
        frames = len(intervals) / settings.rounds
        page_ms, own_ms = 1000 * median(with_page, "page") / frames, 1000 * extra / frames
        print(f"  processor time of a frame: {page_ms:.1f} ms of the page, {own_ms:.1f} ms of this process")
        middle, late = np.percentile(intervals, [50, 95])
        rate = 1000 * len(intervals) / sum(intervals)
        print(f"  frames drawn: {rate:.1f} a second, {middle:.0f} ms apart (p95 {late:.0f} ms)")
    print("  the parameters are the same, bit for bit")


def draw(path: str, data: Data, settings: argparse.Namespace) -> None:
    """Print how long it takes from the movement of a pen to the redrawn network."""
    studio = Studio(Model(network([512, 512]), seed=0), data)
    with opened(path, studio, "draw") as page:
        pad = page.locator("[data-test=pad]")
        pad.wait_for()
        page.evaluate("window.chainrule.idle()")
        box = pad.bounding_box()
        assert box is not None
        page.evaluate(STROKES)
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.2)
        page.mouse.down()
        for k in range(settings.strokes):
            angle = 2 * np.pi * k / 40
            page.mouse.move(
                box["x"] + box["width"] * (0.5 + 0.25 * np.sin(angle)),
                box["y"] + box["height"] * (0.5 - 0.3 * np.cos(angle)),
            )
        page.mouse.up()
        page.evaluate("window.chainrule.idle()")
        found = np.array(page.evaluate("() => window.strokes"))
    print(f"784-512-512-10, {len(found)} movements of the pen")
    for k, name in enumerate(("until it is drawn", "until the next frame begins")):
        middle, late = np.percentile(found[:, k], [50, 95])
        print(f"  {name}: {middle:.0f} ms (p95 {late:.0f} ms)")


def main() -> None:
    """Measure."""
    settings = arguments()
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        raise SystemExit(f"no browser found: install one of {', '.join(CHROMIUM)}")
    data = load("mnist")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {version}")
    for part in (train, draw):
        if settings.only in (None, part.__name__):
            part(path, data, settings)


if __name__ == "__main__":
    main()
