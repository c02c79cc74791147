// The forward pass of the plane's networks over many points at once: the answer, and that of every neuron, on a grid.
import { activations, sigmoid } from './activations.js';

// The centres of size x size pixels of the square from -edge to edge, rows from the top: [x1, x2], each (size * size,).
export function gridPoints(size, edge) {
  const x1 = new Float32Array(size * size), x2 = new Float32Array(size * size), step = (2 * edge) / size;
  for (let row = 0, at = 0; row < size; ++row)
    for (let column = 0; column < size; ++column, ++at) {
      x1[at] = -edge + (column + 0.5) * step;
      x2[at] = edge - (row + 0.5) * step;
    }
  return [x1, x2];
}

function affine(a, W, b, n) {
  const [inputs, outputs] = W.shape, made = new Float32Array(outputs * n);
  for (let j = 0; j < outputs; ++j) {
    const z = made.subarray(j * n, (j + 1) * n);
    if (b) z.fill(b[j]);
    for (let i = 0; i < inputs; ++i) {
      const w = W[i * outputs + j], from = a.subarray(i * n, (i + 1) * n);
      for (let p = 0; p < n; ++p) z[p] += w * from[p];
    }
  }
  return made;
}

function softmaxOf(a, n) {
  const made = new Float32Array(a.length), units = a.length / n;
  for (let p = 0; p < n; ++p) {
    let most = -Infinity, sum = 0;
    for (let j = 0; j < units; ++j) most = Math.max(most, a[j * n + p]);
    for (let j = 0; j < units; ++j) sum += made[j * n + p] = Math.exp(a[j * n + p] - most);
    for (let j = 0; j < units; ++j) made[j * n + p] /= sum;
  }
  return made;
}

function step(link, a, arrays, n) {
  const of = (field) => arrays[`${link.name}.${field}`];
  switch (link.kind) {
    case 'dense': return affine(a, of('W'), of('b'), n);
    case 'projection': return affine(a, of('W'), null, n);
    case 'batch_norm': {
      const factor = of('gamma').map((gamma, j) => gamma / Math.sqrt(of('var')[j] + link.eps)), mean = of('mean'), beta = of('beta');
      return a.map((x, at) => {
        const j = Math.floor(at / n);
        return factor[j] * (x - mean[j]) + beta[j];
      });
    }
    default: return a.map((z) => activations[link.kind].f(z, link));
  }
}

function through(links, a, arrays, n, seen) {
  for (const link of links) {
    if (link.branches.length) {
      const [branch, shortcut] = link.branches.map((chain) => through(chain, a, arrays, n, seen));
      a = branch.map((x, at) => x + shortcut[at]);
    } else {
      a = step(link, a, arrays, n);
    }
    seen.set(link.name, a);
  }
  return a;
}

// columns: an array of n numbers for each input. Returns a Map from each link's name to (width * n,): unit j of point p at j * n + p.
export function forwardGrid(model, columns) {
  const n = columns[0].length, a = new Float32Array(columns.length * n), seen = new Map();
  columns.forEach((column, i) => a.set(column, i * n));
  through(model.links, a, model.arrays, n, seen);
  return seen;
}

// What the outputs (width * n,) mean at each point: probabilities of the classes, (classes * n,), or the numbers themselves.
export function answers(model, out, n) {
  if (model.task === 'regression') return out;
  if (model.task === 'multiclass') return softmaxOf(out, n);
  const made = new Float32Array(2 * n);
  for (let p = 0; p < n; ++p) {
    made[n + p] = sigmoid(out[p]);
    made[p] = 1 - made[n + p];
  }
  return made;
}
