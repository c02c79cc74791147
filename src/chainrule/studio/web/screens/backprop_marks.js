// What is marked in the picture of a walk: the places that a number stands for, and what is said of them.
import { t } from '../i18n.js';
import { linkName, markWords, numberName } from './backprop_names.js';
import { errorOf, figure, outOf } from './backprop_steps.js';

const LANES = { delta: [1], cell: [0], call: [0], slope: [0, 1], factor: [0], weight: [0, 1], statistic: [0] };

// Places of a mark, as in the formulas: neurons [{name, index, lanes}], or a connection {source, target, from, to}.
export function placesOf(mark, walk) {
  const parts = mark.index === '' ? [] : mark.index.split(',').map(Number), link = walk.links.find(({ name }) => name === mark.link);
  if (mark.role === 'weight' && parts.length === 2 && link) return { neurons: [], edge: { source: link.sources[0], target: link.name, from: parts[0], to: parts[1] } };
  if (mark.role === 'target') return { neurons: [{ name: 'loss', index: 0, lanes: [0, 1] }], edge: null };
  return { neurons: [{ name: mark.link, index: parts.length ? parts[parts.length - 1] : 0, lanes: LANES[mark.role] || [0] }], edge: null };
}

// The mark of the weight that is chosen; null where there is none.
/** @param {import('../store.js').Store} store */
export function weightMark(store) {
  const weight = store.get('weight');
  if (!weight || !weight.name.includes('.')) return null;
  const [link, field] = weight.name.split('.');
  return { role: 'weight', link, field, index: weight.j === null || weight.j === undefined ? String(weight.i ?? '') : `${weight.i},${weight.j}` };
}

// The number of a parameter that a mark is about; undefined for one that this network lacks.
function numberOf(store, { link, field = 'W', index }) {
  const network = store.get('network'), array = network && network.arrays[`${link}.${field}`], [i = 0, j] = index === '' ? [] : index.split(',').map(Number);
  return array ? array[j === undefined ? i : i * array.shape[1] + j] : undefined;
}

// What the pointer shows of a place: numbers that the walk has not come to yet are not given away.
/** @param {import('../store.js').Store} store */
export function tipText(store, { walk, row, known, at }, mark) {
  if (mark.role === 'weight') return t(store, 'backprop.tip_weight', { name: numberName(walk, `${mark.link}.W`, mark.index.split(',')), value: figure(numberOf(store, mark), 5) });
  const k = Number(mark.index), has = (table) => table[mark.link] <= at, link = linkName(store, walk, mark.link);
  const values = { link, k, out: has(known.outs) ? figure(outOf(walk, mark.link, row)[k], 4) : '?', error: has(known.errors) ? figure(errorOf(walk, mark.link, row)[k], 4) : '?' };
  return t(store, walk.letters ? 'backprop.tip_letter' : 'backprop.tip', values);
}

// What is lit, or else the weight that is chosen, in one line.
/** @param {import('../store.js').Store} store */
export function caption(store, state, lit) {
  const mark = lit || weightMark(store);
  if (!mark || !(mark.link === 'input' || mark.link === 'target' || state.walk.links.some(({ name }) => name === mark.link))) return '';
  if (mark.role !== 'weight' && mark.value === undefined) return tipText(store, state, mark);
  const value = mark.value ?? numberOf(store, mark);
  return value === undefined ? '' : markWords(store, state.walk, { ...mark, value }, figure);
}
