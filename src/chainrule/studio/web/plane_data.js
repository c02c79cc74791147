// The points of the plane, drawn as chainrule.studio.screens.plane.commands draws them, to the same float32 numbers.
import { generator } from './random.js';

const { PI, cos, sin, sqrt } = Math;

const each = (n, f) => Float64Array.from({ length: 2 * n }, (_, at) => f(at >> 1)[at & 1]);
const classes = (n, k) => Array.from({ length: n }, (_, i) => i % k);

const KINDS = {
  moons(n, rng) {
    const y = classes(n, 2), angle = rng.random(n).map((v) => PI * v);
    return [each(n, (i) => [(y[i] ? 1 - cos(angle[i]) : cos(angle[i])) - 0.5, (y[i] ? 0.5 - sin(angle[i]) : sin(angle[i])) - 0.25].map((v) => v / 1.5)), y];
  },
  circles(n, rng) {
    const y = classes(n, 2), inner = rng.random(n), outer = rng.random(n), angle = rng.random(n).map((v) => 2 * PI * v);
    const radius = y.map((k, i) => (k ? 0.7 + 0.25 * outer[i] : 0.42 * sqrt(inner[i])));
    return [each(n, (i) => [radius[i] * cos(angle[i]), radius[i] * sin(angle[i])]), y];
  },
  spirals(n, rng) {
    const y = classes(n, 2), radius = rng.random(n).map((v) => 0.08 + 0.9 * sqrt(v));
    const angle = radius.map((r, i) => 2.5 * PI * r + PI * y[i]);
    return [each(n, (i) => [radius[i] * sin(angle[i]), radius[i] * cos(angle[i])]), y];
  },
  xor(n, rng) {
    const size = rng.uniform(0.06, 1, 2 * n), sign = rng.integers(1, 2 * n), X = size.map((v, at) => v * (sign[at] ? 1 : -1));
    return [X, classes(n, 1).map((_, i) => (X[2 * i] * X[2 * i + 1] < 0 ? 1 : 0))];
  },
  blobs(n, rng) {
    const y = classes(n, 3), angle = y.map((k) => PI / 2 + (2 * PI * k) / 3), noise = rng.normal(2 * n);
    return [each(n, (i) => [0.55 * cos(angle[i]) + 0.16 * noise[2 * i], 0.55 * sin(angle[i]) + 0.16 * noise[2 * i + 1]]), y];
  },
  surface(n, rng) {
    const X = rng.uniform(-1, 1, 2 * n);
    return [X, Array.from({ length: n }, (_, i) => sin(2.5 * X[2 * i]) * cos(2.5 * X[2 * i + 1]))];
  },
};

// {X, y, X_test, y_test}: X (2 n,) row by row.
export function drawPoints({ kind, n, noise, seed }) {
  const rng = generator([seed]);
  let [X, y] = KINDS[kind](2 * n, rng);
  if (kind === 'surface') {
    const added = rng.normal(2 * n);
    y = y.map((v, i) => Math.fround(v + noise * added[i]));
  } else {
    const added = rng.normal(4 * n);
    X = X.map((v, at) => v + noise * added[at]);
  }
  const order = rng.permutation(2 * n), shuffled = Float32Array.from({ length: 4 * n }, (_, at) => X[2 * order[at >> 1] + (at & 1)]);
  const targets = order.map((i) => y[i]);
  return { X: shuffled.slice(0, 2 * n), y: targets.slice(0, n), X_test: shuffled.slice(2 * n), y_test: targets.slice(n) };
}
