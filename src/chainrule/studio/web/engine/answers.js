// What answers are made of a network's outputs, and the moments of columns.
import { sigmoid } from '../activations.js';
import { ordinalShares } from '../losses.js';
import { softmaxes } from '../operations.js';

// What makes a prediction of an output, by the names in description.json; in place, row by row.
export const predictions = {
  sigmoid: (out) => out.forEach((z, i) => { out[i] = sigmoid(z); }),
  exp: (out) => out.forEach((z, i) => { out[i] = Math.exp(z); }),
  softmax: (out, width) => out.set(softmaxes(out, out.length / width)),
  ordinal: (out, width) => { for (let at = 0; at < out.length; at += width) out.set(ordinalShares(out.slice(at, at + width)), at); },
};

// Whether the classes of row i of the outputs are those of row `row` of y; false for numbers.
export function isRight({ fanOut, loss }, out, i, y, row) {
  const at = i * fanOut;
  if (loss.targets === 'classes') {
    const said = loss.predict.includes('ordinal') ? ordinalShares(out.slice(at, at + fanOut)) : out.slice(at, at + fanOut);
    return said.indexOf(Math.max(...said)) === Number(y[row]);
  }
  if (loss.targets !== 'binary') return false;
  const threshold = loss.predict.includes('sigmoid') ? 0 : 0.5;
  for (let k = 0; k < fanOut; ++k) if (out[at + k] > threshold !== y[row * fanOut + k] > 0.5) return false;
  return true;
}

// dL/dgamma = sum_i delta_i x_hat_i and dL/dbeta = sum_i delta_i of a batch norm with its running statistics, in which the kernels take it for
// frozen. a: what it reads (n, width), delta: dL/d its output.
export function normGradients(a, delta, { mean, var: variance }, eps) {
  const width = mean.length, gamma = new Float32Array(width), beta = new Float32Array(width);
  for (let j = 0; j < width; ++j) {
    const std = Math.sqrt(variance[j] + eps);
    for (let at = j; at < a.length; at += width) {
      gamma[j] += (delta[at] * (a[at] - mean[j])) / std;
      beta[j] += delta[at];
    }
  }
  return { gamma, beta };
}

// Mean and standard deviation of each column of a (n, width).
export function moments(a, n, width) {
  const mean = new Float64Array(width), std = new Float64Array(width);
  for (let i = 0; i < n; ++i) for (let j = 0; j < width; ++j) mean[j] += a[i * width + j];
  mean.forEach((sum, j) => { mean[j] = sum / n; });
  for (let i = 0; i < n; ++i) for (let j = 0; j < width; ++j) std[j] += (a[i * width + j] - mean[j]) ** 2;
  return { mean, std: std.map((sum) => Math.sqrt(sum / n)) };
}
