// The methods of attribution side by side: each a picture or bars, with what its values add up to and what they should.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { largest } from '../colors.js';
import { number } from '../format.js';
import { code, message, toggle } from '../ui.js';
import { nameOf, signedPicture } from './why_pixels.js';

const BARS = 12;

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function methods(root, store, state) {
  const heading = h('h2'), choice = h('div.row.method-choice', { role: 'group', 'aria-label': t(store, 'why.methods') }), grid = h('div.method-grid'), python = h('div');
  heading.textContent = t(store, 'why.methods');
  fill(grid, h('div.waiting', t(store, 'why.waiting')));
  fill(root, heading, choice, grid, python);
  let answers = {}, wanted = null;
  state.shown = () => chosen().map((name) => answers[name]).filter((answer) => answer && !answer.fault);

  // The methods that the address names; all of them where it names none that there are.
  function chosen() {
    const given = store.get('why.methods'), all = state.found.methods;
    const kept = Array.isArray(given) ? all.filter((name) => given.includes(name)) : all;
    return kept.length ? kept : all;
  }

  function choose() {
    const on = chosen();
    fill(choice, state.found.methods.map((name) => toggle(t(store, `why.method_${name}`), on.includes(name), (checked) => {
      const next = state.found.methods.filter((other) => (other === name ? checked : chosen().includes(other)));
      store.set({ 'why.methods': next.length === state.found.methods.length || !next.length ? null : next });
      if (!next.length) choose();
    }, { dataset: { method: name } })),
    toggle(t(store, 'why.shared'), store.get('why.shared') === true, (checked) => store.set({ 'why.shared': checked || null }), { dataset: { test: 'shared' } }));
  }

  // Asks each method by itself, so that a quick one does not wait for a slow one.
  async function load(what) {
    const { target, against } = state, settings = { ...state.which, ...(target === null ? {} : { target }), ...(against === null ? {} : { against }) };
    const key = JSON.stringify(settings);
    if (what !== 'methods' || key !== wanted) answers = {};
    wanted = key;
    choose();
    draw();
    await Promise.all(chosen().filter((name) => !answers[name]).map(async (name) => {
      let answer;
      try {
        answer = await store.call('why.method', { method: name, ...settings });
      } catch (error) {
        answer = { method: name, fault: error.message };
      }
      if (wanted !== key || !state.isOpen()) return;
      answers[name] = answer;
      draw();
    }));
  }

  function draw() {
    const on = chosen(), shown = state.shown();
    const scale = store.get('why.shared') === true ? Math.max(1e-300, ...shown.filter(({ method }) => method !== 'saliency').map(({ values }) => largest(values))) : null;
    const { target, against, said } = state;
    heading.textContent = against === null ? t(store, 'why.for', { label: target ?? said }) : t(store, 'why.for_against', { label: target ?? said, against });
    fill(grid, on.map((name) => {
      const answer = answers[name];
      return h('article.method', { dataset: { method: name, state: answer ? (answer.fault ? 'fault' : 'done') : 'waiting' } },
        h('h3', t(store, `why.method_${name}`)), answer ? (answer.fault ? message(answer.fault, 'error') : one(answer, name === 'saliency' ? null : scale)) : h('div.waiting', t(store, 'why.waiting')),
        h('p.about', t(store, `why.about_${name}`)));
    }));
    if (shown.length) {
      const last = shown.find(({ method }) => method === 'integrated_gradients') || shown[0];
      const open = python.querySelector('details[open]') !== null;
      fill(python, code(store, last.code));
      python.querySelector('details').open = open;
    }
    state.cursor.refresh();
  }

  function one(answer, shared) {
    const scale = shared ?? (largest(answer.values) || 1);
    const label = t(store, 'why.picture_of', { method: t(store, `why.method_${answer.method}`) });
    const view = state.shape ? signedPicture(store, state.cursor, answer.values, state.shape, scale, { 'aria-label': label, dataset: { test: `picture-${answer.method}` } }) : bars(answer, scale);
    return [view, state.shape ? legend(answer.method, scale) : null, sums(answer)];
  }

  // Saliency has no sign: it says how steep.
  const legend = (method, scale) => (method === 'saliency' ? h('p.scale', h('i.positive'), t(store, 'why.steep'), h('span', number(scale)))
    : h('p.scale', h('i.negative'), t(store, 'why.against_it'), h('i.positive'), t(store, 'why.for_it'), h('span', `±${number(scale)}`)));

  // What the values add up to, what they should, and the difference; a method that promises nothing says so.
  function sums({ method, sum, expected, error, promise, absorbed, output, complete, sentence }) {
    const row = (key, name, value, text) => h('div', h('dt', name), h('dd', { dataset: { of: key, value } }, text));
    const short = (v) => (v !== 0 && Math.abs(v) < 1e-9 ? v.toExponential(0).replace('-', '−') : number(v, 3));
    if (method === 'saliency') return [h('dl.sums', { title: sentence }, row('output', t(store, 'why.output'), output, number(output, 5))), h('p.promise', t(store, 'why.promise_none'))];
    return [
      h('dl.sums', { title: store.get('lang') === 'en' ? sentence : '' }, row('sum', t(store, 'why.sum'), sum, number(sum, 5)), row('expected', t(store, 'why.expected'), expected, number(expected, 5)),
        row('error', t(store, 'why.error'), error, short(error))),
      'biases' in absorbed ? h('p.promise', t(store, 'why.absorbed', { output: number(output, 4), biases: number(absorbed.biases, 3), epsilon: number(absorbed.epsilon, 2) })) : null,
      h(`p.promise${complete ? '.good' : ''}`, complete ? t(store, promise === 'output' ? 'why.promise_output' : 'why.promise_difference') : t(store, 'why.promise_open')),
    ];
  }

  // Of a table the values of a column's inputs are added up; saliency, which has no sign, has its steepest one.
  function parts({ method, values }) {
    const { columns, x } = state.found;
    if (!columns) return [...values.keys()].map((i) => ({ at: i, value: values[i], name: nameOf(store, state, i), cell: number(x[i], 3), whole: number(x[i], 4) }));
    return columns.map(({ name, inputs, cell }) => {
      const own = inputs.map((i) => values[i]), value = method === 'saliency' ? Math.max(...own) : own.reduce((sum, v) => sum + v, 0);
      return { at: inputs[0], value, name, cell, whole: cell };
    });
  }

  function bars(answer, shared) {
    const found = parts(answer), scale = state.found.columns ? Math.max(1e-300, ...found.map(({ value }) => Math.abs(value))) : shared;
    const order = found.sort((one, other) => Math.abs(other.value) - Math.abs(one.value) || one.at - other.at).slice(0, BARS);
    const said = (name, cell) => (cell === null || cell === '' ? name : `${name} = ${cell}`);
    return h('div.signed-bars', order.map(({ at, value, name, cell, whole }) => h('div.signed', { tabindex: 0, onfocus: () => state.cursor.set(at), onpointerenter: () => state.cursor.set(at), dataset: { feature: at, value } },
      h('span.label', { title: said(name, whole) }, said(name, cell)),
      h('span.track', h(`i${value < 0 ? '.minus' : ''}`, { style: { width: `${(50 * Math.abs(value)) / scale}%` } })), h('span.value', number(value, 3)))));
  }

  return { load };
}
