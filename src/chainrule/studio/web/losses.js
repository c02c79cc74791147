// The losses of one sample, and their derivatives by the outputs: formulas/losses.py in JavaScript.
import { sigmoid, softplus } from './activations.js';
import { softmaxes } from './operations.js';

// value(out, y), gradient(out, y) = dL / d out (outputs,), and predict(out): what the outputs mean; out, y (outputs,).
const softmaxCrossEntropy = {
  value(out, y) {
    const most = Math.max(...out), total = out.reduce((all, z) => all + Math.exp(z - most), 0);
    return y.reduce((all, target, k) => all + target * (most + Math.log(total) - out[k]), 0);
  },
  gradient: (out, y) => softmaxes(out, 1).map((p, k) => p - y[k]),
  predict: (out) => softmaxes(out, 1),
};

/**
 * The probabilities of ordered classes: exp(log_ordinal) of formulas/losses.py.
 * @param {ArrayLike<number>} z
 */
export function ordinalShares(z) {
  const last = z.length - 1;
  let t = z[0] - z[last];
  return Array.from(z, (own, k) => {
    const before = t, isInner = k > 0 && k < last;
    if (isInner) t += softplus(own);
    return Math.exp(-(k < last ? softplus(-t) : 0) - (k > 0 ? softplus(before) : 0) - (isInner ? softplus(-own) : 0));
  });
}

const sigmoidCrossEntropy = {
  value: (out, y) => out.reduce((all, z, k) => all + softplus(z) - y[k] * z, 0),
  gradient: (out, y) => out.map((z, k) => sigmoid(z) - y[k]),
  predict: (out) => out.map(sigmoid),
};

const squaredError = (factor) => ({
  value: (out, y) => factor * out.reduce((all, z, k) => all + (z - y[k]) ** 2, 0),
  gradient: (out, y) => out.map((z, k) => 2 * factor * (z - y[k])),
  predict: (out) => out,
});

const made = {
  softmax_cross_entropy: () => softmaxCrossEntropy,
  sigmoid_cross_entropy: () => sigmoidCrossEntropy,
  mean_squared_error: ({ half }) => squaredError(half ? 0.5 : 1),
};

/**
 * A model's loss: {value, gradient, predict, smooth}, where smooth(y) is y as the formula takes it; null for one that is not known here.
 * @param {{kind: string} & Record<string, any>} loss
 */
export function lossOf(loss) {
  const found = made[loss.kind]?.(loss), e = loss.label_smoothing ?? 0;
  if (!found) return null;
  const smooth = (y) => (e ? y.map((target) => (1 - e) * target + e / (loss.kind === 'sigmoid_cross_entropy' ? 2 : y.length)) : y);
  return { smooth, predict: found.predict, value: (out, y) => found.value(out, smooth(y)), gradient: (out, y) => found.gradient(out, smooth(y)) };
}
