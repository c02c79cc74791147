// The symbols of a derivation: inspection/derivation/letters.py in JavaScript, with the place of each number that a symbol stands for.
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

// trace: {links, n, loss}.
export function lettersOf(trace) {
  const isSingle = trace.n === 1, levels = new Map(), followers = activationsAfter(trace.links);
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
  const output = (link, where, value) => (link === null
    ? symbol({ plain: `x${where ? `[${where}]` : ''}`, letter: 'x', below: where, value, place: where ? cellPlace(null, where) : null })
    : of(link, isActivation(link) ? 'a' : 'z', where, value, cellPlace(link, where)));
  const letters = {
    isSingle,
    loss: symbol({ plain: 'L', letter: 'L', value: trace.loss }),
    // The output of a link, neuron k for sample i; x for null.
    cell: (link, i, k, value) => output(link, at(i, k), value),
    // All outputs of a link for sample i.
    row: (link, i) => output(link, at(i), 0),
    parameter: (link, field, index, value) => of(link, field, index.join(','), value, { role: 'weight', link: link.name, field, index: index.join(',') }),
    statistic: (link, field, where, value, letter) => of(link, field, where, value, { role: ['std', 'x_hat'].includes(field) ? 'statistic' : 'weight', link: link.name, field, index: where }, letter),
    index: at,
    target(i, k, outputs, value, isSmoothed) {
      const where = isSingle && outputs === 1 ? '' : outputs > 1 ? at(i, k) : at(i);
      return symbol({ plain: `y${isSmoothed ? '′' : ''}${where ? `[${where}]` : ''}`, letter: isSmoothed ? 'y\'' : 'y', below: where, value, place: { role: 'target', link: 'target', index: where } });
    },
  };
  return letters;
}
