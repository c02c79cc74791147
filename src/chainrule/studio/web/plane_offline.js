// The commands of the plane in a page without a server: its network is trained here, and begins as the page was exported.
import { drawPoints } from './plane_data.js';
import { createTrainer } from './plane_trainer.js';

const EDGE = 1.3, TICK_MS = 33, WORK_MS = 20;
const PACES = { slow: 0.5, normal: 1 / 30, fast: 0 };   // seconds that an epoch takes at least, as on the server
const MOST_REPLAYED = 40_000;   // steps that are taken anew, for the optimizer's memory, which no page has
const COLUMNS = ['epoch', 'loss', 'val_loss', 'accuracy', 'val_accuracy'];

function pointsOf(settings) {
  if (settings.kind !== 'painted') return drawPoints(settings);
  const rows = settings.painted.length / 3, at = (i, k) => settings.painted[3 * i + k];
  return { X: Float32Array.from({ length: 2 * rows }, (_, k) => at(k >> 1, k & 1)), y: Array.from({ length: rows }, (_, i) => at(i, 2)), X_test: new Float32Array(0), y_test: [] };
}

// exported: the answer to plane.get that goes with the page, or null.  emit(event, data).
export function planeHost(exported, emit) {
  let trainer = null, settings = null, points = null, id = exported ? exported.frame.id : 0, goal = 0, pace = 0, due = 0, timer = 0, original = exported;

  const isRunning = () => trainer.step < goal;
  const frame = () => ({ id, epoch: trainer.epoch, step: trainer.step, running: isRunning(), record: trainer.records[trainer.records.length - 1], numbers: trainer.packed() });

  function make(given) {
    settings = given;
    points = pointsOf(given);
    trainer = createTrainer(given, points);
    goal = 0;
  }

  const state = () => ({ settings, edge: EDGE, classes: settings.kind === 'surface' ? null : Math.max(...points.y) + 1, ...points, model: trainer.model, slots: trainer.slots, frame: frame(),
    history: Object.fromEntries(COLUMNS.map((name, i) => [name, Float32Array.from(trainer.records, (record) => record[i])])), steps_per_epoch: trainer.perEpoch, code: null, error: null });

  // The network as it was exported, with what its optimizer remembered there, for the first step that is taken here.
  function resume() {
    if (trainer) return;
    const { frame: { epoch, step }, history, slots } = original;
    make(original.settings);
    for (let k = 0; k < Math.min(step, MOST_REPLAYED); ++k) trainer.take();
    Object.assign(trainer, { epoch, step, records: Array.from(history.epoch, (_, k) => COLUMNS.map((name) => history[name][k])) });
    for (const [name, start, shape] of slots) trainer.numbers[name].set(original.frame.numbers.subarray(start, start + shape.reduce((all, axis) => all * axis, 1)));
    original = null;
  }

  function tick() {
    timer = 0;
    const begin = performance.now(), each = (1000 * pace) / trainer.perEpoch;
    due = Math.max(due, begin - 200);   // behind: it does not hurry to catch up
    while (isRunning() && performance.now() >= due && performance.now() - begin < WORK_MS) {
      trainer.take();
      due += each;
    }
    emit('plane.frame', frame());
    if (isRunning()) timer = setTimeout(tick, Math.max(TICK_MS, due - performance.now()));
  }

  function go(steps, seconds) {
    resume();
    goal = trainer.step + steps;
    [pace, due] = [seconds, performance.now()];
    if (!timer) timer = setTimeout(tick);
    return frame();
  }

  const commands = {
    'plane.build': (given) => {
      clearTimeout(timer);
      [timer, original] = [0, null];
      id += 1;
      make(given);
      return state();
    },
    'plane.get': () => (trainer ? state() : original ? { ...original, frame: { ...original.frame, running: false } } : { model: null }),
    'plane.start': ({ epochs = null, pace: kind = 'normal' }) => { resume(); return go(epochs === null ? Infinity : epochs * trainer.perEpoch, PACES[kind]); },
    'plane.step': ({ steps = 1 }) => go(steps, 0),
    'plane.pause': () => { resume(); goal = trainer.step; return frame(); },
  };
  return { can: (name) => name in commands, call: (name, args) => commands[name](args) };
}
