// For the tests: the store, and a promise that settles when nothing is under way and what came last has been drawn.

/** @param {import('./store.js').Store} store  @param {{busy: number}} host */
export function forTests(store, host) {
  return {
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
}
