// The training of the page: the run there is, those that it is compared with, and what is shown of it. studio/screens/train/desk.py in JavaScript.
import { checked, optionsOf, planOf } from './form.js';
import { reference } from './reference.js';
import { createRun } from './training.js';

const MAX_OTHERS = 3;

const isAlive = (run) => run && ['running', 'paused'].includes(run.phase);

/** @param {any} studio */
export function createDesk(studio) {
  let run = null, number = 0, form = {}, others = [], queue = [], shown = null, name = '', reading = null;

  function tell(event, data) {
    studio.send(event, event === 'train.state' ? toData() : { run: number, ...data });
  }

  function ready(given) {
    if (reading) throw new Error(`${reading} is being read; train when it is loaded.`);
    const plan = planOf(studio, given), mine = number + 1, { data } = studio;
    const widths = [plan.config.inputs, ...plan.config.layers.filter(({ kind }) => kind === 'dense').map(({ units }) => units)].join('-'), called = `${data.name} ${widths}`;
    const fresh = createRun(studio, plan, { name: called, tell: (event, told) => { if (mine === number) tell(event, told); }, show: (model, config) => { if (mine === number && shown === null) studio.showNewest(model, config, data); }, ended });
    if (run) run.free();
    [run, number, form, shown, name] = [fresh, mine, given, null, called];
    studio.showModel(run.modelNow(), plan.config);
    return run;
  }

  function start({ form: given, versus = null, steps = null, fresh = true }) {
    if (versus) planOf(studio, { ...given, ...versus });   // rejected now rather than later
    if (fresh) others = [];
    else keep();
    ready(given).start(steps);
    queue = versus ? [{ ...given, ...versus }] : [];
    return { run: number };
  }

  function ended(of) {
    if (of !== run) return;
    if (of.phase === 'done' && queue.length) {
      const [next, ...rest] = queue;
      keep();
      ready(next).start();
      queue = rest;
      return;
    }
    queue = [];
    tell('train.state', {});
  }

  function keep() {
    if (run && run.points.length) others = [...others, { form, curve: run.curve(), records: [...run.records] }].slice(-MAX_OTHERS);
  }

  const current = () => {
    if (!run) throw new Error('there is no run yet; start one.');
    return run;
  };

  function step({ form: given }) {
    if (!isAlive(run)) start({ form: given, steps: 1, fresh: false });
    else if (run.phase === 'paused') run.step();
    else run.pause();
    return { run: number };
  }

  function show({ at = null }) {
    const of = current();
    shown = at;
    studio.showModel(at === null ? of.modelNow() : of.modelAt(at), of.plan.config);
    studio.send('train.shown', { run: number, at });
    return { at };
  }

  function toData() {
    return { ...(run ? run.toData() : { state: 'none' }), run: number, form, others, queued: queue.length, shown, reading };
  }

  return {
    // Says that data are being read, and calls f meanwhile.
    async reading(called, f) {
      reading = called;
      studio.send('train.reading', { name: reading });
      try {
        return await f();
      } finally {
        reading = null;
        studio.send('train.reading', { name: null });
      }
    },
    // Forgets a run: the data are others.
    clear() {
      if (run) run.free();
      [run, form, others, queue, shown] = [null, {}, [], [], null];
      number += 1;
      tell('train.state', {});
    },
    commands: {
      'train.options': () => optionsOf(studio),
      'train.check': ({ form: given }) => checked(studio, given),
      'train.state': toData,
      'train.start': start,
      'train.pause': () => { current().pause(); return {}; },
      'train.resume': () => { current().resume(); return {}; },
      'train.step': step,
      'train.stop': () => { queue = []; current().stop(); return { state: current().phase }; },
      'train.rewind': ({ form: given }) => { ready(given); tell('train.state', {}); return { run: number }; },
      'train.show': show,
      'train.curve': ({ start: from = 0 }) => ({ start: from, points: current().curve(Math.max(0, from)) }),
      'train.reference': () => reference(studio),
      'train.watch': () => ({}),
    },
    get name() { return name; },
  };
}
