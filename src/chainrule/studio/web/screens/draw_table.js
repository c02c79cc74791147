// A row of a table as inputs: a slider and a number for each feature, in the range that the data have.
import { h } from '../dom.js';
import { t } from '../i18n.js';
import { number } from '../format.js';

const LOOKED_AT = 256;

// The least and the largest value of each feature: in the data, or as the model's first layer knows them.
async function ranges(store, network) {
  const { inputs } = network.model, data = store.get('data');
  if (data && data.features === inputs) {
    const rows = Array.from({ length: Math.min(LOOKED_AT, data.shown) }, (_, k) => k), { X } = await store.call('data.samples', { rows });
    return Array.from({ length: inputs }, (_, j) => {
      let low = Infinity, high = -Infinity;
      for (let k = j; k < X.length; k += inputs) {
        low = Math.min(low, X[k]);
        high = Math.max(high, X[k]);
      }
      return low < high ? [low, high] : [low - 1, low + 1];
    });
  }
  const first = network.links[0], mean = network.arrays[`${first.name}.mean`], std = network.arrays[`${first.name}.std`];
  return Array.from({ length: inputs }, (_, j) => (mean && std ? [mean[j] - 3 * std[j], mean[j] + 3 * std[j]] : [-3, 3]));
}

// changed({start}) is called when a number is another.
/** @param {import('../store.js').Store} store */
export function tableInputs(store, network, { changed }) {
  const { model } = network, x = new Float32Array(model.inputs), list = h('div.features', { dataset: { test: 'features' } });
  let parts = [];

  function set(j, value) {
    x[j] = value;
    parts[j].slider.value = value;
    if (document.activeElement !== parts[j].box) parts[j].box.value = Number(value.toPrecision(4));
  }

  const ready = ranges(store, network).then((found) => {
    parts = found.map(([low, high], j) => {
      const name = (model.features || [])[j] || t(store, 'draw.feature', { j }), step = Number(((high - low) / 200).toPrecision(1));
      const use = (value, event) => { set(j, value); changed({ start: event.timeStamp }); };
      const slider = h('input', { type: 'range', min: low, max: high, step, 'aria-label': name, oninput: (event) => use(Number(event.target.value), event) });
      const box = h('input', { type: 'number', step: 'any', 'aria-label': name, oninput: (event) => { if (event.target.value !== '' && event.target.checkValidity()) use(Number(event.target.value), event); } });
      list.append(h('div.feature', h('span.feature-name', { title: `${number(low)} … ${number(high)}` }, name), slider, box));
      return { slider, box, middle: (low + high) / 2 };
    });
  });
  return {
    element: list,
    read: () => Float32Array.from(x),
    put(values) { ready.then(() => { parts.forEach(({ middle }, j) => set(j, values ? values[j] : middle)); changed({ isPut: true }); }); },
  };
}
