// The studio in a notebook, for anywidget: the kernel answers the commands.
import { createCalls } from './calls.js';
import { mount } from './shell.js';
import { unpack } from './pack.js';

function bufferOf(view) {   // at an offset of its own, so that arrays of eight bytes may lie in it
  return view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
}

/** @returns {import('./store.js').Host & {stop(): void}} */
function notebookHost(model) {
  const calls = createCalls();
  const boot = unpack(bufferOf(model.get('boot')));
  let store = null;

  function receive(content, buffers) {
    const message = buffers && buffers.length ? unpack(bufferOf(buffers[0])) : content;
    if (message.event) {
      store.emit(message.event, message.data);
      return;
    }
    calls.settle(message);
  }

  const reboot = () => store.emit('model.boot', unpack(bufferOf(model.get('boot'))));
  model.on('msg:custom', receive);
  model.on('change:boot', reboot);
  return {
    kind: 'notebook',
    screen: boot.state.screen,
    state: boot.state,
    model: boot.model,
    data: boot.data,
    can: () => true,
    start(of) { store = of; },
    call: (name, args) => calls.ask((id) => model.send({ id, do: name, with: args })),
    async upload() { throw new Error('offline'); },
    stop() { model.off('msg:custom', receive); model.off('change:boot', reboot); },
    get busy() { return calls.count; },
  };
}

export function render({ model, el, signal }) {
  const root = document.createElement('div');
  el.append(root);
  const host = notebookHost(model);
  const { store, stop } = mount(root, host);
  Object.assign(root, { studio: store });   // for the tests
  const end = () => { stop(); host.stop(); };
  if (signal) signal.addEventListener('abort', end);
  return end;
}
