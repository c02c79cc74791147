// Three zooms of one picture: the network, the matrix of a layer, a single product; the formula stays in sight. The weight can be dragged,
// and the loss and its derivative follow.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { lineChart } from '../chart.js';
import { largest, paint, palette, signedPlace } from '../colors.js';
import { createFrame } from '../frame.js';
import { button, field, slider, tabs } from '../ui.js';
import { linkName, numberName } from './backprop_names.js';
import { figure, isDense } from './backprop_steps.js';
import { matrixOf, movedOf } from './backprop_moved.js';
import { factorsOf } from './backprop_tasks.js';

const POINTS = 81, STEPS = 400;
const REACH = 4;   // how far a weight can be dragged, at least

// Returns {element, show(walk, row), stop}.
/** @param {import('../store.js').Store} store */
export function zoomPanel(store) {
  const formula = h('p.zoom-formula', { 'aria-live': 'polite', dataset: { test: 'zoom-formula' } }), trail = h('div.row.zoom-trail', { role: 'group', 'aria-label': t(store, 'backprop.zoom') }), view = h('div.zoom-view');
  const element = h('section.panel.zoom', { dataset: { test: 'zoom' } }, h('h2', t(store, 'backprop.zoom')), h('p.hint', t(store, 'backprop.zoom_says')), h('div.zoom-head', formula, trail), view);
  const chart = lineChart(store, { label: t(store, 'backprop.zoom_curve'), height: 170 }), frame = createFrame(follow);
  let walk = null, row = 0, level = 'product', isGradient = false, value = null, moved = null, curve = null, form = '', facts = null;

  const found = () => ({ walk, network: walk.network, row });
  const weight = () => store.get('weight');
  const hasWeight = () => Boolean(walk && weight() && factorsOf(found(), weight()));
  const number = (text, kind) => h(`b.factor.${kind}`, text);

  // --- what follows the weight

  function state() {
    const factors = factorsOf(found(), weight());
    if (moved && value !== null) return { ...factors, ...moved.at(value), w: value };
    return { ...factors, loss: walk.losses[row], derivative: factors.outer * factors.middle * factors.inner };
  }

  function follow() {
    if (!hasWeight()) return;
    const now = state(), { behind, outer, middle, inner, derivative, loss, w, z, a } = now, name = numberName(walk, weight().name, [now.i, now.j]);
    element.dataset.derivative = String(derivative);
    element.dataset.loss = String(loss);
    fill(formula, h('span.zoom-left', `∂${linkName(store, walk, 'loss') === 'C' ? 'C' : 'L'}/∂${name} = `), number(figure(outer, 4), 'outer'), behind ? [' · ', number(figure(middle, 4), 'middle')] : null, ' · ', number(figure(inner, 4), 'inner'), ` = ${figure(derivative, 5)}`,
      h('span.zoom-loss', t(store, 'backprop.zoom_loss', { loss: figure(loss, 5) })));
    if (level !== 'product' || !facts) return;
    const came = `${linkName(store, walk, now.link.sources[0])}[${now.i}]`, own = `${linkName(store, walk, now.link.name)}[${now.j}]`;
    fill(facts, h('div', h('dt', t(store, 'backprop.zoom_product', { came })), h('dd', number(figure(inner, 4), 'inner'), ` × ${figure(w, 5)} = ${figure(inner * w, 4)}`)), h('div', h('dt', t(store, 'backprop.exercise_z', { neuron: own })), h('dd', figure(z, 5))),
      behind ? h('div', h('dt', `${behind.kind}(z), ${t(store, 'backprop.exercise_middle', { kind: behind.kind })}`), h('dd', figure(a, 4), ', ', number(figure(middle, 4), 'middle'))) : null, h('div', h('dt', t(store, behind ? 'backprop.exercise_outer' : 'backprop.exercise_outer_last', { neuron: own })), h('dd', number(figure(outer, 4), 'outer'))));
    if (!moved || !curve) return;
    const reach = (curve.x[POINTS - 1] - curve.x[0]) / 6, from = Math.max(curve.x[0], w - reach), to = Math.min(curve.x[POINTS - 1], w + reach);
    chart.draw([{ name: t(store, 'backprop.zoom_curve'), x: curve.x, y: curve.y }, { name: t(store, 'backprop.zoom_tangent'), dashed: true, x: [from, to], y: [loss + derivative * (from - w), loss + derivative * (to - w)] }], { marks: [w] });
  }

  // --- the three levels

  function networkView() {
    const links = walk.links.filter((link) => isDense(link) && link.fields.W), W = (link) => walk.network.arrays[`${link.name}.W`];
    return h('div.zoom-network', h('span.zoom-end', linkName(store, walk, 'input')), links.map((link) => {
      const [rows, columns] = W(link).shape, name = linkName(store, walk, link.name);
      return [h('span.zoom-arrow', { 'aria-hidden': 'true' }, '→'), h('button.zoom-layer', { type: 'button', 'aria-current': weight().name === `${link.name}.W` ? 'true' : null, dataset: { layer: link.name }, onclick: () => into(link) }, canvasOf(W(link), rows, columns), h('span', t(store, 'backprop.zoom_layer', { name, rows, columns })))];
    }), h('span.zoom-arrow', { 'aria-hidden': 'true' }, '→'), h('span.zoom-end', linkName(store, walk, 'loss')));
  }

  function canvasOf(values, rows, columns, props = {}) {
    const canvas = h('canvas', { 'aria-hidden': 'true', ...props }), most = largest(values), isTurned = rows > columns;   // long sides lie
    const shown = isTurned ? Float32Array.from(values, (_, at) => values[(at % rows) * columns + Math.floor(at / rows)]) : values;
    paint(canvas, shown, isTurned ? rows : columns, palette(store.get('theme')).signed, (one) => signedPlace(one, most));
    return canvas;
  }

  function into(link) {
    const [i, j] = link.fields.W.largest.index;
    level = 'matrix';
    if (weight().name !== `${link.name}.W`) store.set({ weight: { name: `${link.name}.W`, i, j } });
    build(true);
    trail.querySelector('[aria-pressed="true"]').focus();
  }

  function matrixView() {
    const name = weight().name.split('.')[0], { rows, columns, W, G } = matrixOf(found(), name), { i, j } = weight(), isTurned = rows > columns, across = isTurned ? rows : columns, down = isTurned ? columns : rows;
    const at = (one, two) => store.set({ weight: { ...weight(), i: Math.max(0, Math.min(rows - 1, one)), j: Math.max(0, Math.min(columns - 1, two)) } });
    const picture = canvasOf(isGradient ? G : W, rows, columns), box = h('div.zoom-matrix', { role: 'application', tabindex: 0, dataset: { test: 'zoom-matrix' }, 'aria-label': t(store, 'backprop.zoom_matrix', { name: linkName(store, walk, name), i, j, w: figure(W[i * columns + j], 4), g: figure(G[i * columns + j], 4) }),
      onclick: (event) => {
        const frame = picture.getBoundingClientRect(), x = Math.floor((across * (event.clientX - frame.left)) / frame.width), y = Math.floor((down * (event.clientY - frame.top)) / frame.height);
        at(isTurned ? x : y, isTurned ? y : x);
      },
      onkeydown: (event) => {
        const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (event.key === 'Enter') { level = 'product'; build(true); trail.lastChild.focus(); }
        else if (move) at(i + (isTurned ? move[0] : move[1]), j + (isTurned ? move[1] : move[0]));
        else return;
        event.preventDefault();
        event.stopPropagation();   // the arrows step through the walk elsewhere
      } }, picture, h('i.zoom-cell', { style: { left: `${(100 * ((isTurned ? i : j) + 0.5)) / across}%`, top: `${(100 * ((isTurned ? j : i) + 0.5)) / down}%` } }));
    const choice = tabs([['weights', t(store, 'backprop.zoom_weights')], ['gradient', t(store, 'backprop.zoom_gradient')]], isGradient ? 'gradient' : 'weights', (key) => { isGradient = key === 'gradient'; build(); view.querySelector('[aria-selected="true"]').focus(); }, t(store, 'backprop.zoom_show'));
    return h('div', choice, box, h('p.hint', t(store, isTurned ? 'backprop.zoom_turned' : 'backprop.zoom_straight', { rows, columns })), button(t(store, 'backprop.zoom_in'), () => { level = 'product'; build(true); trail.lastChild.focus(); }, { 'data-test': 'zoom-in' }));
  }

  function productView() {
    facts = h('dl.exercise-given', { dataset: { test: 'zoom-facts' } });
    if (!moved) return h('div', facts, h('p.remarks', t(store, 'backprop.zoom_fixed')));
    const reach = Math.max(REACH, REACH * Math.abs(moved.w)), control = slider(moved.w, { min: moved.w - reach, max: moved.w + reach, step: (2 * reach) / STEPS, format: (one) => figure(one, 4), oninput: (one) => { value = one; frame.ask(); }, dataset: { test: 'zoom-drag' } });
    const input = control.querySelector('input'), output = control.querySelector('output');
    curve = { x: Array.from({ length: POINTS }, (_, k) => moved.w - reach + (2 * reach * k) / (POINTS - 1)), y: [] };
    curve.y = curve.x.map((one) => moved.at(one).loss);
    const back = button(t(store, 'backprop.zoom_back'), () => { value = null; input.value = moved.w; output.textContent = figure(moved.w, 4); frame.ask(); }, { quiet: true, 'data-test': 'zoom-back' });
    input.addEventListener('keydown', (event) => event.stopPropagation());   // the arrows move the weight
    return h('div', facts, h('div.zoom-drag', field(t(store, 'backprop.zoom_drag', { weight: numberName(walk, weight().name, [weight().i, weight().j]) }), control), back), chart.element);
  }

  // --- all of it

  function build(isZoom = false) {
    const isThere = hasWeight(), name = isThere ? weight().name : '', key = JSON.stringify([walk?.walk, row, weight(), level, isGradient, isThere]);
    if (key === form) return;
    const hadFocus = view.contains(view.getRootNode().activeElement) ? view.getRootNode().activeElement.dataset.test : null;
    form = key;
    value = null;
    facts = null;
    if (!isThere) {
      fill(formula);
      fill(trail);
      fill(view, h('p.remarks', t(store, 'backprop.exercise_none')));
      return;
    }
    moved = movedOf(found(), weight());
    const crumb = (to, label) => h('button.chip', { type: 'button', 'aria-pressed': String(level === to), dataset: { level: to }, onclick: () => { level = to; build(true); trail.querySelector(`[data-level="${to}"]`).focus(); } }, label);
    fill(trail, crumb('network', t(store, 'backprop.zoom_network')), crumb('matrix', linkName(store, walk, name.split('.')[0])), crumb('product', numberName(walk, name, [weight().i, weight().j])));
    fill(view, { network: networkView, matrix: matrixView, product: productView }[level]());
    if (hadFocus) view.querySelector(`[data-test="${hadFocus}"]`)?.focus();
    if (isZoom && store.get('motion')) view.animate([{ transform: 'scale(.9)', opacity: 0.2 }, { transform: 'none', opacity: 1 }], { duration: 220, easing: 'ease-out' });
    follow();
  }

  const off = store.on('weight', () => build());
  return {
    element,
    show(next, at) {
      walk = next;
      row = at;
      build();
    },
    stop: () => {
      off();
      frame.stop();
      chart.stop();
    },
  };
}
