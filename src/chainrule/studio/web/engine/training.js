// A training run: steps over shuffled batches, some milliseconds or some steps at a time.
import { known, settingsOf, tree } from './expressions.js';
import { ruleOf } from './program.js';
import { KernelSession } from './session.js';
import { purposeful } from '../random.js';

const FEWEST = 1, MOST = 4096;   // steps of a call of the kernels

export class Training {
  #session;
  #placed;
  #order = 0;          // the rows of the epoch, in the kernels' memory
  #secondsPerStep = 0;
  #sums = new Float64Array(6);   // of the epoch's steps so far; the engine goes on with them, so that no digit depends on the slices of time

  // data: {x, n, y, weight}; docs/web.md has the options.
  constructor(network, data, { optimizer = { kind: 'adam' }, schedule = { kind: 'constant' }, batchSize = 128, epochs = 10, seed = network.seed, shuffle = 'fast', validation = null, clipNorm = 0, clipValue = 0, frozen = [] } = {}) {
    const { kernels, description } = network, batch = Math.min(batchSize, data.n), rule = ruleOf(description, optimizer), what = `The schedule ${schedule.kind}`;
    const unknown = frozen.filter((name) => !network.plan.walk.some((link) => link.name === name));
    if (!(Number.isInteger(batchSize) && batchSize > 0 && Number.isInteger(epochs) && epochs > 0)) throw new Error('batchSize and epochs must be whole numbers of at least 1.');
    if (unknown.length) throw new Error(`frozen names ${unknown.join(', ')}, which the network does not have.`);
    this.network = network;
    this.kernels = kernels;
    this.data = data;
    this.rule = rule;
    this.batchSize = batch;
    this.epochs = epochs;
    this.seed = seed;
    this.shuffle = shuffle;
    this.validation = validation;
    this.step = 0;
    this.history = [];
    this.ended = 'done';    // of how the last steps ended
    this.described = known(description.schedules, schedule, 'schedule');
    this.schedule = settingsOf(this.described, schedule, what);
    this.stepsPerEpoch = Math.ceil(data.n / batch);
    this.#placed = network.placed(data);
    if (!network.isMeasured) network.standardize(data);
    const isActive = (link) => !frozen.includes(link);
    this.#session = new KernelSession(network, { trains: true, capacity: batch, inTraining: isActive, isTrained: isActive, rule, clipNorm: clipNorm || 0, clipValue: clipValue || 0, seed });
    this.#order = kernels.allocate(BigInt64Array, data.n);
  }

  get epoch() { return Math.floor(this.step / this.stepsPerEpoch); }
  get total() { return this.epochs * this.stepsPerEpoch; }
  get done() { return this.step >= this.total || this.ended !== 'done'; }
  // The learning rate of a step, counted from 0.
  rateOf(step) { return this.rule.learningRate * tree(this.described.factor, { ...this.schedule, step, total: this.total, steps_per_epoch: this.stepsPerEpoch }); }

  // Steps for about so many milliseconds, or `most` steps.
  run(milliseconds, most = Infinity) {
    const begun = performance.now(), first = this.step, sums = new Float64Array(6);
    while (!this.done && this.step - first < most) {
      const left = milliseconds - (performance.now() - begun);
      if (left <= 0) break;
      const fit = this.#secondsPerStep ? Math.floor(left / 1000 / this.#secondsPerStep) : FEWEST;
      this.#steps(Math.min(MOST, Math.max(FEWEST, fit), most - (this.step - first)), sums);
    }
    const steps = this.step - first;
    return { steps, step: this.step, epoch: this.epoch, epochs: this.epochs, done: this.done, loss: steps ? sums[0] / sums[1] : null, accuracy: steps && this.#hasClasses ? sums[2] / sums[1] : null, samples: sums[1], ended: this.ended };
  }
  steps(count) { return this.run(Infinity, count); }
  next() { return this.steps(1); }

  // The optimizer's numbers, with which `restore` goes on.
  state() {
    const { kernels, network } = this, at = kernels.allocate(Float32Array, network.size);
    const moments = Array.from({ length: kernels.call.moments(this.#session.at) }, (_, i) => {
      kernels.view(Float32Array, at, network.size).fill(0);
      kernels.call.get_moment(this.#session.at, i, at);
      return kernels.take(Float32Array, at, network.size);
    });
    kernels.call.free(at);
    return { step: this.step, moments, muProduct: kernels.call.mu_product(this.#session.at) };
  }
  restore({ step, moments, muProduct }) {
    moments.forEach((values, i) => this.kernels.with([values], (at) => this.kernels.call.set_moment(this.#session.at, i, at)));
    this.kernels.call.set_mu_product(this.#session.at, muProduct);
    this.step = step;
    if (step % this.stepsPerEpoch) this.#begin();
  }
  free() {
    if (!this.#order) return;
    void this.network.numbers;   // read back before the session goes
    this.#session.free();
    this.#placed.free();
    this.kernels.call.free(this.#order);
    this.#order = 0;
  }

  get #hasClasses() { return ['classes', 'binary'].includes(this.network.targets); }

  #begin() {
    const { n } = this.data, order = this.shuffle === 'package' ? purposeful(this.seed, 'shuffle', this.epoch).permutation(n) : shuffled(n, this.seed, this.epoch);
    const to = this.kernels.view(Uint32Array, this.#order, 2 * n);   // int64, low word first
    to.fill(0);
    for (let i = 0; i < n; ++i) to[2 * i] = order[i];
    this.#sums = new Float64Array(6);
  }

  // At most `count` steps of this epoch.
  #steps(count, sums) {
    if (!this.#order) throw new Error('This training is over: it was freed.');
    const { kernels, batchSize, data: { n } } = this, inEpoch = this.step % this.stepsPerEpoch, placed = this.#placed;
    if (inEpoch === 0) this.#begin();
    const steps = Math.min(count, this.stepsPerEpoch - inEpoch), begin = inEpoch * batchSize, rows = Math.min(n, begin + steps * batchSize) - begin;
    const settings = new Float64Array(5 * steps).fill(1), own = this.#sums.slice(), clock = performance.now();
    for (let k = 0; k < steps; ++k) settings[k] = this.rateOf(this.step + k);
    this.#session.push();
    const end = kernels.with([settings, own], (s, to) => {
      const found = kernels.checked(kernels.call.steps(this.#session.at, placed.x, placed.type, placed.labels, placed.y, placed.weight, this.#order + 8 * begin, rows, s, steps, this.step + 1, 0, to));
      own.set(kernels.view(Float64Array, to, 6));
      return kernels.names.ends[found];
    });
    this.#secondsPerStep = (performance.now() - clock) / 1000 / steps;
    this.network.outdate(this.#session);
    this.step += own[5];
    this.ended = end;
    own.forEach((value, i) => { sums[i] += value - this.#sums[i]; });
    this.#sums = own;
    if (end === 'done' && this.step % this.stepsPerEpoch === 0) this.#finish();
  }

  #finish() {
    const [loss, weight, right] = this.#sums, { validation } = this;
    const entry = { epoch: this.epoch, loss: loss / weight, accuracy: this.#hasClasses ? right / weight : null, learning_rate: this.rateOf(this.step - 1) };
    if (validation) {
      const found = this.network.evaluate(validation);
      Object.assign(entry, { val_loss: found.loss, val_accuracy: found.accuracy });
    }
    this.history.push(entry);
  }
}

// The numbers 0 to n - 1 in random order, by a generator of its own (sfc32), which takes a millisecond where the package's takes a hundred.
function shuffled(n, seed, epoch) {
  let [a, b, c, d] = [seed >>> 0, epoch >>> 0, 0x9e3779b9, 1];
  const word = () => {
    const found = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + found | 0;
    return found >>> 0;
  };
  for (let i = 0; i < 15; ++i) word();
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; --i) {
    const j = Math.floor((word() / 4294967296) * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
