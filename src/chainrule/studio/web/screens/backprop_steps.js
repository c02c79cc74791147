// The steps of a walk: in, forward link by link, loss, its derivative, back link by link, update; and what each does in words.
import { functions, softmax } from '../network.js';
import { number, percent } from '../format.js';
import { fill } from '../dom.js';
import { t } from '../i18n.js';

export const LOCKED = 0.02;   // a slope below this lets next to no error through

// A number in so many significant digits, without zeros at its end.
export function figure(value, digits = 4) {
  const size = Math.abs(value);
  if (!Number.isFinite(value) || value === 0 || size >= 1e6 || size < 1e-4) return number(value, digits);
  return String(Number(value.toPrecision(digits))).replace('-', '−');
}

// Fills an element anew; what had the focus in it has it again, by the name that tests call it.
export function refill(root, ...children) {
  const all = (name) => [...root.querySelectorAll(`[data-test="${name}"]`)];
  const focused = root.getRootNode().activeElement, name = focused && root.contains(focused) ? focused.dataset.test : null;
  const place = name ? all(name).indexOf(focused) : -1;
  fill(root, ...children);
  const now = name ? all(name)[place] : null;
  if (now) now.focus();
}

// What went wrong, for a person to read; null for what mends itself.
export function told(store, error) {
  return error.message === 'lost' ? null : error.message;
}

export function isDense(link) {
  return link.kind === 'dense' || link.kind === 'projection';
}

export function isActivation(link) {
  return (link.kind in functions && link.kind !== 'identity') || link.kind === 'prelu' || link.kind === 'parametric_activation';
}

export function stepsOf(walk) {
  const links = walk.links;
  return [
    { way: 'input' },
    ...links.map((link) => ({ way: 'forward', link })),
    { way: 'loss' },
    { way: 'error' },
    ...[...links].reverse().map((link) => ({ way: 'back', link })),
    { way: 'update' },
  ];
}

// At which step each link's output, and dL by it, is known: {outs: {name: step}, errors: {name: step}}.
export function knownFrom(walk, steps) {
  const outs = { input: 0 }, errors = {};
  steps.forEach((step, at) => {
    if (step.way === 'forward') outs[step.link.name] = at;
    if (step.way === 'error') errors[walk.links.length ? walk.links[walk.links.length - 1].name : 'input'] = at;
    if (step.way === 'back') for (const source of step.link.sources) errors[source] = Math.max(errors[source] || 0, at);
  });
  return { outs, errors };
}

// Row `row` of an array of shape (rows, width).
export function rowOf(array, row) {
  const width = array.shape[1];
  return array.subarray(row * width, (row + 1) * width);
}

export function largest(values) {
  let best = 0;
  for (let k = 1; k < values.length; ++k) if (Math.abs(values[k]) > Math.abs(values[best])) best = k;
  return best;
}

export function outOf(walk, name, row) {
  if (name === 'input') return rowOf(walk.x, row);
  return rowOf(walk.links.find((link) => link.name === name).out, row);
}

export function errorOf(walk, name, row) {
  if (name === 'input') return rowOf(walk.error_x, row);
  return rowOf(walk.links.find((link) => link.name === name).error, row);
}

export function lockedOf(link, row) {
  const slopes = rowOf(link.slope, row);
  return slopes.reduce((n, slope) => n + (Math.abs(slope) < LOCKED), 0);
}

const FORWARD = { dense: 'backprop.says.dense', activation: 'backprop.says.activation', each: 'backprop.says.each', block: 'backprop.says.block', other: 'backprop.says.other' };
const BACK = { dense: 'backprop.says.back_dense', activation: 'backprop.says.back_activation', each: 'backprop.says.back_each', block: 'backprop.says.back_block', other: 'backprop.says.back_other' };

function sortOf(link) {
  if (link.is_block) return 'block';
  if (isDense(link)) return 'dense';
  if (isActivation(link)) return 'activation';
  return link.slope ? 'each' : 'other';
}

export function answerOf(store, walk, row) {
  const network = store.get('network');
  const out = walk.links.length ? rowOf(walk.links[walk.links.length - 1].out, row) : rowOf(walk.x, row);
  if (walk.labels === null) return { labels: null, said: rowOf(walk.prediction, row), target: rowOf(walk.target, row) };
  const labels = network.labels();
  const p = network.model.task === 'multiclass' && network.model.loss.kind !== 'categorical_cross_entropy' ? softmax(Array.from(out)) : network.answer(out);
  return { labels, p, best: largest(p), right: walk.labels[row] };
}

function saysLoss(store, walk, row) {
  const found = answerOf(store, walk, row);
  const loss = figure(walk.losses[row], 4);
  const text = found.labels === null
    ? t(store, 'backprop.says.loss_numbers', { said: listed(found.said), target: listed(found.target), loss })
    : t(store, 'backprop.says.loss_classes', { said: found.labels[found.best], p: percent(found.p[found.best]), right: found.labels[found.right], q: percent(found.p[found.right]), loss });
  const whole = { n: walk.n, loss: figure(walk.loss, 4), penalty: figure(walk.penalty, 4) };
  const more = walk.n > 1 ? [t(store, walk.penalty ? 'backprop.says.loss_batch_penalty' : 'backprop.says.loss_batch', whole)] : walk.penalty ? [t(store, 'backprop.says.loss_penalty', whole)] : [];
  return [text, ...more].join(' ');
}

export function listed(values) {
  const few = Array.from(values.slice(0, 4), (value) => figure(value, 4)).join(', ');
  return values.length > 4 ? `${few}, …` : few;
}

// What a step does, in words with its numbers.
export function says(store, walk, step, row, update) {
  const at = (values) => { const k = largest(values); return { k, value: figure(values[k], 4) }; };
  if (step.way === 'input') {
    const x = rowOf(walk.x, row), top = at(x);
    return t(store, walk.n > 1 ? 'backprop.says.input_batch' : 'backprop.says.input', { n: walk.n, width: x.length, ...top });
  }
  if (step.way === 'loss') return saysLoss(store, walk, row);
  if (step.way === 'error') {
    const last = walk.links.length ? walk.links[walk.links.length - 1].name : 'input';
    return t(store, 'backprop.says.error', at(errorOf(walk, last, row)));
  }
  if (step.way === 'update') {
    if (!update) return t(store, 'backprop.says.update', { rate: figure(store.get('backprop.rate')) });
    return t(store, 'backprop.says.updated', { rate: figure(update.rate), before: figure(update.before, 5), after: figure(update.after, 5) });
  }
  const { link } = step, sort = sortOf(link), out = rowOf(link.out, row), into = outOf(walk, link.sources[0], row);
  if (step.way === 'forward') {
    const on = out.reduce((n, value) => n + (value > 0), 0), from = largest(into);
    return t(store, FORWARD[sort], { link: link.name, kind: link.kind, width: out.length, inputs: into.length, on, from: figure(into[from], 4), to: figure(out[Math.min(from, out.length - 1)], 4), ...at(out) });
  }
  const values = { link: link.name, kind: link.kind, width: out.length, inputs: into.length, ...at(rowOf(link.error, row)) };
  if (sort === 'dense') {
    const { index, value } = link.fields.W.largest;
    return t(store, BACK.dense, { ...values, at: `${link.name}.W[${index.join(',')}]`, gradient: figure(value, 4) });
  }
  if (link.slope) {
    const slopes = rowOf(link.slope, row), products = slopes.map((slope, k) => slope * link.error[row * slopes.length + k]), k = largest(rowOf(link.error, row));
    return t(store, BACK[sort], { ...values, locked: lockedOf(link, row), k, slope: figure(slopes[k], 4), product: figure(products[k], 4) });
  }
  return t(store, BACK[sort], values);
}
