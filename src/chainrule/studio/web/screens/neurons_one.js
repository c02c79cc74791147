// One neuron: its weights, its numbers, how its output is distributed, and the samples that excite it.
import { createNewest } from '../calls.js';
import { h, fill, svg } from '../dom.js';
import { t } from '../i18n.js';
import { largest } from '../colors.js';
import { number, percent } from '../format.js';
import { button, code, message, numberInput } from '../ui.js';
import { columnsOf, samplePicture, weightPicture } from './neurons_pictures.js';

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function oneNeuron(root, store, state) {
  const newest = createNewest();
  let wanted = null;

  async function show(what) {
    const { found } = state, j = state.chosen;
    if (j === null) return;
    const key = `${found.layer} ${j}`;
    if (what === 'neuron' && key === wanted) return;
    wanted = key;
    await newest.ask(store.call('neurons.one', { layer: found.layer, neuron: j }), (one) => { if (state.found === found) draw(found, one); }, (text) => fill(root, message(text, 'error')));
  }

  function draw(found, one) {
    const j = one.neuron, step = (by) => state.choose((j + by + found.width) % found.width);
    const ablate = (to) => state.edit({ do: 'ablate', layer: found.layer, neuron: j, to });
    fill(root, h('section.panel.neuron-one', { dataset: { test: 'one', neuron: j } },
      h('div.row.between', h('h2', t(store, 'neurons.one', { j, layer: found.last })),
        h('div.row', button('‹', () => step(-1), { 'aria-label': t(store, 'neurons.previous') }), button('›', () => step(1), { 'aria-label': t(store, 'neurons.next') }))),
      h('div.neuron-top', weights(found, one), facts(found, j)),
      h('div.row', button(t(store, 'neurons.to_zero'), () => ablate('zero'), { primary: true, 'data-test': 'ablate-zero' }), button(t(store, 'neurons.to_mean'), () => ablate('mean'), { 'data-test': 'ablate-mean' })),
      histogram(one),
      found.by_class ? classBars(found, j) : null,
      examples('most', one.most), examples('least', one.least),
      code(store, one.code)));
  }

  function facts(found, j) {
    const rows = ['mean', 'active', 'variance', 'norm', 'bias', 'selectivity'].map((key) => {
      const v = found[key][j];
      return h('div', h('dt', { title: t(store, `neurons.about_${key}`) }, t(store, `neurons.column_${key}`)), h('dd', { dataset: { fact: key, value: v } }, key === 'active' ? percent(v) : number(v)));
    });
    const marks = ['dead', 'always', 'saturated'].filter((mark) => found[mark][j]);
    return h('dl.facts', rows, marks.map((mark) => h('p.mark-line', h(`span.mark.${mark}`, t(store, `neurons.mark_${mark}`)), t(store, `neurons.about_${mark}`))));
  }

  // The weights as a picture: the pointer reads one, a click or the number field chooses it, and a new number is an edit.
  function weights(found, one) {
    const { model } = store.get('network');
    const columns = columnsOf(model, one.source, one.weights.length);
    const most = largest(one.weights) || 1;
    let row = one.weights.reduce((best, w, i) => (Math.abs(w) > Math.abs(one.weights[best]) ? i : best), 0);
    const canvas = weightPicture(store, one.weights, columns, most, { role: 'img', 'aria-label': t(store, 'neurons.weights_of', { j: one.neuron }), dataset: { test: 'weights' } });
    const reads = h('span.reads'), set = h('span');
    const place = (i) => (one.source === null && model.shape ? t(store, 'neurons.pixel', { row: Math.floor(i / columns), column: i % columns })
      : one.source === null && model.features ? model.features[i] : one.source === null ? t(store, 'neurons.input', { i }) : t(store, 'neurons.from', { layer: (found.layers.find(({ name }) => name === one.source) || { last: one.source }).last, i }));
    const edit = (at, value) => state.edit({ do: 'set', layer: found.layer, row: at, neuron: one.neuron, value });
    const read = (i) => { reads.textContent = t(store, 'neurons.weight_at', { where: place(i), value: number(one.weights[i], 4) }); };
    const take = (i) => {
      row = i;
      read(i);
      fill(set, numberInput(Number(one.weights[i].toPrecision(6)), (v) => edit(row, v), { step: 'any', 'aria-label': t(store, 'neurons.set_weight'), 'data-test': 'weight' }));
    };
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      const x = Math.floor(((event.clientX - box.left) / box.width) * columns), y = Math.floor(((event.clientY - box.top) / box.height) * Math.ceil(one.weights.length / columns));
      const i = y * columns + x;
      return x >= 0 && x < columns && i >= 0 && i < one.weights.length ? i : null;
    };
    canvas.addEventListener('pointermove', (event) => { const i = at(event); if (i !== null) read(i); });
    canvas.addEventListener('pointerleave', () => read(row));
    canvas.addEventListener('click', (event) => { const i = at(event); if (i !== null) take(i); });
    take(row);
    return h('figure.neuron-weights', canvas, h('figcaption', h('span.scale', h('i.negative'), number(-most), h('i.zero'), '0', h('i.positive'), `+${number(most)}`),
      h('label.weight-edit', reads, set),
      one.bias === null ? null : h('label.weight-edit', h('span.reads', t(store, 'neurons.column_bias')), numberInput(Number(one.bias.toPrecision(6)), (v) => edit(null, v), { step: 'any', 'data-test': 'bias' }))));
  }

  function histogram(one) {
    const most = Math.max(...one.counts), bins = one.counts.length, total = one.counts.reduce((sum, n) => sum + n, 0);
    const bars = [...one.counts].map((n, i) => svg('rect', { x: i * 10 + 0.5, width: 9, y: 60 - height(n, most), height: height(n, most) },
      svg('title', {}, t(store, 'neurons.bin', { low: number(one.ends[i]), high: number(one.ends[i + 1]), n, share: percent(n / total) }))));
    return h('div', h('h3', t(store, 'neurons.histogram')), svg('svg.histogram', { viewBox: `0 0 ${bins * 10} 60`, preserveAspectRatio: 'none', role: 'img', 'aria-label': t(store, 'neurons.histogram') }, bars),
      h('div.ends', h('span', number(one.ends[0])), h('span.soft', t(store, 'neurons.log')), h('span', number(one.ends[bins]))));
  }

  const height = (n, most) => (n ? 4 + (56 * Math.log1p(n)) / Math.log1p(most) : 0);   // logarithmic, and one sample is seen

  function classBars(found, j) {
    const [classes, width] = found.by_class.shape, means = Array.from({ length: classes }, (_, c) => found.by_class[c * width + j]);
    const most = Math.max(1e-12, ...means.filter(Number.isFinite).map(Math.abs));
    return h('div', h('h3', t(store, 'neurons.by_class')), h('div.class-bars', { dataset: { test: 'class-bars' } }, means.map((mean, c) => [
      h('span.label', found.labels[c]), h('span.track', h(`i${mean < 0 ? '.minus' : ''}`, { style: { width: `${Number.isFinite(mean) ? (100 * Math.abs(mean)) / most : 0}%` } })),
      h('span.value', { dataset: { value: mean } }, number(mean))])));
  }

  function examples(which, part) {
    const { model } = store.get('network'), shape = model.shape;
    const go = (k) => store.set({ sample: { x: Float32Array.from(part.X.subarray(k * model.inputs, (k + 1) * model.inputs)), y: part.y[k], index: part.rows[k] }, 'sample.index': part.rows[k], screen: 'why' });
    const show = (k) => {
      const x = part.X.subarray(k * model.inputs, (k + 1) * model.inputs);
      const says = t(store, 'neurons.example', { row: part.rows[k], y: part.y[k], value: number(part.values[k]) });
      const most = part.X instanceof Uint8Array ? 255 : largest(x) || 1;
      return h('button.example', { type: 'button', title: says, onclick: () => go(k), dataset: { row: part.rows[k] } },
        shape ? samplePicture(store, x, shape[1], most, { 'aria-hidden': 'true' }) : h('span.features', [...x.subarray(0, 3)].map((v) => h('span', number(v)))),
        h('span', h('b', Array.isArray(part.y[k]) ? part.y[k].join(' ') : typeof part.y[k] === 'number' && !Number.isInteger(part.y[k]) ? number(part.y[k]) : String(part.y[k])), ` ${number(part.values[k])}`));
    };
    return h('div', h('h3', t(store, which === 'most' ? 'neurons.most' : 'neurons.least')), h('div.examples', { dataset: { test: which } }, part.rows.map((_, k) => show(k))));
  }

  return { show };
}
