// What stands in a step of the course beside its texts: the recursion of the errors as matrices, histograms, a slider.
// Each is a function of the store that returns {element, show()}; show() follows the numbers on the screen.
import { h, fill } from './dom.js';
import { t } from './i18n.js';
import { field, slider } from './ui.js';
import { largest, paint, palette, signedPlace } from './colors.js';
import { recursionOf } from './course_facts.js';
import { normOf } from './course_facts_runs.js';
import { figure } from './screens/backprop_steps.js';

const BINS = 32;

// A matrix or a vector as a picture with its name and its shape below.
function picture(store, name, values, columns, kind = '') {
  const canvas = h('canvas', { 'aria-hidden': 'true' }), rows = values.length / columns, scale = largest(values);
  paint(canvas, values, columns, palette(store.get('theme')).signed, (value) => signedPlace(value, scale));
  canvas.style.aspectRatio = `${Math.max(columns, rows / 6)} / ${rows}`;
  return h(`figure.matrix${kind && `.factor.${kind}`}`, canvas, h('figcaption', h('b', name), h('span', columns > 1 ? `${rows} × ${columns}` : String(rows))));
}

/** δ of one layer from δ of the next: W δ, times the slopes.  @param {import('./store.js').Store} store */
export function recursion(store) {
  const element = h('div.course-figure', { role: 'img', dataset: { test: 'course-recursion' } });
  const sign = (text) => h('span.sign', { 'aria-hidden': 'true' }, text);
  return {
    element,
    show() {
      const found = recursionOf(store);
      element.hidden = !found;
      if (!found) return;
      const { link, next, W, error, back, slope, delta } = found, [rows, columns] = W.shape;
      element.setAttribute('aria-label', t(store, 'course.recursion', { rows, columns, link: link.sources[0], next: next.name, back: figure(largest(back), 3), delta: figure(largest(delta), 3) }));
      fill(element, h('div.matrices', picture(store, 'W⁽ˡ⁺¹⁾', W, columns, 'outer'), sign('·'), picture(store, 'δ⁽ˡ⁺¹⁾', error, 1, 'outer'), sign('='), picture(store, 'W δ', back, 1, 'outer'),
        sign('⊙'), picture(store, 'f ′(z)', slope, 1, 'middle'), sign('='), picture(store, 'δ⁽ˡ⁾', delta, 1)));
    },
  };
}

// How often the numbers fall into each of BINS parts of a range.
function bins(values, low, high) {
  const found = new Array(BINS).fill(0);
  for (const value of values) found[Math.max(0, Math.min(BINS - 1, Math.floor((BINS * (value - low)) / (high - low))))] += 1;
  return found;
}

const spreadOf = (values) => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return [mean, Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)];
};

/** The sums of a layer before and after batch normalization, as histograms of one scale.  @param {import('./store.js').Store} store */
export function histograms(store) {
  const element = h('div.course-figure', { dataset: { test: 'course-histograms' } });
  return {
    element,
    show() {
      const found = normOf(store);
      element.hidden = !found;
      if (!found) return;
      const range = Math.max(largest(found.before), largest(found.after)) || 1;
      const one = (key, values) => {
        const counts = bins(values, -range, range), most = Math.max(...counts), [mean, spread] = spreadOf(values), label = t(store, key, { mean: figure(mean, 3), spread: figure(spread, 3) });
        return h('figure.histogram', h('div.bins', { 'aria-hidden': 'true' }, counts.map((n) => h('i', { style: { height: `${(100 * n) / most}%` } }))), h('figcaption', { dataset: { mean, spread } }, label));
      };
      fill(element, one('course.before_norm', found.before), one('course.after_norm', found.after), h('p.hint', `−${figure(range, 3)} … ${figure(range, 3)}`));
    },
  };
}

/** The width of the plane's one hidden layer, and the loss that each width has come to.  @param {import('./store.js').Store} store */
export function width(store) {
  const layers = store.get('plane.layers');
  const control = slider(layers?.length === 1 ? layers[0] : 1, { min: 1, max: 12, oninput: (value) => store.set({ 'plane.layers': [value] }), dataset: { test: 'course-width' } });
  const list = h('div.course-widths', { dataset: { test: 'course-widths' } });
  return {
    element: h('div.course-figure', field(t(store, 'course.width'), control), list),
    show() {
      const shown = store.get('shown.plane'), known = store.get('course.widths') || {};
      if (!shown || shown.settings.kind !== 'surface' || shown.settings.layers.length !== 1) return;
      const [now] = shown.settings.layers, loss = shown.curve.loss[shown.curve.loss.length - 1];
      if (known[now] !== loss) store.set({ 'course.widths': { ...known, [now]: loss } });
      const all = { ...known, [now]: loss }, most = Math.max(...Object.values(all));
      fill(list, Object.keys(all).map(Number).sort((a, b) => a - b).map((w) => h('div.loss-by-width', h('span', String(w)), h('span.bar', { 'aria-hidden': 'true' }, h('i', { style: { width: `${(100 * all[w]) / most}%` } })), h('b', figure(all[w], 2)))));
    },
  };
}
