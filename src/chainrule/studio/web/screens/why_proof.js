// How far every pixel may change with a proof that the answer stays, and what the answers can be until then.
import { createNewest } from '../calls.js';
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { inkOf } from '../drawing.js';
import { number, percent } from '../format.js';
import { message, slider } from '../ui.js';
import { inkRange } from './why_pixels.js';

const LEVELS = 255, MOST = 20, USUAL = 2;

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function proof(root, store, state) {
  const newest = createNewest(state.isOpen), farthest = createNewest(state.isOpen), bars = h('div.answers.proof', { dataset: { test: 'proof' } }), told = h('p', { 'aria-live': 'polite', dataset: { test: 'proof-says' } }), most = h('p.soft', { dataset: { test: 'proof-most' } });
  let seen = null, asking = null, isAsked = false;

  // The change of a pixel by one level, and the least and the largest pixel: of bytes and shares of 1; null for others, which may be any.
  function scale() {
    const network = store.get('network'), [low, high] = inkRange(state.found.x), ink = network.links[0].kind === 'rescale' ? inkOf(network) : Math.max(1, high);
    const isBounded = low === 0 && high <= ink && [1, LEVELS].includes(ink);
    return { unit: (ink - low) / LEVELS, ends: isBounded ? [0, ink] : null };
  }

  const levels = () => (Number.isFinite(store.get('why.levels')) ? Math.min(MOST, Math.max(0, store.get('why.levels'))) : USUAL);

  function show(found, radius) {
    root.hidden = !found;
    if (!found) return;
    const { answers } = state.found, labels = store.get('network').labels(), shares = new Map(answers.map(({ label, share }) => [label, share]));
    told.dataset.proven = String(found.proven);
    told.textContent = t(store, found.proven ? 'why.proof_holds' : 'why.proof_fails', { levels: radius, label: state.said });
    const order = [...labels.keys()].sort((one, two) => found.high[two] - found.high[one]).slice(0, 10);
    fill(bars, order.map((k) => {
      const low = Math.max(0, found.low[k]), high = Math.min(1, found.high[k]);
      return h(`div.answer${labels[k] === state.said ? '.said' : ''}`, { dataset: { label: labels[k], low: found.low[k], high: found.high[k] } }, h('span.label', labels[k]),
        h('span.track', h('i', { style: { left: `${100 * low}%`, width: `${100 * (high - low)}%` } }), h('b', { style: { left: `${100 * shares.get(labels[k])}%` } })),
        h('span.value', `${percent(low)} – ${percent(high)}`));
    }));
  }

  const askOnce = () => {
    const { unit, ends } = scale(), radius = levels(), { found } = state;
    return newest.ask(store.call('why.proof', { ...state.which, radius: radius * unit, ends }), (proven) => (state.found === found ? show(proven, radius) : null), (text) => fill(told, message(text, 'error')));
  };

  // Asks for the newest radius, one question at a time.
  function ask() {
    isAsked = true;
    asking ??= (async () => {
      while (isAsked && state.isOpen()) {
        isAsked = false;
        await askOnce();
      }
      asking = null;
    })();
    return asking;
  }

  async function load(what) {
    const key = JSON.stringify(state.which);
    root.hidden = !state.shape || !['multiclass', 'binary'].includes(state.found.task);
    if (root.hidden || (what === 'target' && seen === key)) return;   // the proof is about the answer that was given
    fill(bars);
    most.textContent = '';
    told.textContent = t(store, 'why.waiting');
    fill(root, h('h2', t(store, 'why.proof')), told,
      h('label.walk', h('span', t(store, 'why.levels')), slider(levels(), { min: 0, max: MOST, step: 0.5, disabled: store.host.kind === 'offline', oninput: (value) => { store.set({ 'why.levels': value === USUAL ? null : value }); ask(); }, 'aria-label': t(store, 'why.levels'), 'data-test': 'levels' })),
      bars, most);
    await ask();
    if (root.hidden) return;
    const { unit, ends } = scale();
    await farthest.ask(store.call('why.proven', { ...state.which, unit, ends }), ({ radius }) => {
      seen = key;
      most.dataset.value = radius;
      most.textContent = radius === null ? t(store, 'why.proof_always') : t(store, 'why.proof_most', { levels: number(radius, 3) });
    }, (text) => { most.textContent = text; });
  }

  return { load };
}
