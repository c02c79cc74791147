// Networks that are trained side by side in turns, and what a page is told of them: studio/screens/labs/side_by_side.py in JavaScript.
import { shaped } from './studio.js';

const FRAME_MS = 50, SLICE_MS = 12;
const COLUMNS = ['step', 'passes', 'seconds', 'loss'];

/**
 * A network of several, as a run begins with it.
 * @typedef {{name: string, rows: number[][], profile: Float32Array, peak: any, facts: any, done: boolean, error: string | null, seconds: number, advance: () => void, free: () => void}} Arm
 *   rows: one for each record, see COLUMNS.  advance: trains for some milliseconds; the first time it records the untrained network.
 * @returns {Arm}
 */
export const createArm = (name) => ({ name, rows: [], profile: new Float32Array(0), peak: {}, facts: {}, done: false, error: null, seconds: 0, advance() {}, free() {} });

/** The arms of a lab that are asked for, in its order.  @param {Record<string, any>} known  @param {string[]} asked */
export function chosen(known, asked) {
  const names = Object.keys(known).filter((name) => asked.includes(name));
  if (!names.length) throw new Error(`arms must name at least one of ${Object.keys(known).join(', ')}, not none.`);
  return names;
}

/** @param {string} name  @param {number} value  @param {number} low  @param {number} high */
export function within(name, value, low, high) {
  if (!(value >= low && value <= high)) throw new Error(`${name} must be from ${low} to ${high}, not ${value}.`);
}

/**
 * The runs of a lab, one at a time. soon(f): a function that has f called behind what waits.
 * @param {any} studio  @param {(f: () => void) => () => void} soon  @param {string} lab
 */
export function sideBySide(studio, soon, lab) {
  let run = null, count = 0;

  function stated() {
    if (!run) return { run: null };
    const arms = run.arms.map((arm) => ({ name: arm.name, ...Object.fromEntries(COLUMNS.map((column, i) => [column, Float32Array.from(arm.rows, (row) => row[i])])), profile: arm.profile, peak: arm.peak, done: arm.done, error: arm.error, facts: arm.facts }));
    return { run: { id: run.id, running: run.isRunning, settings: run.settings, arms, ending: run.ending, code: run.code } };
  }

  function tell() {
    run.sent = performance.now();
    studio.send(`${lab}.frame`, { id: run.id, running: run.isRunning, arms: run.arms.map(({ name, rows, profile, peak, done }) => ({ name, row: rows.length ? rows[rows.length - 1] : null, profile: shaped(profile.slice(), [profile.length]), peak, done })) });
  }

  function end(isWhole) {
    run.isRunning = false;
    if (isWhole) run.ending = run.conclude(run.arms);
    run.arms.forEach((arm) => arm.free());
    tell();
    studio.send(`${lab}.ended`, { id: run.id });
  }

  const again = soon(() => {
    if (!run?.isRunning) return;
    const until = performance.now() + SLICE_MS;
    while (performance.now() < until && run.isRunning) {
      const [arm] = run.turns;
      arm.advance();
      run.turns.shift();
      if (!arm.done) run.turns.push(arm);
      if (!run.turns.length) end(true);
    }
    if (!run.isRunning) return;
    if (performance.now() - run.sent >= FRAME_MS) tell();
    again();
  });

  function stop() {
    if (run?.isRunning) end(false);
    return stated();
  }

  // conclude(arms): the ending of a run whose arms are all done.
  function start({ settings, arms, code, conclude }) {
    stop();
    count += 1;
    run = { id: count, settings, arms, code, conclude, turns: [...arms], isRunning: true, ending: {}, sent: 0 };
    again();
    return stated();
  }

  return { start, commands: { [`${lab}.get`]: stated, [`${lab}.stop`]: stop } };
}
