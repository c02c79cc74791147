// Numbers as colours. Signed numbers: orange below zero, blue above, the ground colour at zero, safe for the colour-blind.
// Activations: from the ground to a strong purple, which no line has. Each scale is a table of 256 colours, RGBA in a Uint32Array for ImageData.

const THEMES = {
  light: { ground: [247, 248, 250], negative: [179, 71, 0], positive: [0, 90, 150], mid: { n: [245, 172, 106], p: [105, 176, 222] }, dim: [226, 231, 236], strong: [116, 10, 96], middle: [205, 121, 178] },
  dark: { ground: [23, 30, 38], negative: [255, 176, 96], positive: [120, 205, 255], mid: { n: [166, 84, 20], p: [20, 96, 150] }, dim: [30, 39, 49], strong: [255, 150, 226], middle: [150, 66, 132] },
};

function mix(a, b, share) {
  return a.map((value, i) => Math.round(value + (b[i] - value) * share));
}

function along(points, share) {
  const at = share * (points.length - 1), i = Math.min(points.length - 2, Math.floor(at));
  return mix(points[i], points[i + 1], at - i);
}

function table(of) {
  const bytes = new Uint8ClampedArray(1024);
  for (let i = 0; i < 256; ++i) bytes.set([...of(i / 255), 255], 4 * i);
  return new Uint32Array(bytes.buffer);
}

const made = {};

export function palette(theme) {
  if (!made[theme]) {
    const c = THEMES[theme];
    made[theme] = {
      signed: table((s) => (s < 0.5 ? along([c.ground, c.mid.n, c.negative], 1 - 2 * s) : along([c.ground, c.mid.p, c.positive], 2 * s - 1))),
      strong: table((s) => along([c.dim, c.middle, c.strong], s)),
      ink: table((s) => mix(theme === 'dark' ? [10, 14, 19] : [255, 255, 255], theme === 'dark' ? [255, 255, 255] : [12, 18, 26], s)),
    };
  }
  return made[theme];
}

// What the strongest colour stands for: the largest size among the numbers.
/** @param {ArrayLike<number>} values */
export function largest(values) {
  let most = 0;
  for (let i = 0; i < values.length; ++i) most = Math.max(most, Math.abs(values[i]));
  return most;
}

// The place in a table of 256: of a signed number, and of a share of the scale.
export function signedPlace(value, scale) {
  return Math.max(0, Math.min(255, Math.round(127.5 + (127.5 * value) / (scale || 1))));
}

export function sharePlace(value, scale) {
  return Math.max(0, Math.min(255, Math.round((255 * value) / (scale || 1))));
}

// The places of all of an array, as signedPlace and sharePlace have them.
export function placesOf(values, scale, isSigned) {
  const places = new Uint8ClampedArray(values.length), zero = isSigned ? 127.5 : 0, most = 255 - zero, by = scale || 1;
  for (let i = 0; i < values.length; ++i) places[i] = Math.round(zero + (most * values[i]) / by);
  return places;
}

const written = new WeakMap();

// A table's colours as a canvas takes them.
export function cssOf(lookup) {
  if (!written.has(lookup)) written.set(lookup, Array.from(lookup, css));
  return written.get(lookup);
}

export function css(color) {
  return `rgb(${color & 255} ${(color >> 8) & 255} ${(color >> 16) & 255})`;
}

const EVEN = Math.sqrt(1.05 * 0.05) - 0.05;   // the luminance on which black and white have the same contrast, 4.58

// The colour of a text on a colour: black or white, which then has a contrast of at least 4.5. Source: WCAG 2, relative luminance.
export function inkOn(color) {
  const [r, g, b] = [color, color >> 8, color >> 16].map((value) => (value & 255) / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > EVEN ? '#000000' : '#ffffff';
}

// Draws values (n,) as a picture of `columns` columns, a pixel each, into a canvas, which CSS enlarges.
export function paint(canvas, values, columns, lookup, place) {
  const rows = Math.ceil(values.length / columns);
  if (canvas.width !== columns) canvas.width = columns;
  if (canvas.height !== rows) canvas.height = rows;
  const context = canvas.getContext('2d'), image = context.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < values.length; ++i) pixels[i] = lookup[place(values[i])];
  context.putImageData(image, 0, 0);
}

// A table from end to end, as the scale beside a picture.
export function paintScale(canvas, lookup) {
  paint(canvas, Float32Array.from({ length: 128 }, (_, k) => k / 127), 128, lookup, (share) => Math.round(255 * share));
}
