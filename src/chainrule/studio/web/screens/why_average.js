// What each column of a row did for an answer that several networks give together: base plus the values is the answer.
import { createNewest } from '../calls.js';
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { number, percent } from '../format.js';
import { code, message } from '../ui.js';

const BARS = 20;

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function average(root, store, state) {
  const newest = createNewest(state.isOpen), put = (what) => fill(root, h('h2', t(store, 'why.average')), what);

  function load() {
    const { found } = state, target = found.task === 'regression' ? null : state.target ?? state.said;
    put(h('p.soft', t(store, 'why.waiting')));
    return newest.ask(store.call('why.reasons', { row: found.row, ...(target === null ? {} : { target }) }), draw, (text) => put(message(text, 'error')));
  }

  function draw({ of, values, base, answer, error, code: text }) {
    const { columns, networks, task } = state.found, cells = Object.fromEntries(columns.map(({ name, cell }) => [name, cell]));
    const said = (value) => (task === 'regression' ? number(value, 5) : percent(value, 1)), signed = (value) => `${value < 0 ? '−' : '+'}${said(Math.abs(value))}`;
    const most = Math.max(1e-300, ...values.map(({ value }) => Math.abs(value)));
    const order = [...values].sort((one, other) => Math.abs(other.value) - Math.abs(one.value)).slice(0, BARS);
    const label = (name) => (cells[name] ? `${name} = ${cells[name]}` : name);
    fill(root, h('h2', t(store, 'why.average_for', { label: of, n: networks })),
      h('div.signed-bars', { dataset: { test: 'reasons' } }, order.map(({ name, value }) => h('div.signed', { dataset: { column: name, value } },
        h('span.label', { title: label(name) }, label(name)),
        h('span.track', h(`i${value < 0 ? '.minus' : ''}`, { style: { width: `${(50 * Math.abs(value)) / most}%` } })), h('span.value', signed(value))))),
      h('p', { dataset: { test: 'reasons-sum', base, answer, error } }, t(store, 'why.average_sum', { base: said(base), sum: signed(answer - base), answer: said(answer) })),
      h('p.soft', t(store, 'why.average_about')),
      code(store, text));
  }

  return { load };
}
