// Pictures of weights and of samples.
import { h } from '../dom.js';
import { palette, paint, signedPlace, sharePlace } from '../colors.js';

// The weights of neuron j of W (fan_in, neurons).
export function column(W, j) {
  const [rows, width] = W.shape, out = new Float32Array(rows);
  for (let i = 0; i < rows; ++i) out[i] = W[i * width + j];
  return out;
}

// Full colour at four times the root mean square: the same for all neurons of a layer.
export function scaleOf(W) {
  let sum = 0;
  for (const w of W) sum += w * w;
  return 4 * Math.sqrt(sum / W.length) || 1;
}

// How many columns the picture of a neuron's weights has: those of the image that it reads, else about the root.
export function columnsOf(model, source, count) {
  const { shape } = model;
  return source === null && shape && shape[0] * shape[1] === count ? shape[1] : Math.ceil(Math.sqrt(count));
}

/** @param {import('../store.js').Store} store */
export function weightPicture(store, weights, columns, scale, props = {}) {
  const canvas = h('canvas.neurons.weights', props);
  paint(canvas, weights, columns, palette(store.get('theme')).signed, (w) => signedPlace(w, scale));
  return canvas;
}

/** @param {import('../store.js').Store} store */
export function samplePicture(store, x, columns, most, props = {}) {
  const canvas = h('canvas.neurons.sample', props);
  paint(canvas, x, columns, palette(store.get('theme')).ink, (v) => sharePlace(v, most));
  return canvas;
}
