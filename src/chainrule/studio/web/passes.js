// A small network in float64, with the library's weights: its numbers, both passes, and the steps of the optimizers. formulas/ and training/ in
// JavaScript; tests compare the numbers.
import { activations } from './activations.js';
import { purposeful } from './random.js';

const HE = ['relu', 'leaky_relu', 'elu', 'gelu', 'silu', 'softplus'];

const flat = (links) => links.flatMap((link) => (link.branches.length ? link.branches.flatMap(flat) : [link]));

// The places of all numbers, in the order of the library: [name, start, shape]; parameters first, then running statistics.
export function slotsOf(model) {
  const shapes = { dense: ({ fan_in, fan_out }) => [['W', [fan_in, fan_out]], ['b', [fan_out]]], projection: ({ fan_in, fan_out }) => [['W', [fan_in, fan_out]]], batch_norm: ({ fan_out }) => [['gamma', [fan_out]], ['beta', [fan_out]]] };
  const all = flat(model.links), named = (link, fields) => fields.map(([field, shape]) => [`${link.name}.${field}`, shape]);
  const found = [...all.flatMap((link) => named(link, (shapes[link.kind] || (() => []))(link))), ...all.filter(({ kind }) => kind === 'batch_norm').flatMap((link) => named(link, [['mean', [link.fan_out]], ['var', [link.fan_out]]]))];
  let start = 0;
  return found.map(([name, shape]) => {
    const slot = [name, start, shape];
    start += shape.reduce((n, axis) => n * axis, 1);
    return slot;
  });
}

// The numbers before the first step, as the library draws them for a seed; rounded: to float32, or what else it calls for each weight.
export function startOf(model, activation, seed, rounded = Math.fround) {
  const found = {};
  let number = 0;
  for (const link of flat(model.links)) {
    const { name, fan_in, fan_out } = link;
    if (link.kind === 'batch_norm') {
      Object.assign(found, { [`${name}.gamma`]: new Float64Array(fan_out).fill(1), [`${name}.beta`]: new Float64Array(fan_out), [`${name}.mean`]: new Float64Array(fan_out), [`${name}.var`]: new Float64Array(fan_out).fill(1) });
      number += 2;
    } else if (link.kind === 'dense' || link.kind === 'projection') {
      const isHe = link.kind === 'dense' && link !== model.links[model.links.length - 1] && HE.includes(activation), r = Math.sqrt(6 / (isHe ? fan_in : fan_in + fan_out));
      found[`${name}.W`] = purposeful(seed, 'weights', number).uniform(-r, r, fan_in * fan_out).map(rounded);
      if (link.kind === 'dense') found[`${name}.b`] = new Float64Array(fan_out);
      number += link.kind === 'dense' ? 2 : 1;
    }
  }
  return found;
}

// a W + b of m rows; W (rows, columns).
export function times(a, W, b, m, rows, columns) {
  const z = new Float64Array(m * columns);
  for (let i = 0; i < m; ++i) {
    const to = i * columns;
    if (b) z.set(b, to);
    for (let k = 0; k < rows; ++k) {
      const value = a[i * rows + k], at = k * columns;
      if (value !== 0) for (let j = 0; j < columns; ++j) z[to + j] += value * W[at + j];   // of a picture many pixels are 0
    }
  }
  return z;
}

// One pass forward through a chain: what it gives out (m, width), and what the way back needs.
export function forward(links, a, m, numbers, isTraining) {
  const kept = [];
  for (const link of links) {
    const from = a, { name, fan_in, fan_out } = link;
    if (link.branches.length) {
      const [branch, shortcut] = link.branches.map((chain) => forward(chain, from, m, numbers, isTraining));
      a = branch.a.map((value, at) => value + shortcut.a[at]);
      kept.push({ link, inner: [branch, shortcut] });
    } else if (link.kind === 'dense' || link.kind === 'projection') {
      a = times(from, numbers[`${name}.W`], numbers[`${name}.b`], m, fan_in, fan_out);
      kept.push({ link, from });
    } else if (link.kind === 'batch_norm') {
      const mean = new Float64Array(fan_out), variance = new Float64Array(fan_out), hat = new Float64Array(from.length), gamma = numbers[`${name}.gamma`], beta = numbers[`${name}.beta`];
      if (isTraining) {
        from.forEach((value, at) => { mean[at % fan_out] += value / m; });
        from.forEach((value, at) => { variance[at % fan_out] += (value - mean[at % fan_out]) ** 2 / m; });
      } else {
        mean.set(numbers[`${name}.mean`]);
        variance.set(numbers[`${name}.var`]);
      }
      const inverse = variance.map((value) => 1 / Math.sqrt(value + link.eps));
      a = from.map((value, at) => {
        const j = at % fan_out;
        hat[at] = (value - mean[j]) * inverse[j];
        return gamma[j] * hat[at] + beta[j];
      });
      kept.push({ link, hat, inverse, mean, variance });
    } else {
      a = from.map((z) => activations[link.kind].f(z, link));
      kept.push({ link, from, a });
    }
  }
  return { a, kept };
}

// The way back: puts the gradients of the parameters into `grads`, and returns dL / d (what went in).
export function backward({ kept }, delta, m, numbers, grads) {
  for (let k = kept.length - 1; k >= 0; --k) {
    const { link, from, a, hat, inverse, inner } = kept[k], { name, fan_in, fan_out } = link;
    if (inner) {
      const [one, two] = inner.map((part) => backward(part, delta, m, numbers, grads));
      delta = one.map((value, at) => value + two[at]);
    } else if (from && a) {
      delta = delta.map((value, at) => value * activations[link.kind].prime(from[at], a[at], link));
    } else if (hat) {
      const of_gamma = new Float64Array(fan_out), of_beta = new Float64Array(fan_out), gamma = numbers[`${name}.gamma`];
      delta.forEach((value, at) => { of_gamma[at % fan_out] += value * hat[at]; of_beta[at % fan_out] += value; });
      Object.assign(grads, { [`${name}.gamma`]: of_gamma, [`${name}.beta`]: of_beta });
      delta = delta.map((value, at) => { const j = at % fan_out; return gamma[j] * inverse[j] * (value - of_beta[j] / m - (hat[at] * of_gamma[j]) / m); });
    } else {
      const W = numbers[`${name}.W`], of_W = new Float64Array(W.length), back = new Float64Array(m * fan_in);
      for (let i = 0; i < m; ++i)
        for (let r = 0; r < fan_in; ++r)
          for (let j = 0; j < fan_out; ++j) {
            of_W[r * fan_out + j] += from[i * fan_in + r] * delta[i * fan_out + j];
            back[i * fan_in + r] += W[r * fan_out + j] * delta[i * fan_out + j];
          }
      grads[`${name}.W`] = of_W;
      if (link.kind === 'dense') {
        const of_b = grads[`${name}.b`] = new Float64Array(fan_out);
        delta.forEach((value, at) => { of_b[at % fan_out] += value; });
      }
      delta = back;
    }
  }
  return delta;
}

// One step of an optimizer on one array, in place. state: {m, v, …}, {} at first.  t: from 1.
export function update(kind, theta, g, state, lr, t) {
  const zeros = () => new Float64Array(theta.length);
  if (kind === 'sgd') return theta.forEach((value, k) => { theta[k] = value - lr * g[k]; });
  state.v ||= zeros();
  const { v } = state;
  if (kind === 'momentum') return g.forEach((value, k) => { v[k] = 0.9 * v[k] + value; theta[k] -= lr * v[k]; });
  if (kind === 'rmsprop') return g.forEach((value, k) => { v[k] = 0.99 * v[k] + 0.01 * value * value; theta[k] -= (lr * value) / (Math.sqrt(v[k]) + 1e-8); });
  if (kind === 'adagrad') return g.forEach((value, k) => { v[k] += value * value; theta[k] -= (lr * value) / (Math.sqrt(v[k]) + 1e-10); });
  state.m ||= zeros();
  const { m } = state, c1 = 1 - 0.9 ** t, r = Math.sqrt(1 - 0.999 ** t);
  const mu = (k) => 0.9 * (1 - 0.5 * 0.96 ** (k * 0.004)), product = state.product = (state.product ?? 1) * mu(t);
  return g.forEach((value, k) => {
    m[k] = 0.9 * m[k] + 0.1 * value;
    v[k] = 0.999 * v[k] + 0.001 * value * value;
    const root = Math.sqrt(v[k]) / r + 1e-8;
    if (kind === 'nadam') theta[k] -= (lr * (((1 - mu(t)) / (1 - product)) * value + (mu(t + 1) / (1 - product * mu(t + 1))) * m[k])) / root;
    else theta[k] = (kind === 'adamw' ? 1 - lr * 0.01 : 1) * theta[k] - (lr * m[k]) / c1 / root;
  });
}
