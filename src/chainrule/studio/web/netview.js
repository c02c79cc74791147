// The network as a picture: every neuron of every layer, its strongest connections, and by hover, click or arrow keys any
// neuron's numbers. Flat on a canvas, or in depth where the browser has WebGL2.
import { h, fill } from './dom.js';
import { t } from './i18n.js';
import { number } from './format.js';
import { paintScale, palette, placesOf } from './colors.js';
import { counted } from './frame.js';
import { edgesOf, placeIn, scalesOf } from './layers.js';

const WAVE = 160;   // milliseconds from one layer to the next when a new sample runs through
const MAX_ROWS = 1024;

/** @import { Edge, Pass, Place } from './layers.js' */
/**
 * @typedef {object} Looks  how a pass is looked at
 * @property {Edge[][]} edges
 * @property {{lookup: Uint32Array, places: Uint8ClampedArray, scale: number, signed: boolean}[]} shades
 * @property {Place | null} hover
 * @property {Place | null} [selected]
 * @property {number} progress  layers that a new sample has run through
 * @typedef {Pass & Looks} Scene
 * @typedef {object} Painter  draws a scene
 * @property {HTMLCanvasElement} canvas
 * @property {HTMLElement} [element]  where there is more than the canvas
 * @property {boolean} [renew]  its size is to be found anew
 * @property {boolean} [dragged]
 * @property {(scene: Scene, width: number) => void} resize
 * @property {(scene: Scene) => boolean | void} draw  returns whether it moves by itself
 * @property {(neuron: Place) => number[]} place
 * @property {(scene: Scene, x: number, y: number) => Place | null} at
 * @property {(scene: Scene, from: Place, key: string) => Place} move
 * @property {(scene: Scene, from: Place, step: number) => Place} beside
 * @property {(event: KeyboardEvent) => boolean} [key]
 * @property {() => void} stop
 * @typedef {(store: import('./store.js').Store, options: {height: number, redraw: () => void}) => Painter} MakePainter
 */

// networkView(store, options) -> {element, show(pass, looks), render(), use(painter), stop()}
// options: height; painter: flatPainter or another of its form; redraw(): asks for a frame, in which render() is called; onpick(): a click has
//   chosen a neuron, which stands in the store as `neuron`.
// show: what the next frame draws. pass: as passOf makes it; looks: {byLayer: each layer's own scale; wave: let a new sample run through}.
/** @param {import('./store.js').Store} store  @param {{height: number, painter: MakePainter, redraw: () => void, onpick: () => void}} options */
export function networkView(store, { height, painter: make, redraw, onpick }) {
  let painter = make(store, { height, redraw });
  const tip = h('div.network-tip', { hidden: true });
  const live = h('p.visually-hidden', { 'aria-live': 'polite', dataset: { test: 'network-says' } });
  const rows = h('div.visually-hidden', { dataset: { test: 'network-table' } });
  const bar = h('canvas.network-scale', { 'aria-hidden': 'true' }), low = h('span'), high = h('span');
  const stage = h('div.network-stage', { tabindex: 0, role: 'application', 'aria-label': t(store, 'network.label'), dataset: { test: 'network' } }, painter.element || painter.canvas, tip);
  const element = h('div.network', stage, h('div.network-foot', h('span.network-scale-box', low, bar, high), h('span.network-hint', t(store, 'network.hint'))), live, rows);
  /** @type {Scene | null} */
  let scene = null;
  let sized = null, began = 0, timer = 0, scale = null;

  const selected = () => scene && placeIn(scene.layers, store.get('neuron'));
  const named = ({ place, index }) => ({ link: scene.layers[place].name, index });

  function shadesOf({ layers, values, answer, network }, scales) {
    const look = palette(store.get('theme')), last = layers.length - 1;
    const shade = (lookup, array, most, signed = false) => ({ lookup, scale: most, signed, places: placesOf(array, most, signed) });
    let ink = 0;
    for (const value of values[0].z) ink = Math.max(ink, value);
    return layers.map((layer, k) => {
      if (k === 0 && layer.shape) return shade(look.ink, values[0].z, ink);
      if (k === last && network.model.task !== 'regression' && answer.length === layer.width) return shade(look.strong, answer, 1);
      return shade(layer.signed ? look.signed : look.strong, values[k].a, scales[k], layer.signed);
    });
  }

  function legend({ lookup, scale: most, signed }) {
    if (lookup !== scale) paintScale(bar, lookup);
    scale = lookup;
    low.textContent = number(signed ? -most : 0);
    high.textContent = number(most);
    high.dataset.value = most;
  }

  /** @param {Pass} pass  @param {{byLayer?: boolean, wave?: boolean}} [looks] */
  function show(pass, { byLayer = false, wave = false } = {}) {
    const isNew = !scene || scene.layers !== pass.layers;
    if (wave) began = performance.now();
    if (isNew) sized = null;
    scene = { ...pass, edges: edgesOf(pass), shades: shadesOf(pass, scalesOf(pass, byLayer)), hover: isNew ? null : scene.hover, progress: Infinity };
    scene.selected = selected();
    legend(scene.shades[Math.min(1, scene.shades.length - 1)]);
    later();
  }

  function render() {
    if (!scene || !element.isConnected) return;
    const width = stage.clientWidth;
    if ((width !== sized && width > 0) || painter.renew) {
      sized = width;
      painter.renew = false;
      painter.resize(scene, width);
    }
    const moving = began && store.get('motion');
    scene.progress = moving ? (performance.now() - began) / WAVE : Infinity;
    const moves = painter.draw(scene);
    if (moves || scene.progress < scene.layers.length) redraw();
    if (scene.progress >= scene.layers.length) began = 0;
    counted();
  }

  // What a person reads or hears of a neuron.
  function sentence({ place, index }) {
    const layer = scene.layers[place], { z, a } = scene.values[place], values = { layer: layer.title, index, z: number(z[index], 4), a: number(a[index], 4) };
    if (place === 0 && layer.shape) return t(store, 'network.pixel', { ...values, row: Math.floor(index / layer.shape[1]), column: index % layer.shape[1] });
    if (place === 0) return t(store, 'network.feature', { ...values, name: (scene.network.model.features || [])[index] || index });
    return t(store, 'network.neuron', values);
  }

  // The table behind the picture, when nothing has changed for a moment.
  function later() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (!scene || !element.isConnected) return;
      const place = scene.selected ? scene.selected.place : scene.layers.length - 1, layer = scene.layers[place], { z, a } = scene.values[place];
      const head = h('tr', h('th', t(store, 'network.number')), h('th', 'z'), h('th', 'a'));
      fill(rows, h('table', { dataset: { layer: layer.name } }, h('caption', t(store, 'network.table', { layer: layer.title })), h('thead', head),
        h('tbody', Array.from({ length: Math.min(MAX_ROWS, layer.width) }, (_, j) => h('tr', h('th', String(j)), h('td', number(z[j], 4)), h('td', number(a[j], 4)))))));
    }, 300);
  }

  function hovers(found) {
    const before = scene.hover;
    if (before && found && before.place === found.place && before.index === found.index) return;
    scene.hover = found;
    tip.hidden = !found;
    if (found) {
      const [x, y] = painter.place(found);
      tip.textContent = sentence(found);
      tip.style.left = `${Math.max(4, Math.min(sized - 230, x + 12))}px`;
      tip.style.top = `${y + 14}px`;
    }
    if (before || found) redraw();
  }

  function choose(found) {
    store.set({ neuron: found ? named(found) : null });
    live.textContent = found ? sentence(found) : '';
  }

  const point = (event) => {
    const box = painter.canvas.getBoundingClientRect();
    return painter.at(scene, event.clientX - box.left, event.clientY - box.top);
  };
  stage.addEventListener('pointermove', (event) => { if (scene && event.pointerType !== 'touch') hovers(point(event)); });
  stage.addEventListener('pointerleave', () => { if (scene) hovers(null); });
  stage.addEventListener('click', (event) => {
    if (!scene || painter.dragged) return;
    const found = point(event), now = selected();
    const chosen = found && now && found.place === now.place && found.index === now.index ? null : found;
    choose(chosen);
    if (chosen) onpick();
  });
  stage.addEventListener('keydown', (event) => {
    if (!scene || event.ctrlKey || event.metaKey || event.altKey) return;
    const now = selected();
    if (painter.key && painter.key(event)) {
      event.preventDefault();
      return;
    }
    if (event.key === 'Escape' && now) choose(null);
    else if (/^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(event.key)) choose(now ? painter.move(scene, now, event.key) : { place: scene.layers.length - 1, index: 0 });
    else if (/^Page(Up|Down)$/.test(event.key)) choose(painter.beside(scene, now || { place: 0, index: 0 }, event.key === 'PageDown' ? 1 : -1));
    else return;
    event.preventDefault();
  });
  const resized = new ResizeObserver(() => { if (stage.clientWidth !== sized) redraw(); });
  resized.observe(stage);

  const view = {
    element,
    show,
    render,
    use(other) {   // another painter: flat or in depth
      painter.stop();
      painter = other(store, { height, redraw });
      fill(stage, painter.element || painter.canvas, tip);
      sized = null;
      redraw();
    },
    stop() {
      clearTimeout(timer);
      resized.disconnect();
      painter.stop();
    },
    // For the tests: what is drawn, by what, and where and in what colour a neuron is.
    scene: () => scene,
    painter: () => painter,
    place: (neuron) => painter.place(placeIn(scene.layers, neuron)),
    color(neuron) {
      const { place, index } = placeIn(scene.layers, neuron), { lookup, places } = scene.shades[place];
      return lookup[places[index]];
    },
  };
  stage.view = view;
  return view;
}
