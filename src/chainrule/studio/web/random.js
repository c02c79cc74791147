// NumPy's random numbers: SeedSequence, Philox4x64-10 and what the library draws with them, to the same bits. So a page without a server has
// the points, the weights and the batches that the library has. Sources: O'Neill, "Developing a seed_seq alternative", 2015; Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011; Lemire, "Fast random integer generation in an interval", 2019; Marsaglia, Tsang, "The ziggurat method", 2000.

const M0 = [0xE14C6C93, 0xD2E7470E], M1 = [0x95121157, 0xCA5A8263], W0 = [0x7F4A7C15, 0x9E3779B9], W1 = [0x84CAA73B, 0xBB67AE85];   // words of 64 bits, the low half first
const WHOLE = 4294967296;
const PURPOSES = { weights: 1, shuffle: 2, method: 4 };   // of chainrule.core.random

// The two words of Philox's key, from the words of a seed below 2^32.
function keyOf(entropy) {
  const pool = new Uint32Array(4);
  let hash = 0x43b0d7e5;
  const mixed = (value, factor) => {
    value = (value ^ hash) >>> 0;
    hash = Math.imul(hash, factor) >>> 0;
    value = Math.imul(value, hash) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
  const join = (x, y) => {
    const found = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) >>> 0;
    return (found ^ (found >>> 16)) >>> 0;
  };
  for (let i = 0; i < 4; ++i) pool[i] = mixed(entropy[i] ?? 0, 0x931e8875);
  for (let from = 0; from < 4; ++from) for (let to = 0; to < 4; ++to) if (from !== to) pool[to] = join(pool[to], mixed(pool[from], 0x931e8875));
  hash = 0x8b51f9dd;
  const words = Array.from({ length: 4 }, (_, i) => mixed(pool[i], 0x58f38ded));
  return [words.slice(0, 2), words.slice(2)];
}

// The product of two words of 32 bits: its low half is returned, its high half is in `high`.
let high = 0;
function times(a, b) {
  const a0 = a & 0xffff, a1 = a >>> 16, b0 = b & 0xffff, b1 = b >>> 16, low = a0 * b0;
  const one = a0 * b1 + Math.floor(low / 65536), two = a1 * b0 + (one & 0xffff);
  high = a1 * b1 + Math.floor(one / 65536) + Math.floor(two / 65536);
  return (((two & 0xffff) << 16) | (low & 0xffff)) >>> 0;
}

// Philox of a counter below 2^53: eight words of 32 bits into `out`, of each word of 64 bits the low half first.
/** @param {number} counter  @param {number[][]} key  @param {Uint32Array} out */
function philox(counter, [first, second], out) {
  let c0 = counter >>> 0, d0 = Math.floor(counter / WHOLE), c1 = 0, d1 = 0, c2 = 0, d2 = 0, c3 = 0, d3 = 0, [k0, l0] = first, [k1, l1] = second;
  for (let round = 0; round < 10; ++round) {
    const lowA = times(c0, M0[0]), a00 = high, a10 = times(c0, M0[1]), a11 = high, a20 = times(d0, M0[0]), a21 = high, a30 = times(d0, M0[1]), a31 = high;
    const midA = a00 + a10 + a20, restA = a11 + a21 + a30 + Math.floor(midA / WHOLE);
    const lowB = times(c2, M1[0]), b00 = high, b10 = times(c2, M1[1]), b11 = high, b20 = times(d2, M1[0]), b21 = high, b30 = times(d2, M1[1]), b31 = high;
    const midB = b00 + b10 + b20, restB = b11 + b21 + b30 + Math.floor(midB / WHOLE);
    c0 = ((restB >>> 0) ^ c1 ^ k0) >>> 0;
    d0 = ((b31 + Math.floor(restB / WHOLE)) ^ d1 ^ l0) >>> 0;
    c2 = ((restA >>> 0) ^ c3 ^ k1) >>> 0;
    d2 = ((a31 + Math.floor(restA / WHOLE)) ^ d3 ^ l1) >>> 0;
    [c1, d1, c3, d3] = [lowB, midB >>> 0, lowA, midA >>> 0];
    let sum = k0 + W0[0];
    l0 = (l0 + W0[1] + Math.floor(sum / WHOLE)) >>> 0;
    k0 = sum >>> 0;
    sum = k1 + W1[0];
    l1 = (l1 + W1[1] + Math.floor(sum / WHOLE)) >>> 0;
    k1 = sum >>> 0;
  }
  out[0] = c0; out[1] = d0; out[2] = c1; out[3] = d1; out[4] = c2; out[5] = d2; out[6] = c3; out[7] = d3;
}

// The tables of the ziggurat of 256 layers, made when the first normal number is drawn.
let layers = null;

function ziggurat() {
  const r = 3.6541528853610088, area = 0.004928673233974655, scale = 2 ** 52, k = new Float64Array(256), w = new Float64Array(256), f = new Float64Array(256);
  const q = area / Math.exp(-0.5 * r * r);
  let x = r, last = r;
  k[0] = Math.floor((r / q) * scale);
  k[1] = 0;
  [w[0], w[255], f[0], f[255]] = [q / scale, r / scale, 1, Math.exp(-0.5 * r * r)];
  for (let i = 254; i > 0; --i) {
    x = Math.sqrt(-2 * Math.log(area / x + Math.exp(-0.5 * x * x)));
    k[i + 1] = Math.floor((x / last) * scale);
    last = x;
    f[i] = Math.exp(-0.5 * x * x);
    w[i] = x / scale;
  }
  return { k, w, f, r };
}

// NumPy's Generator(Philox(SeedSequence(entropy))); entropy: numbers below 2^32.
export function generator(entropy) {
  const key = keyOf(entropy);
  const block = new Uint32Array(8);
  let counter = 0, at = 8, half = -1, upper = 0;   // upper: the high half of the newest word, whose low half was returned; half: one that waits
  function word() {
    if (at === 8) {
      philox(++counter, key, block);
      at = 0;
    }
    upper = block[at + 1];
    at += 2;
    return block[at - 2];
  }
  function word32() {
    if (half >= 0) {
      const kept = half;
      half = -1;
      return kept;
    }
    const low = word();
    half = upper;
    return low;
  }
  function random() {
    const low = word();
    return (upper * 2097152 + (low >>> 11)) / 9007199254740992;
  }
  // A whole number from 0 to `most`, below 2^32.
  function upTo(most) {
    if (most === WHOLE - 1) return word32();
    const range = most + 1;
    let low = times(word32(), range);
    if (low < range) {
      const least = (WHOLE - range) % range;
      while (low < least) low = times(word32(), range);
    }
    return high;
  }
  // The same for a shuffle, which NumPy draws by throwing away what is above `most`.
  function below(most) {
    const mask = (2 ** (32 - Math.clz32(most)) - 1) >>> 0;
    for (;;) {
      const value = (word32() & mask) >>> 0;
      if (value <= most) return value;
    }
  }
  function normal() {
    layers ||= ziggurat();
    const { k, w, f, r } = layers;
    for (;;) {
      const low = word(), i = low & 0xff, isNegative = (low >>> 8) & 1, size = (upper & 0x1fffffff) * 8388608 + (low >>> 9), x = size * w[i];
      if (size < k[i]) return isNegative ? -x : x;
      if (i === 0) {
        for (;;) {
          const a = -Math.log1p(-random()) / r, b = -Math.log1p(-random());
          if (b + b > a * a) return (low >>> 17) & 1 ? -(r + a) : r + a;
        }
      } else if ((f[i - 1] - f[i]) * random() + f[i] < Math.exp(-0.5 * x * x)) return isNegative ? -x : x;
    }
  }
  const many = (n, draw) => Float64Array.from({ length: n }, draw);
  return {
    random: (n) => many(n, random),
    uniform: (low, high, n) => many(n, () => low + (high - low) * random()),
    normal: (n) => many(n, normal),
    integers: (most, n) => Array.from({ length: n }, () => upTo(most)),
    permutation(n) {
      const found = Array.from({ length: n }, (_, i) => i);
      for (let i = n - 1; i > 0; --i) {
        const j = below(i);
        [found[i], found[j]] = [found[j], found[i]];
      }
      return found;
    },
  };
}

// The generator of the library for a purpose; index: the number of the parameter, or of the epoch.
export const purposeful = (seed, purpose, index) => generator([seed, PURPOSES[purpose], index]);

// NumPy's RandomState(seed), which libraries of the package draw from: MT19937, and normal numbers in pairs. Sources: Matsumoto, Nishimura, "Mersenne
// Twister", 1998; Marsaglia, Bray, "A convenient method for generating normal variables", 1964.
export function legacy(seed) {
  const state = new Uint32Array(624);
  let at = 624, kept = null;
  state[0] = seed;
  for (let i = 1; i < 624; ++i) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  function word() {
    if (at === 624) {
      for (let i = 0; i < 624; ++i) {
        const both = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
        state[i] = state[(i + 397) % 624] ^ (both >>> 1) ^ (both & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }
    let y = state[at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }
  const random = () => ((word() >>> 5) * 67108864 + (word() >>> 6)) / 9007199254740992;
  function normal() {
    if (kept !== null) {
      const found = kept;
      kept = null;
      return found;
    }
    for (;;) {
      const x = 2 * random() - 1, y = 2 * random() - 1, square = x * x + y * y;
      if (square >= 1 || square === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(square)) / square);
      kept = factor * x;
      return factor * y;
    }
  }
  return { normal: (n) => Float64Array.from({ length: n }, normal) };
}
