// A neuron's panel: its numbers, its formula with the numbers in it, its strongest inputs, and its weights as a picture.
import { h, fill } from './dom.js';
import { t } from './i18n.js';
import { number, count } from './format.js';
import { formula } from './formula.js';
import { largest, paint, paintScale, palette, signedPlace } from './colors.js';
import { inputsOf, placeIn, strongest } from './layers.js';
import { sumFormula, stepFormula, joinFormula, probabilityFormula } from './steps.js';

const TERMS = 3, INPUTS = 8;
const hasWeights = ({ kind }) => kind === 'dense' || kind === 'projection' || kind === 'grouped_dense';

function sourceName(store, layer, index) {
  if (layer.link) return `${layer.name} · ${index}`;
  if (layer.shape) return t(store, 'network.at', { row: Math.floor(index / layer.shape[1]), column: index % layer.shape[1] });
  return t(store, 'network.input_name', { name: index });
}

// The formulas of a neuron, one below the other: each a tree, or the trees of its pieces.
function formulas(store, pass, { place, index }, all) {
  const { network, layers, values } = pass, layer = layers[place], { z, a } = values[place], found = [];
  if (hasWeights(layer)) {
    const terms = all.slice(0, TERMS).map(({ layer: from, index: i, weight }) => ({ weight, a: values[from].a[i] }));
    const b = network.arrays[`${layer.name}.b`], bias = b ? b[index % b.length] : null, known = terms.reduce((sum, term) => sum + term.weight * term.a, 0);
    const n = layers[layer.from[0]].width / (layer.link.groups || 1) - terms.length;
    found.push(...sumFormula({ terms, others: z[index] - known - (bias || 0), count: n, bias, z: z[index], more: t(store, 'network.more', { n: count(n) }) }));
  } else if (layer.kind === 'residual') {
    found.push(joinFormula(layer.from.map((from) => values[from].a[index]), z[index]));
  } else if (layer.link && layer.kind !== 'skip') {
    found.push(stepFormula(layer.link, network.arrays, index, values[layer.from[0]].a[index], z[index], 'z'));
  }
  let x = z;
  const out = new Map(pass.seen.map((step) => [step.name, step.a]));
  layer.links.forEach((link, k) => {
    const next = out.get(link.name), tree = stepFormula(link, network.arrays, index, x[index], next[index], k === layer.links.length - 1 ? 'a' : 'y');
    if (tree) found.push(tree);
    x = next;
  });
  const isLast = place === layers.length - 1, { task, loss } = network.model;
  if (isLast && task !== 'regression' && !['categorical_cross_entropy', 'binary_cross_entropy', 'ordinal_cross_entropy'].includes(loss.kind)) {
    const isSoftmax = task === 'multiclass';
    found.push(probabilityFormula(isSoftmax ? 'softmax' : 'sigmoid', a[index], isSoftmax || task === 'multilabel' ? pass.answer[index] : pass.answer[1]));
  }
  return found.filter(Boolean);
}

/** @param {import('./store.js').Store} store */
export function neuronPanel(store) {
  const element = h('section.panel.neuron', { dataset: { test: 'neuron' } });
  let drawn = null, parts = null;

  function weights(pass, { place, index }) {
    const { layers } = pass, layer = layers[place], from = layers[layer.from[0]], values = new Float32Array(from.width);
    for (const { first, count, W, at, step } of inputsOf(pass, place, index)) for (let i = 0; i < count; ++i) values[first + i] = W[at + i * step];
    const most = largest(values), columns = from.shape ? from.shape[1] : Math.ceil(Math.sqrt(from.width));
    const canvas = h('canvas.weights', { role: 'img', 'aria-label': t(store, 'network.weights_label', { low: number(-most), high: number(most) }), dataset: { test: 'weights' } });
    paint(canvas, values, columns, palette(store.get('theme')).signed, (value) => signedPlace(value, most));
    const bar = h('canvas.network-scale', { 'aria-hidden': 'true' });
    paintScale(bar, palette(store.get('theme')).signed);
    const name = from.shape ? t(store, 'network.weights_picture') : t(store, 'network.weights_grid', { layer: from.title });
    return h('figure', h('h3', name), canvas, h('figcaption.network-scale-box', number(-most), bar, number(most)));
  }

  // What stays while the numbers change: built for each neuron that is chosen.
  function build(pass, chosen) {
    const layer = pass.layers[chosen.place];
    const title = chosen.place === 0 ? sourceName(store, layer, chosen.index) : t(store, 'network.neuron_of', { layer: layer.name, index: chosen.index });
    parts = { z: h('b', { dataset: { test: 'neuron-z' } }), a: h('b', { dataset: { test: 'neuron-a' } }), lines: h('div.formulas', { dataset: { test: 'formula' } }), body: h('tbody'),
      label: h('span.neuron-label') };
    const close = h('button.button.quiet', { type: 'button', 'aria-label': t(store, 'network.close'), onclick: () => store.set({ neuron: null }) }, '✕');
    const inputs = layer.from.length ? h('div', h('h3', t(store, 'network.strongest')), h('table.inputs', h('thead', h('tr', h('th', t(store, 'network.from')),
      h('th.number', 'w'), h('th.number', 'a'), h('th.number', 'w · a'), h('td'))), parts.body)) : null;
    fill(element, h('div.neuron-head', h('h2', title, parts.label), h('span', 'z = ', parts.z), h('span', 'a = ', parts.a), close),
      h('div.neuron-body', h('div.neuron-words', parts.lines, inputs), hasWeights(layer) ? weights(pass, chosen) : null));
  }

  return {
    element,
    // Scrolls until the formulas are in sight, if they are not: the picture in which the neuron was chosen may be far above.
    show: () => parts.lines.scrollIntoView({ block: 'nearest', behavior: store.get('motion') ? 'smooth' : 'instant' }),
    // pass: as passOf makes it.
    /** @param {import('./layers.js').Pass} pass */
    update(pass) {
      const chosen = placeIn(pass.layers, store.get('neuron'));
      if (!chosen) {
        if (drawn || !element.firstChild) fill(element, h('p.message', t(store, 'network.choose')));
        drawn = null;
        return;
      }
      const key = `${chosen.place} ${chosen.index}`;
      if (!drawn || drawn.key !== key || drawn.network !== pass.network) build(pass, chosen);
      drawn = { key, network: pass.network };
      const { z, a } = pass.values[chosen.place], { place, index } = chosen;
      const all = strongest(pass, place, index, INPUTS);
      parts.z.textContent = number(z[index], 4);
      parts.z.dataset.value = z[index];
      parts.a.textContent = number(a[index], 4);
      parts.a.dataset.value = a[index];
      const isOut = place === pass.layers.length - 1 && pass.labels && pass.layers[place].width === pass.labels.length;
      parts.label.textContent = isOut ? ` · ${t(store, 'network.class', { label: pass.labels[index] })}` : '';
      fill(parts.lines, formulas(store, pass, chosen, all).map((line) => h('div', (line[0] === 'math' ? [line] : line).map(formula))));
      const most = all.length ? Math.abs(all[0].value) : 1;
      fill(parts.body, all.map(({ layer, index: i, weight, value }) => h('tr',
        h('td', h('button.link', { type: 'button', onclick: () => store.set({ neuron: { link: pass.layers[layer].name, index: i } }) }, sourceName(store, pass.layers[layer], i))),
        h('td.number', number(weight, 4)), h('td.number', number(pass.values[layer].a[i], 4)), h('td.number', { dataset: { value } }, number(value, 4)),
        h('td', h('span.share', h(`i${value < 0 ? '.below' : ''}`, { style: { width: `${(100 * Math.abs(value)) / most}%` } }))))));
    },
  };
}
