// Pictures of one number a pixel, and the pixel that is looked at, which all of them share.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { number } from '../format.js';
import { palette, paint, sharePlace, signedPlace } from '../colors.js';

// The input that is looked at: its number, or null.
export function createCursor() {
  const listeners = new Set();
  let at = null;
  const refresh = () => {
    for (const f of [...listeners]) if (f.element.isConnected) f.tell(at); else listeners.delete(f);
  };
  return {
    get at() { return at; },
    set(next) {
      if (next === at) return;
      at = next;
      refresh();
    },
    refresh,
    on: (element, tell) => listeners.add({ element, tell }),
  };
}

// A picture of values (height x width) whose pixels the pointer and the arrow keys look at.
function picture(cursor, values, [height, width], lookup, place, props) {
  const canvas = h('canvas.neurons'), cross = h('i.cross', { hidden: true });
  paint(canvas, values, width, lookup, place);
  const box = h('div.pixels', { tabindex: 0, role: 'img', ...props }, canvas, cross);
  box.style.aspectRatio = `${width} / ${height}`;
  const mark = (at) => {
    cross.hidden = at === null;
    if (at === null) return;
    cross.style.left = `${(100 * (at % width)) / width}%`;
    cross.style.top = `${(100 * Math.floor(at / width)) / height}%`;
    cross.style.width = `${100 / width}%`;
    cross.style.height = `${100 / height}%`;
  };
  cursor.on(box, mark);
  mark(cursor.at);
  const look = (event) => {
    const around = box.getBoundingClientRect();
    const x = Math.floor(((event.clientX - around.left) / around.width) * width), y = Math.floor(((event.clientY - around.top) / around.height) * height);
    if (x >= 0 && x < width && y >= 0 && y < height) cursor.set(y * width + x);
  };
  box.addEventListener('pointermove', look);
  box.addEventListener('pointerdown', look);
  box.addEventListener('pointerleave', (event) => { if (event.pointerType === 'mouse') cursor.set(null); });
  box.addEventListener('keydown', (event) => {
    const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key] || [0, 0];
    if (event.key === 'Escape') cursor.set(null);
    if (!dx && !dy) return;
    const at = cursor.at ?? Math.floor(height / 2) * width + Math.floor(width / 2);
    const x = Math.min(width - 1, Math.max(0, (at % width) + dx)), y = Math.min(height - 1, Math.max(0, Math.floor(at / width) + dy));
    cursor.set(y * width + x);
    event.preventDefault();
  });
  return box;
}

/** @param {import('../store.js').Store} store */
export function signedPicture(store, cursor, values, shape, scale, props) {
  return picture(cursor, values, shape, palette(store.get('theme')).signed, (v) => signedPlace(v, scale), props);
}

/** @param {import('../store.js').Store} store */
export function inkPicture(store, cursor, values, shape, [low, high], props) {
  return picture(cursor, values, shape, palette(store.get('theme')).ink, (v) => sharePlace(v - low, high - low), props);
}

const LIT = 16;   // a picture whose brightest pixel is above is one of bytes

// What black and white are: 0 and 255 for bytes, else the least of the numbers, or 0, and the largest.
/** @returns {[number, number]} */
export function inkRange(x) {
  let low = Infinity, high = -Infinity;
  for (const v of x) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return low >= 0 && high > LIT && high <= 255 ? [0, 255] : [Math.min(0, low), high > low ? high : low + 1];
}

/** @param {import('../store.js').Store} store */
export function nameOf(store, state, i) {
  if (state.shape) return t(store, 'why.pixel', { row: Math.floor(i / state.shape[1]), column: i % state.shape[1] });
  return state.names ? state.names[i] : t(store, 'why.input', { i });
}

/** @param {import('../store.js').Store} store */
export function inputPicture(store, state) {
  const { x, columns } = state.found;
  if (columns && columns.every(({ cell }) => cell !== null)) {
    return h('div.features', columns.slice(0, 40).map(({ name, inputs, cell }) => h('div', { tabindex: 0, onfocus: () => state.cursor.set(inputs[0]), onpointerenter: () => state.cursor.set(inputs[0]), dataset: { feature: inputs[0] } }, h('span', name), h('b', cell))));
  }
  if (state.shape) return inkPicture(store, state.cursor, x, state.shape, inkRange(x), { 'aria-label': t(store, 'why.picture'), dataset: { test: 'input' } });
  return h('div.features', [...x].slice(0, 40).map((v, i) => h('div', { tabindex: 0, onfocus: () => state.cursor.set(i), onpointerenter: () => state.cursor.set(i), dataset: { feature: i } }, h('span', nameOf(store, state, i)), h('b', number(v, 4)))));
}

// The numbers of the input that is looked at, in every method on show.
/** @param {import('../store.js').Store} store */
export function readout(store, state) {
  const box = h('div.readout', { 'aria-live': 'polite', dataset: { test: 'readout' } });
  const tell = (at) => {
    if (at === null) {
      fill(box, h('p.soft', t(store, state.shape ? 'why.hover_pixel' : 'why.hover_feature')));
      return;
    }
    const { x } = state.found, shown = state.shown();
    fill(box, h('h3', nameOf(store, state, at)), h('dl',
      h('div', h('dt', t(store, 'why.value')), h('dd', { dataset: { of: 'x', value: x[at] } }, number(x[at], 4))),
      shown.length ? h('div', h('dt', t(store, 'why.baseline')), h('dd', { dataset: { of: 'baseline', value: shown[0].baseline[at] } }, number(shown[0].baseline[at], 4))) : null,
      shown.map(({ method, values }) => h('div', h('dt', t(store, `why.method_${method}`)), h('dd', { dataset: { of: method, value: values[at] } }, number(values[at], 3))))));
  };
  state.cursor.on(box, tell);
  tell(state.cursor.at);
  return box;
}
