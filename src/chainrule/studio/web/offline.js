// The page as a file: a model, some samples, and the answers that its screen had asked for. Nothing is sent anywhere.
import { mount } from './shell.js';
import { t } from './i18n.js';
import { unpack } from './pack.js';
import { planeHost } from './plane_offline.js';
import { keyOf } from './replay.js';

function bytesOf(text) {
  const raw = atob(text.replace(/\s/g, '')), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; ++i) bytes[i] = raw.charCodeAt(i);
  return bytes.buffer;
}

const given = document.getElementById('data'), bytes = bytesOf(given.textContent);
const boot = unpack(given.dataset.kind === 'text' ? new TextDecoder().decode(bytes) : bytes);   // text where there is no array
const answers = new Map(boot.answers.map(([name, args, answer]) => [keyOf(name, args), answer]));
const names = new Set(boot.answers.map(([name]) => name));

function samples({ start = 0, count = 1, rows = null }) {
  const wanted = rows || Array.from({ length: count }, (_, i) => start + i);
  const places = wanted.map((row) => boot.samples.rows.indexOf(row));
  if (places.some((place) => place < 0)) return null;
  const width = boot.samples.X.shape[1], X = new boot.samples.X.constructor(places.length * width);
  places.forEach((place, i) => X.set(boot.samples.X.subarray(place * width, (place + 1) * width), i * width));
  X.shape = [places.length, width];
  return { rows: wanted, X, y: places.map((place) => boot.samples.y[place]), cells: boot.samples.cells && places.map((place) => boot.samples.cells[place]) };
}

// Said where only a server knows the answer; a screen may ask before the store is there.
async function nobody() {
  await null;
  return new Error(t(store, 'common.offline'));
}

const exported = boot.answers.find(([name]) => name === 'plane.get');
const own = boot.state.screen === 'plane' ? planeHost(exported && exported[2].model ? exported[2] : null, (event, data) => store.emit(event, data)) : { can: () => false };   // what the page computes itself

/** @type {import('./store.js').Host} */
const host = {
  kind: 'offline',
  screen: boot.state.screen,
  state: boot.state,
  model: boot.model,
  data: boot.data,
  can: (name) => own.can(name) || names.has(name) || (name === 'data.samples' && Boolean(boot.samples)),
  knows: (name, args) => answers.has(keyOf(name, args)),
  async call(name, args) {
    if (own.can(name)) return own.call(name, args);
    const found = answers.get(keyOf(name, args));
    if (found) return found;
    const rows = name === 'data.samples' && boot.samples ? samples(args) : null;
    if (!rows) throw await nobody();
    return rows;
  },
  async upload() { throw await nobody(); },
  busy: 0,
};
const { store } = mount(document.getElementById('app'), host);

// For the tests, as in main.js.
globalThis.chainrule = {
  store,
  async idle() {
    await store.settled();
    await new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); });
  },
};
