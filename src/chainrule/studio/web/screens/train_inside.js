// Inside the network while it trains: activations of one sample, gradients by layer, dead and saturated units, and the confusion matrix.
import { h, fill, write } from '../dom.js';
import { t } from '../i18n.js';
import { number, percent } from '../format.js';
import { css, inkOn, largest, paint, palette, sharePlace } from '../colors.js';

const NOTHING = 1e-9;

const tiny = (value) => (value >= 0.01 || value === 0 ? number(value, 2) : value.toExponential(1).replace('-', '−'));

// A cell with a share as a bar, and a text: {element, show(share, text, value)}, which shows a dash for null.
function barCell(test) {
  const fill_ = h('span.bar-fill'), text = h('span.bar-text'), bar = h('span.bar-cell', { dataset: { test } }, h('span.bar-track', fill_), text);
  const element = h('td', '–');
  return { element, show(value, share, says) {
    if (value === null) return write(element, '–');
    if (!bar.parentNode) fill(element, bar);
    bar.dataset.value = value;
    fill_.style.width = `${Math.max(0, Math.min(100, 100 * share))}%`;
    return write(text, says);
  } };
}

/** @param {import('../store.js').Store} store */
export function inside(store) {
  const strip = h('div.strip'), table = h('table.flow', { dataset: { test: 'flow' } });
  const none = h('p.help', t(store, 'train.no_inside')), element = h('div.inside', none, strip, h('div.scroll', { tabindex: 0 }, table));
  let laid = '', listed = '', drawn = '', rows = [];
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

  function listLayers(layers) {
    listed = layers.join();
    rows = layers.map(() => ({ gradient: barCell('gradient'), dead: barCell('dead'), saturated: barCell('saturated') }));
    fill(table, h('thead', h('tr', h('th', t(store, 'word.layer')), h('th', t(store, 'train.gradient')), h('th', t(store, 'train.dead')), h('th', t(store, 'train.saturated')))),
      h('tbody', layers.map((name, i) => h('tr', { dataset: { layer: name } }, h('th', name), Object.values(rows[i]).map((cell) => cell.element)))));
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
      const most = largest(values), canvas = canvases.get(link.name);
      const width = values.length <= 16 ? values.length : Math.ceil(Math.sqrt(values.length));
      paint(canvas, values, width, colors.strong, (value) => sharePlace(Math.abs(value), most));
    }
    if (look.layers.join() !== listed) listLayers(look.layers);
    const of = (value) => (Number.isFinite(value) ? value : null);
    const low = Math.log10(NOTHING), high = 1;
    rows.forEach((row, i) => {
      const gradient = of(look.gradient[i]), dead = of(look.dead[i]), saturated = of(look.saturated[i]);
      row.gradient.show(gradient, (Math.log10(Math.max(gradient, NOTHING)) - low) / (high - low), tiny(gradient));
      row.dead.show(dead, dead, percent(dead, 0));
      row.saturated.show(saturated, saturated, percent(saturated, 0));
    });
  }
  return { element, draw };
}

const MOST = 14;

// A matrix with numbers for few classes, a picture of one pixel a cell for many.
/** @param {import('../store.js').Store} store */
export function confusion(store) {
  const element = h('div.confusion', { dataset: { test: 'confusion' } });
  let listed = null, cells = [], canvas = null, caption = null;   // listed: the classes of what is there; none: nothing is

  function list(labels) {
    listed = labels.join('\n');
    caption = h('p.caption');
    if (labels.length > MOST) {
      canvas = h('canvas.neurons', { role: 'img' });
      return fill(element, canvas, caption);
    }
    canvas = null;
    cells = labels.flatMap(() => labels.map(() => h('td.number', '·')));
    return fill(element, h('div.scroll', { tabindex: 0 }, h('table', h('thead', h('tr', h('th', h('span.visually-hidden', t(store, 'train.true_class'))), labels.map((label) => h('th.number', label)))),
      h('tbody', labels.map((label, i) => h('tr', h('th', label), cells.slice(i * labels.length, (i + 1) * labels.length)))))), caption);
  }

  function draw(run) {
    if (!run.confusion) {
      listed = null;
      return fill(element, h('p.message', t(store, 'train.no_confusion')));
    }
    const n = run.labels.length, values = run.confusion, colors = palette(store.get('theme'));
    if (run.labels.join('\n') !== listed) list(run.labels);
    let total = 0, right = 0;
    values.forEach((value, k) => {
      total += value;
      if (k % (n + 1) === 0) right += value;
    });
    const says = t(store, run.judged.name === 'test' ? 'train.confusion_test' : 'train.confusion_validation', { n: total, right: percent(right / Math.max(1, total), 1) });
    write(caption, says);
    if (canvas) {
      canvas.setAttribute('aria-label', says);
      const most = values.reduce((all, value) => Math.max(all, value), 1);
      return paint(canvas, values, n, colors.strong, (value) => sharePlace(value, most));
    }
    for (let i = 0; i < n; ++i) {
      const most = values.slice(i * n, (i + 1) * n).reduce((all, value) => all + value, 0) || 1;
      for (let j = 0; j < n; ++j) {
        const value = values[i * n + j], cell = cells[i * n + j], share = value / most;
        const place = i === j ? sharePlace(0.35 + share * 0.5, 2) + 127 : sharePlace(0.5 - Math.min(0.5, share * 3), 1);
        cell.dataset.value = value;
        const color = colors.signed[Math.max(0, Math.min(255, place))];
        cell.style.background = value ? css(color) : 'transparent';
        cell.style.color = value ? inkOn(color) : 'inherit';
        write(cell, String(value || '·'));
      }
    }
    return undefined;
  }
  return { element, draw };
}
