// What all parts of the page know, and the way to whoever computes: a server, a notebook's kernel, or nobody.

import { createMemory } from './replay.js';

const REMEMBERED = 60;   // calls of the screen at hand

export function createStore(initial, host) {
  const memory = createMemory(REMEMBERED);
  const values = { ...initial };
  const listeners = new Map();   // key -> set of functions
  const events = new Map();      // event -> set of functions
  let changed = new Set();
  let pending = null;

  function flush() {
    pending = null;
    const keys = changed;
    changed = new Set();
    const called = new Set();
    for (const key of keys) for (const f of listeners.get(key) || []) called.add(f);
    for (const f of called) f(keys);
  }

  function subscribe(table, names, f) {
    for (const name of names) {
      if (!table.has(name)) table.set(name, new Set());
      table.get(name).add(f);
    }
    return () => names.forEach((name) => table.get(name).delete(f));
  }

  return {
    get: (key) => values[key],
    set(patch) {
      for (const [key, value] of Object.entries(patch)) {
        if (Object.is(values[key], value)) continue;
        values[key] = value;
        changed.add(key);
      }
      if (changed.size && !pending) pending = Promise.resolve().then(flush);
    },
    settled: () => pending || Promise.resolve(),
    on: (keys, f) => subscribe(listeners, Array.isArray(keys) ? keys : [keys], f),
    listen: (event, f) => subscribe(events, [event], f),
    emit(event, data) {
      for (const f of [...(events.get(event) || [])]) f(data);
    },
    call(name, args = {}) {
      memory.note(name, args);
      return host.call(name, args);
    },
    memory,
    can: (name) => host.can(name),
    knows: (name, args) => (host.knows ? host.knows(name, args) : host.can(name)),   // whether this very question has an answer
    upload: (file) => host.upload(file),
    host,
  };
}
