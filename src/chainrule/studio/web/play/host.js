// The host of a page without a server: commands and events over messages to a worker, which has the engine and the data.
import { createCalls } from '../calls.js';
import { t } from '../i18n.js';
import { createPace } from '../pace.js';
import { unpacked } from './wire.js';

const SPREAD = ['train.frame'];   // what the screen itself shows in time
const ALWAYS = ['model.shown', 'data.shown', 'model.frame'];

// What the worker can do is known before it is there: a screen asks at once. begin: what the worker begins with.
/** @param {Worker} worker  @param {any} begin  @param {string[]} commands  @returns {any} */
export function workerHost(worker, begin, commands) {
  const calls = createCalls(), inTime = createPace(), known = new Set(commands);
  let store = null, failed = null;

  function receive(message) {
    if (message.failed) {
      failed = message.failed;
      calls.lose();
      store.emit('play.failed', { error: failed });
      return;
    }
    if (message.event) {
      happen(message.event, message.data);
      return;
    }
    calls.settle(message.says ? { ...message, error: t(store, message.says[0], message.says[1]) } : message);   // what cannot be opened is said in the reader's language
  }

  function happen(event, data) {
    if (event === 'data.shown') store.emit('play.data', data);
    else if (event === 'model.shown') store.emit('play.model', data);
    else if (SPREAD.includes(event) || ALWAYS.includes(event) || !event.endsWith('.frame')) store.emit(event, data);
    else inTime(event, () => store.emit(event, data));
  }

  function ask(message) {
    if (failed) return Promise.reject(new Error('lost'));
    return calls.ask((id) => worker.postMessage({ id, ...message }));
  }

  worker.onmessage = ({ data }) => receive(unpacked(data));
  worker.onerror = (event) => receive({ failed: event.message || 'the worker could not be started.' });
  return {
    kind: 'page',
    can: (name) => known.has(name),
    call: (name, args) => ask({ name, args }),
    upload: (file) => ask({ file }),
    // begin the work as soon as the page is there.
    start(of) {
      store = of;
      worker.postMessage({ begin });
    },
    get busy() { return calls.count; },
  };
}
