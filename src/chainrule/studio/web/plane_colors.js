// The colours of the plane: one scale from orange over neutral to blue for two classes and for heights, mixed colours for more classes.
import { palette, signedPlace } from './colors.js';

export const classColors = {
  light: [[205, 92, 10], [0, 104, 172], [0, 128, 96], [154, 70, 140]],
  dark: [[240, 150, 70], [86, 180, 233], [72, 200, 160], [226, 150, 204]],
};
const GROUND = { light: [247, 248, 250], dark: [23, 30, 38] };
const STRENGTH = 0.62;
const FULL = 1.7;   // what the end of the signed scale stands for: a sure answer, 1, is paler, so that points stand out on it

export function classColor(theme, k) {
  return `rgb(${classColors[theme][k].join(' ')})`;
}

// The colour of each point as a Uint32Array of RGBA. found: probabilities (classes * n,), or heights (n,) of a regression.
export function surfaceColors(theme, found, n, isRegression) {
  const classes = found.length / n, made = new Uint32Array(n);
  if (isRegression || classes === 2) {
    const look = palette(theme).signed;
    for (let p = 0; p < n; ++p) made[p] = look[signedPlace(isRegression ? found[p] : 2 * found[n + p] - 1, FULL)];
    return made;
  }
  const bytes = new Uint8ClampedArray(made.buffer), ground = GROUND[theme], colors = classColors[theme];
  for (let p = 0; p < n; ++p) {
    for (let channel = 0; channel < 3; ++channel) {
      let mixed = 0;
      for (let k = 0; k < classes; ++k) mixed += found[k * n + p] * colors[k][channel];
      bytes[4 * p + channel] = ground[channel] + STRENGTH * (mixed - ground[channel]);
    }
    bytes[4 * p + 3] = 255;
  }
  return made;
}

// Draws one colour a point into a canvas of size x size, which CSS enlarges.
export function putColors(canvas, colors, size) {
  if (canvas.width !== size) canvas.width = canvas.height = size;
  const context = canvas.getContext('2d'), image = context.createImageData(size, size);
  new Uint32Array(image.data.buffer).set(colors);
  context.putImageData(image, 0, 0);
}

// Draws a neuron's map: values (size * size,) of which every `skip`-th in both directions is shown, zero neutral.
export function putMap(canvas, theme, values, size, skip) {
  const small = Math.floor(size / skip), look = palette(theme).signed, colors = new Uint32Array(small * small);
  let most = 1e-9;
  for (let at = 0; at < values.length; at += 7) most = Math.max(most, Math.abs(values[at]));
  for (let row = 0, to = 0; row < small; ++row)
    for (let column = 0; column < small; ++column, ++to) colors[to] = look[signedPlace(values[row * skip * size + column * skip], most)];
  putColors(canvas, colors, small);
}
