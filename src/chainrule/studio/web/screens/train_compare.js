// A second run with one other setting, beside the first one; and a table of all runs.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { number, percent } from '../format.js';
import { button, field, select } from '../ui.js';
import { labelOf, monitorOf } from './train_charts.js';
import { formOf, layersOf, mapLayers, nameOf } from './train_form.js';
import { isActivation } from './train_hints.js';

const KNOBS = ['optimizer', 'lr', 'activation', 'batch_size', 'schedule', 'seed', 'epochs'];
const NUMBERS = ['lr', 'batch_size', 'seed', 'epochs'];
const FIRST = { optimizer: 'sgd', activation: 'sigmoid', schedule: 'one_cycle', lr: 0.01, batch_size: 32, seed: 1, epochs: 10 };

// The changed setting of a second run; activation stands for all of the hidden layers'.
function versus(store, knob, value) {
  if (knob !== 'activation') return { [knob]: value };
  return { layers: mapLayers(layersOf(store), (layer) => [isActivation(layer) ? { kind: value } : layer]) };
}

function choice(store, begin) {
  const { optimizers, activations, schedules } = store.get('train.options');
  const knob = KNOBS.includes(store.get('train.knob')) ? store.get('train.knob') : 'optimizer';
  const lists = { optimizer: Object.keys(optimizers), activation: activations, schedule: schedules };
  const set = store.get('train.other');
  const value = set !== null && set !== undefined && (NUMBERS.includes(knob) ? typeof set === 'number' : lists[knob].includes(set)) ? set : FIRST[knob];
  const control = NUMBERS.includes(knob)
    ? h('input', { type: 'number', step: 'any', min: 0, value, dataset: { test: 'other' }, onchange: (event) => { if (event.target.value !== '') store.set({ 'train.other': Number(event.target.value) }); } })
    : select(lists[knob].map((kind) => [kind, nameOf(store, kind)]), value, (found) => store.set({ 'train.other': found }), { 'data-test': 'other' });
  return [h('p', t(store, 'train.compare_says')), h('div.row.knobs',
    field(t(store, 'train.knob'), select(KNOBS.map((name) => [name, name === 'activation' ? t(store, 'train.activation') : t(store, `train.field.${name}`)]), knob,
      (name) => store.set({ 'train.knob': name, 'train.other': null }), { 'data-test': 'knob' })),
    field(t(store, 'train.other'), control),
    button(t(store, 'train.run_both'), () => begin({ form: formOf(store), versus: versus(store, knob, NUMBERS.includes(knob) ? Number(control.value) : control.value) }), { 'data-test': 'both' }))];
}

function table(store, run) {
  const all = [run, ...run.others], forms = all.map((one) => one.form || {});
  const heads = [['train.run', ''], ['train.tile.loss', 'number'], ['train.tile.val_loss', 'number']];
  const monitor = monitorOf(run), is = (value) => (value === undefined ? '–' : monitor.endsWith('accuracy') ? percent(value, 2) : number(value, 4));
  return h('table', h('thead', h('tr', heads.map(([key, kind]) => h('th', { class: kind || null }, t(store, key))), h('th.number', t(store, `train.tile.${monitor}`)))),
    h('tbody', all.map((one, i) => {
      const last = one.records[one.records.length - 1] || {};
      return h('tr', h('td', labelOf(store, forms[i], forms)), h('td.number', number(last.loss, 4)), h('td.number', number(last.val_loss, 4)), h('td.number', is(last[monitor])));
    })));
}

// Fills `root`. begin(arguments) starts two runs; null where none can be started.
/** @param {import('../store.js').Store} store */
export function showCompare(store, root, run, begin) {
  fill(root, begin ? choice(store, begin) : null, run.others.length ? table(store, run) : null);
}
