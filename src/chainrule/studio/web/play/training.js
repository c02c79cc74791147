// A training run in the page's worker that is started, paused, stepped and stopped, with its curves and its snapshots:
// studio/screens/train/{training,curves,timeline}.py in JavaScript.
import { networkOf } from './form.js';
import { createLooks, layoutOf } from './look.js';
import { arraysOf, describe, rowsOf, shaped, thinned } from './studio.js';

const POINTS = 256, TAIL = 32, MARKS = 48, SPEED_MS = 400, FIRST_MS = 50;
const SLICE_MS = 12, FRAME_MS = 100, SHOW_MS = 400, EPOCH_MS = 300;   // of work at a time; between two frames, two shown models, two confusion matrices

// Numbers evenly spaced in their logarithm, from 1 to `steps`.
const marksOf = (steps) => [...new Set(Array.from({ length: MARKS }, (_, k) => Math.round(steps ** (k / (MARKS - 1)))))].sort((one, two) => one - two);

// Calls f as soon as what waits has been done: a timer would wait for some milliseconds. One channel is for all: an open channel is kept
// for ever, and with it whatever f knows.
const channel = new MessageChannel(), due = [];
channel.port1.onmessage = () => due.shift()();
export function createSoon(f) {
  return () => {
    due.push(f);
    channel.port2.postMessage(null);
  };
}

// tell(event, data): to the pages.  show(model, config): puts newest numbers on show.  ended(run): once, behind the end.
export function createRun(studio, plan, { name, tell, show, ended }) {
  const { data } = studio, rows = thinned(data.train.n, plan.samples);
  const train = plan.samples === data.train.n ? data.train : { X: rowsOf(data.train.X, rows, data.features), y: Int32Array.from(rows, (row) => data.train.y[row]), n: rows.length };
  const samples = { x: train.X, n: train.n, y: data.labels ? labelsOf(plan, train.y) : Float32Array.from(train.y) }, held = { x: data.test.X, n: data.test.n, y: data.labels ? labelsOf(plan, data.test.y) : Float32Array.from(data.test.y) };
  const network = networkOf(studio, plan), { perEpoch, epochs, batch, config } = plan, steps = perEpoch * epochs, grid = 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, Math.floor(steps / POINTS)))));
  const about = { name, classes: data.labels, features: data.names ?? null, shape: data.shape, seed: plan.seed, scale: data.scale ?? null };
  if (config.layers[0].kind === 'standardize') network.standardize(samples);
  const training = network.training(samples, { optimizer: plan.optimizer, schedule: plan.schedule, batchSize: batch, epochs, seed: plan.seed, validation: held, clipNorm: plan.clip, clipValue: null, frozen: [], shuffle: 'package' });
  const looks = createLooks(data), wanted = marksOf(steps), soon = createSoon(slice), began = performance.now();
  const run = { phase: 'ready', plan, network, looks, points: [], records: [], snapshots: [], error: '', start, pause, resume, step, stop, toData, modelNow, modelAt, curve, free };
  let step_ = 0, epoch = 0, left = null, isWorking = false, sums = [0, 0, 0], last = [null, null], sent = 0, told = 0, speed = { samples: 0, steps: 0 }, measured = null, atFrame = 0, atShow = 0, atEpoch = 0, rate = plan.optimizer.learning_rate, isFree = false;

  const seen = () => epoch * train.n + Math.min((step_ - epoch * perEpoch) * batch, train.n);
  const current = () => describe(network, config, { ...about, epochs: epoch, steps: step_ });
  run.modelNow = modelNow;

  function modelNow() { return current(); }

  function snapshot() {
    run.snapshots.push({ step: step_, seen: seen(), epoch, arrays: arraysOf(network) });
    tell('train.mark', { step: step_, seen: seen() });
  }

  // The model as it was at a snapshot.
  function modelAt(at) {
    const kept = run.snapshots[at];
    if (!kept) throw new Error(`there are ${run.snapshots.length} snapshots, and none is number ${at}.`);
    return { ...current(), name: `${name} (${kept.seen.toLocaleString('en-US')} samples seen)`, epochs: kept.epoch, steps: kept.step, arrays: kept.arrays };
  }

  function begin() { measured = [performance.now(), step_, seen()]; }

  function measure() {
    const elapsed = performance.now() - measured[0];
    if (elapsed < (speed.steps ? SPEED_MS : FIRST_MS)) return;
    speed = { samples: (1000 * (seen() - measured[2])) / elapsed, steps: (1000 * (step_ - measured[1])) / elapsed };
    begin();
  }

  const point = () => {
    const [loss, right, weight] = sums;
    run.points.push(seen(), loss / weight, data.labels ? right / weight : NaN);
    sums = [0, 0, 0];
  };

  // Steps to the next point of the curves, the next snapshot, or the end of the epoch.
  function advance() {
    const inEpoch = step_ - epoch * perEpoch, next = wanted.find((mark) => mark > step_) ?? steps;
    const k = Math.min(grid - (step_ % grid), perEpoch - inEpoch, next - step_, left ?? Infinity), before = seen();
    const found = training.steps(k);
    step_ += k;
    const count = Math.min(k * batch, train.n - inEpoch * batch);
    sums = [sums[0] + found.loss * count, sums[1] + (found.accuracy ?? 0) * count, sums[2] + count];
    last = [found.loss, data.labels ? found.accuracy : null];
    if (found.ended && !['done', 'steps'].includes(found.ended) && !Number.isFinite(found.loss)) throw new Error(`the ${found.ended} was not finite at step ${step_.toLocaleString('en-US')}; lower the learning rate.`);
    const isEnd = inEpoch + k === perEpoch;
    if (isEnd) epoch += 1;
    if (isEnd || step_ % grid === 0) point();
    if (isEnd) record();
    if (step_ >= next) snapshot();
    return before;
  }

  function record() {
    const found = training.history[training.history.length - 1];
    rate = found.learning_rate ?? rate;
    run.records.push({ loss: found.loss, accuracy: found.accuracy, learning_rate: rate, val_loss: found.val_loss, ...scoreOf(found), seconds: (performance.now() - began) / 1000 });
    const now = performance.now();
    if (step_ === steps || left !== null || now - atEpoch > EPOCH_MS) tellEpoch();
  }

  // What is reached on the rows to test on, which a table's are said to be: the share of right answers, or the root mean square error in the target's units.
  function scoreOf({ val_loss, val_accuracy }) {
    const rows = data.columns ? 'test' : 'val';
    return data.labels ? { [`${rows}_accuracy`]: val_accuracy } : { [`${rows}_rmse`]: Math.sqrt(val_loss) * data.scale.std[0] };
  }

  function tellEpoch() {
    looks.judge(current(), network);
    const fresh = run.records.slice(told);
    told = run.records.length;
    atEpoch = performance.now();
    tell('train.epoch', { records: fresh, count: told, confusion: looks.confusion });
  }

  function look() {
    looks.look(current(), step_, Array.from({ length: run.points.length / 3 }, (_, k) => run.points[3 * k + 1]), run.records);
    tell('train.look', { look: looks.found, hints: looks.hints.slice(0, 4) });
  }

  function showNow() {
    atShow = performance.now();
    show(current(), config);
  }

  function report() {
    const now = performance.now(), isStepping = left !== null;
    measure();
    if (isStepping || looks.isDue(now)) look();
    if (isStepping || now - atShow > SHOW_MS) showNow();
    if (isStepping || now - atFrame >= FRAME_MS) {
      const n = run.points.length / 3;
      tell('train.frame', { ...position(), state: run.phase, speed, points: n, tail: curve(Math.max(0, Math.min(sent, n - TAIL))) });
      [atFrame, sent] = [now, n];
    }
  }

  function slice() {
    if (run.phase !== 'running' || isWorking || isFree) return;
    isWorking = true;
    const end = performance.now() + SLICE_MS;
    try {
      while (step_ < steps && (left === null || left > 0) && performance.now() < end) {
        const before = step_;
        advance();
        if (left !== null) left -= step_ - before;
      }
      report();
      if (step_ >= steps) conclude('done');
      else if (left !== null && left <= 0) rest();
      else soon();
    } catch (error) {
      run.error = error.message;
      looks.hints = [{ code: 'not_finite' }, ...looks.hints];
      conclude('failed');
    } finally {
      isWorking = false;
    }
  }

  function rest() {
    run.phase = 'paused';
    tell('train.state', {});
  }

  function conclude(phase) {
    run.phase = phase;
    if (phase !== 'failed') {
      if (run.snapshots[run.snapshots.length - 1].step !== step_) snapshot();
      if (told < run.records.length) tellEpoch();
      look();
      showNow();
    }
    ended(run);
  }

  function start(limit = null) {
    left = limit;
    snapshot();
    look();
    run.phase = 'running';
    begin();
    tell('train.state', {});
    soon();
  }

  function pause() { left = 0; }

  function resume() {
    left = null;
    run.phase = 'running';
    begin();
    tell('train.state', {});
    soon();
  }

  function step() {
    left = 1;
    run.phase = 'running';
    soon();
  }

  function stop() {
    if (['running', 'paused'].includes(run.phase)) conclude('stopped');
  }

  // Ends without a word: another run takes its place.
  function free() {
    if (isFree) return;
    isFree = true;
    run.phase = 'stopped';
    training.free();
    network.free();
  }

  const position = () => ({ step: step_, seen: seen(), epoch, rate, loss: last[0], accuracy: last[1] });
  function curve(from = 0) { return shaped(Float32Array.from(run.points.slice(3 * from)), [run.points.length / 3 - from, 3]); }

  function toData() {
    return { ...position(), state: run.phase, error: run.error, speed, batch, epochs, samples: train.n, steps_per_epoch: perEpoch, layout: layoutOf(current()), curve: curve(), records: run.records, confusion: looks.confusion, final: data.columns && run.records.length && !['running', 'paused'].includes(run.phase) ? scoreIn(run.records[run.records.length - 1]) : {}, preset: null,
      judged: { name: 'test', n: looks.judged }, labels: data.labels ?? [], look: looks.found, hints: looks.hints, advice: [], timeline: { step: run.snapshots.map((one) => one.step), seen: run.snapshots.map((one) => one.seen) } };
  }
  return run;
}

const scoreIn = (record) => Object.fromEntries(Object.entries(record).filter(([name]) => name.startsWith('test_')));

// Labels as the loss takes them: numbers from 0, or 0 and 1 as numbers.
export const labelsOf = (plan, y) => (plan.loss === 'softmax_cross_entropy' ? Int32Array.from(y) : Float32Array.from(y));
