// How often the page shows a frame, so that drawing leaves the processor to what it shows: a training run on the same cores.

const OTHERS = 1.6;   // what a browser's other processes need for a frame, and its own scripts, style, layout and paint: shares of the latter
const CANVAS = 3;   // what painting a canvas alone takes of the page's main thread: shares of the script that does it
const HIDDEN_MS = 1000;

// The milliseconds between two frames whose drawing takes `cost` on this many cores.
export function between(cost, cores) {
  return (cost * OTHERS) / (cores > 4 ? 0.5 : 0.2);
}

// Returns a function that calls show() when the time for another frame has come; of those with the same name that wait, the last.
// least: milliseconds between two frames, however little they cost.  alone: whether show() paints canvases by itself; else it asks for a frame of the page.
export function createPace(cores = navigator.hardwareConcurrency || 4, { least = 0, alone = false } = {}) {
  const after = new MessageChannel(), begun = [], waiting = new Map();
  let cost = 4, due = 0, timer = 0;
  const measured = (ms) => { cost += 0.1 * (Math.min(ms, 100) - cost); };
  after.port1.onmessage = () => measured(performance.now() - begun.shift());   // the first task after the frame
  function take() {
    const shows = [...waiting.values()];
    waiting.clear();
    timer = 0;
    const start = performance.now();
    due = start + (document.hidden ? HIDDEN_MS : Math.max(least, between(cost, cores)));
    if (!alone) requestAnimationFrame(() => { begun.push(performance.now()); after.port2.postMessage(null); });   // before what show() asks for
    for (const show of shows) show();
    if (alone) measured(CANVAS * (performance.now() - start));
  }
  return (name, show) => {
    waiting.set(name, show);
    if (timer) return;
    const left = due - performance.now();
    if (left > 1) timer = setTimeout(take, left);
    else take();
  };
}
