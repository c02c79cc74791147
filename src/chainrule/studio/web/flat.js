// The flat picture of a network on a canvas: each layer a grid of points, and the strongest connections between them.
import { h } from './dom.js';
import { cssOf } from './colors.js';
import { arrange, middle, neuronAt, neighbour, beside } from './arrange.js';
import { incoming } from './layers.js';

const BUCKETS = 8;
export const SIGNED = { light: ['#b34700', '#0072b2'], dark: ['#f0a35e', '#56b4e9'] };   // of edges below and above zero

// A painter: {canvas, resize, draw, place, at, move, stop}. `draw` takes the scene of netview.js.
/** @type {import('./netview.js').MakePainter} */
export function flatPainter(store, { height }) {
  const canvas = h('canvas');
  let layout = null, ratio = 1, width = 0, shown = null;

  function resize(scene, wide) {
    width = wide;
    shown = scene.layers;
    const reads = scene.labels && scene.layers[scene.layers.length - 1].width <= 16;
    const longest = reads ? Math.max(...scene.labels.map((label) => label.length)) : 0;
    layout = arrange(scene.layers, width, height, { right: 24 + Math.min(72, 8 * longest) });
    ratio = Math.min(2, window.devicePixelRatio || 1);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(layout.height * ratio);
    canvas.style.height = `${layout.height}px`;
  }

  function line(c, [x0, y0], [x1, y1], jumps) {
    c.moveTo(x0, y0);
    if (layout.down) c.bezierCurveTo(x0 + jumps * 60, y0 + (y1 - y0) * 0.45, x1 + jumps * 60, y1 - (y1 - y0) * 0.45, x1, y1);
    else c.bezierCurveTo(x0 + (x1 - x0) * 0.45, y0 - jumps * 60, x1 - (x1 - x0) * 0.45, y1 - jumps * 60, x1, y1);
  }

  // Edges [{to, from, i, j, share}] in few strokes: one for each of 8 opacities and both signs.
  function edges(c, list, strength, colors) {
    const buckets = Array.from({ length: 2 * BUCKETS }, () => []);
    for (const edge of list) buckets[(edge.share > 0 ? BUCKETS : 0) + Math.min(BUCKETS - 1, Math.floor(Math.abs(edge.share) * BUCKETS))].push(edge);
    buckets.forEach((bucket, k) => {
      if (!bucket.length) return;
      const share = ((k % BUCKETS) + 1) / BUCKETS;
      c.globalAlpha = strength * (0.1 + 0.75 * share);
      c.lineWidth = 0.6 + 1.3 * share;
      c.strokeStyle = colors[k < BUCKETS ? 0 : 1];
      c.beginPath();
      for (const { to, from, i, j } of bucket) line(c, middle(layout.places[from], i), middle(layout.places[to], j), to - from > 1 ? 1 : 0);
      c.stroke();
    });
    c.globalAlpha = 1;
  }

  function neurons(c, scene, place, alpha, line) {
    const { lookup, places } = scene.shades[place], texts = cssOf(lookup), spot = layout.places[place], { cell, columns } = spot;
    const isPicture = Boolean(scene.layers[place].shape), size = isPicture ? cell : cell * (cell >= 12 ? 0.74 : 0.84), round = cell >= 9 && !isPicture;
    c.globalAlpha = alpha;
    let last = -1;
    for (let j = 0; j < places.length; ++j) {
      const x = spot.x + ((j % columns) + 0.5) * cell, y = spot.y + (Math.floor(j / columns) + 0.5) * cell;   // as `middle` has it
      if (places[j] !== last) c.fillStyle = texts[places[j]];
      last = places[j];
      if (round) {
        c.beginPath();
        c.arc(x, y, size / 2, 0, 7);
        c.fill();
      } else if (isPicture) {
        const left = Math.round((x - cell / 2) * ratio) / ratio, top = Math.round((y - cell / 2) * ratio) / ratio;
        c.fillRect(left, top, Math.round((x + cell / 2) * ratio) / ratio - left, Math.round((y + cell / 2) * ratio) / ratio - top);
      } else {
        c.fillRect(x - size / 2, y - size / 2, size, size);
      }
    }
    c.globalAlpha = 1;
    if (isPicture) {
      c.strokeStyle = line;
      c.lineWidth = 1;
      c.strokeRect(spot.x - 0.5, spot.y - 0.5, spot.width + 1, spot.height + 1);
    }
  }

  function names(c, scene, place, { ink, soft, ground }) {
    const spot = layout.places[place], { layers } = scene;
    const x = layout.down ? width / 2 : spot.x + spot.width / 2, y = layout.down ? spot.y - HEAD_GAP : 30;
    c.textAlign = 'center';
    c.textBaseline = 'alphabetic';
    const lines = [['600 12px system-ui, sans-serif', ink, layers[place].title, y - 15], ['11px system-ui, sans-serif', soft, layers[place].about, y]];
    for (const [font, color, text, at] of lines) {
      c.font = font;
      const most = spot.pitch - 6, wide = Math.min(most, c.measureText(text).width) + 8;
      c.fillStyle = ground;   // its own ground, for lines run behind it
      c.fillRect(x - wide / 2, at - 12, wide, 16);
      c.fillStyle = color;
      c.fillText(text, x, at, most);
    }
  }

  function answers(c, scene, ink, soft) {
    const last = scene.layers.length - 1, spot = layout.places[last];
    if (!scene.labels || scene.layers[last].width > 16) return;
    const best = scene.answer.indexOf(Math.max(...scene.answer));
    scene.labels.slice(0, scene.layers[last].width).forEach((label, j) => {
      const [x, y] = middle(spot, j);
      c.fillStyle = j === best ? ink : soft;
      c.font = `${j === best ? 700 : 400} 12px system-ui, sans-serif`;
      c.textBaseline = 'middle';
      c.textAlign = layout.down ? 'center' : 'left';
      if (layout.down) c.fillText(label, x, y + spot.cell * 0.5 + 8, spot.cell + 8);
      else c.fillText(label, x + spot.cell * 0.6 + 4, y, 78);
    });
  }

  function ring(c, spot, index, color, thick = 2) {
    const [x, y] = middle(spot, index), r = Math.max(5, spot.cell * 0.5 + 1.5);
    c.strokeStyle = color;
    c.lineWidth = thick;
    c.beginPath();
    c.arc(x, y, r, 0, 7);
    c.stroke();
  }

  function draw(scene) {
    if (!layout || shown !== scene.layers) return;
    const c = canvas.getContext('2d'), style = getComputedStyle(canvas), colors = SIGNED[store.get('theme')];
    const ink = style.getPropertyValue('--ink'), soft = style.getPropertyValue('--soft'), accent = style.getPropertyValue('--warm');
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, width, layout.height);
    const reveal = (place) => Math.max(0, Math.min(1, scene.progress - place + 1));
    const asked = scene.hover || scene.selected;
    for (let place = 0; place < scene.layers.length; ++place) {
      const strength = (asked ? 0.3 : 1) * reveal(place) ** 2;
      if (strength > 0) edges(c, scene.edges[place], strength, colors);
    }
    if (asked) edges(c, incoming(scene, asked), 1, colors);
    for (let place = 0; place < scene.layers.length; ++place) {
      neurons(c, scene, place, 0.15 + 0.85 * reveal(place), style.getPropertyValue('--line'));
      names(c, scene, place, { ink, soft, ground: style.getPropertyValue('--card') });
    }
    answers(c, scene, ink, soft);
    if (scene.selected) ring(c, layout.places[scene.selected.place], scene.selected.index, accent, 2.5);
    if (scene.hover) ring(c, layout.places[scene.hover.place], scene.hover.index, ink, 1.5);
  }

  return {
    canvas,
    resize,
    draw,
    place: ({ place, index }) => middle(layout.places[place], index),
    at: (scene, x, y) => layout && neuronAt(scene.layers, layout.places, x, y),
    move: (scene, from, key) => neighbour(scene.layers, layout, from, key),
    beside: (scene, from, step) => beside(scene.layers, layout, from, step),
    stop() {},
  };
}

const HEAD_GAP = 9;
