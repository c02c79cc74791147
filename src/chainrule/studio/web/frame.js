// When a picture is drawn anew: in the browser's next frame, once however often it is asked for, and no more when its screen has ended.
/** @param {() => void} draw */
export function createFrame(draw) {
  let asked = 0, ended = false;
  return {
    ask() {
      if (asked || ended) return;
      asked = requestAnimationFrame(() => {
        asked = 0;
        draw();
      });
    },
    stop() {
      ended = true;
      cancelAnimationFrame(asked);
    },
  };
}

// Counts a picture, for the tests and for who measures.
export function counted() {
  if (globalThis.chainrule) globalThis.chainrule.frames += 1;
}
