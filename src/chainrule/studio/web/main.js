// The page that a server serves.
import { mount } from './shell.js';
import { socketHost } from './socket.js';

const app = document.getElementById('app'), host = socketHost(app.dataset.screen);
const { store } = mount(app, host);

// For the tests: the store, and a promise that settles when nothing is under way and what came last has been drawn.
globalThis.chainrule = {
  store,
  frames: 0,
  async idle() {
    let before = 0;
    do {
      before = host.busy;
      await store.settled();
      await new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); });
    } while (before > 0 || host.busy > 0);   // an answer that came behind the frame is drawn in the next one
  },
};
