// What all parts of the page know, and the way to whoever computes: a server, a notebook's kernel, or nobody.

import { createMemory } from './replay.js';

const REMEMBERED = 60;   // calls of the screen at hand

/**
 * Who answers the page: `call` a command, whether it `can`, and of those that keep answers whether it `knows` this very one.
 * @typedef {object} Host
 * @property {'server' | 'notebook' | 'offline' | 'page'} kind  page: one without a server, whose worker has the engine
 * @property {(name: string, args: Record<string, any>) => Promise<any>} call
 * @property {(name: string) => boolean} can
 * @property {(name: string, args: Record<string, any>) => boolean} [knows]
 * @property {(file: any) => Promise<any>} upload
 * @property {(store: Store) => void} [start]
 * @property {number} busy  calls without an answer
 * @property {Record<string, any>} [screens]  its own, before those of all hosts
 * @property {string[]} [kept]  keys that the address has on every screen
 * @property {() => Promise<void>} [save]  saves the model on show as a file
 * @property {string} [firstScreen]  of an address that names none
 * @property {string} [front]  the file of the first screen's network
 * @property {boolean} [isWithin]  the page stands within another one
 * @property {string} [screen]  the one that a file was made of
 * @property {Record<string, any>} [state]
 * @property {any} [model]
 * @property {any} [data]
 */
/** @typedef {ReturnType<typeof createStore>} Store */

// Whether a model and data come behind the page, from a server or a worker; until one has said what there is, nothing is missing.
/** @param {Host} host */
export const isServed = (host) => host.kind === 'server' || host.kind === 'page';

/** @param {Record<string, any>} initial  @param {Host} host */
export function createStore(initial, host) {
  const memory = createMemory(REMEMBERED);
  const values = new Map(Object.entries(initial));
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
    /** @param {string} key */
    get: (key) => values.get(key),
    /** @param {Record<string, any>} patch */
    set(patch) {
      for (const [key, value] of Object.entries(patch)) {
        if (Object.is(values.get(key), value)) continue;
        values.set(key, value);
        changed.add(key);
      }
      if (changed.size && !pending) pending = Promise.resolve().then(flush);
    },
    settled: () => pending || Promise.resolve(),
    /** @param {string | string[]} keys  @param {(changed: Set<string>) => void} f */
    on: (keys, f) => subscribe(listeners, Array.isArray(keys) ? keys : [keys], f),
    /** @param {string} event  @param {(data: any) => void} f */
    listen: (event, f) => subscribe(events, [event], f),
    /** @param {string} event  @param {any} [data] */
    emit(event, data) {
      for (const f of [...(events.get(event) || [])]) f(data);
    },
    /** @param {string} name  @param {Record<string, any>} [args] */
    call(name, args = {}) {
      memory.note(name, args);
      return host.call(name, args);
    },
    memory,
    can: (name) => host.can(name),
    /** @param {string} name  @param {Record<string, any>} args */
    knows: (name, args) => (host.knows ? host.knows(name, args) : host.can(name)),   // whether this very question has an answer
    upload: (file) => host.upload(file),
    host,
  };
}
