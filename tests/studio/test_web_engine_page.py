"""The engine's worker in a browser: the bits that Node.js has, in one page that loads the engine once.

CHAINRULE_WEB_NETWORKS=300 compares as many random networks; by default 8.
"""

from __future__ import annotations

import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from web_cases import SCRIPT, compared, prepared
from web_engine import built, run, text

pytestmark = pytest.mark.slow  # the engine is compiled first
PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>engine</title>"""
IN_PAGE = """
async (given) => {
  const numbers = (text, Type) => new Type(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const bytes = (array) => new Uint8Array(array.buffer ?? array);
  const text = (array) => btoa(Array.from(bytes(array), (byte) => String.fromCharCode(byte)).join(''));
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
    const saved = await engine.save('one'), before = await engine.get('one', 'theta');
    const training = engine.train('one', { data: 'rows' }, options, () => { ++told; });
    const { history: [{ loss }], ended, step } = await training.done;
    const theta = await engine.get('one', 'theta'), states = Object.values(await engine.get('one', 'states'));
    const averages = states.flatMap((fields) => Object.values(fields).slice(0, 2)).flatMap((values) => [...values]);
    const arrays = { outputs, gradients: traced.gradients, before, saved, theta, states: Float32Array.from(averages) };
    const texts = Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, text(array)]));
    found.push({ ...texts, loss, ended, step });
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
    """Outputs, gradients, files, and ten steps with their statistics and loss, through the worker."""
    cases = [prepared(case, tmp_path) for case in compared(range(6, 14))]
    expected = run(tmp_path, SCRIPT, [one.given for one in cases])
    given = [one.given | {"file": text(Path(one.given["file"]).read_bytes())} for one in cases]
    browser_page.goto(address)
    answer = browser_page.evaluate(IN_PAGE, given)
    for one, mine, theirs in zip(cases, answer["found"], expected, strict=True):
        others = [name for name in theirs if mine[name] != theirs[name]]
        assert others == [] and mine.keys() == theirs.keys(), (one.case.number, one.case.network)
    assert answer["refused"] == "The worker has no network two."
    assert answer["told"] >= len(cases)
