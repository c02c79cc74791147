// What the laboratory's two screens share: what can be chosen, a run that goes on in the server, its curves, and how it ends.
import { h, fill } from './dom.js';
import { t } from './i18n.js';
import { button, field, panel, code, fault } from './ui.js';
import { lineChart, lineColors } from './chart.js';
import { counted, createFrame } from './frame.js';

const COLUMNS = ['step', 'passes', 'seconds', 'loss'];

/** @param {import('./store.js').Store} store */
export function armColor(store, known, name) {
  const colors = lineColors[store.get('theme')], at = known.findIndex(([key]) => key === name);
  return at < colors.length ? colors[at] : `hsl(${(at * 67) % 360} 55% ${store.get('theme') === 'dark' ? 68 : 42}%)`;
}

// spec: {name, arms: [[key, label]], fixed: [key], armsLabel, fields: [[label, control]], given() -> arguments, show(run), curve() -> {column, options}, label(key), ending(run)}.
// Returns the part of a screen with the run; `controls` stands at its top, `body` is the screen's own.
/** @param {HTMLElement} root  @param {import('./store.js').Store} store */
export function labPage(root, store, spec, body) {
  const { name } = spec, armsKey = `${name}.arms`;
  const error = fault({ dataset: { test: 'lab-error' } });
  const ending = h('p.lab-ending', { role: 'status', dataset: { test: 'ending' } });
  const chart = lineChart(store, { label: t(store, 'word.loss'), height: 240 }), python = h('div'), legend = h('div.legend');
  const canStart = store.can(`${name}.start`);   // a page that was exported has the run that there was
  let run = null, stopped = false, asking = 0;

  const { ask: redraw, stop: stopDrawing } = createFrame(draw);
  const start = button(t(store, 'word.start'), () => (run?.running ? call('stop') : begin()), { primary: true, dataset: { test: 'start' } });
  const arms = h('div.lab-arms', { role: 'group', 'aria-label': spec.armsLabel });

  function showArms() {
    fill(arms, spec.arms.map(([key, label]) => {
      const fixed = spec.fixed.includes(key), chosen = fixed || store.get(armsKey).includes(key);
      return h('button.lab-arm', { type: 'button', 'aria-pressed': String(chosen), disabled: fixed, dataset: { arm: key }, onclick: () => {
        const others = store.get(armsKey).filter((one) => one !== key);
        store.set({ [armsKey]: chosen ? others : [...others, key] });
        showArms();
        arms.querySelector(`[data-arm="${key}"]`).focus();
      } }, h('i', { style: { background: armColor(store, spec.arms, key) } }), spec.label(label));
    }));
  }

  async function call(action, args = {}) {
    const asked = ++asking;
    try {
      const found = await store.call(`${name}.${action}`, args);
      error.say(null);
      if (!stopped && asked === asking) adopt(found.run);
    } catch (problem) {
      if (!stopped) error.failed(problem);
    }
  }

  const begin = () => call('start', { arms: store.get(armsKey), ...spec.given() });

  function adopt(found) {
    run = found && !canStart ? { ...found, running: false, exported: found.running } : found;
    if (!run) return;
    for (const arm of run.arms) for (const column of COLUMNS) arm[column] = [...arm[column]];
    fill(python, code(store, run.code));
    redraw();
  }

  function take(frame) {
    if (!run || frame.id !== run.id) return;
    run.running = frame.running;
    for (const { name: key, row, profile, peak, done } of frame.arms) {
      const arm = run.arms.find((one) => one.name === key);
      Object.assign(arm, { profile, peak, done });
      if (row && row[0] > (arm.step.length ? arm.step[arm.step.length - 1] : -1)) COLUMNS.forEach((column, i) => arm[column].push(row[i] ?? NaN));
    }
    redraw();
  }

  function draw() {
    start.textContent = t(store, run?.running ? 'word.stop' : 'word.start');
    start.dataset.running = String(Boolean(run?.running));
    if (!run) return;
    const { column, options } = spec.curve();
    const shown = run.arms.filter((arm) => arm.step.length);
    const at = (arm, i) => (options.logX ? Math.log10(Math.max(1, arm[column][i])) : arm[column][i]);
    chart.draw(shown.map((arm) => ({ name: spec.label(spec.arms.find(([key]) => key === arm.name)[1]), color: armColor(store, spec.arms, arm.name), x: arm[column].map((_, i) => at(arm, i)), y: arm.loss })), options);
    fill(legend, shown.map((arm) => h('span', h('i', { style: { background: armColor(store, spec.arms, arm.name) } }), spec.label(spec.arms.find(([key]) => key === arm.name)[1]))));
    ending.textContent = run.ending && 'sentence' in run.ending ? spec.ending(run) : run.exported ? t(store, 'common.exported_running') : '';
    spec.show(run);
    store.set({ [`shown.${name}`]: { ...run } });   // for the course
    counted();
  }

  async function arrive() {
    await call('get');
    if (!run && !stopped && canStart && store.get('motion')) await begin();
    if (!run && !stopped && !canStart) ending.textContent = t(store, 'common.exported_nothing');
  }

  if (canStart) showArms();
  fill(root, canStart ? h('div.lab-bar', start, spec.fields.map(([label, control]) => field(label, control))) : null, canStart ? arms : null, error.element, ending, body(panel(t(store, 'word.loss'), spec.above, chart.element, legend)), python);
  arrive();
  const offs = [store.listen(`${name}.frame`, take), store.listen(`${name}.ended`, ({ id }) => { if (run && id === run.id) call('get'); }), store.listen('connected', () => { if (run) call('get'); })];
  return {
    redraw,
    stop() {
      stopped = true;
      store.set({ [`shown.${name}`]: null });
      stopDrawing();
      offs.forEach((off) => off());
      chart.stop();
    },
  };
}
