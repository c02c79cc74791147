// The training of a small network in the page, for one without a server: the forward and backward pass, batch normalization, residual blocks,
// the losses and the optimizers, with the library's weights and batches. formulas/ and training/ in JavaScript; a test compares the numbers.
import { activations } from './activations.js';
import { lossOf } from './losses.js';
import { purposeful } from './random.js';

const HE = ['relu', 'leaky_relu', 'elu', 'gelu', 'silu', 'softplus'];
const EXTRA = { leaky_relu: { slope: 0.01 }, elu: { alpha: 1 } };
const MOST_RECORDS = 600;

// The network of the plane's settings, as the server describes one; y: the targets.
function describe({ kind, layers, activation, batch_norm: norm, residual }, y) {
  const made = { dense: 0, batch_norm: 0, projection: 0, residual: 0, [activation]: 0 };
  const link = (of, fan_in, fan_out, more = {}) => ({ kind: of, name: `${of}_${++made[of]}`, fan_in, fan_out, branches: [], ...more });
  const isRegression = kind === 'surface', classes = isRegression ? 1 : Math.max(...y) + 1, outputs = classes > 2 ? classes : 1;
  let width = 2;
  const links = layers.flatMap((units, l) => {
    const before = width, chain = [link('dense', before, units), ...(norm ? [link('batch_norm', units, units, { eps: 1e-5, momentum: 0.9 })] : []), link(activation, units, units, EXTRA[activation])];
    width = units;
    return residual && l ? [{ ...link('residual', before, units), branches: [chain, before === units ? [] : [link('projection', before, units)]] }] : chain;
  });
  links.push(link('dense', width, outputs));
  const task = isRegression ? 'regression' : outputs > 1 ? 'multiclass' : 'binary';
  return { inputs: 2, outputs, task, classes: null, features: null, shape: null, links, arrays: {}, scale: null,
    loss: { kind: isRegression ? 'mean_squared_error' : outputs > 1 ? 'softmax_cross_entropy' : 'sigmoid_cross_entropy' } };
}

const flat = (links) => links.flatMap((link) => (link.branches.length ? link.branches.flatMap(flat) : [link]));

// The places of all numbers, in the order of the library: [name, start, shape]; parameters first, then running statistics.
function slotsOf(model) {
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

// The numbers before the first step, as the library draws them for a seed, in float32.
function startOf(model, activation, seed) {
  const found = {};
  let number = 0;
  for (const link of flat(model.links)) {
    const { name, fan_in, fan_out } = link;
    if (link.kind === 'batch_norm') {
      Object.assign(found, { [`${name}.gamma`]: new Float64Array(fan_out).fill(1), [`${name}.beta`]: new Float64Array(fan_out), [`${name}.mean`]: new Float64Array(fan_out), [`${name}.var`]: new Float64Array(fan_out).fill(1) });
      number += 2;
    } else if (link.kind === 'dense' || link.kind === 'projection') {
      const isHe = link.kind === 'dense' && link !== model.links[model.links.length - 1] && HE.includes(activation), r = Math.sqrt(6 / (isHe ? fan_in : fan_in + fan_out));
      found[`${name}.W`] = purposeful(seed, 'weights', number).uniform(-r, r, fan_in * fan_out).map(Math.fround);
      if (link.kind === 'dense') found[`${name}.b`] = new Float64Array(fan_out);
      number += link.kind === 'dense' ? 2 : 1;
    }
  }
  return found;
}

function times(a, W, b, m, rows, columns) {
  const z = new Float64Array(m * columns);
  for (let i = 0; i < m; ++i) {
    if (b) z.set(b, i * columns);
    for (let k = 0; k < rows; ++k) {
      const value = a[i * rows + k];
      for (let j = 0; j < columns; ++j) z[i * columns + j] += value * W[k * columns + j];
    }
  }
  return z;
}

// One pass forward through a chain: what it gives out (m, width), and what the way back needs.
function forward(links, a, m, numbers, isTraining) {
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
function backward({ kept }, delta, m, numbers, grads) {
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

// The sum of the losses, how many are right, and dL / d out of the mean.
function judge(model, out, y, m) {
  const { outputs, task } = model, { value, gradient } = lossOf(model.loss), delta = new Float64Array(out.length);
  let loss = 0, right = 0;
  for (let i = 0; i < m; ++i) {
    const z = out.subarray(i * outputs, (i + 1) * outputs), target = task === 'multiclass' ? Array.from(z, (_, k) => Number(k === y[i])) : [y[i]];
    loss += value(z, target);
    right += (task === 'multiclass' ? z.indexOf(Math.max(...z)) : Number(z[0] > 0)) === y[i] ? 1 : 0;
    delta.set(gradient(z, target).map((g) => g / m), i * outputs);
  }
  return { loss, right, delta };
}

// One step of an optimizer on one array, in place. state: {m, v, …}, {} at first.  t: from 1.
function update(kind, theta, g, state, lr, t) {
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

// points: {X, y, X_test, y_test}.  Returns the training of a network: {model, slots, numbers, records, epoch, step, take(), …}.
export function createTrainer(settings, points) {
  const model = describe(settings, points.y), slots = slotsOf(model), n = points.y.length, size = Math.min(n, settings.batch);
  const numbers = startOf(model, settings.activation, settings.seed), states = new Map();
  let order = null, sums = null;
  const made = { model, slots, numbers, epoch: 0, step: 0, perEpoch: Math.ceil(n / size), records: [], take, packed };

  function evaluate(X, y) {
    if (!y.length) return [NaN, NaN];
    const { loss, right } = judge(model, forward(model.links, Float64Array.from(X), y.length, numbers, false).a, y, y.length);
    return [loss / y.length, model.task === 'regression' ? NaN : right / y.length];
  }

  function record(loss, accuracy) {
    const [testLoss, testAccuracy] = evaluate(points.X_test, points.y_test);
    made.records.push([made.epoch, loss, testLoss, accuracy, testAccuracy]);
    if (made.records.length > MOST_RECORDS) made.records = made.records.filter((_, k) => k % 2 === 0 || k === made.records.length - 1);
  }

  // Takes one step.
  function take() {
    const at = made.step % made.perEpoch;
    if (at === 0 || !order) {
      order = purposeful(settings.seed, 'shuffle', made.epoch).permutation(n);
      sums = [0, 0];
    }
    const rows = order.slice(at * size, (at + 1) * size), m = rows.length, X = Float64Array.from({ length: 2 * m }, (_, k) => points.X[2 * rows[k >> 1] + (k & 1)]), y = rows.map((i) => points.y[i]);
    const passed = forward(model.links, X, m, numbers, true), { loss, right, delta } = judge(model, passed.a, y, m), grads = {};
    backward(passed, delta, m, numbers, grads);
    remember(passed, m);
    made.step += 1;
    for (const [name, g] of Object.entries(grads)) {
      if (!states.has(name)) states.set(name, {});
      update(settings.optimizer, numbers[name], g, states.get(name), settings.rate, made.step);
    }
    sums = [sums[0] + loss, sums[1] + right];
    if (made.step % made.perEpoch) return;
    made.epoch += 1;
    record(sums[0] / n, model.task === 'regression' ? NaN : sums[1] / n);
  }

  // The running statistics of batch normalization.
  function remember({ kept }, m) {
    for (const { link, inner, mean, variance } of kept) {
      if (inner) inner.forEach((part) => remember(part, m));
      else if (mean && m > 1) {
        const [means, variances] = ['mean', 'var'].map((field) => numbers[`${link.name}.${field}`]);
        mean.forEach((value, j) => { means[j] = 0.9 * means[j] + 0.1 * value; variances[j] = 0.9 * variances[j] + ((0.1 * m) / (m - 1)) * variance[j]; });
      }
    }
  }

  function packed() {
    return Float32Array.from(slots.flatMap(([name]) => [...numbers[name]]));
  }

  record(...evaluate(points.X, points.y));
  return made;
}
