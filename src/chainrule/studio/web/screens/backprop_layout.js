// Where everything is in the picture of a walk: a column for each link's output, one lane forward and one back.
import { isDense } from './backprop_steps.js';

export const PILLS = 12;   // up to so many neurons stand one below the other, with their numbers
const MAX_EDGES = 110;

// Sizes in pixels. head: above a lane, for its words; font: theirs; pill: of one number; least: the narrowest column of pictures, and of a chain.
const WIDE = { head: 24, between: 30, font: 12, pill: 30, bigPill: 40, room: 24, lanes: [40, 116, 166], least: [60, 52] };
const NARROW = { head: 14, between: 16, font: 10, pill: 14, bigPill: 26, room: 26, lanes: [40, 50, 54], least: [42, 56] };

// columns: [{name, n, shape?}], a last one for the loss added. isNarrow: small enough to stay in sight on a phone.
// Returns {width, height, columns: [{name, n, x, width, grid}], lanes: [y, y], lane, sizes}.
export function layout(columns, available, isNarrow = false) {
  const sizes = isNarrow ? NARROW : WIDE, isSmall = columns.every(({ n }) => n <= 4), pill = isSmall ? sizes.bigPill : sizes.pill;
  const count = columns.length + 1, each = Math.max(sizes.least[isSmall ? 1 : 0], Math.min(190, (available - 8) / count));
  const width = Math.max(available, Math.round(each * count + 8)), step = (width - 8) / count;
  const tall = Math.max(...columns.map(({ n }) => (n <= PILLS ? n * pill : 0))) + (isSmall ? sizes.room : 0);
  const [low, pictures, high] = sizes.lanes, lane = Math.max(columns.some(({ n }) => n > PILLS) ? pictures : low, Math.min(high, tall)) + 8;
  const inRow = isNarrow || isSmall ? step - 8 : Math.max(40, 0.66 * step);   // wide: the connections between numbers need room
  const lanes = [sizes.head, sizes.head + lane + sizes.between];
  const placed = columns.map(({ name, n, shape }, k) => ({ name, n, isPicture: Boolean(shape), x: 4 + k * step, width: step, grid: gridOf(n, shape, n > PILLS ? step - (isNarrow ? 6 : 14) : inRow, lane - 8, pill) }));
  placed.push({ name: 'loss', n: 1, x: 4 + columns.length * step, width: step, grid: { columns: 1, rows: 1, w: Math.min(76, step - (isNarrow || isSmall ? 8 : 14)), h: Math.max(20, pill), isPills: true } });
  return { width, height: lanes[1] + lane + 6, columns: placed, lanes, lane, sizes };
}

function gridOf(n, shape, width, height, pill) {
  if (n <= PILLS) {
    return { columns: 1, rows: n, w: Math.min(76, width), h: Math.min(pill, height / n), isPills: true };
  }
  const columns = shape ? shape[1] : roomiest(n, width, height), rows = Math.ceil(n / columns), size = sizeIn(columns, n, width, height);
  return { columns, rows, w: size, h: size, isPills: false };
}

function sizeIn(columns, n, width, height) {
  const size = Math.min(16, width / columns, height / Math.ceil(n / columns));
  return size > 3 ? Math.floor(size) : size;
}

// In how many columns n neurons are largest; of several, those that come next to a square.
function roomiest(n, width, height) {
  const square = Math.ceil(Math.sqrt(n));
  let best = square;
  for (let columns = 1; columns <= n; ++columns) {
    const gain = sizeIn(columns, n, width, height) - sizeIn(best, n, width, height);
    if (gain > 1e-9 || (gain > -1e-9 && Math.abs(columns - square) < Math.abs(best - square))) best = columns;
  }
  return best;
}

// The box of neuron `index` of a column in a lane: {x, y, w, h}.
export function boxOf(plan, column, index, lane) {
  const { grid } = column, left = column.x + (column.width - grid.columns * grid.w) / 2;
  const top = plan.lanes[lane] + (plan.lane - grid.rows * grid.h) / 2;
  return { x: left + (index % grid.columns) * grid.w, y: top + Math.floor(index / grid.columns) * grid.h, w: grid.w, h: grid.h };
}

// The neuron at a place: {name, index, lane} or null.
export function neuronAt(plan, x, y) {
  const lane = plan.lanes.findIndex((top) => y >= top && y <= top + plan.lane);
  if (lane < 0) return null;
  for (const column of plan.columns) {
    if (x < column.x || x >= column.x + column.width) continue;
    const first = boxOf(plan, column, 0, lane), { grid } = column;
    const i = Math.floor((x - first.x) / grid.w), j = Math.floor((y - first.y) / grid.h), index = j * grid.columns + i;
    if (i < 0 || j < 0 || i >= grid.columns || index >= column.n) return null;
    return { name: column.name, index, lane };
  }
  return null;
}

// The strongest connections of a link: [{from: i, to: j, value}], value = what flows through it.
export function edgesOf(link, W, into, error, way) {
  const [inputs, outputs] = W ? W.shape : [into.length, link.out.shape[1]];
  const found = [];
  let least = 0;
  const offer = (from, to, value) => {
    const size = Math.abs(value);
    if (!(size > least)) return;
    found.push({ from, to, value });
    if (found.length < 4 * MAX_EDGES) return;
    trim(found);
    least = Math.abs(found[found.length - 1].value);
  };
  if (W && isDense(link)) {
    for (let i = 0; i < inputs; ++i) {
      if (way === 'forward' && into[i] === 0) continue;
      for (let j = 0, at = i * outputs; j < outputs; ++j, ++at) offer(i, j, W[at] * (way === 'forward' ? into[i] : error[j]));
    }
  } else {
    const most = Math.min(inputs, outputs), values = way === 'forward' ? into : error;
    for (let k = 0; k < most; ++k) offer(k, k, values[k]);
  }
  return trim(found);
}

function trim(found) {
  found.sort((one, two) => Math.abs(two.value) - Math.abs(one.value));
  found.length = Math.min(found.length, MAX_EDGES);
  return found;
}

// How far a point is from the curve of an edge.
export function distanceTo(a, b, x, y) {
  let best = Infinity;
  for (let k = 0; k <= 24; ++k) {
    const [px, py] = along(a, b, k / 24);
    best = Math.min(best, Math.hypot(px - x, py - y));
  }
  return best;
}

function along(a, b, s) {
  const m = (a[0] + b[0]) / 2, r = 1 - s;
  return [r * r * r * a[0] + 3 * r * r * s * m + 3 * r * s * s * m + s * s * s * b[0], r * r * r * a[1] + 3 * r * r * s * a[1] + 3 * r * s * s * b[1] + s * s * s * b[1]];
}
