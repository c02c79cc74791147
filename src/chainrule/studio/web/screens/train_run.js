// What the page knows of the training run: asked for once, then kept up to date by what the server sends.
import { createPace } from '../pace.js';

const FRAME_MS = 1000 / 31;   // thirty frames a second, and one that may be late
const FRAMES = 3;   // over which the points of one message are shown: ten messages come in a second

const fresh = () => ({ state: 'none', run: 0, curve: columns(null, 1), records: [], marks: { step: [], seen: [] }, others: [], hints: [], advice: [],
  layout: [], look: null, confusion: null, labels: [], shown: null, reading: null, form: {}, samples: 1, step: 0, seen: 0, epoch: 0, epochs: 1, speed: { samples: 0, steps: 0 } });

// Rows of (points, 3) as arrays by name. samples: of an epoch.
function columns(points, samples) {
  const n = points && points.length ? points.length / 3 : 0, found = { epochs: [], loss: [], accuracy: [] };
  for (let i = 0; i < n; ++i) {
    found.epochs.push(points[3 * i] / samples);
    found.loss.push(points[3 * i + 1]);
    found.accuracy.push(points[3 * i + 2]);
  }
  return found;
}

// Adds points to the end of curves.
function add({ curve, samples }, points) {
  const found = columns(points, samples);
  for (const name of ['epochs', 'loss', 'accuracy']) curve[name].push(...found[name]);
}

export const isAlive = (run) => run.state === 'running' || run.state === 'paused';

// Calls changed(what) after each change: 'all', 'frame', 'look', 'epoch', 'mark' or 'shown'. Returns {run, refresh, stop}.
/** @param {import('../store.js').Store} store */
export function followRun(store, changed) {
  const run = fresh(), page = String(Math.random()).slice(2);
  const inTime = createPace(undefined, { least: FRAME_MS, alone: true });
  let filling = false, told = 0;   // told: how often the server has told the whole state
  let coming = [], left = 0;   // numbers of the points that are not in the curves yet, and the frames until they are

  function take(data) {
    coming = [];
    const curve = columns(data.curve, data.samples), marks = data.timeline || { step: [], seen: [] };
    Object.assign(run, fresh(), data, { curve, marks });
    run.others = (data.others || []).map((other) => ({ ...other, curve: columns(other.curve, data.samples) }));
    changed('all');
  }

  // Answers are made in threads of their own: one may come behind an event that is newer.
  async function refresh() {
    const before = told;
    try {
      const data = await store.call('train.state');
      if (told === before) take(data);
    } catch (error) {
      if (error.message !== 'lost') throw error;
    }
  }

  async function fillGap() {
    if (filling) return;
    filling = true;
    try {
      const { start, points } = await store.call('train.curve', { start: run.curve.epochs.length });
      if (start === run.curve.epochs.length) add(run, points);
      coming = [];
      changed('frame');
    } catch (error) {
      if (error.message !== 'lost') throw error;
    } finally {
      filling = false;
    }
  }

  // Points that came together are shown one after the other, so that the curves grow evenly.
  function show() {
    const n = 3 * Math.ceil(coming.length / 3 / Math.max(1, left));
    left -= 1;
    add(run, coming.splice(0, n));
    if (n) inTime('points', show);   // once more than there are points, for a frame draws one of two charts
    changed('frame');
  }

  function frame(data) {
    if (data.run !== run.run) return refresh();
    const known = run.curve.epochs.length + coming.length / 3;
    if (!isAlive(run) || data.step < run.step || data.points < known) return undefined;   // it waited longer than what came after it
    for (const name of ['step', 'seen', 'epoch', 'rate', 'loss', 'accuracy', 'speed']) run[name] = data[name];
    const start = data.points - data.tail.length / 3;
    if (start > known) return fillGap();
    coming.push(...data.tail.subarray(3 * (known - start)));
    left = FRAMES;
    return inTime('points', show);
  }

  function look(data) {
    if (data.run !== run.run) return refresh();
    Object.assign(run, { look: data.look, hints: data.hints });
    return changed('look');
  }

  function epoch(data) {
    if (data.run !== run.run) return refresh();
    run.confusion = data.confusion;
    run.records = [...run.records.slice(0, data.count - data.records.length), ...data.records];
    return run.records.length === data.count ? changed('epoch') : refresh();
  }

  function mark(data) {
    if (data.run !== run.run) return;
    if (run.marks.step.includes(data.step)) return;
    run.marks.step.push(data.step);
    run.marks.seen.push(data.seen);
    changed('mark');
  }

  const watch = (visible) => store.call('train.watch', { page, visible }).catch(() => {});
  const seen = () => watch(!document.hidden);
  document.addEventListener('visibilitychange', seen);
  const offs = [
    store.listen('train.state', (data) => { told += 1; take(data); }),
    store.listen('train.frame', frame),
    store.listen('train.look', look),
    store.listen('train.epoch', epoch),
    store.listen('train.mark', mark),
    store.listen('train.reading', ({ name }) => { run.reading = name; changed('all'); }),
    store.listen('train.shown', (data) => { run.shown = data.at; changed('shown'); }),
    store.listen('connected', () => { seen(); refresh(); }),
  ];
  seen();
  refresh();
  return { run, refresh, stop() {
    offs.forEach((off) => off());
    document.removeEventListener('visibilitychange', seen);
    watch(false);
  } };
}
