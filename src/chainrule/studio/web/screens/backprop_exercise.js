// Be the gradient: the learner computes a factor, the finite difference marks it, and the usual mistakes are told apart.
import { numberOf } from '../arithmetic.js';
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { count } from '../format.js';
import { button, tabs } from '../ui.js';
import { linkName, numberName } from './backprop_names.js';
import { figure } from './backprop_steps.js';
import { isSame, markOf, tasksOf } from './backprop_tasks.js';

const TASKS = ['product', 'outer', 'middle', 'inner', 'update'];
const TERMS = 6;   // of a sum, that are written out

// Returns {element, show(walk, row), know(found)}: know() brings what the server derived of the chosen weight, its finite difference.
/** @param {import('../store.js').Store} store */
export function exercisePanel(store) {
  const body = h('div'), element = h('section.panel.exercise', { dataset: { test: 'exercise' } }, h('h2', t(store, 'backprop.exercise')), h('p.hint', t(store, 'backprop.exercise_says')), body);
  const guess = h('input', { type: 'text', autocomplete: 'off', dataset: { test: 'exercise-guess' } }), verdict = h('div.exercise-verdict', { role: 'status', dataset: { test: 'exercise-verdict' } });
  let walk = null, row = 0, derived = null, chosen = 'product', form = '';

  const names = (place) => numberName(walk, place.name, [place.i, place.j]);
  const now = () => (walk && store.get('weight') ? tasksOf({ walk, network: walk.network, row }, store.get('weight'), store.get('backprop.rate')) : null);

  // The numbers that a task starts from: [[what, number, factor?]].
  function given({ factors, sum }) {
    const { link, behind, i, j, w, z, a, outer, middle, inner } = factors, source = linkName(store, walk, link.sources[0]), neuron = `${linkName(store, walk, link.name)}[${j}]`;
    const came = [t(store, 'backprop.exercise_inner', { source, i }), inner, 'inner'], slope = behind && [t(store, 'backprop.exercise_middle', { kind: behind.kind }), middle, 'middle'];
    const back = [t(store, behind ? 'backprop.exercise_outer' : 'backprop.exercise_outer_last', { neuron }), outer, 'outer'];
    if (chosen === 'product') return [back, slope, came];
    if (chosen === 'inner') return [[t(store, 'backprop.exercise_from', { weight: names(store.get('weight')), source, i }), null], [t(store, 'backprop.exercise_z', { neuron }), z], [t(store, 'backprop.exercise_a', { neuron }), a], [t(store, 'backprop.exercise_whole'), derived?.value], back, slope];
    if (chosen === 'middle') return [[t(store, 'backprop.exercise_z', { neuron }), z], [t(store, 'backprop.exercise_a', { neuron: behind ? `${linkName(store, walk, behind.name)}[${j}]` : neuron }), a]];
    if (chosen === 'update') return [[names(store.get('weight')), w], [t(store, 'backprop.exercise_whole'), outer * middle * inner], [t(store, 'backprop.rate'), store.get('backprop.rate')]];
    const rest = sum.terms.slice(TERMS), others = rest.reduce((all, { product }) => all + product, 0);
    return [...sum.terms.slice(0, TERMS).map(({ k, w: weight, delta }) => [`${numberName(walk, `${sum.next.name}.W`, [j, k])} · δ[${k}]`, `${figure(weight, 4)} × ${figure(delta, 4)}`, 'outer']), ...(rest.length ? [[t(store, 'backprop.others', { n: count(rest.length) }), others]] : [])];
  }

  function mark() {
    const found = now(), task = found?.tasks[chosen], number = numberOf(guess.value);
    if (!task || !derived) return;
    if (Number.isNaN(number)) {
      verdict.dataset.mark = 'number';
      fill(verdict, h('p', t(store, 'backprop.mark_number')));
      return;
    }
    const kind = markOf(task, number), own = task.derivative(number), { value } = derived.difference;
    verdict.dataset.mark = kind;
    verdict.className = `exercise-verdict ${kind === 'right' ? 'good' : 'bad'}`;
    fill(verdict, h('p', h('b', t(store, `backprop.mark_${kind}`))), h('p', t(store, isSame(own, value) ? 'backprop.marks_agree' : 'backprop.marks_differ', { own: figure(own, 5), difference: figure(value, 5) })));
  }

  function build() {
    const found = now(), key = JSON.stringify([walk?.walk, row, store.get('weight'), chosen, store.get('backprop.rate'), derived?.value]);
    if (key === form) return;
    form = key;
    fill(verdict);
    delete verdict.dataset.mark;
    if (!found) {
      fill(body, h('p.remarks', t(store, 'backprop.exercise_none')));
      return;
    }
    if (!found.tasks[chosen]) chosen = 'product';
    const { value } = derived?.difference || {};
    const options = TASKS.filter((name) => found.tasks[name]).map((name) => [name, t(store, `backprop.task_${name}`)]);
    guess.value = '';
    fill(body, h('div.scroll', tabs(options, chosen, (name) => { chosen = name; build(); body.querySelector('[aria-selected="true"]').focus(); }, t(store, 'backprop.exercise'))),
      h('p.exercise-ask', t(store, `backprop.ask_${chosen}`, { weight: names(store.get('weight')) })),
      value === 0 ? h('p.remarks', t(store, 'backprop.exercise_zero')) : null,
      h('dl.exercise-given', given(found).filter(Boolean).map(([label, number, factor]) => h('div', h('dt', label), number === null || number === undefined ? null : h(`dd${factor ? `.factor.${factor}` : ''}`, typeof number === 'number' ? figure(number, 5) : number)))),
      h('form.row', { onsubmit: (event) => { event.preventDefault(); mark(); } }, h('label', t(store, 'backprop.exercise_yours'), guess), button(t(store, 'backprop.exercise_mark'), mark, { primary: true, 'data-test': 'exercise-mark' })), verdict);
  }

  const offs = [store.on(['weight', 'backprop.rate', 'network'], () => { derived = null; build(); })];
  return {
    element,
    show(next, at) {
      walk = next;
      row = at;
      build();
    },
    know(found) {
      derived = found;
      build();
    },
    stop: () => offs.forEach((off) => off()),
  };
}
