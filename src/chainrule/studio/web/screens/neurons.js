// Every neuron of a layer: what excites it, and what becomes of the answers without it.
import { createNewest } from '../calls.js';
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { code, message, tabs } from '../ui.js';
import { cards } from './neurons_cards.js';
import { oneNeuron } from './neurons_one.js';
import { breakIt, editsOf } from './neurons_break.js';
import { integers } from './neurons_integers.js';

export const url = ['neurons.layer', 'neurons.sort', 'neurons.find', 'neurons.only', 'neurons.view', 'neurons.edits'];

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function neurons(root, store) {
  const top = h('div'), picker = h('div.neurons-layers'), list = h('div'), side = h('div.neurons-side'), status = h('div', { 'aria-live': 'polite' });
  const python = h('div'), chip = h('section.panel.neurons-integers', { dataset: { test: 'integers-panel' } });
  const newest = createNewest();
  let found = null;
  fill(root, status, top, store.host.kind === 'page' ? null : chip, h('div.neurons-columns', h('section.panel.neurons-list', picker, list, python), side));

  const state = {
    get found() { return found; },
    edit: (edit) => store.set({ 'neurons.edits': [...editsOf(store), edit] }),
    choose(index) { store.set({ neuron: { link: found.last, index } }); },
    // The chosen neuron where it is one of the layer on show.
    get chosen() {
      const neuron = store.get('neuron');
      const here = found && neuron && (neuron.link === found.last || neuron.link === found.layer) && neuron.index >= 0 && neuron.index < found.width;
      return here ? neuron.index : null;
    },
    importance: null,
  };
  const inIntegers = integers(chip, store);
  const parts = [cards(list, store, state), oneNeuron(side, store, state), breakIt(top, store, state), inIntegers];

  async function load() {
    const model = store.get('model');
    if (!model) {
      fill(status, message(t(store, 'common.no_model')));
      return;
    }
    const layer = store.get('neurons.layer');
    await newest.ask(store.call('neurons.layer', layer === null || layer === undefined ? {} : { layer: String(layer) }), (answer) => {
      if (found && found.layer !== answer.layer) state.importance = null;
      found = answer;
      fill(status);
      if (state.chosen === null) state.choose(best(found));
      show();
    }, (text) => {
      if (store.get('neurons.layer') && !found) store.set({ 'neurons.layer': null });   // of another model: the first layer of this one
      else fill(status, message(text, 'error'));
    });
  }

  function show() {
    fill(picker, tabs(found.layers.map(({ name, last, width }) => [name, `${last} · ${width}`]), found.layer, (name) => store.set({ 'neurons.layer': name }), t(store, 'word.layer')));
    fill(python, code(store, found.code));
    python.dataset.of = 'layer';
    parts.forEach((part) => part.show());
  }

  const again = () => { state.importance = null; inIntegers.forget(); load(); };
  const offs = [
    store.on(['network'], again),
    store.on(['neurons.layer'], load),
    store.on(['neuron'], () => found && parts.slice(0, 2).forEach((part) => part.show('neuron'))),
    store.on(['neurons.sort', 'neurons.find', 'neurons.only', 'neurons.view'], () => found && parts[0].show()),
    store.on(['neurons.edits'], () => found && parts[2].show()),
  ];
  const keys = (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === 'z' && !['INPUT', 'SELECT', 'TEXTAREA'].includes(event.target.tagName) && editsOf(store).length) {
      store.set({ 'neurons.edits': editsOf(store).slice(0, -1) });
      event.preventDefault();
    }
  };
  root.addEventListener('keydown', keys);
  load();
  return () => { newest.forget(); offs.forEach((off) => off()); parts.forEach((part) => part.stop && part.stop()); };
}

// The neuron that is shown first: the most selective one.
function best({ selectivity, width }) {
  let most = 0;
  for (let j = 1; j < width; ++j) if (selectivity[j] > selectivity[most] || Number.isNaN(selectivity[most])) most = j;
  return most;
}
