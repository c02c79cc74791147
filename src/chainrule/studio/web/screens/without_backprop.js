// One network, trained with and without backpropagation side by side: what each method's loss costs in steps, walks and seconds.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { number, percent, count } from '../format.js';
import { select, slider, tabs, panel } from '../ui.js';
import { labPage, armColor } from '../lab_page.js';

const defaults = { 'without_backprop.arms': ['backpropagation', 'central_differences', 'forward_gradient', 'spsa', 'openai_es', 'cma_es', 'feedback_alignment'], 'without_backprop.depth': 1, 'without_backprop.activation': 'tanh',
  'without_backprop.passes': 4000, 'without_backprop.seed': 0, 'without_backprop.axis': 'passes' };
export const url = Object.keys(defaults);

const METHODS = [['backpropagation', 'without_backprop.backpropagation'], ['central_differences', 'without_backprop.central_differences'], ['forward_differences', 'without_backprop.forward_differences'],
  ['forward_gradient', 'without_backprop.forward_gradient'], ['spsa', 'without_backprop.spsa'], ['openai_es', 'without_backprop.openai_es'], ['cma_es', 'without_backprop.cma_es'], ['random_search', 'without_backprop.random_search'],
  ['feedback_alignment', 'without_backprop.feedback_alignment'], ['random_features', 'without_backprop.random_features'], ['none', 'without_backprop.none']];

/** @type {[string, string, (value: number) => string][]} */
const COLUMNS = [['step', 'without_backprop.steps', count], ['passes', 'without_backprop.passes', (passes) => count(Math.round(passes))], ['seconds', 'without_backprop.seconds', (seconds) => number(seconds, 3)],
  ['loss', 'word.loss', (loss) => number(loss, 3)], ['accuracy', 'without_backprop.right', (share) => percent(share)]];

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function without_backprop(root, store) {
  for (const [key, value] of Object.entries(defaults)) if (store.get(key) === undefined) store.set({ [key]: value });
  const get = (key) => store.get(`without_backprop.${key}`), put = (key) => (value) => store.set({ [`without_backprop.${key}`]: value });
  const label = (key) => t(store, key), name = (key) => label(METHODS.find(([one]) => one === key)[1]);
  const rows = h('tbody', { role: 'rowgroup' });
  const wait = h('p.soft', t(store, 'without_backprop.wait'));
  // Rows that a narrow table stacks: the roles stay those of a table, and each number has its column's name beside it.
  const head = h('tr', { role: 'row' }, h('th', { scope: 'col', role: 'columnheader' }, label('without_backprop.method')), COLUMNS.map(([, key]) => h('th.number', { scope: 'col', role: 'columnheader' }, label(key))));
  const table = h('div.lab-table', h('table', { role: 'table', dataset: { test: 'methods' } }, h('thead', { role: 'rowgroup' }, head), rows), wait);

  function show(run) {
    const last = (values) => values[values.length - 1];
    wait.hidden = true;
    const cell = (arm, [key, heading, write]) => {
      const value = key === 'accuracy' ? arm.facts?.accuracy : last(arm[key]);
      return h('td.number', { role: 'cell', dataset: { column: key, label: label(heading), value: String(value ?? '') } }, value == null ? '–' : write(value));
    };
    fill(rows, run.arms.filter((arm) => arm.step.length).map((arm) => h('tr', { role: 'row', dataset: { method: arm.name } },
      h('th', { scope: 'row', role: 'rowheader' }, h('i', { style: { background: armColor(store, METHODS, arm.name) } }), name(arm.name), arm.error ? h('p.message.error', arm.error) : null),
      COLUMNS.map((column) => cell(arm, column)))));
  }

  function ending({ ending: found, settings }) {
    if (found.sentence && store.get('lang') === 'en') return found.sentence;
    if (found.accuracy == null) return '';
    const values = { passes: count(settings.passes), accuracy: percent(found.accuracy) };
    if (!found.best) return t(store, 'without_backprop.ending_alone', values);
    const best = { ...values, best: name(found.best), share: percent(found.best_accuracy) };
    return found.at === null ? t(store, 'without_backprop.ending', best) : t(store, 'without_backprop.ending_at', { ...best, at: count(Math.round(found.at)) });
  }

  const axis = tabs([['step', t(store, 'without_backprop.steps')], ['passes', t(store, 'without_backprop.passes')], ['seconds', t(store, 'without_backprop.seconds')]], get('axis'), (key) => { put('axis')(key); page.redraw(); }, t(store, 'without_backprop.axis'));
  const page = labPage(root, store, {
    name: 'without_backprop', arms: METHODS, fixed: ['backpropagation'], armsLabel: t(store, 'without_backprop.methods'), label, show, ending, above: h('div.row.lab-axis', h('span.soft', t(store, 'without_backprop.axis')), axis),
    fields: [[t(store, 'without_backprop.depth'), slider(get('depth'), { min: 1, max: 3, oninput: put('depth'), dataset: { test: 'depth' } })],
      [t(store, 'without_backprop.activation'), select([['tanh', 'tanh'], ['sigmoid', 'sigmoid'], ['relu', 'ReLU']], get('activation'), put('activation'), { dataset: { test: 'activation' } })],
      [t(store, 'without_backprop.budget'), select([500, 1000, 2000, 4000, 12000].map((passes) => [passes, count(passes)]), get('passes'), (value) => put('passes')(Number(value)), { dataset: { test: 'passes' } })],
      [t(store, 'without_backprop.seed'), slider(get('seed'), { min: 0, max: 20, oninput: put('seed') })]],
    given: () => ({ depth: get('depth'), activation: get('activation'), passes: get('passes'), seed: get('seed') }),
    curve: () => ({ column: get('axis'), options: { from: 0 } }),
  }, (curves) => h('div.without-grid', curves, panel(t(store, 'without_backprop.table'), table)));
  const off = store.on('without_backprop.axis', () => {   // a tour sets it too
    const tab = [...axis.children].find(({ dataset }) => dataset.key === get('axis'));
    if (tab?.getAttribute('aria-selected') === 'false') tab.click();
  });
  return () => {
    off();
    page.stop();
  };
}
