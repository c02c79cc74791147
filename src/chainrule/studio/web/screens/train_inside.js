// Inside the network while it trains: activations of one sample, gradients by layer, dead and saturated units, and the confusion matrix.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { number, percent } from '../format.js';
import { palette, paint, sharePlace, css } from '../colors.js';

const NOTHING = 1e-9;

const tiny = (value) => (value >= 0.01 || value === 0 ? number(value, 2) : value.toExponential(1).replace('-', '−'));

function bar(share, text, value, test) {
  return h('span.bar-cell', { dataset: { value, test } }, h('span.bar-track', h('span.bar-fill', { style: { width: `${Math.max(0, Math.min(100, 100 * share))}%` } })), h('span.bar-text', text));
}

export function inside(store) {
  const strip = h('div.strip'), table = h('table.flow', { dataset: { test: 'flow' } });
  const none = h('p.help', t(store, 'train.no_inside')), element = h('div.inside', none, strip, h('div.scroll', table));
  let laid = '', drawn = '';
  const canvases = new Map();

  function layOut(layout) {
    const key = layout.map((link) => `${link.name} ${link.shown}`).join();
    if (key === laid) return;
    laid = key;
    drawn = '';
    canvases.clear();
    fill(strip, layout.map((link) => {
      const canvas = h('canvas.neurons', { dataset: { link: link.name }, role: 'img', 'aria-label': t(store, 'train.activations_of', { layer: link.name }) });
      canvases.set(link.name, canvas);
      return h('figure', canvas, h('figcaption', link.name, h('small', link.shown < link.width ? ` ${link.shown} / ${link.width}` : ` ${link.width}`)));
    }));
  }

  function draw(run) {
    layOut(run.layout);
    const look = run.look, key = look && `${run.run} ${look.step} ${run.state}`;
    if (!look || key === drawn) return;
    drawn = key;
    none.hidden = true;
    const colors = palette(store.get('theme'));
    let start = 0;
    for (const link of run.layout) {
      const values = Array.from(look.activations.slice(start, start + link.shown), Number);
      start += link.shown;
      const most = values.reduce((all, value) => Math.max(all, Math.abs(value)), 0), canvas = canvases.get(link.name);
      const width = values.length <= 16 ? values.length : Math.ceil(Math.sqrt(values.length));
      paint(canvas, values, width, colors.bright, (value) => sharePlace(Math.abs(value), most));
    }
    const of = (value) => (Number.isFinite(value) ? value : null);
    const low = Math.log10(NOTHING), high = 1;
    fill(table, h('thead', h('tr', h('th', t(store, 'word.layer')), h('th', t(store, 'train.gradient')), h('th', t(store, 'train.dead')), h('th', t(store, 'train.saturated')))),
      h('tbody', look.layers.map((name, i) => {
        const gradient = of(look.gradient[i]), dead = of(look.dead[i]), saturated = of(look.saturated[i]);
        const share = (value, test) => (value === null ? '–' : bar(value, percent(value, 0), value, test));
        return h('tr', { dataset: { layer: name } }, h('th', name),
          h('td', gradient === null ? '–' : bar((Math.log10(Math.max(gradient, NOTHING)) - low) / (high - low), tiny(gradient), gradient, 'gradient')),
          h('td', share(dead, 'dead')), h('td', share(saturated, 'saturated')));
      })));
  }
  return { element, draw };
}

const MOST = 14;

// A matrix with numbers for few classes, a picture of one pixel a cell for many.
export function confusion(store) {
  const element = h('div.confusion', { dataset: { test: 'confusion' } });
  function draw(run) {
    if (!run.confusion) return fill(element, h('p.message', t(store, 'train.no_confusion')));
    const n = run.labels.length, cells = run.confusion, colors = palette(store.get('theme'));
    let total = 0, right = 0;
    for (let i = 0; i < n; ++i) for (let j = 0; j < n; ++j) {
      total += cells[i * n + j];
      if (i === j) right += cells[i * n + j];
    }
    const caption = t(store, run.judged.name === 'test' ? 'train.confusion_test' : 'train.confusion_validation', { n: total, right: percent(right / Math.max(1, total), 1) });
    if (n > MOST) {
      const canvas = h('canvas.neurons', { role: 'img', 'aria-label': caption });
      const most = cells.reduce((all, value) => Math.max(all, value), 1);
      paint(canvas, cells, n, colors.bright, (value) => sharePlace(value, most));
      return fill(element, canvas, h('p.caption', caption));
    }
    const rows = run.labels.map((label, i) => {
      const row = Array.from(cells.slice(i * n, i * n + n)), most = row.reduce((all, value) => all + value, 0) || 1;
      return h('tr', h('th', label), row.map((value, j) => {
        const share = value / most, place = i === j ? sharePlace(0.35 + share * 0.5, 2) + 127 : sharePlace(0.5 - Math.min(0.5, share * 3), 1);
        return h('td.number', { dataset: { value }, style: { background: value ? css(colors.signed[Math.max(0, Math.min(255, place))]) : 'transparent', color: i === j && share > 0.2 ? 'var(--on-accent)' : 'inherit' } }, value || '·');
      }));
    });
    return fill(element, h('div.scroll', h('table', h('thead', h('tr', h('th', h('span.visually-hidden', t(store, 'train.true_class'))), run.labels.map((label) => h('th.number', label)))), h('tbody', rows))),
      h('p.caption', caption));
  }
  return { element, draw };
}
