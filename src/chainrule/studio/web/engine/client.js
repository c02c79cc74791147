// The page's side of the worker: every method gives a promise, and a training calls back with its progress.
import { createCalls } from '../calls.js';

// worker: a Worker of worker.js.  wasm: the bytes of engine.wasm, or its address.  description: what description.json has.
export async function connect({ worker, wasm, description }) {
  const calls = createCalls(), trainings = new Map();
  let count = 0;

  const ask = (method, ...args) => calls.ask((id) => worker.postMessage({ id, method, args }));
  worker.addEventListener('message', ({ data }) => {
    if (data.event === 'progress') trainings.get(data.training)?.(data);
    else calls.settle(data);
  });
  worker.addEventListener('error', (event) => {
    const error = event.message || 'The engine\'s worker could not start.';
    calls.lose(error);
    for (const tell of trainings.values()) tell({ error });
  });
  const offered = await ask('load', wasm, description);

  // A training, some 30 times a second in `progress`; done: a promise of its last progress, in which `done` is false if it was stopped
  // (null: before its first).
  function train(id, data, options, progress) {
    const key = `training ${++count}`;
    let finish, last = null;
    const done = new Promise((resolve, reject) => { finish = { resolve, reject }; });
    function end(error) {
      trainings.delete(key);
      if (error === undefined) finish.resolve(last);
      else finish.reject(new Error(error));
    }
    function tell({ error, ...told }) {
      if (error !== undefined) {
        end(error);
        return;
      }
      last = told;
      progress?.(told);
      if (told.done) end();
    }
    trainings.set(key, tell);
    const begun = ask('train', id, key, data, options);
    begun.catch(({ message }) => end(message));
    return {
      begun,
      done,
      pause: () => ask('pause', key),
      resume: () => ask('resume', key),
      async steps(n) {
        last = await ask('steps', key, n);
        if (last.done) end();
        return last;
      },
      stop() {
        end();
        return ask('stop', key);
      },
    };
  }

  return {
    offered,
    train,
    network: (id, config, options) => ask('network', id, config, options),
    open: (id, buffer) => ask('open', id, buffer),
    save: (id, extra) => ask('save', id, extra),
    call: (id, method, ...args) => ask('call', id, method, ...args),
    get: (id, name) => ask('get', id, name),
    set: (id, name, value) => ask('set', id, name, value),
    data: (name, data) => ask('data', name, data),
    free: (id) => ask('free', id),
    close: () => worker.terminate(),
  };
}
