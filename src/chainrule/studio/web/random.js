// NumPy's random numbers: SeedSequence, Philox4x64-10 and what the library draws with them, to the same bits. So a page without a server has
// the points, the weights and the batches that the library has. Sources: O'Neill, "Developing a seed_seq alternative", 2015; Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011; Lemire, "Fast random integer generation in an interval", 2019; Marsaglia, Tsang, "The ziggurat method", 2000.

const MASK = (1n << 64n) - 1n;
const M0 = 0xD2E7470EE14C6C93n, M1 = 0xCA5A826395121157n, W0 = 0x9E3779B97F4A7C15n, W1 = 0xBB67AE8584CAA73Bn;
const PURPOSES = { weights: 1, shuffle: 2 };   // of chainrule.core.random

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
  const words = Array.from({ length: 4 }, (_, i) => BigInt(mixed(pool[i], 0x58f38ded)));
  return [words[0] | (words[1] << 32n), words[2] | (words[3] << 32n)];
}

function philox(counter, key) {
  let [c0, c1, c2, c3] = counter, [k0, k1] = key;
  for (let round = 0; round < 10; ++round) {
    const a = M0 * c0, b = M1 * c2;
    [c0, c1, c2, c3] = [(b >> 64n) ^ c1 ^ k0, b & MASK, (a >> 64n) ^ c3 ^ k1, a & MASK];
    k0 = (k0 + W0) & MASK;
    k1 = (k1 + W1) & MASK;
  }
  return [c0, c1, c2, c3];
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
  let counter = 0n, block = [], half = null;
  function word() {
    if (!block.length) block = philox([++counter, 0n, 0n, 0n], key);
    return block.shift();
  }
  function word32() {
    if (half !== null) {
      const kept = half;
      half = null;
      return kept;
    }
    const both = word();
    half = both >> 32n;
    return both & 0xffffffffn;
  }
  const random = () => Number(word() >> 11n) / 9007199254740992;
  // A whole number from 0 to `most`.
  function upTo(most) {
    const range = BigInt(most) + 1n;
    let product = word32() * range, low = product & 0xffffffffn;
    if (low < range) {
      const least = (0x100000000n - range) % range;
      while (low < least) {
        product = word32() * range;
        low = product & 0xffffffffn;
      }
    }
    return Number(product >> 32n);
  }
  // The same for a shuffle, which NumPy draws by throwing away what is above `most`.
  function below(most) {
    const mask = BigInt(2 ** (32 - Math.clz32(most)) - 1);
    for (;;) {
      const value = Number(word32() & mask);
      if (value <= most) return value;
    }
  }
  function normal() {
    layers ||= ziggurat();
    const { k, w, f, r } = layers;
    for (;;) {
      const bits = word(), i = Number(bits & 0xffn), isNegative = (bits >> 8n) & 1n, size = Number((bits >> 9n) & 0xfffffffffffffn), x = size * w[i];
      if (size < k[i]) return isNegative ? -x : x;
      if (i === 0) {
        for (;;) {
          const a = -Math.log1p(-random()) / r, b = -Math.log1p(-random());
          if (b + b > a * a) return (bits >> 17n) & 1n ? -(r + a) : r + a;
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
