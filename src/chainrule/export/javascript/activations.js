// The activations by kind: f(z, link), and the derivative beneath it, f'(z, a = f(z), link).
// formulas/activations.py in JavaScript, for the studio's page and for exported modules.

const SELU = [1.0507009873554805, 1.6732632423543772];

// The continued fraction of erfc(x) for x >= 1.5: relative errors of some 1e-15.
export function tail(x) {
  let fraction = 0;
  for (let k = 120; k > 0; --k) fraction = (k / 2) / (x + fraction);
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * (x + fraction));
}

export function erf(x) {   // Abramowitz and Stegun 7.1.26 is too coarse: a series near 0, a continued fraction beyond
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size >= 1.5) return Math.sign(x) * (1 - tail(size));
  let sum = 0, term = size;
  for (let n = 0; Math.abs(term) > 1e-17 * Math.abs(sum) || n < 2; ++n) {
    sum += term / (2 * n + 1);
    term *= -(size * size) / (n + 1);
  }
  return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * sum;
}

export const sigmoid = (z) => (z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z)));
export const softplus = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

export const activations = {
  relu: {
    f: (z) => (z > 0 ? z : 0),
    prime: (z) => (z > 0 ? 1 : 0),
  },
  leaky_relu: {
    f: (z, { slope }) => (z > 0 ? z : slope * z),
    prime: (z, a, { slope }) => (z > 0 ? 1 : slope),
  },
  elu: {
    f: (z, { alpha }) => (z > 0 ? z : alpha * Math.expm1(z)),
    prime: (z, a, { alpha }) => (z > 0 ? 1 : a + alpha),
  },
  selu: {
    f: (z) => SELU[0] * (z > 0 ? z : SELU[1] * Math.expm1(z)),
    prime: (z, a) => (z > 0 ? SELU[0] : a + SELU[0] * SELU[1]),
  },
  gelu: {
    f: (z) => (z < -1.5 * Math.SQRT2 ? 0.5 * z * tail(-z / Math.SQRT2) : 0.5 * z * (1 + erf(z / Math.SQRT2))),
    prime: (z, a) => (z === 0 ? 0.5 : a / z) + (z * Math.exp(-0.5 * z * z)) / Math.sqrt(2 * Math.PI),
  },
  gelu_tanh: {
    f: (z) => 0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3))),
    prime: (z) => { const t = Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)); return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * Math.sqrt(2 / Math.PI) * (1 + 0.134145 * z * z); },
  },
  silu: {
    f: (z) => z * sigmoid(z),
    prime: (z, a) => { const s = sigmoid(z); return s + a * (1 - s); },
  },
  mish: {
    f: (z) => z * Math.tanh(softplus(z)),
    prime: (z) => { const t = Math.tanh(softplus(z)); return t + z * sigmoid(z) * (1 - t * t); },
  },
  softplus: {
    f: softplus,
    prime: (z, a) => -Math.expm1(-a),
  },
  sigmoid: {
    f: sigmoid,
    prime: (z, a) => a * (1 - a),
  },
  log_sigmoid: {
    f: (z) => -softplus(-z),
    prime: (z, a) => -Math.expm1(a),
  },
  tanh: {
    f: Math.tanh,
    prime: (z, a) => 1 - a * a,
  },
  identity: {
    f: (z) => z,
    prime: () => 1,
  },
};

// z + alpha (f(z) - z)
export function parametric(z, link, alpha) {
  return z + alpha * (activations[link.function.kind].f(z, link.function) - z);
}
