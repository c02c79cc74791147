// The host of a page that a server serves: commands and events over one WebSocket, which is opened again when it is lost.
import { createCalls } from './calls.js';
import { createPace } from './pace.js';
import { t } from './i18n.js';
import { frontScreen } from './screens/front.js';
import { unpack } from './pack.js';

const TOLD = 8;   // frames after which the server is told that they have come
const MISSED = 'missed';   // the page was too slow for the events: the server has dropped some
const SPREAD = ['train.frame'];   // what the screen itself shows in time

// firstScreen: of an address that names none.
/** @param {string} firstScreen  @param {string} front  the file of the first screen  @returns {import('./store.js').Host} */
export function socketHost(firstScreen, front) {
  const calls = createCalls(), inTime = createPace();
  let socket = null, uploads = 0, delay = 250, store = null, begun = false, first = null;
  let open = new Promise((resolve) => { first = resolve; });   // a screen may ask before there is a socket

  function connect() {
    socket = new WebSocket(`ws://${location.host}/ws`);
    socket.binaryType = 'arraybuffer';
    open = new Promise((resolve) => { socket.onopen = () => { delay = 250; begun = true; store.set({ connection: 'open' }); store.emit('connected'); first(); resolve(); }; });
    socket.onmessage = ({ data }) => receive(unpack(data));
    socket.onclose = () => {
      store.set({ connection: 'lost' });
      calls.lose();
      setTimeout(connect, delay);
      delay = Math.min(8000, 2 * delay);
    };
  }

  function receive(message) {
    if (message.frame) {
      if (message.frame % TOLD === 0) socket.send(JSON.stringify({ ack: message.frame }));
      const show = () => store.emit(message.event, message.data);
      if (SPREAD.includes(message.event)) show();
      else inTime(message.event, show);
      return;
    }
    if (message.event) {
      store.emit(message.event === MISSED ? 'connected' : message.event, message.data);   // what was missed is asked for anew
      return;
    }
    calls.settle(message);
  }

  return {
    kind: 'server',
    firstScreen,
    front,
    screens: frontScreen,
    start(of) { store = of; connect(); },
    can: () => true,
    async call(name, args) {
      await open;
      return calls.ask((id) => socket.send(JSON.stringify({ id, do: name, with: args })));
    },
    async upload(file) {
      const name = encodeURIComponent([...file.name.normalize('NFC').replace(/[^\p{L}\p{N}_.-]/gu, '_')].slice(-100).join('') || 'file');
      ++uploads;
      try {
        const answer = await fetch(`/upload/${name}`, { method: 'POST', body: file }).catch(() => { throw new Error(t(store, 'common.not_sent', { name: file.name })); });
        const text = await answer.text();   // a refusal is a sentence, all else an object
        const found = (answer.headers.get('content-type') || '').startsWith('application/json') ? JSON.parse(text) : { error: text.trim() };
        if (!answer.ok) throw new Error(found.error || t(store, 'common.not_sent', { name: file.name }));
        return found.upload;
      } finally {
        --uploads;
      }
    },
    get busy() { return calls.count + uploads + (begun ? 0 : 1); },
  };
}
