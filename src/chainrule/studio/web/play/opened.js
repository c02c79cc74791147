// A network of a file that is dropped on the page: of ONNX, of PyTorch's state_dict in safetensors, or of the package; and what the file does not say
// about it, which is tried on the page's pictures, or guessed, and can be chosen.
import { readOnnx, textsOf } from './onnx.js';
import { addAffine, dense, plain, withLoss } from './parts.js';
import { numbersOf, refuse } from './protobuf.js';

export const MOST_BYTES = 64 << 20;   // of a file
const MOST_TENSORS = 10_000, MOST_WIDTHS = 1 << 20;   // of all layers together
const TYPES = { F32: 'f4', F64: 'f8', F16: 'f2', BF16: 'b2', I64: 'i8', I32: 'i4' }, SIZES = { F32: 4, F64: 8, F16: 2, BF16: 2, I64: 8, I32: 4 };
const ACTIVATIONS = ['relu', 'tanh', 'sigmoid', 'gelu', 'silu', 'elu', 'leaky_relu'];
const PIXELS = { bytes: null, unit: [1 / 255, 0], signed: [2 / 255, -1], mnist: [1 / (255 * 0.3081), -0.1307 / 0.3081] };   // of pixels from 0 to 255: the scale and the offset before the network
const STATES = ['mean', 'var', 'std', 'count'];
const TRIED = 200, MOST_PRODUCTS = 2e9, READS = 0.5, USUAL = 0.8;   // pictures, at most; products of all trials; the share that a network which is used rightly reads; the factor of a loss with pixels from 0 to 1

// --- safetensors -----------------------------------------------------------------------------------------------------

// The header of a safetensors file, and where its numbers begin; null for another file.
function headerOf(bytes) {
  if (bytes.length < 10 || bytes[8] !== 0x7b) return null;
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > bytes.length - 8) return null;
  try {
    return { head: JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))), begin: 8 + length };
  } catch {
    return null;
  }
}

const isCount = (n) => Number.isInteger(n) && n >= 0;

function tensorsOf(bytes, { head, begin }) {
  const names = Object.keys(head).filter((name) => name !== '__metadata__');
  if (names.length > MOST_TENSORS) refuse('open.too_large');
  return new Map(names.map((name) => {
    const { dtype: given = '', shape = null, data_offsets: place = null } = head[name] ?? {}, dtype = typeof given === 'string' ? given : '', isWhole = Array.isArray(shape) && shape.every(isCount) && Array.isArray(place) && place.every(isCount);
    if (!Object.hasOwn(TYPES, dtype)) refuse('open.type', { name, type: dtype.slice(0, 20) });
    if (!isWhole || place[1] - place[0] !== SIZES[dtype] * shape.reduce((all, n) => all * n, 1) || begin + place[1] > bytes.length) refuse('open.tensor', { name });
    return [name, { shape, values: () => numbersOf(bytes.subarray(begin + place[0], begin + place[1]), TYPES[dtype]) }];
  }));
}

// What sorts layers.10 behind layers.9.
const naturally = (one, other) => one.localeCompare(other, 'en', { numeric: true });

// A dense layer for each weight (outputs, inputs), in the order of the names, batch norms where they are, and an activation before each further layer.
function readStateDict(tensors, activation) {
  const parts = [], left = new Map(tensors);
  let width = null;
  const take = (name) => { const found = left.get(name); left.delete(name); return found; };
  for (const name of [...tensors.keys()].filter((each) => each.endsWith('weight')).sort(naturally)) {
    const stem = name.slice(0, -'weight'.length), [W, b, mean, variance] = [name, `${stem}bias`, `${stem}running_mean`, `${stem}running_var`].map(take), no = () => refuse('open.state', { name, shape: `(${W.shape.join(', ')})` });
    const [units, inputs] = W.shape, isColumns = (each) => each && each.shape.length === 1 && each.shape[0] === units;
    take(`${stem}num_batches_tracked`);
    if (W.shape.length === 1 && parts.length && units === width && [b, mean, variance].every(isColumns)) parts.push(plain({ kind: 'batch_norm', eps: 1e-5 }, { gamma: W.values(), beta: b.values(), mean: mean.values(), var: variance.values() }));
    else {
      if (W.shape.length !== 2 || mean || variance || (b && !isColumns(b)) || !(units > 0 && inputs > 0) || (width !== null && inputs !== width)) no();
      const given = W.values(), turned = new Float64Array(given.length);
      for (let j = 0; j < units; ++j) for (let i = 0; i < inputs; ++i) turned[i * units + j] = given[j * inputs + i];
      if (parts.length) parts.push(plain({ kind: activation, ...({ elu: { alpha: 1 }, leaky_relu: { slope: 0.01 } }[activation] ?? {}) }));
      parts.push(dense(turned, units, b ? b.values() : null));
      width = units;
    }
  }
  const [other] = left.keys();
  if (other !== undefined || !parts.length) refuse('open.state', { name: other ?? '–', shape: `(${left.get(other)?.shape.join(', ') ?? ''})` });
  return { ...withLoss(parts), inputs: parts[0].arrays.W.length / parts[0].layer.units, outputs: width, classes: null, features: null, bounds: null, ends: [], end: null };
}

// --- what a file does not say ----------------------------------------------------------------------------------------

// A network of the engine; pixels: one of PIXELS, which is put before it.
function networkOf(engine, { parts, inputs, loss }, { pixels, answers }) {
  const all = [...parts];
  if (pixels && PIXELS[pixels]) {
    const [scale, offset] = PIXELS[pixels], before = [];
    addAffine(before, [scale], [offset], inputs);
    all.unshift(...before);
  }
  const kind = loss ?? (answers === 'classes' ? 'softmax_cross_entropy' : 'mean_squared_error'), counts = {}, states = {}, pieces = [];
  for (const { layer, arrays } of all) {
    const name = `${layer.kind}_${(counts[layer.kind] = (counts[layer.kind] ?? 0) + 1)}`;
    for (const [field, values] of Object.entries(arrays)) {
      const rounded = Float32Array.from(values);
      if (!rounded.every(Number.isFinite)) refuse('open.nan');
      if (STATES.includes(field)) (states[name] ??= {})[field] = rounded;
      else pieces.push(rounded);
    }
  }
  const theta = new Float32Array(pieces.reduce((sum, { length }) => sum + length, 0));
  pieces.reduce((at, piece) => { theta.set(piece, at); return at + piece.length; }, 0);
  return engine.network({ inputs, layers: all.map(({ layer }) => layer), loss: { kind } }, { theta, states });
}

// How many of n pictures a network reads, and its cross-entropy, which tells it from one that takes them otherwise and reads as many.
function triedOn(network, { X, y, features }, n) {
  const out = network.outputsOf(X.subarray(0, n * features), n), k = network.outputs;
  let right = 0, loss = 0;
  for (let i = 0; i < n; ++i) {
    const own = out.subarray(i * k, (i + 1) * k), most = Math.max(...own);
    right += Number(own.indexOf(most) === y[i]);
    loss += most + Math.log(own.reduce((all, z) => all + Math.exp(z - most), 0)) - own[y[i]];
  }
  return { right, loss };
}

/**
 * The network of a file, for the engine: {network, about, guesses, trial}. chosen: what somebody has said that the file does not, of guesses: output,
 * activation, pixels, answers. data: what is on show; its pictures try what is not said. Throws a Refusal for a file that has no such network.
 * @param {any} engine  @param {{name: string, bytes: Uint8Array}} file  @param {any} data  @param {Record<string, string>} chosen
 */
export function openNetwork(engine, { name, bytes }, data, chosen) {
  const found = readFile(bytes, name, chosen);
  if (found.isOwn) {
    const { network, extra } = engine.open(bytes.buffer);
    const { classes, feature_names: features, target_scale: scale = null, seed = 0, epochs_trained: epochs = 0, steps_trained: steps = 0 } = extra, isScale = (values) => Array.isArray(values) && values.length === network.outputs && values.every(Number.isFinite);
    if (scale && !(['mean', 'std'].every((part) => isScale(scale[part])) && (!scale.low || (isScale(scale.low) && isScale(scale.high))))) refuse('open.damaged');
    return { network, about: { classes: textsOf(classes), features: textsOf(features), scale, seed, epochs, steps }, guesses: [], trial: null };
  }
  const { read, activations } = found, first = read(activations[0]), isPicture = first.inputs === 784, { loss, outputs, ends, end, bounds } = first;
  const pixels = isPicture ? options(chosen.pixels, Object.keys(PIXELS)) : [null], labels = data?.labels ?? [], isTried = isPicture && data?.shape && data.features === first.inputs && outputs === labels.length && outputs > 1;
  let best = { activation: activations[0], pixels: pixels.includes('unit') ? 'unit' : pixels[0], right: 0, score: Infinity }, n = 0;
  if (isTried) {
    const ways = activations.flatMap((activation) => pixels.map((each) => ({ activation, pixels: each }))), size = first.parts.reduce((all, { arrays }) => all + (arrays.W?.length ?? 0), 0);
    n = Math.max(20, Math.min(TRIED, data.test.n, Math.floor(MOST_PRODUCTS / (size * ways.length))));
    for (const way of ways) {
      const network = networkOf(engine, read(way.activation), way);
      const tried = triedOn(network, { ...data.test, features: data.features }, n);
      network.free();
      const score = tried.loss * (way.pixels === 'unit' ? USUAL : 1);
      if (score < best.score) best = { ...way, right: tried.right, score };
    }
  }
  const reads = best.right > READS * n, answers = loss || bounds || outputs === 1 ? null : chosen.answers ?? (reads && n ? 'classes' : 'numbers');
  const guess = (key, value, all) => (all.length > 1 ? [{ key, value, options: all }] : []);
  const guesses = [...guess('output', end, ends), ...(found.hasActivations ? [] : guess('activation', best.activation, ACTIVATIONS)), ...(isPicture ? guess('pixels', best.pixels, Object.keys(PIXELS)) : []), ...(answers ? guess('answers', answers, ['numbers', 'classes']) : [])];
  const network = networkOf(engine, read(best.activation), { pixels: best.pixels, answers }), { classes, features } = first, count = loss === 'sigmoid_cross_entropy' && outputs === 1 ? 2 : outputs, whole = (value) => new Array(outputs).fill(value);
  const scale = bounds ? { mean: whole(0), std: whole(1), low: spread(bounds.low, outputs), high: spread(bounds.high, outputs) } : null;
  return { network, about: { classes: (loss || answers === 'classes') && classes?.length === count ? classes : null, features, scale }, guesses, trial: reads && n ? { right: best.right, n } : null };
}

const options = (chosen, all) => (all.includes(chosen) ? [chosen] : all);
const spread = (values, n) => Array.from({ length: n }, (_, k) => values[values.length > 1 ? k : 0]);

/**
 * What a file is, before anything is built of it: {isOwn} for one of the package; else read(activation), and the activations that are to be tried.
 * @param {Uint8Array} bytes  @param {string} name  @param {Record<string, string>} [chosen]  @returns {any}
 */
function readFile(bytes, name, chosen = {}) {
  const safe = headerOf(bytes);
  if (safe) {
    if (typeof safe.head.__metadata__?.chainrule === 'string') return { isOwn: true };
    const tensors = tensorsOf(bytes, safe), read = (activation) => fitting(readStateDict(tensors, activation));
    return { read, activations: options(chosen.activation, ACTIVATIONS), hasActivations: false };
  }
  if (!/\.onnx$/i.test(name)) refuse('open.kind', { name });
  const found = fitting(readOnnx(bytes, chosen.output));
  return { read: () => found, activations: [null], hasActivations: true };
}

function fitting(found) {
  let width = found.inputs;
  const all = found.parts.reduce((sum, { layer }) => { width = layer.units ?? width; return sum + width; }, width);
  if (!(all <= MOST_WIDTHS)) refuse('open.too_large');
  return found;
}
