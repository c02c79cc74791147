// One step downhill on a copy, kept only when a person says so; and every line of a chain of single neurons.
import { createNewest } from '../calls.js';
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { button, field, message } from '../ui.js';
import { sign, typeset, watchFormulas, whole, wrapped } from './backprop_formulas.js';
import { numberName } from './backprop_names.js';
import { figure } from './backprop_steps.js';
import { equation } from './backprop_weight.js';

const SHOWN = 8;

// on: {updated(answer|null), choose(mark), hover(mark)}
/** @param {import('../store.js').Store} store */
export function updatePanel(store, on) {
  const result = h('div.update-result', { 'aria-live': 'polite', dataset: { test: 'update-result' } });
  const rate = h('input', { type: 'number', min: 0, step: 'any', value: store.get('backprop.rate'), dataset: { test: 'rate' }, onchange: () => {
    const wanted = Number(rate.value);
    if (wanted > 0) store.set({ 'backprop.rate': wanted });
    else rate.value = store.get('backprop.rate');
  } });
  const take = button(t(store, 'backprop.apply'), () => apply(), { primary: true, 'data-test': 'apply' });
  const element = h('section.panel.update', { dataset: { test: 'update' } }, h('h2', t(store, 'backprop.update')), h('p.hint', t(store, 'backprop.update_says')),
    h('div.row.choice', field(t(store, 'backprop.rate'), rate), take), result);
  const newest = createNewest(), fail = (text) => fill(result, message(text, 'error'));
  let walk = null;

  async function apply() {
    await newest.ask(store.call('backprop.update', { walk: walk.walk, rate: store.get('backprop.rate') }), (found) => {
      shown(found);
      on.updated(found);
    }, fail);
  }

  async function keep(found, keeper) {
    keeper.disabled = true;
    try {
      await store.call('backprop.keep', { walk: found.walk, rate: found.rate });
      keeper.replaceWith(h('span.good', { dataset: { test: 'kept' } }, t(store, 'backprop.kept')));
    } catch (error) {
      if (error.message !== 'lost') fail(error.message);
    }
  }

  function shown(found) {
    const change = found.after - found.before, most = Math.max(found.before, found.after) || 1;
    const loss = (label, value, test) => h('div.loss-line', h('span', label), h('span.gauge', h('i.neutral', { style: { width: `${(100 * value) / most}%` } })), h('b', { dataset: { value, test } }, figure(value, 6)));
    const keeper = button(t(store, 'backprop.keep'), () => keep(found, keeper), { 'data-test': 'keep' });
    const columns = [t(store, 'backprop.column_before'), t(store, 'backprop.column_gradient'), t(store, 'backprop.column_after')];
    fill(result, loss(t(store, 'backprop.loss_before'), found.before, 'loss-before'), loss(t(store, 'backprop.loss_after'), found.after, 'loss-after'),
      h('p.remarks', t(store, 'backprop.expected', { expected: figure(found.expected, 4), change: figure(change, 4) }), change > 0 ? ` ${t(store, 'backprop.went_up')}` : null),
      h('table.changes', h('caption', t(store, 'backprop.changes')), h('thead', h('tr', h('th', { scope: 'col' }, t(store, 'backprop.column_weight')), columns.map((column) => h('th.number', { scope: 'col' }, column)))),
        h('tbody', found.changes.slice(0, SHOWN).map((one) => h('tr', h('td', h('button.link', { type: 'button', onclick: () => store.set({ weight: { name: one.name, i: one.index.length ? one.index[0] : null, j: one.index.length > 1 ? one.index[1] : null } }) }, numberName(walk, one.name, one.index))), [one.before, one.gradient, one.after].map((value) => h('td.number', { dataset: { value } }, figure(value, 5))))))),
      store.can('backprop.keep') ? h('div.row', keeper) : null);
  }

  return {
    element,
    apply,
    show(next) {
      if (walk !== next) {
        newest.forget();
        if (!result.querySelector('[data-test="kept"]')) fill(result);
      }
      walk = next;
    },
  };
}

// Every line of a chain of single neurons: forward, loss, chain rule and update of each weight.
/** @param {import('../store.js').Store} store */
export function chainPanel(store, on) {
  const body = h('div'), element = h('section.panel.lines', { hidden: true, dataset: { test: 'lines' } }, h('h2', t(store, 'backprop.lines')), body);
  const newest = createNewest();
  let walk = null;
  watchFormulas(body, on.hover, on.choose);
  const isValue = (row, value) => row.textContent.replace(/[\s=]/g, '') === figure(value, 6);
  const chained = (left, rows, value, data) => h('p.chained', { dataset: data }, left, rows.map((row) => wrapped(row, '=')).filter((row) => !isValue(row, value)), ' ', whole(sign('='), ' ', h('b', { dataset: { value } }, figure(value, 6))));

  async function show(next) {
    walk = next;
    newest.forget();
    element.hidden = !walk.is_chain;
    if (!walk.is_chain) return;
    await newest.ask(store.call('backprop.chain', { walk: walk.walk, rate: store.get('backprop.rate') }), (found) => {
      fill(body, h('h3', t(store, 'backprop.lines_forward')), found.forward.map(({ left, rows, value }) => chained(typeset(left), rows, value, { test: 'line-forward' })), chained(typeset(found.loss.left), found.loss.rows, found.loss.value, { test: 'line-loss' }),
        h('h3', t(store, 'backprop.lines_back')),
        h('div.derivatives', found.weights.map((one) => h('div.derivative', { dataset: { test: 'line-weight', name: one.name } }, equation(one, store), h('small', { dataset: { value: one.difference } }, t(store, 'backprop.difference_short', { value: figure(one.difference, 7) }))))),
        h('h3', t(store, 'backprop.lines_update')),
        found.weights.map(({ symbol, update, name }) => chained(whole(typeset(symbol), sign('′')), update.rows, update.value, { test: 'line-update', name })));
    }, (text) => fill(body, message(text, 'error')));
  }

  const off = store.on('backprop.rate', () => { if (walk) show(walk); });
  return { element, body, show, stop: off };
}
