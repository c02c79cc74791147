// A network with its parameters: predictions, losses, and what a pass leaves behind. Its numbers are here, in theta's order; sessions of the
// kernels take them over when they have changed.
import { isRight, moments, normGradients, predictions } from './answers.js';
import { networkOf } from './links.js';
import { Placed } from './kernels.js';
import { write } from './safetensors.js';
import { KernelSession } from './session.js';
import { initialStates, initialTheta } from './start.js';
import { Training } from './training.js';

const ROWS = 256;              // that a pass computes at a time
const NUMBERS = 1 << 22;       // of samples in the kernels' memory at a time, for predictions
const ALL = 3e38;              // a clip_norm that clips nothing, with which the kernels keep the gradients
const ZERO_DEVIATION = 1.1754943508222875e-38;

export class Network {
  #theta;
  #states;
  #newer = null;        // the session that has newer numbers than these
  #sessions = new Map();

  constructor(kernels, description, config, { seed = 0, theta = null, states = null } = {}) {
    this.kernels = kernels;
    this.description = description;
    this.config = config;
    this.seed = seed;
    this.version = 0;       // of the numbers: a session that has another one takes them over
    this.plan = networkOf(description, config);
    this.#theta = theta ?? initialTheta(description, this.plan, seed);
    this.#states = states ?? initialStates(this.plan);
  }

  get inputs() { return this.plan.inputs; }
  get outputs() { return this.plan.outputs; }
  get size() { return this.plan.size; }
  get targets() { return this.plan.loss.targets; }
  get links() { return this.plan.links.map(shown); }
  get parameters() { return this.plan.parameters.map(({ name, link, field, shape, start, stop, isWeight }) => ({ name, link, field, shape, start, stop, isWeight })); }
  get values() {
    const { ops, widths } = this.plan;
    return [{ value: 0, link: null, op: 'input', function: null, width: widths[0], inputs: [] }, ...ops.map((op) => ({ value: op.output, link: op.link.name, op: op.name, function: op.function, width: widths[op.output], inputs: op.inputs }))];
  }

  // --- numbers -------------------------------------------------------------------------------------------------

  // theta itself, which sessions read; elsewhere take `theta`, a copy.
  get numbers() {
    this.#update();
    return this.#theta;
  }
  get theta() { return this.numbers.slice(); }
  set theta(values) { this.#replace(0, values, this.size, 'theta'); }
  parameter(name) {
    const { start, stop } = this.#place(name);
    return this.numbers.slice(start, stop);
  }
  setParameter(name, values) {
    const { start, stop } = this.#place(name);
    this.#replace(start, values, stop - start, name);
  }
  setNumber(name, index, value) {
    const { start, stop } = this.#place(name);
    if (!(index >= 0 && index < stop - start)) throw new Error(`${name} has the numbers 0 to ${stop - start - 1}, not ${index}.`);
    this.#replace(start + index, [value], 1, name);
  }
  stateOf(link) {
    this.#update();
    return this.#states[link];
  }
  get states() {
    this.#update();
    return structuredClone(this.#states);
  }
  set states(values) {
    this.#update();
    for (const [link, fields] of Object.entries(this.#states)) {
      for (const field of Object.keys(fields)) {
        const given = Float32Array.from(values[link]?.[field] ?? []);
        if (given.length !== fields[field].length) throw new Error(`The state ${link}.${field} has ${fields[field].length} numbers, not ${given.length}.`);
        fields[field] = given;
      }
    }
    ++this.version;
  }
  initialize(seed) {
    this.#newer = null;
    this.seed = seed;
    this.#theta = initialTheta(this.description, this.plan, seed);
    this.#states = initialStates(this.plan);
    ++this.version;
  }
  // Called by a session after steps: its numbers are newer, and are read back when something needs them.
  outdate(session) {
    ++this.version;
    this.#newer = session;
    session.version = this.version;
  }
  // Measures the mean and the deviation of every Standardize on some rows, in float64; a constant column has deviation 1.
  standardize(data) {
    for (const op of this.plan.ops) {
      if (op.name !== 'standardize') continue;
      const { mean, std } = moments(this.#valuesOf(op.inputs[0], data), data.n, op.link.fanIn), isConstant = (s, j) => s <= Math.max(1e-12 * Math.abs(mean[j]), ZERO_DEVIATION);
      this.#states[op.link.name] = { mean: Float32Array.from(mean), std: std.map((s, j) => (isConstant(s, j) ? 1 : s)), count: Float32Array.of(data.n) };
      this.#states[op.link.name].std = Float32Array.from(this.#states[op.link.name].std);
      ++this.version;
    }
  }
  get isMeasured() { return this.plan.walk.every((link) => link.kind !== 'standardize' || this.stateOf(link.name).count[0] > 0); }

  // --- passes --------------------------------------------------------------------------------------------------

  // The outputs (n * outputs), before the loss's link function.
  outputsOf(x, n) {
    const session = this.#session('predict', { trains: false, capacity: ROWS }), out = new Float32Array(n * this.plan.fanOut);
    session.push();
    this.#chunks({ x, n }, (placed, first) => out.set(session.predict(placed, 0, placed.n), first * this.plan.fanOut));
    return out;
  }
  // The means or the probabilities (n * outputs).
  predict(x, n) {
    const out = this.outputsOf(x, n);
    for (const name of this.plan.loss.predict) predictions[name](out, this.plan.fanOut);
    return out;
  }
  // {loss, penalty, accuracy, n}: the mean loss of the rows with the penalty, and the share of rows whose classes are right; null for numbers.
  evaluate(data) {
    const { kernels } = this, session = this.#session('predict', { trains: false, capacity: ROWS });
    let sum = 0, right = 0, weights = 0;
    session.push();
    this.#chunks(data, (placed, first) => {
      const out = session.predict(placed, 0, placed.n), at = kernels.allocate(Float32Array, placed.n);
      kernels.with([out], (from) => kernels.checked(kernels.call.losses(session.at, from, placed.n, placed.labels, placed.y, at)));
      const losses = kernels.take(Float32Array, at, placed.n);
      kernels.call.free(at);
      for (let i = 0; i < placed.n; ++i) {
        const weight = data.weight ? data.weight[first + i] : 1;
        sum += weight * losses[i];
        weights += weight;
        if (isRight(this.plan, out, i, data.y, first + i)) right += weight;
      }
    }, true);
    const penalty = this.penalty();
    return { loss: sum / weights + penalty, penalty, accuracy: this.targets === 'classes' || this.targets === 'binary' ? right / weights : null, n: data.n };
  }
  loss(data) { return this.evaluate(data).loss; }
  // The loss with one number replaced; the network stays as it is.
  lossWith(name, index, value, data) {
    const { start } = this.#place(name), before = this.numbers[start + index];
    this.setNumber(name, index, value);
    try {
      return this.loss(data);
    } finally {
      this.setNumber(name, index, before);
    }
  }
  // l2/2 ||W||^2 + l1 |W|, over the weights.
  penalty() {
    const { l2, l1, parameters } = this.plan;
    if (!l2 && !l1) return 0;
    let square = 0, absolute = 0;
    for (const { start, stop, isWeight } of parameters) {
      if (isWeight) for (const w of this.numbers.subarray(start, stop)) [square, absolute] = [square + w * w, absolute + Math.abs(w)];
    }
    return (l2 / 2) * square + l1 * absolute;
  }
  // A pass forward and back over all rows of data as one batch, at most 256; nothing changes. {loss, penalty, n, values: [{output, error}],
  // gradients}: values as `values` lists them, error = dL/d output; gradients (size) in theta's order. training: dropout draws, for the step
  // of that number, and batch norm takes the batch.
  trace(data, { training = false, step = 1 } = {}) {
    if (!(data.n <= ROWS)) throw new Error(`A trace takes at most ${ROWS} rows, not ${data.n}.`);
    const { kernels } = this, session = this.#session(`trace ${training} ${data.n}`, { trains: true, capacity: data.n, fuses: false, inTraining: () => training, penalizes: false, clipNorm: ALL, seed: this.seed });
    session.push(true);
    const placed = new Placed(kernels, data, this.#fits), at = kernels.allocate(Float32Array, this.size);
    try {
      const rows = BigInt64Array.from({ length: data.n }, (_, i) => BigInt(i)), sums = new Float64Array(6);
      const end = kernels.with([rows, Float64Array.of(0, 1, Number(training), 1, 1), sums], (r, s, to) => {
        const found = kernels.checked(kernels.call.steps(session.at, placed.x, placed.type, placed.labels, placed.y, placed.weight, r, data.n, s, 1, step, 0, to));
        sums.set(kernels.view(Float64Array, to, 6));
        return kernels.names.ends[found];
      });
      if (end !== 'done') throw new Error('The loss or a gradient of these rows is not a finite number.');
      kernels.checked(kernels.call.gradient(session.at, at));
      const values = this.values.map(({ value }) => ({ output: session.kept(value, data.n, false), error: session.kept(value, data.n, true) }));
      const gradients = kernels.take(Float32Array, at, this.size);
      for (const op of training ? [] : this.plan.ops.filter(({ name }) => name === 'batch_norm')) {
        const found = normGradients(values[op.inputs[0]].output, values[op.output].error, this.stateOf(op.link.name), op.constants.eps);
        for (const field of op.parameters) gradients.set(found[field], this.#place(`${op.link.name}.${field}`).start);
      }
      return { loss: sums[0] / sums[1], penalty: sums[4] / data.n, n: data.n, values, gradients };
    } finally {
      placed.free();
      kernels.call.free(at);
    }
  }

  // --- training and files --------------------------------------------------------------------------------------

  training(data, options = {}) { return new Training(this, data, options); }
  // A model file of the package (safetensors). extra: more of its metadata: classes, feature_names, ...
  save(extra = {}) {
    const about = { seed: this.seed, classes: null, frozen: [], epochs_trained: 0, steps_trained: 0, ...extra };
    return write({ config: this.config, about, parameters: this.plan.parameters, theta: this.numbers, links: this.plan.walk, states: this.states });
  }
  free() {
    for (const session of this.#sessions.values()) session.free();
    this.#sessions.clear();
  }

  // --- inside --------------------------------------------------------------------------------------------------

  get #fits() { return { inputs: this.inputs, outputs: this.outputs, hasClasses: this.targets === 'classes' }; }
  placed(data) { return new Placed(this.kernels, data, this.#fits); }
  #update() {
    if (!this.#newer) return;
    const { theta, states } = this.#newer.pull();
    this.#newer = null;
    this.#theta = theta;
    for (const [link, fields] of Object.entries(states)) Object.assign(this.#states[link], fields);
  }
  #place(name) {
    const found = this.plan.parameters.find((each) => each.name === name);
    if (!found) throw new Error(`The network has no parameter ${name}; it has ${this.plan.parameters.map((each) => each.name).join(', ')}.`);
    return found;
  }
  #replace(start, values, n, name) {
    if (values.length !== n) throw new Error(`${name} has ${n} numbers, not ${values.length}.`);
    this.numbers.set(values, start);
    ++this.version;
  }
  #session(key, how) {
    if (!this.#sessions.has(key)) {
      const traces = [...this.#sessions.keys()].filter((each) => each.startsWith('trace'));
      if (key.startsWith('trace') && traces.length > 2) {
        this.#sessions.get(traces[0]).free();
        this.#sessions.delete(traces[0]);
      }
      this.#sessions.set(key, new KernelSession(this, how));
    }
    return this.#sessions.get(key);
  }
  // use(placed, first) for some rows of data at a time.
  #chunks(data, use, needsTargets = false) {
    const { x, n, y = null } = data, { inputs, outputs } = this, each = Math.max(1, Math.floor(NUMBERS / inputs)), perRow = this.targets === 'classes' ? 1 : outputs;
    if (x.length !== n * inputs) throw new Error(`x must have n rows of ${inputs} numbers, but has ${x.length} numbers for n = ${n}.`);
    for (let first = 0; first < n; first += each) {
      const last = Math.min(n, first + each), part = { n: last - first, x: x.subarray(first * inputs, last * inputs), y: needsTargets ? y?.slice(first * perRow, last * perRow) : null };
      const placed = new Placed(this.kernels, part, this.#fits, needsTargets);
      try {
        use(placed, first);
      } finally {
        placed.free();
      }
    }
  }
  // The numbers (n, width) of a value for all rows, in prediction.
  #valuesOf(value, data) {
    const session = this.#session('values', { trains: false, capacity: ROWS, fuses: false }), width = this.plan.widths[value], found = new Float32Array(data.n * width);
    session.push();
    this.#chunks({ x: data.x, n: data.n }, (placed, begin) => {
      for (let first = 0; first < placed.n; first += ROWS) {
        const rows = Math.min(ROWS, placed.n - first);
        session.predict(placed, first, rows);
        found.set(session.kept(value, rows, false), (begin + first) * width);
      }
    });
    return found;
  }
}

// A link for those outside.
function shown({ name, kind, number, layer, fanIn, fanOut, depth, branches }) {
  return { name, kind, number, layer, fanIn, fanOut, depth, ...(branches ? { branches: branches.map((branch) => branch.map(shown)) } : {}) };
}
