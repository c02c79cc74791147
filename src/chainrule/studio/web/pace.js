// How often the page takes a frame, so that drawing leaves the processor to what it shows: a training run on the same cores.

const OTHERS = 1.6;   // what a browser's other processes need for a frame, and its own scripts, style, layout and paint: shares of the latter
const HIDDEN_MS = 1000;

// The milliseconds between two frames whose drawing takes `cost` on this many cores.
export function between(cost, cores) {
  return (cost * OTHERS) / (cores > 4 ? 0.5 : 0.2);
}

// Returns a function that calls taken() once what has been asked to draw is drawn, and the time for another frame has come.
export function createPace(cores = navigator.hardwareConcurrency || 4) {
  const after = new MessageChannel(), waiting = [];
  let cost = 4, last = 0;
  after.port1.onmessage = () => {   // the first task after the frame
    const now = performance.now(), { begun, taken } = waiting.shift();
    cost += 0.1 * (Math.min(now - begun, 100) - cost);
    const left = last + between(cost, cores) - now;
    last = Math.max(now, now + left);
    if (left > 1) setTimeout(taken, left);
    else taken();
  };
  return (taken) => {
    if (document.hidden) setTimeout(taken, HIDDEN_MS);
    else requestAnimationFrame(() => { waiting.push({ begun: performance.now(), taken }); after.port2.postMessage(null); });
  };
}
