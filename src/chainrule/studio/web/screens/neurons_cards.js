// The neurons of a layer as cards or as a table, sorted and searched.
import { h, fill, clear } from '../dom.js';
import { t } from '../i18n.js';
import { number, percent, count } from '../format.js';
import { button, select, tabs } from '../ui.js';
import { column, columnsOf, scaleOf, weightPicture } from './neurons_pictures.js';

const FIRST = 256;   // drawn at once; more on demand
const SORTS = ['selectivity', 'index', 'mean', 'active', 'variance', 'norm', 'bias'];

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function cards(root, store, state) {
  const toolbar = h('div.row.neurons-tools'), summary = h('p.neurons-summary', { dataset: { test: 'summary' } }), body = h('div.neurons-body');
  fill(root, toolbar, summary, body);
  let all = false, drawn = null;

  const name = (key) => t(store, `neurons.column_${key}`);
  const marksOf = (found, j) => ['dead', 'always', 'saturated'].filter((mark) => found[mark][j]);

  function favourite(found, j) {
    if (!found.by_class) return null;
    const [classes, width] = found.by_class.shape;
    let best = -1;
    for (let c = 0; c < classes; ++c) {
      const mean = found.by_class[c * width + j];
      if (Number.isFinite(mean) && (best < 0 || mean > found.by_class[best * width + j])) best = c;
    }
    return best < 0 ? null : best;
  }

  function value(found, key, j) {
    if (key === 'index') return j;
    if (key === 'importance') return state.importance ? state.importance.loss[j] : NaN;
    return found[key][j];
  }

  // The neurons that the search leaves, in the order that is asked for: numbers upwards, everything else downwards.
  function order(found) {
    const wanted = String(store.get('neurons.find') ?? '').trim().replace(/^#/, '').toLowerCase();
    const only = String(store.get('neurons.only') ?? '');
    const kept = [];
    for (let j = 0; j < found.width; ++j) {
      const marks = marksOf(found, j), best = favourite(found, j);
      if (wanted && !String(j).startsWith(wanted) && !marks.some((mark) => t(store, `neurons.mark_${mark}`).toLowerCase().includes(wanted))) continue;
      if (only.startsWith('class ') ? best !== Number(only.slice(6)) : only && !marks.includes(only)) continue;
      kept.push(j);
    }
    const key = sortKey();
    if (key === 'index') return kept;
    const of = (j) => { const v = value(found, key, j); return Number.isNaN(v) ? -Infinity : v; };
    return kept.sort((i, j) => of(j) - of(i) || i - j);
  }

  function sortKey() {
    const key = store.get('neurons.sort');
    return SORTS.includes(key) || (key === 'importance' && state.importance) ? key : 'selectivity';
  }

  function tools(found) {
    const sorts = [...SORTS, ...(state.importance ? ['importance'] : [])].map((key) => [key, name(key)]);
    const only = [['', t(store, 'neurons.only_all')], ...['dead', 'always', 'saturated'].map((mark) => [mark, t(store, `neurons.mark_${mark}`)]),
      ...(found.by_class ? found.labels.map((label, c) => [`class ${c}`, t(store, 'neurons.only_class', { label })]) : [])];
    const find = h('input', { type: 'search', placeholder: t(store, 'neurons.find'), 'aria-label': t(store, 'neurons.find'), value: String(store.get('neurons.find') ?? ''), dataset: { test: 'find' },
      oninput: (event) => store.set({ 'neurons.find': event.target.value }) });
    fill(toolbar,
      tabs([['cards', t(store, 'neurons.cards')], ['table', t(store, 'neurons.table')]], view(), (key) => store.set({ 'neurons.view': key }), t(store, 'neurons.view')),
      find,
      h('label.inline', h('span', t(store, 'neurons.sort')), select(sorts, sortKey(), (key) => store.set({ 'neurons.sort': key }), { dataset: { test: 'sort' } })),
      h('label.inline', h('span', t(store, 'neurons.only')), select(only, String(store.get('neurons.only') ?? ''), (key) => store.set({ 'neurons.only': key }), { dataset: { test: 'only' } })),
      button(t(store, 'neurons.importance'), importance, { quiet: true, title: t(store, 'neurons.importance_says'), 'data-test': 'importance' }));
  }

  const view = () => (store.get('neurons.view') === 'table' ? 'table' : 'cards');

  async function importance(event) {
    event.target.disabled = true;
    try {
      const found = await store.call('neurons.importance', { layer: state.found.layer });
      if (!state.found || found.layer !== state.found.layer) return;
      state.importance = found;
      drawn = null;
      if (store.get('neurons.sort') === 'importance') show();
      else store.set({ 'neurons.sort': 'importance' });
    } catch (error) {
      summary.textContent = error.message;
    } finally {
      event.target.disabled = false;
    }
  }

  function picture(found, j, scale, columns, props) {
    const W = store.get('network').arrays[`${found.layer}.W`];
    return weightPicture(store, column(W, j), columns, scale, props);
  }

  function card(found, j, scale, columns) {
    const best = favourite(found, j), marks = marksOf(found, j), active = found.active[j];
    const key = sortKey(), sorted = key === 'index' ? 'active' : key;
    return h('button.neuron-card', {
      type: 'button', tabindex: -1, dataset: { neuron: j }, onclick: () => state.choose(j), title: t(store, 'neurons.card', {
        j, active: percent(active), mean: number(found.mean[j]), label: best === null ? '–' : found.labels[best], marks: marks.map((mark) => t(store, `neurons.mark_${mark}`)).join(', ') || '–' }),
    }, picture(found, j, scale, columns, { 'aria-hidden': 'true' }),
    h('span.neuron-name', h('b', `#${j}`), best === null ? null : h('span.best', found.labels[best])),
    h('span.share', { 'aria-hidden': 'true' }, h('i', { style: { width: `${100 * active}%` } })),
    h('span.neuron-value', sorted === 'active' ? percent(active, 0) : sorted === 'importance' ? `+${number(state.importance.loss[j] - state.importance.whole[0])}` : number(value(found, sorted, j))),
    marks.map((mark) => h(`span.mark.${mark}`, t(store, `neurons.mark_${mark}`))));
  }

  function table(found, chosen, scale, columns) {
    const keys = ['index', 'mean', 'active', 'variance', 'norm', 'bias', 'selectivity', ...(state.importance ? ['importance'] : [])];
    const head = (key) => h('th.number', { scope: 'col', 'aria-sort': sortKey() === key ? (key === 'index' ? 'ascending' : 'descending') : 'none' },
      h('button.head', { type: 'button', dataset: { sort: key }, onclick: () => store.set({ 'neurons.sort': key }) }, name(key)));
    const cell = (key, j) => {
      const v = value(found, key, j);
      const text = key === 'active' ? percent(v) : key === 'importance' ? `+${number(v - state.importance.whole[0])}` : number(v);
      return h('td.number', { dataset: { value: v } }, text);
    };
    return h('div.scrolls', h('table.neurons-table', h('thead', h('tr', head('index'), h('th', { scope: 'col' }, t(store, 'neurons.column_weights')), keys.slice(1).map(head),
      found.by_class ? h('th', { scope: 'col' }, t(store, 'neurons.column_best')) : null, h('th', { scope: 'col' }, t(store, 'neurons.column_marks')))),
    h('tbody', chosen.map((j) => {
      const best = favourite(found, j);
      return h('tr', { dataset: { neuron: j }, onclick: () => state.choose(j) },
        h('th.number', { scope: 'row' }, h('button.head', { type: 'button', tabindex: -1, onclick: () => state.choose(j), dataset: { neuron: j } }, `#${j}`)),
        h('td', picture(found, j, scale, columns, { 'aria-hidden': 'true' })), keys.slice(1).map((key) => cell(key, j)),
        found.by_class ? h('td', best === null ? '–' : found.labels[best]) : null,
        h('td', marksOf(found, j).map((mark) => h(`span.mark.${mark}`, t(store, `neurons.mark_${mark}`)))));
    }))));
  }

  function select_() {
    const chosen = state.chosen;
    for (const element of body.querySelectorAll('[data-neuron]')) {
      const own = Number(element.dataset.neuron) === chosen;
      element.classList.toggle('chosen', own);
      if (element.tagName === 'BUTTON') {
        element.tabIndex = own ? 0 : -1;
        element.setAttribute('aria-pressed', String(own));
      }
    }
    if (!body.querySelector('button[data-neuron][tabindex="0"]')) {
      const first = body.querySelector('button[data-neuron]');
      if (first) first.tabIndex = 0;
    }
  }

  function show(what) {
    const { found } = state;
    if (what === 'neuron') {
      select_();
      return;
    }
    if (drawn !== found) {
      drawn = found;
      all = false;
      tools(found);
    }
    const sort = toolbar.querySelector('[data-test=sort]');
    if (sort.value !== sortKey()) sort.value = sortKey();
    const network = store.get('network'), W = network && network.arrays[`${found.layer}.W`];
    if (!W || W.shape[1] !== found.width) return;   // of another model, and another answer is on its way
    const places = order(found), shown = all ? places : places.slice(0, FIRST);
    const scale = scaleOf(W), columns = columnsOf(network.model, found.layers[0].name === found.layer ? null : '', W.shape[0]);
    const tally = (mark) => found[mark].reduce((sum, v) => sum + v, 0);
    summary.textContent = t(store, 'neurons.summary', { shown: count(places.length), width: count(found.width), layer: found.last, n: count(found.samples), dead: tally('dead'), always: tally('always'), scale: number(scale) });
    clear(body);
    if (!places.length) body.append(h('p.message', t(store, 'neurons.nothing')));
    else if (view() === 'table') body.append(table(found, shown, scale, columns));
    else body.append(h('div.neuron-cards', { role: 'group', 'aria-label': t(store, 'neurons.keys'), title: t(store, 'neurons.keys') }, shown.map((j) => card(found, j, scale, columns))));
    if (shown.length < places.length) body.append(button(t(store, 'neurons.more', { n: count(places.length - shown.length) }), () => { all = true; show(); }));
    select_();
  }

  // Arrows walk over the cards, Delete takes a neuron out.
  body.addEventListener('keydown', (event) => {
    const own = event.target.closest('button[data-neuron]');
    if (!own) return;
    const every = [...body.querySelectorAll('button[data-neuron]')], at = every.indexOf(own);
    const wide = Math.max(1, every.filter((one) => one.offsetTop === every[0].offsetTop).length);
    const row = view() === 'table' ? 1 : wide;
    const move = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: row, ArrowUp: -row }[event.key];
    if (event.key === 'Delete') state.edit({ do: 'ablate', layer: state.found.layer, neuron: Number(own.dataset.neuron), to: 'zero' });
    if (event.key === 'Home' || event.key === 'End' || move) {
      const next = event.key === 'Home' ? every[0] : event.key === 'End' ? every[every.length - 1] : every[at + move];
      if (next) {
        next.focus();
        state.choose(Number(next.dataset.neuron));
      }
      event.preventDefault();
    }
  });
  return { show };
}
