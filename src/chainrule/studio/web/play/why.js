// The screen Why in the page: what each input did for an answer.
// studio/screens/why/{commands,asked}.py and inspection/attribution in JavaScript.
import { flat } from '../network.js';
import { largestProven, proofOf } from './bounds.js';
import { createGraph, needLoss } from './graph.js';
import { multipliers, relevance } from './rules.js';
import { answerOf, shaped } from './studio.js';
import { decided } from './walks.js';

// What the values of each method add up to: f(x) - f(baseline), f(x), or nothing that is promised.
const PROMISED = { saliency: 'nothing', input_x_gradient: 'nothing', integrated_gradients: 'difference', epsilon_lrp: 'output', deep_lift: 'difference', occlusion: 'nothing' };
const ROWS = 64, PIECES = 16, MOST_TURNS = 5000, LARGEST = 1e30;
const KINKED = ['relu', 'leaky_relu'], AFFINE = ['dense', 'projection', 'rescale', 'standardize', 'batch_norm', 'dropout', 'scale', 'residual', 'identity', ...KINKED];
// Gauss-Legendre nodes in [0, 1] and their weights, exact for polynomials of degree 15.
const NODES = [0.019855071751231884, 0.10166676129318664, 0.2372337950418355, 0.40828267875217505, 0.591717321247825, 0.7627662049581645, 0.8983332387068134, 0.9801449282487682];
const WEIGHTS = [0.05061426814518813, 0.11119051722668724, 0.15685332293894363, 0.181341891689181, 0.181341891689181, 0.15685332293894363, 0.11119051722668724, 0.05061426814518813];

/** @param {any} studio */
export function why(studio) {
  const labelsOf = (model) => (model.task === 'regression' ? [studio.data?.target ?? 'output 0'] : model.classes ?? Array.from({ length: Math.max(2, model.outputs) }, (_, k) => String(k)));

  // The sample that is asked about: {model, x, y, row}.
  function asked({ row = null, x = null }) {
    const model = studio.needModel();
    if ((row === null) === (x === null)) throw new Error('give one sample: row, its index in the data, or x, its numbers.');
    if (x) {
      if (x.length !== model.inputs) throw new Error(`x must have ${model.inputs} numbers, one per input of the network, not ${x.length}.`);
      if (x.some((value) => !(Math.abs(value) <= LARGEST))) throw new Error(`the absolute values of x must be at most ${LARGEST}; rescale them.`);
      return { model, x: Float64Array.from(x), y: null, row: null };
    }
    const { test, features } = studio.needData();
    if (!(row >= 0 && row < test.n)) throw new Error(`row must be from 0 to ${test.n - 1}, not ${row}.`);
    if (features !== model.inputs) throw new Error(`X has ${features} features but the network takes ${model.inputs}.`);
    return { model, x: Float64Array.from(test.X.subarray(row * features, (row + 1) * features)), y: answerOf(studio.data, row), row };
  }

  const passed = (model, x, n = 1) => createGraph(model, x, new Float64Array(n * model.outputs), n);

  function answersOf(model, out) {
    const labels = labelsOf(model), { predict } = needLoss(model);
    if (model.task === 'regression') return [{ label: labels[0], output: model.scale ? out[0] * model.scale.std[0] + model.scale.mean[0] : out[0], share: null, is_said: true }];
    const said = decided(model, out), p = predict(out), shares = model.task === 'binary' ? [1 - p[0], p[0]] : p, logits = model.task === 'binary' ? [-out[0], out[0]] : out;
    return labels.map((label, k) => ({ label, output: logits[k], share: shares[k], is_said: k === said })).sort((one, two) => two.share - one.share || Number(two.is_said) - Number(one.is_said));
  }

  function sample(which) {
    const { model, x, y, row } = asked(which), isNumber = model.task === 'regression', { data } = studio;
    const columns = data?.columns && data.features === model.inputs ? data.columns.map(({ name, inputs }, k) => ({ name, inputs, cell: row === null ? null : data.test.cells[row][k] })) : null;
    return { row, y, x: shaped(Float32Array.from(x), [x.length]), task: model.task, answers: answersOf(model, Array.from(passed(model, x).out.value)), labels: isNumber ? [] : labelsOf(model), against: model.task === 'multiclass', methods: Object.keys(PROMISED), networks: 1, columns, n: data ? data.test.n : 0 };
  }

  // f(x) = V out(x) + offset, with its target by name.
  function functionOf(model, x, target, against) {
    const labels = labelsOf(model), V = new Float64Array(model.outputs), place = (label) => {
      const at = labels.indexOf(label);
      if (at < 0) throw new Error(`the answers are ${labels.slice(0, 10).join(', ')}; ${label} is none of them.`);
      return at;
    };
    if (model.task === 'regression') {
      V[0] = model.scale ? model.scale.std[0] : 1;
      return { V, offset: model.scale ? model.scale.mean[0] : 0, target: '0', against: null, name: 'output 0' };
    }
    const chosen = target === null ? decided(model, Array.from(passed(model, x).out.value)) : place(target);
    if (model.task === 'binary') V[0] = chosen === 1 ? 1 : -1;
    else V[chosen] = 1;
    if (against !== null) {
      if (model.task === 'binary') throw new Error('against needs more than two classes, because the logit of two classes already compares them.');
      if (place(against) === chosen) throw new Error(`against is the target itself, class ${against}.`);
      V[place(against)] = -1;
    }
    return { V, offset: 0, target: labels[chosen], against, name: `class ${labels[chosen]}${against === null ? '' : ` against ${against}`}` };
  }

  // The input that the first links map to 0: no ink, or the means of the rows to train on.
  function neutral(model) {
    const [first] = model.links, mean = model.arrays[`${first.name}.mean`];
    if (first.kind === 'standardize') return Float64Array.from(mean);
    return new Float64Array(model.inputs).fill(first.kind === 'rescale' && first.scale ? -first.offset / first.scale + 0 : 0);
  }

  // Calls use(graph, first, count) for rows of X (n, inputs) some at a time.
  function inParts(model, n, rowAt, use) {
    for (let first = 0; first < n; first += ROWS) {
      const count = Math.min(ROWS, n - first), X = new Float64Array(count * model.inputs);
      for (let i = 0; i < count; ++i) X.set(rowAt(first + i), i * model.inputs);
      use(passed(model, X, count), first, count);
    }
  }

  const valueOf = (graph, V, i) => V.reduce((all, v, k) => all + v * graph.out.value[i * V.length + k], 0);
  const between = (b, x, t) => b.map((value, k) => value + t * (x[k] - value));

  // Where on the line from b to x a unit turns on or off, layer by layer: between those of the layers before, its z is linear.
  function turningPoints(model, b, x) {
    let ts = [0, 1];
    for (const { name } of flat(model.links).filter(({ kind }) => KINKED.includes(kind))) {
      const z = [];
      inParts(model, ts.length, (i) => between(b, x, ts[i]), (graph, first, count) => {
        const { value, width } = graph.owners.get(name).source;
        for (let i = 0; i < count; ++i) z.push(value.slice(i * width, (i + 1) * width));
      });
      const found = [...ts];
      for (let i = 0; i + 1 < ts.length; ++i) z[i].forEach((low, unit) => {
        const high = z[i + 1][unit];
        if (low > 0 !== high > 0) found.push(ts[i] + (ts[i + 1] - ts[i]) * (low / (low - high)));
      });
      found.sort((one, two) => one - two);
      ts = found.filter((t, k) => k === 0 || t - found[k - 1] > 1e-14);
      ts[ts.length - 1] = 1;
      if (ts.length > MOST_TURNS) break;
    }
    return ts;
  }

  const gradients = (model, V, rows, weights) => {
    const total = new Float64Array(model.inputs);
    inParts(model, rows.length, (i) => rows[i], (graph, first, count) => {
      const g = graph.pullback(V);
      for (let i = 0; i < count; ++i) for (let k = 0; k < model.inputs; ++k) total[k] += weights[first + i] * g[i * model.inputs + k];
    });
    return total;
  };

  // Each returns {values}, and what else it has to say.
  const methods = {
    saliency: (model, { V }, x) => ({ values: gradients(model, V, [x], [1]).map(Math.abs) }),
    input_x_gradient: (model, { V }, x, b) => ({ values: gradients(model, V, [x], [1]).map((g, k) => (x[k] - b[k]) * g) }),
    epsilon_lrp: (model, { V }, x) => relevance(passed(model, x), V),
    deep_lift: (model, { V }, x, b) => ({ values: multipliers(passed(model, Float64Array.of(...x, ...b), 2), V).map((m, k) => (x[k] - b[k]) * m) }),
    integrated_gradients(model, { V }, x, b) {
      const isPieces = flat(model.links).every(({ kind }) => AFFINE.includes(kind)), ends = turningPoints(model, b, x), rows = [], weights = [];
      const cuts = isPieces ? ends : [...new Set([...ends, ...Array.from({ length: PIECES + 1 }, (_, k) => k / PIECES)])].sort((one, two) => one - two);
      for (let k = 0; k + 1 < cuts.length; ++k) {
        const width = cuts[k + 1] - cuts[k];
        (isPieces ? [0.5] : NODES).forEach((node, j) => {
          rows.push(between(b, x, cuts[k] + width * node));
          weights.push(width * (isPieces ? 1 : WEIGHTS[j]));
        });
      }
      return { values: gradients(model, V, rows, weights).map((g, k) => (x[k] - b[k]) * g) };
    },
    occlusion(model, { V }, x, b) {
      const places = Array.from(x.keys()).filter((k) => x[k] !== b[k]), values = new Float64Array(x.length), whole = valueOf(passed(model, x), V, 0);
      inParts(model, places.length, (i) => x.map((value, k) => (k === places[i] ? b[k] : value)), (graph, first, count) => {
        for (let i = 0; i < count; ++i) values[places[first + i]] = whole - valueOf(graph, V, i);
      });
      return { values };
    },
  };

  function method({ method: kind, target = null, against = null, ...which }) {
    const { model, x, row } = asked(which);
    if (!(kind in methods)) throw new Error(`method must be one of ${Object.keys(PROMISED).join(', ')}, not ${kind}.`);
    const f = functionOf(model, x, target, against), b = neutral(model), at = (point) => valueOf(passed(model, point), f.V, 0) + f.offset, found = methods[kind](model, f, x, b);
    const { values } = found, absorbed = found.absorbed ? { ...found.absorbed, biases: found.absorbed.biases + f.offset } : {}, [output, base] = [at(x), at(b)], total = values.reduce((all, v) => all + v, 0);
    const promise = PROMISED[kind], isSlope = kind === 'saliency', own = promise === 'output' ? output : output - base, expected = own - Object.values(absorbed).reduce((all, v) => all + v, 0), error = Math.abs(total - expected);
    const relative = error === 0 ? 0 : error / Math.abs(own), given = [...(target === null ? [] : [`target=${f.target}`]), ...(against === null ? [] : [`against=${against}`]), ...(model.shape ? [`shape=(${model.shape.join(', ')})`] : [])];
    return { method: kind, values: shaped(values, [x.length]), baseline: shaped(b, [x.length]), target: f.target, against: f.against, name: f.name, output, baseline_output: base, sum: total, expected: isSlope ? null : expected, error: isSlope ? null : error, relative_error: isSlope ? null : relative,
      promise, complete: promise !== 'nothing', absorbed, sentence: '', code: [...reading(x, row), 'from chainrule.inspection.attribution import attribute', '', `found = attribute(model, x, "${kind}"${given.map((one) => `, ${one}`).join('')})`, 'found.values[0]  # (inputs,)', 'print(found.completeness())'].join('\n') };
  }

  function reading(x, row) {
    if (row !== null && studio.data.name === 'mnist') return ['import numpy as np', 'from chainrule import load', 'from chainrule.datasets import load_mnist', '', 'train, test = load_mnist()', 'model = load("model.safetensors")', `x = test.X[[${row}]]`];
    const places = Array.from(x.keys()).filter((k) => x[k] !== 0);
    return ['import numpy as np', 'from chainrule import load', '', 'model = load("model.safetensors")', `x = np.zeros((1, ${x.length}))`, `x[0, [${places.join(', ')}]] = [${places.map((k) => x[k]).join(', ')}]`];
  }

  // The next row with a wrong answer; the first follows the last one.
  function mistake({ after = -1 }) {
    const model = studio.needModel(), { test, features } = studio.needData(), network = studio.network(), start = (Math.max(-1, Math.min(after, test.n - 1)) + 1) % test.n;
    if (model.task === 'regression') throw new Error('numbers are never exactly right; only classes or labels can be wrong.');
    try {
      const out = network.outputsOf(test.X, test.n), { outputs } = model, isWrong = (row) => decided(model, Array.from(out.subarray(row * outputs, (row + 1) * outputs))) !== test.y[row];
      if (features !== model.inputs) throw new Error(`X has ${features} features but the network takes ${model.inputs}.`);
      for (let k = 0; k < test.n; ++k) if (isWrong((start + k) % test.n)) return { row: (start + k) % test.n };
      return { row: null };
    } finally {
      network.free();
    }
  }

  function proof({ radius, ends = null, ...which }) {
    const { model, x } = asked(which);
    return proofOf(model, x, radius, ends);
  }

  function proven({ unit, ends = null, ...which }) {
    const { model, x } = asked(which), radius = largestProven(model, x, unit, ends);
    return { radius: Number.isFinite(radius) ? radius : null };
  }

  return { 'why.sample': sample, 'why.method': method, 'why.mistake': mistake, 'why.proof': proof, 'why.proven': proven };
}
