// The symbols of a derivation: inspection/derivation/letters.py in JavaScript, with the place of each number that a symbol stands for.
import { activations } from '../activations.js';
import { flat } from '../network.js';
import { symbol } from './markup.js';

const isActivation = (link) => !['dense', 'projection', 'rescale', 'standardize', 'batch_norm', 'dropout', 'scale', 'residual'].includes(link.kind);

// The activation after each link of a chain, with only batch norm and dropout in between.
export function activationsAfter(links, found = new Map()) {
  links.forEach((link, at) => {
    link.branches.forEach((chain) => activationsAfter(chain, found));
    let next = at + 1;
    while (next < links.length && ['batch_norm', 'dropout'].includes(links[next].kind)) ++next;
    if (!isActivation(link) && next < links.length && isActivation(links[next])) found.set(link.name, links[next].name);
  });
  return found;
}

// The letters of one sample in a chain of single neurons, each with one activation behind it at most, counted from the output: {cells: z or a by link,
// numbers: the number by link, length}. null for another network.
function chainOf({ links, n, inputs, isPenalized }) {
  const kinds = links.map(({ kind }) => (kind === 'dense' ? 'w' : Object.hasOwn(activations, kind) ? 'f' : '?')).join('');
  if (n > 1 || inputs !== 1 || isPenalized || !/^(wf?)*$/.test(kinds) || links.some(({ fan_out }) => fan_out !== 1)) return null;
  const length = kinds.replaceAll('f', '').length, cells = new Map(), numbers = new Map();
  let depth = length;
  links.forEach(({ name, kind }, k) => {
    if (kind === 'dense') depth -= 1;
    numbers.set(name, depth);
    cells.set(name, kinds.slice(k, k + 2) === 'wf' ? 'z' : 'a');
  });
  return { cells, numbers, length };
}

// trace: {links, n, loss, inputs, isPenalized}.
export function lettersOf(trace) {
  const isSingle = trace.n === 1, chain = chainOf(trace), levels = new Map(), followers = activationsAfter(trace.links);
  for (const { name, kind } of flat(trace.links)) {
    if (kind !== 'dense') continue;
    levels.set(name, `[${name.slice('dense_'.length)}]`);
    if (followers.has(name)) levels.set(followers.get(name), levels.get(name));
  }
  const at = (...numbers) => (isSingle ? numbers.slice(1) : numbers).join(',');
  const of = (link, name, where, value, place, letter) => symbol({ plain: `${link.name}.${name}${where ? `[${where}]` : ''}`, letter: letter ?? name, above: levels.get(link.name) ?? link.name, below: where, value, place });
  const cellPlace = (link, where) => {
    const parts = where.split(','), index = parts.pop();
    return { role: 'cell', link: link ? link.name : 'input', index, ...(parts.length ? { row: parts[0] } : {}) };
  };
  const inChain = (letter, number, value, place) => symbol({ plain: `${letter}${number}`, letter, below: String(number), value, place });
  const output = (link, where, value) => (link === null
    ? symbol({ plain: `x${where ? `[${where}]` : ''}`, letter: 'x', below: where, value, place: where ? cellPlace(null, where) : null })
    : of(link, isActivation(link) ? 'a' : 'z', where, value, cellPlace(link, where)));
  const letters = {
    isSingle,
    chain,
    loss: symbol({ plain: chain ? 'C' : 'L', letter: chain ? 'C' : 'L', value: trace.loss }),
    // The output of a link, neuron k for sample i; x for null.
    cell: (link, i, k, value) => (chain ? inChain(link ? chain.cells.get(link.name) : 'a', link ? chain.numbers.get(link.name) : chain.length, value, cellPlace(link, '0')) : output(link, at(i, k), value)),
    // All outputs of a link for sample i.
    row: (link, i) => output(link, at(i), 0),
    parameter(link, field, index, value) {
      const where = index.join(','), place = { role: 'weight', link: link.name, field, index: where };
      return chain ? inChain(field.toLowerCase(), chain.numbers.get(link.name), value, place) : of(link, field, where, value, place);
    },
    statistic: (link, field, where, value, letter) => of(link, field, where, value, { role: ['std', 'x_hat'].includes(field) ? 'statistic' : 'weight', link: link.name, field, index: where }, letter),
    index: at,
    target(i, k, outputs, value, isSmoothed) {
      const where = isSingle && outputs === 1 ? '' : outputs > 1 ? at(i, k) : at(i);
      return symbol({ plain: `y${isSmoothed ? '′' : ''}${where ? `[${where}]` : ''}`, letter: isSmoothed ? 'y\'' : 'y', below: where, value, place: { role: 'target', link: 'target', index: where } });
    },
  };
  return letters;
}
