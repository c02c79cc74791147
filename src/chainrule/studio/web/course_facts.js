// The numbers that the questions of the course are about, of the very network that a screen shows: pure functions of the store.
//
// Each returns null while the screen has no such numbers, else {values, expected, form}: the values of the question's and the answer's text,
// the number that is asked for (or none), which of several forms of the text applies, and the numbers of usual slips by the text that names them. A value {text, factor} has its factor's color.
import { count, percent } from './format.js';
import { activations } from './activations.js';
import { answerOf, errorOf, figure, isActivation, isDense, lockedOf, outOf, rowOf } from './screens/backprop_steps.js';
import { numberName } from './screens/backprop_names.js';
import { movedOf } from './screens/backprop_moved.js';
import { factorsOf, isSame } from './screens/backprop_tasks.js';

/**
 * @typedef {Record<string, string | {text: string, factor: string}>} Values
 * @typedef {{values: Values, expected?: number, form?: string, slips?: Record<string, number>}} Facts
 * @typedef {import('./store.js').Store} Store
 */

const NUDGE = 0.5;   // by how much a weight grows in a question

/** A factor of a product, in the color of its place in the chain. */
const outer = (value) => ({ text: figure(value, 4), factor: 'outer' });
const middle = (value) => ({ text: figure(value, 4), factor: 'middle' });
const inner = (value) => ({ text: figure(value, 4), factor: 'inner' });

// A number behind a sign: in brackets where it has one of its own.
export const bracketed = (text) => (text.startsWith('−') ? `(${text})` : text);

const largestAt = (values) => values.reduce((best, value, k) => (Math.abs(value) > Math.abs(values[best]) ? k : best), 0);

// --- the network and its neurons

/** How many weights lead into the first layer.  @param {Store} store  @returns {Facts | null} */
export function ofNetwork(store) {
  const network = store.get('network'), first = network?.links.find(isDense);
  if (!first) return null;
  const { fan_in: from, fan_out: to } = first, widths = network.links.filter(isDense).map((link) => link.fan_out);
  return { expected: from * to, slips: { sum: from + to, parameters: network.model.size, biases: from * to + to }, values: { from: count(from), to: count(to), weights: count(from * to), size: count(network.model.size), layers: [network.model.inputs, ...widths].join('-') } };
}

// The chosen neuron for the sample at hand: its link with weights, what comes into it, its sum z, and the function behind it.
function unitOf(store) {
  const network = store.get('network'), sample = store.get('sample'), neuron = store.get('neuron');
  if (!network?.runsHere || !sample || sample.x.length !== network.model.inputs || !neuron) return null;
  const seen = network.forward(sample.x), place = seen.findIndex(({ name }) => name === neuron.link), one = seen[place];
  if (!one || !isDense(one) || !(neuron.index < one.a.length)) return null;
  const next = seen.slice(place + 1).find((other) => isDense(other) || other.kind in activations);
  const W = network.arrays[`${one.name}.W`], column = Array.from(one.from, (_, i) => W[i * one.link.fan_out + neuron.index]);
  return { name: `${one.name}[${neuron.index}]`, link: one.link, from: one.from, column, z: one.a[neuron.index], activation: next && next.kind in activations ? next.link : null };
}

/** What the activation function makes of another sum.  @param {Store} store  @returns {Facts | null} */
export function ofNeuron(store) {
  const unit = unitOf(store);
  if (!unit) return null;
  const { name, z, activation } = unit, other = z > 0 ? -1 : 1, f = (x) => (activation ? activations[activation.kind].f(x, activation) : x);
  return { expected: f(other), values: { name, kind: activation ? activation.kind : 'f', z: figure(z, 4), a: figure(f(z), 4), other: figure(other), out: figure(f(other), 4) } };
}

/** What the strongest connection adds to a neuron's sum.  @param {Store} store  @returns {Facts | null} */
export function ofWeight(store) {
  const unit = unitOf(store);
  if (!unit) return null;
  const { name, from, column, z } = unit, i = largestAt(column.map((w, k) => w * from[k])), product = column[i] * from[i];
  return { expected: product, values: { name, i: count(i), a: figure(from[i], 4), w: figure(column[i], 4), product: figure(product, 4), z: figure(z, 4), n: count(from.length) } };
}

/** What links within a layer would cost.  @param {Store} store  @returns {Facts | null} */
export function ofLayer(store) {
  const network = store.get('network'), chosen = store.get('neuron'), dense = network?.links.filter(isDense) || [];
  const link = dense.find(({ name }) => name === chosen?.link) || dense[0];
  if (!link) return null;
  const n = link.fan_out;
  return { expected: n * (n - 1), slips: { itself: n * n, one_way: (n * (n - 1)) / 2 }, values: { link: link.name, n: count(n), others: count(n - 1), more: count(n * (n - 1)), half: count((n * (n - 1)) / 2), now: count(link.fan_in * n) } };
}

// --- one sample, there and back

// The passes that the screen Backpropagation shows, and the sample of them that it shows.
function walkOf(store) {
  const shown = store.get('shown.backprop');
  if (!shown) return null;
  return { walk: shown.walk, network: shown.walk.network, row: Math.max(0, Math.min(shown.walk.shown - 1, store.get('backprop.row') || 0)) };
}

/** What the loss would be for another answer.  @param {Store} store  @returns {Facts | null} */
export function ofLoss(store) {
  const found = walkOf(store);
  if (!found) return null;
  const { walk, network, row } = found, { kind, label_smoothing: smoothing } = network.model.loss, loss = walk.losses[row];
  if (walk.labels !== null && kind.endsWith('cross_entropy') && !smoothing) {
    const { labels, p, right } = answerOf(walk, row);
    return { expected: Math.LN2, values: { right: labels[right], p: figure(p[right], 4), share: percent(p[right], 2), loss: figure(loss, 4), half: figure(Math.LN2, 4) } };
  }
  if (kind !== 'mean_squared_error' || walk.labels !== null) return null;
  return { form: 'numbers', expected: loss / 4, values: { loss: figure(loss, 4), quarter: figure(loss / 4, 4) } };
}

/** A weight after a step downhill.  @param {Store} store  @returns {Facts | null} */
export function ofStep(store) {
  const found = walkOf(store), rate = store.get('backprop.rate');
  if (!found) return null;
  const all = found.walk.links.filter((link) => isDense(link) && link.fields.W && !link.frozen).map((link) => ({ link, ...link.fields.W.largest, width: link.fields.W.shape[1] }));
  if (!all.length) return null;
  const { link, index, value, width } = all[largestAt(all.map((one) => one.value))], w = found.network.arrays[`${link.name}.W`][index[0] * width + index[1]], after = w - rate * value;
  return { expected: after, values: { name: numberName(found.walk, `${link.name}.W`, index), w: figure(w, 5), gradient: figure(value, 4), factor: bracketed(figure(value, 4)), rate: figure(rate), after: figure(after, 5), change: figure(-rate * value, 3) } };
}

// The chain's numbers: x, y and the weights from the first on.
function chainOf(store) {
  const found = walkOf(store);
  if (!found || !found.walk.is_chain || !found.walk.letters || found.walk.links.length !== 4 || !found.walk.links.every(isDense)) return null;
  const { walk, network } = found;
  return { x: walk.x[0], y: rowOf(walk.target, 0)[0], weights: walk.links.map(({ name }) => network.arrays[`${name}.W`][0]) };
}

/** The first weight's derivative in a chain of four single neurons without activations.  @param {Store} store  @returns {Facts | null} */
export function ofChain(store) {
  const found = chainOf(store);
  if (!found) return null;
  const { x, y, weights } = found, rest = weights.slice(1).reverse(), product = rest.reduce((all, w) => all * w, 1), out = x * weights[0] * product, expected = 2 * (out - y) * product * x;
  const numbers = rest.map((w, k) => (w < 0 && k ? `(${figure(w)})` : figure(w))).join(' · ');
  return { expected, values: { first: 'w₃', outside: { text: '2 (a₀ − y)', factor: 'outer' }, between: { text: 'w₀ · w₁ · w₂', factor: 'middle' }, inside: { text: 'a₄', factor: 'inner' },
    outer: outer(2 * (out - y)), weights: { text: numbers, factor: 'middle' }, middle: middle(product), inner: inner(x), value: figure(expected, 5) } };
}

/** The derivative of the chosen weight as outer, middle and inner factor.  @param {Store} store  @returns {Facts | null} */
export function ofOwn(store) {
  const found = walkOf(store), weight = store.get('weight'), factors = found && factorsOf(found, weight);
  if (!factors) return null;
  const { behind } = factors, expected = factors.outer * factors.middle * factors.inner;
  return { form: behind ? '' : 'last', expected, values: { name: numberName(found.walk, weight.name, [weight.i, weight.j]), kind: behind ? behind.kind : '', outer: outer(factors.outer), middle: middle(factors.middle), inner: inner(factors.inner), value: figure(expected, 5) } };
}

/** What a small change of a weight does to the loss, by its derivative and in truth.  @param {Store} store  @returns {Facts | null} */
export function ofZoom(store) {
  const found = walkOf(store), weight = store.get('weight'), moved = found && movedOf(found, weight);
  if (!moved) return null;
  const { derivative, loss } = moved.at(moved.w), truth = moved.at(moved.w + NUDGE).loss - loss;
  return { expected: NUDGE * derivative, values: { name: numberName(found.walk, weight.name, [weight.i, weight.j]), w: figure(moved.w, 4), derivative: figure(derivative, 4), factor: bracketed(figure(derivative, 4)), nudge: figure(NUDGE), first: figure(NUDGE * derivative, 4), truth: figure(truth, 4) } };
}

/** What the recursion of the errors is made of: of the last activation before a layer with weights.  @param {Store} store */
export function recursionOf(store) {
  const found = walkOf(store);
  if (!found) return null;
  const { walk, network, row } = found, pairs = walk.links.flatMap((next) => (isDense(next) && next.fields.W ? walk.links.filter((link) => link.name === next.sources[0] && link.slope && isActivation(link)).map((link) => [link, next]) : []));
  if (!pairs.length) return null;
  const [link, next] = pairs[pairs.length - 1], back = rowOf(link.error, row), slope = rowOf(link.slope, row);
  return { link, next, W: network.arrays[`${next.name}.W`], error: rowOf(next.error, row), back, slope, delta: back.map((value, k) => value * slope[k]) };
}

/** How many derivatives one backward pass gives.  @param {Store} store  @returns {Facts | null} */
export function ofGradient(store) {
  const found = walkOf(store);
  if (!found) return null;
  const { size } = found.network.model;
  return { expected: size, values: { size: count(size), twice: count(2 * size) } };
}

/** One neuron's error by the recursion.  @param {Store} store  @returns {Facts | null} */
export function ofDelta(store) {
  const found = recursionOf(store);
  if (!found) return null;
  const { link, next, error, back, slope, delta } = found, k = largestAt(Array.from(delta));
  return { expected: delta[k], values: { k: count(k), source: link.sources[0], kind: link.kind, next: next.name, n: count(error.length), back: outer(back[k]), slope: middle(slope[k]), delta: figure(delta[k], 4) } };
}

/** The slope of an activation function where a neuron is.  @param {Store} store  @returns {Facts | null} */
export function ofSlope(store) {
  const found = walkOf(store);
  if (!found) return null;
  const { walk, row } = found, links = walk.links.filter((link) => link.slope && isActivation(link)), link = links[links.length - 1];
  if (!link) return null;
  const k = largestAt(Array.from(errorOf(walk, link.name, row))), z = outOf(walk, link.sources[0], row)[k], a = rowOf(link.out, row)[k], slope = rowOf(link.slope, row)[k];
  return { form: ['sigmoid', 'tanh', 'relu'].includes(link.kind) ? link.kind : '', expected: slope, values: { name: `${link.name}[${k}]`, kind: link.kind, z: figure(z, 4), a: figure(a, 4), base: bracketed(figure(a, 4)), slope: figure(slope, 4), locked: count(lockedOf(link, row)), n: count(link.out.shape[1]) } };
}

/** Whether a number that a person gives is the one that is asked for: 'right', 'sign', 'near' or 'wrong'. */
export function judged(given, expected) {
  if (isSame(given, expected)) return 'right';
  if (isSame(-given, expected)) return 'sign';
  return Math.abs(given - expected) <= 0.1 * Math.abs(expected) ? 'near' : 'wrong';
}
