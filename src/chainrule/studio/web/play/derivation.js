// The chain rule of one number of a network, its paths, its equations, and a finite difference beside it:
// inspection/derivation/{tree,lines,difference,derivation}.py and studio/screens/backprop/{paths,derived}.py in JavaScript.
import { createGraph } from './graph.js';
import { call, number, partial, product, sum, symbol, textOf, treeOf, sixDigits } from './markup.js';

const FIRST_STEP = 0.5, MAX_HALVINGS = 60, TABLE_ROWS = 12, EPS = 2 ** -52;

// A sum whose rounding is made up for. Source: Neumaier, ZAMM 54, 1974.
function fsum(values) {
  let total = 0, rest = 0;
  for (const value of values) {
    const next = total + value;
    rest += Math.abs(total) >= Math.abs(value) ? (total - next) + value : (value - next) + total;
    total = next;
  }
  return total + rest;
}

// dL by one number: {of, parts, extra, leaf, value, count, symbol, largest(n)}.
function createNode(graph, of, parts, extra = [], leaf = null) {
  let products = null;
  const values = () => {
    products ??= [...parts.flatMap(({ edge, cells }) => { const delta = graph.delta(edge.target); return Array.from(cells.factors, (factor, t) => factor * delta[cells.rows[t] * edge.target.width + cells.columns[t]]); }), ...extra.map((term) => term.value)];
    return products;
  };
  function term(at) {
    for (const { edge, cells, factor } of parts) {
      if (at < cells.rows.length) {
        const made = factor(cells.rows[at], cells.columns[at]), next = cellNode(graph, edge.target, cells.rows[at], cells.columns[at]);
        return { factor: made, node: next, value: made.value * next.value };
      }
      at -= cells.rows.length;
    }
    return extra[at];
  }
  let total = null;
  const node = { graph, of, parts, leaf,
    get value() { return total ??= leaf ? leaf.value : fsum(values()); },
    get count() { return values().length; },
    get magnitude() {
      if (leaf) return Math.abs(leaf.value);
      return fsum([...extra.map((one) => Math.abs(one.value)), ...parts.map(({ edge, cells }) => { const size = graph.size(edge.target); return Array.from(cells.factors, (factor, t) => Math.abs(factor) * size[cells.rows[t] * edge.target.width + cells.columns[t]]).reduce((all, v) => all + v, 0); })]);
    },
    get symbol() { return partial(graph.letters.loss, of, node.value, true); },
    // The terms of largest absolute value, how many others there are, and their sum; the penalty's are always among them.
    largest(count) {
      if (leaf) return { terms: [], others: 0, rest: 0 };
      const all = values(), own = all.length - extra.length, order = Array.from(all.keys()).sort((one, two) => Math.abs(all[two]) - Math.abs(all[one]) || one - two);
      const chosen = [...order.filter((at) => at < own).slice(0, count), ...Array.from({ length: extra.length }, (_, k) => own + k)], kept = new Set(chosen), rest = all.filter((_, at) => !kept.has(at));
      return { terms: chosen.map(term), others: rest.length, rest: fsum(rest) };
    } };
  return node;
}

function cellNode(graph, variable, i, k) {
  const of = graph.cellOf(variable, i, k);
  if (variable === graph.out) return createNode(graph, of, [], [], graph.leaf(i, k));
  return createNode(graph, of, variable.edges.map((edge) => ({ edge, cells: edge.cells(i, k), factor: (row, column) => edge.factor(i, k, row, column) })));
}

// --- the equations ---------------------------------------------------------------------------------------------------

const written = ({ factor, node }) => (node ? product(factor, node.symbol) : factor);

// One derivative; one with a single term is multiplied through to the next sum or the loss.
function equationOf(node, count) {
  if (node.leaf) return { node, terms: [], partials: null, others: 0, rest: 0 };
  if (node.count !== 1) {
    let found = node.largest(count);
    if (found.others === 1) found = node.largest(count + 1);   // a single term is as short as its sum
    return { node, partials: null, ...found };
  }
  const factors = [], partials = [];
  let at = node;
  while (!at.leaf && at.count === 1) {
    const [one] = at.largest(1).terms;
    if (!one.node) return { node, terms: [one], partials: null, others: 0, rest: 0 };
    factors.push(one.factor);
    partials.push(partial(one.node.of, at.of, one.factor.value, false));
    at = one.node;
  }
  partials.push(at.symbol);
  const whole = at.leaf ? { factor: product(...factors, at.leaf), node: null } : { factor: product(...factors), node: at };
  return { node, terms: [whole], partials: product(...partials), others: 0, rest: 0 };
}

// The heaviest path to the loss first, then by contribution to the whole, until `nodes` are written.
function equations(tree, terms, nodes) {
  const found = new Map(), depths = new Map();
  const waiting = [];
  let number_ = 0;
  function write(node, depth, weight) {
    const equation = equationOf(node, terms);
    found.set(node.of.plain, equation);
    depths.set(node.of.plain, depth);
    for (const term of equation.terms) {
      if (!term.node || found.has(term.node.of.plain)) continue;
      const inner = weight * term.factor.value;
      waiting.push({ order: -Math.abs(inner * term.node.value), number: number_++, depth: depth + 1, weight: inner, node: term.node });
    }
    return equation;
  }
  let node = tree, depth = 0, weight = 1;
  while (node) {
    const heaviest = write(node, depth, weight).terms.find((term) => term.node);
    if (heaviest) [depth, weight] = [depth + 1, weight * heaviest.factor.value];
    node = heaviest ? heaviest.node : null;
  }
  while (waiting.length && found.size < nodes) {
    waiting.sort((one, two) => one.order - two.order || one.number - two.number);
    const next = waiting.shift();
    if (!found.has(next.node.of.plain)) write(next.node, next.depth, next.weight);
  }
  const left = new Set(waiting.map((one) => one.node.of.plain).filter((name) => !found.has(name)));
  const order = [...found.keys()].sort((one, two) => depths.get(one) - depths.get(two));
  return { equations: order.map((name) => found.get(name)), leftOut: left.size };
}

// The right sides in symbols, and the last with numbers, without those that are the same.
function rowsOf(symbols, numbers) {
  const texts = [...symbols.map((one) => textOf(one)), textOf(numbers, true)], trees = [...symbols.map((one) => treeOf(one)), treeOf(numbers, true)];
  return trees.filter((_, i) => !texts.slice(0, i).includes(texts[i]));
}

const rightOf = ({ node, terms }) => (node.leaf ? [node.leaf] : terms.length ? terms.map(written) : [number(0)]);

function asData(equation, isFirst) {
  const { node } = equation, left = { left: treeOf(node.symbol), value: node.value };
  const whole = rightOf(equation);
  if (equation.terms.length + equation.others <= 1) return { ...left, rows: rowsOf([...(isFirst && equation.partials ? [equation.partials] : []), whole[0]], whole[0]), terms: null };
  const terms = whole.map((term) => ({ symbols: treeOf(term), numbers: textOf(term, true) === sixDigits(term.value) ? null : treeOf(term, true), value: term.value }));
  return { ...left, rows: null, terms, others: equation.others, rest: equation.rest };
}

// --- the paths -------------------------------------------------------------------------------------------------------

// The number of paths from each cell of an edge's source, given those of its target.
function countsBack(edge, counts, live, n) {
  const { source, target, kind } = edge, out = new Float64Array(n * source.width);
  for (let i = 0; i < n; ++i)
    for (let k = 0; k < source.width; ++k) {
      const at = i * source.width + k;
      if (kind === 'cellwise') out[at] = live && edge.slopes[at] === 0 ? 0 : counts[at];
      else if (kind === 'batch_norm') {
        if (!edge.isTraining) out[at] = counts[at];
        else for (let m = 0; m < n; ++m) out[at] += counts[m * target.width + k];
      } else for (let j = 0; j < target.width; ++j) if (!live || edge.W[k * target.width + j] !== 0) out[at] += counts[i * target.width + j];
    }
  return out;
}

function countPaths(node, live) {
  const { graph } = node, { n, variables, out } = graph, counts = new Map();
  for (let at = variables.length - 1; at >= 0; --at) {
    const v = variables[at];
    if (v === out) counts.set(v, Float64Array.from(graph.delta(v), (d) => (live && d === 0 ? 0 : 1)));
    else counts.set(v, v.edges.map((edge) => countsBack(edge, counts.get(edge.target), live, n)).reduce((one, two) => one.map((value, k) => value + two[k])));
  }
  return node.parts.reduce((all, { edge, cells }) => all + cells.rows.reduce((part, row, t) => part + (live && cells.factors[t] === 0 ? 0 : counts.get(edge.target)[row * edge.target.width + cells.columns[t]]), 0), 0);
}

// --- the difference --------------------------------------------------------------------------------------------------

const KINKS = ['relu', 'leaky_relu'];

// The loss as a function of one number: {parts, penalty, sides}, and the number.
function proberOf(graph, name, index) {
  const { model, n } = graph, isInput = name === 'input', arrays = Object.fromEntries(Object.entries(model.arrays).map(([key, values]) => [key, Float64Array.from(values)]));
  const x = Float64Array.from(graph.input.value), moved = isInput ? x : arrays[name], y = Float64Array.from(graph.targets.flatMap((target) => [...target])), isWeight = name.endsWith('.W'), at = moved[index];
  function probe(value) {
    moved[index] = value;
    const made = createGraph(model, x, y, n, { isTraining: graph.isTraining, arrays });
    moved[index] = at;
    const sides = made.variables.filter(({ link }) => link && KINKS.includes(link.kind)).flatMap((variable) => Array.from(made.owners.get(variable.link.name).source.value, (z) => z > 0));
    if (isWeight && graph.l1) sides.push(value > 0);
    return { parts: made.losses.map((loss) => loss / n), penalty: isWeight ? graph.penaltyOf(value) : 0, sides };
  }
  return { probe, at };
}

const minus = (one, two) => fsum([...one.parts.map((part, i) => part - two.parts[i]), one.penalty, -two.penalty]);
const isSame = (here, other) => other.parts.every(Number.isFinite) && here.sides.every((side, k) => side === other.sides[k]);

// Richardson extrapolation from h, h/2, h/4, … with Ridders' choice among the results.
function centralDifference(probe, at) {
  const here = probe(at), start = FIRST_STEP * Math.max(1, Math.abs(at));
  let best = { value: 0, error: Infinity, step: 0, kink: null }, rows = [], first = start, crossed = 0;
  for (let k = 0; k < MAX_HALVINGS; ++k) {
    const h = start / 2 ** k, high = at + h, low = at - h;
    if (high === at || low === at) break;
    const up = probe(high), down = probe(low);
    if (!isSame(here, up) || !isSame(here, down)) {
      [rows, crossed, first] = [[], k + 1, h / 2];
      best = { value: 0, error: Infinity, step: 0, kink: null };
      continue;
    }
    const rounding = (EPS * ([...up.parts, ...down.parts].reduce((all, part) => all + Math.abs(part), 0) + Math.abs(up.penalty))) / (high - low), line = [minus(up, down) / (high - low)];
    (rows[rows.length - 1] ?? []).forEach((left, j) => {
      line.push(line[j] + (line[j] - left) / (4 ** (j + 1) - 1));
      const last = line[line.length - 1], error = Math.max(Math.abs(last - line[j]), Math.abs(last - left), rounding);
      if (error <= best.error) best = { value: last, error, step: first, kink: null };
    });
    if (!rows.length && best.error === Infinity) best = { value: line[0], error: Infinity, step: h, kink: null };
    rows.push(line);
    if (rows.length >= TABLE_ROWS) break;
  }
  if (!rows.length) {
    const h = start / 2 ** 20;
    return { value: minus(probe(at + h), probe(at - h)) / (2 * h), error: Infinity, step: h, kink: 0 };
  }
  return crossed ? { ...best, kink: start / 2 ** (crossed - 1) } : best;
}

// --- all of it -------------------------------------------------------------------------------------------------------

function rootOf(graph, name, index) {
  if (name === 'input') {
    const place = index.length === 1 ? [0, index[0]] : index;
    return { node: cellNode(graph, graph.input, place[0], place[1]), flat: place[0] * graph.input.width + place[1], called: `input[${graph.letters.index(place[0], place[1])}]` };
  }
  const [of, field] = name.split('.'), edge = graph.owners.get(of), values = graph.model.arrays[name];
  if (!edge || !values || !edge.parameterCells) throw new Error(`there is no parameter '${name}'.`);
  const shape = values.shape, flat = index.reduce((place, i, k) => place * shape[k] + i, 0);
  if (index.length !== shape.length || index.some((i, k) => i >= shape[k])) throw new Error(`${name} has shape (${shape.join(', ')}); ${name}[${index.join(',')}] does not exist.`);
  const letter = graph.letters.parameter(edge.link, field, index, values[flat]), extra = [];
  if (field === 'W' && graph.l2) {
    const factor = product(symbol({ plain: 'l2', letter: 'lambda', below: '2', value: graph.l2 }), letter);
    extra.push({ factor, node: null, value: factor.value });
  }
  if (field === 'W' && graph.l1) {
    const factor = product(symbol({ plain: 'l1', letter: 'lambda', below: '1', value: graph.l1 }), call('sign', letter, Math.sign(values[flat])));
    extra.push({ factor, node: null, value: factor.value });
  }
  const part = { edge, cells: edge.parameterCells(field, index), factor: (row) => edge.parameterFactor(field, index, row) };
  return { node: createNode(graph, letter, [part], extra), flat, called: `${name}[${index.join(',')}]` };
}

// dL by a number of a graph, as the server's backprop.weight has it.
export function derived(graph, name, index, { terms = 4, nodes = 12 } = {}) {
  const { node, flat, called } = rootOf(graph, name, index), { probe, at } = proberOf(graph, name, flat), difference = centralDifference(probe, at);
  const { equations: all, leftOut } = equations(node, terms, nodes), most = Math.max(Math.abs(node.value), Math.abs(difference.value));
  return { name: called, at, value: node.value, difference, relative: most ? Math.abs(node.value - difference.value) / most : 0, magnitude: node.magnitude,
    paths: { every: countPaths(node, false), live: countPaths(node, true) }, symbol: treeOf(node.of), partial: treeOf(node.symbol), equations: all.map((one, i) => asData(one, i === 0)), left_out: leftOut };
}

// --- a chain of single neurons: studio/screens/backprop/derived.py ---------------------------------------------------

// (inner)^2, or half of it.
function squared(inner, half) {
  const sign = (text) => ['mo', { stretchy: 'false' }, text], square = ['msup', {}, ['mrow', {}, sign('('), ...inner.slice(2), sign(')')], ['mn', {}, '2']];
  return ['math', {}, ...(half ? [['mfrac', {}, ['mn', {}, '1'], ['mn', {}, '2']]] : []), square];
}

// Every line of a chain of single neurons: forward, the loss, and of each weight the derivative and the update at a rate.
export function chainLines(graph, rate) {
  const { model, out, owners, letters } = graph, dense = graph.variables.slice(1).filter(({ link }) => link.kind === 'dense');
  const forward = graph.variables.slice(1).map((variable) => {
    const { link } = variable, a = graph.cellOf(owners.get(link.name).source, 0, 0), value = variable.value[0], bias = link.kind === 'dense' ? model.arrays[`${link.name}.b`][0] : 0;
    const weighted = link.kind === 'dense' ? product(letters.parameter(link, 'W', [0, 0], model.arrays[`${link.name}.W`][0]), a) : call(link.kind, a, value);
    const right = bias ? sum(weighted, letters.parameter(link, 'b', [0], bias)) : weighted;
    return { link: link.name, left: treeOf(graph.cellOf(variable, 0, 0)), rows: rowsOf([right], right), value };
  });
  const error = sum(graph.cellOf(out, 0, 0), [-1, letters.target(0, 0, 1, graph.targets[0][0], false)]), isSquare = model.loss.kind === 'mean_squared_error';
  const loss = { left: treeOf(letters.loss), rows: isSquare ? [false, true].map((withNumbers) => squared(treeOf(error, withNumbers), model.loss.half)) : [], value: graph.loss };
  const weights = dense.reverse().map(({ link }) => {
    const { node, called } = rootOf(graph, `${link.name}.W`, [0, 0]), { probe, at } = proberOf(graph, `${link.name}.W`, 0), equation = equationOf(node, 1), difference = centralDifference(probe, at).value;
    const r = symbol({ plain: letters.chain ? 'r' : 'lr', letter: letters.chain ? 'r' : 'η', value: rate }), most = Math.max(Math.abs(node.value), Math.abs(difference));
    const short = sum(node.of, [-1, product(r, node.symbol)]), long = sum(node.of, [-1, product(r, ...rightOf(equation))]);
    return { name: called, at, ...asData(equation, true), symbol: treeOf(node.of), difference, relative: most ? Math.abs(node.value - difference) / most : 0, update: { rows: rowsOf([short, long], short), value: at - rate * node.value } };
  });
  return { forward, loss, weights, letters: letters.chain ? 'lesson' : 'layers' };
}
