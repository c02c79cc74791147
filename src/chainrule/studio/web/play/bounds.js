// What a chain of layers can answer within a box, by intervals and by linear bounds propagated backward (CROWN), whose
// rounding and that of float32 are allowed for. graph/bounding.py and graph/lines.py in JavaScript.
import { activations, sigmoid } from '../activations.js';

const UNIT = 2 ** -24, SLACK = 1e-12, CELLS = 16;
const BENT = ['tanh', 'sigmoid'], KINKED = ['relu', 'leaky_relu'];

const per = (n, of) => Float64Array.from({ length: n }, (_, j) => of(j));
const sizeOf = ({ low, high }) => low.map((v, j) => Math.max(Math.abs(v), Math.abs(high[j])));

// A link as {W, b} of a matrix (inputs, outputs), as {s, b} of a factor for each column, or as {f} of one number; null for another.
function stepOf(link, arrays) {
  const { kind, fan_in: n, fan_out: m } = link, of = (field) => arrays[`${link.name}.${field}`];
  if (link.branches.length) return null;
  if (kind === 'dense' || kind === 'projection') {
    const W = of('W');
    return { W, columns: per(n * m, (at) => W[(at % n) * m + Math.trunc(at / n)]), n, m, b: kind === 'dense' ? of('b') : new Float64Array(m) };
  }
  if (kind === 'dropout' || kind === 'identity') return { s: per(n, () => 1), b: new Float64Array(n) };
  if (kind === 'rescale') return { s: per(n, () => link.scale), b: per(n, () => link.offset) };
  if (kind === 'standardize') return { s: per(n, (j) => 1 / of('std')[j]), b: per(n, (j) => -of('mean')[j] / of('std')[j]) };
  if (kind === 'batch_norm') {
    const s = per(n, (j) => of('gamma')[j] / Math.sqrt(of('var')[j] + link.eps));
    return { s, b: per(n, (j) => of('beta')[j] - of('mean')[j] * s[j]) };
  }
  if (KINKED.includes(kind)) return { f: (z) => activations[kind].f(z, link), slope: kind === 'relu' ? 0 : link.slope };
  return BENT.includes(kind) ? { f: (z) => activations[kind].f(z, link), prime: kind === 'tanh' ? (a) => 1 - a * a : (a) => a * (1 - a) } : null;
}

const stepsOf = ({ links, arrays }) => links.map((link) => stepOf(link, arrays));

// Lines below and above a kinked function on [l, u]: [slope, offset] each.
function kinkedLines(slope, l, u) {
  if (l >= 0 || u <= 0) return [[l >= 0 ? 1 : slope, 0], [l >= 0 ? 1 : slope, 0]];
  const chord = (u - slope * l) / (u - l), lower = [u > -l ? 1 : slope, 0], upper = [chord, (slope - chord) * l + SLACK * (u - l)];
  return slope <= 1 ? [lower, upper] : [[chord, (slope - chord) * l - SLACK * (u - l)], lower];
}

// The same of a function that is convex below 0 and concave above: of several slopes the one that is closest in the middle. On a
// cell where it is concave, f(x) - s x is least at an end; where it is convex, no less than its tangent at the cell's center.
function bentLines({ f, prime }, l, u) {
  const knots = [...new Set([...Array.from({ length: CELLS + 1 }, (_, k) => l + ((u - l) * k) / CELLS), Math.min(Math.max(0, l), u)])].sort((one, two) => one - two);
  const values = knots.map(f), m = (l + u) / 2, at = f(m), last = knots.length - 1, slopes = [prime(at)];
  for (let k = 1; k <= last; ++k) slopes.push((values[k] - values[0]) / (knots[k] - l));
  for (let k = 0; k < last; ++k) slopes.push((values[last] - values[k]) / (u - knots[k]));
  return [1, -1].map((sign) => {
    let best = [0, -Infinity];
    for (const s of slopes.filter(Number.isFinite)) {
      let least = Infinity;
      for (let k = 0; k < last; ++k) {
        const [x, y] = [knots[k], knots[k + 1]], c = (x + y) / 2, isConvex = (c < 0) === (sign > 0), value = f(c);
        least = Math.min(least, isConvex ? sign * (value - s * c) - (Math.abs(prime(value) - s) * (y - x)) / 2 : Math.min(sign * (values[k] - s * x), sign * (values[k + 1] - s * y)));
      }
      if (last === 0) least = sign * (at - s * m);
      least -= SLACK * (1 + (1 + Math.abs(s)) * (Math.abs(l) + Math.abs(u)));
      if (sign * s * m + least > sign * best[0] * m + best[1]) best = [s, least];
    }
    return [best[0], sign * best[1]];
  });
}

// The boxes of a chain's steps, and least values of linear functions of a step's result.
function boundedChain(steps, input) {
  const boxes = [input], errors = [], lines = [];

  // The least value of A v + constant of the rows of A (rows, width) for the input of step k, v within all boxes before it.
  function least(k, A, rows) {
    const total = new Float64Array(rows);
    for (let at = k - 1; at >= 0; --at) {
      const { W, columns, s, b, n } = steps[at], width = boxes[at + 1].low.length, error = errors[at], next = W ? new Float64Array(rows * n) : A;
      for (let i = 0; i < rows; ++i) {
        for (let j = 0; j < width; ++j) {
          const a = A[i * width + j];
          if (a === 0) continue;
          total[i] -= Math.abs(a) * error[j];
          if (b) total[i] += a * b[j];
          if (s) A[i * width + j] = a * s[j];
          if (W) for (let p = 0, to = i * n, from = j * n; p < n; ++p) next[to + p] += a * columns[from + p];
          if (!b) {
            const [slope, offset] = lines[at][j][a > 0 ? 0 : 1];
            total[i] += a * offset;
            A[i * width + j] = a * slope;
          }
        }
      }
      A = next;
    }
    const { low, high } = input, width = low.length;
    for (let i = 0; i < rows; ++i) for (let j = 0; j < width; ++j) {
      const a = A[i * width + j], size = Math.max(Math.abs(low[j]), Math.abs(high[j]));
      total[i] += a * (a > 0 ? low[j] : high[j]) - Math.abs(a) * SLACK * size;
    }
    return total;
  }

  // Narrows some columns of the box before step k.
  function narrow(k, columns) {
    const { low, high } = boxes[k], width = low.length;
    for (const [sign, end] of [[1, low], [-1, high]]) {
      const A = new Float64Array(columns.length * width);
      columns.forEach((column, i) => { A[i * width + column] = sign; });
      least(k, A, columns.length).forEach((value, i) => { end[columns[i]] = sign > 0 ? Math.max(end[columns[i]], value) : Math.min(end[columns[i]], -value); });
    }
  }

  steps.forEach((step, k) => {
    const { W, s, b, n, m, f } = step;
    if (f && steps.slice(0, k).some((one) => one.f)) narrow(k, [...boxes[k].low.keys()].filter((j) => step.prime || (boxes[k].low[j] < 0 && boxes[k].high[j] > 0)));
    const { low, high } = boxes[k], size = sizeOf(boxes[k]), width = W ? m : low.length, box = { low: new Float64Array(width), high: new Float64Array(width) }, error = new Float64Array(width);
    for (let j = 0; j < width; ++j) {
      if (W) {
        let [least, most, terms] = [b[j], b[j], Math.abs(b[j])];
        for (let p = 0; p < n; ++p) {
          const w = W[p * m + j];
          least += w * (w > 0 ? low[p] : high[p]);
          most += w * (w > 0 ? high[p] : low[p]);
          terms += Math.abs(w) * size[p];
        }
        [box.low[j], box.high[j], error[j]] = [least, most, 1.001 * (n + 2) * UNIT * terms];
      } else if (f) {
        [box.low[j], box.high[j], error[j]] = [f(low[j]), f(high[j]), 16 * UNIT * Math.min(size[j], step.prime ? 1 : Infinity)];
      } else {
        const [one, two] = [s[j] * low[j] + b[j], s[j] * high[j] + b[j]];
        [box.low[j], box.high[j], error[j]] = [Math.min(one, two), Math.max(one, two), 8 * UNIT * (Math.abs(s[j]) * size[j] + Math.abs(b[j]))];
      }
      box.low[j] -= error[j];
      box.high[j] += error[j];
    }
    boxes.push(box);
    errors.push(error);
    lines.push(f ? Array.from(low, (l, j) => (step.prime ? bentLines(step, l, high[j]) : kinkedLines(step.slope, l, high[j]))) : null);
  });
  return { boxes, least, narrow };
}

// What the probabilities can be for inputs within `radius` of x and within `ends`, and whether the label is proven: {low, high, proven};
// null for a network that is no chain of layers with such bounds, or has no classes.
/** @param {import('../network.js').Model} model  @param {Float64Array} x  @param {number} radius  @param {number[] | null} ends */
export function proofOf(model, x, radius, ends, steps = stepsOf(model)) {
  if (steps.includes(null) || !['softmax_cross_entropy', 'sigmoid_cross_entropy', 'focal_cross_entropy'].includes(model.loss.kind) || !['multiclass', 'binary'].includes(model.task)) return null;
  const [least, most] = ends ?? [-Infinity, Infinity], input = { low: x.map((v) => Math.max(v - radius, least)), high: x.map((v) => Math.min(v + radius, most)) };
  const chain = boundedChain(/** @type {any[]} */ (steps), input), last = steps.length, n = model.outputs, { low, high } = chain.boxes[last];
  if (n === 1) {
    chain.narrow(last, [0]);
    const [p, q] = [sigmoid(low[0]), sigmoid(high[0])];
    return { low: [1 - q, p], high: [1 - p, q], proven: low[0] > 0 || high[0] < 0 };
  }
  const pairs = Array.from({ length: n * n }, (_, at) => [Math.trunc(at / n), at % n]).filter(([k, j]) => k !== j), A = new Float64Array(pairs.length * n), gaps = new Float64Array(n * n);
  pairs.forEach(([k, j], i) => { A[i * n + k] = 1; A[i * n + j] = -1; });
  chain.least(last, A, pairs.length).forEach((value, i) => { const [k, j] = pairs[i]; gaps[k * n + j] = Math.max(value, low[k] - high[j]); });
  const others = (k) => Array.from({ length: n }, (_, j) => j).filter((j) => j !== k), rounding = 16 * UNIT * (1 + Math.max(...sizeOf({ low, high })));
  const share = (k, of) => 1 / (1 + others(k).reduce((sum, j) => sum + Math.exp(of(j)), 0));
  return {
    low: Array.from({ length: n }, (_, k) => share(k, (j) => -gaps[k * n + j])),
    high: Array.from({ length: n }, (_, k) => share(k, (j) => gaps[j * n + k])),
    proven: Array.from({ length: n }, (_, k) => k).some((k) => others(k).every((j) => gaps[k * n + j] > rounding)),
  };
}

// The largest multiple of a unit that is proven, to 1 %, as certified_radius of graph/graph.py; Infinity where all are.
export function largestProven(model, x, unit, ends) {
  const steps = stepsOf(model);
  let [proven, refuted, tried] = [0, Infinity, 1];
  while (tried <= 2 ** 30 && tried >= 2 ** -20 && refuted > 1.01 * proven) {
    const found = proofOf(model, x, tried * unit, ends, steps);
    if (!found) return null;
    if (found.proven) proven = tried;
    else refuted = tried;
    tried = refuted === Infinity ? 2 * proven : proven > 0 ? (proven + refuted) / 2 : refuted / 2;
  }
  return tried > 2 ** 30 ? Infinity : proven;
}
