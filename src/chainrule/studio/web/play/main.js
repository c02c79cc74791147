// The page without a server: the studio's screens, and a worker with the engine in it. Nothing is sent anywhere.
import { drawnIn } from '../drawing.js';
import { forTests } from '../for_tests.js';
import { makeNetwork } from '../network.js';
import { frontScreen } from '../screens/front.js';
import { mount } from '../shell.js';
import { workerHost } from './host.js';
import { play } from './play.js';
import { packed } from './wire.js';

// What the worker answers; a test compares the list.
const COMMANDS = ['backprop.chain', 'backprop.example', 'backprop.example_end', 'backprop.keep', 'backprop.mistake', 'backprop.neuron', 'backprop.update', 'backprop.walk', 'backprop.weight', 'data.get', 'data.samples', 'model.file', 'model.get', 'model.open', 'model.rows',
  'neurons.back', 'neurons.importance', 'neurons.keep', 'neurons.kept', 'neurons.layer', 'neurons.one', 'neurons.try', 'plane.build', 'plane.get', 'plane.pause', 'plane.start', 'plane.step', 'play.commands', 'play.mnist', 'play.show', 'table.inputs', 'train.check', 'train.curve', 'train.data', 'train.options', 'train.pause', 'train.reference', 'train.resume',
  'train.rewind', 'train.show', 'train.start', 'train.state', 'train.step', 'train.stop', 'train.watch', 'vanishing.get', 'vanishing.start', 'vanishing.stop', 'why.method', 'why.mistake', 'why.proof', 'why.proven', 'why.sample', 'without_backprop.get', 'without_backprop.start', 'without_backprop.stop'];

// A page that was opened from a file has no worker, in most browsers.
function workerOf() {
  try {
    return new Worker('worker.js');
  } catch {
    const nobody = { postMessage() { setTimeout(() => nobody.onerror({ message: 'file' })); }, onmessage: null, onerror: null };
    return nobody;
  }
}

// Saves bytes as a file.
function saveAs(name, bytes) {
  const link = document.createElement('a'), url = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
  Object.assign(link, { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// A worker that is begun when it may be; what it is told before waits.
function lateWorker(ready) {
  const waiting = [], late = { postMessage: (message) => { waiting.push(message); }, onmessage: null, onerror: null };
  ready.then(() => {
    const worker = workerOf();
    worker.onmessage = late.onmessage;
    worker.onerror = late.onerror;
    late.postMessage = (message) => worker.postMessage(message);
    waiting.forEach(late.postMessage);
  });
  return late;
}

// The first screen answers before the engine and the data are asked for; within another page it needs neither.
let isReady = () => {};
const ready = new Promise((resolve) => { isReady = () => resolve(null); });

const host = workerHost(/** @type {any} */ (lateWorker(ready)), { base: document.baseURI }, COMMANDS);
Object.assign(host, {
  firstScreen: 'front',
  front: new URL('front.bin', document.baseURI).href,
  isWithin: parent !== self,
  kept: ['train.form', 'train.data', 'train.points'],   // what the network was trained with, so that another browser can train it
  screens: { ...frontScreen, play: { show: play, group: 'train', glyph: '▶', url: ['train.form'] } },
  async save() { saveAs('model.safetensors', (await host.call('model.file', {})).file); },
});
const { store } = mount(document.getElementById('app'), host);

store.listen('play.data', ({ data }) => store.set({ data }));
store.listen('play.model', ({ model }) => {
  const network = makeNetwork(model);
  store.set({ isKnown: true, model, network, ...drawnIn(store, network) });
});
store.listen('play.arrived', ({ share }) => store.set({ 'play.share': share }));
store.listen('play.failed', ({ error }) => store.set({ 'play.failed': error, ...(store.get('screen') === 'front' ? {} : { screen: 'play' }) }));

// Settles when the state is as it has to be.
const when = (keys, holds) => new Promise((resolve) => {
  const look = () => { if (holds()) { off(); resolve(null); } };
  const off = store.on(keys, look);
  look();
});

// A network learns as soon as there is something to learn from: the one of the address. A visitor of the first screen has its network until *Watch it learn* is opened.
async function begin() {
  const isFront = store.get('screen') === 'front';
  try {
    if (isFront) {
      await when(['front', 'screen'], () => store.get('front') || store.get('screen') !== 'front');
      if (host.isWithin) return;
    }
    isReady();
    if (store.get('front')) {
      const { model, config } = store.get('front');
      await store.call('play.show', packed({ model, config }));
    }
    const points = store.get('train.points');
    if (store.get('train.data') === 'points' && points) await store.call('train.data', { kind: 'points', points });
    else await store.call('play.mnist');
    if (isFront && !store.get('train.form')) await when(['screen'], () => store.get('screen') === 'play');
    if (store.get('opened')) return;   // a file has come meanwhile
    if ((await store.call('train.state')).state === 'none') await store.call('train.start', { form: store.get('train.form') || {} });
  } catch (error) {
    if (error.message !== 'lost') store.set({ 'play.failed': error.message });
  }
}
document.getElementById('app').toggleAttribute('data-within', host.isWithin);
begin();

Object.assign(globalThis, { chainrule: forTests(store, host) });
