// The smallest change that turns the answer, and a slider that walks along it.
import { createNewest } from '../calls.js';
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { largest } from '../colors.js';
import { number, percent } from '../format.js';
import { code, message, slider } from '../ui.js';
import { inkPicture, inkRange, nameOf, signedPicture } from './why_pixels.js';

const BEYOND = 1.001;   // the change ends where two answers are even, which float32 cannot tell apart

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function turning(root, store, state) {
  const newest = createNewest(state.isOpen), put = (what) => fill(root, h('h2', t(store, 'why.turn')), what), wait = () => put(h('p.soft', t(store, 'why.waiting')));
  let seen = null;
  wait();

  async function load() {
    const { found } = state;
    if (found.task === 'regression') {
      root.hidden = true;
      return;
    }
    root.hidden = false;
    const to = [state.against, state.target].find((label) => label !== null && label !== state.said);
    const key = JSON.stringify(state.which);
    if (seen !== key) wait();
    await newest.ask(store.call('why.turn', { ...state.which, ...(to === undefined ? {} : { to }) }), (turned) => { seen = key; draw(turned); }, (text) => put(message(text, 'error')));
  }

  function sentence(turned) {
    const { to, gap, reached, then, distance, size, negated } = turned, label = negated ? t(store, 'why.not', { label: to }) : to;
    const first = t(store, 'why.gap', { said: state.said, label, gap: number(gap, 4) });
    const join = (...parts) => parts.join(store.get('lang') === 'en' ? ' ' : '');
    if (!reached) return join(first, t(store, 'why.unreached'));
    const share = size ? percent(distance / size) : '–';
    const rest = state.found.task === 'multiclass' && then !== to ? t(store, 'why.turned_other', { distance: number(distance, 3), share, label: to, then }) : t(store, 'why.turned', { distance: number(distance, 3), share, label: then });
    return join(first, rest);
  }

  function draw(turned) {
    const { x } = state.found, network = store.get('network'), { change } = turned, live = network.runsHere;
    const share = Number.isFinite(store.get('why.share')) ? store.get('why.share') : 1;
    const now = h('div.now'), answers = h('div.answers', { 'aria-live': 'polite', dataset: { test: 'turned' } });
    const move = (part) => {
      const moved = Float32Array.from(x, (v, i) => v + part * BEYOND * change[i]);
      if (state.shape) {
        const range = inkRange(x);
        const outside = moved.filter((v) => v < range[0] - 0.5 || v > range[1] + 0.5).length;
        fill(now, inkPicture(store, state.cursor, moved, state.shape, range, { 'aria-label': t(store, 'why.changed_picture'), dataset: { test: 'changed' } }),
          h('p.caption', outside ? t(store, 'why.outside', { n: outside }) : t(store, 'why.changed_picture')));
      }
      if (!live) return;
      const seen = network.forward(moved), p = network.answer(seen[seen.length - 1].a), labels = network.labels();
      const shown = [state.said, turned.to].filter((label, at, all) => all.indexOf(label) === at);
      const order = [...labels.keys()].sort((i, j) => p[j] - p[i]);
      const rows = [...new Set([...shown.map((label) => labels.indexOf(label)), ...order.slice(0, 4)])].filter((i) => i >= 0).slice(0, 5);
      fill(answers, rows.map((i) => h(`div.answer${i === order[0] ? '.said' : ''}`, { dataset: { label: labels[i], value: p[i] } }, h('span.label', labels[i]), h('span.track', h('i', { style: { width: `${100 * p[i]}%` } })), h('span.value', percent(p[i])))));
    };
    const most = largest(change) || 1;
    const rows = state.shape ? null : h('table', h('thead', h('tr', ['why.feature', 'why.from', 'why.to'].map((key) => h('th', { scope: 'col' }, t(store, key))))),
      h('tbody', [...change.keys()].sort((i, j) => Math.abs(turned.scaled[j]) - Math.abs(turned.scaled[i])).slice(0, 8).map((i) => h('tr', h('th', { scope: 'row' }, nameOf(store, state, i)), h('td.number', number(x[i], 4)), h('td.number', number(x[i] + change[i], 4))))));
    fill(root, h('h2', t(store, 'why.turn')), h('p', { dataset: { test: 'turn', to: turned.to, distance: turned.distance, reached: String(turned.reached) } }, sentence(turned)),
      h('div.turn-row', rows, state.shape ? h('div', signedPicture(store, state.cursor, change, state.shape, most, { 'aria-label': t(store, 'why.change'), dataset: { test: 'change' } }), h('p.caption', t(store, 'why.change_scale', { most: number(most) }))) : null,
        state.shape ? now : null, live ? answers : null),
      turned.reached ? h('label.walk', h('span', t(store, 'why.walk')), slider(share, { min: 0, max: 2, step: 0.05, format: (v) => percent(v, 0), oninput: (v) => { store.set({ 'why.share': v === 1 ? null : v }); move(v); }, 'aria-label': t(store, 'why.walk'), 'data-test': 'walk' })) : null,
      code(store, turned.code));
    move(turned.reached ? share : 1);
  }

  return { load };
}
