// What can be chosen on the plane: the data and how they are drawn, and how the network is built and trained.
import { h, fill } from './dom.js';
import { t } from './i18n.js';
import { field, select, slider, toggle, button, panel } from './ui.js';
import { classColor } from './plane_colors.js';

export const defaults = {
  'plane.kind': 'moons', 'plane.n': 200, 'plane.noise': 0.1, 'plane.seed': 1, 'plane.layers': [8, 8], 'plane.activation': 'tanh', 'plane.norm': false,
  'plane.residual': false, 'plane.optimizer': 'adam', 'plane.rate': 0.03, 'plane.batch': 16, 'plane.points': '', 'plane.pace': 'normal', 'plane.tests': false,
};

const KINDS = [['moons', 'plane.moons'], ['circles', 'plane.circles'], ['spirals', 'plane.spirals'], ['xor', 'plane.xor'], ['blobs', 'plane.blobs'], ['surface', 'plane.surface'], ['painted', 'plane.painted']];
const ACTIVATIONS = [['tanh', 'tanh'], ['relu', 'ReLU'], ['sigmoid', 'sigmoid'], ['leaky_relu', 'leaky ReLU'], ['elu', 'ELU'], ['gelu', 'GELU'], ['silu', 'SiLU'], ['softplus', 'softplus'], ['identity', 'f(z) = z']];
const OPTIMIZERS = [['adam', 'Adam'], ['sgd', 'SGD'], ['momentum', 'SGD, momentum 0.9'], ['rmsprop', 'RMSprop'], ['adagrad', 'Adagrad'], ['adamw', 'AdamW'], ['nadam', 'Nadam']];
const RATES = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3];
const BATCHES = [1, 4, 8, 16, 32, 64, 128, 400];

// A small picture of a data set, for its button.
function thumbnail(kind, theme) {
  const canvas = h('canvas', { width: 44, height: 44, 'aria-hidden': 'true' }), c = canvas.getContext('2d');
  const dot = (x1, x2, k, alpha = 1) => {
    c.globalAlpha = alpha;
    c.fillStyle = classColor(theme, k);
    c.beginPath();
    c.arc(22 + 18 * x1, 22 - 18 * x2, 1.9, 0, 7);
    c.fill();
  };
  for (let i = 0; i < 16; ++i) {
    const s = (i + 0.5) / 16, angle = Math.PI * s, turn = 2 * angle;
    if (kind === 'moons') [[Math.cos(angle) - 0.5, Math.sin(angle) - 0.25, 0], [0.5 - Math.cos(angle), 0.25 - Math.sin(angle), 1]].forEach(([x, y, k]) => dot(x / 1.5, y / 1.5, k));
    if (kind === 'circles') [[0.35, 0], [0.9, 1]].forEach(([r, k]) => dot(r * Math.cos(turn), r * Math.sin(turn), k));
    if (kind === 'spirals') [0, 1].forEach((k) => dot(s * Math.sin(7.8 * s + Math.PI * k), s * Math.cos(7.8 * s + Math.PI * k), k));
    if (kind === 'xor') dot(0.25 + 0.6 * ((i % 4) / 3) * 1 - (i >= 8 ? 1.1 : 0), (i % 8 < 4 ? 0.3 : 0.75) - (i % 2 ? 1.1 : 0), (i >= 8) !== Boolean(i % 2) ? 1 : 0);
    if (kind === 'blobs') dot(0.6 * Math.cos(1.57 + 2.09 * (i % 3)) + 0.22 * Math.sin(5 * i), 0.6 * Math.sin(1.57 + 2.09 * (i % 3)) + 0.22 * Math.cos(9 * i), i % 3);
    if (kind === 'surface') for (let j = 0; j < 6; ++j) dot(2 * s - 1, (j - 2.5) / 2.8, Math.sin(5 * s - 2.5) > 0 ? 1 : 0, Math.abs(Math.sin(5 * s - 2.5) * Math.cos(j - 2.5)));
    if (kind === 'painted') dot(1.7 * s - 0.85, 0.5 * Math.sin(6 * s), i < 6 ? 0 : i < 11 ? 1 : 2);
  }
  return canvas;
}

// changed(): a setting of the data or of the network is another.  actions: brush(key), clear(), kind(name), redraw().
/** @param {import('./store.js').Store} store */
export function settings(store, changed, actions) {
  const get = (key) => store.get(`plane.${key}`);
  const put = (key) => (value) => { store.set({ [`plane.${key}`]: value }); changed(); };
  const data = h('div'), network = h('div');
  const brushes = h('div.plane-brushes', { role: 'radiogroup', 'aria-label': t(store, 'plane.brush') });

  function showBrushes() {
    const one = (key, label, ...content) => h('button.plane-brush', { type: 'button', role: 'radio', 'aria-checked': String(get('brush') === key), 'aria-label': label, title: label, dataset: { brush: key }, onclick: () => actions.brush(key) }, content);
    fill(brushes, [0, 1, 2, 3].map((k) => one(k, t(store, 'plane.class', { k: k + 1 }), h('i', { style: { background: classColor(store.get('theme'), k) } }))),
      one('erase', t(store, 'plane.erase'), '⌫'), button(t(store, 'plane.clear'), actions.clear, { quiet: true, dataset: { test: 'clear' } }));
  }

  function show() {
    const kinds = h('div.plane-kinds', { role: 'radiogroup', 'aria-label': t(store, 'plane.data') }, KINDS.map(([kind, label]) => h('button.plane-kind', {
      type: 'button', role: 'radio', 'aria-checked': String(get('kind') === kind), dataset: { kind }, onclick: () => { actions.kind(kind); show(); data.querySelector(`[data-kind="${kind}"]`).focus(); },
    }, thumbnail(kind, store.get('theme')), h('span', t(store, label)))));
    const isDrawn = get('kind') !== 'painted';
    fill(data, panel(t(store, 'plane.data'), kinds, isDrawn ? h('div.plane-sliders',
      field(t(store, 'plane.n'), slider(get('n'), { min: 20, max: 400, step: 20, oninput: put('n'), dataset: { test: 'n' } })),
      field(t(store, 'plane.noise'), slider(get('noise'), { min: 0, max: 0.5, step: 0.01, format: (v) => v.toFixed(2), oninput: put('noise'), dataset: { test: 'noise' } }))) : null,
    h('div.plane-sliders', field(t(store, 'plane.seed'), slider(get('seed'), { min: 0, max: 99, oninput: put('seed'), dataset: { test: 'seed' } })),
      isDrawn ? toggle(t(store, 'plane.tests'), get('tests'), (value) => { store.set({ 'plane.tests': value }); actions.redraw(); }) : null),
    get('kind') !== 'surface' ? h('div', h('h3', t(store, 'plane.brush')), brushes, h('p.message', t(store, 'plane.paint_hint'))) : null));
    showBrushes();
    fill(network, panel(t(store, 'plane.training'), h('div.plane-fields',
      field(t(store, 'plane.activation'), select(ACTIVATIONS, get('activation'), put('activation'), { dataset: { test: 'activation' } })),
      field(t(store, 'plane.optimizer'), select(OPTIMIZERS, get('optimizer'), put('optimizer'), { dataset: { test: 'optimizer' } })),
      field(t(store, 'plane.rate'), select(among(RATES, get('rate')), get('rate'), (value) => put('rate')(Number(value)), { dataset: { test: 'rate' } })),
      field(t(store, 'plane.batch'), select(among(BATCHES, get('batch')), get('batch'), (value) => put('batch')(Number(value)), { dataset: { test: 'batch' } }))),
    h('div.plane-toggles', toggle(t(store, 'plane.norm'), get('norm'), put('norm'), { dataset: { test: 'norm' } }),
      toggle(t(store, 'plane.residual'), get('residual'), put('residual'), { dataset: { test: 'residual' } }))));
  }

  show();
  return { data, network, show, showBrushes };
}

function among(values, value) {
  return [...new Set([...values, value])].sort((a, b) => a - b).map((v) => [v, String(v)]);
}
