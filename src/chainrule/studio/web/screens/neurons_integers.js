// What 8-bit integers do to the network, by layer, class and input: measured when it is asked for.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { button, code, message } from '../ui.js';

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function integers(root, store) {
  let asked = 0;

  const table = ({ columns, rows }) => h('div.scrolls', { tabindex: 0 }, h('table', h('thead', h('tr', columns.map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', rows.map(([name, ...cells]) => h('tr', h('th', { scope: 'row' }, name), cells.map((cell) => h('td', cell)))))));

  async function load() {
    const mine = ++asked;
    fill(root, h('p.soft', t(store, 'neurons.integers_waiting')));
    try {
      const answer = await store.call('neurons.integers');
      if (mine !== asked) return;
      const { title, text, tables } = answer.told[store.get('lang')];
      fill(root, h('h2', title), text.map((line) => h('p', line)), tables.map(table),
        code(store, answer.code));
      root.dataset.difference = answer.difference;
    } catch (error) {
      if (mine !== asked) return;
      if (error.message === 'lost') forget();
      else fill(root, message(error.message, 'error'));
    }
  }

  function show() {
    if (root.childElementCount) return;   // another layer is on show: the same network
    fill(root, h('div.row', button(t(store, 'neurons.integers'), load, { 'data-test': 'integers' })), h('p.soft', t(store, 'neurons.integers_says')));
  }

  // Of other weights nothing is known yet.
  function forget() {
    asked += 1;
    fill(root);
    show();
  }

  return { show, forget, stop() { asked += 1; } };
}
