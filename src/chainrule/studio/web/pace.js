// How often the page shows a frame, so that drawing leaves the processor to what it shows: a training run on the same cores.

const OTHERS = 1.6;   // what a browser's other processes need for a frame, and its own scripts, style, layout and paint: shares of the latter
const HIDDEN_MS = 1000;

// The milliseconds between two frames whose drawing takes `cost` on this many cores.
export function between(cost, cores) {
  return (cost * OTHERS) / (cores > 4 ? 0.5 : 0.2);
}

// Returns a function that calls show() when the time for another frame has come; of those with the same name that wait, the last.
export function createPace(cores = navigator.hardwareConcurrency || 4) {
  const after = new MessageChannel(), begun = [], waiting = new Map();
  let cost = 4, due = 0, timer = 0;
  after.port1.onmessage = () => { cost += 0.1 * (Math.min(performance.now() - begun.shift(), 100) - cost); };   // the first task after the frame
  function take() {
    const shows = [...waiting.values()];
    waiting.clear();
    timer = 0;
    due = performance.now() + (document.hidden ? HIDDEN_MS : between(cost, cores));
    requestAnimationFrame(() => { begun.push(performance.now()); after.port2.postMessage(null); });   // before what show() asks for
    for (const show of shows) show();
  }
  return (name, show) => {
    waiting.set(name, show);
    if (timer) return;
    const left = due - performance.now();
    if (left > 1) timer = setTimeout(take, left);
    else take();
  };
}
