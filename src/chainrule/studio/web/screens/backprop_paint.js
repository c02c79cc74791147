// What the picture of a walk is painted with: columns of neurons, pills with numbers, connections, frames.
import { figure } from './backprop_steps.js';
import { css, inkOn, largest, palette, sharePlace, signedPlace } from '../colors.js';
import { boxOf } from './backprop_layout.js';

export const middle = ({ x, y, w, h: tall }) => [x + w / 2, y + tall / 2];

function curve(c, a, b) {
  const m = (a[0] + b[0]) / 2;
  c.moveTo(a[0], a[1]);
  c.bezierCurveTo(m, a[1], m, b[1], b[0], b[1]);
}

// A number in a round box; shown: {color, text}, null while it is not known.
export function pill(c, { x, y, w, h: tall }, shown, style) {
  c.beginPath();
  c.roundRect(x + 0.5, y + 1, w - 1, Math.max(2, tall - 2.5), Math.max(2, Math.min(8, tall / 2 - 2)));
  c.fillStyle = shown ? css(shown.color) : style.card;
  c.fill();
  c.strokeStyle = style.line;
  c.lineWidth = 1;
  c.stroke();
  if (!shown || tall < 15) return;
  c.fillStyle = inkOn(shown.color);
  const size = Math.min(14, tall - 6), at = (pixels) => `${pixels}px system-ui, sans-serif`;
  c.font = at(size);
  const width = c.measureText(shown.text).width;
  if (width > w - 5) c.font = at(Math.max(9, (size * (w - 5)) / width));
  c.textAlign = 'center';
  c.textBaseline = 'middle';
  c.fillText(shown.text, x + w / 2, y + tall / 2, w - 3);
}

// The neurons of a column in a lane; values: null while they are not known. look: of palette().
export function paintColumn(c, plan, column, lane, values, style, look) {
  const { n, grid } = column, first = boxOf(plan, column, 0, lane);
  if (!values) {
    c.strokeStyle = style.line;
    c.lineWidth = 1;
    if (grid.isPills) for (let k = 0; k < n; ++k) pill(c, boxOf(plan, column, k, lane), null, style);
    else c.strokeRect(first.x - 1.5, first.y - 1.5, grid.columns * grid.w + 3, grid.rows * grid.h + 3);
    return;
  }
  const most = largest(values) || 1, isInk = lane === 0 && column.isPicture, isSigned = !isInk && (lane === 1 || values.some((value) => value < 0));
  const lookup = isInk ? look.ink : isSigned ? look.signed : look.strong;
  const place = isSigned ? (value) => signedPlace(value, most) : (value) => sharePlace(value, most);
  const gap = grid.w > 5 ? 1 : 0;
  for (let k = 0; k < n; ++k) {
    const box = boxOf(plan, column, k, lane), color = lookup[place(values[k])];
    if (grid.isPills) pill(c, box, { color, text: figure(values[k], 3) }, style);
    else {
      c.fillStyle = css(color);
      c.fillRect(box.x, box.y, box.w - gap, box.h - gap);
    }
  }
}

// Connections [{from, to, value, isBack}] with ends(edge) -> [a, b], grown to a share of their length.
export function paintEdges(c, edges, ends, share, theme) {
  const most = largest(edges.map(({ value }) => value)) || 1, { signed } = palette(theme);
  for (let k = edges.length - 1; k >= 0; --k) {
    const edge = edges[k], size = Math.abs(edge.value) / most;
    const [a, b] = ends(edge), [from, to] = edge.isBack ? [b, a] : [a, b];
    c.globalAlpha = 0.15 + 0.7 * Math.sqrt(size);
    c.strokeStyle = css(signed[signedPlace(edge.value < 0 ? -1 : 1, 1.35)]);
    c.lineWidth = 0.6 + 2.2 * size;
    c.beginPath();
    curve(c, from, [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share]);
    c.stroke();
  }
  c.globalAlpha = 1;
}

// Words of the two lanes, from x on, and the line between them.
export function paintLanes(c, plan, words, x, style) {
  c.font = `${plan.sizes.font}px system-ui, sans-serif`;
  c.fillStyle = style.soft;
  c.textAlign = 'left';
  c.textBaseline = 'bottom';
  words.forEach((text, lane) => c.fillText(text, x + 6, plan.lanes[lane] - plan.sizes.head / 6));
  c.strokeStyle = style.line;
  c.lineWidth = 1;
  c.beginPath();
  const y = plan.lanes[1] - plan.sizes.head - 1.5;
  c.moveTo(0, y);
  c.lineTo(plan.width, y);
  c.stroke();
}

export function paintLine(c, a, b, color, width) {
  c.strokeStyle = color;
  c.lineWidth = width;
  c.beginPath();
  curve(c, a, b);
  c.stroke();
}

// A weight written on its connection, or above it where the boxes leave too little room.
export function paintWeight(c, a, b, text, plan, style) {
  c.font = `${plan.sizes.font}px system-ui, sans-serif`;
  const width = c.measureText(text).width + 8, isAbove = width > b[0] - a[0] - 2;
  const x = (a[0] + b[0]) / 2, y = (a[1] + b[1]) / 2 - (isAbove ? plan.sizes.bigPill / 2 + 7 : 0);
  c.fillStyle = style.card;
  if (!isAbove) c.fillRect(x - width / 2, y - 9, width, 18);
  c.fillStyle = style.soft;
  c.textAlign = 'center';
  c.textBaseline = 'middle';
  c.fillText(text, x, y);
}
