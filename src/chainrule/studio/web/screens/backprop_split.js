// Error x slope: what comes back to each neuron, what its activation function lets through, and what is left.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { largest } from '../colors.js';
import { linkName } from './backprop_names.js';
import { figure, isActivation, LOCKED, lockedOf, rowOf } from './backprop_steps.js';

const FEW = 16;

function bar(value, most, kind) {
  const share = Math.min(1, Math.abs(value) / (most || 1));
  return h('span.gauge', h(`i.${kind || (value < 0 ? 'minus' : 'plus')}`, { style: { width: `${100 * share}%` } }));
}

// Returns {element, show(walk, step, row)}: of the activation at hand, else of the last one.
/** @param {import('../store.js').Store} store */
export function splitPanel(store, on) {
  const body = h('div'), element = h('section.panel.split', { dataset: { test: 'split' } }, h('h2', t(store, 'backprop.split')), h('p.hint', t(store, 'backprop.split_says')), body);
  let chosen = null;

  function show(walk, step, row) {
    const links = walk.links.filter((link) => link.slope && isActivation(link));
    if (!links.length) {
      fill(body, h('p.remarks', t(store, 'backprop.split_none')));
      return;
    }
    if (step.link && links.includes(step.link)) chosen = step.link.name;
    const link = links.find(({ name }) => name === chosen) || links[links.length - 1];
    const errors = rowOf(link.error, row), slopes = rowOf(link.slope, row), products = errors.map((error, k) => error * slopes[k]);
    const order = Array.from(errors.keys()).sort((one, two) => Math.abs(errors[two]) - Math.abs(errors[one])).slice(0, FEW).sort((one, two) => one - two);
    const most = largest(errors), steepest = largest(slopes);
    const locked = lockedOf(link, row);
    const heads = [t(store, 'backprop.split_error'), t(store, 'backprop.split_slope'), t(store, 'backprop.split_product')];
    fill(body,
      h('div.row.split-head', h('div.chips', { role: 'group' }, links.map(({ name }) => h('button.chip', { type: 'button', 'aria-pressed': String(name === link.name), onclick: () => { chosen = name; show(walk, { way: 'none' }, row); } }, linkName(store, walk, name)))),
        h('span.locked-count', { dataset: { test: 'locked', value: locked } }, h('span.lock', { 'aria-hidden': 'true' }), t(store, 'backprop.split_locked', { locked, width: errors.length })),
        errors.length > FEW ? h('span.hint', t(store, 'backprop.split_few', { n: FEW })) : null),
      h('div.split-rows', { role: 'table' }, h('div.split-row.names', { role: 'row' }, h('span', { role: 'columnheader' }, t(store, 'backprop.split_neuron')), h('span', { role: 'columnheader' }, heads[0]), h('span', { 'aria-hidden': 'true' }), h('span', { role: 'columnheader' }, heads[1]), h('span', { 'aria-hidden': 'true' }), h('span', { role: 'columnheader' }, heads[2])),
        order.map((k) => {
          const isLocked = Math.abs(slopes[k]) < LOCKED, mark = { role: 'slope', link: link.name, index: String(k) };
          return h(`div.split-row${isLocked ? '.is-locked' : ''}`, { role: 'row', dataset: { test: 'split-row', index: k }, onpointerenter: () => on.hover(mark), onpointerleave: () => on.hover(null) },
            h('span', { role: 'rowheader' }, h('button.link', { type: 'button', onclick: () => store.set({ neuron: { link: link.name, index: k } }) }, String(k))),
            h('span.cell', { role: 'cell', dataset: { value: errors[k] } }, bar(errors[k], most), figure(errors[k])),
            h('span.op', { 'aria-hidden': 'true' }, '×'),
            h('span.cell', { role: 'cell', dataset: { value: slopes[k] } }, bar(slopes[k], Math.max(1, steepest), 'neutral'), figure(slopes[k]), isLocked ? h('span.lock', { role: 'img', 'aria-label': t(store, 'backprop.locked', { slope: figure(slopes[k]) }), title: t(store, 'backprop.locked', { slope: figure(slopes[k]) }) }) : null),
            h('span.op', { 'aria-hidden': 'true' }, '='),
            h('span.cell', { role: 'cell', dataset: { value: products[k] } }, bar(products[k], most), figure(products[k])));
        })));
  }

  return { element, show };
}
