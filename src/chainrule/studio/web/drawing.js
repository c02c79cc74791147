// A drawing as a short text for the address: sixteen shades in runs, a byte each, in letters that an address may have.
const RUN = 16, SHADES = 15;
const PIXELS = 4096;   // of a drawing in the address, the most
const STILL = 200;   // milliseconds without a stroke until it is written there

// The value of full ink: what the network's first layer scales to 1, or 255.
export function inkOf(network) {
  const [first] = network.links;
  return first.kind === 'rescale' && first.scale > 0 ? 1 / first.scale : 255;
}

// x: the inputs; most: the value of full ink. null where there is nothing on it.
function packDrawing(x, most) {
  const shades = Array.from(x, (value) => Math.max(0, Math.min(SHADES, Math.round((SHADES * value) / most))));
  if (!shades.some((shade) => shade > 0)) return null;
  let bytes = '';
  for (let at = 0; at < shades.length;) {
    let end = at + 1;
    while (end < shades.length && end - at < RUN && shades[end] === shades[at]) ++end;
    bytes += String.fromCharCode((shades[at] << 4) | (end - at - 1));
    at = end;
  }
  return btoa(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

// The inputs again, or null for a text that is not a drawing of so many.
function unpackDrawing(text, inputs, most) {
  const x = new Float32Array(inputs);
  if (!/^[\w-]+$/.test(text) || text.length % 4 === 1) return null;
  const bytes = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  let at = 0;
  for (let k = 0; k < bytes.length; ++k) {
    const byte = bytes.charCodeAt(k), end = at + (byte & 15) + 1;
    if (end > inputs) return null;
    x.fill(((byte >> 4) * most) / SHADES, at, end);
    at = end;
  }
  return at === inputs ? x : null;
}

// The drawing of the address, for a network that takes it, as a part of the state; nothing where there is a sample.
/** @param {import('./store.js').Store} store */
export function drawnIn(store, network) {
  const text = store.get('sample.drawn'), index = store.get('sample.index');
  if (store.get('sample') || typeof text !== 'string' || Number.isInteger(index) || !network || !network.model.shape) return {};
  const x = unpackDrawing(text, network.model.inputs, inkOf(network));
  return x ? { sample: { x, y: null, index: null } } : {};
}

// Keeps what is drawn, and is none of the data's samples, in the address.
/** @param {import('./store.js').Store} store */
export function keepDrawing(store) {
  let timer = 0;
  const keep = () => {
    const sample = store.get('sample'), network = store.get('network');
    if (!sample || !network) return;
    const isDrawn = sample.index === null && sample.y === null && network.model.shape && sample.x.length === network.model.inputs && sample.x.length <= PIXELS;
    store.set({ 'sample.drawn': isDrawn ? packDrawing(sample.x, inkOf(network)) : null });
  };
  const off = store.on('sample', () => {
    clearTimeout(timer);
    timer = setTimeout(keep, STILL);
  });
  return () => {
    off();
    clearTimeout(timer);
  };
}
