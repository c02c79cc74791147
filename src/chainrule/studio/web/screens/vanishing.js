// The gradient by layer of nets that train side by side: the plain deep net, and what four cures do about it.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { number, percent } from '../format.js';
import { select, slider } from '../ui.js';
import { labPage, armColor } from '../lab_page.js';

const defaults = { 'vanishing.arms': ['sigmoid', 'relu', 'relu_batch_norm', 'sigmoid_skip', 'sigmoid_residual'], 'vanishing.depth': 12, 'vanishing.budget': 0.5, 'vanishing.rate': 'own', 'vanishing.seed': 0 };
export const url = Object.keys(defaults);

export const NETS = [['sigmoid', 'vanishing.sigmoid'], ['tanh', 'vanishing.tanh'], ['relu', 'vanishing.relu'], ['relu_batch_norm', 'vanishing.relu_batch_norm'], ['sigmoid_skip', 'vanishing.sigmoid_skip'], ['sigmoid_residual', 'vanishing.sigmoid_residual']];
const LOW = -14, HIGH = 2;   // powers of ten that a bar can show
const WELL = 1e-3, GUESS = Math.log(10);

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function vanishing(root, store) {
  for (const [key, value] of Object.entries(defaults)) if (store.get(key) === undefined) store.set({ [key]: value });
  const get = (key) => store.get(`vanishing.${key}`), put = (key) => (value) => store.set({ [`vanishing.${key}`]: value });
  const nets = h('div.vanishing-nets', { dataset: { test: 'nets' } }, h('p.panel.soft.wait', t(store, 'vanishing.wait')));
  const says = h('p.soft.bars-says', { hidden: true }, t(store, 'vanishing.bars_says')), high = h('div.high', { dataset: { test: 'high' } });
  const label = (key) => t(store, key), nameOf = (arm) => label(NETS.find(([key]) => key === arm.name)[1]);
  const cards = new Map();

  function card(arm, layers) {
    const bars = Array.from({ length: layers }, (_, l) => h('span.level', { dataset: { layer: l + 1 } }, h('i', { style: { background: armColor(store, NETS, arm.name) } })));
    const first = h('b', { dataset: { test: `first-${arm.name}` } }), loss = h('b', { dataset: { test: `loss-${arm.name}` } }), more = h('p.soft');
    const element = h('section.panel.vanishing-net', { dataset: { net: arm.name } }, h('h2', nameOf(arm)),
      h('div.bars', { role: 'img', 'aria-label': t(store, 'vanishing.bars_label') }, h('span.one', { 'aria-hidden': 'true' }, '1'), bars),
      h('div.axis', h('span', t(store, 'vanishing.first')), h('span', t(store, 'vanishing.last'))),
      h('dl', h('div', h('dt', t(store, 'vanishing.arrives')), h('dd', first)), h('div', h('dt', t(store, 'word.loss')), h('dd', loss))), more);
    return { element, bars, first, loss, more, layers };
  }

  function show(run) {
    const now = run.arms.filter((arm) => arm.profile.length);
    const form = now.map((arm) => `${arm.name}${arm.profile.length}`).join() + run.id;
    if (nets.dataset.form !== form) {
      nets.dataset.form = form;
      nets.style.setProperty('--in-row', now.length > 5 ? Math.ceil(now.length / 2) : Math.max(3, now.length));   // none is left alone in a row
      says.hidden = !now.length;
      cards.clear();
      now.forEach((arm) => cards.set(arm.name, card(arm, arm.profile.length)));
      fill(nets, now.map((arm) => cards.get(arm.name).element));
    }
    for (const arm of now) {
      const { bars, first, loss, more } = cards.get(arm.name), last = arm.loss[arm.loss.length - 1];
      arm.profile.forEach((ratio, l) => {
        const height = ratio > 0 ? Math.max(0, Math.min(1, (Math.log10(ratio) - LOW) / (HIGH - LOW))) : 0;
        bars[l].dataset.value = String(ratio);
        bars[l].title = t(store, 'vanishing.bar', { layer: l + 1, ratio: number(ratio, 3) });
        bars[l].firstChild.style.height = `${100 * height}%`;
        bars[l].classList.toggle('lost', ratio < WELL);
      });
      first.textContent = `${number(arm.profile[0], 2)} ×`;
      first.dataset.value = String(arm.profile[0]);
      first.classList.toggle('lost', arm.profile[0] < WELL);
      loss.textContent = number(last, 3);
      loss.dataset.value = String(last);
      more.textContent = arm.error || (arm.facts?.accuracy != null ? t(store, 'vanishing.reads', { share: percent(arm.facts.accuracy), rate: arm.facts.rate }) : t(store, 'vanishing.step', { n: arm.step[arm.step.length - 1] }));
    }
    fill(high, now.filter((arm) => arm.peak.loss).map((arm) => whyHigh(arm, run.settings.depth)));
  }

  // Why a net's loss is above that of guessing, in the numbers of its worst look.
  function whyHigh(arm, depth) {
    const { step, loss, spread } = arm.peak, end = arm.loss.length - 1;
    const values = { net: nameOf(arm), first: number(arm.loss[0], 3), loss: number(loss, 3), step, guess: number(GUESS, 3), spread: number(spread, 3), now: arm.step[end], last: number(arm.loss[end], 3) };
    const blocks = /_(skip|residual)$/.test(arm.name) && depth > 2 ? [' ', t(store, 'vanishing.high_blocks', { blocks: depth - 1 })] : [];
    return h('p.soft', { dataset: { net: arm.name } }, t(store, step ? 'vanishing.high_peak' : 'vanishing.high_start', values), blocks);
  }

  function ending({ ending: found, arms, settings }) {
    if (found.sentence && store.get('lang') === 'en') return found.sentence;
    if (found.sentence) return t(store, found.learns ? 'vanishing.ending_learns' : 'vanishing.ending', { depth: settings.depth, ratio: number(found.ratio, 2), restored: found.restored, cured: found.cured });
    return t(store, 'vanishing.ending_some', { learned: found.learned.length, all: arms.length });
  }

  const rates = [['own', t(store, 'vanishing.own')], ...[0.003, 0.01, 0.03, 0.1, 0.3, 1].map((rate) => [rate, String(rate)])];
  const budgets = [[0.1, t(store, 'vanishing.short')], [0.5, t(store, 'vanishing.middle')], [1, t(store, 'vanishing.long')]];
  const page = labPage(root, store, {
    name: 'vanishing', arms: NETS, fixed: [], armsLabel: t(store, 'vanishing.nets'), label, above: null, show, ending,
    fields: [[t(store, 'vanishing.depth'), slider(get('depth'), { min: 2, max: 20, oninput: put('depth'), dataset: { test: 'depth' } })],
      [t(store, 'vanishing.rate'), select(rates, get('rate'), (value) => put('rate')(value === 'own' ? value : Number(value)), { dataset: { test: 'rate' } })],
      [t(store, 'vanishing.budget'), select(budgets, get('budget'), (value) => put('budget')(Number(value)), { dataset: { test: 'budget' } })],
      [t(store, 'vanishing.seed'), slider(get('seed'), { min: 0, max: 20, oninput: put('seed') })]],
    given: () => ({ depth: get('depth'), budget: get('budget'), rate: get('rate') === 'own' ? null : get('rate'), seed: get('seed') }),
    curve: () => ({ column: 'step', options: { logY: true } }),
  }, (curves) => h('div', says, nets, high, curves));
  return page.stop;
}
