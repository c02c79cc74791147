// Draw a digit, and see every neuron.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { button, toggle, tabs, code, message, takesFiles } from '../ui.js';
import { networkView } from '../netview.js';
import { flatPainter } from '../flat.js';
import { depthPainter, hasDepth } from '../depth.js';
import { inkOf } from '../drawing.js';
import { createFrame } from '../frame.js';
import { passOf } from '../layers.js';
import { neuronPanel } from '../neuron.js';
import { drawPad, pictureOf } from './draw_pad.js';
import { cellInputs } from './draw_cells.js';
import { tableInputs } from './draw_table.js';
import { sampleStrip } from './draw_samples.js';
import { answerPanel } from './draw_answer.js';

export const url = ['draw.keep', 'draw.view'];

const NO_SAMPLE = { y: null, index: null };   // where the inputs are from: none of the data's

const python = (network) => (network.model.shape
  ? `from chainrule import load
from chainrule.datasets.images import read_digit

model = load("model.safetensors")
x = read_digit("digit.png")              # a drawing or a photograph, centred as here
print(model.predict_proba(x[None]))      # the bars
print(model.trace(x, y))                 # every z and a, and backwards every delta; y: the true class
`
  : `from chainrule import load

model = load("model.safetensors")
print(model.predict([x]))                # x: the numbers of the sliders
print(model.trace(x, y))                 # every z and a, and backwards every delta; y: the true answer
`);

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function draw(root, store) {
  let stops = [], off = null, built = null;

  function build(network) {
    const { model } = network, { shape } = model, most = inkOf(network);
    let asked = null, pass = null, since = null, wave = false, picked = false, byLayer = false, undo = null, origin = NO_SAMPLE, isLent = false;   // isLent: nobody has drawn or chosen it
    const answer = answerPanel(store, network), neuron = neuronPanel(store), frame = createFrame(tick);
    const painters = { flat: flatPainter, depth: depthPainter }, deep = hasDepth(), shown = deep && store.get('draw.view') === 'depth' ? 'depth' : 'flat';
    const view = networkView(store, { height: Math.max(330, Math.min(560, innerHeight - 470)), painter: painters[shown], redraw: () => frame.ask(), onpick: () => { picked = true; } });
    const choice = deep ? tabs([['flat', t(store, 'draw.flat')], ['depth', t(store, 'draw.depth')]], shown, (key) => { store.set({ 'draw.view': key }); view.use(painters[key]); }, t(store, 'draw.view')) : null;
    const forward = h('span', { dataset: { test: 'forward' } }), drawn = h('span', { dataset: { test: 'latency' } });

    // The one frame of this screen: what the inputs give is worked out once, and every part shows it.
    function tick() {
      const change = pass || asked === 'inputs' ? asked : null;
      asked = null;
      if (change === 'inputs') pass = passed();
      if (change) view.show(pass, { byLayer, wave });
      view.render();   // before texts are written: it asks for its width
      if (!change) return;
      answer.update(pass.answer);
      neuron.update(pass);
      if (picked) neuron.show();
      if (undo) undo.disabled = !pad.canUndo;
      wave = picked = false;
      if (since === null) return;
      drawn.dataset.value = performance.now() - since;
      drawn.textContent = t(store, 'draw.latency', { ms: Number(drawn.dataset.value).toFixed(0) });
      since = null;
    }

    function passed() {
      const x = pad.read(), before = performance.now(), made = passOf(store, store.get('network'), x, pass), took = performance.now() - before;
      forward.textContent = t(store, 'draw.forward', { ms: took.toFixed(1) });
      forward.dataset.value = took;
      if (pad.isDrawn) [origin, isLent] = [NO_SAMPLE, false];
      store.set({ sample: { x, ...origin, isLent }, 'sample.index': isLent ? null : origin.index });
      return made;
    }

    // The inputs are others, or the network's numbers.
    function changed({ start = null, isPut = false } = {}) {
      if (since === null) since = start;
      wave = wave || isPut;
      asked = 'inputs';
      frame.ask();
    }

    // The same numbers are to be looked at in another way.
    function looked() {
      asked = asked || 'looks';
      frame.ask();
    }

    function pick(sample, lent = false) {
      isLent = lent;
      origin = { y: sample.y ?? null, index: sample.index ?? null };
      pad.put(sample.x, sample);
    }

    const isTable = () => Boolean(store.get('data')?.columns) && store.get('data').features === model.inputs;
    const pad = shape ? drawPad(store, { shape, most, label: t(store, 'draw.pad'), changed }) : (isTable() ? cellInputs : tableInputs)(store, network, { changed });
    const note = h('p.message', { role: 'status', dataset: { test: 'note' } });
    const noise = () => pick({ x: Float32Array.from({ length: model.inputs }, () => Math.random() * most) });

    async function open(file) {
      note.textContent = '';
      try {
        const x = await pictureOf(file, shape, most);
        if (x) pick({ x });
        else note.textContent = t(store, 'draw.blank_picture');
      } catch {
        note.textContent = t(store, 'draw.no_picture', { name: file.name });
      }
    }

    function padPanel() {
      if (!shape) return h('section.panel.pad-panel', h('h2', t(store, isTable() ? 'draw.columns' : 'draw.features')), pad.element);
      const keep = store.get('draw.keep') === true;
      pad.keep(keep);
      const file = h('input.visually-hidden', { type: 'file', accept: 'image/*', tabindex: -1, 'aria-label': t(store, 'draw.file'), dataset: { test: 'file' }, onchange: (event) => { if (event.target.files[0]) open(event.target.files[0]); event.target.value = ''; } });
      undo = button(t(store, 'draw.undo'), () => pad.undo(), { disabled: true, dataset: { test: 'undo' } });
      const frameOf = h('div.pad-frame', pad.element);
      takesFiles(frameOf, ([first]) => open(first));
      return h('section.panel.pad-panel', h('div', frameOf, h('p.pad-hint', t(store, 'draw.hint'))),
        h('div.pad-tools', h('div.row', button(t(store, 'draw.clear'), () => { [origin, isLent] = [NO_SAMPLE, true]; pad.clear(); }, { dataset: { test: 'clear' } }), undo,
          button(t(store, 'draw.file'), () => file.click(), { title: t(store, 'draw.file_title') }), file),
        h('div.row', toggle(t(store, 'draw.erase'), false, (value) => pad.erase(value)),
          shape[0] === 28 && shape[1] === 28 ? toggle(t(store, 'draw.keep'), keep, (value) => { store.set({ 'draw.keep': value }); pad.keep(value); }, { title: t(store, 'draw.keep_title'), dataset: { test: 'keep' } }) : null),
        note));
    }

    const strip = store.get('data') && store.can('data.samples') && store.get('data').features === model.inputs
      ? sampleStrip(store, { shape, most: () => most, pick }) : null;
    const extras = shape ? [button(t(store, 'draw.noise'), noise, { quiet: true, dataset: { test: 'noise' } }), button(t(store, 'draw.blank'), () => pick({ x: null }), { quiet: true, dataset: { test: 'blank' } })] : [];
    const samples = strip || extras.length ? h('section.panel.samples', h('h2', t(store, 'draw.samples')), strip ? strip.element : null, h('div.row.extras', extras)) : null;
    fill(root, answer.strip,
      h('div.draw-stage', h('div.draw-left', padPanel(), samples),
        h('section.panel.network-panel', h('div.network-head', h('h2', t(store, 'draw.network')), choice), view.element,
          toggle(t(store, 'draw.by_layer'), false, (value) => { byLayer = value; looked(); }, { title: t(store, 'draw.by_layer_title'), dataset: { test: 'by-layer' } })),
        neuron.element,
        h('section.panel.answer-panel', h('h2', t(store, 'draw.answer')), answer.element, h('p.timing', forward, drawn))),
      code(store, python(network)));
    stops = [store.on(['neuron'], looked), frame.stop, view.stop, () => pad.stop?.(), () => strip?.stop()];
    arrive(pick, pad);
    return changed;
  }

  // Something to see at once: the sample of the address, what was there before, or the first of the data.
  async function arrive(pick, pad) {
    const before = store.get('sample'), index = store.get('sample.index'), data = store.get('data'), { inputs } = store.get('network').model;
    if (before && before.x.length === inputs) {
      pick(before, before.isLent);
      return;
    }
    pick({ x: null }, true);
    if (!data || !store.can('data.samples') || data.features !== inputs) return;
    const isChosen = Number.isInteger(index) && index >= 0 && index < data.shown, row = isChosen ? index : 0;
    const { X, y } = await store.call('data.samples', { rows: [row] }).catch(() => ({ X: null, y: null }));
    if (X?.length === inputs && !pad.isDrawn) pick({ x: Float32Array.from(X), y: y[0], index: row }, !isChosen);
  }

  // A page for another network, or new numbers in the same picture while it trains.
  function show() {
    const network = store.get('network');
    const key = network && network.runsHere ? JSON.stringify([network.model.inputs, network.model.shape, network.model.task, network.model.classes, network.links.map((link) => [link.name, link.fan_out]), Boolean(store.get('data')) && store.get('data').name]) : null;
    if (key && built && built.key === key) {
      built.changed();
      return;
    }
    stops.forEach((stop) => stop());
    stops = [];
    built = null;
    const go = (names) => h('div.row', names.map((name) => button(t(store, `screen.${name}`), () => store.set({ screen: name }), { primary: true, 'data-go': name })));
    if (!network) fill(root, message(t(store, 'draw.no_model')), store.can('train.start') ? go(['train']) : null);
    else if (!network.runsHere) fill(root, message(t(store, 'draw.own_layers')), go(['backprop', 'neurons', 'why']));
    else built = { key, changed: build(network) };
  }

  show();
  off = store.on(['network', 'data'], show);
  return () => {
    off();
    stops.forEach((stop) => stop());
  };
}
