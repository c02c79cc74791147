// The network as a picture: every neuron of every layer, its strongest connections, and by hover, click or arrow keys any
// neuron's numbers. Flat on a canvas, or in depth where the browser has WebGL2.
import { h, fill } from './dom.js';
import { t } from './i18n.js';
import { number } from './format.js';
import { palette, paint, sharePlace, signedPlace } from './colors.js';
import { layersOf, layerOf, valuesOf, edgesOf, scalesOf } from './layers.js';
import { flatPainter } from './flat.js';

const WAVE = 160;   // milliseconds from one layer to the next when a new sample runs through
const NO_MARKS = { edges: [], neurons: [] };
const MAX_ROWS = 1024;

function titled(store, layers) {
  for (const layer of layers) {
    const behind = layer.links.map((link) => link.kind).filter((kind) => kind !== 'dropout');
    layer.title = layer.link ? layer.name : t(store, 'network.input');
    layer.about = [...behind, layer.width.toLocaleString('en-US')].join(' · ');
  }
  return layers;
}

// networkView(store, options) -> {element, draw(state), stop}
// options: height (460); select (true): whether a click sets `neuron` in the store; onpick(): a click has chosen a neuron; table (true): the selected layer's numbers
//   for a screen reader; painter: flatPainter or another of its form; ondrawn(milliseconds): called behind each picture.
// state: network, and x or seen (what network.forward returned); and as wanted
//   values: {link: numbers} to be shown in place of activations, in signed colours; scale: of these numbers, else the largest
//   marks: {edges: [{from: {link, index}, to: {link, index}, color, width}], neurons: [{link, index, color}]}
//   edges: false for no connections but those marked; byLayer: each layer's own scale; wave: let a new sample run through
export function networkView(store, options = {}) {
  const { height = 460, select = true, table = true, ondrawn = () => {}, onpick = () => {} } = options;
  let painter = (options.painter || flatPainter)(store, { height, redraw: () => schedule() });
  const tip = h('div.network-tip', { hidden: true });
  const live = h('p.visually-hidden', { 'aria-live': 'polite', dataset: { test: 'network-says' } });
  const rows = h('div.visually-hidden', { dataset: { test: 'network-table' } });
  const bar = h('canvas.network-scale', { 'aria-hidden': 'true' }), low = h('span'), high = h('span');
  const stage = h('div.network-stage', { tabindex: 0, role: 'application', 'aria-label': t(store, 'network.label'), dataset: { test: 'network' } }, painter.element || painter.canvas, tip);
  const element = h('div.network', stage, h('div.network-foot', h('span.network-scale-box', low, bar, high), h('span.network-hint', t(store, 'network.hint'))), live, rows);
  let scene = null, state = null, frame = 0, sized = null, began = 0, timer = 0;

  function selected() {
    const chosen = store.get('neuron');
    if (!chosen || !scene) return null;
    const place = layerOf(scene.layers, chosen.link);
    return place >= 0 && chosen.index < scene.layers[place].width ? { place, index: chosen.index } : null;
  }

  const named = ({ place, index }) => ({ link: scene.layers[place].name, index });
  const placed = ({ link, index }) => ({ place: layerOf(scene.layers, link), index });
  const known = ({ place, index }) => place >= 0 && index < scene.layers[place].width;

  function shadesOf({ layers, values, answer, network }) {
    const look = palette(store.get('theme')), scales = scalesOf(layers, values, { byLayer: state.byLayer }), last = layers.length - 1;
    if (state.values) {
      const given = layers.map(({ name, width }) => state.values[name] || new Float32Array(width));
      const most = given.map((array) => array.reduce((all, value) => Math.max(all, Math.abs(value)), 0)), all = state.scale || Math.max(...most);
      return given.map((array, k) => {
        const scale = state.byLayer ? most[k] : all;
        return { lookup: look.signed, array, scale, signed: true, at: (value) => signedPlace(value, scale) };
      });
    }
    return layers.map((layer, k) => {
      if (k === 0 && layer.shape) {
        const scale = values[0].z.reduce((most, value) => Math.max(most, value), 0);
        return { lookup: look.ink, array: values[0].z, scale, signed: false, at: (value) => sharePlace(value, scale) };
      }
      if (k === last && network.model.task !== 'regression' && answer.length === layer.width)
        return { lookup: look.strong, array: answer, scale: 1, signed: false, at: (value) => sharePlace(value, 1) };
      const scale = scales[k];
      return { lookup: layer.signed ? look.signed : look.strong, array: values[k].a, scale, signed: layer.signed,
        at: layer.signed ? (value) => signedPlace(value, scale) : (value) => sharePlace(value, scale) };
    });
  }

  // Makes the scene: all that a painter needs to know.
  function compute() {
    const { network } = state, layers = scene && scene.network.model === network.model && scene.network === network ? scene.layers : titled(store, layersOf(network));
    const seen = state.seen || network.forward(state.x), values = valuesOf(layers, seen);
    const answer = network.answer(seen[seen.length - 1].a), isNew = !scene || scene.layers !== layers;
    scene = { network, layers, values, seen, answer, hover: isNew ? null : scene.hover, showsEdges: state.edges !== false,
      labels: network.model.task === 'regression' ? null : network.labels(), progress: Infinity };
    scene.edges = scene.showsEdges ? edgesOf(network, layers, values) : layers.map(() => []);
    scene.shades = shadesOf(scene);
    const marks = state.marks || NO_MARKS;
    const neurons = (marks.neurons || []).map((mark) => ({ ...mark, ...placed(mark) })).filter(known);
    const edges = (marks.edges || []).map((mark) => ({ ...mark, from: placed(mark.from), to: placed(mark.to) })).filter((mark) => known(mark.from) && known(mark.to));
    scene.marks = { edges, neurons };
    scene.selected = selected();
    if (isNew) sized = null;
    legend();
    later();
  }

  function legend() {
    const inner = scene.shades[Math.min(1, scene.shades.length - 1)];
    paint(bar, Float32Array.from({ length: 128 }, (_, k) => k / 127), 128, inner.lookup, (share) => Math.round(255 * share));
    low.textContent = number(inner.signed ? -inner.scale : 0);
    high.textContent = number(inner.scale);
    high.dataset.value = inner.scale;
  }

  function render() {
    frame = 0;
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
    if (moves || scene.progress < scene.layers.length) schedule();
    if (scene.progress >= scene.layers.length) began = 0;
    if (window.chainrule) window.chainrule.frames += 1;
    ondrawn();
  }

  function schedule() {
    if (!frame) frame = requestAnimationFrame(render);
  }

  // What a person reads or hears of a neuron.
  function sentence({ place, index }) {
    const layer = scene.layers[place], { z, a } = scene.values[place], values = { layer: layer.title, index, z: number(z[index], 4), a: number(a[index], 4) };
    if (state.values && state.values[layer.name]) return t(store, 'network.value', { ...values, value: number(state.values[layer.name][index], 4) });
    if (place === 0 && layer.shape) return t(store, 'network.pixel', { ...values, row: Math.floor(index / layer.shape[1]), column: index % layer.shape[1] });
    if (place === 0) return t(store, 'network.feature', { ...values, name: (scene.network.model.features || [])[index] || index });
    return t(store, 'network.neuron', values);
  }

  // The table behind the picture, when nothing has changed for a moment.
  function later() {
    if (!table) return;
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
    if (before || found) schedule();
  }

  function choose(found, isSpoken) {
    store.set({ neuron: found ? named(found) : null });
    scene.selected = found;
    if (isSpoken) live.textContent = found ? sentence(found) : '';
    later();
    schedule();
  }

  const point = (event) => {
    const box = painter.canvas.getBoundingClientRect();
    return painter.at(scene, event.clientX - box.left, event.clientY - box.top);
  };
  stage.addEventListener('pointermove', (event) => { if (scene && event.pointerType !== 'touch') hovers(point(event)); });
  stage.addEventListener('pointerleave', () => { if (scene) hovers(null); });
  stage.addEventListener('click', (event) => {
    if (!scene || !select || painter.dragged) return;
    const found = point(event), now = selected();
    const chosen = found && now && found.place === now.place && found.index === now.index ? null : found;
    choose(chosen, true);
    if (chosen) onpick();
  });
  stage.addEventListener('keydown', (event) => {
    if (!scene || !select || event.ctrlKey || event.metaKey || event.altKey) return;
    const now = selected();
    if (painter.key && painter.key(event)) {
      event.preventDefault();
      return;
    }
    if (event.key === 'Escape' && now) choose(null, true);
    else if (/^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(event.key)) choose(now ? painter.move(scene, now, event.key) : { place: scene.layers.length - 1, index: 0 }, true);
    else if (/^Page(Up|Down)$/.test(event.key)) choose(painter.beside(scene, now || { place: 0, index: 0 }, event.key === 'PageDown' ? 1 : -1), true);
    else return;
    event.preventDefault();
  });
  const resized = new ResizeObserver(() => { if (stage.clientWidth !== sized) schedule(); });
  resized.observe(stage);
  const off = store.on('neuron', () => {
    if (!scene) return;
    scene.selected = selected();
    later();
    schedule();
  });

  const view = {
    element,
    draw(given) {
      state = given;
      if (given.wave) began = performance.now();
      compute();
      schedule();
    },
    scene: () => scene,
    painter: () => painter,
    render() {   // now, for who is in an animation frame already
      cancelAnimationFrame(frame);
      render();
    },
    // Where a neuron is drawn, in the canvas's CSS pixels, and what colour it has: for tests and for other drawings.
    place: ({ link, index }) => painter.place({ place: layerOf(scene.layers, link), index }),
    color({ link, index }) {
      const { lookup, array, at } = scene.shades[layerOf(scene.layers, link)];
      return lookup[at(array[index])];
    },
    use(make) {   // another painter: flat or in depth
      painter.stop();
      painter = make(store, { height, redraw: schedule });
      fill(stage, painter.element || painter.canvas, tip);
      sized = null;
      schedule();
    },
    stop() {
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      resized.disconnect();
      painter.stop();
      off();
    },
  };
  stage.view = view;   // for the tests
  return view;
}
