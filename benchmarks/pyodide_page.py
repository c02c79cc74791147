"""What Python in the browser would cost the page without a server: Pyodide's core beside the page of `make site`.

    python benchmarks/pyodide_page.py --pyodide FOLDER [--page docs/_build/html/play] [--rounds N]

FOLDER: what `npm pack pyodide` has, unpacked. The pages take turns with an empty cache, at full speed and then with
1.6 Mbit/s and 150 ms; the server sends gzip. Prints medians of the seconds since the navigation, and the megabytes that
were asked for. With Chromium and Playwright.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from mimetypes import guess_type
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright

CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 200_000}
"""1.6 Mbit/s, in bytes a second."""
PYTHON = """<!doctype html><title>Python</title><p>Python is on its way.</p><script type="module">
import { loadPyodide } from './pyodide.mjs';
const python = await loadPyodide();
if (python.runPython('1 + 1') === 2) window.marks = { 'first statement': performance.now() };
</script>"""
WATCHED = """addEventListener('DOMContentLoaded', async () => {
  if (!window.chainrule) return;
  const { store } = window.chainrule, marks = {};
  store.on(['network'], () => { window.marks ??= { ...marks, 'network answers': performance.now() }; });
  await store.call('play.commands');
  marks['engine answers'] = performance.now();
})"""
MARKS = """() => {
  const [painted] = performance.getEntriesByName('first-contentful-paint');
  return painted && window.marks && { 'first frame': painted.startTime, ...window.marks };
}"""


def serve(folder: Path, asked: set[str]) -> str:
    """Serve a folder's files as gzip, note the names that are asked for, and return the address."""
    files = {f"/{path.relative_to(folder)}": path for path in folder.rglob("*") if path.is_file()}
    packed = {name: gzip.compress(path.read_bytes()) for name, path in files.items()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = "/index.html" if self.path == "/" else self.path
            asked.add(name)
            if name not in packed:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Type", guess_type(name)[0] or "application/octet-stream")
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(packed[name])

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


def seconds(browser: Browser, origin: str, is_slow: bool) -> dict[str, float]:
    """Open a page that no cache has, and return when each of its marks came."""
    page = browser.new_page()
    page.add_init_script(WATCHED)
    if is_slow:
        page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", SLOW)
    page.goto(origin, wait_until="commit", timeout=60_000)
    found = page.wait_for_function(MARKS, polling=50, timeout=300_000).json_value()
    page.close()
    return {name: value / 1000 for name, value in found.items()}


def compare(browser: Browser, folders: dict[str, Path], rounds: int) -> None:
    """Print the seconds and megabytes of pages that take turns."""
    asked: dict[str, set[str]] = {title: set() for title in folders}
    origins = {title: serve(folder, asked[title]) for title, folder in folders.items()}
    for is_slow in (False, True):
        turns = [
            {title: seconds(browser, at, is_slow) for title, at in origins.items()} for _ in range(rounds)
        ]
        speed = f"{'1.6 Mbit/s' if is_slow else 'full speed'}, load {os.getloadavg()[0]:.1f}"
        for title in folders:
            said = (f"{name} {median(turn[title][name] for turn in turns):.2f} s" for name in turns[0][title])
            print(f"{title}, {speed}: {', '.join(said)}")
    for title, names in asked.items():
        files = [folders[title] / name[1:] for name in names]
        texts = [path.read_bytes() for path in files if path.is_file() and path.parent.name != "data"]
        packed = sum(len(gzip.compress(text)) for text in texts)
        print(f"{title}, without data: {sum(map(len, texts)) / 1e6:.2f} MB, gzip {packed / 1e6:.2f} MB")


def main() -> None:
    """Measure both pages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pyodide", type=Path, required=True, help="the unpacked package")
    parser.add_argument("--page", type=Path, default=Path("docs/_build/html/play"))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        python = shutil.copytree(given.pyodide, Path(folder) / "python")
        (python / "index.html").write_text(PYTHON, "utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        compare(browser, {"today's page": given.page, "Pyodide's core": python}, given.rounds)
        browser.close()


if __name__ == "__main__":
    main()
