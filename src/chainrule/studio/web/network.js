// A model in the page: its links with their numbers, and the forward pass. formulas/layers in JavaScript, for prediction.

import { activations, parametric, sigmoid } from './activations.js';
import { ordinalShares } from './losses.js';
import { product, softmaxes } from './operations.js';

const within = (y, scale, j) => (scale.low ? Math.min(Math.max(y, scale.low[j]), scale.high[j]) : y);

const dense = (a, W, b) => Float32Array.from(product(a, W, b, ...W.shape));

// Each of `groups` parts of a times its own W (groups, inputs, outputs), or all times one W (inputs, outputs).
function groupedDense(a, { groups, shared }, W, b) {
  const [inputs, outputs] = W.shape.slice(-2), out = new Float32Array(groups * outputs);
  for (let g = 0; g < groups; ++g) {
    const of = shared ? 0 : g;
    out.set(product(a, W, b, inputs, outputs, g * inputs, of * inputs * outputs, of * outputs), g * outputs);
  }
  return out;
}

export const softmax = (z) => Float32Array.from(softmaxes(z, 1));

// [x_rest, E1[x_c1], ...]: columns [[column, codes, size], ...]; what is no code is 0.
function embedding(a, columns, of) {
  const read = new Set(columns.map(([column]) => column));
  const vectors = columns.map(([column, codes, size], t) => {
    const x = a[column], c = Number.isInteger(x) && x >= 0 && x < codes ? x : 0;
    return of(`E${t + 1}`).subarray(c * size, (c + 1) * size);
  });
  return Float32Array.from([...a.filter((_, j) => !read.has(j)), ...vectors.flatMap((vector) => [...vector])]);
}

// x w0 + b0 + (E of the bins below x's) + (the part of x's bin below x) E in place of each x of the columns, or of all.
function piecewiseLinear(a, { size, bins: most, columns }, of) {
  const [edges, bins, w0, b0, E] = ['edges', 'bins', 'w0', 'b0', 'E'].map(of);
  const place = new Map((columns ?? [...a.keys()]).map((column, t) => [column, t]));
  return Float32Array.from([...a].flatMap((x, column) => {
    if (!place.has(column)) return [x];
    const t = place.get(column), edge = (b) => edges[t * (most + 1) + b];
    let j = 0;
    while (j + 1 < bins[t] && x >= edge(j + 1)) ++j;
    const width = edge(j + 1) - edge(j), part = bins[t] > 0 && width > 0 ? (x - edge(j)) / width : 0;
    return Array.from({ length: size }, (_, k) => {
      const at = (b) => E[(t * most + b) * size + k];
      let e = x * w0[t * size + k] + b0[t * size + k] + part * at(j);
      for (let b = 0; b < j; ++b) e += at(b);
      return e;
    });
  }));
}

// [cos(2 pi w1 x + b1) W2 + b2, x] in place of each x of the columns, or of all.
function periodic(a, { frequencies, size, columns }, of) {
  const [w1, b1, W2, b2] = ['w1', 'b1', 'W2', 'b2'].map(of), sums = size - 1;
  const place = new Map((columns ?? [...a.keys()]).map((column, t) => [column, t]));
  return Float32Array.from([...a].flatMap((x, column) => {
    if (!place.has(column)) return [x];
    const t = place.get(column), e = [...b2.subarray(t * sums, (t + 1) * sums)];
    for (let f = t * frequencies; f < (t + 1) * frequencies; ++f) {
      const z = Math.cos(2 * Math.PI * w1[f] * x + b1[f]);
      for (let k = 0; k < sums; ++k) e[k] += z * W2[f * sums + k];
    }
    return [...e, x];
  }));
}

function step(link, a, arrays) {
  const of = (field) => arrays[`${link.name}.${field}`];
  switch (link.kind) {
    case 'dense': return dense(a, of('W'), of('b'));
    case 'projection': return dense(a, of('W'), null);
    case 'rescale': {
      const scaled = new Float32Array(a.length);   // of a picture's many pixels, in each frame
      for (let j = 0; j < a.length; ++j) scaled[j] = a[j] * link.scale + link.offset;
      return scaled;
    }
    case 'standardize': {
      const [mean, std] = ['mean', 'std'].map(of);
      return a.map((x, j) => (x - mean[j]) / std[j]);
    }
    case 'batch_norm': {
      const [gamma, beta, mean, variance] = ['gamma', 'beta', 'mean', 'var'].map(of);
      return a.map((x, j) => (gamma[j] * (x - mean[j])) / Math.sqrt(variance[j] + link.eps) + beta[j]);
    }
    case 'scale': {
      const scale = of('s');
      return a.map((x, j) => x * scale[j]);
    }
    case 'shift': {
      const b = of('b');
      return a.map((x, j) => x + b[j]);
    }
    case 'take': return Float32Array.from(link.columns, (k) => a[k]);
    case 'grouped_dense': return groupedDense(a, link, of('W'), link.bias ? of('b') : null);
    case 'prelu': {
      const slope = of('slope');
      return a.map((x, j) => (x > 0 ? x : slope[j] * x));
    }
    case 'parametric_activation': {
      const alpha = of('alpha');
      return a.map((z, j) => parametric(z, link, alpha[j]));
    }
    case 'embedding': return embedding(a, link.columns, of);
    case 'piecewise_linear_embedding': return piecewiseLinear(a, link, of);
    case 'periodic_embedding': return periodic(a, link, of);
    case 'dropout': return a;
    case 'softmax': return softmax(a);
    default: {
      const activation = activations[link.kind];
      if (!activation) throw new Error(link.kind);
      return a.map((z) => activation.f(z, link));
    }
  }
}

// Whether the page can run the model by itself; one with a layer of the user's own goes to the server.
function runsHere(links) {
  return links.every((link) => (link.branches.length
    ? (link.kind === 'residual' || link.kind === 'skip') && link.branches.every(runsHere)
    : link.kind in activations || (link.kind === 'parametric_activation' && link.function.kind in activations) || ['dense', 'projection', 'rescale', 'standardize', 'batch_norm', 'scale', 'prelu', 'dropout', 'softmax', 'embedding', 'piecewise_linear_embedding', 'periodic_embedding', 'take', 'grouped_dense', 'shift'].includes(link.kind)));
}

// Walks through a chain; `seen` gets {name, kind, link, a} of each link, those of a block's branches before the block itself.
function walk(links, a, arrays, seen) {
  for (const link of links) {
    const from = a;
    if (link.branches.length) {
      const [branch, shortcut] = link.branches.map((chain) => walk(chain, from, arrays, seen));
      a = link.kind === 'skip' ? Float32Array.from([...branch, ...shortcut]) : branch.map((x, j) => x + shortcut[j]);
    } else {
      a = step(link, from, arrays);
    }
    seen.push({ name: link.name, kind: link.kind, link, from, a });
  }
  return a;
}

// Every link, those of a block's branches before the block itself.
/** @param {Link[]} links  @returns {Link[]} */
export function flat(links) {
  return links.flatMap((link) => [...link.branches.flatMap(flat), link]);
}

function answerOf(model, kind, out) {
  if (model.task === 'multiclass') return kind === 'categorical_cross_entropy' ? out : kind === 'ordinal_cross_entropy' ? Float32Array.from(ordinalShares(out)) : softmax(out);
  if (model.task === 'regression') {
    return kind === 'survival_cross_entropy' ? out.map(sigmoid) : ['poisson', 'gamma', 'tweedie'].includes(kind) ? out.map(Math.exp)
      : model.scale ? Float32Array.from(out, (v, j) => within(v * model.scale.std[j] + model.scale.mean[j], model.scale, j)) : out;
  }
  const p = kind === 'binary_cross_entropy' ? out : out.map(sigmoid);
  return model.task === 'binary' ? Float32Array.from([1 - p[0], p[0]]) : p;
}

/**
 * @typedef {Float32Array & {shape?: number[]}} Numbers
 * @typedef {{name: string, kind: string, fan_in: number, fan_out: number, branches: Link[][]} & Record<string, any>} Link
 * @typedef {object} Model  as `described` of screens/model.py has it
 * @property {number} inputs
 * @property {number} outputs
 * @property {'multiclass' | 'binary' | 'multilabel' | 'regression'} task
 * @property {[number, number] | null} shape  rows and columns of a picture
 * @property {string[] | null} classes
 * @property {string[] | null} features
 * @property {Link[]} links
 * @property {Record<string, Numbers>} arrays
 * @property {any} loss
 * @property {any} scale
 * @typedef {ReturnType<typeof makeNetwork>} Network
 */

/** @param {Model} model */
export function makeNetwork(model) {
  const links = flat(model.links);
  const network = {
    model,
    links,
    arrays: model.arrays,
    runsHere: runsHere(model.links),
    link: (name) => links.find((link) => link.name === name),
    /** @param {ArrayLike<number>} x */
    forward(x) {
      /** @type {{name: string, kind: string, link: Link, from: Float32Array, a: Float32Array}[]} */
      const seen = [];
      walk(model.links, Float32Array.from(x), model.arrays, seen);
      return seen;
    },
    // What the outputs mean, of an ensemble on average: probabilities of classes or labels, or numbers in the targets' units.
    answer(out) {
      const { kind, loss, members } = model.loss;
      if (kind !== 'mean_over_members') return answerOf(model, kind, out);
      const n = out.length / members, answers = Array.from({ length: members }, (_, g) => answerOf(model, loss.kind, out.slice(g * n, (g + 1) * n)));
      return answers[0].map((_, k) => answers.reduce((sum, answer) => sum + answer[k], 0) / members);
    },
    // The classes from the likeliest on, of an answer that is one of several; none of another.
    /** @param {ArrayLike<number>} x */
    ranked(x) {
      if (model.task !== 'multiclass' && model.task !== 'binary') return [];
      const p = network.answer(network.forward(x).at(-1)?.a ?? Float32Array.from(x));
      return Array.from(p.keys()).sort((one, two) => p[two] - p[one]);
    },
    labels: () => model.classes || Array.from({ length: model.task === 'binary' ? 2 : model.outputs }, (_, i) => String(i)),
  };
  return network;
}
