// What is trained on: MNIST, files that are dropped or chosen, or points that are painted on a plane.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { css, palette, signedPlace } from '../colors.js';
import { lineColors } from '../chart.js';
import { isNetwork } from '../networks.js';
import { button, marked, tabs, takesFiles } from '../ui.js';
import { change } from './train_form.js';
import { dataLine } from './train_told.js';

const SIZE = 240, GRID = 40, MOST = 150;   // of the plane in pixels, of its map in cells, of points in the address

// Numbers in [0, 1) from a seed, the same each time.
function dice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}

function sampled(kind) {
  const random = dice(7), points = [], round = (v) => Math.round(100 * v) / 100;
  for (let i = 0; i < 120; ++i) {
    const y = i % 2, along = random(), jitter = () => 0.14 * (random() - 0.5);
    if (kind === 'moons') points.push(y ? [0.25 + 0.6 * Math.cos(Math.PI * (1 + along)), 0.2 + 0.6 * Math.sin(Math.PI * (1 + along))] : [-0.25 + 0.6 * Math.cos(Math.PI * along), -0.2 + 0.6 * Math.sin(Math.PI * along)]);
    else if (kind === 'ring') points.push(y ? [0.8 * Math.cos(6.283 * along), 0.8 * Math.sin(6.283 * along)] : [0.35 * random() * Math.cos(6.283 * along), 0.35 * random() * Math.sin(6.283 * along)]);
    else points.push([(0.1 + 0.8 * along) * Math.cos(9 * along + Math.PI * y), (0.1 + 0.8 * along) * Math.sin(9 * along + Math.PI * y)]);
    const point = points[points.length - 1];
    points[points.length - 1] = [round(point[0] + jitter()), round(point[1] + jitter()), y];
  }
  return points;
}

function painter(store, use) {
  const canvas = h('canvas.plane', { width: SIZE, height: SIZE, dataset: { test: 'plane' }, role: 'img', 'aria-label': t(store, 'train.plane') });
  let points = [...(store.get('train.points') || [])], chosen = 1, pressed = false;
  const keep = () => store.set({ 'train.points': points.length <= MOST ? points : null });

  function draw() {
    const c = canvas.getContext('2d'), network = store.get('network'), colors = palette(store.get('theme')), lines = lineColors[store.get('theme')];
    c.fillStyle = css(colors.signed[128]);
    c.fillRect(0, 0, SIZE, SIZE);
    if (network && network.model.inputs === 2 && network.runsHere && network.model.task !== 'regression') {
      const cell = SIZE / GRID;
      for (let i = 0; i < GRID; ++i) for (let j = 0; j < GRID; ++j) {
        const seen = network.forward([((j + 0.5) / GRID) * 2 - 1, 1 - ((i + 0.5) / GRID) * 2]), p = network.answer(seen[seen.length - 1].a);
        const best = p.indexOf(Math.max(...p));
        c.fillStyle = p.length === 2 ? css(colors.signed[signedPlace(p[1] - 0.5, 0.9)]) : lines[best % lines.length];
        c.globalAlpha = p.length === 2 ? 1 : 0.3 * p[best];
        c.fillRect(j * cell, i * cell, cell + 1, cell + 1);
      }
      c.globalAlpha = 1;
    }
    for (const [x, y, k] of points) {
      c.beginPath();
      c.arc(((x + 1) / 2) * SIZE, ((1 - y) / 2) * SIZE, 4, 0, 7);
      c.fillStyle = [lines[1], lines[0], lines[2], lines[3]][k];
      c.fill();
      c.strokeStyle = css(colors.ink[0]);
      c.stroke();
    }
  }

  function add(event) {
    const box = canvas.getBoundingClientRect(), round = (v) => Math.round(100 * v) / 100;
    if (points.length < 2000) points.push([round(((event.clientX - box.left) / box.width) * 2 - 1), round(1 - ((event.clientY - box.top) / box.height) * 2), chosen]);
    draw();
  }
  canvas.addEventListener('pointerdown', (event) => { pressed = true; canvas.setPointerCapture(event.pointerId); add(event); });
  canvas.addEventListener('pointermove', (event) => { if (pressed) add(event); });
  canvas.addEventListener('pointerup', () => { pressed = false; keep(); });
  const classes = tabs([0, 1, 2, 3].map((k) => [String(k), t(store, 'train.class_n', { n: k })]), '1', (key) => { chosen = Number(key); }, t(store, 'train.class_to_paint'));
  const load = (kind) => button(t(store, `train.points.${kind}`), () => { points = sampled(kind); keep(); draw(); use(points); }, { quiet: true, 'data-points': kind });
  const off = store.on('network', draw);
  draw();
  return { element: h('div.painter', canvas, h('div', classes, h('div.row', load('moons'), load('ring'), load('spiral')),
    h('div.row', button(t(store, 'train.use_points'), () => { keep(); use(points); }, { 'data-test': 'use-points' }),
      button(t(store, 'train.clear'), () => { points = []; keep(); draw(); }, { quiet: true })),
    h('p.help', t(store, 'train.paint_help')))), stop: off };
}

// The panel of the data. reading() is the name of data that are on their way, fail(sentence) shows what is wrong with them.
/** @param {import('../store.js').Store} store */
export function dataPanel(store, reading, fail) {
  const body = h('div.data-body'), line = h('p.data-line', { role: 'status', dataset: { test: 'data-line' } }), bar = h('progress', { hidden: true, 'aria-label': t(store, 'train.reading_bar') });
  let stop = () => {};

  async function choose(kind, args) {
    try {
      fail(null);
      await store.call('train.data', { kind, ...args });
      store.set({ 'train.data': kind });
      change(store, { samples: null });
    } catch (error) {
      if (error.message !== 'lost') fail(error.message);
    }
  }
  let before = Promise.resolve();   // files that are brought while others are read wait for these
  const bring = (files) => { before = before.then(() => take(files)); };
  async function take(files) {
    if (files.some(({ name }) => isNetwork(name))) {
      store.emit('files.brought', files);
      return;
    }
    try {
      fail(null);
      store.set({ 'train.sending': files.map(({ name }) => name).join(', ') });
      const uploads = [];
      for (const file of files) uploads.push(await store.upload(file));
      await choose('files', { uploads });
    } catch (error) {
      fail(error.message);
    } finally {
      store.set({ 'train.sending': null });
    }
  }

  function showMnist() {
    const data = store.get('data');
    fill(body, !data || data.name === 'mnist' ? null : button(t(store, 'train.use_mnist'), () => choose('mnist', {})));
  }

  function fileArea() {
    const input = h('input.visually-hidden', { type: 'file', multiple: true, accept: '.csv,.tsv,.parquet,.pq,.arrow,.feather,.ipc,.xlsx,.xlsm,.npz,.gz,.idx1-ubyte,.idx3-ubyte,*', dataset: { test: 'file' }, onchange: () => { if (input.files.length) bring([...input.files]); input.value = ''; } });
    const zone = h('label.drop', h('strong', t(store, 'train.drop')), h('span', marked(t(store, store.host.kind === 'page' ? 'play.drop_help' : 'train.drop_help'))), input, h('span.button', t(store, 'train.choose')));
    takesFiles(zone, bring);
    return zone;
  }

  let tab = null;
  function show(kind) {
    stop();
    stop = () => {};
    tab = kind;
    if (kind === 'mnist') showMnist();
    else if (kind === 'files') fill(body, fileArea());
    else {
      const made = painter(store, (points) => choose('points', { points }));
      stop = made.stop;
      fill(body, made.element);
    }
  }
  const kinds = [['mnist', 'MNIST'], ['files', t(store, 'train.data_files')], ['points', t(store, 'train.data_points')]];
  const start = ['files', 'points'].includes(store.get('train.data')) ? store.get('train.data') : 'mnist';
  const list = tabs(kinds, start, (kind) => {
    show(kind);
    if (kind === 'mnist' && store.get('data')?.name !== 'mnist') choose('mnist', {});
  }, t(store, 'train.data'));
  const describe = () => {
    const name = reading();
    line.textContent = name ? t(store, 'train.reading', { name }) : dataLine(store);
    bar.hidden = !name;
    for (const box of [list, body]) box.inert = Boolean(name);   // what is being read is waited for
  };
  let pending = start === 'points' ? store.get('train.points') : null;   // painted points of the address, for a server that does not have them
  const arrived = () => {
    describe();
    if (tab === 'mnist') showMnist();
    const data = store.get('data');
    if (data?.columns && tab === 'mnist') list.querySelector('[data-key="files"]').click();   // a table is on show
    if (!data || !pending) return;
    const points = pending;
    pending = null;
    if (data.name !== 'points') choose('points', { points });
  };
  show(start);
  arrived();
  const off = store.on('data', arrived);
  return { element: h('div.data', list, line, bar, body), show: describe, stop() { off(); stop(); } };
}
