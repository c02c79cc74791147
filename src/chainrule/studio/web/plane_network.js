// The network as a picture: a map of the plane for each neuron, edges by weight, and the numbers of what the pointer is on.
import { h, svg, fill, focused } from './dom.js';
import { t } from './i18n.js';
import { number } from './format.js';
import { palette, css, signedPlace } from './colors.js';
import { putMap } from './plane_colors.js';

// The layers of a model: {dense, out, width, kinds, isBlock}, where `dense` has the weights and `out` names the link that the layer ends in.
export function layersOf(model) {
  const found = [];
  for (const link of model.links) {
    const chain = link.branches.length ? link.branches[0] : [link];
    for (const part of chain) {
      if (part.kind === 'dense') found.push({ dense: part, out: part.name, width: part.fan_out, kinds: [], isBlock: Boolean(link.branches.length) });
      else found[found.length - 1].kinds.push(part.kind);
    }
    Object.assign(found[found.length - 1], { out: link.name, shortcut: link.branches.length ? link.branches[1].find((part) => part.kind === 'projection') : null });
  }
  return found;
}

const SIGN = (value, digits) => (value < 0 ? ` − ${number(-value, digits)}` : ` + ${number(value, digits)}`);

// actions: looked({layer, unit} or null), resize(layer, by).
/** @param {import('./store.js').Store} store */
export function networkPicture(store, actions) {
  const columns = h('div.plane-columns'), lines = svg('svg.plane-edges', { 'aria-hidden': 'true' });
  const tip = h('output.plane-weight', { hidden: true, dataset: { test: 'weight-tip' } });
  const stage = h('div.plane-stage', lines, columns, tip), box = h('div.plane-network', stage);
  const says = h('p.plane-says', { dataset: { test: 'neuron-says' } });
  let model = null, layers = [], nodes = [], edges = [], looked = null, at = null;
  const theme = () => store.get('theme');
  const weight = (layer, i, j) => model.arrays[`${layers[layer].dense.name}.W`][i * layers[layer].width + j];
  const nameOf = (layer, unit) => (layer < 0 ? `x${unit + 1}` : `${layer + 1}.${unit + 1}`);

  function node(layer, unit) {
    const canvas = h('canvas', { 'aria-hidden': 'true' }), value = h('span.value');
    const look = () => { looked = { layer, unit }; actions.looked(looked); sayNeuron(); };
    const leave = () => { looked = null; actions.looked(null); sayNeuron(); };
    const label = layer < 0 ? nameOf(layer, unit) : t(store, 'plane.neuron_label', { layer: layer + 1, unit: unit + 1 });
    const element = h('button.plane-node', { type: 'button', 'aria-label': label, dataset: { key: `${layer}.${unit}`, layer, unit }, onpointerenter: look, onpointerleave: leave, onfocus: look, onblur: leave }, canvas, value);
    return { element, canvas, value, layer, unit };
  }

  function head(layer) {
    if (layer < 0) return h('div.plane-head', h('span', t(store, 'plane.inputs')));
    if (layer === layers.length - 1) return h('div.plane-head', h('span', t(store, 'plane.outputs')));
    const change = (by, label, sign) => h('button.plane-change', { type: 'button', 'aria-label': t(store, label, { layer: layer + 1 }), title: t(store, label, { layer: layer + 1 }), dataset: { key: `${layer}${sign}` }, onclick: () => actions.resize(layer, by) }, sign);
    return h('div.plane-head', change(-1, 'plane.fewer', '−'), h('b', String(layers[layer].width)), change(1, 'plane.more', '+'));
  }

  function build(shown) {
    model = shown;
    layers = layersOf(model);
    looked = null;
    const kept = box.contains(document.activeElement) ? focused().dataset.key : null;
    const column = (layer, width) => Array.from({ length: width }, (_, unit) => node(layer, unit));
    nodes = [column(-1, model.inputs), ...layers.map((layer, at_) => column(at_, layer.width))];
    const most = Math.max(...nodes.map((all) => all.length));
    stage.style.setProperty('--node', `${most > 9 ? 28 : most > 6 ? 34 : 42}px`);
    stage.style.minWidth = `${nodes.length * 62}px`;
    fill(columns, nodes.map((all, i) => h('div.plane-column', head(i - 1), h('div.plane-units', all.map((one) => one.element)), layers[i - 1]?.isBlock ? h('span.plane-skip', { title: t(store, 'plane.residual') }, '⊕') : null)));
    edges = [];
    layers.forEach((layer, l) => {
      for (let i = 0; i < layer.dense.fan_in; ++i)
        for (let j = 0; j < layer.width; ++j) {
          const line = svg('path.edge'), hit = svg('path.hit', { onpointerenter: (event) => sayWeight(l, i, j, event), onpointerleave: () => { at = null; tip.hidden = true; line.classList.remove('on'); } });
          edges.push({ l, i, j, line, hit });
        }
    });
    fill(lines, edges.map((edge) => edge.line), edges.map((edge) => edge.hit));
    layout();
    if (kept) box.querySelector(`[data-key="${kept}"]`)?.focus();
    sayNeuron();
  }

  function layout() {
    if (!model || !stage.clientWidth) return;
    const base = stage.getBoundingClientRect();
    lines.setAttribute('viewBox', `0 0 ${base.width} ${base.height}`);
    const boxes = nodes.map((all) => all.map(({ canvas }) => canvas.getBoundingClientRect()));
    for (const { l, i, j, line, hit } of edges) {
      const from = boxes[l][i], to = boxes[l + 1][j];
      const [x0, y0, x1, y1] = [from.right - base.left, from.top + from.height / 2 - base.top, to.left - base.left, to.top + to.height / 2 - base.top];
      const middle = (x0 + x1) / 2, d = `M${x0} ${y0}C${middle} ${y0} ${middle} ${y1} ${x1} ${y1}`;
      line.setAttribute('d', d);
      hit.setAttribute('d', d);
    }
  }

  function drawEdges() {
    const look = palette(theme()).signed, chosen = looked && looked.layer;
    for (const { l, i, j, line } of edges) {
      const w = weight(l, i, j), size = Math.min(1, Math.abs(w) / 2), isOf = looked && ((chosen === l && looked.unit === j) || (chosen === l - 1 && looked.unit === i));
      line.style.stroke = css(look[signedPlace(Math.sign(w) * (0.35 + 0.65 * size), 1)]);
      line.style.strokeWidth = String(0.5 + 4.5 * size);
      line.style.opacity = looked && !isOf ? '0.15' : String(0.35 + 0.65 * size);
      line.dataset.value = String(w);
    }
  }

  function sayWeight(l, i, j, event) {
    const base = stage.getBoundingClientRect();
    at = { l, i, j };
    tip.textContent = `w(${nameOf(l - 1, i)} → ${nameOf(l, j)}) = ${number(weight(l, i, j), 4)}`;
    tip.dataset.value = String(weight(l, i, j));
    tip.style.left = `${Math.min(base.width - 150, event.clientX - base.left + 12)}px`;
    tip.style.top = `${event.clientY - base.top + 12}px`;
    tip.hidden = false;
    edges.find((edge) => edge.l === l && edge.i === i && edge.j === j).line.classList.add('on');
  }

  // The neuron's formula with its numbers.
  function sayNeuron() {
    if (!looked || !model) {
      says.textContent = t(store, 'plane.hover');
      says.classList.add('soft');
      return;
    }
    says.classList.remove('soft');
    const { layer, unit } = looked;
    if (layer < 0) {
      says.textContent = `x${unit + 1}`;
      return;
    }
    const { dense, kinds, isBlock, shortcut, width } = layers[layer], b = model.arrays[`${dense.name}.b`][unit];
    const a = (i) => (layer === 0 ? `x${i + 1}` : `a${nameOf(layer - 1, i)}`);
    const sum = Array.from({ length: dense.fan_in }, (_, i) => `${i ? SIGN(weight(layer, i, unit), 3) : number(weight(layer, i, unit), 3)} ${a(i)}`).join('');
    const past = shortcut ? Array.from({ length: dense.fan_in }, (_, i) => `${SIGN(model.arrays[`${shortcut.name}.W`][i * width + unit], 3)} ${a(i)}`).join('') : ` + ${a(unit)}`;
    let inner = 'z';
    for (const kind of kinds) inner = `${kind}(${inner})`;
    fill(says, h('code', `z${nameOf(layer, unit)} = ${sum}${SIGN(b, 3)}`), kinds.length ? h('code', `a${nameOf(layer, unit)} = ${inner}${isBlock ? past : ''}`) : null);
    says.dataset.value = String(b);
  }

  const resized = new ResizeObserver(layout);
  resized.observe(stage);
  return {
    element: h('div.plane-picture', box, says),
    build,
    get looked() { return looked; },
    stop: () => resized.disconnect(),
    // seen: of forwardGrid with the inputs under null. here: the grid's pixel under the pointer of the surface, or -1.
    draw(seen, columns_, size, here) {
      const n = size * size, skip = nodes.flat().length > 24 ? 4 : 2;
      nodes.forEach((all, c) => all.forEach(({ canvas, value, unit }) => {
        const values = c === 0 ? columns_[unit] : seen.get(layers[c - 1].out).subarray(unit * n, (unit + 1) * n);
        putMap(canvas, theme(), values, size, skip);
        value.textContent = here < 0 ? '' : number(values[here], 2);
        if (here < 0) delete value.dataset.value;
        else value.dataset.value = String(values[here]);
      }));
      drawEdges();
      if (looked) sayNeuron();
      if (at) tip.textContent = `w(${nameOf(at.l - 1, at.i)} → ${nameOf(at.l, at.j)}) = ${number(weight(at.l, at.i, at.j), 4)}`;
    },
    // The map of the chosen neuron, large.
    drawLarge(canvas, seen, columns_, size) {
      const n = size * size, { layer, unit } = looked;
      putMap(canvas, theme(), layer < 0 ? columns_[unit] : seen.get(layers[layer].out).subarray(unit * n, (unit + 1) * n), size, 1);
    },
  };
}
