// What goes in: one sample of the data, a batch, the drawing of another screen, or numbers of one's own; and its target.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { tabs, field, select, button } from '../ui.js';
import { palette, paint, sharePlace } from '../colors.js';
import { contextOf, questionOf } from './backprop_question.js';
import { refill, rowOf } from './backprop_steps.js';

const MAX_OWN = 12;   // inputs that can be typed
const MAX_BATCH = 256;

// changed(): other numbers go in.  next(): asks for the next mistake.
// Returns {element, ask(), show(walk, start), thumbnail(row), seeks(), reset()}: ask() gives the arguments of backprop.walk, or null while
// nothing is known; seeks() says whether a sample of the data goes in, and none was chosen yet.
/** @param {import('../store.js').Store} store */
export function sourcePanel(store, changed, next) {
  const controls = h('div.row.choice'), picture = h('canvas.neurons.sample', { hidden: true, 'aria-hidden': 'true' }), note = h('p.hint', { role: 'status' });
  const examples = h('div.row.examples'), head = h('div'), question = h('h2.question', { dataset: { test: 'question' } }), context = h('p.context');
  const element = h('section.panel.source', { dataset: { test: 'source' } }, h('div.asks', picture, h('div', question, context)), h('div.row.inputs', head, controls), note, examples);
  let own = null, label = null, target = null, walk = null, isRanked = false;   // isRanked: by loss alone, for want of mistakes

  const model = () => store.get('model');
  const hasData = () => Boolean(store.get('data')) && Boolean(model()) && store.get('data').features === model().inputs;

  function drawing() {
    const sample = store.get('sample');
    return sample && sample.index === null && !sample.isLent && model() && sample.x.length === model().inputs ? sample.x : null;
  }

  // The kinds of input that there are now.
  function sources() {
    const found = hasData() ? ['one', 'batch'] : [];
    if (drawing() || !hasData() || model().inputs <= MAX_OWN) found.push('own');
    if (!isFile()) return found;
    return found.filter((kind) => (kind === 'own' ? drawing() && store.knows('backprop.walk', { x: Array.from(drawing()), ...given(true) }) : kind === 'one'));
  }

  function source() {
    const wanted = store.get('backprop.source'), all = sources();
    if (all.includes(wanted)) return wanted;
    return drawing() && wanted === null ? 'own' : all[0];
  }

  const most = () => store.get('data').shown;
  const clamp = (value, low, high) => Math.max(low, Math.min(high, Math.round(value) || 0));
  const isFile = () => store.host.kind === 'offline';   // it has the walks that were taken along
  const first = () => clamp(store.get('backprop.sample'), 0, Math.max(0, most() - size()));
  const size = () => (source() === 'batch' ? clamp(store.get('backprop.n'), 2, Math.min(MAX_BATCH, most())) : 1);

  function ownNumbers() {
    if (drawing()) return Array.from(drawing());
    if (!own || own.length !== model().inputs) own = Array.from({ length: model().inputs }, () => 0);
    return own;
  }

  // The class next to the likeliest, for numbers of which nobody has said what they are.
  const runnerUp = () => (label === null && store.get('network').runsHere ? store.get('network').ranked(ownNumbers())[1] : undefined);

  function given(isOwn) {
    const { task, outputs } = model(), chosen = isOwn ? label ?? runnerUp() : label;
    if (task === 'regression') return target && target.length === outputs ? { y: target } : {};
    return task !== 'multilabel' && chosen < store.get('network').labels().length && chosen !== null ? { label: chosen } : {};
  }

  function ask() {
    if (!model() || !store.get('network')) return null;
    return source() === 'own' ? { x: ownNumbers(), ...given(true) } : { sample: first(), n: size(), ...(source() === 'one' ? given(false) : {}) };
  }

  const change = (patch) => {
    store.set(patch);
    label = null;
    target = null;
    changed();
  };

  const wholeNumber = (value, low, high, onchange, test) => h('input', { type: 'number', min: low, max: high, value, dataset: { test }, onchange: (event) => onchange(clamp(Number(event.target.value), low, high)) });

  function targetFields() {
    if (isFile()) return null;   // each of its walks has the sample's own
    if (walk.labels !== null) {
      const names = store.get('network').labels();
      return field(t(store, 'backprop.target'), select(names.map((name, k) => [k, name]), walk.labels[0], (value) => { label = Number(value); changed(); }, { dataset: { test: 'target' } }));
    }
    if (model().task !== 'regression' || model().outputs > 4) return null;
    return Array.from(rowOf(walk.target, 0), (value, k) => field(t(store, 'backprop.target'), h('input', { type: 'number', step: 'any', value: String(Number(value.toPrecision(7))), dataset: { test: 'target' },
      onchange: (event) => {
        if (event.target.value === '') return;
        target = Array.from(rowOf(walk.target, 0));
        target[k] = Number(event.target.value);
        changed();
      } })));
  }

  function fields(kind) {
    if (kind === 'own') {
      if (drawing() || model().inputs > MAX_OWN) return [];
      const names = model().features || ownNumbers().map((value, k) => `x[${k}]`);
      return ownNumbers().map((value, k) => field(names[k], h('input', { type: 'number', step: 'any', value, dataset: { test: 'own' }, onchange: (event) => { own[k] = Number(event.target.value) || 0; changed(); } })));
    }
    const found = [field(t(store, 'backprop.sample'), wholeNumber(first(), 0, most() - 1, (value) => change({ 'backprop.sample': value }), 'sample'))];
    if (kind === 'batch') {
      found.push(field(t(store, 'backprop.size'), wholeNumber(size(), 2, Math.min(MAX_BATCH, most()), (value) => change({ 'backprop.n': value }), 'size')));
      found.push(field(t(store, 'backprop.shown'), wholeNumber(store.get('backprop.row'), 0, walk.shown - 1, (value) => store.set({ 'backprop.row': value }), 'row')));
    } else found.push(button(t(store, 'backprop.another'), () => change({ 'backprop.sample': (first() + 1 + Math.floor(Math.random() * Math.max(1, most() - 1))) % most() }), { quiet: true, 'data-test': 'another' }),
      isFile() || !store.can('backprop.mistake') ? null : button(t(store, isRanked ? 'backprop.next_worst' : 'backprop.next_mistake'), next, { quiet: true, 'data-test': 'next-mistake' }));
    return found;
  }

  function thumbnail(row) {
    const shape = model().shape;
    picture.hidden = !shape;
    if (!shape) return;
    const x = rowOf(walk.x, row), high = x.reduce((all, value) => Math.max(all, value), 0) || 1;
    paint(picture, x, shape[1], palette(store.get('theme')).ink, (value) => sharePlace(value, high));
  }

  function show(found, start) {
    walk = found;
    isRanked = model().task === 'regression' || Boolean(start && start.mistakes === 0);
    question.textContent = questionOf(store, walk, start);
    context.textContent = contextOf(store, walk, start);
    const kind = source(), names = { one: t(store, 'backprop.one'), batch: t(store, 'backprop.batch'), own: t(store, drawing() ? 'backprop.drawing' : 'backprop.own') };
    fill(head, sources().length < 2 ? null : tabs(sources().map((name) => [name, names[name]]), kind, (name) => change({ 'backprop.source': name }), t(store, 'backprop.source')));
    refill(controls, fields(kind), kind === 'batch' ? null : targetFields());
    note.textContent = walk.assumed ? t(store, isGuessed() ? 'backprop.assumed_runner_up' : 'backprop.assumed') : '';
    note.hidden = !walk.assumed;
    const example = (kindOf, text) => button(text, () => store.call('backprop.example', { kind: kindOf }).catch(() => {}), { 'data-test': `example-${kindOf}` });
    fill(examples, !store.can('backprop.example') ? null : [h('div.row', example('lesson', t(store, 'backprop.example')), example('sigmoid', t(store, 'backprop.example_sigmoid')),
      walk.has_before ? button(t(store, 'backprop.example_end'), () => store.call('backprop.example_end').catch(() => {}), { primary: true, 'data-test': 'example-end' }) : null), h('p.hint', t(store, 'backprop.lesson'))]);
    thumbnail(Math.min(store.get('backprop.row'), walk.shown - 1));
  }

  const isGuessed = () => source() === 'own' && model().task !== 'regression' && runnerUp() !== undefined;   // the target, by the page
  const seeks = () => !isFile() && Boolean(model()) && hasData() && source() === 'one' && store.can('backprop.mistake') && !Number.isInteger(store.get('backprop.sample'));

  return { element, ask, show, thumbnail, seeks, isGuessed, reset: () => { label = null; target = null; own = null; } };
}
