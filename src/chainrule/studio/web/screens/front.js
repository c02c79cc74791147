// The first screen: draw a digit, see the answer and the neurons that fire, and drag one weight along the curve of the loss. Its network comes with the page.
import { h, fill, svg, write } from '../dom.js';
import { t } from '../i18n.js';
import { number, percent } from '../format.js';
import { createFrame } from '../frame.js';
import { makeNetwork } from '../network.js';
import { unpack } from '../pack.js';
import { button, fault } from '../ui.js';
import { readUrl } from '../url.js';
import { inkOf } from '../drawing.js';
import { drawPad, isDrawing } from './draw_pad.js';
import { frontPicture } from './front_picture.js';
import { weightOf } from './front_weight.js';

const DIGITS = 3;   // of a number at first
const QUIET = 250;   // milliseconds after a stroke until another weight is chosen
const EDGE = { left: 26, right: 8, top: 8, bottom: 24 }, TANGENT = 0.19;   // of the chart, in pixels; and of its width

const fixed = (value) => value.toFixed(2).replace('-', '−').replace(/^−(0\.00)$/, '$1');

// The file with the network and the digit that is on the pad at first.
async function fetched(url) {
  if (location.protocol === 'file:') throw new Error('file');
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} (${answer.status})`);
  const { model, config, sample } = unpack(await answer.arrayBuffer());
  return { model: { ...model, networks: 1 }, config, sample, network: makeNetwork(model) };
}

// Of the hosts that have its file.
export const frontScreen = { front: { show: front, alone: true } };

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
function front(root, store) {
  const failure = fault(), frame = createFrame(tick);
  let ended = false, stop = () => {};
  fill(root, failure.element);

  function build({ network, model, sample }) {
    const labels = network.labels(), [first, second] = model.links.filter(({ kind }) => kind === 'dense').map(({ fan_out }) => fan_out);
    const pad = drawPad(store, { shape: model.shape, most: inkOf(network), label: t(store, 'draw.pad'), changed: ({ isPut }) => { isNew = isNew || !isPut; news = true; frame.ask(); } });
    const bars = labels.map((label, k) => {
      const fillBar = h('i'), shown = h('span.front-share');
      return { fillBar, shown, row: h('button.front-bar', { type: 'button', 'aria-pressed': 'false', title: t(store, 'front.mean', { label }), dataset: { digit: label }, onclick: () => choose(k) }, h('b', label), h('span.front-track', fillBar), shown) };
    });
    const said = h('output.visually-hidden', { 'aria-live': 'polite', dataset: { test: 'prediction' } }), hidden = [first, second].map((n) => h('div.front-layer', { dataset: { width: n } }));
    const padBox = h('div.front-pad', pad.element, button(t(store, 'draw.clear'), () => { isLent = false; pad.clear(); }, { quiet: true, dataset: { test: 'clear' } }));
    const stage = h('div.front-stage'), picture = frontPicture(store, stage, { pad: pad.element, layers: hidden, ends: bars.map(({ row }) => row) });
    const slope = weightChart(store, () => { picture.point(); follow(); });
    const caption = (n) => h('small', { 'aria-hidden': 'true' }, t(store, 'front.neurons', { n }));
    const door = (screen, key, props) => button(t(store, `front.${key}`), () => go(screen), { ...props, dataset: { go: screen } });
    let isLent = true, isNew = false, news = true, target = sample.y, wanted = sample.y, seen = null, x = null, timer = 0;   // wanted: the digit that the visitor meant; null for the next to the likeliest

    fill(stage, picture.elements,
      h('div.front-picture', padBox, h('div.front-hidden', h('div.front-column', hidden[0], caption(first)), h('div.front-column', hidden[1], caption(second))),
        h('div.front-answer', { role: 'group', 'aria-label': t(store, 'front.answer') }, bars.map(({ row }) => row), said)),
      slope.element);
    fill(root, failure.element, stage, h('nav.front-doors', { 'aria-label': t(store, 'front.doors') }, door('train', 'use', {}), door('backprop', 'learn', { primary: true })));

    // The digit that was lent gives way to the first stroke.
    const begin = (event) => {
      if (!isLent || event.target !== pad.element || (event.type === 'keydown' && !isDrawing(event))) return;
      isLent = false;
      pad.clear();
    };
    for (const name of ['pointerdown', 'keydown']) padBox.addEventListener(name, begin, true);

    function answer(shares) {
      const best = shares.indexOf(Math.max(...shares)), isBlank = !x.some((value) => value > 0);
      bars.forEach(({ row, fillBar, shown }, k) => {
        fillBar.style.width = isBlank ? '0' : `${100 * shares[k]}%`;
        write(shown, isBlank || shares[k] < 0.005 ? '' : percent(shares[k], 0));
        row.classList.toggle('top', k === best && !isBlank);
        row.setAttribute('aria-pressed', String(k === target && !isBlank));
      });
      const text = isBlank ? '' : t(store, 'front.says', { label: labels[best], share: percent(shares[best], 0) });
      write(said, text);
      said.dataset.value = isBlank ? '' : labels[best];
    }

    function follow() {
      if (slope.now) answer(slope.now.shares);
    }

    function aim() {
      if (ended || !x) return;
      const isBlank = !x.some((value) => value > 0), ranked = network.ranked(x);
      target = wanted ?? ranked[1];
      const weight = isBlank ? null : weightOf(network, seen, target);
      if (weight) slope.show(weight, labels[target]);
      picture.choose(weight && { ...weight, to: slope.place });
      slope.element.classList.toggle('idle', !weight);
      follow();
      root.dataset.ready = String(!isBlank);
      root.dataset.weight = weight ? `${weight.name}[${weight.i},${weight.j}]` : '';
    }

    function choose(k) {
      wanted = k;
      aim();
    }

    function read() {
      x = pad.read();
      seen = network.forward(x);
      picture.show({ x, ink: pad.greys(), seen, arrays: network.arrays, marked: network.ranked(x).slice(0, 2) });
      padBox.classList.toggle('untouched', isLent || !x.some((value) => value > 0));
      if (!isNew) {
        aim();
        return;
      }
      [isNew, wanted] = [false, null];
      target = network.ranked(x)[1];
      picture.choose(null);
      slope.forget();
      answer(Array.from(network.answer(seen[seen.length - 1].a)));
      clearTimeout(timer);
      timer = setTimeout(() => { aim(); keep(); }, QUIET);
    }

    // What is on the pad goes along to the other screens, and where they have this network the weight too.
    function keep() {
      if (x.some((value) => value > 0)) store.set({ sample: { x, y: null, index: null }, 'sample.index': null });
    }

    function go(screen) {
      keep();
      if (store.host.isWithin) {
        open(`${location.pathname}#${new URLSearchParams({ ...readUrl(), screen })}`, '_top');
        return;
      }
      const weight = slope.weight && store.host.kind === 'page' ? { name: slope.weight.name, i: slope.weight.i, j: slope.weight.j } : null;
      store.set({ weight, screen });
    }

    stop = () => {
      clearTimeout(timer);
      picture.stop();
      slope.stop();
    };
    pad.put(Float32Array.from(sample.x));
    return () => {
      if (!news) return;
      news = false;
      read();
    };
  }

  let draw = () => {};
  function tick() {
    if (!ended) draw();
  }

  async function begin() {
    try {
      const found = store.get('front') || await fetched(store.host.front);
      if (ended) return;
      draw = build(found);
      frame.ask();
      store.set({ front: found });
    } catch (error) {
      if (!ended) failure.say(error.message === 'file' ? t(store, 'play.file') : t(store, 'front.missing', { error: error.message }));
    }
  }
  begin();
  return () => {
    ended = true;
    frame.stop();
    stop();
  };
}

// The loss over one weight, to be dragged: {element, show(weight, label), forget(), place(), now, weight, stop}. place(): the point on the curve, in pixels of the window.
/** @param {import('../store.js').Store} store */
function weightChart(store, moved) {
  const grid = svg('g.front-grid'), zone = svg('rect.front-zone', { rx: 6 }), curve = svg('path.front-curve'), tangent = svg('path.front-tangent'), drop = svg('path.front-lead'), knob = svg('circle.front-knob', { r: 8 });
  const zoneSays = svg('text.front-zone-says'), lossSays = svg('text.front-loss-says', { x: EDGE.left + 10 });
  const chart = svg('svg', { role: 'img', 'aria-label': t(store, 'front.chart') }, grid, zone, lossSays, zoneSays, curve, tangent, drop, knob);
  const input = h('input.front-range', { type: 'range', min: 0, max: 1, step: 'any', 'aria-label': t(store, 'front.weight'), dataset: { test: 'weight' }, oninput: (event) => go(Number(event.target.value)) });
  const part = (kind, key) => {
    const value = h(`b${kind}`, { dataset: { test: key } });
    return [value, h('span.front-factor', value, h('small', t(store, `front.${key}`)))];
  };
  const [gradient, ofLoss] = part('.error', 'gradient'), [came, cameIn] = part('.fires', 'came'), [slope, ofSlope] = part('', 'slope'), [error, ofError] = part('.error', 'error');
  const difference = h('b.error', { dataset: { test: 'difference' } }), value = h('b', { dataset: { test: 'value' } });
  const sign = (text) => h('i', text), box = h('div.front-chart', chart, input);
  const element = h('section.front-weight', h('div.front-say', h('p', t(store, 'front.drag')), h('div.front-product', ofLoss, sign('='), cameIn, sign('×'), ofSlope, sign('×'), ofError),
    h('p.front-check', t(store, 'front.difference'), ' ', difference, ' · ', t(store, 'front.the_weight'), ' ', value)), box);
  let weight = null, label = '', now = null, at = 0, size = null;

  const measured = () => (size ??= [box.clientWidth, box.clientHeight]);
  const scales = () => {
    const [width, height] = measured(), [low, high] = weight.range, most = 1.06 * Math.max(...weight.curve.map(({ loss }) => loss));
    return { width, height, most, px: (w) => EDGE.left + ((w - low) / (high - low)) * (width - EDGE.left - EDGE.right), py: (loss) => EDGE.top + (1 - loss / most) * (height - EDGE.top - EDGE.bottom) };
  };
  // Round numbers between two, about so many, each with the distance of all.
  /** @returns {[number, number][]} */
  const marks = (low, high, n) => {
    const raw = (high - low) / n, power = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].find((k) => k * power >= raw) * power;
    return Array.from({ length: Math.floor(high / step) - Math.ceil(low / step) + 1 }, (_, k) => [(Math.ceil(low / step) + k) * step, step]);
  };
  const written = ([at_, step]) => at_.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9))).replace('-', '−').replace(/^−(0\.?0*)$/, '$1');

  // The axes, the curve and where the answer is the target.
  function ground() {
    const { width, height, most, px, py } = scales(), [low, high] = weight.range, turned = weight.curve.filter(({ turns }) => turns), bottom = height - EDGE.bottom;
    chart.setAttribute('viewBox', `0 0 ${width} ${height}`);
    fill(grid, marks(0, most, 3).map((mark) => [svg('path', { d: `M${EDGE.left} ${py(mark[0])}H${width - EDGE.right}` }), svg('text', { x: EDGE.left - 7, y: py(mark[0]) + 4, 'text-anchor': 'end' }, written(mark))]),
      marks(low, high, width < 450 ? 4 : 6).map((mark) => svg('text', { x: px(mark[0]), y: height - 5, 'text-anchor': 'middle' }, written(mark))));
    curve.setAttribute('d', `M${weight.curve.map(({ w, loss }) => `${px(w).toFixed(1)} ${py(loss).toFixed(1)}`).join('L')}`);
    const [from, to] = turned.length ? [px(turned[0].w), px(turned[turned.length - 1].w)] : [0, 0], isWide = to - from > 120;
    for (const [name, number_] of [['x', from], ['y', EDGE.top], ['width', to - from], ['height', bottom - EDGE.top]]) zone.setAttribute(name, number_);
    zoneSays.textContent = isWide ? t(store, 'front.turned', { label }) : '';
    zoneSays.setAttribute('x', to - 8);
    zoneSays.setAttribute('y', EDGE.top + 17);
    zoneSays.setAttribute('text-anchor', 'end');
    lossSays.textContent = t(store, width < 450 ? 'front.loss_short' : 'front.loss', { label });
    lossSays.setAttribute('y', bottom - 24);
    input.style.left = `${EDGE.left - 12}px`;
    input.style.width = `${width - EDGE.left - EDGE.right + 24}px`;
  }

  function go(w) {
    at = w;
    now = weight.at(w);
    const { px, py, height, most } = scales(), reach = TANGENT * (weight.range[1] - weight.range[0]);
    const room = now.gradient === 0 ? reach : Math.min(reach, ...[now.loss, most - now.loss].map((loss) => Math.abs(Math.max(0, loss) / now.gradient)).filter((far) => far > reach / 4));
    const ends = [w - room, w + room].map((u) => `${px(u).toFixed(1)} ${py(now.loss + (u - w) * now.gradient).toFixed(1)}`);
    tangent.setAttribute('d', `M${ends.join('L')}`);
    drop.setAttribute('d', `M${px(w)} ${py(now.loss)}V${height - EDGE.bottom}`);
    knob.setAttribute('cx', px(w));
    knob.setAttribute('cy', py(now.loss));
    for (const [to, shown] of [[gradient, now.gradient], [came, now.came], [slope, now.slope], [error, now.error], [difference, now.difference], [value, w]]) {
      write(to, to === slope ? number(shown, 1) : fixed(shown));
      to.dataset.value = shown;
      to.title = number(shown, 8);
    }
    for (const one of [gradient, error, difference, tangent]) one.classList.toggle('falls', Number(now.gradient) < 0);
    input.setAttribute('aria-valuetext', t(store, 'front.at', { weight: number(w, DIGITS), loss: number(now.loss, DIGITS) }));
    moved();
  }

  // The whole chart can be dragged.
  let isHeld = false;
  const hold = (event) => {
    if (!weight || (event.type === 'pointermove' && !isHeld)) return;
    const { left, width } = box.getBoundingClientRect(), share = (event.clientX - left - EDGE.left) / (width - EDGE.left - EDGE.right), [low, high] = weight.range;
    isHeld = true;
    input.value = Math.max(low, Math.min(high, low + share * (high - low)));
    go(Number(input.value));
  };
  chart.addEventListener('pointerdown', (event) => { chart.setPointerCapture(event.pointerId); hold(event); });
  chart.addEventListener('pointermove', hold);
  for (const name of ['pointerup', 'pointercancel']) chart.addEventListener(name, () => { isHeld = false; });
  const resized = new ResizeObserver(() => {
    size = null;
    if (!weight) return;
    ground();
    go(at);
  });
  resized.observe(box);

  return {
    element,
    show(found, called) {
      [weight, label] = [found, called];
      [input.min, input.max] = found.range;
      input.step = 'any';
      input.value = found.value;
      ground();
      go(found.value);
    },
    forget() { now = null; },
    place() {
      const { left, top } = box.getBoundingClientRect(), { px, py } = scales();
      return [left + px(at), top + py(now.loss)];
    },
    get now() { return now; },
    get weight() { return weight; },
    stop: () => resized.disconnect(),
  };
}
