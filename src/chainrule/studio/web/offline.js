// The page as a file: a model, some samples, and the answers that its screen had asked for. Nothing is sent anywhere.
import { mount } from './shell.js';
import { unpack } from './pack.js';
import { keyOf } from './replay.js';

function bytesOf(text) {
  const raw = atob(text.replace(/\s/g, '')), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; ++i) bytes[i] = raw.charCodeAt(i);
  return bytes.buffer;
}

const boot = unpack(bytesOf(document.getElementById('data').textContent));
const answers = new Map(boot.answers.map(([name, args, answer]) => [keyOf(name, args), answer]));
const names = new Set(boot.answers.map(([name]) => name));

function samples({ start = 0, count = 1, rows = null }) {
  const wanted = rows || Array.from({ length: count }, (_, i) => start + i);
  const places = wanted.map((row) => boot.samples.rows.indexOf(row));
  if (places.some((place) => place < 0)) throw new Error('offline');
  const width = boot.samples.X.shape[1], X = new boot.samples.X.constructor(places.length * width);
  places.forEach((place, i) => X.set(boot.samples.X.subarray(place * width, (place + 1) * width), i * width));
  X.shape = [places.length, width];
  return { rows: wanted, X, y: places.map((place) => boot.samples.y[place]) };
}

const host = {
  kind: 'offline',
  screen: boot.state.screen,
  state: boot.state,
  model: boot.model,
  data: boot.data,
  can: (name) => names.has(name) || (name === 'data.samples' && Boolean(boot.samples)),
  async call(name, args) {
    const found = answers.get(keyOf(name, args));
    if (found) return found;
    if (name === 'data.samples' && boot.samples) return samples(args);
    throw new Error('offline');
  },
  async upload() { throw new Error('offline'); },
  busy: 0,
};
const { store } = mount(document.getElementById('app'), host);

// For the tests, as in main.js.
window.chainrule = {
  store,
  async idle() {
    await store.settled();
    await new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); });
  },
};
