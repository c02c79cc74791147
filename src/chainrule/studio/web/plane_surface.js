// The plane itself: the network's answer everywhere, the points over it, and the brush that paints points of one's own.
import { h, fill } from './dom.js';
import { t } from './i18n.js';
import { number, percent } from './format.js';
import { palette, css, signedPlace } from './colors.js';
import { classColor, putColors, surfaceColors } from './plane_colors.js';

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

// actions: paint(x1, x2, isFirst), erase(x1, x2), looked([x1, x2] or null), brush(key).
/** @param {import('./store.js').Store} store */
export function surface(store, actions) {
  const map = h('canvas.plane-map', { width: 100, height: 100, 'aria-hidden': 'true', dataset: { test: 'surface' } });
  const over = h('canvas.plane-points', { tabindex: 0, role: 'application', 'aria-label': t(store, 'plane.surface_label'), dataset: { test: 'points' } });
  const tip = h('output.plane-tip', { hidden: true, dataset: { test: 'surface-tip' } });
  const box = h('div.plane-box', map, over, tip);
  let edge = 1.3, points = null, at = null, cursor = null, pressed = false;
  const theme = () => store.get('theme');

  const place = (event) => {
    const area = over.getBoundingClientRect();
    return [-edge + (2 * edge * (event.clientX - area.left)) / area.width, edge - (2 * edge * (event.clientY - area.top)) / area.height];
  };

  function drawPoints() {
    const side = box.clientWidth || 300, ratio = Math.min(2, window.devicePixelRatio || 1);
    if (over.width !== Math.round(side * ratio)) over.width = over.height = Math.round(side * ratio);
    const c = over.getContext('2d'), dark = theme() === 'dark';
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, side, side);
    const px = (v) => ((v + edge) / (2 * edge)) * side, py = (v) => ((edge - v) / (2 * edge)) * side;
    c.strokeStyle = dark ? 'rgb(255 255 255 / .13)' : 'rgb(20 30 40 / .13)';
    c.lineWidth = 1;
    c.beginPath();
    for (const v of [-1, 0, 1]) {
      c.moveTo(px(v), 0);
      c.lineTo(px(v), side);
      c.moveTo(0, py(v));
      c.lineTo(side, py(v));
    }
    c.stroke();
    if (points) {
      const radius = Math.max(2.6, side / 110), look = palette(theme()).signed;
      const dots = (X, y, isTest) => {
        for (let i = 0; i < y.length; ++i) {
          c.beginPath();
          c.arc(px(X[2 * i]), py(X[2 * i + 1]), isTest ? radius * 0.62 : radius, 0, 7);
          c.fillStyle = points.classes ? classColor(theme(), y[i]) : css(look[signedPlace(y[i], 1.3)]);
          c.globalAlpha = isTest ? 0.55 : 1;
          c.fill();
          if (!isTest) c.stroke();
        }
        c.globalAlpha = 1;
      };
      c.strokeStyle = dark ? '#0f141a' : '#ffffff';
      c.lineWidth = 1.2;
      if (store.get('plane.tests')) dots(points.X_test, points.y_test, true);
      dots(points.X, points.y, false);
    }
    if (cursor) {
      c.strokeStyle = dark ? '#ffffff' : '#16202b';
      c.lineWidth = 1.5;
      c.beginPath();
      c.arc(px(cursor[0]), py(cursor[1]), 9, 0, 7);
      c.moveTo(px(cursor[0]) - 14, py(cursor[1]));
      c.lineTo(px(cursor[0]) + 14, py(cursor[1]));
      c.moveTo(px(cursor[0]), py(cursor[1]) - 14);
      c.lineTo(px(cursor[0]), py(cursor[1]) + 14);
      c.stroke();
    }
  }

  function look(where) {
    at = where;
    if (!at) tip.hidden = true;
    actions.looked(at);
  }

  function paint(where, isFirst) {
    if (store.get('plane.brush') === 'erase') actions.erase(...where);
    else actions.paint(...where, isFirst);
  }

  over.addEventListener('pointerdown', (event) => {
    if (event.button) return;
    pressed = true;
    cursor = null;
    over.setPointerCapture(event.pointerId);
    paint(place(event), true);
  });
  over.addEventListener('pointermove', (event) => {
    const where = place(event);
    look(where);
    if (pressed) paint(where, false);
  });
  for (const end of ['pointerup', 'pointercancel']) over.addEventListener(end, () => { pressed = false; });
  over.addEventListener('pointerleave', () => { if (!pressed) look(cursor); });
  over.addEventListener('blur', () => { cursor = null; look(null); drawPoints(); });
  over.addEventListener('keydown', (event) => {
    const by = ARROWS[event.key], [x1, x2] = cursor || [0, 0], step = event.shiftKey ? 0.02 : 0.1;
    if (by) cursor = [x1 + by[0] * step, x2 + by[1] * step].map((v) => Math.max(-edge, Math.min(edge, v)));
    else if (event.key === 'Enter' || event.key === ' ') paint(cursor ||= [0, 0], true);
    else if (event.key === 'Backspace' || event.key === 'Delete') actions.erase(...(cursor ||= [0, 0]));
    else if (/^[1-4]$/.test(event.key)) actions.brush(Number(event.key) - 1);
    else return;
    event.preventDefault();
    look(cursor);
    drawPoints();
  });
  const resized = new ResizeObserver(drawPoints);
  resized.observe(box);

  return {
    element: box,
    get at() { return at; },
    stop: () => resized.disconnect(),
    // found: probabilities or heights on the grid; null where there is no network for the points yet.
    drawSurface(found, n, isRegression) {
      putColors(map, found ? surfaceColors(theme(), found, n, isRegression) : new Uint32Array(n), Math.sqrt(n));
    },
    drawNeuron(draw) { draw(map); },
    drawPoints(shown, newEdge) {
      [points, edge] = [shown, newEdge];
      drawPoints();
    },
    // What the network answers at the place under the pointer.
    say(answer, isRegression) {
      if (!at) return;
      const said = isRegression ? [h('span', `y = ${number(answer[0], 3)}`)]
        : [...answer].map((p, k) => h('span', h('i', { style: { background: classColor(theme(), k) } }), percent(p)));
      fill(tip, h('b', `(${number(at[0], 2)}, ${number(at[1], 2)})`), said);
      tip.hidden = false;
      tip.dataset.value = JSON.stringify([...answer]);
      tip.style.left = at[0] > 0.4 ? '8px' : 'auto';
      tip.style.right = at[0] > 0.4 ? 'auto' : '8px';
    },
  };
}
