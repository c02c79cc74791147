// Backpropagation step by step through the model on show: forward, loss, back, update, with every number.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { code, message } from '../ui.js';
import { walkPicture } from './backprop_picture.js';
import { player } from './backprop_player.js';
import { sourcePanel } from './backprop_source.js';
import { splitPanel } from './backprop_split.js';
import { chainPanel, updatePanel } from './backprop_update.js';
import { indicesOf, lightFormulas, neuronPanel, placeName, weightPanel } from './backprop_weight.js';
import { knownFrom, says, stepsOf } from './backprop_steps.js';

export const url = ['backprop.source', 'backprop.sample', 'backprop.n', 'backprop.row', 'backprop.step', 'backprop.rate'];

const START = { 'backprop.source': null, 'backprop.sample': 0, 'backprop.n': 16, 'backprop.row': 0, 'backprop.step': 0, 'backprop.rate': 0.01, 'backprop.speed': 1 };

function defaults(store) {
  const sample = store.get('sample'), found = {};
  for (const [key, value] of Object.entries(START)) if (store.get(key) === undefined) found[key] = value;
  if ('backprop.sample' in found && sample && Number.isInteger(sample.index)) found['backprop.sample'] = sample.index;
  store.set(found);
}

// The same in Python: text that runs beside the model's file.
function python(store, walk) {
  const { model, data } = { model: store.get('model'), data: store.get('data') }, weight = store.get('weight'), rate = store.get('backprop.rate');
  const name = weight ? placeName(weight.name, indicesOf(weight)) : 'input[0]', lines = ['import chainrule'];
  const load = 'model = chainrule.load("model.safetensors")';
  const numbers = (values) => `[${Array.from(values, (value) => String(Number(value.toPrecision(9)))).join(', ')}]`;
  const target = walk.labels !== null ? `model.labels[${walk.labels[0]}]` : walk.target.shape[1] === 1 ? String(Number(walk.target[0].toPrecision(9))) : numbers(walk.target.subarray(0, walk.target.shape[1]));
  if (walk.n === 1 && model.inputs <= 64) lines.push('', load, `x, y = ${numbers(walk.x)}, ${target}`);
  else {
    const at = walk.rows ? (walk.n === 1 ? `[${walk.rows[0]}]` : `[${walk.rows[0]}:${walk.rows[0] + walk.n}]`) : '[0]', isMnist = data && data.name === 'mnist';
    const part = isMnist ? 'test.X{at}, test.y{at}' : 'data["X"]{at}, data["y"]{at}';
    if (isMnist) lines.push('from chainrule.datasets import load_mnist');
    else lines.push('import numpy');
    lines.push('', load, isMnist ? 'train, test = load_mnist()' : 'data = numpy.load("data.npz")', `x, y = ${part.replaceAll('{at}', at)}`);
  }
  lines.push('', 'trace = model.trace(x, y)', 'print(trace)  # z, a and delta of every link', `derivation = trace.derive("${name}")`, 'print(derivation)  # the chain rule with its numbers, and a difference',
    'print(derivation.value, derivation.numeric, derivation.relative_difference)', `print(derivation.step(${rate}))  # the update of this number alone`, 'loss, gradients = model.loss_and_gradients([x], [y], training=False)'.replace(/\[x\], \[y\], training=False/, walk.n > 1 ? 'x, y' : '[x], [y], training=False'));
  return lines.join('\n');
}

export function backprop(root, store) {
  defaults(store);
  let walk = null, steps = [], known = null, update = null, form = null, turn = 0, isOver = false;
  const note = h('div');
  const hover = (mark) => { picture.light(mark); lightFormulas(root, mark); };
  const choose = (mark) => {
    const parts = mark.index === '' ? [] : mark.index.split(',').map(Number);
    if (mark.role === 'weight') store.set({ weight: { name: `${mark.link}.${mark.field}`, i: parts.length ? parts[0] : null, j: parts.length > 1 ? parts[1] : null } });
    else if (mark.link !== 'target' && parts.length) store.set({ neuron: { link: mark.link, index: parts[parts.length - 1] } });
  };
  const source = sourcePanel(store, () => load());
  const play = player(store, { go });
  const picture = walkPicture(store, { neuron: (neuron) => store.set({ neuron }), weight: (weight) => store.set({ weight }), hover: (mark) => lightFormulas(root, mark), step: toColumn });
  const split = splitPanel(store, { hover }), weight = weightPanel(store, { hover, choose }), neuron = neuronPanel(store, { hover });
  const updates = updatePanel(store, { updated: (found) => { update = found; go(steps.length - 1); } }), lines = chainPanel(store, { hover, choose });
  const python_ = h('div'), stage = h('section.panel.stage', play.element, picture.element);
  const body = h('div.backprop', { hidden: true }, h('div.top', source.element), stage, h('div.two', h('div.column', weight.element), h('div.column', split.element, neuron.element, updates.element)), lines.element, python_);
  fill(root, note, body);

  const row = () => Math.max(0, Math.min(walk.shown - 1, store.get('backprop.row') || 0));

  // To a step, by the player, the keys or a click on a column.
  function go(at) {
    if (!walk) return;
    store.set({ 'backprop.step': Math.max(0, Math.min(steps.length - 1, at)) });
  }

  function toColumn(name) {
    const now = store.get('backprop.step'), isBack = now >= steps.findIndex(({ way }) => way === 'loss');
    const found = name === 'input' ? 0 : name === 'loss' ? steps.findIndex(({ way }) => way === (isBack ? 'error' : 'loss'))
      : steps.findIndex(({ way, link }) => link && link.name === name && way === (isBack ? 'back' : 'forward'));
    play.pause();
    go(found);
  }

  function show() {
    if (!walk) return;
    const at = Math.max(0, Math.min(steps.length - 1, store.get('backprop.step') || 0)), step = steps[at];
    picture.draw({ walk, steps, at, known, row: row() });
    play.show(steps, at, says(store, walk, step, row(), update));
    split.show(walk, step, row());
  }

  const writePython = () => fill(python_, code(t(store, 'common.python'), python(store, walk), t(store, 'common.copy'), t(store, 'common.copied')));

  function showAll() {
    source.show(walk);
    show();
    updates.show(walk);
    neuron.show(walk, row());
    lines.show(walk);
    writePython();
    return weight.show(walk);
  }

  async function load() {
    const asked = source.ask(), mine = ++turn;
    if (!asked) {
      if (!store.get('model')) fill(note, message(t(store, 'backprop.wait')));
      return;
    }
    try {
      const found = await store.call('backprop.walk', asked);
      if (mine !== turn || isOver) return;
      walk = found;
      steps = stepsOf(walk);
      known = knownFrom(walk, steps);
      update = null;
      fill(note);
      body.hidden = false;
      body.dataset.walk = walk.walk;
      await showAll();
      const chosen = store.get('weight');
      if (!store.get('neuron') && chosen && chosen.j !== null) store.set({ neuron: { link: chosen.name.split('.')[0], index: chosen.j } });
      play.arrive();
    } catch (error) {
      if (mine === turn && error.message !== 'lost') fill(note, message(error.message, 'error'));
    }
  }

  const offs = [
    store.on(['network', 'data', 'sample'], (keys) => {
      const model = store.get('model'), now = model && JSON.stringify(model.links.map(({ name, fan_out }) => [name, fan_out]));
      if (keys.has('network') && form !== null && now !== form) {   // another network
        source.reset();
        store.set({ weight: null, neuron: null });
      }
      form = now;
      load();
    }),
    store.on(['backprop.step'], show),
    store.on(['backprop.row'], () => { if (walk) { source.thumbnail(row()); show(); neuron.show(walk, row()); } }),
    store.on(['weight', 'backprop.rate'], () => { if (walk) { writePython(); show(); } }),
  ];
  load();
  return () => {
    isOver = true;
    offs.forEach((off) => off());
    for (const part of [picture, play, weight, neuron, lines]) part.stop();
  };
}
