// A row of a table as it stands there: a control for each column, in its own units; the server makes the network's inputs of it.
import { createNewest } from '../calls.js';
import { h } from '../dom.js';
import { t } from '../i18n.js';
import { number } from '../format.js';
import { fault } from '../ui.js';

// changed({start}) is called when the inputs are others.
/** @param {import('../store.js').Store} store */
export function cellInputs(store, network, { changed }) {
  const { columns } = store.get('data'), x = new Float32Array(network.model.inputs), canAsk = store.host.kind !== 'offline';
  const error = fault(), list = h('div.features', { dataset: { test: 'features' } });
  const cells = {}, shown = new Map(), newest = createNewest();

  const ask = (start) => newest.ask(store.call('table.inputs', { cells: { ...cells } }), (found) => {
    error.say(null);
    x.set(found.x);
    changed(start === null ? { isPut: true } : { start });
  }, error.say);

  function control(column) {
    const { name, low, high, whole, categories } = column, use = (text, event) => { cells[name] = text; ask(event.timeStamp); };
    const props = { 'aria-label': name, disabled: !canAsk, dataset: { column: name } };
    if (categories) {
      const box = h('select', { ...props, onchange: (event) => use(event.target.value, event) }, ['', ...categories].map((text) => h('option', { value: text }, text || t(store, 'draw.missing'))));
      return { parts: [box], put: (text) => { box.value = text; } };
    }
    if (low === null || low === high) {
      const box = h('input', { type: 'text', ...props, onchange: (event) => use(event.target.value, event) });
      return { parts: [box], put: (text) => { box.value = text; } };
    }
    const step = whole ? 1 : Number(((high - low) / 200).toPrecision(1));
    const slider = h('input', { type: 'range', min: low, max: high, step, ...props, oninput: (event) => { box.value = event.target.value; use(event.target.value, event); } });
    const box = h('input', { type: 'number', step: 'any', ...props, oninput: (event) => { if (event.target.value !== '') slider.value = event.target.value; use(event.target.value, event); } });
    return { parts: [slider, box], put: (text) => { box.value = text; slider.value = text === '' ? (low + high) / 2 : text; } };
  }

  for (const column of columns.filter(({ inputs }) => inputs.length)) {
    const made = control(column), range = column.low === null ? '' : `${number(column.low)} … ${number(column.high)}`;
    shown.set(column.name, made);
    list.append(h(`div.feature${made.parts.length > 1 ? '' : '.single'}`, h('span.feature-name', { title: range }, column.name), made.parts));
  }

  function write(row) {
    columns.forEach(({ name }, k) => {
      cells[name] = row ? row[k] : '';
      shown.get(name)?.put(cells[name]);
    });
  }

  return {
    element: h('div', list, error.element),
    read: () => Float32Array.from(x),
    // values: inputs, or null for a row without cells.  sample: with its place in the data, whose cells are shown.
    async put(values, sample = {}) {
      newest.forget();
      if (values) x.set(values);
      changed({ isPut: true });
      if (Number.isInteger(sample.index)) {
        await newest.ask(store.call('data.samples', { rows: [sample.index] }), (found) => { if (found?.cells) write(found.cells[0]); }, () => {});
        return;
      }
      write(null);
      if (!values && canAsk) await ask(null);
    },
    stop: newest.forget,
  };
}
