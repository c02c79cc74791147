// Backpropagation step by step: the commands of studio/screens/backprop in the page.
import { chainLines, derived } from './derivation.js';
import { createGraph, needLoss } from './graph.js';
import { describe, shaped, thinned } from './studio.js';

const KEPT = 8, MAX_BATCH = 256, MAX_NUMBERS = 1 << 20, MAX_CHANGES = 24, SEARCHED = 2000, TERMS = 24, NODES = 60;
const STATISTICS = ['mean', 'var', 'std', 'count'];   // that training does not learn
const BOUNDED = ['sigmoid', 'tanh'], NOT_ELEMENTWISE = ['dense', 'projection', 'residual', 'softmax'];

const CHAIN = { weights: [0.5, 3, -1, 2], x: [2, 1, -1, 0.5, -2, 1.5] };

function checked(rate) {
  if (!(rate > 0 && rate <= 1e6)) throw new Error(`rate must be above 0 and at most 1,000,000, not ${rate}.`);
  return rate;
}

// Whether a walk is one sample's through single neurons.
const isChain = ({ n, model }) => n === 1 && model.inputs === 1 && model.links.every(({ fan_out, branches }) => fan_out === 1 && !branches.length);

const norm = (values) => Math.sqrt(values.reduce((all, v) => all + v * v, 0));
const single = (values, shape) => shaped(Float32Array.from(values), shape);

// The targets of labels or numbers as rows of the outputs.
export function targetsOf(model, ys) {
  const { outputs, task } = model, y = new Float64Array(ys.length * outputs);
  ys.forEach((value, i) => {
    if (task === 'multiclass') y[i * outputs + value] = 1;
    else if (Array.isArray(value)) y.set(value, i * outputs);
    else y[i * outputs] = value;
  });
  return y;
}

// What the outputs mean, in the units of the targets.
function predicted(model, out, n) {
  const { outputs } = model, { predict } = needLoss(model), all = new Float32Array(out.length);
  for (let i = 0; i < n; ++i) all.set(scaledBack(model, predict(out.slice(i * outputs, (i + 1) * outputs))), i * outputs);
  return shaped(all, [n, outputs]);
}

const scaledBack = (model, values) => (model.scale ? values.map((v, k) => v * model.scale.std[k] + model.scale.mean[k]) : values);

/** @param {any} studio */
export function backprop(studio) {
  const walks = new Map();
  let last = 0;

  function get(number) {
    if (!walks.has(number)) throw new Error(`walk ${number} is no longer stored; compute it again.`);
    return walks.get(number);
  }

  // The samples that were asked for: {x, targets (rows of the outputs), rows, assumed}.
  function asked(model, { sample = null, n = 1, x = null, label = null, y = null }) {
    const data = studio.data, given = label !== null ? [label] : y !== null ? [model.scale ? y.map((v, k) => (v - model.scale.mean[k]) / model.scale.std[k]) : y] : null;
    if (x) {
      const own = Float64Array.from(x);
      return { x: own, n: 1, rows: null, assumed: !given, targets: targetsOf(model, given ?? [ownAnswer(model, own)]) };
    }
    const { test, features } = studio.needData(), first = sample ?? 0;
    if (!(n >= 1 && n <= MAX_BATCH)) throw new Error(`n must be from 1 to ${MAX_BATCH} samples, not ${n}.`);
    if (!(first >= 0 && first <= test.n - n)) throw new Error(`sample must be from 0 to ${test.n - n}, because ${n} of the ${test.n} samples are needed; got ${first}.`);
    if (features !== model.inputs) throw new Error(`X has ${features} features but the network takes ${model.inputs}.`);
    const rows = Array.from({ length: n }, (_, k) => first + k);
    return { x: Float64Array.from(test.X.subarray(first * features, (first + n) * features)), n, rows, assumed: !given && Boolean(data.isAssumed), targets: targetsOf(model, given ?? rows.map((row) => test.y[row])), data };
  }

  // What the model itself says about numbers without a target.
  function ownAnswer(model, x) {
    const graph = createGraph(model, x, new Float64Array(model.outputs), 1), out = Array.from(graph.out.value);
    if (model.task === 'multiclass') return out.indexOf(Math.max(...out));
    if (model.task === 'regression') return out;
    return model.task === 'binary' ? Number(out[0] > 0) : out.map((z) => Number(z > 0));
  }

  function walk(args) {
    const model = studio.needModel(), key = JSON.stringify([studio.version, studio.data && studio.data.name, args]);
    const known = [...walks.values()].find((one) => one.key === key);
    if (known) return described(known);
    const made = asked(model, args), hasMasks = model.links.some(({ kind }) => kind === 'dropout'), isTraining = made.n > 1 && !hasMasks;
    const graph = createGraph(model, made.x, made.targets, made.n, { isTraining });
    last += 1;
    walks.set(last, { id: last, key, model, config: studio.config, graph, ...made });
    while (walks.size > KEPT) walks.delete(walks.keys().next().value);
    return described(walks.get(last));
  }

  function fieldsOf({ model, graph }, link) {
    const fields = {};
    for (const [name, values] of Object.entries(model.arrays)) {
      const [of, field] = name.split('.');
      if (of !== link.name || !graph.owners.get(of).parameterCells || STATISTICS.includes(field)) continue;
      const g = graph.gradientOf(name), shape = values.shape;
      let at = 0;
      g.forEach((value, k) => { if (Math.abs(value) > Math.abs(g[at])) at = k; });
      fields[field] = { shape, norm: norm(g), largest: { index: shape.length === 2 ? [Math.floor(at / shape[1]), at % shape[1]] : [at], value: g[at] } };
    }
    return fields;
  }

  function described(walked) {
    const { id, model, graph, n, rows, assumed } = walked, { variables, input, out } = graph, all = variables.slice(1), letters = graph.letters.chain;
    const shown = Math.max(1, Math.min(n, Math.floor(MAX_NUMBERS / Math.max(1, all.reduce((sum, v) => sum + v.width, 0)))));
    const page = (values, width) => single(values.subarray ? values.subarray(0, shown * width) : values.slice(0, shown * width), [shown, width]);
    const links = all.map((variable) => {
      const { link, value, width, sources } = variable, edge = graph.owners.get(link.name), isPart = NOT_ELEMENTWISE.includes(link.kind) || (link.kind === 'batch_norm' && graph.isTraining);
      const slopes = isPart ? null : edge.slopes ?? edge.backward(new Float64Array(value.length).fill(1));
      return { name: link.name, kind: link.kind, sources, is_block: Boolean(link.branches.length), is_bounded: BOUNDED.includes(link.kind), frozen: false,
        out: page(value, width), error: page(graph.delta(variable), width), slope: slopes && page(slopes, width), fields: link.branches.length ? {} : fieldsOf(walked, link) };
    });
    const targets = graph.targets.flatMap((target) => [...scaledBack(model, target)]), { task } = model;
    return { walk: id, n, rows, shown, mode: graph.isTraining ? 'training' : 'prediction', assumed, loss: graph.loss, penalty: graph.penalty,
      losses: single(graph.losses.slice(0, shown), [shown]), x: page(input.value, input.width), error_x: page(graph.delta(input), input.width), target: page(targets, out.width),
      labels: task === 'multiclass' ? graph.targets.map((target) => target.indexOf(1)) : task === 'binary' ? graph.targets.map((target) => Number(target[0] > 0.5)) : null,
      prediction: page(predicted(model, out.value, n), out.width), links, is_chain: isChain(walked), letters: letters && { cells: { input: `a${letters.length}`, ...Object.fromEntries(Array.from(letters.cells, ([link, letter]) => [link, `${letter}${letters.numbers.get(link)}`])) }, numbers: Object.fromEntries(all.filter(({ link }) => link.kind === 'dense').map(({ link }) => [link.name, letters.numbers.get(link.name)])), loss: 'C' }, has_before: Boolean(studio.aside) };
  }

  function weight({ walk: number, name, index, terms = 4, nodes = 12 }) {
    if (!(terms >= 1 && terms <= TERMS && nodes >= 1 && nodes <= NODES)) throw new Error(`terms must be from 1 to ${TERMS} and nodes from 1 to ${NODES}.`);
    const { graph, model, config, x, n } = get(number), found = derived(graph, name, index, { terms, nodes });
    return { ...found, walk: number, gradient: name === 'input' ? found.value : engineGradient(model, config, graph, x, n, name, index) };
  }

  // The same number as the engine computes it in training, in float32.
  function engineGradient(model, config, graph, x, n, name, index) {
    const network = studio.network(model, config);
    try {
      const { start, shape } = network.parameters.find((one) => one.name === name), y = engineTargets(model, graph.targets);
      return network.trace({ x: Float32Array.from(x), n, y }, { training: graph.isTraining }).gradients[start + index.reduce((at, i, k) => at * shape[k] + i, 0)];
    } finally {
      network.free();
    }
  }

  function neuron({ walk: number, link, index }) {
    const { graph, model } = get(number), fields = {};
    for (const [name, values] of Object.entries(model.arrays)) {
      const [of, field] = name.split('.'), { shape } = values;
      if (of !== link || STATISTICS.includes(field)) continue;
      const width = shape[shape.length - 1], g = graph.gradientOf(name), column = (all) => Float32Array.from({ length: all.length / width }, (_, k) => all[k * width + index]);
      if (!(index >= 0 && index < width)) throw new Error(`index must be from 0 to ${width - 1}, not ${index}.`);
      fields[field] = { values: column(values), gradients: column(g) };
    }
    if (!Object.keys(fields).length) throw new Error(`there is no link '${link}' with parameters.`);
    return { walk: number, link, index, fields };
  }

  // Every line of a chain of single neurons.
  function chain({ walk: number, rate = 0.01 }) {
    const walked = get(number);
    if (!isChain(walked)) throw new Error('the lines are written for one sample and single neurons; load the example.');
    return chainLines(walked.graph, checked(rate));
  }

  // One step of gradient descent: {gradients by name, arrays after it}.
  function descended({ model, graph }, rate) {
    checked(rate);
    const names = Object.keys(model.arrays).filter((name) => graph.owners.get(name.split('.')[0])?.parameterCells && !STATISTICS.includes(name.split('.')[1])), gradients = {}, arrays = { ...model.arrays };
    for (const name of names) {
      const values = model.arrays[name], g = gradients[name] = graph.gradientOf(name);
      arrays[name] = shaped(values.map((v, k) => Math.fround(v - rate * g[k])), values.shape);
    }
    return { names, gradients, arrays };
  }

  function update({ walk: number, rate }) {
    const walked = get(number), { model, graph, x, targets, n } = walked, { names, gradients, arrays } = descended(walked, rate), changes = [];
    const after = createGraph(model, x, targets, n, { isTraining: graph.isTraining, arrays });
    let expected = 0;
    for (const name of names) gradients[name].forEach((g, k) => { expected += g * (arrays[name][k] - model.arrays[name][k]); });
    for (const name of names) {
      const { shape } = arrays[name], before = model.arrays[name], sizes = Array.from(arrays[name], (v, k) => Math.abs(v - before[k]));
      for (const k of Array.from(sizes.keys()).sort((one, two) => sizes[two] - sizes[one]).slice(0, MAX_CHANGES)) changes.push({ name, index: shape.length === 2 ? [Math.floor(k / shape[1]), k % shape[1]] : [k], before: before[k], gradient: gradients[name][k], after: arrays[name][k], size: sizes[k] });
    }
    changes.sort((one, two) => two.size - one.size);
    const first = (made) => shaped(predicted(model, made.out.value, n).subarray(0, model.outputs), [1, model.outputs]);
    return { walk: number, rate, before: graph.loss, after: after.loss, expected, prediction: { before: first(graph), after: first(after) },
      changes: changes.slice(0, MAX_CHANGES).map(({ name, index, before, gradient, after: then }) => ({ name, index, before, gradient, after: then })),
      parameters: names.map((name) => ({ name, norm: norm(model.arrays[name]), change: norm(arrays[name].map((v, k) => v - model.arrays[name][k])) })), theta: null };
  }

  function keep({ walk: number, rate }) {
    const walked = get(number);
    if (walked.model.arrays !== studio.model.arrays) throw new Error('the model has changed since these passes; compute them again.');
    const steps = studio.model.steps + 1;
    studio.showModel({ ...studio.model, steps, arrays: descended(walked, rate).arrays }, studio.config);
    return { steps };
  }

  let ranked = null;
  function mistake({ after = null, of = null }) {
    const model = studio.needModel(), { test, features } = studio.needData();
    if (ranked?.version !== studio.version || ranked.data !== studio.data) ranked = { version: studio.version, data: studio.data, ...byLoss(studio, model, test, features) };
    const { order, mistakes, searched } = ranked, place = order.indexOf(of ?? after), at = place < 0 ? 0 : (place + 1) % order.length;
    if (of !== null) return { sample: of, rank: place < 0 ? null : place + 1, mistakes, searched };
    return { sample: order[at], rank: at + 1, mistakes, searched };
  }

  // The lesson's chain in place of what is on show: w3, w2, w1, w0 = 0.5, 3, -1, 2 and the samples y = -2.5 x; `sigmoid` has sigmoids between.
  function example({ kind = 'lesson' }) {
    const layers = CHAIN.weights.flatMap((_, k) => [...(k && kind === 'sigmoid' ? [{ kind: 'sigmoid' }] : []), { kind: 'dense', units: 1 }]), name = kind === 'lesson' ? '1-1-1-1-1' : '1-1-1-1-1 sigmoid';
    const config = { inputs: 1, layers, loss: { kind: 'mean_squared_error' }, l2: 0, l1: 0, max_norm: null }, network = studio.engine.network(config, { seed: 0 });
    try {
      network.theta = Float32Array.from({ length: network.size }, (_, at) => CHAIN.weights[network.parameters.filter(({ name: of }) => of.endsWith('.W')).findIndex(({ start }) => start === at)] ?? 0);
      const part = { X: Float32Array.from(CHAIN.x), y: Float32Array.from(CHAIN.x, (x) => -2.5 * x), told: CHAIN.x.map((x) => -2.5 * x), n: CHAIN.x.length };
      const data = { name: 'chain', source: 'chain', X_kind: 'numbers', features: 1, shape: null, labels: null, scale: { mean: [0], std: [1] }, train: part, test: part };
      studio.showExample({ model: { ...describe(network, config, { name }), example: kind }, config, data });
    } finally {
      network.free();
    }
    return { name };
  }

  return { 'backprop.chain': chain, 'backprop.example': example, 'backprop.example_end': () => studio.endExample(), 'backprop.walk': walk, 'backprop.weight': weight, 'backprop.neuron': neuron, 'backprop.update': update, 'backprop.keep': keep, 'backprop.mistake': mistake };
}

// The targets as the engine takes them: labels for classes, else rows of the outputs.
function engineTargets(model, targets) {
  return model.task === 'multiclass' ? Int32Array.from(targets, (target) => target.indexOf(1)) : Float32Array.from(targets.flatMap((target) => [...target]));
}

export const decided = (model, out) => (model.task === 'multiclass' ? out.indexOf(Math.max(...out)) : Number(out[0] > 0));

// The first samples that the model is wrong about by their loss, the largest first; all of them where none is.
function byLoss(studio, model, test, features) {
  const n = Math.min(test.n, SEARCHED), { value } = needLoss(model), network = studio.network();
  try {
    const out = network.outputsOf(test.X.subarray(0, n * features), n), rows = thinned(n, n), targets = targetsOf(model, rows.map((row) => test.y[row])), k = model.outputs;
    const of = (all, row) => Array.from(all.subarray(row * k, (row + 1) * k)), each = rows.map((row) => value(of(out, row), of(targets, row)));
    const wrong = model.task === 'regression' ? null : rows.filter((row) => decided(model, of(out, row)) !== test.y[row]);
    const order = (wrong && wrong.length ? wrong : rows).sort((one, two) => each[two] - each[one] || one - two);
    return { order, mistakes: wrong && wrong.length, searched: n };
  } finally {
    network.free();
  }
}
