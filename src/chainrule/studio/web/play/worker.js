// The worker of the page without a server: the engine, the data, and the commands that a server would answer.
import { load } from '../engine/engine.js';
import { planeHost } from '../plane_offline.js';
import { createDesk } from './desk.js';
import { openFiles, openPoints } from './files.js';
import { readMnist } from './mnist.js';
import { neurons } from './neurons.js';
import { MOST_BYTES, openNetwork } from './opened.js';
import { refuse } from './protobuf.js';
import { openRows } from './rows.js';
import { createStudio, describe } from './studio.js';
import { createSoon } from './training.js';
import { vanishing } from './vanishing.js';
import { backprop } from './walks.js';
import { why } from './why.js';
import { withoutBackprop } from './without_backprop.js';
import { packed, unpacked } from './wire.js';

const SPLIT = 5;   // one in so many rows of a table, or of points, is for testing

const send = (event, data) => postMessage(packed({ event, data }));
const files = new Map();
let last = 0, ready = null;
const answered = new Promise((resolve, reject) => { ready = { resolve, reject }; });   // screens ask before the engine is there

// base: the page's address.
async function begin({ base }) {
  const read = async (name) => {
    const answer = await fetch(new URL(name, base));
    if (!answer.ok) throw new Error(`${name} cannot be read (${answer.status}); reload the page.`);
    return answer;
  };
  const [wasm, description, given] = await Promise.all([read('engine.wasm').then((answer) => answer.arrayBuffer()), read('description.json').then((answer) => answer.json()), read('studio.json').then((answer) => answer.json())]);
  const engine = await load(wasm, description), studio = createStudio(engine, given, send), desk = createDesk(studio);
  const plane = planeHost(null, send);
  let brought = null;   // the file of the network that was opened last

  async function mnist() {
    studio.showData(await readMnist(given.mnist, base, (share) => send('play.arrived', { share })));
  }

  async function choose({ kind, uploads = [], points = [] }) {
    const chosen = uploads.map((id) => files.get(id)), called = kind === 'files' ? chosen.map(({ name }) => name).join(', ') : kind === 'mnist' ? 'MNIST' : 'points';
    return desk.reading(called, async () => {
      const before = studio.data;
      if (kind === 'mnist') await mnist();
      else studio.showData(kind === 'points' ? openPoints(points, SPLIT) : await openFiles(chosen, SPLIT));
      if (before) desk.clear();
      for (const id of uploads) files.delete(id);
      const { data } = studio;
      return { name: data.name, samples: data.train.n, features: data.features };
    });
  }

  // The network of a file: one that is brought now, or the last one with what the file does not say.
  async function open({ upload = null, chosen = {} }) {
    if (upload !== null) {
      const file = files.get(upload);
      files.delete(upload);
      if (file.size > MOST_BYTES) refuse('open.too_large');
      brought = { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) };
    }
    const { network, about, guesses, trial } = openNetwork(engine, brought, studio.data, chosen), name = brought.name.replace(/\.(safetensors|onnx)$/i, '');
    try {
      desk.clear();   // a run would put its own network in this one's place
      studio.showModel(describe(network, network.config, { name, ...about, shape: studio.data ? studio.data.shape : null }), network.config);
      return { name, size: network.size, guesses, trial };
    } finally {
      network.free();
    }
  }

  // Rows for the network on show.
  async function rows({ upload }) {
    const file = files.get(upload), network = studio.network();
    try {
      studio.showData(await openRows(file, studio.needModel(), network));
      return { name: studio.data.name, n: studio.data.test.n };
    } finally {
      network.free();
      files.delete(upload);
    }
  }

  // The model on show as a file of the package.
  function saved() {
    const { classes, seed, epochs, steps, features, scale } = studio.needModel(), network = studio.network();
    try {
      const isWhole = classes && classes.every((label) => /^-?\d{1,15}$/.test(label)), about = { seed, classes: isWhole ? classes.map(Number) : classes, epochs_trained: epochs, steps_trained: steps };
      return { file: network.save({ ...about, ...(features ? { feature_names: features } : {}), ...(scale ? { target_scale: scale } : {}) }) };
    } finally {
      network.free();
    }
  }

  Object.assign(studio.commands, desk.commands, backprop(studio), neurons(studio), why(studio), vanishing(studio, createSoon), withoutBackprop(studio, createSoon), { 'train.data': choose, 'model.open': open, 'model.file': saved, 'model.rows': rows, 'play.mnist': async () => { await mnist(); return {}; }, 'play.show': (given) => { const { model, config } = unpacked(given); studio.showModel(model, config); return {}; }, 'play.commands': () => ({ commands: Object.keys(studio.commands) }) },
    Object.fromEntries(['plane.build', 'plane.get', 'plane.start', 'plane.step', 'plane.pause'].map((name) => [name, (args) => plane.call(name, args)])));
  return studio;
}

async function answer({ id, name, args }) {
  try {
    const studio = await answered;
    postMessage(packed({ id, answer: await studio.ask(name, args) }));
  } catch (error) {
    postMessage({ id, error: error.message, says: error.says });
  }
}

onmessage = ({ data }) => {
  if (data.begin) {
    begin(data.begin).then(ready.resolve, (error) => {
      ready.reject(error);
      postMessage({ failed: error.message });
    });
  } else if (data.file) {
    last += 1;
    files.set(String(last), data.file);
    postMessage({ id: data.id, answer: String(last) });
  } else answer(data);
};
