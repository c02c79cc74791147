// The page's side of the worker: every method gives a promise, and a training calls back with its progress.

// worker: a Worker of worker.js.  wasm: the bytes of engine.wasm, or its address.  description: what description.json has.
export async function connect({ worker, wasm, description }) {
  const waiting = new Map(), listeners = new Map();
  let count = 0;

  function ask(method, ...args) {
    return new Promise((resolve, reject) => {
      waiting.set(++count, { resolve, reject });
      worker.postMessage({ id: count, method, args });
    });
  }
  worker.addEventListener('message', ({ data }) => {
    if (data.event === 'progress') {
      listeners.get(data.training)?.(data);
      return;
    }
    const { resolve, reject } = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.error === undefined) resolve(data.result);
    else reject(new Error(data.error));
  });
  worker.addEventListener('error', (event) => {
    for (const { reject } of waiting.values()) reject(new Error(event.message || 'The engine\'s worker could not start.'));
    waiting.clear();
  });
  const offered = await ask('load', wasm, description);

  // A training, some 30 times a second in `progress`; done: a promise of its last progress.
  function train(id, data, options, progress) {
    const key = `training ${++count}`;
    let finish;
    const done = new Promise((resolve, reject) => { finish = { resolve, reject }; });
    listeners.set(key, (told) => {
      if (told.error) finish.reject(new Error(told.error));
      else progress?.(told);
      if (told.done) {
        listeners.delete(key);
        if (!told.error) finish.resolve(told);
      }
    });
    const begun = ask('train', id, key, data, options);
    begun.catch((error) => finish.reject(error));
    return {
      begun,
      done,
      pause: () => ask('pause', key),
      resume: () => ask('resume', key),
      steps: (n) => ask('steps', key, n),
      stop() {
        listeners.delete(key);
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
