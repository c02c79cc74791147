// The training of a small network in the page, for one without a server, with the library's weights and batches: its steps, losses and records.
// training/ in JavaScript; a test compares the numbers.
import { lossOf } from './losses.js';
import { backward, forward, slotsOf, startOf, update } from './passes.js';
import { purposeful } from './random.js';

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
