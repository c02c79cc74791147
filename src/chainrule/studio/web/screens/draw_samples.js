// Samples to look at: some of the data's at random, of one class, or those that the network gets wrong; noise, and nothing.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { button, select } from '../ui.js';
import { palette, paint, sharePlace } from '../colors.js';

const SHOWN = 12, BLOCK = 256, MOST_TRIED = 8192;

function shuffled(n, count) {
  const found = new Set();
  while (found.size < Math.min(n, count)) found.add(Math.floor(Math.random() * n));
  return [...found];
}

// pick({x, y, index}) is called with the sample that was chosen; picture: whether samples are pictures.
/** @param {import('../store.js').Store} store */
export function sampleStrip(store, { shape, most, pick }) {
  const list = h('div.strip', { role: 'group', 'aria-label': t(store, 'draw.samples') }), note = h('span.strip-note', { role: 'status' });
  let kind = 'random', turn = 0;

  const tasks = () => store.get('network').model.task;
  const hasClasses = () => ['multiclass', 'binary'].includes(tasks());

  async function rows(chosen) {
    const { X, y } = await store.call('data.samples', { rows: chosen }), width = X.shape[1];
    return chosen.map((index, k) => ({ index, y: y[k], x: Float32Array.from(X.subarray(k * width, (k + 1) * width)) }));
  }

  function show(samples, wrong) {
    const look = palette(store.get('theme'));
    fill(list, samples.map(({ x, y, index, said }) => {
      const told = Array.isArray(y) ? y.join(', ') : String(y);
      const props = { type: 'button', title: t(store, 'draw.sample_title', { index, label: told }), dataset: { test: 'sample', index }, onclick: () => pick({ x, y, index }) };
      const label = h('span.strip-label', told, wrong ? h('em', ` ${said}`) : null);
      if (!shape) return h('button.chip', props, h('span', `#${index}`), label);
      const canvas = h('canvas');
      paint(canvas, x, shape[1], look.ink, (value) => sharePlace(value, most()));
      return h('button.thumb', props, canvas, label);
    }));
  }

  async function load() {
    const mine = ++turn, data = store.get('data'), network = store.get('network');
    if (!data || !network) return;
    note.textContent = '';
    try {
      if (kind === 'random') {
        const samples = await rows(shuffled(data.shown, SHOWN));
        if (mine === turn) show(samples);
        return;
      }
      const found = [];
      let tried = 0;
      for (const chosen = shuffled(data.shown, MOST_TRIED); chosen.length && found.length < SHOWN && mine === turn;) {
        const samples = await rows(chosen.splice(0, BLOCK));
        for (const sample of samples) {
          if (found.length >= SHOWN) break;
          tried += 1;
          if (kind === 'wrong') {
            sample.said = network.labels()[network.ranked(sample.x)[0]];
            if (sample.said !== String(sample.y)) found.push(sample);
          } else if (String(sample.y) === kind.slice(6)) {
            found.push(sample);
          }
        }
        if (mine !== turn) return;
        show(found, kind === 'wrong');
        if (kind === 'wrong') note.textContent = t(store, 'draw.wrong_found', { wrong: found.length, tried });
      }
    } catch (error) {
      if (mine === turn) note.textContent = error.message === 'lost' ? '' : error.message;
    }
  }

  const labels = () => (hasClasses() && store.get('data') ? store.get('data').labels || [] : []);
  const choice = () => select([['random', t(store, 'draw.random')], ...(hasClasses() ? [['wrong', t(store, 'draw.wrong')]] : []),
    ...labels().map((label) => [`class ${label}`, t(store, 'draw.of_class', { label })])], kind, (value) => { kind = value; load(); }, { 'aria-label': t(store, 'draw.which'), dataset: { test: 'which' } });
  const again = button('↻', load, { quiet: true, title: t(store, 'draw.others'), 'aria-label': t(store, 'draw.others') });
  const element = h('div', h('div.row', choice(), again, note), list);
  load();
  return { element, stop: () => { turn += 1; } };
}
