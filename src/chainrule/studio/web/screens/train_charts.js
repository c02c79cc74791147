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
/** @param {import('../store.js').Store} store */
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

// The number of the second chart: of a table's rows to test on, or of the validation's.
export const monitorOf = (run) => ['test_rmse', 'test_accuracy', 'val_rmse'].find((name) => run.records.length && name in run.records[0]) || 'val_accuracy';

// What simpler models reach on the same rows: [[name, value], …].
export function reference(run) {
  const found = run.reference;
  return found && found.metric === monitorOf(run) ? ['constant', 'linear'].map((name) => [name, found[name]]) : [];
}

/** @param {import('../store.js').Store} store */
export function charts(store) {
  const lossChart = lineChart(store, { label: t(store, 'train.loss_chart'), height: 230 });
  const scoreChart = lineChart(store, { label: t(store, 'train.score_chart'), height: 230 });
  const key = h('div.legend', { dataset: { test: 'legend' } }), score = h('h3');
  const element = h('div.charts',
    h('div', h('h3', t(store, 'train.loss_of_epochs')), lossChart.element), h('div', score, scoreChart.element), key);
  let named = '', turn = 0;

  // All runs with their names and colors.
  function shownRuns(run) {
    const colors = lineColors[store.get('theme')], all = [run, ...[...run.others].reverse()], forms = all.map((one) => one.form || {});
    return all.map((one, i) => {
      const name = all.length > 1 ? labelOf(store, forms[i], forms) : t(store, 'train.training');
      const of = (text) => (all.length > 1 ? `${name}, ${text}` : text);
      return { one, name, held: of(t(store, 'train.validation')), tested: of(t(store, 'train.test')), unseen: of(t(store, 'train.both')), color: colors[(2 * i) % colors.length], other: colors[(2 * i + 1) % colors.length] };
    });
  }

  // The training's curve of one number, and the validation's of another.
  function series(runs, own, monitor) {
    return runs.flatMap(({ one, name, held, tested, color, other }) => [
      ...(own ? [{ name, x: one.curve.epochs, y: one.curve[own], color }] : []),
      { name: monitor.startsWith('test') ? tested : held, x: column(one.records, 'epoch'), y: column(one.records, monitor), color: other, dashed: true }]);
  }

  // The lines of the simpler models, the same arrays for the same numbers.
  const lineOf = new Map(), colorOf = { constant: 5, linear: 4 };   // which two runs leave
  function lines(run) {
    return reference(run).map(([name, value]) => {
      const key = `${name} ${value} ${run.epochs}`;
      if (!lineOf.has(key)) lineOf.set(key, { x: [0, run.epochs], y: [value, value] });
      return { name: t(store, `train.line.${name}`), ...lineOf.get(key), color: lineColors[store.get('theme')][colorOf[name]] };
    });
  }

  const marks = (run) => (run.shown === null ? [] : [(run.marks.seen[run.shown] ?? 0) / run.samples]);
  const parts = [
    (run, runs, log) => lossChart.draw(series(runs, 'loss', 'val_loss'), { logY: log, from: log ? undefined : 0, until: run.epochs, marks: marks(run) }),
    (run, runs) => scoreChart.draw([...series(runs, monitorOf(run).endsWith('accuracy') ? 'accuracy' : null, monitorOf(run)), ...lines(run)], { until: run.epochs, marks: marks(run) }),
  ];

  // Names the lines, and the second chart: by the first record it is known which number it shows.
  function name(run) {
    const monitor = monitorOf(run), isTest = monitor.startsWith('test');   // then one color is for the rows that are held out and for those to test on
    const rows = [...shownRuns(run).flatMap((one) => [[one.color, one.name], [one.other, isTest ? one.unseen : one.held]]), ...lines(run).map(({ color, name: text }) => [color, text])], form = JSON.stringify([rows, monitor]);
    if (form === named) return;
    named = form;
    score.textContent = t(store, `train.score.${monitor}`);
    fill(key, rows.map(([color, text]) => h('span', h('i', { style: { background: color } }), text)));
  }

  // Draws both charts where they have news. Returns whether anything was drawn, as the next one does.
  function draw(run, { log }) {
    const runs = shownRuns(run);
    name(run);
    return parts.filter((part) => part(run, runs, log)).length > 0;
  }

  // Draws one of the charts, the other than before where that has news: two would be twice the work.
  function grow(run, { log }) {
    const runs = shownRuns(run);
    return parts.some(() => {
      turn = 1 - turn;
      return parts[turn](run, runs, log);
    });
  }
  return { element, name, draw, grow, stop() { lossChart.stop(); scoreChart.stop(); } };
}
