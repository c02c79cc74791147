// The page that a server serves.
import { mount } from './shell.js';
import { socketHost } from './socket.js';

const host = socketHost();
const { store } = mount(document.getElementById('app'), host);

// For the tests: the store, and a promise that settles when nothing is under way.
window.chainrule = {
  store,
  frames: 0,
  async idle() {
    do {
      await store.settled();
      await new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); });
    } while (host.busy > 0);
  },
};
