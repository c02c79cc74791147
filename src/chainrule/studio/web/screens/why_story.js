// The evidence layer by layer, and the whole story of the answer.
import { createNewest } from '../calls.js';
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { number } from '../format.js';
import { message } from '../ui.js';

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function evidence(root, store, state) {
  const newest = createNewest(state.isOpen), put = (what) => fill(root, h('h2', t(store, 'why.evidence')), what), wait = () => put(h('p.soft', t(store, 'why.waiting')));
  let seen = null;
  wait();

  async function load(what) {
    const key = JSON.stringify(state.which);
    if (what === 'target' && seen === key) return;   // the story is about the answer that was given
    if (seen !== key) wait();
    await newest.ask(store.call('why.story', state.which), (told) => { seen = key; draw(told); }, (text) => put(message(text, 'error')));
  }

  const neuron = (link, [index, value]) => h('button.neuron-link', { type: 'button', title: t(store, 'why.see_neuron', { index, link }),
    onclick: () => store.set({ neuron: { link, index }, 'neurons.layer': layerOf(link), screen: 'neurons' }) }, `#${index} ${value > 0 ? '+' : ''}${number(value, 3)}`);

  // The dense layer that a link belongs to: the last one up to it.
  function layerOf(link) {
    const { links } = store.get('network');
    let layer = null;
    for (const one of links) {
      if (one.kind === 'dense' || one.kind === 'projection') layer = one.name;
      if (one.name === link) return layer;
    }
    return null;
  }

  function table({ evidence: layers }) {
    const most = Math.max(1e-12, ...layers.map((layer) => Math.max(layer.for, -layer.against)));
    return h('div.evidence', { dataset: { test: 'evidence' } }, layers.map((layer) => [
      h('span.label', layer.name),
      h('span.track', { title: t(store, 'why.sides', { up: number(layer.for, 4), down: number(layer.against, 4), sum: number(layer.for + layer.against, 4) }) },
        h('i.minus', { style: { width: `${(50 * -layer.against) / most}%` } }), h('i', { style: { width: `${(50 * layer.for) / most}%` } })),
      h('span.value', { dataset: { value: layer.for + layer.against } }, number(layer.for + layer.against, 4)),
      h('span.strong', layer.strongest.map((one) => neuron(layer.name, one)), layer.weakest.map((one) => neuron(layer.name, one))),
    ]));
  }

  function chapter({ title, content }) {
    return h('section', h('h3', title), content.map(({ text, columns, rows }) => (text !== undefined ? h('p', text)
      : h('div.scrolls', { tabindex: 0 }, h('table', columns.length ? h('thead', h('tr', columns.map((name) => h('th', { scope: 'col' }, name)))) : null, h('tbody', rows.map((row) => h('tr', row.map((cell, k) => (k || columns.length ? h('td', cell) : h('th', { scope: 'row' }, cell)))))))))));
  }

  function draw(told) {
    const { of, against } = told, said = against === null ? t(store, 'why.evidence_for', { label: of }) : t(store, 'why.evidence_against', { label: of, against });
    fill(root, h('h2', t(store, 'why.evidence')),
      told.no_rule === null ? [h('p', said), table(told)] : h('p', t(store, 'why.no_rule', { link: told.no_rule })),
      told.active.length ? h('p.soft', { dataset: { test: 'active' } }, told.active.map(({ name, active, neurons }) => t(store, 'why.active', { name, active, neurons })).join(store.get('lang') === 'en' ? ' ' : '')) : null,
      h('details.story', { dataset: { test: 'story' } }, h('summary', t(store, 'why.story')), told.chapters[store.get('lang')].map(chapter)));
  }

  return { load };
}
