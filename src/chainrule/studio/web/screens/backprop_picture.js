// The picture of a walk on one canvas: activations in the upper lane, errors in the lower, the links at hand lit.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { paintScale, palette, signedPlace } from '../colors.js';
import { counted, createFrame } from '../frame.js';
import { boxOf, distanceTo, edgesOf, layout, neuronAt, PILLS } from './backprop_layout.js';
import { middle, paintColumn, paintEdges, paintLanes, paintLine, paintWeight, pill } from './backprop_paint.js';
import { caption, placesOf, tipText, weightMark } from './backprop_marks.js';
import { linkName, numberName } from './backprop_names.js';
import { errorOf, figure, isDense, outOf } from './backprop_steps.js';

const GROW = 500;   // milliseconds in which the connections of a step grow

// on: {neuron({link, index}), weight({name, i, j}), hover(mark|null), step(at)}.  Returns {element, draw(state), light(mark), stop}.
// state: {walk, steps, at, known, row}; mark: {role, link, field?, index, value?} as in the formulas.
/** @param {import('../store.js').Store} store */
export function walkPicture(store, on) {
  const canvas = h('canvas', { role: 'img', 'aria-label': t(store, 'backprop.picture'), dataset: { test: 'picture' } });
  const heads = h('div.heads'), tip = h('div.tip', { hidden: true }), inner = h('div.inner', heads, canvas, tip);
  const ramp = h('canvas.ramp', { 'aria-hidden': 'true' });
  const lit_ = h('span.lit-words', { dataset: { test: 'lit-words' } });
  const scale = h('div.scale', lit_, h('span', t(store, 'backprop.negative')), ramp, h('span', t(store, 'backprop.positive')));
  const element = h('div.walk-picture', h('div.scroll', inner), scale);
  let state = null, plan = null, began = 0, followed = -1, edges = [], lit = null, hovered = null, pointed = null, cached = new Map();

  const frame = createFrame(render), look = () => palette(store.get('theme'));
  const columnOf = (name) => plan.columns.find((column) => column.name === name);

  // --- what the step at hand connects

  function weights(link) {
    return isDense(link) ? state.walk.network.arrays[`${link.name}.W`] : null;
  }

  function connections() {
    const { walk, steps, at, row } = state, step = steps[at];
    if (step.way === 'loss' || step.way === 'error') {
      const last = walk.links.length ? walk.links[walk.links.length - 1].name : 'input', values = step.way === 'loss' ? outOf(walk, last, row) : errorOf(walk, last, row);
      const lane = step.way === 'loss' ? 0 : 1;
      return Array.from(values, (value, k) => ({ from: k, to: 0, value, source: last, target: 'loss', lane, isBack: lane === 1 }));
    }
    if (step.way !== 'forward' && step.way !== 'back') return [];
    const { link } = step, key = `${step.way} ${link.name} ${row}`;
    if (!cached.has(key)) {
      const lane = step.way === 'forward' ? 0 : 1, found = [];
      let offset = 0;
      for (const source of link.sources) {
        const into = outOf(walk, source, row), error = errorOf(walk, link.name, row), joined = link.kind === 'skip' ? offset : 0;
        const slopes = link.slope && step.way === 'back' ? error.map((value, k) => value * link.slope[row * error.length + k]) : error.subarray(joined);
        for (const edge of edgesOf(link, weights(link), into, slopes, step.way)) found.push({ ...edge, to: edge.to + joined, source, target: link.name, lane, isBack: lane === 1 });
        offset += into.length;
      }
      cached.set(key, found);
    }
    return cached.get(key);
  }

  // --- drawing

  // From where to where a connection is drawn: between the sides of numbers, and the middles of small neurons.
  function ends(edge) {
    const [source, target] = [columnOf(edge.source), columnOf(edge.target)], from = boxOf(plan, source, edge.from, edge.lane), to = boxOf(plan, target, edge.to, edge.lane);
    const [a, b] = [middle(from), middle(to)];
    return [[source.grid.isPills ? from.x + from.w : a[0], a[1]], [target.grid.isPills ? to.x : b[0], b[1]]];
  }

  // Scrolls a narrow picture to the column at hand.
  function follow() {
    const step = state.steps[state.at], scroll = element.firstChild, column = columnOf(step.link ? step.link.name : step.way === 'input' ? 'input' : 'loss');
    if (plan.width <= scroll.clientWidth) return;
    const left = column.x + column.width / 2 - scroll.clientWidth / 2;
    scroll.scrollTo({ left, behavior: store.get('motion') ? 'smooth' : 'instant' });
  }

  // Scrolls a picture that is wider than its place until a mark is seen.
  function reveal(mark) {
    const { neurons, edge } = placesOf(mark, state.walk), scroll = element.firstChild, names = edge ? [edge.source, edge.target] : neurons.map(({ name }) => name);
    const columns = names.map(columnOf).filter(Boolean);
    if (!columns.length || plan.width <= scroll.clientWidth) return;
    const left = Math.min(...columns.map(({ x }) => x)), right = Math.max(...columns.map(({ x, width }) => x + width));
    if (left < scroll.scrollLeft || right > scroll.scrollLeft + scroll.clientWidth) scroll.scrollTo({ left: (left + right - scroll.clientWidth) / 2, behavior: 'instant' });
  }

  // Calls paint(a, b, weight, name) for every connection of a small network, in both lanes.
  function eachWeight(paint, most) {
    for (const link of state.walk.links) {
      const W = weights(link);
      if (!W || W.length > most || W.shape.some((n) => n > PILLS)) continue;
      for (let k = 0; k < W.length; ++k)
        for (const lane of [0, 1]) paint(...ends({ source: link.sources[0], target: link.name, from: Math.floor(k / W.shape[1]), to: k % W.shape[1], lane }), W[k], `${link.name}.W`);
    }
  }

  function paintMark(c, mark, color, width) {
    const { neurons, edge } = placesOf(mark, state.walk);
    c.strokeStyle = color;
    c.lineWidth = width;
    if (edge) for (const lane of [0, 1]) paintLine(c, ...ends({ ...edge, lane }), color, width);
    const rings = edge ? [{ name: edge.source, index: edge.from, lanes: [0] }, { name: edge.target, index: edge.to, lanes: [1] }] : neurons;
    for (const { name, index, lanes } of rings) {
      const column = columnOf(name);
      if (!column || index >= column.n) continue;
      for (const lane of lanes) {
        const box = boxOf(plan, column, index, lane), pad = column.grid.isPills ? 1 : 2;
        c.beginPath();
        c.roundRect(box.x - pad, box.y - pad + 1, box.w + 2 * pad, box.h + 2 * pad - 2, column.grid.isPills ? 9 : 3);
        c.stroke();
      }
    }
  }

  function render() {
    if (!state || !element.isConnected) return;
    const { walk, steps, at, known, row } = state, available = element.firstChild.clientWidth;
    if (!plan || plan.available !== available || plan.walk !== walk || plan.isCompact !== isNarrow()) measure(available);
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    if (canvas.width !== Math.round(plan.width * ratio) || canvas.height !== Math.round(plan.height * ratio)) {
      canvas.width = Math.round(plan.width * ratio);
      canvas.height = Math.round(plan.height * ratio);
    }
    const c = canvas.getContext('2d'), computed = getComputedStyle(element);
    const style = { line: computed.getPropertyValue('--line'), soft: computed.getPropertyValue('--soft'), accent: computed.getPropertyValue('--accent'), card: computed.getPropertyValue('--card'), ink: computed.getPropertyValue('--ink') };
    const share = store.get('motion') && began ? Math.min(1, (performance.now() - began) / GROW) : 1;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, plan.width, plan.height);
    paintLanes(c, plan, [t(store, 'backprop.lane_out'), t(store, 'backprop.lane_error')], element.firstChild.scrollLeft, style);
    eachWeight((a, b) => paintLine(c, a, b, style.line, 1), 144);
    paintEdges(c, edges, ends, share, store.get('theme'));
    for (const column of plan.columns) {
      if (column.name === 'loss') {
        paintLoss(c, column, style);
        continue;
      }
      for (const lane of [0, 1]) {
        const from = (lane ? known.errors : known.outs)[column.name], isKnown = from !== undefined && from <= at;
        c.globalAlpha = isKnown && from === at && at > 0 ? 0.25 + 0.75 * share : 1;
        paintColumn(c, plan, column, lane, isKnown ? (lane ? errorOf : outOf)(walk, column.name, row) : null, style, look());
        c.globalAlpha = 1;
      }
    }
    const chosen = store.get('neuron');
    if (weightMark(store)) paintMark(c, weightMark(store), style.accent, 2);
    if (chosen) paintMark(c, { role: 'slope', link: chosen.link, index: String(chosen.index) }, style.ink, 2);
    if (lit) paintMark(c, lit, style.accent, 3);
    eachWeight((a, b, w, name) => paintWeight(c, a, b, walk.letters ? `${numberName(walk, name)} = ${figure(w, 3)}` : `× ${figure(w, 3)}`, plan, style), 2);
    lit_.textContent = caption(store, state, lit);
    if (followed !== at) follow();
    followed = at;
    if (steps[at].link) paintHead(steps[at].link.name);
    else paintHead(steps[at].way);
    if (share < 1) frame.ask();
    else began = 0;
    counted();
  }

  function paintLoss(c, column, style) {
    const { walk, steps, at } = state, isKnown = steps.findIndex(({ way }) => way === 'loss') <= at;
    const box = boxOf(plan, column, 0, 0), below = boxOf(plan, column, 0, 1);
    pill(c, box, isKnown ? { color: look().signed[signedPlace(0, 1)], text: figure(walk.loss, 4) } : null, { ...style, line: isKnown ? style.accent : style.line });
    pill(c, below, steps.findIndex(({ way }) => way === 'error') <= at ? { color: look().signed[signedPlace(0, 1)], text: '1' } : null, style);
  }

  function paintHead(name) {
    for (const head of heads.children) head.classList.toggle('now', head.dataset.name === name || (name === 'error' && head.dataset.name === 'loss'));
  }

  // Below a column's name: how many neurons, or in a chain, which has but one, what the letter is in Python.
  function under({ name, n }) {
    if (!state.walk.letters) return name === 'loss' ? '' : n.toLocaleString('en-US');
    return { input: t(store, 'backprop.input'), loss: t(store, 'backprop.loss') }[name] || name;
  }

  const breakable = (name) => name.split('_').flatMap((part, k) => (k ? [h('wbr'), `_${part}`] : [part]));

  const isNarrow = () => getComputedStyle(element).getPropertyValue('--narrow').trim() === '1';

  function measure(available) {
    const { walk } = state, shape = store.get('model') && store.get('model').shape;
    const pictures = new Set(shape ? ['input'] : []);   // and what only changes the unit of a picture
    for (const link of walk.links) if (['rescale', 'standardize'].includes(link.kind) && pictures.has(link.sources[0])) pictures.add(link.name);
    const isCompact = isNarrow();
    const columns = [{ name: 'input', out: walk.x }, ...walk.links].map(({ name, out }) => ({ name, n: out.shape[1], shape: pictures.has(name) ? shape : null }));
    plan = { ...layout(columns, available, isCompact), available, walk, isCompact };
    canvas.style.width = `${plan.width}px`;
    canvas.style.height = `${plan.height}px`;
    inner.style.width = `${plan.width}px`;
    const kinds = Object.fromEntries(walk.links.map(({ name, kind }) => [name, kind]));
    fill(heads, plan.columns.map((column) => h('button.head', { type: 'button', dataset: { name: column.name, test: 'head' }, title: kinds[column.name] || null, onclick: () => on.step(column.name),
      style: { left: `${column.x}px`, width: `${column.width}px` } }, h('b', breakable(linkName(store, walk, column.name))), h('span', breakable(under(column))))));
    paintScale(ramp, look().signed);
  }

  // --- pointing

  function edgeAt(x, y) {
    const near = [];
    const chosen = weightMark(store) && placesOf(weightMark(store), state.walk).edge;
    const candidates = [...(chosen ? [0, 1].map((lane) => ({ ...chosen, lane })) : []), ...edges.filter(({ target }) => target !== 'loss')];
    for (const edge of candidates) {
      const [a, b] = ends(edge);
      if (x < Math.min(a[0], b[0]) - 4 || x > Math.max(a[0], b[0]) + 4) continue;
      const distance = distanceTo(a, b, x, y);
      if (distance < 7) near.push({ edge, distance });
    }
    near.sort((one, two) => one.distance - two.distance);
    return near.length ? near[0].edge : null;
  }

  // What is at a place of the canvas, as a mark.
  function markAt(x, y) {
    const found = neuronAt(plan, x, y);
    if (found && found.name !== 'loss') return { role: found.lane ? 'delta' : 'cell', link: found.name, index: String(found.index) };
    const edge = found ? null : edgeAt(x, y);
    if (!edge) return null;
    const link = state.walk.links.find(({ name }) => name === edge.target);
    return isDense(link) ? { role: 'weight', link: edge.target, field: 'W', index: `${edge.from},${edge.to}` } : null;
  }

  function point(event) {
    if (!state || !plan) return;
    const mark = markAt(event.offsetX, event.offsetY), key = mark ? `${mark.role} ${mark.link} ${mark.index}` : null;
    if (mark) {
      tip.style.left = `${Math.max(0, Math.min(plan.width - 250, event.offsetX + 14))}px`;
      tip.style.top = `${event.offsetY + 50}px`;
    }
    if (key === hovered) return;
    [hovered, pointed] = [key, mark];
    tip.hidden = !mark;
    if (mark) tip.textContent = tipText(store, state, mark);
    canvas.style.cursor = mark ? 'pointer' : 'default';
    light(mark);
    on.hover(mark);
  }

  canvas.addEventListener('pointermove', point);
  canvas.addEventListener('pointerleave', () => { hovered = pointed = null; tip.hidden = true; light(null); on.hover(null); });
  canvas.addEventListener('click', (event) => {
    if (!state || !plan) return;
    const mark = pointed || markAt(event.offsetX, event.offsetY);   // what was lit under a mouse is what it takes; a finger points at nothing before
    if (!mark) return;
    if (!pointed) {   // by a finger: it stays lit
      light(mark);
      on.hover(mark);
    }
    if (mark.role === 'weight') {
      const [i, j] = mark.index.split(',').map(Number);
      on.weight({ name: `${mark.link}.W`, i, j });
    } else on.neuron({ link: mark.link, index: Number(mark.index) });
  });

  function light(mark) {
    lit = mark;
    if (mark && plan && state) reveal(mark);
    if (mark) element.dataset.lit = `${mark.role} ${mark.link} ${mark.index}`;
    else delete element.dataset.lit;
    frame.ask();
  }

  // Where a neuron is, in the canvas's CSS pixels: lane 0 forward, 1 back. For tests.
  canvas.place = (link, index, lane = 0) => middle(boxOf(plan, columnOf(link), index, lane));

  const resized = new ResizeObserver(frame.ask);
  resized.observe(element);
  element.firstChild.addEventListener('scroll', frame.ask);
  const off = store.on(['weight', 'neuron'], frame.ask);

  return {
    element,
    draw(next) {
      const isNew = !state || state.walk !== next.walk || state.at !== next.at;
      if (!state || state.walk !== next.walk) cached = new Map();
      state = next;
      edges = connections();
      if (isNew) began = performance.now();
      frame.ask();
    },
    light,
    stop() {
      frame.stop();
      resized.disconnect();
      off();
    },
  };
}
