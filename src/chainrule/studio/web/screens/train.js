// Train a network before one's eyes: its settings, the run, its curves and its inside, the timeline, and two runs side by side.
import { h, fill, write, focused } from '../dom.js';
import { t } from '../i18n.js';
import { count, number, percent } from '../format.js';
import { counted, createFrame } from '../frame.js';
import { button, code, marked, message, panel, plain, toggle } from '../ui.js';
import { charts, monitorOf, reference } from './train_charts.js';
import { showCompare } from './train_compare.js';
import { dataPanel } from './train_data.js';
import { change, formOf, trainingFields, valueOf } from './train_form.js';
import { showHints, showNotices } from './train_hints.js';
import { confusion, inside } from './train_inside.js';
import { layerBuilder, widthsOf } from './train_layers.js';
import { followRun, isAlive } from './train_run.js';
import { toldForm } from './train_told.js';

export const url = ['train.form', 'train.data', 'train.points', 'train.knob', 'train.other', 'train.log'];

const READ_MS = 250;   // between two changes of what is read, while the curves go on: nobody reads faster
const LIVE = ['frame', 'look', 'epoch', 'mark'];

function typing(event) {
  const { tagName, type } = event.target;
  return event.ctrlKey || event.metaKey || event.altKey || ['TEXTAREA', 'SELECT'].includes(tagName) || (tagName === 'INPUT' && !['checkbox', 'range', 'file'].includes(type))
    || (event.key === ' ' && ['BUTTON', 'SUMMARY', 'A', 'INPUT'].includes(tagName));
}

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function train(root, store) {
  const canTrain = store.can('train.start');   // a page that was exported has the run that there was
  let checked = null, asked = 0, read = 0, due = new Set(), late = 0, stopped = false, timer = 0;
  const failure = h('div.failure', { role: 'alert', dataset: { test: 'failure' } });
  const failures = new Map();   // by what failed: an answer about one thing does not take away what is said of another
  const failing = (source) => (text) => {
    if (text) failures.set(source, text);
    else failures.delete(source);
    fill(failure, [...new Set(failures.values())].map((one) => message(one, 'error')));
  };
  const fail = failing('action'), failForm = failing('form');
  const attempt = async (name, args = {}) => {
    try {
      fail(null);
      return await store.call(name, args);
    } catch (error) {
      if (error.message !== 'lost') fail(error.message);
      return null;
    }
  };

  const soon = createFrame(draw);
  const isLive = (what) => run.state === 'running' && LIVE.includes(what);   // another is on its way
  function changed(what) {
    if (what === 'frame') paint('grow');
    due.add(what);
    if (isLive(what)) late = late || setTimeout(soon.ask, Math.max(0, READ_MS - (performance.now() - read)));
    else soon.ask();
  }
  const { run, stop: unfollow } = followRun(store, changed);
  const reading = () => store.get('train.sending') || run.reading;   // the name of data that are on their way: nothing starts on others
  const ifReady = (act) => () => (reading() || !canTrain ? null : act());
  const actions = {
    start: () => (run.state === 'paused' ? attempt('train.resume') : run.state === 'running' ? attempt('train.pause') : attempt('train.start', { form: formOf(store) })),
    step: () => attempt('train.step', { form: formOf(store) }),
    stop: () => attempt('train.stop'),
    rewind: () => attempt('train.rewind', { form: formOf(store) }),
    weights: () => { change(store, { seed: valueOf(store, 'seed') + 1 }); return actions.rewind(); },
    restart: () => attempt('train.start', { form: formOf(store), fresh: false }),
  };
  for (const name of ['start', 'step', 'rewind', 'weights', 'restart']) actions[name] = ifReady(actions[name]);

  // --- the parts of the page ------------------------------------------------------------------------------------
  const controls = h('div.row.controls'), status = h('p.status', { 'aria-live': 'polite', dataset: { test: 'status' } });
  const progress = h('progress', { max: 1, value: 0, 'aria-label': t(store, 'train.progress') });
  const tiles = h('div.tiles'), hints = h('div.hints', { dataset: { test: 'hints' } }), notices = h('div.hints', { role: 'status', dataset: { test: 'notices' } }), advice = h('div.advice');
  const verdict = h('p.verdict', { role: 'status', hidden: true, dataset: { test: 'verdict' } });
  const curves = charts(store), within = inside(store), matrix = confusion(store);
  const layers = h('div.layer-panel'), settings = h('div.settings'), python = h('div.python'), timeline = h('div.timeline'), compare = h('div.compare'), comparing = panel(t(store, canTrain ? 'train.compare' : 'train.runs'), compare), save = h('div.row.save');
  const data = canTrain ? dataPanel(store, reading, failing('data')) : { element: h('div.data'), show() {}, stop() {} };
  const invite = h('section.panel.invite', { dataset: { test: 'invite' } });
  const log = toggle(t(store, 'train.log'), Boolean(store.get('train.log')), (on) => { store.set({ 'train.log': on }); curves.draw(run, { log: on }); });
  const confused = panel(t(store, 'train.confusion'), matrix.element);
  const ofRun = (part) => { part.classList.add('of-run'); return part; };   // without a run it is not there
  fill(root,
    h('div.panel.top', h('div.row', controls, status), progress, failure),
    h('div.grid',
      h('div.side', panel(t(store, 'train.data'), data.element), panel(t(store, 'train.network'), layers), panel(t(store, 'train.settings'), settings)),
      h('div.stage', invite, notices, hints,
        ofRun(panel(null, tiles, curves.element, verdict, h('div.row.under', log))),
        canTrain ? ofRun(panel(t(store, 'train.timeline'), timeline)) : null,
        h('div.pair.of-run', panel(t(store, 'train.inside'), within.element), confused),
        comparing,
        canTrain ? ofRun(panel(t(store, 'train.save'), save)) : null, python)));

  // --- the form --------------------------------------------------------------------------------------------------
  const fieldIn = (box) => box.contains(document.activeElement) && focused().dataset.field;
  function showForm() {
    if (!store.get('train.options')) return;
    const field_ = fieldIn(settings);
    if (canTrain) {
      layerBuilder(store, layers, checked);
      fill(settings, trainingFields(store, checked));
    } else {
      const told = toldForm(store, checked);
      [[data.element, told.data], [layers, told.network], [settings, told.settings]].forEach(([box, made_]) => fill(box, made_));
    }
    showNotices(store, notices, checked?.notices ?? [], canTrain);
    showInvite();
    if (field_) settings.querySelector(`[data-field="${field_}"]`)?.focus();
    compareRuns();
  }
  async function check() {
    const number_ = ++asked;
    try {
      const found = await store.call('train.check', { form: formOf(store) });
      if (number_ !== asked || stopped) return;
      checked = found;
      failForm(null);
      fail(null);   // what was asked for with the form as it was
      fill(advice, found.advice.map((sentence) => h('p.message', sentence)));
      fill(python, advice, code(store, found.code));
      root.dataset.checked = String(number_);
    } catch (error) {
      if (number_ !== asked || stopped || error.message === 'lost') return;
      failForm(error.message);
    }
    showForm();
  }
  async function options(anew) {
    if (anew || !store.get('train.options')) store.set({ 'train.options': await store.call('train.options') });
    if (!stopped) {
      compareWithSimple();
      showForm();
      check();
      changed('all');   // the curves wait for them
    }
  }

  async function compareWithSimple() {
    const from = store.get('data');
    if (!from || !from.columns) {
      run.reference = null;
      return;
    }
    const found = await store.call('train.reference').catch(() => null);
    if (stopped || from !== store.get('data')) return;
    run.reference = found;
    changed('all');
  }

  // --- drawing ---------------------------------------------------------------------------------------------------
  const made = new Map();   // tiles by name: texts change thirty times a second, elements do not
  function tile(name, text, value) {
    if (!made.has(name)) made.set(name, h('div.tile', h('span.tile-name', t(store, `train.tile.${name}`)), h('strong', { dataset: { test: name } })));
    const number_ = made.get(name).lastChild;
    write(number_, text);
    if (number_.dataset.value !== String(value ?? '')) number_.dataset.value = value ?? '';
    return made.get(name);
  }
  function showTiles() {
    const kept = isAlive(run) ? {} : { ...run.kept, ...run.final }, last = { ...run.records[run.records.length - 1], ...kept }, share = (v) => (v === null || v === undefined ? '–' : percent(v, 1));
    const monitor = monitorOf(run), is = monitor.endsWith('accuracy') ? share : (v) => number(v, 4), score = [monitor, is(last[monitor]), last[monitor]];
    const { loss, accuracy } = { ...run, ...kept };   // of the weights that are kept, when they are
    const shown = [tile('loss', number(loss, 4), loss), ...(is === share ? [tile('accuracy', share(accuracy), accuracy)] : []), tile(...score), tile('val_loss', number(last.val_loss, 4), last.val_loss),
      tile('rate', number(run.rate, 3), run.rate), tile('speed', run.speed.samples ? count(Math.round(run.speed.samples)) : '–', run.speed.samples),
      tile('step_time', run.speed.steps ? t(store, 'train.ms', { n: number(1000 / run.speed.steps, 2) }) : '–', run.speed.steps ? 1000 / run.speed.steps : null)];
    if (shown.some((one, i) => tiles.children[i] !== one)) fill(tiles, shown);
  }
  function showControls() {
    const key = `${run.state} ${isAlive(run)} ${reading()}`;
    if (controls.dataset.key === key) return;
    controls.dataset.key = key;
    const label = { running: 'word.pause', paused: 'train.resume' }[run.state] || 'train.start', why = reading() ? t(store, 'train.reading', { name: reading() }) : null;
    const props = (test, title) => ({ 'data-test': test, disabled: Boolean(why), title: why || title });
    fill(controls, !canTrain ? null : [
      button(t(store, label), actions.start, { primary: true, ...props('start', t(store, 'train.key_space')) }),
      button(t(store, 'word.step'), actions.step, props('step', plain(t(store, 'train.key_s')))),
      button(t(store, 'word.stop'), actions.stop, { 'data-test': 'stop', disabled: !isAlive(run) }),
      button(t(store, 'train.rewind'), actions.rewind, { quiet: true, ...props('rewind', plain(t(store, 'train.key_r'))) }),
      button(t(store, 'train.new_weights'), actions.weights, { quiet: true, ...props('weights', null) })]);
    if (store.host.save) fill(save, button(t(store, 'train.save_shown'), () => store.host.save().catch((error) => fail(error.message)), { 'data-test': 'save' }), button(t(store, 'train.to_draw'), () => store.set({ screen: 'draw' })), h('p.help', t(store, 'train.on_show')));
    else fill(save, h('a.button', { href: '/download/model.safetensors?of=run', download: 'model.safetensors', dataset: { test: 'save' } }, t(store, 'train.save_run')),
      h('a.button', { href: '/download/model.safetensors', download: 'model.safetensors' }, t(store, 'train.save_shown')),
      button(t(store, store.get('data')?.columns ? 'train.to_try' : 'train.to_draw'), () => store.set({ screen: 'draw' })), h('p.help', t(store, 'train.on_show')));
    save.hidden = store.host.kind !== 'server' && !store.host.save;
  }
  function showInvite() {
    const from = store.get('data');
    if (!canTrain) return fill(invite, h('p', t(store, 'common.exported_nothing')));
    return fill(invite, h('h2', t(store, 'train.invite_title')), !from ? h('p', t(store, 'train.invite_data')) : !checked ? null : [
      h('p', t(store, 'train.invite_says', { widths: widthsOf(checked), size: count(checked.size), n: count(checked.samples), name: from.name })),
      h('ol', ['train.invite_press', 'train.invite_watch', 'train.invite_change'].map((key) => h('li', marked(t(store, key)))))]);
  }
  // How good it is in the end, beside the simpler models.
  function showVerdict() {
    const lines = Object.fromEntries(reference(run)), monitor = monitorOf(run), value = (run.final || {})[monitor], is = monitor.endsWith('accuracy') ? (v) => percent(v, 1) : (v) => number(v, 4);
    verdict.hidden = value === undefined || !('linear' in lines) || isAlive(run);
    if (!verdict.hidden) write(verdict, t(store, `train.verdict.${monitor}`, { n: count(run.reference.rows), target: store.get('data')?.target ?? '', network: is(value), linear: is(lines.linear), constant: is(lines.constant) }));
  }
  function showStatus() {
    const ends = { none: 'train.state.none', ready: 'train.state.ready', done: 'train.state.done', stopped: 'train.state.stopped', failed: 'train.state.failed' };
    const where = t(store, 'train.where', { epoch: Math.min(run.epoch + 1, run.epochs), epochs: run.epochs, seen: count(run.seen), step: count(run.step) });
    const text = run.state === 'running' ? where : run.state === 'paused' ? `${t(store, 'train.state.paused')} ${where}` : t(store, ends[run.state]);
    const told = canTrain ? text : t(store, { none: 'common.exported_nothing', running: 'common.exported_running', paused: 'common.exported_running' }[run.state] || ends[run.state]);
    write(status, reading() ? t(store, 'train.reading', { name: reading() }) : run.error ? `${told} ${run.error}` : told);
    status.classList.toggle('busy', Boolean(reading()));
    root.dataset.state = run.state;
    root.dataset.run = String(run.run);
    root.dataset.step = String(run.step);
    showVerdict();
    progress.value = run.state === 'done' ? 1 : run.samples * run.epochs > 0 ? run.seen / (run.samples * run.epochs) : 0;
  }
  function showTimeline() {
    const n = run.marks.seen.length;
    if (!n) return fill(timeline, h('p.message', t(store, 'train.no_timeline')));
    const at = run.shown ?? n - 1;
    let slider = timeline.querySelector('input');
    if (!slider) {
      slider = h('input', { type: 'range', min: 0, dataset: { test: 'timeline' }, 'aria-label': t(store, 'train.timeline'), oninput: () => scrub(Number(slider.value)) });
      fill(timeline, h('div.timeline-line', slider, button(t(store, 'train.newest'), () => attempt('train.show', {}), { 'data-test': 'newest' })), h('div.ticks', { 'aria-hidden': 'true' }), h('p.help', { dataset: { test: 'at' } }));
    }
    slider.max = n - 1;
    if (document.activeElement !== slider || run.shown === null) slider.value = at;
    timeline.querySelector('button').disabled = run.shown === null;
    fill(timeline.querySelector('.ticks'), [0, 1, 2, 3, 4].map((k) => h('span', count(run.marks.seen[Math.round((k * (n - 1)) / 4)]))));
    timeline.querySelector('p').textContent = run.shown === null ? t(store, 'train.live') : t(store, 'train.at', { seen: count(run.marks.seen[run.shown]), step: count(run.marks.step[run.shown]) });
    return null;
  }
  let wanted = null, scrubbing = false;
  async function scrub(at) {   // the newest place wins: one request at a time
    wanted = at;
    if (scrubbing) return;
    scrubbing = true;
    while (wanted !== null && !stopped) {
      const next = wanted;
      wanted = null;
      await attempt('train.show', next === run.marks.seen.length - 1 && !isAlive(run) ? {} : { at: next });
    }
    scrubbing = false;
  }
  const compareRuns = () => {
    if (!store.get('train.options')) return;
    comparing.hidden = !canTrain && !run.others.length;
    showCompare(store, compare, run, canTrain ? (given) => attempt('train.start', given) : null);
  };
  // The curves alone: their canvases wait for no frame of the page.
  function paint(how) {
    if (stopped || !store.get('train.options')) return;
    if (curves[how](run, { log: Boolean(store.get('train.log')) })) counted();
  }
  function draw() {
    clearTimeout(late);
    late = 0;
    const what = due, all = what.has('all');
    read = performance.now();
    due = new Set();
    if (all || what.has('shown')) paint('draw');
    else if (what.has('epoch')) curves.name(run);   // the next frames draw it
    showStatus();
    showTiles();
    if (all) showControls();
    if (all || what.has('look')) within.draw(run);
    if (all || what.has('epoch')) {
      matrix.draw(run);
      confused.hidden = monitorOf(run).endsWith('rmse');
    }
    if (all || what.has('mark') || what.has('shown')) showTimeline();
    if (all) compareRuns();
    if (all) data.show();
    if ((all || what.has('look')) && store.get('train.options')) showHints(store, hints, run, () => checked, canTrain ? actions.restart : null);
  }

  function onkey(event) {
    if (!canTrain || typing(event)) return;
    const action = { ' ': actions.start, s: actions.step, r: actions.rewind }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
  document.addEventListener('keydown', onkey);
  const offs = [
    store.on(['train.form'], () => { showForm(); clearTimeout(timer); timer = setTimeout(check, 120); }),
    store.on(['train.knob', 'train.other'], compareRuns),
    store.on(['data'], () => options(true).catch((error) => { if (error.message !== 'lost') fail(error.message); })),   // a table has other defaults
    store.on(['train.sending'], () => changed('all')),
  ];
  options();
  showTiles();
  return () => {
    stopped = true;
    clearTimeout(timer);
    clearTimeout(late);
    soon.stop();
    document.removeEventListener('keydown', onkey);
    offs.forEach((off) => off());
    unfollow();
    data.stop();
    curves.stop();
  };
}
