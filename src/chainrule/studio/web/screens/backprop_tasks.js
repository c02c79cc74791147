// What a learner can compute of a weight's derivative in one sample's walk: each factor, the product, and the weight after a step; and the
// number that each usual mistake gives instead. Pure functions of a walk.
import { errorOf, isActivation, isDense, outOf, rowOf } from './backprop_steps.js';
import { activations } from '../activations.js';

const CLOSE = 0.01;   // two numbers are the same within 1 %

/** Whether a number is another one, as far as people compute.  @param {number} given  @param {number} value */
export const isSame = (given, value) => Math.abs(given - value) <= CLOSE * Math.abs(value) || (Math.abs(value) < 1e-9 && Math.abs(given) < 1e-9);

/**
 * A weight with the three factors of its derivative: what the loss makes of the neuron's output, what the neuron makes of its sum, and
 * what came in. null for what is no weight of a matrix, or of more samples than one.
 * @param {{walk: any, network: any, row: number}} found  @param {{name: string, i: number | null, j: number | null} | null} weight
 */
export function factorsOf({ walk, network, row }, weight) {
  const [name, field] = (weight?.name || '').split('.'), link = walk.links.find((one) => one.name === name);
  if (walk.n > 1 || !link || field !== 'W' || !isDense(link) || weight.j === null) return null;
  const { i, j } = weight, from = outOf(walk, link.sources[0], row), width = link.out.shape[1];
  if (!(i < from.length && j < width)) return null;
  const behind = walk.links.find((one) => one.sources[0] === name && one.slope && isActivation(one)) || null;
  const [outer, middle] = behind ? [rowOf(behind.error, row)[j], rowOf(behind.slope, row)[j]] : [rowOf(link.error, row)[j], 1];
  return { link, behind, i, j, w: network.arrays[weight.name][i * width + j], z: rowOf(link.out, row)[j], a: behind ? rowOf(behind.out, row)[j] : rowOf(link.out, row)[j], outer, middle, inner: from[i] };
}

// The sum that the outer factor of a hidden neuron is, Σ_k W[j,k] δ_k, and what mistakes make of it.
function sumOf({ walk, network, row }, { behind, j, a }, rate) {
  const next = behind && walk.links.find((one) => one.sources[0] === behind.name && isDense(one));
  if (!next) return null;
  const W = network.arrays[`${next.name}.W`], [rows, columns] = W.shape, delta = errorOf(walk, next.name, row), terms = Array.from(delta, (value, k) => ({ k, w: W[j * columns + k], delta: value, product: W[j * columns + k] * value }));
  const transposed = j < columns ? Array.from({ length: Math.min(rows, columns) }, (_, k) => W[k * columns + j] * delta[k]).reduce((sum, value) => sum + value, 0) : null;
  const renewed = terms.reduce((sum, { w, delta: value }) => sum + (w - rate * a * value) * value, 0);
  return { next, terms: terms.sort((one, two) => Math.abs(two.product) - Math.abs(one.product)), transposed, renewed, single: terms.length > 1 ? terms[0].product : null };
}

/**
 * The tasks of a weight by their names, each {value, derivative(given), mistakes}: what is to be computed, the derivative by the weight that
 * a given number would make, and [[name, number]] of the mistakes. Of a step, `isChange`, numbers are compared by their derivatives: the
 * weight changes by little. null as factorsOf.
 */
export function tasksOf(found, weight, rate) {
  const factors = factorsOf(found, weight);
  if (!factors) return null;
  const { behind, w, z, a, outer, middle, inner } = factors, sum = sumOf(found, factors, rate), whole = outer * middle * inner;
  /** @type {[string, number | null][]} */
  const outers = sum ? [['transposed', sum.transposed], ['new_weight', sum.renewed], ['single', sum.single]] : [];
  const prime = behind && activations[behind.kind]?.prime;
  const tasks = {
    outer: sum && { value: outer, derivative: (given) => given * middle * inner, mistakes: outers },
    middle: behind && { value: middle, derivative: (given) => outer * given * inner, mistakes: [['output', a], ['at_output', prime ? prime(a, activations[behind.kind].f(a, behind), behind) : null], ['sum', z]] },
    inner: { value: inner, derivative: (given) => outer * middle * given, mistakes: [['own_output', a], ['own_sum', z], ['weight', w]] },
    product: { value: whole, derivative: (given) => given, mistakes: [['no_slope', behind ? outer * inner : null], ['no_input', outer * middle], ['weight_for_input', outer * middle * w], ...outers.filter(([name]) => name !== 'single').map(([name, value]) => [name, value === null ? null : value * middle * inner]),
      ['double', 2 * whole], ['half', whole / 2]] },
    update: { value: w - rate * whole, derivative: (given) => (w - given) / rate, isChange: true, mistakes: [['no_rate', w - whole], ['change', -rate * whole], ['gradient', whole]] },
  };
  return { factors, sum, tasks: Object.fromEntries(Object.entries(tasks).filter(([, task]) => task)) };
}

/** What a given number is: 'right', the name of a mistake, 'sign', 'near' or 'wrong'.  @param {any} task  @param {number} given */
export function markOf({ value, derivative, isChange, mistakes }, given) {
  const seen = (number) => (isChange ? derivative(number) : number), is = seen(given), should = seen(value);
  if (isSame(is, should)) return 'right';
  if (isSame(-is, should)) return isChange ? 'uphill' : 'sign';
  const found = mistakes.find(([, number]) => number !== null && !isSame(seen(number), should) && isSame(given, number));
  if (found) return found[0];
  return Math.abs(is - should) <= 0.1 * Math.abs(should) ? 'near' : 'wrong';
}
