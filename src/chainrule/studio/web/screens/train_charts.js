// The curves of a run and of those that it is compared with, over epochs.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { lineChart, lineColors } from '../chart.js';
import { number } from '../format.js';
import { nameOf } from './train_form.js';

function shown(store, value) {
  if (Array.isArray(value)) return value.map((layer) => layer.units ?? nameOf(store, layer.kind)).join(' ');
  if (typeof value === 'number') return number(value, 3);
  return value === null || value === undefined ? '–' : nameOf(store, String(value));
}

// What tells a form from the others, as "optimizer SGD".
export function labelOf(store, form, forms) {
  const options = store.get('train.options'), of = (one, name) => (name in one ? one[name] : options.defaults[name] ?? null);
  const names = [...new Set(forms.flatMap((one) => Object.keys(one)))];
  const apart = names.filter((name) => new Set(forms.map((one) => JSON.stringify(of(one, name)))).size > 1);
  return apart.map((name) => `${t(store, `train.field.${name}`)} ${shown(store, of(form, name))}`).join(', ') || t(store, 'train.this_run');
}

// A number of all records. The same array for the same records: a chart draws on what it knows.
const columnsOf = new WeakMap();

function column(records, name) {
  if (!columnsOf.has(records)) columnsOf.set(records, new Map());
  const columns = columnsOf.get(records);
  if (!columns.has(name)) columns.set(name, records.map((record, k) => (name === 'epoch' ? k + 1 : record[name] ?? NaN)));
  return columns.get(name);
}

export function charts(store) {
  const lossChart = lineChart(store, { label: t(store, 'train.loss_chart'), height: 230 });
  const scoreChart = lineChart(store, { label: t(store, 'train.score_chart'), height: 230 });
  const key = h('div.legend', { dataset: { test: 'legend' } }), score = h('h3');
  const element = h('div.charts',
    h('div', h('h3', t(store, 'train.loss_of_epochs')), lossChart.element), h('div', score, scoreChart.element), key);
  let named = '';

  function draw(run, { log }) {
    const colors = lineColors[store.get('theme')], all = [run, ...[...run.others].reverse()], forms = all.map((one) => one.form || {});
    const monitor = run.records.length && 'val_rmse' in run.records[0] ? 'val_rmse' : 'val_accuracy';
    const losses = [], scores = [], rows = [];
    all.forEach((one, i) => {
      const name = all.length > 1 ? labelOf(store, forms[i], forms) : t(store, 'train.training'), color = colors[(2 * i) % colors.length], other = colors[(2 * i + 1) % colors.length];
      const x = one.curve.epochs, epochs = column(one.records, 'epoch');
      const held = all.length > 1 ? `${name}, ${t(store, 'train.validation')}` : t(store, 'train.validation');
      losses.push({ name, x, y: one.curve.loss, color }, { name: held, x: epochs, y: column(one.records, 'val_loss'), color: other, dashed: true });
      if (monitor === 'val_accuracy') scores.push({ name, x, y: one.curve.accuracy, color });
      scores.push({ name: held, x: epochs, y: column(one.records, monitor), color: other, dashed: true });
      rows.push([color, name], [other, held]);
    });
    const at = run.shown === null ? [] : [(run.marks.seen[run.shown] ?? 0) / run.samples];
    lossChart.draw(losses, { logY: log, from: log ? undefined : 0, until: run.epochs, marks: at });
    scoreChart.draw(scores, { until: run.epochs, marks: at });
    const form = JSON.stringify([rows, monitor]);
    if (form === named) return;
    named = form;
    score.textContent = t(store, monitor === 'val_rmse' ? 'train.rmse_of_epochs' : 'train.accuracy_of_epochs');
    fill(key, rows.map(([color, name]) => h('span', h('i', { style: { background: color } }), name)));
  }
  return { element, draw, stop() { lossChart.stop(); scoreChart.stop(); } };
}
