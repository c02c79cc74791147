"""The engine's worker in a browser: the bits that Node.js has."""

from __future__ import annotations

import itertools
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from web_cases import SCRIPT, offered, prepared
from web_engine import built, run, text

PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>engine</title>"""
IN_PAGE = """
async (given) => {
  const numbers = (text, Type) => new Type(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const text = (array) => btoa(Array.from(new Uint8Array(array.buffer), (byte) => String.fromCharCode(byte)).join(''));
  const { connect } = await import('./engine/client.js');
  const worker = new Worker('./engine/worker.js', { type: 'module' });
  const description = await (await fetch('./description.json')).json();
  const engine = await connect({ worker, wasm: new URL('./engine.wasm', location.href).href, description });
  const found = [];
  let told = 0;
  for (const { file, X, isBytes, n, y, weight, options } of given) {
    const { inputs } = await engine.open('one', numbers(file, Uint8Array).buffer);
    const x = numbers(X, isBytes ? Uint8Array : Float32Array), flat = y.flat(), few = Math.min(n, 50);
    const first = { x: x.slice(0, few * inputs), n: few, y: flat.slice(0, few * flat.length / n) };
    await engine.data('rows', { x, n, y: flat, weight });
    const outputs = await engine.call('one', 'outputsOf', x, n);
    const traced = await engine.call('one', 'trace', { ...first, weight: weight?.slice(0, few) }, { training: true });
    const { ended, step } = await engine.train('one', { data: 'rows' }, options, () => { ++told; }).done;
    const theta = await engine.get('one', 'theta');
    found.push({ outputs: text(outputs), gradients: text(traced.gradients), theta: text(theta), ended, step });
  }
  const refused = await engine.call('two', 'predict').catch((error) => error.message);
  engine.close();
  return { found, refused, told };
}
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address(tmp_path: Path):
    """A page beside the engine's files."""
    folder = tmp_path / "page"
    shutil.copytree(built(), folder)
    (folder / "index.html").write_text(PAGE, "utf-8")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


def test_a_browser_has_the_bits_of_node(address, browser_page, tmp_path):
    """Outputs, gradients and ten steps of random networks, through the worker."""
    cases = [prepared(case, tmp_path) for case in itertools.islice(offered(), 6, 14)]
    expected = run(tmp_path, SCRIPT, [one.given for one in cases])
    given = [one.given | {"file": text(Path(one.given["file"]).read_bytes())} for one in cases]
    browser_page.goto(address)
    answer = browser_page.evaluate(IN_PAGE, given)
    for mine, theirs in zip(answer["found"], expected, strict=True):
        assert mine == {name: theirs[name] for name in mine}
    assert answer["refused"] == "The worker has no network two."
    assert answer["told"] >= len(cases)
