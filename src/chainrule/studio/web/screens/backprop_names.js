// What the numbers of a walk are called: in a chain of single neurons by the lesson's letters, a₃ and w₃, else by their links.
import { h } from '../dom.js';
import { t } from '../i18n.js';

const LOW = '₀₁₂₃₄₅₆₇₈₉';
const ROLES = { cell: 'backprop.role_out', call: 'backprop.role_out', delta: 'backprop.role_error', slope: 'backprop.role_slope', factor: 'backprop.role_factor', statistic: 'backprop.role_statistic' };

const lowered = (letter) => letter.replace(/\d/g, (digit) => LOW[digit]);

// The output of a link, "input" and "loss" among them: a₃, or dense_1.
/** @param {import('../store.js').Store} store */
export function linkName(store, walk, name) {
  const { letters } = walk;
  if (name === 'loss') return letters ? letters.loss : t(store, 'backprop.loss');
  if (letters && letters.cells[name]) return lowered(letters.cells[name]);
  return name === 'input' ? t(store, 'backprop.input') : name;
}

export const placeName = (name, indices) => (indices.length ? `${name}[${indices.join(',')}]` : name);

// A parameter: w₃, or dense_1.W; and with indices one of its numbers: w₃, or dense_1.W[3,7].
export function numberName(walk, name, indices = []) {
  const [link, field] = name.split('.'), { letters } = walk;
  if (letters && letters.numbers[link] !== undefined) return lowered(`${field.toLowerCase()}${letters.numbers[link]}`);
  return placeName(name, indices);
}

// The same with the name in Python behind a letter, for lists to choose from.
export function longName(short, name) {
  return short === name ? name : `${short} (${name})`;
}

// What a mark is about, in words: mark as in the formulas, with its value where that is known.
/** @param {import('../store.js').Store} store */
export function markWords(store, walk, mark, figure) {
  const value = mark.value === undefined ? '' : figure(Number(mark.value), 5), indices = mark.index === '' ? [] : mark.index.split(',');
  if (mark.role === 'weight') return t(store, 'backprop.mark', { name: numberName(walk, `${mark.link}.${mark.field || 'W'}`, indices), value });
  if (mark.role === 'target') return t(store, 'backprop.mark', { name: t(store, 'backprop.target'), value });
  const link = linkName(store, walk, mark.link), role = t(store, ROLES[mark.role] || ROLES.statistic);
  return walk.letters ? t(store, 'backprop.mark_letter', { link, role, value }) : t(store, 'backprop.mark_neuron', { link, k: indices[indices.length - 1] ?? 0, role, value });
}

// On a screen that is touched first of all, numbers are tapped; else pointed at.
const isTouched = () => typeof matchMedia === 'function' && matchMedia('(hover: none)').matches;

export const pointHint = (store) => h('p.hint', { dataset: { test: 'point-hint' } }, t(store, isTouched() ? 'backprop.tap' : 'backprop.expansion'));
