// What the worker answers: networks and data by names that the page chooses, and trainings that go on between the answers.
import { load } from './engine.js';

const SLICE = 25;   // milliseconds of steps between two looks at the messages

// handle(message) for messages {id, method, args}; post(message, transfer) sends {id, answer}, {id, error} or {event: 'progress', training, ...}.
export function server(post) {
  const networks = new Map(), datasets = new Map(), trainings = new Map();
  let engine = null;

  function network(id) {
    const found = networks.get(id);
    if (!found) throw new Error(`The worker has no network ${id}.`);
    return found;
  }
  // Data by the name under which the page has put it, or itself.
  const resolved = (data) => {
    if (typeof data !== 'string') return data;
    if (!datasets.has(data)) throw new Error(`The worker has no data ${data}.`);
    return datasets.get(data);
  };
  const named = (value) => (value && typeof value === 'object' && typeof value.data === 'string' ? resolved(value.data) : value);
  const about = ({ inputs, outputs, size, targets, links, parameters, values, config }) => ({ inputs, outputs, size, targets, links, parameters, values, config });
  function keep(id, found) {
    networks.get(id)?.free();
    networks.set(id, found);
    return about(found);
  }

  const methods = {
    async load(wasm, description) {
      const source = typeof wasm === 'string' ? await (await fetch(wasm)).arrayBuffer() : wasm;
      engine = await load(source, description);
      return Object.fromEntries(['layers', 'blocks', 'losses', 'optimizers', 'schedules', 'initializers'].map((table) => [table, Object.keys(description[table])]));
    },
    network: (id, config, options) => keep(id, engine.network(config, options)),
    open(id, buffer) {
      const { network: found, extra, isRounded } = engine.open(buffer);
      return { ...keep(id, found), extra, isRounded };
    },
    save: (id, extra) => network(id).save(extra),
    call: (id, method, ...args) => network(id)[method](...args.map(named)),
    get: (id, name) => network(id)[name],
    set(id, name, value) {
      network(id)[name] = value;
    },
    data(name, data) {
      if (data) datasets.set(name, data);
      else datasets.delete(name);
    },
    free(id) {
      network(id).free();
      networks.delete(id);
    },
    train(id, key, data, options = {}) {
      const found = network(id), rows = named(data), training = found.training(rows, { ...options, validation: options.validation ? named(options.validation) : null });
      const run = { training, isPaused: Boolean(options.paused), told: 0, begun: performance.now(), samples: 0, seconds: 0 };
      trainings.set(key, run);
      if (!run.isPaused) later(key);
      return { total: training.total, stepsPerEpoch: training.stepsPerEpoch };
    },
    pause(key) {
      running(key).isPaused = true;
    },
    resume(key) {
      const run = running(key);
      if (run.isPaused) later(key);
      run.isPaused = false;
    },
    // So many steps of a training that is paused.
    steps(key, count) {
      const run = running(key);
      run.isPaused = true;
      const progress = told(key, run, run.training.steps(count));
      if (progress.done) methods.stop(key);
      return progress;
    },
    stop(key) {
      const run = trainings.get(key);
      trainings.delete(key);
      run?.training.free();
    },
  };

  function running(key) {
    const run = trainings.get(key);
    if (!run) throw new Error(`The worker has no training ${key}; it may be over.`);
    return run;
  }

  function told(key, run, progress) {
    const history = run.training.history.slice(run.told);
    run.told = run.training.history.length;
    return { training: key, ...progress, samplesPerSecond: run.seconds ? run.samples / run.seconds : null, history };
  }

  // The next slice, after the messages that wait.
  function later(key) {
    setTimeout(() => {
      const run = trainings.get(key);
      if (!run || run.isPaused) return;
      try {
        const begun = performance.now(), progress = run.training.run(SLICE);
        run.seconds += (performance.now() - begun) / 1000;
        run.samples += progress.samples;
        post({ event: 'progress', ...told(key, run, progress) });
        if (progress.done) methods.stop(key);
        else later(key);
      } catch (error) {
        methods.stop(key);
        post({ event: 'progress', training: key, done: true, error: error.message });
      }
    }, 0);
  }

  return async function handle({ id, method, args = [] }) {
    try {
      if (!Object.hasOwn(methods, method)) throw new Error(`The worker has no method ${method}.`);
      if (!engine && method !== 'load') throw new Error('The engine is not loaded yet.');
      const answer = await methods[method](...args);
      post({ id, answer }, buffers(answer));
    } catch (error) {
      post({ id, error: error.message });
    }
  };
}

// The buffers of an answer's arrays, which are moved to the page rather than copied; all are copies already.
function buffers(answer, found = new Set()) {
  if (answer instanceof ArrayBuffer) found.add(answer);
  else if (ArrayBuffer.isView(answer)) found.add(answer.buffer);
  else if (answer && typeof answer === 'object') for (const each of Object.values(answer)) buffers(each, found);
  return [...found];
}
