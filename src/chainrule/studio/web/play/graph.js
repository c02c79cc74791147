// The two passes of a network in float64 with every number kept, as variables and the edges between them:
// inspection/derivation/graph.py and local_derivatives.py in JavaScript.
import { activations, sigmoid } from '../activations.js';
import { lossOf } from '../losses.js';
import { product as rowProduct, softmaxes } from '../operations.js';
import { call, fraction, number, product, sum } from './markup.js';
import { lettersOf } from './letters.js';

/**
 * @typedef {{name: string, kind: string, fan_in: number, fan_out: number, branches: Link[][]} & Record<string, any>} Link
 * @typedef {{link: Link | null, width: number, value: Float64Array, edges: Edge[], sources: string[]}} Variable
 * @typedef {{rows: number[], columns: number[], factors: ArrayLike<number>}} Cells
 * @typedef {object} Edge
 * @property {Link} link
 * @property {Variable} source
 * @property {Variable} target
 * @property {'dense' | 'cellwise' | 'batch_norm'} kind
 * @property {(delta: Float64Array) => Float64Array} backward  dL by each source cell
 * @property {(size: Float64Array) => Float64Array} backwardSize  the same of absolute values
 * @property {(i: number, k: number) => Cells} cells  the target cells that depend on a source cell
 * @property {(i: number, k: number, row: number, column: number) => any} factor
 * @property {(field: string, index: number[]) => Cells} [parameterCells]
 * @property {(field: string, index: number[], row: number, column: number) => any} [parameterFactor]
 * @property {Float64Array} [slopes]  of an elementwise link
 */

const range = (n) => Array.from({ length: n }, (_, k) => k);
const filled = (n, value) => new Float64Array(n).fill(value);

// A W + b (n, outputs) of A (n, inputs); W (inputs, outputs).
function affine(a, W, b, n, inputs, outputs) {
  const z = new Float64Array(n * outputs);
  for (let i = 0; i < n; ++i) z.set(rowProduct(a, W, b, inputs, outputs, i * inputs), i * outputs);
  return z;
}

// delta W^T of n rows, or |delta| |W|^T.
function pulled(delta, W, n, inputs, outputs, sized) {
  const back = new Float64Array(n * inputs);
  for (let i = 0; i < n; ++i)
    for (let k = 0; k < inputs; ++k) {
      let total = 0;
      for (let j = 0, at = k * outputs, from = i * outputs; j < outputs; ++j) total += delta[from++] * (sized ? Math.abs(W[at++]) : W[at++]);
      back[i * inputs + k] = total;
    }
  return back;
}

// dL by output k of sample i as a formula, for one sample.  letters: of letters.js; a, y: the output and its target.
const formulas = {
  softmax_cross_entropy: (letters, variable, i, k, a, y) => sum(call('softmax', letters.row(variable.link, i), softmaxes(row(variable, i), 1)[k], { below: String(k) }), [-1, y]),
  sigmoid_cross_entropy: (letters, variable, i, k, a, y) => sum(call('sigmoid', a, sigmoid(a.value)), [-1, y]),
  mean_squared_error: (letters, variable, i, k, a, y, { half }) => (half ? sum(a, [-1, y]) : product(number(2), sum(a, [-1, y]))),
};

/** The loss of a model, that the page must know.  @param {any} model */
export function needLoss(model) {
  const loss = lossOf(model.loss);
  if (!loss) throw new Error(`the page does not derive ${model.loss.kind}; use chainrule studio.`);
  return loss;
}

const row = ({ value, width }, i) => value.slice(i * width, (i + 1) * width);

/**
 * Both passes of a model for n samples.
 * @param {any} model  as network.js describes it  @param {Float64Array} x  (n, inputs)  @param {Float64Array} y  (n, outputs)
 * @param {{isTraining?: boolean, arrays?: Record<string, ArrayLike<number>>}} [options]  isTraining: batch norm by the batch
 */
export function createGraph(model, x, y, n, options = {}) {
  const { isTraining = false, arrays = model.arrays } = options;
  const loss = needLoss(model), { l2 = 0, l1 = 0 } = model;
  /** @type {Variable} */
  const input = { link: null, width: model.inputs, value: x, edges: [], sources: [] };
  const variables = [input], owners = new Map();
  let letters = null;

  function cellwise(link, source, target, slopes, factor) {
    return { link, source, target, kind: 'cellwise', slopes,
      backward: (delta) => delta.map((d, at) => d * slopes[at]),
      backwardSize: (size) => size.map((s, at) => s * Math.abs(slopes[at])),
      cells: (i, k) => ({ rows: [i], columns: [k], factors: [slopes[i * source.width + k]] }),
      factor: factor ?? ((i, k) => number(slopes[i * source.width + k])) };
  }

  const penaltyOf = (w) => 0.5 * l2 * w * w + l1 * Math.abs(w), slopeOfPenalty = (w) => l2 * w + l1 * Math.sign(w);
  const cellOf = (variable, i, k) => letters.cell(variable.link, i, k, variable.value[i * variable.width + k]);
  const column = (factors, j) => ({ rows: range(n), columns: factors.map(() => j), factors });

  function denseEdge(link, source, target, W) {
    const { fan_in: inputs, fan_out: outputs } = link;
    return { link, source, target, kind: 'dense', W,
      backward: (delta) => pulled(delta, W, n, inputs, outputs, false),
      backwardSize: (size) => pulled(size, W, n, inputs, outputs, true),
      cells: (i, k) => ({ rows: range(outputs).fill(i), columns: range(outputs), factors: W.subarray(k * outputs, (k + 1) * outputs) }),
      factor: (i, k, _, j) => letters.parameter(link, 'W', [k, j], W[k * outputs + j]),
      parameterCells: (field, index) => column(range(n).map((i) => (field === 'W' ? source.value[i * inputs + index[0]] : 1)), index[index.length - 1]),
      parameterFactor: (field, index, i) => (field === 'W' ? cellOf(source, i, index[0]) : number(1)) };
  }

  function batchNormEdge(link, source, target, stats) {
    const { width } = source, { mean, std, gamma } = stats, hat = source.value.map((v, at) => (v - mean[at % width]) / std[at % width]);
    const scale = (j) => gamma[j] / std[j];
    const means = (values, j) => range(n).reduce((all, i) => all + values(i * width + j), 0) / n;
    return { link, source, target, kind: 'batch_norm', isTraining,
      backward: (delta) => {
        const first = range(width).map((j) => (isTraining ? means((at) => delta[at], j) : 0)), second = range(width).map((j) => (isTraining ? means((at) => delta[at] * hat[at], j) : 0));
        return delta.map((d, at) => scale(at % width) * (d - first[at % width] - hat[at] * second[at % width]));
      },
      backwardSize: (size) => {
        const first = range(width).map((j) => (isTraining ? means((at) => size[at], j) : 0)), second = range(width).map((j) => (isTraining ? means((at) => size[at] * Math.abs(hat[at]), j) : 0));
        return size.map((s, at) => Math.abs(scale(at % width)) * (s + first[at % width] + Math.abs(hat[at]) * second[at % width]));
      },
      cells: (i, k) => (isTraining ? column(range(n).map((m) => scale(k) * ((m === i ? 1 : 0) - 1 / n - (hat[i * width + k] * hat[m * width + k]) / n)), k)
        : { rows: [i], columns: [k], factors: [scale(k)] }),
      factor: (i, k, m) => {
        const front = fraction(letters.parameter(link, 'gamma', [k], gamma[k]), letters.statistic(link, 'std', String(k), std[k], 'sigma'));
        if (!isTraining) return front;
        const of = (at) => letters.statistic(link, 'x_hat', letters.index(at, k), hat[at * width + k], 'x_hat');
        const rest = [[-1, fraction(number(1), number(n))], [-1, fraction(product(of(i), of(m)), number(n))]];
        return product(front, m === i ? sum(number(1), ...rest) : sum(...rest));
      },
      parameterCells: (field, index) => column(range(n).map((i) => (field === 'gamma' ? hat[i * width + index[0]] : 1)), index[0]),
      parameterFactor: (field, index, i) => (field === 'gamma' ? letters.statistic(link, 'x_hat', letters.index(i, index[0]), hat[i * width + index[0]], 'x_hat') : number(1)) };
  }

  function statistics(link, source) {
    const { width } = source, of = (field) => arrays[`${link.name}.${field}`];
    let [mean, variance] = [of('mean'), of('var')];
    if (isTraining) {
      mean = range(width).map((j) => range(n).reduce((all, i) => all + source.value[i * width + j], 0) / n);
      variance = range(width).map((j) => range(n).reduce((all, i) => all + (source.value[i * width + j] - mean[j]) ** 2, 0) / n);
    }
    return { mean, std: Array.from(variance, (v) => Math.sqrt(v + link.eps)), gamma: of('gamma'), beta: of('beta') };
  }

  function pass(link, source) {
    const of = (field) => arrays[`${link.name}.${field}`], { width } = source, { name, kind } = link;
    /** @type {Variable} */
    const target = { link, width: link.fan_out, value: source.value, edges: [], sources: [source.link ? source.link.name : 'input'] };
    let edge;
    if (kind === 'dense' || kind === 'projection') {
      const W = of('W'), b = kind === 'dense' ? of('b') : null;
      target.value = affine(source.value, W, b, n, link.fan_in, link.fan_out);
      edge = denseEdge(link, source, target, W);
    } else if (kind === 'batch_norm') {
      const stats = statistics(link, source);
      target.value = source.value.map((v, at) => (stats.gamma[at % width] * (v - stats.mean[at % width])) / stats.std[at % width] + stats.beta[at % width]);
      edge = batchNormEdge(link, source, target, stats);
    } else if (kind === 'rescale' || kind === 'dropout') {
      const { scale = 1, offset = 0 } = kind === 'rescale' ? link : {};
      target.value = source.value.map((v) => v * scale + offset);
      edge = cellwise(link, source, target, filled(source.value.length, scale), null);
    } else if (kind === 'standardize') {
      const [mean, std] = [of('mean'), of('std')];
      target.value = source.value.map((v, at) => (v - mean[at % width]) / std[at % width]);
      edge = cellwise(link, source, target, source.value.map((_, at) => 1 / std[at % width]), (i, k) => fraction(number(1), letters.statistic(link, 'std', String(k), std[k], 'sigma')));
    } else if (kind === 'scale') {
      const s = of('s');
      target.value = source.value.map((v, at) => v * s[at % width]);
      edge = { ...cellwise(link, source, target, source.value.map((_, at) => s[at % width]), (i, k) => letters.parameter(link, 's', [k], s[k])),
        parameterCells: (field, index) => column(range(n).map((i) => source.value[i * width + index[0]]), index[0]), parameterFactor: (field, index, i) => cellOf(source, i, index[0]) };
    } else if (kind === 'shift') {
      const b = of('b');
      target.value = source.value.map((v, at) => v + b[at % width]);
      edge = { ...cellwise(link, source, target, filled(source.value.length, 1), null), parameterCells: (field, index) => column(filled(n, 1), index[0]), parameterFactor: () => number(1) };
    } else if (kind === 'prelu') {
      const slope = of('slope'), below = (i, k) => Math.min(source.value[i * width + k], 0);
      target.value = source.value.map((v, at) => (v > 0 ? v : slope[at % width] * v));
      edge = { ...cellwise(link, source, target, source.value.map((v, at) => (v > 0 ? 1 : slope[at % width])), (i, k) => (source.value[i * width + k] > 0 ? number(1) : letters.parameter(link, 'slope', [k], slope[k]))),
        parameterCells: (field, index) => column(range(n).map((i) => below(i, index[0])), index[0]), parameterFactor: (field, index, i) => (below(i, index[0]) < 0 ? cellOf(source, i, index[0]) : number(0)) };
    } else {
      const { f, prime } = activations[kind] ?? {};
      if (!prime) throw new Error(`the page does not derive ${kind}; use chainrule studio.`);
      target.value = source.value.map((v) => f(v, link));
      edge = cellwise(link, source, target, source.value.map((v, at) => prime(v, target.value[at], link)), (i, k) => (kind === 'identity' ? number(1)
        : call(kind, cellOf(source, i, k), edge.slopes[i * width + k], { prime: true })));
    }
    source.edges.push(edge);
    owners.set(name, edge);
    variables.push(target);
    return target;
  }

  function walk(links, source) {
    for (const link of links) {
      if (!link.branches.length) {
        source = pass(link, source);
        continue;
      }
      const from = source, ends = link.branches.map((chain) => walk(chain, from));
      const target = { link, width: link.fan_out, value: ends[0].value.map((v, at) => v + ends[1].value[at]), edges: [], sources: ends.map((end) => (end.link ? end.link.name : 'input')) };
      for (const end of ends) end.edges.push(cellwise(link, end, target, filled(target.value.length, 1), null));
      variables.push(target);
      source = target;
    }
    return source;
  }

  const out = walk(model.links, input), targets = range(n).map((i) => y.slice(i * out.width, (i + 1) * out.width));
  const each = targets.map((target, i) => loss.value(row(out, i), target)), gradient = targets.flatMap((target, i) => [...loss.gradient(row(out, i), target)]);
  const penalty = l2 || l1 ? Object.entries(arrays).reduce((all, [name, values]) => all + (name.endsWith('.W') ? values.reduce((s, w) => s + penaltyOf(w), 0) : 0), 0) : 0;
  const total = each.reduce((all, v) => all + v, 0) / n + penalty;
  letters = lettersOf({ links: model.links, n, loss: total, inputs: model.inputs, isPenalized: l2 || l1 });

  // Fills the map from variables to what arrives at their cells (n, width), from the output's on back to a variable; rule: what an edge hands to its source.
  /** @param {Map<Variable, Float64Array>} found  @param {Variable} variable  @param {(edge: Edge, given: Float64Array) => Float64Array} rule */
  function back(found, variable, rule) {
    for (let at = variables.length - 1; at >= 0 && !found.has(variable); --at) {
      const v = variables[at];
      if (found.has(v)) continue;
      const parts = v.edges.map((edge) => rule(edge, found.get(edge.target)));
      found.set(v, parts.length === 1 ? parts[0] : parts[0].map((_, k) => parts.reduce((all, part) => all + part[k], 0)));
    }
    return found.get(variable);
  }
  const derivative = (edge, delta) => edge.backward(delta), sizeOf = (edge, size) => edge.backwardSize(size);
  const deltas = new Map([[out, Float64Array.from(gradient, (g) => g / n)]]), sizes = new Map([[out, Float64Array.from(gradient, (g) => Math.abs(g) / n)]]);

  return {
    model, n, input, out, variables, owners, letters, l2, l1, penaltyOf, slopeOfPenalty, losses: each, penalty, loss: total, isTraining, targets,
    /** @param {Variable} variable */
    delta: (variable) => back(deltas, variable, derivative),
    /** @param {Variable} variable */
    size: (variable) => back(sizes, variable, sizeOf),
    cellOf,
    // The derivative of V out by each input (n, inputs), for V (outputs).
    pullback: (V) => back(new Map([[out, Float64Array.from({ length: n * out.width }, (_, at) => V[at % out.width])]]), input, derivative),
    /** What arrives at the inputs of what begins at the outputs (n, outputs), by a rule in place of the derivative.  @param {Float64Array} start */
    pull: (start, rule) => back(new Map([[out, start]]), input, rule),
    // dL by an output as a formula.
    leaf(i, k) {
      const a = cellOf(out, i, k), target = letters.target(i, k, out.width, loss.smooth(targets[i])[k], Boolean(model.loss.label_smoothing)), share = n === 1 ? number(1) : fraction(number(1), number(n));
      return product(share, formulas[model.loss.kind](letters, out, i, k, a, target, model.loss));
    },
    // dL by each number of a parameter, with the penalty.
    gradientOf(name) {
      const [of, field] = name.split('.'), { link, source, target } = owners.get(of), values = arrays[name], g = new Float64Array(values.length), delta = back(deltas, target, derivative);
      if (field === 'W') {
        for (let i = 0; i < n; ++i)
          for (let k = 0; k < link.fan_in; ++k) {
            const a = source.value[i * link.fan_in + k];
            if (a !== 0) for (let j = 0, at = k * link.fan_out; j < link.fan_out; ++j) g[at++] += a * delta[i * link.fan_out + j];
          }
        if (l2 || l1) for (let at = 0; at < g.length; ++at) g[at] += slopeOfPenalty(values[at]);
        return g;
      }
      const { parameterCells } = owners.get(of);
      for (let j = 0; j < values.length; ++j) {
        const { rows, factors } = parameterCells(field, [j]);
        for (let at = 0; at < rows.length; ++at) g[j] += factors[at] * delta[rows[at] * target.width + j];
      }
      return g;
    },
  };
}
