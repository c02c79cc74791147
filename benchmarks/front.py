"""The first screen on a phone at 8 Mbit/s: when it answers a stroke, when a weight is dragged, the longest task.

    python benchmarks/front.py build/page [--rounds N] [--slower 4]

Every round has a browser context of its own, without a cache, throttled by Chromium's devtools protocol; text comes
packed by gzip. A visitor draws as soon as the network is there, and then drags the weight, without scrolling.
--slower: how much slower than this machine the phone's processor is.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import http.server
import shutil
import statistics
import threading
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from studio import CHROMIUM, FLAGS

BYTES, LATENCY = 1_000_000, 40
"""Of the line: bytes per second, and milliseconds."""
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
TASKS = """() => {
  window.tasks = [];
  new PerformanceObserver((list) => window.tasks.push(...list.getEntries()
    .map(({ startTime, duration }) => [startTime, duration]))).observe({ type: 'longtask', buffered: true });
}"""


class Packed(http.server.SimpleHTTPRequestHandler):
    """Plain files, of which text is packed by gzip, as hosts of static sites do."""

    def do_GET(self) -> None:
        """Send a file."""
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        if path.suffix not in (".html", ".css", ".js", ".json", ".svg", ".wasm"):
            return super().do_GET()
        content = gzip.compress(path.read_bytes())
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        return None

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def visit(browser: Browser, address: str, slower: float) -> dict[str, float]:
    """Seconds from opening the page, and milliseconds of the longest task while a stroke is drawn."""
    context = browser.new_context(**PHONE)
    page = context.new_page()
    line = context.new_cdp_session(page)
    line.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": LATENCY, "downloadThroughput": BYTES, "uploadThroughput": BYTES},
    )
    line.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.add_init_script(f"({TASKS})()")
    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(".screen[data-ready=true]")
    there = time.perf_counter() - begun
    pad = page.locator("[data-test=pad]").bounding_box()
    assert pad is not None
    now = page.evaluate("performance.now()")

    def touch(kind: str, x: float, y: float) -> None:
        points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
        line.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    answered = 0.0
    for at in range(20):
        x, y = pad["x"] + 0.5 * pad["width"], pad["y"] + (0.15 + 0.035 * at) * pad["height"]
        touch("touchMove" if at else "touchStart", x, y)
        if at == 1:
            page.wait_for_function("() => document.querySelector('[data-test=prediction]').dataset.value")
            answered = time.perf_counter() - begun
    touch("touchEnd", 0, 0)
    drawn = page.evaluate("performance.now()")
    page.wait_for_timeout(400)
    before = page.locator("[data-test=value]").inner_text()
    rail = page.locator("[data-test=weight]").bounding_box()
    assert rail is not None and rail["y"] + rail["height"] <= 844, "the weight is in sight"
    for at in range(10):
        touch(
            "touchMove" if at else "touchStart", rail["x"] + (0.3 + 0.05 * at) * rail["width"], rail["y"] + 12
        )
    touch("touchEnd", 0, 0)
    page.wait_for_function(
        "(before) => document.querySelector('[data-test=value]').textContent !== before", arg=before
    )
    dragged = time.perf_counter() - begun
    assert page.evaluate("scrollY") == 0
    tasks = page.evaluate("window.tasks")
    context.close()
    during = [took for start, took in tasks if start + took > now and start < drawn]
    return {
        "there, s": there,
        "answered, s": answered,
        "dragged, s": dragged,
        "longest task of the stroke, ms": max(during, default=0),
    }


def main() -> None:
    """Print the median and the worst of each measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="that `make page` has written")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slower", type=float, default=1)
    given = parser.parse_args()
    handler = functools.partial(Packed, directory=str(given.folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = next(filter(None, map(shutil.which, CHROMIUM)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        rounds = [
            visit(browser, f"http://127.0.0.1:{server.server_port}/#lang=en", given.slower)
            for _ in range(given.rounds)
        ]
        browser.close()
    for name in rounds[0]:
        values = [one[name] for one in rounds]
        print(f"{name}: median {statistics.median(values):.2f}, worst {max(values):.2f}")


if __name__ == "__main__":
    main()
