// Dense networks of ONNX files, read in the page: chainrule/trained/onnx_files.py for chains of layers. A file is data: each node becomes a layer or is
// refused by its name. An activation is known by its values, since each exporter takes it apart in its own way.
import { activations, erf, sigmoid, softplus } from '../activations.js';
import { addAffine, dense, plain, withLoss } from './parts.js';
import { halves, message, numbersOf, refuse } from './protobuf.js';

const OLDEST = 7;   // the opset from which on operators broadcast as NumPy does
const MOST_FIELDS = 200_000, MOST_NODES = 1000, MOST_CUTS = 12, MOST_READS = 256, MOST_WORK = 3e7;   // of a file; of the nodes in a row that may be one activation; of what a node reads; of numbers that are tried
const ROOM = 1 << 18;   // numbers that constants made of others may have, beside those of the file
const ROWS = -(2 ** 40), UNKNOWN = -(2 ** 41);   // in a shape: the number of rows, and a length that is not known beforehand
const TYPES = { 1: ['f4', 4], 5: ['', 5], 6: ['i4', 5], 7: ['i8', 7], 9: ['u1', 5], 10: ['f2', 5], 11: ['f8', 10], 16: ['b2', 5] };   // of tensors: how bytes are read, and the field of numbers that are none
const NAMES = ['no type', 'float', 'uint8', 'int8', 'uint16', 'int16', 'int32', 'int64', 'string', 'bool', 'float16', 'double', 'uint32', 'uint64', 'complex64', 'complex128', 'bfloat16'];
const FLOATS = [1, 10, 11, 16];
const ANSWERS = ['ArgMax', 'ArrayFeatureExtractor', 'Greater', 'ZipMap'], BEHIND = [...ANSWERS, 'Cast', 'Identity', 'LabelEncoder', 'Reshape', 'Squeeze'];   // between probabilities and labels

const elu = (z, alpha) => (z > 0 ? z : alpha * Math.expm1(z));
const clipped = (a, z, low = a.min ?? -Infinity, high = a.max ?? Infinity) => Math.min(Math.max(z, low), high);
// The operators that compute number by number: f(settings, ...values).
const ELEMENTWISE = {
  Abs: (a, z) => Math.abs(z), Add: (a, x, y) => x + y, Cast: (a, z) => z, Celu: ({ alpha = 1 }, z) => alpha * elu(z / alpha, 1), Clip: clipped, Div: (a, x, y) => x / y,
  Elu: ({ alpha = 1 }, z) => elu(z, alpha), Erf: (a, z) => erf(z), Exp: (a, z) => Math.exp(z), Gelu: ({ approximate }, z) => activations[approximate === 'tanh' ? 'gelu_tanh' : 'gelu'].f(z),
  Greater: (a, x, y) => Number(x > y), GreaterOrEqual: (a, x, y) => Number(x >= y), Identity: (a, z) => z, LeakyRelu: ({ alpha = 0.01 }, z) => (z > 0 ? z : alpha * z), Less: (a, x, y) => Number(x < y),
  LessOrEqual: (a, x, y) => Number(x <= y), Log: (a, z) => Math.log(z), Max: (a, ...x) => Math.max(...x), Min: (a, ...x) => Math.min(...x), Mish: (a, z) => z * Math.tanh(softplus(z)), Mul: (a, x, y) => x * y,
  Neg: (a, z) => -z, PRelu: (a, z, slope) => (z > 0 ? z : slope * z), Pow: (a, x, y) => x ** y, Reciprocal: (a, z) => 1 / z, Relu: (a, z) => Math.max(z, 0),
  Selu: ({ alpha = 1.6732632423543772, gamma = 1.0507009873554805 }, z) => gamma * elu(z, alpha), Sigmoid: (a, z) => sigmoid(z), Sign: (a, z) => Math.sign(z), Softplus: (a, z) => softplus(z), Sqrt: (a, z) => Math.sqrt(z),
  Sub: (a, x, y) => x - y, Sum: (a, ...x) => x.reduce((all, v) => all + v, 0), Swish: ({ alpha = 1 }, z) => z * sigmoid(alpha * z), Tanh: (a, z) => Math.tanh(z), Where: (a, is, x, y) => (is ? x : y),
};
const isElementwise = ({ op }) => Object.hasOwn(ELEMENTWISE, op);
const KNOWN = ['relu', 'gelu', 'gelu_tanh', 'silu', 'mish', 'softplus', 'sigmoid', 'tanh', 'selu'];
// Where functions are compared; a spelling may overflow far away, where the activation does not.
const NEAR = [...Array.from({ length: 201 }, (_, k) => (k - 100) / 10), 12, 17, 25, 36, 51, 80, -12, -17, -25, -36, -51, -80], FAR = [-1e4, -1e3, -200, 200, 1e3, 1e4], GRID = Float64Array.from([...NEAR, ...FAR]);

const product = (dims) => dims.reduce((all, n) => all * n, 1), alike = (one, other) => one.length === other.length && one.every((n, k) => n === other[k]);
const bare = (dims) => dims.slice(Math.max(0, dims.findIndex((n) => n !== 1)));   // without the ones in front
const shorten = (name) => (name.length > 60 ? `${name.slice(0, 60)}…` : name), told = ({ name, op }) => ({ name: shorten(name), op: shorten(op) });
const short = (value) => Number(value.toPrecision(7));   // 0.01 for the float32 that stands for it

// A tensor's numbers: {dims, values}; of text {dims, values, texts}.
function tensorOf(given) {
  const dims = given.integers(1), type = given.integer(2), name = shorten(given.text(8)), [kind, field] = TYPES[type] ?? [];
  if (given.integer(14) === 1) refuse('open.external', { name });
  if (type === 8) return { dims, values: new Float64Array(0), texts: given.texts(6) };
  if (!kind || dims.length > 8) refuse('open.type', { name, type: NAMES[type] ?? String(type) });
  const values = given.has(9) ? numbersOf(given.bytes(9), kind) : field === 4 ? given.reals(4) : field === 10 ? given.reals(10, 8) : kind === 'f2' ? halves(given.integers(5))
    : kind === 'b2' ? refuse('open.type', { name, type: NAMES[type] }) : Float64Array.from(given.integers(field));
  if (dims.some((n) => n < 0) || values.length !== product(dims)) refuse('open.tensor', { name });
  return { dims, values };
}

function settingOf(given) {
  const type = given.integer(20), has = (kind, field) => type === kind || (!type && given.has(field));
  if (has(1, 2)) return given.real(2);
  if (has(2, 3)) return given.integer(3);
  if (has(3, 4)) return given.text(4);
  if (has(4, 5)) return tensorOf(given.message(5));
  if (has(6, 7)) return given.reals(7);
  return has(7, 8) ? given.integers(8) : given.texts(9);
}

function nodeOf(given, k) {
  const domain = given.text(7), op = given.text(4), reads = given.texts(1), [makes = ''] = given.texts(2), settings = Object.create(null);
  for (const each of given.messages(5)) settings[each.text(1)] = settingOf(each);
  if (reads.length > MOST_READS) refuse('open.too_large');
  return { op: ['', 'ai.onnx', 'ai.onnx.ml'].includes(domain) ? op : `${domain}.${op}`, name: given.text(3) || makes || `node ${k}`, reads, makes, settings };
}

// The lengths of an input behind its rows; null where one is not known.
function lengthsOf(given) {
  const tensor = given.message(2).message(1), dims = tensor.message(2).messages(1).map((each) => each.integer(1)).slice(1);
  if (tensor.integer(1) === 8) refuse('open.text_input', { name: shorten(given.text(1)) });
  return dims.length && dims.every((n) => n > 0) ? dims : null;
}

/**
 * The network of an ONNX file: its layers with their numbers, and what the file says of them. chosen: the output to follow, where several are computed
 * from different values; else the first. Throws a Refusal, which names the node and its kind, for what is no chain of layers, and for a damaged file.
 * @param {Uint8Array} bytes  @param {string | null} [chosen]
 */
export function readOnnx(bytes, chosen = null) {
  const file = message(bytes, { fields: MOST_FIELDS }), graph = file.message(7), room = { numbers: bytes.length / 2 + ROOM, work: MOST_WORK };
  const opset = file.messages(8).filter((each) => ['', 'ai.onnx'].includes(each.text(1))).reduce((most, each) => Math.max(most, each.integer(2)), 0);
  const given = graph.messages(1);
  if (!given.length) refuse('open.damaged');
  if (given.length > MOST_NODES) refuse('open.too_large');
  if (opset < OLDEST) refuse('open.opset', { opset });
  const nodes = given.map(nodeOf), tensors = new Map(graph.messages(5).map((each) => [each.text(8), each])), constants = new Map(), maker = new Map();
  nodes.forEach(({ makes }, k) => {
    if (makes && (maker.has(makes) || tensors.has(makes))) refuse('open.damaged');
    maker.set(makes, k);
  });
  const known = new Map(file.messages(14).map((each) => [each.text(1), each.text(2)]));

  function spend(what, count) {
    room[what] -= count;
    if (!(room[what] >= 0)) refuse('open.too_large');
  }

  function constant(name) {
    if (!constants.has(name) && tensors.has(name)) constants.set(name, tensorOf(tensors.get(name)));
    return constants.get(name) ?? null;
  }

  // --- constants that are made of others ---------------------------------------------------------------------------------

  function axesOf(node, second, rank) {
    return [...(second?.values ?? node.settings.axes ?? [])].map((k) => (k < 0 ? k + rank : k));
  }

  function reshaped(dims, lengths, node) {
    const found = lengths.map((n, k) => (n === 0 ? dims[k] ?? 0 : n)), rest = product(found.filter((n) => n !== -1));
    const whole = found.map((n) => (n === -1 ? product(dims) / rest : n));
    if (whole.some((n) => !(Number.isInteger(n) && n >= 0)) || product(whole) !== product(dims)) refuse('open.constant', told(node));
    return whole;
  }

  function transposed({ dims: [rows, columns], values }) {
    spend('numbers', values.length);
    const found = new /** @type {any} */ (values.constructor)(values.length);
    for (let i = 0; i < rows; ++i) for (let j = 0; j < columns; ++j) found[j * rows + i] = values[i * columns + j];
    return { dims: [columns, rows], values: found };
  }

  // What a node of constants makes.
  function fold(node) {
    const { op, settings: a } = node, [x, ...rest] = node.reads.filter(Boolean).map(constant);
    const flat = (values) => ({ dims: [values.length], values: Float64Array.from(values) }), no = () => refuse('open.constant', told(node));
    if (op === 'Constant') return a.value?.dims ? a.value : 'value_float' in a || 'value_int' in a ? { dims: [], values: Float64Array.of(a.value_float ?? a.value_int) } : flat(a.value_floats ?? a.value_ints ?? no());
    if (op === 'Shape') return flat([ROWS, ...new Array(7).fill(UNKNOWN)]);
    if (!x || rest.some((each) => !each)) return no();
    const { dims, values } = x;
    if (['Identity', 'Dropout', 'Cast'].includes(op)) return x;
    if (op === 'Transpose' && dims.length < 3) return dims.length < 2 || (a.perm && alike(a.perm, [0, 1])) ? x : transposed(x);
    if (op === 'Unsqueeze' || op === 'Squeeze') {
      const isMore = op === 'Unsqueeze', axes = axesOf(node, rest[0], dims.length + (isMore ? (rest[0]?.values ?? a.axes ?? []).length : 0));
      if (!isMore) return { dims: dims.filter((n, k) => (axes.length ? !axes.includes(k) : n !== 1)), values };
      const found = [...dims];
      for (const k of axes.sort((one, other) => one - other)) found.splice(k, 0, 1);
      return { dims: found, values };
    }
    if (op === 'Reshape' && rest[0]) return { dims: reshaped(dims, [...rest[0].values], node), values };
    if (op === 'Flatten') return { dims: [product(dims.slice(0, a.axis ?? 1)), product(dims.slice(a.axis ?? 1))], values };
    if (op === 'Concat' && [x, ...rest].every((each) => each.dims.length === 1)) {
      spend('numbers', [x, ...rest].reduce((all, each) => all + each.values.length, 0));
      return flat([x, ...rest].flatMap((each) => [...each.values]));
    }
    if (op === 'Gather' && dims.length === 1 && rest[0]) {
      spend('numbers', rest[0].values.length);
      return { dims: rest[0].dims, values: Float64Array.from(rest[0].values, (k) => values[k < 0 ? k + values.length : k] ?? no()) };
    }
    if (op === 'Slice' && dims.length === 1) {
      const [from, to, , step = 1] = rest.length ? rest.map((each) => each.values[0]) : [a.starts?.[0], a.ends?.[0]];
      return step === 1 && from !== undefined && to !== undefined ? flat(values.slice(from, to)) : no();
    }
    const all = [x, ...rest], largest = all.reduce((most, each) => (each.values.length > most.values.length ? each : most));
    if (!isElementwise(node) || all.some((each) => each.texts || each.values.some((v) => v <= ROWS) || !(each.values.length === 1 || alike(each.dims, largest.dims)))) return no();
    spend('numbers', largest.values.length);
    return { dims: largest.dims, values: largest.values.map((_, k) => ELEMENTWISE[op](a, ...all.map((each) => each.values[each.values.length > 1 ? k : 0]))) };
  }

  // --- which nodes ---------------------------------------------------------------------------------------------------------

  function neededBy(end) {
    const needs = new Set([end]);
    for (let k = nodes.length - 1; k >= 0; --k) if (needs.has(nodes[k].makes)) for (const name of nodes[k].reads) needs.add(name);
    return needs;
  }

  // The values that the outputs are made of, behind which there are only labels: the output's name by each, and the labels.
  function ends() {
    const found = new Map();
    let classes = null;
    for (const output of graph.messages(12).map((each) => each.text(1))) {
      let value = output, end = output;
      for (let before = nodes.length; maker.has(value) && maker.get(value) < before && BEHIND.includes(nodes[maker.get(value)].op);) {
        before = maker.get(value);
        const { op, reads, settings: a } = nodes[before];
        value = reads[op === 'ArrayFeatureExtractor' ? reads.length - 1 : 0] ?? '';
        if (!ANSWERS.includes(op)) continue;
        end = value;
        classes ??= a.classlabels_int64s ?? a.classlabels_strings ?? (op === 'ArrayFeatureExtractor' && tensors.has(reads[0]) ? constant(reads[0]).texts ?? constant(reads[0]).values : null);
      }
      found.set(end, output);
    }
    if (!found.size) refuse('open.damaged');
    try {
      if (known.has('labels') && ['binary', 'multiclass'].includes(known.get('task'))) classes = JSON.parse(known.get('labels'));
    } catch {
      refuse('open.damaged');
    }
    return { found, classes: textsOf(classes) };
  }

  const { found: made, classes } = ends(), whole = [...made.keys()].find((end) => { const needs = neededBy(end); return [...made.keys()].every((name) => needs.has(name)); });
  const choices = whole === undefined ? [...made.values()] : [], at = choices.includes(chosen) ? chosen : choices[0];
  let end = whole ?? [...made].find(([, name]) => name === at)[0];
  for (let k = maker.get(end), before = nodes.length; k !== undefined && k < before && (nodes[k].op === 'Identity' || (nodes[k].op === 'Cast' && FLOATS.includes(nodes[k].settings.to))); before = k, k = maker.get(end)) end = nodes[k].reads[0] ?? '';

  const needs = neededBy(end), inputs = graph.messages(11).filter((each) => !tensors.has(each.text(1)) && needs.has(each.text(1))), live = [], readers = new Map();
  if (inputs.length !== 1) refuse('open.inputs', { n: inputs.length });
  const first = inputs[0].text(1), values = new Set([first]);
  nodes.forEach((node, k) => {
    if (!node.makes || !needs.has(node.makes)) return;
    const reads = node.reads.filter(Boolean);
    for (const name of reads) if (!values.has(name) && !constant(name)) refuse('open.reads', { ...told(node), read: shorten(name) });
    if (node.op === 'Shape' || !reads.some((name) => values.has(name))) {
      constants.set(node.makes, fold(node));
      return;
    }
    values.add(node.makes);
    live.push(k);
    for (const name of new Set(reads)) if (values.has(name)) readers.set(name, [...(readers.get(name) ?? []), k]);
  });
  if (!values.has(end)) refuse('open.damaged');
  let dims = lengthsOf(inputs[0]), width = dims && product(dims), fanIn = width, bounds = null, loss = null;

  // --- nodes as layers -----------------------------------------------------------------------------------------------------

  // The next value through which everything behind x passes, and the nodes up to it.
  function segment(x) {
    const of = (name) => (name === end ? [] : readers.get(name) ?? []), made = new Set([x]), waiting = new Set(of(x)), seen = [];
    let pending = waiting.size;   // values that are still to be read, once for each of their readers
    for (const k of live) {
      if (!waiting.has(k)) continue;
      const node = nodes[k], own = new Set(node.reads.filter((name) => name && values.has(name)));
      if (![...own].every((name) => made.has(name))) break;
      spend('work', 1);
      seen.push(k);
      made.add(node.makes);
      const after = of(node.makes);
      pending += after.length - own.size;
      if (pending === after.length) return { end: node.makes, nodes: seen.map((each) => nodes[each]) };
      for (const each of after) waiting.add(each);
    }
    return refuse('open.ways', told(nodes[seen.at(-1) ?? live.at(-1)]));
  }

  // A constant as one number or one for each column; null for another.
  function columnsOf({ dims: own, values: numbers, texts }) {
    if (texts) return null;
    if (numbers.length === 1) return numbers;
    if (!dims && bare(own).length === 1) [dims, width, fanIn] = [bare(own), numbers.length, numbers.length];
    return dims && alike(bare(own), bare(dims)) && own.length <= dims.length + 1 ? numbers : null;
  }

  // s and t of y = s x + t; null for another function.
  function affine(x, y, between, vectors) {
    const forms = new Map([...vectors].map(([name, v]) => [name, { s: [0], t: v }])), of = (f, ...all) => { const n = Math.max(...all.map((each) => each.length)); spend('work', n); return Float64Array.from({ length: n }, (_, k) => f(...all.map((each) => each[each.length > 1 ? k : 0]))); };
    const add = (u, v) => of((one, other) => one + other, u, v), times = (u, v) => of((one, other) => one * other, u, v), isZero = (u) => u.every((v) => v === 0);
    forms.set(x, { s: [1], t: [0] });
    for (const { op, reads, makes } of between) {
      const [one, two, ...more] = reads.filter(Boolean).map((name) => forms.get(name)), isPair = two && !more.length;
      let form = null;
      if (['Identity', 'Cast'].includes(op)) form = one;
      else if (op === 'Neg') form = { s: times(one.s, [-1]), t: times(one.t, [-1]) };
      else if (['Add', 'Sum'].includes(op) && isPair) form = { s: add(one.s, two.s), t: add(one.t, two.t) };
      else if (op === 'Sub' && isPair) form = { s: add(one.s, times(two.s, [-1])), t: add(one.t, times(two.t, [-1])) };
      else if (op === 'Mul' && isPair && (isZero(one.s) || isZero(two.s))) form = { s: add(times(one.s, two.t), times(two.s, one.t)), t: times(one.t, two.t) };
      else if (op === 'Div' && isPair && isZero(two.s)) form = { s: of((u, v) => u / v, one.s, two.t), t: of((u, v) => u / v, one.t, two.t) };
      if (!form) return null;
      forms.set(makes, form);
    }
    const { s, t } = forms.get(y);
    return s.every(Number.isFinite) && t.every(Number.isFinite) ? { s, t } : null;
  }

  // What nodes make of numbers z, by the constants of column j.
  function valuesAt(x, y, between, vectors, z, j = 0) {
    const found = new Map([[x, z]]);
    for (const { op, settings, reads, makes } of between) {
      const given = reads.map((name) => found.get(name) ?? (vectors.has(name) ? [vectors.get(name)[vectors.get(name).length > 1 ? j : 0]] : [undefined]));
      spend('work', z.length);
      found.set(makes, z.map((_, k) => ELEMENTWISE[op](settings, ...given.map((each) => each[each.length > 1 ? k : 0]))));
    }
    return found.get(y);
  }

  function error(found, f) {
    return found.reduce((most, v, k) => {
      const wanted = f(GRID[k]), apart = Math.abs(v - wanted) / Math.max(1, Math.abs(wanted));
      return k >= NEAR.length && !Number.isFinite(v) ? most : Math.max(most, Number.isFinite(apart) ? apart : Infinity);
    }, 0);
  }

  // The activation that nodes compute, by its values; null where none is as near.
  function activation(x, y, between, vectors, tolerance, last) {
    if (y === end && !bounds && !['softmax', 'sigmoid'].includes(last?.layer.kind)) {
      const count = Math.max(1, ...[...vectors.values()].map((v) => v.length)), ways = Array.from({ length: count }, (_, j) => valuesAt(x, y, between, vectors, Float64Array.of(-1e30, 0, 1e30), j));
      const isBound = ([low, middle, high]) => Math.abs(low) < 1e29 && Math.abs(high) < 1e29 && middle === Math.min(Math.max(0, low), high);
      if (ways.every(isBound) && error(valuesAt(x, y, between, vectors, GRID), (z) => Math.min(Math.max(z, ways[0][0]), ways[0][2])) <= tolerance) {
        bounds = { low: ways.map(([low]) => low), high: ways.map((each) => each[2]) };
        return { kind: 'identity' };
      }
    }
    if ([...vectors.values()].some((v) => v.length > 1)) return null;
    const found = valuesAt(x, y, between, vectors, GRID), [far, near] = valuesAt(x, y, between, vectors, Float64Array.of(-1e4, -1));
    const tried = [...KNOWN.map((kind) => ({ kind })), { kind: 'leaky_relu', slope: short(-near) }, { kind: 'elu', alpha: short(-far) }].map((layer) => ({ layer, error: error(found, (z) => activations[layer.kind].f(z, /** @type {any} */ (layer))) }));
    const best = tried.reduce((one, other) => (other.error < one.error ? other : one));
    return best.error <= tolerance ? best.layer : null;
  }

  // Adds the activation, or the scale and offset, that nodes compute; says whether they compute one.
  function addFunction(parts, x, y, between) {
    const vectors = new Map();
    if (between.some(({ op, settings }) => op === 'Cast' && !FLOATS.includes(settings.to))) return false;
    for (const name of between.flatMap(({ reads }) => reads)) {
      const value = name && !values.has(name) ? columnsOf(constant(name)) : [];
      if (!value) return false;
      if (value.length) vectors.set(name, value);
    }
    const form = affine(x, y, between, vectors);
    if (form) {
      if (Math.max(form.s.length, form.t.length) > 1 || width) addAffine(parts, form.s, form.t, width ?? 1);
      else if (form.s[0] !== 1 || form.t[0] !== 0) parts.push(plain({ kind: 'rescale', scale: form.s[0], offset: form.t[0] }));
      return true;
    }
    const layer = activation(x, y, between, vectors, 2e-6, parts.at(-1));
    if (layer && layer.kind !== 'identity') parts.push(plain(layer));
    return Boolean(layer);
  }

  function addDense(parts, node) {
    const { reads, settings: a } = node, [, W, b] = reads.map((name) => (name ? constant(name) : null)), { alpha = 1, beta = 1 } = a;
    if (values.has(reads[1]) || !W || W.texts || W.dims.length !== 2 || a.transA || !values.has(reads[0])) refuse('open.product', told(node));
    const turned = a.transB ? transposed(W) : W, [rows, units] = turned.dims;
    if (!dims) [dims, width, fanIn] = [[rows], rows, rows];
    if (dims.at(-1) !== rows || product(dims) !== rows || units < 1) refuse('open.matrix', { ...told(node), width: dims.join(' × '), rows });
    if (reads[2] && (!b || b.texts || ![1, units].includes(b.values.length) || product(bare(b.dims)) !== (bare(b.dims).at(-1) ?? 1))) refuse('open.bias', told(node));
    spend('numbers', units);
    parts.push(dense(alpha === 1 ? turned.values : turned.values.map((w) => alpha * w), units, reads[2] ? Float64Array.from({ length: units }, (_, j) => beta * b.values[b.values.length > 1 ? j : 0]) : null));
    [dims, width] = [[units], units];
  }

  function addReshape(node) {
    const { op, reads, settings: a } = node, no = () => refuse('open.reshape', told(node)), given = reads[1] ? constant(reads[1]) : null;
    if (op === 'Flatten') {
      if (![1, -dims.length].includes(a.axis ?? 1)) no();
      dims = [width];
    } else if (op === 'Squeeze') {
      const axes = axesOf(node, given, dims.length + 1), left = dims.filter((_, k) => !axes.includes(k + 1));
      if (!axes.length || axes.includes(0) || product(left) !== width) no();
      dims = left.length ? left : [1];
    } else {
      const [rows, ...lengths] = given?.values ?? [], found = lengths.map((n, k) => (n === 0 ? dims[k] ?? 0 : n)), rest = product(found.filter((n) => n !== -1));
      if (rows === -1 && (!lengths.length || alike(lengths, [1])) && (width === 1 || node.makes === end)) return;   // the outputs of all rows, one beneath the other
      const whole = found.map((n) => (n === -1 ? width / rest : n));
      if (!(rows === ROWS || rows === -1 || rows === 0 || rows === 1) || (rows === -1 && lengths.includes(-1)) || !whole.length || whole.some((n) => !(Number.isInteger(n) && n > 0)) || product(whole) !== width) no();
      dims = whole;
    }
  }

  // Adds the layer of one node.
  function addNode(parts, node) {
    const { op, reads, makes, settings: a } = node, given = reads.slice(1).map((name) => (name ? constant(name) : null)), no = () => refuse('open.node', told(node));
    const columns = (value) => (value && !value.texts && value.values.length === width ? value.values : no()), isColumns = (axis) => dims.length === 1 && (axis === 1 || axis === -1);
    if (op === 'Gemm' || op === 'MatMul') {
      addDense(parts, node);
      return;
    }
    if (!dims) refuse('open.width', told(node));
    if (['Flatten', 'Reshape', 'Squeeze'].includes(op)) addReshape(node);
    else if (op === 'BatchNormalization' && !a.training_mode && dims.length === 1) {
      const [gamma, beta, mean, variance] = [0, 1, 2, 3].map((k) => columns(given[k]));
      parts.push(plain({ kind: 'batch_norm', eps: short(a.epsilon ?? 1e-5) }, { gamma, beta, mean, var: variance }));
    } else if (op === 'Scaler' && dims.length === 1 && [a.scale, a.offset].every((each) => each && [1, width].includes(each.length))) {
      const { scale, offset } = a, n = Math.max(scale.length, offset.length), one = (each, k) => each[each.length > 1 ? k : 0];
      addAffine(parts, scale, Float64Array.from({ length: n }, (_, k) => -one(offset, k) * one(scale, k)), width);
    } else if (op === 'PRelu' && given[0] && dims.length === 1) parts.push(plain({ kind: 'prelu' }, { slope: columns(given[0]) }));
    else if ((op === 'Softmax' || (op === 'LogSoftmax' && makes === end)) && isColumns(a.axis ?? (opset < 13 ? 1 : -1))) parts.push(plain({ kind: 'softmax' }));
    else if (op === 'Exp' && makes === end) loss = 'poisson';
    else if (op !== 'Dropout') no();   // which does nothing when it predicts
  }

  // Whether nodes make both probabilities, [1 - p, p], of p.
  function isPair(x, { end: y, nodes: between }) {
    const last = between.at(-1), others = between.slice(0, -1), [one, two] = last.reads;
    if (y !== end || last.op !== 'Concat' || last.reads.length !== 2 || ![1, -1].includes(last.settings.axis) || two !== x || width !== 1 || !others.every(isElementwise)) return false;
    const names = others.flatMap(({ reads }) => reads).filter((name) => name && !values.has(name)), vectors = new Map(names.map((name) => [name, columnsOf(constant(name)) ?? []]));
    return Boolean(valuesAt(x, one, others, vectors, Float64Array.of(0, 0.25, 1))?.every((v, k) => Math.abs(v - [1, 0.75, 0][k]) < 1e-6));
  }

  const parts = [];
  for (let x = first; x !== end;) {
    const cuts = [];
    for (let y = x; y !== end && cuts.length < MOST_CUTS;) {
      const cut = segment(y);
      y = cut.end;
      cuts.push(cut);
      if (!cut.nodes.every(isElementwise)) break;
    }
    let count = cuts.findIndex((cut) => !cut.nodes.every(isElementwise));
    if (count < 0) count = cuts.length;
    while (count > 0 && !addFunction(parts, x, cuts[count - 1].end, cuts.slice(0, count).flatMap((cut) => cut.nodes))) count -= 1;
    if (!count) {
      const [cut] = cuts;
      if (cut.nodes.length === 1) addNode(parts, cut.nodes[0]);
      else if (!isPair(x, cut)) refuse('open.ways', told(cut.nodes.at(-1)));
    }
    x = cuts[Math.max(0, count - 1)].end;
  }
  if (!dims || product(dims.slice(0, -1)) !== 1) refuse('open.damaged');
  const taken = withLoss(parts), columns = namesOf(known.get('inputs'), first);
  return { ...taken, loss: loss ?? taken.loss, inputs: fanIn, outputs: width, classes, features: columns?.length === fanIn ? columns : null, bounds, ends: choices, end: at ?? null };
}

// Labels or names as texts; null for what is no list of them.
export const textsOf = (given) => ((Array.isArray(given) || ArrayBuffer.isView(given)) && Array.from(/** @type {any} */ (given)).every((each) => typeof each !== 'object') ? Array.from(/** @type {any} */ (given), String) : null);

// The names of the columns in a file of the package.
function namesOf(text, name) {
  try {
    const found = JSON.parse(text ?? 'null');
    return Array.isArray(found) ? textsOf(found.find((each) => each?.name === name)?.columns) : null;
  } catch {
    return null;
  }
}
