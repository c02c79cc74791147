// The page that a server serves.
import { forTests } from './for_tests.js';
import { mount } from './shell.js';
import { socketHost } from './socket.js';

const app = document.getElementById('app'), host = socketHost(app.dataset.screen, app.dataset.front);
const { store } = mount(app, host);

globalThis.chainrule = forTests(store, host);
