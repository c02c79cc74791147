// The layers of a network that was trained elsewhere, each with its numbers: what each reader of such a file makes.

/** @typedef {ArrayLike<number>} Numbers */
/** @typedef {{layer: {kind: string} & Record<string, any>, arrays: Record<string, Numbers>}} Part */

// z = a W + b; W (inputs, outputs).
/** @param {Numbers} W  @param {number} units  @param {Numbers | null} b  @returns {Part} */
export const dense = (W, units, b) => ({ layer: { kind: 'dense', units }, arrays: { W, b: b ?? new Float32Array(units) } });

/** @returns {Part} */
export const plain = (layer, arrays = {}) => ({ layer, arrays });

const BEFORE_ALL = ['rescale', 'standardize', 'scale', 'shift'];

// Adds scale a + offset, each one number or one for each column: to the dense layer before it, before all layers as a standardization, or as layers.
/** @param {Part[]} parts  @param {Numbers} scale  @param {Numbers} offset  @param {number} width */
export function addAffine(parts, scale, offset, width) {
  const last = parts.at(-1), one = (values, j) => values[values.length > 1 ? j : 0], whole = (f) => Float64Array.from({ length: width }, (_, j) => f(one(scale, j), one(offset, j)));
  const every = (holds) => Array.from({ length: Math.max(scale.length, offset.length) }, (_, j) => j).every((j) => holds(one(scale, j), one(offset, j)));
  if (every((s, t) => s === 1 && t === 0)) return;
  if (last?.layer.kind === 'dense') {
    const { W, b } = last.arrays;
    last.arrays = { W: Float64Array.from(W, (w, k) => w * one(scale, k % width)), b: Float64Array.from(b, (v, j) => v * one(scale, j) + one(offset, j)) };
  } else if (scale.length === 1 && offset.length === 1) parts.push(plain({ kind: 'rescale', scale: scale[0], offset: offset[0] }));
  else if (parts.every(({ layer }) => BEFORE_ALL.includes(layer.kind)) && every((s) => s > 0)) parts.push(plain({ kind: 'standardize' }, { mean: whole((s, t) => -t / s), std: whole((s) => 1 / s), count: [1] }));
  else parts.push(plain({ kind: 'scale' }, { s: whole((s) => s) }), plain({ kind: 'shift' }, { b: whole((s, t) => t) }));
}

// What a reader has found: the loss is that of the last layer, which it computes itself; null where the outputs are numbers, or scores.
/** @param {Part[]} parts  @returns {{parts: Part[], loss: string | null}} */
export function withLoss(parts) {
  const loss = { softmax: 'softmax_cross_entropy', sigmoid: 'sigmoid_cross_entropy' }[parts.at(-1)?.layer.kind] ?? null, kept = loss ? parts.slice(0, -1) : parts;
  return { parts: kept.length ? kept : [plain({ kind: 'identity' })], loss };
}
