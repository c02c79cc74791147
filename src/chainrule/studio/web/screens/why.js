// Why this answer: what each input did for it, by every method beside the others, and what would have turned it.
import { createNewest } from '../calls.js';
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { number, percent } from '../format.js';
import { button, field, message, numberInput, select } from '../ui.js';
import { createCursor, inputPicture, readout } from './why_pixels.js';
import { methods } from './why_methods.js';
import { proof } from './why_proof.js';
import { turning } from './why_turn.js';
import { evidence } from './why_story.js';
import { average } from './why_average.js';

export const url = ['why.target', 'why.against', 'why.methods', 'why.shared', 'why.share', 'why.levels'];

const text = (value) => (value === null || value === undefined || value === '' ? null : String(value));

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function why(root, store) {
  const status = h('div', { 'aria-live': 'polite' }), side = h('section.panel.why-side'), main = h('section.panel.why-methods'), turn = h('section.panel'), proved = h('section.panel', { hidden: true }), story = h('section.panel'), whole = h('section.panel.why-methods', { hidden: true });
  fill(root, status, h('div.why-columns', side, main, whole), h('div.why-below', proved, turn, store.host.kind === 'page' ? null : story));
  const body = [side, main, turn, story];
  const ofOne = [main, turn, proved, story];   // about a single network
  if (store.host.kind === 'page') fill(turn, h('p', t(store, 'play.why_more')), h('pre', 'chainrule studio'));
  const cursor = createCursor(), isOpen = () => !stopped, newest = createNewest(isOpen);
  let found = null, round = 0, stopped = false;

  const state = {
    cursor,
    get found() { return found; },
    get shape() { return store.get('model').shape; },
    get names() { return store.get('model').features; },
    // Which sample: a row of the data, or the numbers of a drawing.
    get which() { return found.row === null ? { x: Array.from(found.x) } : { row: found.row }; },
    get target() { return known(text(store.get('why.target'))); },
    get against() {
      const label = known(text(store.get('why.against')));
      return found.against && label !== (state.target ?? state.said) ? label : null;
    },
    get said() { return (found.answers.find((answer) => answer.is_said) || found.answers[0]).label; },
    isOpen,
  };
  const known = (label) => (label !== null && found.labels.includes(label) ? label : null);
  const hasAll = store.host.kind !== 'page';   // a page without Python has neither the change that turns an answer nor its story
  const parts = [methods(main, store, state), ...(hasAll ? [turning(turn, store, state), evidence(story, store, state)] : []), proof(proved, store, state)], together = [average(whole, store, state)];

  // What the store has: a drawing, or a row of the data; the first one where there is none.
  function wanted() {
    const sample = store.get('sample'), row = store.get('sample.index') ?? sample?.index, model = store.get('model');
    if (sample && sample.index === null && sample.x.length === model.inputs) return { x: Array.from(sample.x) };
    return store.get('data') ? { row: Number.isInteger(row) ? row : 0 } : null;
  }

  // Says why there is nothing to see.
  function instead(text, kind) {
    fill(status, message(text, kind));
    [...body, whole].forEach((part) => { part.hidden = true; });
  }

  // What the page knows by itself while the server is asked: the input, and the network's answers to it. null for nothing.
  function glance(which) {
    const network = store.get('network'), sample = store.get('sample'), { task, inputs } = store.get('model');
    const x = which.x ? Float32Array.from(which.x) : sample && sample.index === which.row ? sample.x : null;
    if (!x || x.length !== inputs || store.get('model').networks > 1 || !network.runsHere || !['multiclass', 'binary'].includes(task)) return null;
    const p = network.answer(network.forward(x).at(-1).a), most = Math.max(...p);
    const answers = network.labels().map((label, k) => ({ label, output: p[k], share: p[k], is_said: p[k] === most })).sort((one, other) => other.share - one.share);
    return { isGlance: true, row: which.row ?? null, x, y: sample?.y ?? null, task, answers, labels: network.labels(), against: false, methods: [], n: store.get('data')?.shown ?? 0 };
  }

  // What is on show while an answer is under way.
  function wait(which) {
    const seen = glance(which);
    if (seen) {
      found = seen;
      show();
    } else if (!found) {
      fill(side, h('h2', t(store, 'word.sample')), h('p.soft', t(store, 'why.waiting')));
    }
    side.setAttribute('aria-busy', 'true');
  }

  // The parts one after the other, the pictures of the methods first; a later round takes over from one under way.
  async function loadParts(what) {
    const mine = ++round;
    const isWhole = found.networks > 1;
    whole.hidden = !isWhole;
    ofOne.forEach((part) => { part.hidden = isWhole; });
    for (const part of isWhole ? together : parts) {
      if (mine !== round || stopped) return;
      await part.load(what);
    }
  }

  async function load() {
    if (!store.get('model')) {
      instead(t(store, ['server', 'page'].includes(store.host.kind) && !store.get('isKnown') ? 'why.waiting' : 'common.no_model'));
      return;
    }
    const which = wanted();
    if (!which) {
      instead(t(store, 'why.no_sample'));
      return;
    }
    fill(status);
    body.forEach((part) => { part.hidden = store.get('model').networks > 1 && ofOne.includes(part); });
    wait(which);
    await newest.ask(store.call('why.sample', which), (answer) => {
      found = answer;
      side.removeAttribute('aria-busy');
      if (found.row !== null) {
        const sample = store.get('sample');
        if (!sample || sample.index !== found.row) store.set({ sample: { x: Float32Array.from(found.x), y: found.y, index: found.row, isLent: !Number.isInteger(store.get('sample.index')) } });
      }
      show();
      return loadParts();
    }, (text) => {
      if ('row' in which && which.row !== 0) {   // of other data: the first sample of these
        store.set({ sample: null, 'sample.index': 0 });
        return;
      }
      found = null;
      instead(text, 'error');
    });
  }

  const go = (row) => store.set({ sample: null, 'sample.index': row });

  function chooser() {
    if (!found.n || store.host.kind === 'offline') return null;   // a file has the sample that it was made of
    const row = found.row ?? -1, step = (by) => go((row + by + found.n) % found.n);
    const wrong = async () => {
      const { row: next } = await store.call('why.mistake', { after: row });
      if (next === null) fill(status, message(t(store, 'why.no_mistake')));
      else go(next);
    };
    return h('div.row.chooser', button('‹', () => step(-1), { 'aria-label': t(store, 'why.previous') }),
      numberInput(row < 0 ? '' : row, go, { min: 0, max: found.n - 1, step: 1, 'aria-label': t(store, 'word.sample'), 'data-test': 'row' }),
      button('›', () => step(1), { 'aria-label': t(store, 'why.next') }),
      button(t(store, 'why.random'), () => go(Math.floor(Math.random() * found.n)), { quiet: true }),
      found.task === 'regression' ? null : button(t(store, 'why.mistake'), wrong, { quiet: true, 'data-test': 'mistake' }));
  }

  function answers() {
    const most = Math.max(...found.answers.map(({ output }) => Math.abs(output)), 1e-12);
    return h('div.answers', { dataset: { test: 'answers' } }, found.answers.slice(0, 10).map(({ label, output, share, is_said }) => h(`button.answer${is_said ? '.said' : ''}`, {
      type: 'button', disabled: !found.labels.length, 'aria-pressed': String(label === (state.target ?? state.said)), onclick: () => store.set({ 'why.target': label === state.said ? null : label }), dataset: { label } },
    h('span.label', label), h('span.track', h('i', { style: { width: `${100 * (share === null ? Math.abs(output) / most : share)}%` } })),
    h('span.value', share === null ? number(output, 4) : percent(share)))));
  }

  function show() {
    const drawn = found.row === null, options = found.labels.map((label) => [label, label]);
    const right = found.y !== null && String(found.y) === state.said;
    fill(side,
      h('h2', drawn ? t(store, 'why.drawing') : t(store, 'why.sample_of', { row: found.row })),
      chooser(),
      inputPicture(store, state),
      h('p.verdict', { dataset: { test: 'verdict' } }, verdict(right)),
      answers(),
      found.labels.length ? h('div.row.targets',
        field(t(store, 'why.target'), select([['', t(store, 'why.predicted', { label: state.said })], ...options], state.target ?? '', (label) => store.set({ 'why.target': label || null }), { dataset: { test: 'target' } })),
        found.against ? field(t(store, 'why.against'), select([['', t(store, 'why.nobody')], ...options.filter(([label]) => label !== (state.target ?? state.said))], state.against ?? '', (label) => store.set({ 'why.against': label || null }), { dataset: { test: 'against' } })) : null) : null,
      found.networks > 1 ? null : readout(store, state));
  }

  function verdict(right) {
    if (found.task === 'regression') return found.y === null ? '' : t(store, 'why.truth', { y: Array.isArray(found.y) ? found.y.map((v) => number(v, 4)).join(', ') : number(Number(found.y), 4) });
    if (found.task === 'multilabel' || found.y === null) return t(store, 'why.says', { label: state.said });
    return t(store, right ? 'why.says_right' : 'why.says_wrong', { label: state.said, y: String(found.y) });
  }

  const isAnswered = () => found && !found.isGlance;
  const offs = [
    store.on(['network', 'data', 'sample.index'], load),
    store.on(['sample'], () => { const sample = store.get('sample'); if (sample && (sample.index === null || (found && sample.index !== found.row))) load(); }),
    store.on(['why.target', 'why.against'], () => { if (isAnswered()) { show(); loadParts('target'); } }),
    store.on(['why.methods', 'why.shared'], () => isAnswered() && !(found.networks > 1) && parts[0].load('methods')),
  ];
  load();
  return () => { stopped = true; offs.forEach((off) => off()); };
}
