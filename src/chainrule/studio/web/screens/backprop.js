// Backpropagation step by step through the model on show: forward, loss, back, update, with every number.
import { h, fill } from '../dom.js';
import { code, message } from '../ui.js';
import { walkPicture } from './backprop_picture.js';
import { player } from './backprop_player.js';
import { sourcePanel } from './backprop_source.js';
import { splitPanel } from './backprop_split.js';
import { chainPanel, updatePanel } from './backprop_update.js';
import { lightFormulas } from './backprop_formulas.js';
import { exercisePanel } from './backprop_exercise.js';
import { neuronPanel, weightPanel } from './backprop_weight.js';
import { isMistake } from './backprop_question.js';
import { pythonOf } from './backprop_python.js';
import { zoomPanel } from './backprop_zoom.js';
import { knownFrom, says, stepsOf } from './backprop_steps.js';

export const url = ['backprop.source', 'backprop.sample', 'backprop.n', 'backprop.row', 'backprop.step', 'backprop.rate'];

const START = { 'backprop.source': null, 'backprop.n': 16, 'backprop.row': 0, 'backprop.step': 0, 'backprop.rate': 0.01, 'backprop.speed': 1 };

const REST = 700;   // milliseconds without other numbers until mistakes are counted again

function defaults(store) {
  const sample = store.get('sample'), index = sample && !sample.isLent ? sample.index : store.get('sample.index'), found = {};
  for (const [key, value] of Object.entries(START)) if (store.get(key) === undefined) found[key] = value;
  if (sample && store.get('backprop.adopted') !== sample && !sample.isLent) {   // it was drawn, or chosen, on another screen since
    if (Number.isInteger(index)) Object.assign(found, { 'backprop.sample': index, 'backprop.source': store.get('backprop.source') === 'batch' ? 'batch' : 'one' });
    else found['backprop.source'] = 'own';
    found['backprop.adopted'] = sample;
  } else if (store.get('backprop.sample') === undefined && Number.isInteger(index)) found['backprop.sample'] = index;
  store.set(found);
}

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function backprop(root, store) {
  defaults(store);
  let walk = null, steps = [], known = null, update = null, form = null, turn = 0, isOver = false, isLoading = false, isStale = false, resting = 0;
  let isOwn = Number.isInteger(store.get('backprop.sample')), start = null, ownNeuron = null, begun = null;   // begun: the sample that the newest walk began with; isOwn: a person has come to this sample, or begun to look at it
  const kept = new Map();   // by a network's form: the sample that was on show when another network came
  const note = h('div');
  const hover = (mark) => { picture.light(mark); lightFormulas(root, mark); };
  const choose = (mark) => {
    const parts = mark.index === '' ? [] : mark.index.split(',').map(Number);
    if (mark.role === 'weight') store.set({ weight: { name: `${mark.link}.${mark.field}`, i: parts.length ? parts[0] : null, j: parts.length > 1 ? parts[1] : null } });
    else if (mark.link !== 'target' && parts.length) store.set({ neuron: { link: mark.link, index: parts[parts.length - 1] } });
  };
  const pin = () => { isOwn = true; };
  const source = sourcePanel(store, () => { pin(); load(); }, () => { pin(); begin(store.get('backprop.sample')).then(() => load()); });
  const keysOn = store.host.kind === 'notebook' ? root : document, play = player(store, { go, keysOn });
  const picture = walkPicture(store, { neuron: (neuron) => store.set({ neuron }), weight: (weight) => store.set({ weight }), hover: (mark) => lightFormulas(root, mark), step: toColumn });
  const split = splitPanel(store, { hover }), weight = weightPanel(store, { hover, choose, derived: (found) => exercise.know(found) }), exercise = exercisePanel(store), zoom = zoomPanel(store), neuron = neuronPanel(store, { hover });
  const updates = updatePanel(store, { updated: (found) => { update = found; go(steps.length - 1); show(); publish(); } }), lines = chainPanel(store, { hover, choose });
  const python_ = h('div'), stage = h('section.stage', play.element, picture.element);
  const body = h('div.backprop', { hidden: true }, source.element, stage, h('div.explain', weight.element, zoom.element, exercise.element, lines.element, neuron.element, split.element, updates.element), python_);
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

  // What is on show, for the course.
  const publish = () => store.set({ 'shown.backprop': walk && { walk, update } });

  const writePython = () => fill(python_, code(store, pythonOf(store, walk)));

  function showAll() {
    source.show(walk, rankOf(walk));
    show();
    updates.show(walk);
    neuron.show(walk, row());
    exercise.show(walk, row());
    zoom.show(walk, row());
    lines.show(walk);
    writePython();
    publish();
    return weight.show(walk);
  }

  // What is known of the sample's place among the mistakes, counted for the very numbers that are walked.
  function rankOf({ rows, n, network }) {
    return start && rows && n === 1 && start.sample === rows[0] && start.network === network ? start : null;
  }

  // Counts anew when a network that learns has come to rest.
  function recount() {
    clearTimeout(resting);
    if (!start || !walk.rows || walk.n > 1 || start.sample !== walk.rows[0] || rankOf(walk)) return;
    resting = setTimeout(async () => {
      const { network, rows } = walk, found = await store.call('backprop.mistake', { of: rows[0] }).catch(() => null);
      if (isOver || !found || walk.network !== network || walk.rows?.[0] !== rows[0]) return;
      start = found.rank === null ? null : { ...found, network };
      source.show(walk, rankOf(walk));
    }, REST);
  }

  function formOf() {
    const model = store.get('model');
    return model && JSON.stringify(model.links.map(({ name, fan_out }) => [name, fan_out]));
  }

  // Whether a walk is through a network: the server may show another one already.
  function isOf({ links, x }, network) {
    return x.shape[1] === network.model.inputs && links.at(-1)?.name === network.links.at(-1)?.name && links.every(({ name, out }) => network.link(name)?.fan_out === out.shape[1]);
  }

  // To the sample with the largest loss among those that the model is wrong about, or the one after another.
  async function begin(after = null) {
    const of = formOf(), network = store.get('network');
    const found = await store.call('backprop.mistake', after === null ? {} : { after }).catch(() => ({ sample: 0 }));   // the walk says what is wrong with the data
    if (isOver || of !== formOf()) return;   // another network, of other data, has come meanwhile
    begun = found.sample;
    store.set({ 'backprop.sample': found.sample });
    start = found.searched === undefined ? null : { ...found, network };
  }

  async function load(mayBegin = true) {
    const mine = ++turn;
    begun = store.get('backprop.sample');
    if (source.seeks()) await begin();
    const asked = source.ask(), of = formOf();
    if (mine !== turn || isOver) return;
    if (!asked) return;   // the frame says it where there is no model
    try {
      const answer = await store.call('backprop.walk', asked);
      if (mine !== turn || isOver || of !== formOf() || !isOf(answer, store.get('network'))) return;   // of another network, which is walked next
      const found = { ...answer, assumed: answer.assumed || source.isGuessed(), network: store.get('network') };   // what is on show is of one network, also while another one comes
      if (mayBegin && !isOwn && start && start.mistakes && found.rows && found.n === 1 && !isMistake(store, found)) {   // it has learned this one meanwhile
        await begin();
        await load(false);
        return;
      }
      walk = found;
      steps = stepsOf(walk);
      known = knownFrom(walk, steps);
      update = null;
      fill(note);
      body.hidden = false;
      body.dataset.walk = walk.walk;
      await showAll();
      recount();
      const chosen = store.get('weight'), now = store.get('neuron');
      if (chosen && chosen.j !== null && (!now || now === ownNeuron)) {   // a person's choice stays
        ownNeuron = { link: chosen.name.split('.')[0], index: chosen.j };
        if (!now || now.link !== ownNeuron.link || now.index !== ownNeuron.index) store.set({ neuron: ownNeuron });
        else ownNeuron = now;
      }
      play.arrive();
    } catch (error) {
      if (mine === turn && error.message !== 'lost') fill(note, message(error.message, 'error'));
    }
  }

  // Walks anew with other numbers, once more behind a walk that is under way: a run changes them faster than they are read.
  async function follow() {
    isStale = isLoading;
    if (isLoading) return;
    isLoading = true;
    try {
      await load();
    } finally {
      isLoading = false;
    }
    if (isStale && !isOver) follow();
  }

  const offs = [
    store.on(['network', 'data', 'sample'], (keys) => {
      const now = formOf();
      if (keys.has('network') && form !== null && now !== form) {   // another network
        source.reset();
        weight.clear();
        neuron.clear();
        kept.set(form, store.get('backprop.sample'));
        start = null;
        isOwn = kept.has(now);
        store.set({ weight: null, neuron: null, 'backprop.sample': kept.get(now) ?? null, 'shown.backprop': null, ...(store.get('backprop.source') === 'own' ? { 'backprop.source': null } : {}) });   // its own numbers are none of this one's
      }
      form = now;
      follow();
    }),
    store.on(['backprop.sample'], () => { if (store.get('backprop.sample') === null && begun !== null) follow(); }),   // one that says more is asked for
    store.on(['backprop.step'], show),
    store.on(['backprop.row'], () => { if (walk) { source.thumbnail(row()); show(); neuron.show(walk, row()); exercise.show(walk, row()); zoom.show(walk, row()); } }),
    store.on('weight', () => { if (walk) writePython(); }),
    store.on('backprop.rate', () => { update = null; if (walk) { writePython(); show(); } }),
  ];
  form = formOf();
  root.addEventListener('pointerdown', pin);
  keysOn.addEventListener('keydown', pin);
  follow();
  return () => {
    isOver = true;
    clearTimeout(resting);
    store.set({ 'shown.backprop': null });
    root.removeEventListener('pointerdown', pin);
    keysOn.removeEventListener('keydown', pin);
    offs.forEach((off) => off());
    for (const part of [picture, play, weight, exercise, zoom, neuron, lines]) part.stop();
  };
}
