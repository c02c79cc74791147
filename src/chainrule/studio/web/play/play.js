// The first screen of the page: a network that learns before one's eyes, a pad to draw on, and the way back through it.
import { h, fill, write } from '../dom.js';
import { t } from '../i18n.js';
import { lineChart, lineColors } from '../chart.js';
import { palette, paint, sharePlace } from '../colors.js';
import { inkOf } from '../drawing.js';
import { count, percent } from '../format.js';
import { counted, createFrame } from '../frame.js';
import { button, message } from '../ui.js';
import { answerPanel } from '../screens/draw_answer.js';
import { drawPad, isDrawing } from '../screens/draw_pad.js';
import { change, formOf, valueOf } from '../screens/train_form.js';
import { followRun } from '../screens/train_run.js';
import { thinned } from './studio.js';

const WALL = 80;   // pictures to test on that are in sight
const LENT = 1;   // the picture that is on the pad at first
const WIDTHS = { small: [16], usual: [128, 32], large: [256, 128] };

const layersOf = (widths) => widths.flatMap((units) => [{ kind: 'dense', units }, { kind: 'relu' }]);

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function play(root, store) {
  const failure = h('div', { role: 'alert', dataset: { test: 'failure' } }), frame = createFrame(draw);
  const arriving = h('progress', { max: 1, value: 0, 'aria-label': t(store, 'play.arriving') }), status = h('p.play-status', { 'aria-live': 'polite', dataset: { test: 'status' } });
  const score = h('output.play-score', { dataset: { test: 'score' } }, '–'), scoreSays = h('span'), controls = h('div.row'), sizes = h('div.row.play-sizes', { role: 'group', 'aria-label': t(store, 'play.size') });
  const chart = lineChart(store, { label: t(store, 'play.chart'), height: innerWidth < 500 ? 120 : 170 }), legend = h('div.legend');
  const wall = h('div.play-wall', { role: 'group', 'aria-label': t(store, 'play.wall') }), wallSays = h('p.help', { dataset: { test: 'wall' } });
  const padBox = h('div.play-pad'), answerBox = h('div.play-answer'), doors = h('div.play-doors');
  const share = button(t(store, 'play.copy'), async () => {
    await navigator.clipboard.writeText(location.href);
    write(share, t(store, 'play.copied'));
  }, { quiet: true, dataset: { test: 'copy-address' } });
  let stopped = false, pad = null, answer = null, cells = [], samples = null, isLent = false, built = '', news = new Set();
  const attempt = async (name, args = {}) => {
    try {
      fill(failure);
      return await store.call(name, args);
    } catch (error) {
      fill(failure, message(error.message, 'error'));
      return null;
    }
  };
  const { run, stop: unfollow } = followRun(store, (what) => {
    if (what === 'frame') paintChart();
    news.add(what);
    frame.ask();
  });

  fill(root, failure,
    h('div.play-stage',
      h('section.panel.play-learn', h('div.play-head', score, scoreSays), h('div.row', controls, status), arriving, chart.element, legend, sizes),
      h('section.panel.play-draw', h('h2', t(store, 'play.draw')), h('div.play-both', padBox, answerBox)),
      h('section.panel.play-tested', h('h2', t(store, 'play.wall')), wall, wallSays)),
    doors, h('footer.play-notice', h('div.row', h('p', t(store, 'play.share')), share), h('p', t(store, 'play.private')), h('p', t(store, 'play.licence'))));

  // --- what it is trained on, and the pictures to test on --------------------------------------------------------------
  async function fetchWall() {
    const data = store.get('data');
    if (!data || !data.shape || samples) return;
    const rows = thinned(data.shown, WALL), { X, y } = await store.call('data.samples', { rows }), width = data.features;
    if (stopped) return;
    samples = y.map((label, k) => ({ x: Float32Array.from(X.subarray(k * width, (k + 1) * width)), label: String(label), index: rows[k] }));
    paintWall();
    lend();
  }

  function paintWall() {
    if (!samples) return;
    const { ink } = palette(store.get('theme')), shape = store.get('data').shape;
    cells = samples.map(({ x, label, index }) => {
      const canvas = h('canvas', { 'aria-hidden': 'true' }), said = h('b');
      paint(canvas, x, shape[1], ink, (value) => sharePlace(value, 255));
      return { said, label, x, element: h('button.play-cell', { type: 'button', 'aria-label': t(store, 'play.try', { label }), onclick: () => { isLent = false; pad?.put(x); store.set({ sample: { x, y: Number(label), index }, 'sample.index': index }); }, dataset: { index } }, canvas, said) };
    });
    fill(wall, cells.map(({ element }) => element));
    judge();
  }

  // Which of the pictures the network reads rightly now.
  function judge() {
    const network = store.get('network');
    if (!network || !cells.length || network.model.inputs !== cells[0].x.length || network.model.task !== 'multiclass') return;
    const labels = network.labels();
    let right = 0;
    for (const { x, label, element, said } of cells) {
      const seen = network.forward(x), found = seen[seen.length - 1].a, guess = labels[found.indexOf(Math.max(...found))], isRight = guess === label;
      right += Number(isRight);
      element.classList.toggle('wrong', !isRight);
      const shown = isRight ? '' : guess;
      if (said.textContent !== shown) {
        write(said, shown);
        element.setAttribute('aria-label', t(store, isRight ? 'play.try' : 'play.try_read', { label, guess }));
      }
    }
    write(wallSays, t(store, 'play.wall_says', { right, n: cells.length }));
    wall.dataset.right = String(right);
  }

  // --- the pad ---------------------------------------------------------------------------------------------------------
  function buildPad() {
    const network = store.get('network'), form = network && JSON.stringify([network.model.shape, network.model.classes, network.model.task]);
    if (!network || !network.model.shape || !network.runsHere || form === built) return;
    const drawn = store.get('sample');
    built = form;
    answer = answerPanel(store, network);
    pad = drawPad(store, { shape: network.model.shape, most: inkOf(network), label: t(store, 'draw.pad'), changed: () => { news.add('pad'); frame.ask(); } });
    fill(padBox, h('div.pad-frame', pad.element), h('div.row', button(t(store, 'draw.clear'), () => pad.clear(), { dataset: { test: 'clear' } }), h('p.help', t(store, 'play.pad_hint'))));
    fill(answerBox, answer.element);
    if (drawn && drawn.x.length === network.model.inputs) pad.put(drawn.x);
    else lend();
  }

  // Until somebody draws there is one of the pictures on the pad.
  function lend() {
    if (!pad || pad.isDrawn || !samples || store.get('sample')) return;
    isLent = true;
    pad.put(samples[Math.min(LENT, samples.length - 1)].x);
  }
  function begin(event) {
    if (!isLent || event.target !== pad.element || (event.type === 'keydown' && !isDrawing(event))) return;
    isLent = false;
    pad.clear();
  }
  for (const name of ['pointerdown', 'keydown']) padBox.addEventListener(name, begin, true);

  function readPad() {
    const network = store.get('network');
    if (!pad || !network?.model.shape) return;
    const x = pad.read(), seen = network.forward(x);
    answer.update(network.answer(seen[seen.length - 1].a));
    padBox.classList.toggle('untouched', isLent || !x.some((value) => value > 0));
    if (pad.isDrawn) store.set({ sample: { x, y: null, index: null }, 'sample.index': null });
  }

  // --- the run ---------------------------------------------------------------------------------------------------------
  const tested = () => run.records.map((record) => record.val_accuracy);

  function paintChart() {
    if (stopped) return;
    const colors = lineColors[store.get('theme')], held = tested();
    if (chart.draw([{ name: t(store, 'train.training'), x: run.curve.epochs, y: run.curve.accuracy, color: colors[0] }, { name: t(store, 'play.tested'), x: held.map((_, k) => k + 1), y: held, color: colors[1], dashed: true }],
      { until: run.epochs, from: 1 })) counted();
  }

  const start = () => (run.state === 'running' ? attempt('train.pause') : run.state === 'paused' ? attempt('train.resume') : attempt('train.start', { form: formOf(store) }));

  function showControls() {
    if (!store.get('train.options')) return;
    const label = { running: 'word.pause', paused: 'train.resume' }[run.state] || 'play.again';
    fill(controls, button(t(store, label), start, { primary: true, 'data-test': 'start' }), button(t(store, 'train.new_weights'), () => { change(store, { seed: valueOf(store, 'seed') + 1 }); attempt('train.start', { form: formOf(store) }); }, { quiet: true, 'data-test': 'weights' }));
    const now = JSON.stringify(valueOf(store, 'layers'));
    fill(sizes, Object.entries(WIDTHS).map(([name, widths]) => h('button.choice-button', { type: 'button', 'aria-pressed': String(JSON.stringify(layersOf(widths)) === now), dataset: { size: name },
      onclick: () => { change(store, { layers: layersOf(widths) }); attempt('train.start', { form: formOf(store) }); } }, `784 – ${widths.join(' – ')} – 10`)),
    h('button.choice-button', { type: 'button', onclick: () => store.set({ screen: 'train' }), dataset: { test: 'more' } }, t(store, 'play.more')));
  }

  function showStatus() {
    const arrived = store.get('play.share') || 0, data = store.get('data'), broken = store.get('play.failed');
    if (broken) fill(failure, broken === 'file' ? [message(t(store, 'play.file'), 'error'), h('pre', 'python -m http.server')] : message(broken, 'error'));
    arriving.hidden = Boolean(data) || Boolean(broken);
    arriving.value = arrived;
    const last = run.records[run.records.length - 1], value = last ? last.val_accuracy : run.accuracy;
    write(score, value === null || value === undefined ? '–' : percent(value, 1));
    score.dataset.value = value ?? '';
    write(scoreSays, t(store, last ? 'play.of_test' : 'play.of_training'));
    write(status, !data ? t(store, 'play.arriving_share', { share: percent(arrived, 0) }) : run.state === 'none' ? '' : t(store, run.state === 'done' ? 'play.done' : 'play.seen', { seen: count(run.seen), speed: count(Math.round(run.speed.samples)), seconds: last ? last.seconds.toFixed(1) : '' }));
    root.dataset.state = run.state;
    root.dataset.step = String(run.step);
  }

  function showDoors() {
    const door = (screen, key) => h('button.play-door', { type: 'button', dataset: { go: screen }, onclick: () => store.set({ screen }) }, h('strong', t(store, `play.door.${key}`)), h('span', t(store, `play.door.${key}_says`)));
    fill(doors, h('h2', t(store, 'play.next')), h('div.play-door-row', door('backprop', 'back'), door('draw', 'draw'), door('train', 'train'), door('plane', 'plane')));
  }

  function draw() {
    if (stopped) return;
    const what = news;
    news = new Set();
    showStatus();
    if (what.has('all')) showControls();
    if (what.has('all') || what.has('epoch')) paintChart();
    if (what.has('network')) {
      buildPad();
      judge();
    }
    if (what.has('network') || what.has('pad')) readPad();
  }

  async function options() {
    if (!store.get('train.options')) store.set({ 'train.options': await store.call('train.options') });
    if (!stopped) showControls();
  }

  const ask = (what) => () => { news.add(what); frame.ask(); };
  const offs = [store.on(['network'], ask('network')), store.on(['play.share', 'play.failed'], ask('status')), store.on(['data'], () => { samples = null; fetchWall(); ask('all')(); }),
    store.on(['train.form'], showControls)];
  const colors = lineColors[store.get('theme')];
  fill(legend, [['train.training', colors[0]], ['play.tested', colors[1]]].map(([key, color]) => h('span', h('i', { style: { background: color } }), t(store, key))));
  showDoors();
  options().catch(() => {});
  fetchWall();
  ask('network')();
  return () => {
    stopped = true;
    frame.stop();
    offs.forEach((off) => off());
    unfollow();
    chart.stop();
  };
}
