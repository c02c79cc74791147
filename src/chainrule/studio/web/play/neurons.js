// The screen Neurons in the page: the inputs that each neuron responds to, and the answers without it.
// studio/screens/neurons/{commands,measures}.py in JavaScript.
import { activations } from '../activations.js';
import { flat } from '../network.js';
import { ablate, applied, layersOf, neuronsOf, through, widthOf } from './edits.js';
import { createGraph, needLoss } from './graph.js';
import { FLAT_SLOPE, SATURATED, STEEPEST } from './look.js';
import { answerOf, rowsOf, shaped, thinned } from './studio.js';
import { decided, targetsOf } from './walks.js';

const MOST = 10_000, BINS = 40, MAX_EXAMPLES = 24;
const IMPORTANCE = [2000, 400_000];

/** @param {any} studio */
export function neurons(studio) {
  let seen = null, before = null;

  // z and a (n, neurons) of a layer on the samples that are shown: the engine computes the links before it.
  function outputsOf(model, part, layer) {
    const links = neuronsOf(model, layer), at = model.links.findIndex(({ name }) => name === layer), width = widthOf(model, layer);
    let z;
    if (at >= 0) {
      const names = new Set(flat(model.links.slice(0, at + 1)).map(({ name }) => name)), config = { ...studio.config, layers: studio.config.layers.slice(0, at + 1), loss: { kind: 'mean_squared_error' } };
      const network = studio.network({ ...model, arrays: Object.fromEntries(Object.entries(model.arrays).filter(([name]) => names.has(name.split('.')[0]))) }, config);
      try {
        z = network.outputsOf(part.X, part.rows.length);
      } finally {
        network.free();
      }
    } else {
      const graph = createGraph(model, Float64Array.from(part.X), new Float64Array(part.rows.length * model.outputs), part.rows.length);
      z = graph.variables.find(({ link }) => link && link.name === layer).value;
    }
    const between = links.slice(1);
    return { z, a: between.length ? Float32Array.from(z, (v, k) => through(model, between, k % width, v)) : z };
  }

  const ofLayer = (model, name) => outputsOf(model, partOf(), name);

  function partOf(most = MOST) {
    const { test, features } = studio.needData(), model = studio.needModel();
    if (features !== model.inputs) throw new Error(`X has ${features} features but the network takes ${model.inputs}.`);
    const rows = thinned(test.n, most);
    return { rows, X: rows.length === test.n ? test.X : rowsOf(test.X, rows, features), y: rows.map((row) => test.y[row]) };
  }

  function look(layer) {
    const model = studio.needModel(), key = `${studio.version} ${studio.data?.name} ${layer}`;
    if (seen?.key !== key) {
      const part = partOf();
      seen = { key, part, ...outputsOf(model, part, layer) };
    }
    return seen;
  }

  const hasClasses = (model) => ['binary', 'multiclass'].includes(model.task);
  const labelsOf = (model) => (hasClasses(model) ? model.classes ?? Array.from({ length: Math.max(2, model.outputs) }, (_, k) => String(k)) : null);

  function measured(model, layer, { part, z, a }) {
    const width = widthOf(model, layer), n = part.rows.length, each = () => new Float64Array(width), mean = each(), active = each(), variance = each(), low = each().fill(Infinity), high = each().fill(-Infinity);
    for (let i = 0, at = 0; i < n; ++i)
      for (let j = 0; j < width; ++j, ++at) {
        const v = a[at];
        mean[j] += v / n;
        if (z[at] > 0) active[j] += 1;
        if (v < low[j]) low[j] = v;
        if (v > high[j]) high[j] = v;
      }
    for (let i = 0, at = 0; i < n; ++i) for (let j = 0; j < width; ++j, ++at) variance[j] += (a[at] - mean[j]) ** 2 / n;
    const { byClass, explained } = byTarget(model, part, a, mean, width), last = neuronsOf(model, layer).slice(-1)[0], W = model.arrays[`${layer}.W`], prime = activations[last.kind]?.prime;
    const dead = Array.from({ length: width }, (_, j) => (prime ? true : low[j] === high[j])), flatness = each();
    if (prime) for (let at = 0; at < a.length; ++at) {
      const slope = prime(z[at], a[at], last);
      if (slope !== 0) dead[at % width] = false;
      if (last.kind in STEEPEST && slope < FLAT_SLOPE * STEEPEST[last.kind]) flatness[at % width] += 1;
    }
    const norm = each();
    W.forEach((w, k) => { norm[k % width] += w * w; });
    return { mean, active: active.map((count) => count / n), variance, norm: norm.map(Math.sqrt), bias: Float64Array.from(model.arrays[`${layer}.b`]), selectivity: variance.map((v, j) => (v > 0 ? explained[j] / v : NaN)), by_class: byClass, dead,
      always: Array.from(active, (count) => count === n), saturated: Array.from(flatness, (count) => count / n > SATURATED) };
  }

  // The mean by class, and the variance that the classes, or the target, explain.
  function byTarget(model, { rows, y }, a, mean, width) {
    const n = rows.length, explained = new Float64Array(width);
    if (hasClasses(model)) {
      const classes = Math.max(2, model.outputs), counts = new Float64Array(classes), sums = new Float64Array(classes * width);
      for (let i = 0, at = 0; i < n; ++i) {
        counts[y[i]] += 1;
        for (let j = 0; j < width; ++j, ++at) sums[y[i] * width + j] += a[at];
      }
      const found = sums.map((sum, k) => sum / counts[Math.floor(k / width)]);
      found.forEach((value, k) => { if (counts[Math.floor(k / width)]) explained[k % width] += (counts[Math.floor(k / width)] * (value - mean[k % width]) ** 2) / n; });
      return { byClass: shaped(found, [classes, width]), explained };
    }
    const center = y.reduce((all, v) => all + v, 0) / n, spread = y.reduce((all, v) => all + (v - center) ** 2, 0) / n, together = new Float64Array(width);
    for (let i = 0, at = 0; i < n; ++i) for (let j = 0; j < width; ++j, ++at) together[j] += ((a[at] - mean[j]) * (y[i] - center)) / n;
    return { byClass: null, explained: spread ? together.map((v) => v ** 2 / spread) : explained };
  }

  function layer({ layer: asked = null }) {
    const model = studio.needModel(), names = layersOf(model);
    if (!names.length) throw new Error('the network has no dense layer; add one on the screen Train.');
    const name = asked ?? names[0], links = neuronsOf(model, name), found = look(name), last = links[links.length - 1].name;
    return { layers: names.map((one) => ({ name: one, last: neuronsOf(model, one).slice(-1)[0].name, width: widthOf(model, one) })), layer: name, last, width: widthOf(model, name), samples: found.part.rows.length, labels: labelsOf(model),
      ...measured(model, name, found), code: [...preamble(), '', 'from chainrule.inspection.features.features import layer_outputs', '', `a = layer_outputs(model, X, ["${last}"])["${last}"]  # (samples, neurons)`, 'mean, variance = a.mean(0), a.var(0)', `norm = np.linalg.norm(model.parameters["${name}"].W, axis=0)`,
        ...(hasClasses(model) ? ['by_class = np.array([a[y == label].mean(0) for label in model.labels])', 'share = np.array([(y == label).mean() for label in model.labels])', 'selectivity = share @ (by_class - mean) ** 2 / variance  # 0 / 0 for a constant neuron'] : [])].join('\n') };
  }

  // The Python that loads the model and the samples.
  function preamble() {
    const { data } = studio, isMnist = data?.name === 'mnist';
    return ['import numpy as np', 'from chainrule import load', ...(isMnist ? ['from chainrule.datasets import load_mnist', '', 'train, test = load_mnist()', 'X, y = test.X, test.y'] : ['', 'with np.load("samples.npz") as file:', '    X, y = file["X"], file["y"]']), 'model = load("model.safetensors")'];
  }

  function examples({ part }, places, values) {
    const { data } = studio, rows = places.map((place) => part.rows[place]);
    return { rows, values: Float64Array.from(places, (place) => values[place]), X: rowsOf(data.test.X, rows, data.features), y: rows.map((row) => answerOf(data, row)) };
  }

  function one({ layer: name, neuron, count = 8 }) {
    const model = studio.needModel(), links = neuronsOf(model, name), width = widthOf(model, name), last = links[links.length - 1].name;
    if (!(neuron >= 0 && neuron < width)) throw new Error(`neuron must be from 0 to ${width - 1}, the neurons of ${name}, not ${neuron}.`);
    if (!(count >= 1 && count <= MAX_EXAMPLES)) throw new Error(`count must be from 1 to ${MAX_EXAMPLES}, not ${count}.`);
    const found = look(name), n = found.part.rows.length, values = Float64Array.from({ length: n }, (_, i) => found.a[i * width + neuron]);
    let [low, high] = [Math.min(...values), Math.max(...values)];
    if (low === high) [low, high] = [low - 0.5, high + 0.5];
    const ends = Float64Array.from({ length: BINS + 1 }, (_, k) => low + ((high - low) * k) / BINS), counts = new Float64Array(BINS);
    for (const value of values) counts[Math.min(BINS - 1, Math.floor(((value - low) / (high - low)) * BINS))] += 1;
    const order = Array.from(values.keys()), most = [...order].sort((p, q) => values[q] - values[p] || p - q).slice(0, count), least = order.sort((p, q) => values[p] - values[q] || p - q).slice(0, count);
    const W = model.arrays[`${name}.W`], names = layersOf(model), place = names.indexOf(name), source = place > 0 && widthOf(model, names[place - 1]) === W.shape[0] ? names[place - 1] : null;
    return { layer: name, neuron, counts, ends, weights: shaped(Float32Array.from({ length: W.shape[0] }, (_, k) => W[k * width + neuron]), [W.shape[0]]), bias: model.arrays[`${name}.b`][neuron], source, most: examples(found, most, values), least: examples(found, least, values),
      code: [...preamble(), 'from chainrule.inspection.features.features import exciting_samples', '', `found = exciting_samples(model, X, "${last}", [${neuron}], k=${count})`, 'found.most[0], found.most_values[0]    # rows of X, and the activations', 'found.least[0], found.least_values[0]'].join('\n') };
  }

  // The loss, the metric, the answers, and for classes the accuracy of each.
  function judged(network, model, part) {
    const n = part.rows.length, k = model.outputs, out = network.outputsOf(part.X, n), { value } = needLoss(model), targets = targetsOf(model, part.y), of = (all, i) => Array.from(all.subarray(i * k, (i + 1) * k));
    let loss = 0;
    for (let i = 0; i < n; ++i) loss += value(of(out, i), of(targets, i)) / n;
    if (!hasClasses(model)) return { loss, score: Math.sqrt(loss) * (model.scale ? model.scale.std[0] : 1), by_class: null, said: null };
    const classes = Math.max(2, k), right = new Float64Array(classes), all = new Float64Array(classes), said = part.y.map((label, i) => {
      const answer = decided(model, of(out, i));
      all[label] += 1;
      if (answer === label) right[label] += 1;
      return answer;
    });
    return { loss, score: right.reduce((sum, v) => sum + v, 0) / n, by_class: right.map((v, c) => v / all[c]), said };
  }

  const metricOf = (model) => (model.task === 'regression' ? 'rmse' : 'accuracy');

  function judgedBy(model, part, arrays) {
    const network = studio.network({ ...model, arrays });
    try {
      return judged(network, model, part);
    } finally {
      network.free();
    }
  }

  function tried({ edits }) {
    const model = studio.needModel(), part = partOf(), { arrays, lines } = applied(model, edits, ofLayer), { said, ...whole } = judgedBy(model, part, model.arrays), { said: says, ...after } = judgedBy(model, part, arrays), metric = metricOf(model);
    return { n: part.rows.length, metric, labels: labelsOf(model), before: whole, after, changed: said ? said.filter((answer, i) => answer !== says[i]).length : null,
      code: [...preamble(), '', `before = model.evaluate(X, y, metrics=["${metric}"])`, 'p = model.parameters  # views: changes in them change the model', ...lines, `after = model.evaluate(X, y, metrics=["${metric}"])`, `print(f"{before['${metric}']:.4f} -> {after['${metric}']:.4f}")`].join('\n') };
  }

  function importance({ layer: name }) {
    const model = studio.needModel(), width = widthOf(model, name), n = Math.min(IMPORTANCE[0], studio.needData().test.n, Math.max(100, Math.floor(IMPORTANCE[1] / width))), part = partOf(n), network = studio.network();
    try {
      const whole = judged(network, model, part), { z } = outputsOf(model, part, name), loss = new Float64Array(width), score = new Float64Array(width);
      for (let neuron = 0; neuron < width; ++neuron) {
        const arrays = { ...model.arrays }, changed = Object.keys(arrays).filter((one) => /\.[Wb]$/.test(one));
        for (const one of changed) arrays[one] = shaped(arrays[one].slice(), arrays[one].shape);
        ablate(model, arrays, name, neuron, 0, Array.from({ length: part.rows.length }, (_, i) => z[i * width + neuron]));
        for (const one of changed) network.setParameter(one, arrays[one]);
        const found = judged(network, model, part);
        [loss[neuron], score[neuron]] = [found.loss, found.score];
      }
      return { layer: name, n: part.rows.length, whole: [whole.loss, whole.score], loss, score };
    } finally {
      network.free();
    }
  }

  function keep({ edits }) {
    if (!edits.length) throw new Error('there are no edits to keep; make one first.');
    const model = studio.needModel(), edited = { ...model, name: `${model.name} *`, arrays: applied(model, edits, ofLayer).arrays };
    before = { edited, model, config: studio.config };
    studio.showModel(edited, studio.config);
    return { kept: edits.length };
  }

  function back() {
    if (!before || before.edited !== studio.model) throw new Error('the model has no kept edits, so there is nothing to undo.');
    const { model, config } = before;
    before = null;
    studio.showModel(model, config);
    return {};
  }

  return { 'neurons.layer': layer, 'neurons.one': one, 'neurons.try': tried, 'neurons.importance': importance, 'neurons.keep': keep, 'neurons.back': back, 'neurons.kept': () => ({ kept: Boolean(before) && before.edited === studio.model }) };
}
