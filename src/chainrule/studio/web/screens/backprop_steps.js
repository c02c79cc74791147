// The steps of a walk: in, forward link by link, loss, its derivative, back link by link, update; and what each does in words.
import { activations } from '../activations.js';
import { softmax } from '../network.js';
import { number, percent } from '../format.js';
import { fill } from '../dom.js';
import { t } from '../i18n.js';
import { linkName, numberName } from './backprop_names.js';

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

export function isDense(link) {
  return link.kind === 'dense' || link.kind === 'projection';
}

export function isActivation(link) {
  return (link.kind in activations && link.kind !== 'identity') || link.kind === 'prelu' || link.kind === 'parametric_activation';
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

function largest(values) {
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
const FORWARD_ONE = { dense: 'backprop.says.dense_single', activation: 'backprop.says.activation_one', each: 'backprop.says.each_one', block: 'backprop.says.block_one', other: 'backprop.says.other_one' };
const BACK = { dense: 'backprop.says.back_dense', activation: 'backprop.says.back_activation', each: 'backprop.says.back_each', block: 'backprop.says.back_block', other: 'backprop.says.back_other' };
const BACK_ONE = { activation: 'backprop.says.back_activation_one', each: 'backprop.says.back_each_one', block: 'backprop.says.back_block_one', other: 'backprop.says.back_other_one' };

function sortOf(link) {
  if (link.is_block) return 'block';
  if (isDense(link)) return 'dense';
  if (isActivation(link)) return 'activation';
  return link.slope ? 'each' : 'other';
}

export function answerOf(walk, row) {
  const { network } = walk;
  const out = walk.links.length ? rowOf(walk.links[walk.links.length - 1].out, row) : rowOf(walk.x, row);
  if (walk.labels === null) return { labels: null, said: rowOf(walk.prediction, row), target: rowOf(walk.target, row) };
  const labels = network.labels();
  const p = network.model.task === 'multiclass' && !['categorical_cross_entropy', 'ordinal_cross_entropy'].includes(network.model.loss.kind) ? softmax(Array.from(out)) : network.answer(out);
  return { labels, p, best: largest(p), right: walk.labels[row] };
}

// Sentences one after the other, as the reader's language has them.
export const sentences = (store, ...texts) => texts.join(store.get('lang') === 'zh' ? '' : ' ');

// A probability; of one that would be 0.0 % its first digit.
export const chance = (p) => (p > 0 && p < 0.0005 ? `${figure(100 * p, 1)} %` : percent(p));

/** @param {import('../store.js').Store} store */
export function saysLoss(store, walk, row) {
  const found = answerOf(walk, row);
  const loss = figure(walk.losses[row], 4);
  const text = found.labels === null
    ? t(store, 'backprop.says.loss_numbers', { said: listed(found.said), target: listed(found.target), loss })
    : t(store, walk.assumed && found.best !== found.right ? 'backprop.says.loss_if' : 'backprop.says.loss_classes', { said: found.labels[found.best], p: chance(found.p[found.best]), right: found.labels[found.right], q: chance(found.p[found.right]), loss });
  const whole = { n: walk.n, loss: figure(walk.loss, 4), penalty: figure(walk.penalty, 4) };
  const more = walk.n > 1 ? [t(store, walk.penalty ? 'backprop.says.loss_batch_penalty' : 'backprop.says.loss_batch', whole)] : walk.penalty ? [t(store, 'backprop.says.loss_penalty', whole)] : [];
  return sentences(store, text, ...more);
}

export function listed(values) {
  const few = Array.from(values.slice(0, 4), (value) => figure(value, 4)).join(', ');
  return values.length > 4 ? `${few}, …` : few;
}

// The weight and the bias between two single neurons.
function oneWeight({ network: { arrays } }, link) {
  return { w: arrays[`${link.name}.W`][0], b: arrays[`${link.name}.b`]?.[0] || 0 };
}

function saysForward(store, walk, link, row) {
  const sort = sortOf(link), out = rowOf(link.out, row), into = outOf(walk, link.sources[0], row), k = largest(out);
  const values = { link: linkName(store, walk, link.name), kind: link.kind, width: out.length, inputs: into.length, k, value: figure(out[k], 4) };
  if (sort === 'dense' && into.length === 1 && out.length === 1) {
    const { w, b } = oneWeight(walk, link), numbers = { ...values, from: figure(into[0], 4), w: figure(w, 4), b: figure(b, 4) };
    return t(store, b ? 'backprop.says.dense_bias' : 'backprop.says.dense_one', numbers);
  }
  if (sort === 'dense' && into.length === 1) return t(store, 'backprop.says.dense_from_one', values);
  const on = out.reduce((n, value) => n + (value > 0), 0), from = largest(into);
  return t(store, (out.length === 1 ? FORWARD_ONE : FORWARD)[sort], { ...values, on, from: figure(into[from], 4), to: figure(out[Math.min(from, out.length - 1)], 4) });
}

function saysBack(store, walk, link, row) {
  const sort = sortOf(link), error = rowOf(link.error, row), into = outOf(walk, link.sources[0], row), k = largest(error), isOne = error.length === 1;
  const values = { link: linkName(store, walk, link.name), kind: link.kind, width: error.length, inputs: into.length, k, value: figure(error[k], 4) };
  if (sort === 'dense') {
    const { index, value } = link.fields.W.largest, name = `${link.name}.W`, found = { ...values, at: numberName(walk, name, index), gradient: figure(value, 4) };
    if (!isOne || into.length > 1) return t(store, 'backprop.says.back_dense', found);
    const { w } = oneWeight(walk, link), back = { from: figure(into[0], 4), w: figure(w, 4), back: figure(w * error[0], 4) };
    return t(store, walk.n > 1 ? 'backprop.says.back_dense_batch' : 'backprop.says.back_dense_one', { ...found, ...back });
  }
  const key = (isOne ? BACK_ONE : BACK)[sort];
  if (!link.slope) return t(store, key, values);
  const slopes = rowOf(link.slope, row), locked = lockedOf(link, row);
  const text = t(store, key, { ...values, locked, slope: figure(slopes[k], 4), product: figure(slopes[k] * error[k], 4) });
  return isOne && locked && sort === 'activation' ? sentences(store, text, t(store, 'backprop.says.locked_one')) : text;
}

// What a step does, in words with its numbers.
/** @param {import('../store.js').Store} store */
export function says(store, walk, step, row, update) {
  if (step.way === 'input') {
    const x = rowOf(walk.x, row), k = largest(x), values = { n: walk.n, width: x.length, k, value: figure(x[k], 4) };
    if (x.length === 1) return t(store, walk.n > 1 ? 'backprop.says.input_batch_one' : 'backprop.says.input_one', values);
    return t(store, walk.n > 1 ? 'backprop.says.input_batch' : 'backprop.says.input', values);
  }
  if (step.way === 'loss') return saysLoss(store, walk, row);
  if (step.way === 'error') {
    const error = errorOf(walk, walk.links.length ? walk.links[walk.links.length - 1].name : 'input', row), k = largest(error);
    return t(store, error.length === 1 ? 'backprop.says.error_one' : 'backprop.says.error', { k, value: figure(error[k], 4) });
  }
  if (step.way === 'forward') return saysForward(store, walk, step.link, row);
  if (step.way === 'back') return saysBack(store, walk, step.link, row);
  if (!update) return t(store, 'backprop.says.update', { rate: figure(store.get('backprop.rate')) });
  return t(store, 'backprop.says.updated', { rate: figure(update.rate), before: figure(update.before, 5), after: figure(update.after, 5) });
}
