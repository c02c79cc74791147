// A small network learns to tell the points of a plane apart: its answer everywhere, and the map of every neuron.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { number, percent, count } from '../format.js';
import { button, select, panel, code, fault } from '../ui.js';
import { lineChart, legend } from '../chart.js';
import { counted, createFrame } from '../frame.js';
import { forwardGrid, gridPoints, answers } from '../grid.js';
import { surface } from '../plane_surface.js';
import { networkPicture, layersOf } from '../plane_network.js';
import { settings, defaults } from '../plane_settings.js';
import { encode, decode, point, MAX_POINTS } from '../plane_points.js';

export const url = Object.keys(defaults);

const SIZE = 100, N = SIZE * SIZE, EDGE = 1.3, FIRST_EPOCHS = 150;
const BRUSH = 0.07;   // how far apart painted points lie, and how far the eraser reaches

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function plane(root, store) {
  for (const [key, value] of Object.entries({ ...defaults, 'plane.brush': 0 })) if (store.get(key) === undefined) store.set({ [key]: value });
  const get = (key) => store.get(`plane.${key}`);
  const grid = gridPoints(SIZE, EDGE);
  let current = null, seen = null, curve = null, frame = null, timer = null, building = 0, stopped = false, painted = null, endless = false, isAsked = false, isBusy = false;   // isAsked: another network is about to be built

  const { ask: redraw, stop: stopDrawing } = createFrame(draw);
  const picture = networkPicture(store, { looked: redraw, resize });
  const map = surface(store, { paint, erase, looked: redraw, brush });
  const chart = lineChart(store, { label: t(store, 'plane.curve'), height: 150 });
  const error = fault({ dataset: { test: 'plane-error' } });
  const stats = h('div.plane-stats'), says = h('p.message', { role: 'status', dataset: { test: 'shown' } }), python = h('div');
  const controls = settings(store, () => rebuild(), { brush, clear, kind: chooseKind, redraw });
  const play = button('', () => (frame?.running ? pause() : start()), { primary: true, dataset: { test: 'play' } });
  const keys = h('div.row.plane-run', play,
    button(t(store, 'plane.step'), () => call('plane.step', { steps: 1 }), { dataset: { test: 'step' } }),
    button(t(store, 'plane.rewind'), rewind, { dataset: { test: 'rewind' }, title: t(store, 'plane.rewind_hint') }),
    button(t(store, 'plane.reseed'), () => { store.set({ 'plane.seed': (get('seed') + 1) % 100 }); controls.show(); rebuild(); }, { dataset: { test: 'reseed' } }),
    select([['slow', t(store, 'plane.slow')], ['normal', t(store, 'plane.normal')], ['fast', t(store, 'plane.fast')]], get('pace'), (value) => { store.set({ 'plane.pace': value }); if (frame?.running) start(); }, { 'aria-label': t(store, 'plane.pace') }),
    store.can('plane.show') ? button(t(store, 'plane.show'), show, { dataset: { test: 'show' } }) : null);
  const builder = h('div.row.plane-builder',
    button(t(store, 'plane.remove_layer'), () => resizeAll(-1), { dataset: { test: 'remove-layer' } }), h('output', { dataset: { test: 'depth' } }), button(t(store, 'plane.add_layer'), () => resizeAll(1), { dataset: { test: 'add-layer' } }));

  // --- what the server is asked for

  async function call(name, args) {
    try {
      const answer = await store.call(name, args);
      error.say(null);
      return answer;
    } catch (problem) {
      error.failed(problem);
      return null;
    }
  }

  const wanted = () => ({
    kind: get('kind'), n: get('n'), noise: get('noise'), seed: get('seed'), layers: get('layers'), activation: get('activation'), batch_norm: get('norm'),
    residual: get('residual'), optimizer: get('optimizer'), rate: get('rate'), batch: get('batch'), painted: get('kind') === 'painted' ? decode(get('points'), EDGE).flat() : [],
  });

  const isWanted = (others) => Object.entries(wanted()).every(([key, value]) => JSON.stringify(value) === JSON.stringify(others[key]));
  // Another network trains by itself: without end where the one before did, else for a while, and with motion off not at all.
  function rebuild() {
    clearTimeout(timer);
    isAsked = true;
    beBusy(true);
    timer = setTimeout(() => { isAsked = false; build(true); }, 120);
  }

  // From the change of a setting until its network is on show, no network from elsewhere is followed: its settings would replace the change.
  function beBusy(value) { isBusy = value; map.element.setAttribute('aria-busy', String(value)); }

  async function build(goesOn) {
    const asked = ++building, given = wanted();
    if (given.kind === 'painted' && new Set(painted.map(([, , k]) => k)).size < 2) {
      waitForPoints();
      return;
    }
    beBusy(true);
    const state = await call('plane.build', given);
    if (stopped || isAsked || asked !== building) return;   // of settings that have changed since
    beBusy(false);
    if (state) adopt(state);
    if (state && goesOn && (endless || store.get('motion'))) await call('plane.start', { epochs: endless ? null : FIRST_EPOCHS, pace: get('pace') });
  }

  function start() {
    endless = true;
    return call('plane.start', { epochs: null, pace: get('pace') });
  }

  function pause() {
    endless = false;
    return call('plane.pause');
  }

  function rewind() {
    endless = false;
    return build(false);
  }

  async function show() {
    const found = await call('plane.show');
    if (found) says.textContent = t(store, 'plane.shown', { name: found.name });
  }

  // --- what it sends

  function adopt(state) {
    current = state;
    curve = Object.fromEntries(Object.entries(state.history).map(([name, values]) => [name, [...values]]));
    says.textContent = '';
    error.say(state.error);
    picture.build(state.model);
    builder.querySelector('output').textContent = t(store, 'plane.depth', { n: layersOf(state.model).length - 1 });
    if (state.settings.kind === 'painted') painted = rows(state);
    map.drawPoints(state, EDGE);
    take(state.frame);
  }

  const rows = (state) => Array.from(state.y, (k, i) => point(state.X[2 * i], state.X[2 * i + 1], k, EDGE));

  function take(found) {
    frame = found;
    for (const [name, start_, shape] of current.slots) {
      const size = shape.reduce((all, n) => all * n, 1), values = found.numbers.subarray(start_, start_ + size);
      values.shape = shape;
      current.model.arrays[name] = values;
    }
    const [epoch] = found.record;
    if (epoch > curve.epoch[curve.epoch.length - 1]) ['epoch', 'loss', 'val_loss', 'accuracy', 'val_accuracy'].forEach((name, i) => curve[name].push(found.record[i] ?? NaN));
    seen = null;
    if (!found.running) showPython();
    store.set({ 'shown.plane': { model: current.model, settings: current.settings, X: current.X, frame, curve } });   // for the course
    redraw();
  }

  async function follow() {
    if (isBusy) return;
    const asked = building, state = await call('plane.get');
    if (stopped || isBusy || asked !== building || !state || !state.model) return;
    const { kind, n, noise, seed, layers, activation, batch_norm, residual, optimizer, rate, batch } = state.settings;
    store.set({ 'plane.kind': kind, 'plane.n': n, 'plane.noise': noise, 'plane.seed': seed, 'plane.layers': [...layers], 'plane.activation': activation, 'plane.norm': batch_norm, 'plane.residual': residual,
      'plane.optimizer': optimizer, 'plane.rate': rate, 'plane.batch': batch, 'plane.points': kind === 'painted' ? encode(rows(state), EDGE) : '' });
    controls.show();
    adopt(state);
  }

  async function arrive() {
    const asked = building, state = await call('plane.get');
    if (stopped || asked !== building) return;
    painted = decode(get('points'), EDGE);
    const same = state && state.model && isWanted(state.settings);
    const isUntouched = Object.keys(defaults).every((key) => JSON.stringify(store.get(key)) === JSON.stringify(defaults[key]));
    if (same) adopt(state);
    else if (state && state.model && isUntouched) await follow();
    else await build(true);
  }

  // --- painting

  function brush(key) {
    store.set({ 'plane.brush': key });
    controls.showBrushes();
  }

  function chooseKind(kind) {
    if (kind === 'painted' && get('kind') !== 'painted') toPainted();
    store.set({ 'plane.kind': kind });
    if (kind !== 'painted') store.set({ 'plane.points': '' });
    rebuild();
  }

  function toPainted() {
    painted = current && current.classes ? rows(current).slice(0, MAX_POINTS) : [];
    store.set({ 'plane.kind': 'painted', 'plane.points': encode(painted, EDGE) });
  }

  // The points on show become painted ones, which can be changed.
  function beginPainting() {
    if (get('kind') === 'painted') return;
    toPainted();
    controls.show();
  }

  function paint(x1, x2, isFirst) {
    if (Math.max(Math.abs(x1), Math.abs(x2)) > EDGE) return;
    beginPainting();
    const last = painted[painted.length - 1];
    if (!isFirst && last && Math.hypot(x1 - last[0], x2 - last[1]) < BRUSH) return;
    if (painted.length >= MAX_POINTS) {
      error.say(t(store, 'plane.full', { n: MAX_POINTS }));
      return;
    }
    repaint([...painted, point(x1, x2, get('brush'), EDGE)]);
  }

  function erase(x1, x2) {
    beginPainting();
    const kept = painted.filter((one) => Math.hypot(x1 - one[0], x2 - one[1]) > BRUSH);
    if (kept.length < painted.length) repaint(kept);
  }

  function clear() {
    beginPainting();
    repaint([]);
  }

  function repaint(points) {
    painted = points;
    store.set({ 'plane.points': encode(points, EDGE) });
    map.drawPoints(shownPoints(), EDGE);
    rebuild();
  }

  const shownPoints = () => ({ X: painted.flatMap(([x1, x2]) => [x1, x2]), y: painted.map(([, , k]) => k), X_test: [], y_test: [], classes: 4 });

  async function waitForPoints() {
    beBusy(false);
    if (frame?.running) await pause();
    error.say(t(store, 'plane.two_classes'));
  }

  // --- the builder

  function resize(layer, by) {
    const layers = get('layers').map((width, l) => (l === layer ? Math.max(1, Math.min(12, width + by)) : width));
    store.set({ 'plane.layers': layers });
    rebuild();
  }

  function resizeAll(by) {
    const layers = get('layers');
    if (by > 0 && layers.length < 6) store.set({ 'plane.layers': [...layers, layers[layers.length - 1] || 4] });
    if (by < 0 && layers.length > 0) store.set({ 'plane.layers': layers.slice(0, -1) });
    rebuild();
  }

  // --- the picture

  function draw() {
    if (!current) return;
    const { model } = current, isRegression = model.task === 'regression', last = model.links[model.links.length - 1].name;
    seen ||= forwardGrid(model, grid);
    const found = answers(model, seen.get(last), N);
    if (picture.looked) map.drawNeuron((canvas) => picture.drawLarge(canvas, seen, grid, SIZE));
    else map.drawSurface(found, N, isRegression);
    let here = -1;
    if (map.at) {
      const column = Math.floor(((map.at[0] + EDGE) / (2 * EDGE)) * SIZE), row = Math.floor(((EDGE - map.at[1]) / (2 * EDGE)) * SIZE);
      if (Math.min(row, column) >= 0 && Math.max(row, column) < SIZE) here = row * SIZE + column;
      if (here >= 0) map.say(Float32Array.from({ length: found.length / N }, (_, k) => found[k * N + here]), isRegression);
    }
    picture.draw(seen, grid, SIZE, here);
    map.drawPoints(get('kind') === 'painted' && painted ? { ...shownPoints(), classes: 4 } : current, EDGE);
    drawNumbers();
    counted();
  }

  function drawNumbers() {
    play.textContent = t(store, frame.running ? 'word.pause' : 'word.start');
    play.dataset.running = String(frame.running);
    const [, loss, testLoss, accuracy, testAccuracy] = frame.record.map((value) => value ?? NaN);
    const one = (name, label, value, text) => (Number.isNaN(value) ? null : h('div.stat', { dataset: { test: name, value: String(value) } }, h('span', label), h('b', text)));
    fill(stats, one('epoch', t(store, 'plane.epoch'), frame.epoch, count(frame.epoch)), one('loss', t(store, 'plane.loss'), loss, number(loss, 3)), one('test-loss', t(store, 'plane.test_loss'), testLoss, number(testLoss, 3)),
      one('accuracy', t(store, 'plane.accuracy'), accuracy, percent(accuracy)), one('test-accuracy', t(store, 'plane.test_accuracy'), testAccuracy, percent(testAccuracy)));
    const series = [{ name: t(store, 'plane.loss'), x: curve.epoch, y: curve.loss }];
    if (curve.val_loss.some((value) => !Number.isNaN(value))) series.push({ name: t(store, 'plane.test_loss'), x: curve.epoch, y: curve.val_loss });
    chart.draw(series, { from: 0 });
  }

  function showPython() {
    const form = `${current.frame.id} ${frame.epoch}`;
    if (python.dataset.form === form) return;
    if (!current.code) { fill(python); return; }   // no server writes it
    python.dataset.form = form;
    const open = python.querySelector('details')?.open;
    fill(python, code(store, current.code.replace('EPOCHS', String(Math.max(1, frame.epoch)))));
    if (open) python.querySelector('details').open = true;
  }

  fill(root, h('div.plane-bar', keys, stats), h('div.plane-notes', error.element, says), h('div.plane-grid',
    h('div.plane-left', controls.data), h('div.plane-middle', controls.network, panel(null, h('div.plane-title', h('h2', t(store, 'plane.network')), builder), picture.element)),
    h('div.plane-right', panel(null, map.element), panel(t(store, 'plane.curve'), chart.element, legend(store, [t(store, 'plane.loss'), t(store, 'plane.test_loss')])))), python);
  arrive();
  const offs = [
    store.on(url, () => { if (isAsked || (current && isWanted(current.settings))) return; controls.show(); if (current) rebuild(); }),   // the course has set others
    store.listen('plane.frame', (data) => { if (current && data.id === current.frame.id) take(data); }),
    store.listen('plane.failed', (data) => { if (current && data.id === current.frame.id) error.say(data.error); }),
    store.listen('plane.built', ({ id }) => { setTimeout(() => { if (!stopped && current && id > current.frame.id) follow(); }, 300); }),
    store.listen('connected', () => { if (current) follow(); }),
  ];
  return () => {
    stopped = true;
    store.set({ 'shown.plane': null });
    clearTimeout(timer);
    [stopDrawing, ...offs].forEach((stop) => stop());
    [picture, map, chart].forEach((part) => part.stop());
  };
}
