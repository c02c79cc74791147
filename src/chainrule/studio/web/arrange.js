// Where the neurons of a flat picture are: each layer a grid, from left to right, or from top to bottom where it is narrow.

const HEAD = 40;   // for a layer's name and what it is
const DOWN = 460;   // a width below which the layers stand one below the other

function grid({ width: n, shape }, down) {
  if (shape) return { columns: shape[1], rows: shape[0], most: (down ? 112 : 252) / Math.max(...shape) };
  if (n <= 16) return { columns: down ? n : 1, rows: down ? 1 : n, most: n <= 12 ? 32 : 24 };
  const columns = Math.ceil(Math.sqrt(n * (down ? 2.6 : 0.2)));
  return { columns, rows: Math.ceil(n / columns), most: n <= 150 ? 18 : 13 };
}

// -> {down, height, places: [{x, y, cell, columns, rows, width, height, pitch}]}: x, y of the upper left corner of a layer's grid.
export function arrange(layers, width, height, { right = 70 } = {}) {
  const down = width < DOWN, grids = layers.map((layer) => grid(layer, down)), gaps = Math.max(1, layers.length - 1);
  if (down) {
    let y = 0;
    const places = grids.map(({ columns, rows, most }) => {
      const cell = Math.min(most, (width - 8) / columns);
      const place = { x: (width - columns * cell) / 2, y: y + HEAD, cell, columns, rows, width: columns * cell, height: rows * cell, pitch: width };
      y += HEAD + place.height + 34;
      return place;
    });
    return { down, height: y - 10, places };
  }
  const room = width - right - 24, tall = height - HEAD - 12, least = Math.min(76, (0.42 * room) / gaps);
  let share = 1;   // of the size that a layer's neurons have where there is room
  const cells = () => grids.map(({ rows, most }) => Math.min(most * share, tall / rows));
  const total = () => cells().reduce((sum, cell, k) => sum + cell * grids[k].columns, 0);
  while (share > 0.02 && total() + gaps * least > room) share *= 0.96;
  const found = cells(), gap = Math.min(280, (room - total()) / gaps);
  let x = 24 + (room - total() - gap * (layers.length - 1)) / 2;
  const places = grids.map(({ columns, rows }, k) => {
    const cell = found[k];
    const place = { x, y: HEAD + (tall - rows * cell) / 2, cell, columns, rows, width: columns * cell, height: rows * cell, pitch: gap + columns * cell };
    x += place.width + gap;
    return place;
  });
  return { down, height, places };
}

// The middle of a neuron.
/** @returns {[number, number]} */
export function middle({ x, y, cell, columns }, index) {
  return [x + ((index % columns) + 0.5) * cell, y + (Math.floor(index / columns) + 0.5) * cell];
}

// The neuron at a point: {place, index}, or null.
export function neuronAt(layers, places, px, py) {
  for (let place = 0; place < layers.length; ++place) {
    const { x, y, cell, columns, rows } = places[place], column = Math.floor((px - x) / cell), row = Math.floor((py - y) / cell);
    const index = row * columns + column;
    if (column >= 0 && column < columns && row >= 0 && row < rows && index < layers[place].width) return { place, index };
  }
  return null;
}

// The neuron that an arrow key leads to: the next in the grid, and beyond its edge the nearest of the next layer.
export function neighbour(layers, { down, places }, { place, index }, key) {
  const { columns } = places[place], n = layers[place].width;
  if (key === 'Home') return { place, index: 0 };
  if (key === 'End') return { place, index: n - 1 };
  const column = index % columns, step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  const across = key === 'ArrowLeft' || key === 'ArrowRight', forward = step > 0 ? 1 : -1;
  const inside = index + step >= 0 && index + step < n && (!across || (column + step >= 0 && column + step < columns));
  if (inside) return { place, index: index + step };
  const other = place + forward;
  if (across === down || other < 0 || other >= layers.length) return { place, index };
  return { place: other, index: nearest(layers[other].width, places[other], middle(places[place], index)) };
}

// The neuron of the layer before or behind that is nearest.
export function beside(layers, { places }, { place, index }, move) {
  const other = Math.max(0, Math.min(layers.length - 1, place + move));
  return other === place ? { place, index } : { place: other, index: nearest(layers[other].width, places[other], middle(places[place], index)) };
}

function nearest(n, place, [px, py]) {
  let best = 0, least = Infinity;
  for (let i = 0; i < n; ++i) {
    const [x, y] = middle(place, i), far = (x - px) ** 2 + (y - py) ** 2;
    if (far < least) [best, least] = [i, far];
  }
  return best;
}
