"""The memory of the page without a server stays level, however often one trains: its worker's modules under Node.js."""

from __future__ import annotations

from pathlib import Path

import pytest

from chainrule.studio.page.assets import modules
from chainrule.studio.page.join import join
from chainrule.studio.page.static import facts
from web_engine import run

ENTRY = """import { createDesk } from './play/desk.js';
import { createStudio } from './play/studio.js';
import { createSoon } from './play/training.js';
import { vanishing } from './play/vanishing.js';
Object.assign(globalThis, { createDesk, createSoon, createStudio, vanishing });
"""
SCRIPT = """
const { setFlagsFromString } = await import('node:v8'), { runInNewContext } = await import('node:vm');
setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc'), pause = () => new Promise((resolve) => setTimeout(resolve, 5));
const part = (n) => {
  const y = Int32Array.from({ length: n }, (_, k) => k % 10);
  return { X: Uint8Array.from({ length: 784 * n }, (_, k) => (k * 7919) % 251), y, told: y, n };
};
const studio = createStudio(engine, given.facts, () => {}), desk = createDesk(studio);
Object.assign(studio.commands, desk.commands, vanishing(studio, createSoon));
const labels = Array.from({ length: 10 }, (_, k) => String(k));
const about = { name: 'mnist', X_kind: 'pixels', features: 784, shape: [28, 28], labels };
studio.showData({ ...about, train: part(1280), test: part(500) });

async function train(seed) {
  await studio.ask('train.start', { form: { epochs: 1, seed } });
  while (studio.ask('train.state', {}).state === 'running') await pause();
  if (studio.ask('train.state', {}).state !== 'done') throw new Error(studio.ask('train.state', {}).error);
}

async function compare(seed) {
  studio.ask('vanishing.start', { arms: ['sigmoid', 'relu'], depth: 3, budget: 0.01, seed });
  while (studio.ask('vanishing.get', {}).run.running) await pause();
}

// What is held now: bytes of arrays, bytes of other objects, bytes of the engine's memory.
async function held() {
  for (let k = 0; k < 3; ++k) {
    await pause();
    gc();
  }
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return [arrayBuffers, heapUsed, engine.kernels.call.memory.buffer.byteLength];
}

const found = [];
for (let k = 0; k < given.times; ++k) {
  await train(k);
  await compare(k);
  if ([1, given.times - 1].includes(k)) found.push(await held());
}
say(found);
process.exitCode = 0;
setTimeout(() => process.exit(), 20);
"""
MODEL = 4 * (784 * 128 + 128 + 128 * 10 + 10)
"""Bytes of the parameters of the first network."""


@pytest.mark.slow  # the engine is compiled first
def test_trainings_leave_nothing_behind(tmp_path: Path):
    """After five trainings the worker holds what it held after two: neither data nor snapshots of those before."""
    script = join("entry.js", {**modules(), "entry.js": ENTRY}) + SCRIPT
    before, after = run(tmp_path, script, {"facts": facts(), "times": 5})
    arrays, objects, engine = (late - early for early, late in zip(before, after, strict=True))
    assert arrays < MODEL, f"{arrays} bytes of arrays more"
    assert objects < 500_000, f"{objects} bytes of other objects more"
    assert engine == 0, f"{engine} bytes of the engine's memory more"
    assert before[0] > MODEL
