// The engine's worker in a page: new Worker('engine/worker.js', {type: 'module'}), with client.js on the page's side.
import { server } from './serve.js';

const scope = /** @type {any} */ (globalThis);
const handle = server((message, transfer = []) => scope.postMessage(message, transfer));
scope.addEventListener('message', (event) => handle(event.data));
