// The loss of one sample as a function of one weight, and its derivative by the chain rule: computed in the page, in double precision, from
// the walk and the links behind the weight, so that they follow a weight that is dragged. Pure functions.
import { activations } from '../activations.js';
import { lossOf } from '../losses.js';
import { product } from '../operations.js';
import { outOf, rowOf } from './backprop_steps.js';
import { factorsOf } from './backprop_tasks.js';

const DELTA = 1e-5;      // for the slope of a function that has none of its own here
const AGREES = 1e-3;     // relative error of the walk's loss, computed here, up to which this is the walk's network

// y = f(x) number by number: [f(x, k), f'(x, k)] by the kind of link.
function elementwise(link, of) {
  switch (link.kind) {
    case 'dropout': return [(x) => x, () => 1];
    case 'rescale': return [(x) => x * link.scale + link.offset, () => link.scale];
    case 'standardize': return [(x, k) => (x - of('mean')[k]) / of('std')[k], (x, k) => 1 / of('std')[k]];
    case 'batch_norm': {
      const slope = (k) => of('gamma')[k] / Math.sqrt(of('var')[k] + link.eps);
      return [(x, k) => (x - of('mean')[k]) * slope(k) + of('beta')[k], (x, k) => slope(k)];
    }
    case 'scale': return [(x, k) => x * of('s')[k], (x, k) => of('s')[k]];
    case 'shift': return [(x, k) => x + of('b')[k], () => 1];
    default: {
      const { f, prime } = activations[link.kind] || {};
      if (!f) return null;
      return [(x) => f(x, link), (x) => (prime ? prime(x, f(x, link), link) : (f(x + DELTA, link) - f(x - DELTA, link)) / (2 * DELTA))];
    }
  }
}

// A link as {forward(x), backward(x, d)}: d is dL by what it gives out, what comes back dL by x. null for one that is not known here.
function passOf(link, arrays) {
  const of = (field) => arrays[`${link.name}.${field}`], { fan_in: rows, fan_out: columns } = link;
  if (link.kind === 'dense' || link.kind === 'projection') {
    const W = of('W'), b = link.kind === 'dense' ? of('b') : null;
    return {
      forward: (x) => product(x, W, b, rows, columns),
      backward(x, d) {
        const back = new Float64Array(rows);
        for (let i = 0; i < rows; ++i) for (let j = 0, at = i * columns; j < columns; ++j) back[i] += W[at + j] * d[j];
        return back;
      },
    };
  }
  const both = link.branches.length ? null : elementwise(link, of);
  return both && { forward: (x) => x.map(both[0]), backward: (x, d) => d.map((value, k) => value * both[1](x[k], k)) };
}

// The loss of the sample at hand and its derivative by the outputs: {value(out), gradient(out)}. null for a loss that is not known here.
function lossHere({ walk, network, row }) {
  const { model } = network, { scale } = model, loss = lossOf(model.loss), label = walk.labels === null ? null : walk.labels[row];
  const y = label === null ? Array.from(rowOf(walk.target, row), (value, k) => (scale ? (value - scale.mean[k]) / scale.std[k] : value))
    : model.task === 'multiclass' ? Array.from({ length: model.outputs }, (_, k) => Number(k === label)) : [label];
  return loss && { value: (out) => loss.value(out, y), gradient: (out) => loss.gradient(out, y) };
}

/**
 * What a weight's loss is a function of: null where the links behind it, the loss or the samples are not known here; else {w, at(w)}, where
 * at() gives {loss, z, a, outer, middle, inner, derivative} for a value of the weight.
 * @param {{walk: any, network: any, row: number}} found  @param {any} weight
 */
export function movedOf(found, weight) {
  const { walk, network, row } = found, factors = factorsOf(found, weight), loss = factors && lossHere(found);
  if (!loss) return null;
  const { link, behind, j, w, inner } = factors, start = Float64Array.from(rowOf(link.out, row)), rest = walk.links.slice(walk.links.indexOf(link) + 1);
  if (rest.some((one, k) => one.sources.length > 1 || one.sources[0] !== (k ? rest[k - 1] : link).name)) return null;
  const passes = rest.map(({ name }) => passOf(network.link(name), network.arrays));
  if (passes.some((one) => !one)) return null;

  function at(value) {
    const z = Float64Array.from(start), ins = [];
    z[j] += (value - w) * inner;
    const out = passes.reduce((x, pass) => { ins.push(x); return pass.forward(x); }, z);
    let d = Float64Array.from(loss.gradient(out)), outer = null;
    for (let k = passes.length - 1; k >= 0; --k) {
      if (behind && k === 0) outer = d[j];
      d = passes[k].backward(ins[k], d);
    }
    const middle = behind ? d[j] / (outer || 1) : 1;
    return { loss: loss.value(out), z: z[j], a: behind ? passes[0].forward(z)[j] : z[j], outer: behind ? outer : d[j], middle: outer === 0 ? factors.middle : middle, inner, derivative: d[j] * inner };
  }

  const here = at(w).loss;
  return Math.abs(here - walk.losses[row]) <= AGREES * Math.max(1e-3, Math.abs(here)) ? { w, at } : null;
}

/** The matrix of a layer and the gradients of one sample by it, {rows, columns, W, G}.  @param {any} found  @param {string} name */
export function matrixOf({ walk, network, row }, name) {
  const link = walk.links.find((one) => one.name === name), W = network.arrays[`${name}.W`], [rows, columns] = W.shape, x = outOf(walk, link.sources[0], row), d = rowOf(link.error, row);
  return { rows, columns, W, G: Float32Array.from(W, (_, at) => x[Math.floor(at / columns)] * d[at % columns]) };
}
