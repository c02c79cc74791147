// The loss of one batch as a function of all parameters, in float64, and what a backward pass or a derivative along a direction says of it:
// training/without_backprop/landscape.py in JavaScript, for a chain of dense layers and activations.
import { activations } from '../activations.js';
import { softmaxes } from '../operations.js';
import { backward, forward, slotsOf, startOf, times } from '../passes.js';

/**
 * A chain of dense layers, with an activation behind each but the last, and where its parameters lie in one array.
 * @param {number[]} widths  inputs, hidden layers and outputs  @param {string} activation
 */
export function createChain(widths, activation) {
  const links = widths.slice(1).flatMap((fan_out, l) => [
    { kind: 'dense', name: `dense_${l + 1}`, fan_in: widths[l], fan_out, branches: [] },
    ...(l < widths.length - 2 ? [{ kind: activation, name: `${activation}_${l + 1}`, fan_in: fan_out, fan_out, branches: [] }] : []),
  ]);
  const slots = slotsOf({ links }).map(([name, start, shape]) => ({ name, start, stop: start + shape.reduce((n, axis) => n * axis, 1), isWeight: name.endsWith('.W'), fanOut: shape[shape.length - 1] }));
  const { stop: size } = slots[slots.length - 1];

  /** Views of the parameters by name.  @param {Float64Array} theta */
  const named = (theta) => Object.fromEntries(slots.map(({ name, start, stop }) => [name, theta.subarray(start, stop)]));

  /** The library's initial parameters. */
  function initial(seed) {
    const theta = new Float64Array(size), numbers = named(theta);
    for (const [name, values] of Object.entries(startOf({ links }, activation, seed, (value) => value))) numbers[name].set(values);
    return theta;
  }
  return { links, slots, size, outputs: widths[widths.length - 1], named, initial };
}

// The operations of a backward pass in forward passes; frozen: the first parameter that is trained.
function costOf({ links, slots }, first) {
  let ahead = 0, back = 0, isBelow = false;
  for (const { kind, name, fan_in, fan_out } of links) {
    const isDense = kind === 'dense', operations = isDense ? 2 * fan_in * fan_out : fan_in, own = isDense && slots.find((slot) => slot.name === `${name}.W`).start >= first;
    ahead += operations;
    back += operations * (Number(own) + Number(isBelow));
    isBelow ||= own;
  }
  return back / ahead;
}

/** The mean of logsumexp(z) - z_y.  @param {Float64Array} out  (n, classes)  @param {Int32Array} y */
export function meanLoss(out, y) {
  const width = out.length / y.length;
  let total = 0;
  for (let i = 0; i < y.length; ++i) {
    const first = i * width;
    let most = -Infinity, sum = 0;
    for (let k = first; k < first + width; ++k) if (!(out[k] <= most)) most = out[k];
    for (let k = first; k < first + width; ++k) sum += Math.exp(out[k] - most);
    total += most + Math.log(sum) - out[first + y[i]];
  }
  return total / y.length;
}

/**
 * @param {ReturnType<typeof createChain>} chain  @param {Float64Array} theta  left as it is  @param {{x: Float64Array, y: Int32Array}} batch
 * @param {number} [first]  the first parameter that is trained
 */
export function createLandscape(chain, theta, { x, y }, first = 0) {
  const { links, named, size, outputs } = chain, n = y.length, numbers = named(theta), passed = forward(links, x, n, numbers, true);
  const here = { theta, value: meanLoss(passed.a, y), passes: 1, lossAt, gradient, slope };

  function lossAt(point) {
    here.passes += 1;
    return meanLoss(forward(links, x, n, named(point), true).a, y);
  }

  // dL / d out
  function ofOutputs() {
    const delta = softmaxes(passed.a, n);
    for (let i = 0; i < n; ++i) delta[i * outputs + y[i]] -= 1;
    return delta.map((value) => value / n);
  }

  // dL / dx of what is trained, else 0; through: other parameters for the way back.
  function gradient(through = theta) {
    const g = new Float64Array(size), to = named(g), found = {};
    here.passes += costOf(chain, first);
    backward(passed, ofOutputs(), n, named(through), found);
    for (const [name, values] of Object.entries(found)) to[name].set(values);
    return g.fill(0, 0, first);
  }

  // dL / dx . v by a forward pass that carries derivatives.
  function slope(v) {
    const along = named(v);
    here.passes += costOf(chain, first);
    /** @type {any} */
    let dot = null;   // of the activations; the inputs have none
    for (const { link, from, a } of passed.kept) {
      const { name, fan_in, fan_out } = link;
      if (link.kind !== 'dense') dot = dot.map((value, at) => value * activations[link.kind].prime(from[at], a[at], link));
      else {
        const own = times(from, along[`${name}.W`], along[`${name}.b`], n, fan_in, fan_out), before = dot && times(dot, numbers[`${name}.W`], null, n, fan_in, fan_out);
        dot = before ? own.map((value, at) => value + before[at]) : own;
      }
    }
    return ofOutputs().reduce((all, value, at) => all + value * dot[at], 0);
  }
  return here;
}
