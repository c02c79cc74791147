// The pad: strokes of a pen, a finger, a mouse or the arrow keys, and pictures to draw on, read as the inputs of a network.
import { h } from '../dom.js';
import { palette } from '../colors.js';
import { centerDigit, resize } from '../digit.js';

const SIDE = 280;   // pixels of the longer side of what is drawn
const PEN = 0.082;   // of it: about two pixels of a digit that is scaled into 20 x 20
const STEP = 1 / 28;   // of it: how far an arrow key moves the pen
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// Whether a key draws: an arrow key together with Shift.
export const isDrawing = (event) => event.shiftKey && event.key in WAYS;

// shape: [rows, columns] of the inputs; most: the value of full ink; changed(start): called when there is something else to read.
/** @param {import('../store.js').Store} store */
export function drawPad(store, { shape: [rows, columns], most, label, changed }) {
  const scale = Math.max(1, Math.round(SIDE / Math.max(rows, columns))), width = columns * scale, height = rows * scale;
  const ink = h('canvas', { width, height }), c = ink.getContext('2d', { willReadFrequently: true });
  const canvas = h('canvas.pad', { width, height, tabindex: 0, role: 'application', 'aria-label': label, dataset: { test: 'pad' }, style: { 'aspect-ratio': `${columns} / ${rows}` } });
  let strokes = [], base = null, keeps = false, erases = false, current = null, pen = { x: width / 2, y: height / 2 }, line = null;   // the stroke of the keys

  function segment(stroke, from, to) {
    c.strokeStyle = stroke.erases ? '#000' : '#fff';
    c.lineCap = c.lineJoin = 'round';
    c.lineWidth = to.size;
    c.beginPath();
    c.moveTo(from.x, from.y);
    c.lineTo(to.x, to.y);
    c.stroke();
  }

  function repaint() {
    c.fillStyle = '#000';
    c.fillRect(0, 0, width, height);
    if (base) {
      const picture = c.createImageData(width, height), pixels = new Uint32Array(picture.data.buffer);
      for (let y = 0; y < height; ++y) {
        for (let x = 0; x < width; ++x) {
          const value = Math.max(0, Math.min(255, Math.round((255 * base[Math.floor(y / scale) * columns + Math.floor(x / scale)]) / most)));
          pixels[y * width + x] = 0xff000000 | (value * 0x010101);
        }
      }
      c.putImageData(picture, 0, 0);
    }
    for (const stroke of strokes) stroke.points.forEach((point, k) => segment(stroke, stroke.points[Math.max(0, k - 1)], point));
  }

  function greys() {
    const { data } = c.getImageData(0, 0, width, height), out = new Uint8Array(width * height);
    for (let i = 0; i < out.length; ++i) out[i] = data[4 * i];
    return out;
  }

  function show(grey) {
    const { ink: lookup } = palette(store.get('theme')), to = canvas.getContext('2d'), picture = to.createImageData(width, height);
    const pixels = new Uint32Array(picture.data.buffer);
    for (let i = 0; i < pixels.length; ++i) pixels[i] = lookup[grey[i]];
    to.putImageData(picture, 0, 0);
    if (!canvas.matches(':focus-visible')) return;
    to.strokeStyle = getComputedStyle(canvas).getPropertyValue('--accent');   // where the keys' pen is
    to.lineWidth = 2;
    to.beginPath();
    to.arc(pen.x, pen.y, sizeOf() / 2, 0, 2 * Math.PI);
    to.stroke();
  }

  // The inputs: what was picked as it is; drawn alone, centred as MNIST is, or as drawn.
  function read() {
    const grey = greys();
    show(grey);
    if (!strokes.length) return base ? Float32Array.from(base) : new Float32Array(rows * columns);
    if (!keeps && !base && rows === 28 && columns === 28) {
      const centred = centerDigit(grey, height, width) || [], x = new Float32Array(784);
      for (let i = 0; i < centred.length; ++i) x[i] = (centred[i] * most) / 255;
      return x;
    }
    const x = new Float32Array(rows * columns);
    for (let at = 0; at < grey.length; ++at) x[Math.floor(at / width / scale) * columns + Math.floor((at % width) / scale)] += grey[at];
    return x.map((value) => (value * most) / 255 / scale ** 2);
  }

  const sizeOf = () => PEN * Math.max(width, height) * (erases ? 1.8 : 1);

  // Arrow keys move the pen, and with Shift they draw.
  function walk(event) {
    const way = WAYS[event.key];
    if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEP * Math.max(width, height), from = { ...pen, size: sizeOf() };
    event.preventDefault();
    pen = { x: Math.max(0, Math.min(width, pen.x + way[0] * step)), y: Math.max(0, Math.min(height, pen.y + way[1] * step)) };
    if (event.shiftKey) {
      if (!line || line !== strokes[strokes.length - 1] || line.erases !== erases) strokes.push(line = { points: [from], erases });
      const next = { ...pen, size: sizeOf() };
      segment(line, from, next);
      line.points.push(next);
      changed({ start: event.timeStamp });
    } else {
      line = null;
      show(greys());
    }
  }
  canvas.addEventListener('keydown', walk);
  for (const name of ['focus', 'blur']) canvas.addEventListener(name, () => show(greys()));

  function point(event) {
    const box = canvas.getBoundingClientRect(), pressure = event.pointerType === 'pen' ? 0.45 + 1.1 * event.pressure : 1;
    return { x: ((event.clientX - box.left) / box.width) * width, y: ((event.clientY - box.top) / box.height) * height,
      size: PEN * Math.max(width, height) * pressure * (current && current.erases ? 1.8 : 1) };
  }

  function add(event) {
    for (const one of event.getCoalescedEvents && event.getCoalescedEvents().length ? event.getCoalescedEvents() : [event]) {
      const next = point(one), { points } = current;
      segment(current, points[points.length - 1] || next, next);
      points.push(next);
    }
    changed({ start: event.timeStamp });
  }

  canvas.addEventListener('pointerdown', (event) => {
    if (event.button > 0 || current) return;
    canvas.setPointerCapture(event.pointerId);
    current = { points: [], erases: erases || event.button === 5, id: event.pointerId };
    strokes.push(current);
    add(event);
    event.preventDefault();
  });
  canvas.addEventListener('pointermove', (event) => { if (current && current.id === event.pointerId) add(event); });
  for (const name of ['pointerup', 'pointercancel', 'lostpointercapture']) canvas.addEventListener(name, (event) => { if (current && current.id === event.pointerId) current = null; });

  repaint();
  const pad = {
    element: canvas,
    read,
    greys: () => ({ grey: greys(), height, width }),
    get isDrawn() { return strokes.length > 0; },
    get canUndo() { return strokes.length > 0; },
    put(x) {   // a picture to draw on, or null for an empty pad
      strokes = [];
      base = x;
      repaint();
      changed({ isPut: true });
    },
    clear() {
      strokes = [];
      base = null;
      repaint();
      changed({});
    },
    undo() {
      strokes.pop();
      repaint();
      changed({});
    },
    keep(value) {
      keeps = value;
      changed({});
    },
    erase(value) { erases = value; },
  };
  canvas.pad = pad;   // for the tests
  return pad;
}

// A picture from a file, as inputs: grey, light on dark, and for 28 x 28 centred as MNIST is. null where there is nothing on it.
export async function pictureOf(file, [rows, columns], most) {
  const bitmap = await createImageBitmap(file), share = Math.min(1, 1024 / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * share)), height = Math.max(1, Math.round(bitmap.height * share));
  const c = h('canvas', { width, height }).getContext('2d', { willReadFrequently: true });
  c.fillStyle = '#fff';
  c.fillRect(0, 0, width, height);
  c.imageSmoothingQuality = 'high';
  c.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const { data } = c.getImageData(0, 0, width, height), grey = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; ++i) grey[i] = (data[4 * i] * 19595 + data[4 * i + 1] * 38470 + data[4 * i + 2] * 7471 + 0x8000) >> 16;
  if (rows === 28 && columns === 28) {
    const found = centerDigit(grey, height, width);
    return found && Float32Array.from(found, (value) => (value * most) / 255);
  }
  const edge = [...grey.subarray(0, width), ...grey.subarray(width * (height - 1))].sort((a, b) => a - b), light = edge[edge.length >> 1] > 127;
  const shares = Float32Array.from(grey, (value) => (light ? 255 - value : value) / 255);
  return resize({ values: shares, height, width }, rows, columns).values.map((value) => Math.min(1, Math.max(0, value)) * most);
}
