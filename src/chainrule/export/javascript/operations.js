// The operations of a graph for one row: the formulas of chainrule.graph.columns and chainrule.graph.numbers in JavaScript.
// Each takes its settings once and returns a function of the values that it reads: Float64Array of numbers, arrays of codes,
// and text or null.

import { activations, erf, tail } from './activations.js';

/** @typedef {ArrayLike<number> & {shape?: number[]}} Numbers */

const DAY = 86400;

// k = 0, ..., n - 1 to f(k).
function made(n, f) {
  const out = new Float64Array(n);
  for (let k = 0; k < n; ++k) out[k] = f(k);
  return out;
}

// a W + b of the `inputs` numbers of a from `from` on; W (inputs, outputs) begins at `at`, b at `bias`. In float64.
export function product(a, W, b, inputs, outputs, from = 0, at = 0, bias = 0) {
  const z = new Float64Array(outputs);
  if (b) for (let j = 0; j < outputs; ++j) z[j] = b[bias + j];
  for (let i = 0; i < inputs; ++i) {
    const value = a[from + i];
    if (value === 0) continue;
    for (let j = 0, k = at + i * outputs; j < outputs; ++j, ++k) z[j] += value * W[k];
  }
  return z;
}

// The softmax of each of `groups` groups of numbers. In float64.
export function softmaxes(x, groups) {
  const size = x.length / groups, out = new Float64Array(x.length);
  for (let start = 0; start < x.length; start += size) {
    let most = -Infinity, sum = 0;
    for (let k = start; k < start + size; ++k) if (!(x[k] <= most)) most = x[k];
    for (let k = start; k < start + size; ++k) sum += out[k] = Math.exp(x[k] - most);
    for (let k = start; k < start + size; ++k) out[k] /= sum;
  }
  return out;
}

// Phi^-1(p): an estimate (Abramowitz and Stegun 26.2.23), and two of Halley's steps.
function normalQuantile(p) {
  if (!(p > 0 && p < 1)) return p === 0 ? -Infinity : p === 1 ? Infinity : NaN;
  if (p === 0.5) return 0;
  const share = Math.min(p, 1 - p), t = Math.sqrt(-2 * Math.log(share));
  let x = (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
  for (let step = 0; step < 2; ++step) {
    const at = -x / Math.SQRT2, below = 0.5 * (at >= 1.5 ? tail(at) : 1 - erf(at));
    const u = (below - share) * Math.sqrt(2 * Math.PI) * Math.exp((x * x) / 2);
    x -= u / (1 + (x * u) / 2);
  }
  return p < 0.5 ? x : -x;
}

const functions = {
  exp: Math.exp,
  log: Math.log,
  soft_clip: (z) => z / Math.sqrt(1 + (z / 3) ** 2),
  sin_turns: (turns) => Math.sin(2 * Math.PI * turns),
  cos_turns: (turns) => Math.cos(2 * Math.PI * turns),
  normal_quantile: normalQuantile,
};

// How many of the ascending numbers grid[from], ..., grid[to - 1] are below x, or not above it.
function count(grid, from, to, x, orEqual) {
  let low = from, high = to;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (orEqual ? grid[middle] <= x : grid[middle] < x) low = middle + 1; else high = middle;
  }
  return low - from;
}

// The share of the numbers of training below x, by their quantiles grid[from], ..., grid[from + n - 1].
function share(grid, from, n, x) {
  if (Number.isNaN(x)) return NaN;
  const first = count(grid, from, from + n, x, false), beyond = count(grid, from, from + n, x, true), step = 1 / (n - 1);
  if (beyond > first) return ((first + beyond - 1) * step) / 2;
  if (first === 0) return 0;
  if (first === n) return 1;
  const low = grid[from + first - 1], slope = step / (grid[from + first] - low);
  return (first - 1) * step + slope * (x - low);
}

const calendar = {
  days: (x, origin) => (x - origin) / DAY,
  year: (x) => new Date(x * 1000).getUTCFullYear(),
  year_turn(x) {
    const first = new Date(0);
    first.setUTCFullYear(new Date(x * 1000).getUTCFullYear());
    return (Math.floor(x / DAY) - first.getTime() / 1000 / DAY) / 365.25;
  },
  leap_day(x) {
    const date = new Date(Math.floor(x / DAY) * DAY * 1000);
    return (Date.UTC(2000, date.getUTCMonth(), date.getUTCDate()) - Date.UTC(2000, 0, 1)) / 1000 / DAY;
  },
  weekday_turn: (x) => ((((Math.floor(x / DAY) + 3) % 7) + 7) % 7) / 7,   // 1970 began on a Thursday
  day_turn: (x) => (x - Math.floor(x / DAY) * DAY) / DAY,
};

export const operations = {
  to_precision: () => (x) => x,

  level_codes({ levels, spellings }) {
    const known = new Map(levels.map((level, k) => [level, k])), spelled = new Map(spellings);
    return (text) => [text === null ? levels.length + 1 : known.get(text) ?? spelled.get(text.toLowerCase()) ?? levels.length];
  },
  whole_codes: (own) => (x) => [Number.isInteger(x[0]) && x[0] >= 0 && x[0] < own.count ? x[0] : 0],
  table_rows({ table }) {
    const size = table.shape[1];
    return ([code]) => made(size, (k) => table[code * size + k]);
  },
  one_hot: (own) => ([code]) => made(own.count, (k) => (k === code ? own.on : 0)),

  kept_range: ({ low, high, marks }) => (x) => made(x.length, (k) => (x[k] >= low[k] && x[k] <= high[k] && !marks.includes(x[k]) ? x[k] : NaN)),
  bounded: ({ low, high }) => (x) => made(x.length, (k) => Math.min(Math.max(x[k], low[k]), high[k])),
  missing_marks: () => (x) => made(x.length, (k) => (Number.isNaN(x[k]) ? 1 : 0)),
  filled_missing: ({ fill }) => (x) => made(x.length, (k) => (Number.isNaN(x[k]) ? fill[k] : x[k])),
  rank_shares({ grid }) {
    const n = grid.shape[1];
    return (x) => made(x.length, (k) => share(grid, k * n, n, x[k]));
  },
  calendar_part: ({ part, origin }) => (x) => made(x.length, (k) => (Number.isNaN(x[k]) ? NaN : calendar[part](x[k], origin))),
  cell_numbers: ({ edges }) => (x) => made(x.length, (k) => (Number.isNaN(x[k]) ? 0 : 1 + count(edges, 0, edges.length, x[k], true))),

  elementwise({ function: name, constants }) {
    const own = Object.fromEntries(constants), { f } = activations[name] ?? { f: functions[name] };
    return (x) => made(x.length, (k) => f(x[k], own));
  },
  columnwise: ({ center, factor, offset }) => (x) => made(x.length, (k) => (x[k] - center[k]) * factor[k] + offset[k]),
  affine({ W, b }) {
    const [inputs, outputs] = W.shape;
    return (x) => product(x, W, b, inputs, outputs);
  },
  grouped_affine({ W, b, groups }) {
    const [own, inputs, outputs] = W.shape;
    return (x) => {
      const out = new Float64Array(groups * outputs);
      for (let g = 0; g < groups; ++g) {
        const of = own > 1 ? g : 0;
        out.set(product(x, W, b, inputs, outputs, g * inputs, of * inputs * outputs, of * outputs), g * outputs);
      }
      return out;
    };
  },
  negative_slopes: ({ slope }) => (x) => made(x.length, (k) => (x[k] > 0 ? x[k] : slope[k] * x[k])),
  between: ({ alpha }) => (x, y) => made(x.length, (k) => x[k] + alpha[k] * (y[k] - x[k])),
  group_softmax: ({ groups }) => (x) => softmaxes(x, groups),
  group_mean: ({ groups }) => (x) => made(x.length / groups, (k) => {
    let sum = 0;
    for (let at = k; at < x.length; at += x.length / groups) sum += x[at];
    return sum / groups;
  }),
  weighted_sum: ({ weights }) => (...values) => made(values[0].length, (k) => values.reduce((sum, x, i) => sum + weights[i] * x[k], 0)),
  ratio: () => (x, y) => made(x.length, (k) => x[k] / y[0]),
  similar_rows({ rows, codes, by_number: a, by_same: s, by_code: b, known }) {
    const [count, outputs] = known.shape, columns = a.length, categories = b.length;
    return (x) => {
      const own = Float32Array.from(x), out = new Float64Array(outputs);
      for (let i = 0; i < count; ++i) {
        let d = 0;
        for (let j = 0, at = i * columns; j < columns; ++j) {
          const row = rows[at + j], apart = own[j] - row;
          d += a[j] * apart ** 2;
          if (j < s.length && Math.abs(apart) > 2e-6 * (1 + Math.abs(row))) d += s[j];
        }
        for (let c = 0, at = i * categories; c < categories; ++c) if (own[columns + c] !== codes[at + c]) d += b[c];
        const alike = Math.exp(-d);
        for (let k = 0, at = i * outputs; k < outputs; ++k) out[k] += alike * known[at + k];
      }
      return out;
    };
  },
  joined_columns: () => (...values) => {
    const out = new Float64Array(values.reduce((sum, x) => sum + x.length, 0));
    values.reduce((at, x) => (out.set(x, at), at + x.length), 0);
    return out;
  },
  selected_columns: ({ columns }) => (x) => made(columns.length, (k) => x[columns[k]]),
  linear_pieces({ knots, starts, rises }) {
    const [, pieces, size] = starts.shape;
    return (x) => made(x.length * size, (at) => {
      const column = Math.floor(at / size), first = column * pieces, value = x[column];
      const piece = first + count(knots, first + 1, first + pieces, value, true), k = piece * size + (at % size);
      return starts[k] + (value - knots[piece]) * rises[k];
    });
  },
  cosine_vectors({ w, b, W, c }) {
    const [width, frequencies, sums] = W.shape;
    return (x) => {
      const out = new Float64Array(width * (sums + 1));
      for (let column = 0; column < width; ++column) {
        const first = column * frequencies;
        const z = made(frequencies, (f) => Math.cos(2 * Math.PI * (w[first + f] * x[column]) + b[first + f]));
        out.set(product(z, W, c, frequencies, sums, 0, first * sums, column * sums), column * (sums + 1));
        out[column * (sums + 1) + sums] = x[column];
      }
      return out;
    };
  },

  largest_column: () => (x) => {
    let best = 0;
    for (let k = 1; k < x.length && !Number.isNaN(x[best]); ++k) if (!(x[k] <= x[best])) best = k;
    return [best];
  },
  above_threshold: ({ threshold, or_equal }) => (x) => Array.from(x, (value) => Number(or_equal ? value >= threshold : value > threshold)),
  sorted_columns: ({ order }) => (x) => {
    const sorted = Float64Array.from(x).sort(), out = new Float64Array(x.length);
    order.forEach((column, k) => { out[column] = sorted[k]; });
    return out;
  },
};
