// The backward passes of DeepLIFT and epsilon-LRP: a rule for each edge of a graph in place of its derivative.
// inspection/attribution/{deep_lift,epsilon_lrp}.py in JavaScript.
import { activations } from '../activations.js';

const MIN_DIFFERENCE = 1e-10;   // of two pre-activations; below it the derivative replaces the chord's slope
const EPSILON = 1e-6;

const isActivation = ({ kind }) => kind in activations;
const sum = (values) => values.reduce((all, value) => all + value, 0);

// m_z = m_a (a - a') / (z - z') of the first row, the sample; the second row is the baseline, with '.
function chord({ source: { value: z, width }, target: { value: a }, slopes }, m) {
  return m.map((value, at) => {
    if (at >= width) return 0;
    const run = z[at] - z[width + at];
    return value * (Math.abs(run) < MIN_DIFFERENCE ? slopes[at] : (a[at] - a[width + at]) / run);
  });
}

/** m (inputs) with f(x) - f(b) = sum_i m_i (x_i - b_i), for f = V out.  @param {any} graph  of the rows x and b  @param {Float64Array} V */
export function multipliers(graph, V) {
  const start = new Float64Array(2 * V.length);
  start.set(V);
  return graph.pull(start, (edge, m) => (isActivation(edge.link) ? chord(edge, m) : edge.backward(m))).subarray(0, graph.input.width);
}

// z + epsilon sign(z), with sign(0) = 1.
const stabilized = (z) => z + (z >= 0 ? EPSILON : -EPSILON);

/**
 * R (inputs): R_i = a_i sum_j J_ji s_j with s_j = R_j / (z_j + epsilon sign(z_j)), from R = V out on, and what biases and epsilon absorb of it.
 * @param {any} graph  of one row  @param {Float64Array} V
 */
export function relevance(graph, V) {
  const { links } = graph.model, own = links.findIndex(({ kind }) => kind !== 'rescale' && kind !== 'standardize');
  const isUnit = new Set(links.slice(0, own < 0 ? links.length : own)), shares = new Map();   // the first links only change the units
  let biases = 0, epsilon = 0;

  // s of a target; both chains of a block hand on parts of the same.
  function share(target, R) {
    if (!shares.has(target)) {
      const s = R.map((r, j) => r / stabilized(target.value[j])), kept = sum(target.value.map((z, j) => z * s[j]));
      shares.set(target, s);
      biases += kept;
      epsilon += sum(R) - kept;
    }
    return shares.get(target);
  }

  function rule(edge, R) {
    if (isUnit.has(edge.link) || isActivation(edge.link) || edge.link.kind === 'dropout') return R;
    const handed = edge.backward(share(edge.target, R)).map((s, i) => edge.source.value[i] * s);
    biases -= sum(handed);   // what of z s does not come from the inputs comes from the bias
    return handed;
  }
  const values = graph.pull(V.map((v, k) => v * graph.out.value[k]), rule);
  return { values, absorbed: { biases, epsilon } };
}
