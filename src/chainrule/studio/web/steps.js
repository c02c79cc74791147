// The formula of a neuron with its numbers in it, as trees for formula.js: z = sum of w a + b, then each function behind it.
import { number } from './format.js';
import { activations } from './activations.js';

const mi = (text) => ['mi', {}, text];
const mo = (text) => ['mo', {}, text];
const infix = (text) => ['mo', { form: 'infix' }, text];   // also where it begins a piece
const mn = (value) => ['mn', {}, number(value, 4)];
const row = (...parts) => ['mrow', {}, ...parts];
const sub = (base, index) => ['msub', {}, base, typeof index === 'string' ? mi(index) : index];
const call = (name, inside) => row(mi(name), mo('('), inside, mo(')'));
const frac = (over, under) => ['mfrac', {}, over, under];
const times = (w, a) => row(mn(w), mo('·'), a < 0 ? row(mo('('), mn(a), mo(')')) : mn(a));
const power = (value) => ['msup', {}, mi('e'), mn(value)];
const plus = (value) => row(mo(value < 0 ? '−' : '+'), mn(Math.abs(value)));

// Summands with their signs between them.
function summed(parts) {
  return parts.flatMap(([sign, tree], k) => (k === 0 ? (sign < 0 ? [mo('−'), tree] : [tree]) : [mo(sign < 0 ? '−' : '+'), tree]));
}

// A sum in pieces, each a summand with its sign before it.
function pieces(parts) {
  if (!parts.length) return [mn(0)];
  return parts.map(([sign, tree], k) => row(...(k === 0 ? (sign < 0 ? [mo('−')] : []) : [infix(sign < 0 ? '−' : '+')]), tree));
}

// z = Σ w a + b: the largest terms, what the others add up to, and the bias. more: the text that stands for n other terms.
// The line with the numbers is in pieces, between which it may break.
export function sumFormula({ terms, others, count, bias, z, more }) {
  const shown = terms.map(({ weight, a }) => [weight < 0 ? -1 : 1, times(Math.abs(weight), a)]);
  if (count) shown.push([others < 0 ? -1 : 1, ['munder', {}, mn(Math.abs(others)), ['mtext', {}, more]]]);
  if (bias !== null) shown.push([bias < 0 ? -1 : 1, ['munder', {}, mn(Math.abs(bias)), mi('b')]]);
  const general = row(mi('z'), mo('='), ['munder', {}, mo('∑'), mi('i')], sub(mi('w'), 'i'), sub(mi('a'), 'i'), ...(bias === null ? [] : [mo('+'), mi('b')]));
  return [['math', { displaystyle: 'true' }, general], [row(mi('z'), infix('=')), ...pieces(shown), row(infix('='), mn(z))].map((tree) => ['math', { displaystyle: 'true' }, tree])];
}

const piece = {
  relu: (x) => row(mi('max'), mo('('), mn(0), mo(','), mn(x), mo(')')),
  leaky_relu: (x, { slope }) => (x > 0 ? mn(x) : times(slope, x)),
  elu: (x, { alpha }) => (x > 0 ? mn(x) : row(mn(alpha), mo('·'), mo('('), power(x), mo('−'), mn(1), mo(')'))),
  selu: (x) => (x > 0 ? times(1.0507, x) : row(mn(1.0507), mo('·'), mn(1.6733), mo('·'), mo('('), power(x), mo('−'), mn(1), mo(')'))),
  gelu: (x) => row(mn(x), mo('·'), call('Φ', mn(x))),
  gelu_tanh: (x) => call('gelu', mn(x)),
  silu: (x) => frac(mn(x), row(mn(1), mo('+'), power(-x))),
  mish: (x) => row(mn(x), mo('·'), call('tanh', call('ln', row(mn(1), mo('+'), power(x))))),
  softplus: (x) => call('ln', row(mn(1), mo('+'), power(x))),
  sigmoid: (x) => frac(mn(1), row(mn(1), mo('+'), power(-x))),
  tanh: (x) => call('tanh', mn(x)),
  identity: (x) => mn(x),
};

// One function behind a sum: from x to out, with the numbers that the link has for this neuron. null where nothing changes.
export function stepFormula(link, arrays, j, x, out, name) {
  const of = (field) => arrays[`${link.name}.${field}`][j], left = mi(name);
  const is = (tree) => ['math', { displaystyle: 'true' }, row(left, mo('='), tree, mo('='), mn(out))];
  switch (link.kind) {
    case 'dropout': return null;
    case 'rescale': return is(row(times(link.scale, x), ...(link.offset ? [plus(link.offset)] : [])));
    case 'standardize': return is(frac(row(mn(x), mo('−'), mn(of('mean'))), mn(of('std'))));
    case 'scale': return is(times(of('s'), x));
    case 'shift': return is(row(mn(x), plus(of('b'))));
    case 'prelu': return is(x > 0 ? mn(x) : times(of('slope'), x));
    case 'parametric_activation': return is(row(mn(x), mo(of('alpha') < 0 ? '−' : '+'), mn(Math.abs(of('alpha'))), mo('·'), mo('('), piece[link.function.kind](x, link.function), plus(-x), mo(')')));
    case 'batch_norm': return is(row(mn(of('gamma')), mo('·'),
      frac(row(mn(x), mo('−'), mn(of('mean'))), ['msqrt', {}, row(mn(of('var')), mo('+'), mn(link.eps))]), plus(of('beta'))));
    case 'softmax': return is(frac(power(x), row(['munder', {}, mo('∑'), mi('k')], ['msup', {}, mi('e'), sub(mi('z'), 'k')])));
    default: return link.kind in activations ? is(piece[link.kind](x, link)) : null;
  }
}

// What a classifier's loss makes of the last numbers: a probability.
export function probabilityFormula(kind, z, p) {
  const tree = kind === 'softmax' ? frac(power(z), row(['munder', {}, mo('∑'), mi('k')], ['msup', {}, mi('e'), sub(mi('z'), 'k')])) : frac(mn(1), row(mn(1), mo('+'), power(-z)));
  return ['math', { displaystyle: 'true' }, row(mi('p'), mo('='), tree, mo('='), mn(p))];
}

// A block's neuron: the branch and the shortcut, added or side by side.
export function joinFormula(parts, z) {
  return ['math', { displaystyle: 'true' }, row(mi('z'), mo('='), ...summed(parts.map((value) => [value < 0 ? -1 : 1, mn(Math.abs(value))])), mo('='), mn(z))];
}
