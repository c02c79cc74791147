// A drawn or photographed digit in the form of MNIST: chainrule.datasets.images.center_digit in JavaScript, number by number.

const BOX = 20, SIDE = 28, MIN_CONTRAST = 12, INK = Math.fround(0.15), SPECK = 0.02;

const even = (value) => {   // rounds as Python does: a half to the even neighbour
  const low = Math.floor(value), rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
};

function border(values, height, width) {
  const found = [];
  for (let x = 0; x < width; ++x) found.push(values[x]);
  for (let x = 0; x < width; ++x) found.push(values[(height - 1) * width + x]);
  for (let y = 1; y < height - 1; ++y) found.push(values[y * width], values[y * width + width - 1]);
  return found;
}

function quantile(values, share) {
  const sorted = Float64Array.from(values).sort(), at = share * (sorted.length - 1), low = Math.floor(at);
  return low + 1 < sorted.length ? sorted[low] + (sorted[low + 1] - sorted[low]) * (at - low) : sorted[low];
}

// The grey level of the ground, and whether it is lighter than the ink.
function background(grey, height, width) {
  const level = quantile(border(grey, height, width), 0.5), counts = new Float64Array(256);
  for (const value of grey) counts[value] += 1;
  let below = 0, above = 0;
  for (let value = 0; value < 256; ++value) {
    const weight = counts[value] * (value - level) ** 2;
    if (value < level) below += weight;
    else above += weight;
  }
  return { level, light: below > above };
}

// 0 at the border, 1 where the ink is strongest; null for a blank picture. Worked out once for each grey level.
function stretch(grey, height, width, { level, light }) {
  const inks = Float32Array.from({ length: 256 }, (_, value) => (light ? level - value : value - level));
  let [low, high] = [255, 0];
  for (let i = 0; i < grey.length; ++i) {
    if (grey[i] < low) low = grey[i];
    if (grey[i] > high) high = grey[i];
  }
  const peak = inks[light ? low : high], grain = Math.max(-quantile(border(grey, height, width).map((value) => inks[value]), 0.1), 0);
  if (peak - grain < MIN_CONTRAST) return null;
  const shares = inks.map((value) => Math.min(1, Math.max(0, (value - grain) / (peak - grain)))), ink = new Float32Array(grey.length);
  for (let i = 0; i < ink.length; ++i) ink[i] = shares[grey[i]];
  return ink;
}

// The box around all ink but isolated specks: {values, height, width}.
function crop(ink, height, width) {
  const patch = new Int32Array(ink.length), found = [], stack = [];
  for (let start = 0; start < ink.length; ++start) {
    if (!(ink[start] > INK) || patch[start]) continue;
    const box = { weight: 0, top: height, left: width, bottom: 0, right: 0 };
    found.push(box);
    patch[start] = found.length;
    stack.push(start);
    while (stack.length) {
      const at = stack.pop(), y = Math.floor(at / width), x = at % width;
      box.weight += ink[at];
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y + 1);
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x + 1);
      for (let v = Math.max(0, y - 1); v <= Math.min(height - 1, y + 1); ++v) {
        for (let u = Math.max(0, x - 1); u <= Math.min(width - 1, x + 1); ++u) {
          const next = v * width + u;
          if (ink[next] > INK && !patch[next]) {
            patch[next] = found.length;
            stack.push(next);
          }
        }
      }
    }
  }
  const sum = found.reduce((all, box) => all + box.weight, 0), least = Math.min(SPECK * sum, Math.max(...found.map((box) => box.weight)));
  const kept = found.filter((box) => box.weight >= least);
  const top = Math.min(...kept.map((box) => box.top)), left = Math.min(...kept.map((box) => box.left));
  const tall = Math.max(...kept.map((box) => box.bottom)) - top, wide = Math.max(...kept.map((box) => box.right)) - left;
  const values = new Float32Array(tall * wide);
  for (let y = 0; y < tall; ++y) values.set(ink.subarray((top + y) * width + left, (top + y) * width + left + wide), y * wide);
  return { values, height: tall, width: wide };
}

// For each of `to` pixels of a line of `from`: where its weights begin, and the weights. Hamming's window, as in Pillow.
function weights(from, to) {
  const scale = from / to, stretched = Math.max(1, scale);
  return Array.from({ length: to }, (_, k) => {
    const center = (k + 0.5) * scale, first = Math.max(0, Math.trunc(center - stretched + 0.5)), end = Math.min(from, Math.trunc(center + stretched + 0.5));
    const found = Array.from({ length: end - first }, (__, i) => {
      const x = Math.PI * ((first + i - center + 0.5) / stretched);
      return x === 0 ? 1 : Math.abs(x) >= Math.PI ? 0 : (Math.sin(x) / x) * (0.54 + 0.46 * Math.cos(x));
    });
    const sum = found.reduce((all, value) => all + value, 0);
    return { first, share: found.map((value) => value / sum) };
  });
}

// A picture {values, height, width} in another size.
export function resize({ values, height, width }, tall, wide) {
  let rows = values;
  if (wide !== width) {
    rows = new Float32Array(height * wide);
    weights(width, wide).forEach(({ first, share }, x) => {
      for (let y = 0; y < height; ++y) {
        let sum = 0;
        for (let i = 0; i < share.length; ++i) sum += values[y * width + first + i] * share[i];
        rows[y * wide + x] = sum;
      }
    });
  }
  if (tall === height) return { values: rows, height, width: wide };
  const out = new Float32Array(tall * wide);
  weights(height, tall).forEach(({ first, share }, y) => {
    for (let x = 0; x < wide; ++x) {
      let sum = 0;
      for (let i = 0; i < share.length; ++i) sum += rows[(first + i) * wide + x] * share[i];
      out[y * wide + x] = sum;
    }
  });
  return { values: out, height: tall, width: wide };
}

// Where the centre of mass of an axis's sums comes to the middle of the picture.
function corner(mass) {
  const sum = mass.reduce((all, value) => all + value, 0), center = mass.reduce((all, value, at) => all + value * at, 0) / sum;
  return Math.min(Math.max(even(SIDE / 2 - center), 0), SIDE - mass.length);
}

// grey: (height * width) bytes of one digit, light on dark or dark on light -> 784 bytes, light on dark, or null for a blank.
export function centerDigit(grey, height, width) {
  const ground = background(grey, height, width), ink = stretch(grey, height, width, ground);
  if (!ink) return null;
  if (height === SIDE && width === SIDE && !ground.light) return Uint8Array.from(grey);
  const box = crop(ink, height, width), ratio = BOX / Math.max(box.height, box.width);
  const small = resize(box, Math.max(1, even(box.height * ratio)), Math.max(1, even(box.width * ratio)));
  const most = small.values.reduce((all, value) => Math.max(all, value), -Infinity);
  const shares = small.values.map((value) => value / most), down = new Array(small.height).fill(0), along = new Array(small.width).fill(0);
  for (let y = 0; y < small.height; ++y) {
    for (let x = 0; x < small.width; ++x) {
      down[y] += shares[y * small.width + x];
      along[x] += shares[y * small.width + x];
    }
  }
  const top = corner(down), left = corner(along), out = new Uint8Array(SIDE * SIDE);
  for (let y = 0; y < small.height; ++y)
    for (let x = 0; x < small.width; ++x) out[(top + y) * SIDE + left + x] = even(255 * shares[y * small.width + x]);
  return out;
}
