// A line chart on a canvas, quick enough to be drawn thirty times a second: lines that grow within the same axes are drawn on. Axes and hover are its own; numbers are for the
// screen reader in a table that the caller may show.
import { h } from './dom.js';
import { number } from './format.js';

const LEFT = 52, RIGHT = 12, TOP = 10, BOTTOM = 26;
export const lineColors = { light: ['#0072b2', '#d55e00', '#00735a', '#a8478b', '#8a6d00', '#566270'], dark: ['#56b4e9', '#f0a35e', '#4fc9a6', '#e39ccb', '#e0c64f', '#a0adba'] };

// The distance of round numbers of which about `most` go from low to high.
function stepOf(low, high, most) {
  const raw = (high - low) / most, power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].find((factor) => factor * power >= raw) * power;
}

// The round numbers of an axis from low to high, about `most` of them.
function ticks(low, high, most) {
  if (!(high > low)) return [low];
  const step = stepOf(low, high, most), found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k) found.push(k * step);
  return found;
}

const inksOf = {};   // by theme: to ask for a style costs the page's styles

function inks(theme, element) {
  if (!inksOf[theme]) {
    const style = getComputedStyle(element), ink = style.getPropertyValue('--soft'), grid = style.getPropertyValue('--line');
    if (!ink) return { ink, grid };   // the element is not in the page yet
    inksOf[theme] = { ink, grid };
  }
  return inksOf[theme];
}

// A number of an axis, without zeros at its end.
const short = (value, digits) => number(value, digits).replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '');

// The least and the greatest number of a line that an axis can show. before: what this gave for the same array when it was shorter.
function extent(values, isLog, before) {
  const goes = before && before.values === values && before.n <= values.length;
  let { low, high } = goes ? before : { low: Infinity, high: -Infinity };
  for (let k = goes ? before.n : 0; k < values.length; ++k) {
    const value = values[k];
    if (!Number.isFinite(value) || (isLog && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { values, n: values.length, low, high };
}

// The extents of all lines as one.
function whole(extents, isLog) {
  const low = Math.min(...extents.map((one) => one.low)), high = Math.max(...extents.map((one) => one.high));
  return low > high ? [isLog ? 0.1 : 0, 1] : [low, high];
}

// The ends of an axis as round numbers, so that it stays while the numbers on it change a little.
export function rounded(low, high, isLog) {
  if (isLog) {
    const found = (value, up) => {
      const power = 10 ** Math.floor(Math.log10(value)), share = value / power;
      return power * (up ? [1, 2, 5, 10].find((k) => k >= share - 1e-9) : [5, 2, 1].find((k) => k <= share + 1e-9));
    };
    return [found(low, false), found(high, true)];
  }
  const step = stepOf(low, high, 8);
  return [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
}

// series: [{name, x, y, color?, dashed?}], x and y arrays of numbers. Options: logY, from (a number that y's axis includes), until (one that x's axis reaches from 0), yLabel, xLabel, marks: [x].
// Returns {element, draw(series, options)}; draw returns whether the picture has changed.
/** @param {import('./store.js').Store} store  @param {{label: string, height?: number}} options */
export function lineChart(store, { label, height = 200 }) {
  const canvas = h('canvas.chart', { role: 'img', 'aria-label': label, style: { height: `${height}px` } });
  const anew = h('canvas');   // a picture that is begun anew is drawn here: the screen may show what is on the other at any time
  const tip = h('div.chart-tip', { hidden: true });
  const element = h('div.chart-box', canvas, tip);
  let last = [[], {}], at = null, seen = 0, drawn = null;   // seen: the width in pixels; drawn: what is on the canvas

  // Draws a line from a point on.
  function trace(c, line, color, from, { px, py, log, width }) {
    c.strokeStyle = color;
    c.lineWidth = 2;
    c.lineJoin = 'round';
    c.setLineDash(line.dashed ? [5, 4] : []);
    c.beginPath();
    let pen = false;
    const n = line.x.length, skip = Math.max(1, Math.floor(n / (2 * width)));
    for (let k = from; k < n; k += k + skip < n || k === n - 1 ? skip : n - 1 - k) {
      const value = line.y[k];
      if (!Number.isFinite(value) || (log && value <= 0)) {
        pen = false;
        continue;
      }
      if (pen) c.lineTo(px(line.x[k]), py(value));
      else c.moveTo(px(line.x[k]), py(value));
      pen = true;
    }
    c.stroke();
    c.setLineDash([]);
  }

  // Whether the same lines are on the canvas, with the same axes and fewer points, none of them dashed or thinned out.
  function grows(form, series, width) {
    return drawn !== null && at === null && drawn.form === form && series.every((line, i) => {
      const { values, n } = drawn.lines[i].y;
      return line.y === values && line.y.length >= n && (line.y.length === n || (!line.dashed && line.y.length < 4 * width));
    });
  }

  function draw(series, options = {}) {
    last = [series, options];
    if (!seen) seen = element.clientWidth;   // to ask for it costs a layout; the observer below keeps it
    const width = seen || 300, ratio = Math.min(2, window.devicePixelRatio || 1), theme = store.get('theme'), colors = lineColors[theme];
    const log = Boolean(options.logY), marks = options.marks || [];
    const before = drawn && drawn.log === log ? drawn.lines : [];
    const lines = series.map((line, i) => ({ x: extent(line.x, false, before[i]?.x), y: extent(line.y, log, before[i]?.y) }));
    let [x0, x1] = whole(lines.map((line) => line.x), false), [y0, y1] = whole(lines.map((line) => line.y), log);
    if (options.until !== undefined) [x0, x1] = [Math.min(x0, 0), Math.max(x1, options.until)];
    if (options.from !== undefined) [y0, y1] = [Math.min(y0, options.from), Math.max(y1, options.from)];
    if (x0 === x1) x1 = x0 + 1;
    if (y0 === y1) [y0, y1] = log ? [y0 / 2, y1 * 2] : [y0 - Math.abs(y0) * 0.1 - 1e-9, y1 + Math.abs(y1) * 0.1 + 1e-9];
    [y0, y1] = rounded(y0, y1, log);
    const f = log ? Math.log10 : (v) => v;
    const px = (v) => LEFT + ((width - LEFT - RIGHT) * (v - x0)) / (x1 - x0);
    const py = (v) => height - BOTTOM - ((height - TOP - BOTTOM) * (f(v) - f(y0))) / (f(y1) - f(y0));
    const scale = { px, py, log, width }, color = (line, i) => line.color || colors[i % colors.length];
    const form = [width, ratio, theme, log, x0, x1, y0, y1, ...marks, series.map((line, i) => color(line, i) + Boolean(line.dashed))].join();
    const screen = canvas.getContext('2d', { desynchronized: true }), on = grows(form, series, width) ? drawn.lines : null;
    drawn = { form, log, lines };
    if (on) {
      const grown = series.map((line, i) => [line, i]).filter(([line, i]) => line.y.length > on[i].y.n);
      grown.forEach(([line, i]) => trace(screen, line, color(line, i), Math.max(0, on[i].y.n - 1), scale));
      return grown.length > 0;
    }
    const { ink, grid } = inks(theme, element), c = anew.getContext('2d');
    for (const one of [canvas, anew]) {
      if (one.width !== Math.round(width * ratio)) one.width = Math.round(width * ratio);
      if (one.height !== Math.round(height * ratio)) one.height = Math.round(height * ratio);
    }
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.font = '11px system-ui, sans-serif';
    c.clearRect(0, 0, width, height);
    c.fillStyle = ink;
    c.strokeStyle = grid;
    c.lineWidth = 1;
    c.textBaseline = 'middle';
    c.textAlign = 'right';
    const rows = log ? ticks(f(y0), f(y1), 4).filter(Number.isInteger).map((k) => 10 ** k) : ticks(y0, y1, 4);
    for (const value of rows.length ? rows : [y0, y1]) {
      c.beginPath();
      c.moveTo(LEFT, Math.round(py(value)) + 0.5);
      c.lineTo(width - RIGHT, Math.round(py(value)) + 0.5);
      c.stroke();
      c.fillText(short(value, 3), LEFT - 6, py(value));
    }
    c.textAlign = 'center';
    c.textBaseline = 'top';
    for (const value of ticks(x0, x1, Math.max(2, Math.floor(width / 110)))) c.fillText(short(value, 4), px(value), height - BOTTOM + 8);
    for (const mark of marks) {
      c.strokeStyle = ink;
      c.setLineDash([2, 3]);
      c.beginPath();
      c.moveTo(px(mark), TOP);
      c.lineTo(px(mark), height - BOTTOM);
      c.stroke();
      c.setLineDash([]);
    }
    series.forEach((line, i) => trace(c, line, color(line, i), 0, scale));
    if (at !== null && series.some((line) => line.x.length)) hover(c, series, colors, { x0, x1, px, py, width });
    else tip.hidden = true;
    screen.setTransform(1, 0, 0, 1, 0, 0);
    screen.globalCompositeOperation = 'copy';
    screen.drawImage(anew, 0, 0);
    screen.globalCompositeOperation = 'source-over';
    screen.setTransform(ratio, 0, 0, ratio, 0, 0);
    return true;
  }

  function hover(c, series, colors, { x0, x1, px, py, width }) {
    const wanted = x0 + ((at - LEFT) / (width - LEFT - RIGHT)) * (x1 - x0);
    const found = series.filter((line) => line.x.length).map((line, i) => {
      let best = 0;
      for (let k = 1; k < line.x.length; ++k) if (Math.abs(line.x[k] - wanted) < Math.abs(line.x[best] - wanted)) best = k;
      return { line, color: line.color || colors[i % colors.length], x: line.x[best], y: line.y[best] };
    });
    for (const point of found) {
      if (!Number.isFinite(point.y)) continue;
      c.fillStyle = point.color;
      c.beginPath();
      c.arc(px(point.x), py(point.y), 3.5, 0, 7);
      c.fill();
    }
    tip.replaceChildren(h('b', short(found[0].x, 5)), ...found.map((point) => h('span', { style: { color: point.color } }, `${point.line.name} ${number(point.y, 4)}`)));
    tip.hidden = false;
    tip.style.left = `${Math.min(width - 150, Math.max(LEFT, px(found[0].x) + 10))}px`;
  }

  canvas.addEventListener('pointermove', (event) => { at = event.offsetX; draw(...last); });
  canvas.addEventListener('pointerleave', () => { at = null; drawn = null; draw(...last); });
  const resized = new ResizeObserver(() => { seen = element.clientWidth; draw(...last); });
  resized.observe(element);
  return { element, draw, stop: () => resized.disconnect() };
}

/** @param {import('./store.js').Store} store */
export function legend(store, names) {
  const colors = lineColors[store.get('theme')];
  return h('div.legend', names.map((name, i) => h('span', h('i', { style: { background: colors[i % colors.length] } }), name)));
}
