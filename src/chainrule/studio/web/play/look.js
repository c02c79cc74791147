// What is measured inside a network while it trains: studio/screens/train/training.py and inspection/flow/diagnosis.py in JavaScript.
import { createGraph } from './graph.js';
import { activationsAfter } from './letters.js';
import { rms, rowsOf, thinned } from './studio.js';
import { decided, targetsOf } from './walks.js';

const FEW = 64, MAX_VALUES = 2560, MAX_ROWS = 16, SHARE = 0.01, SECONDS = 0.5, JUDGED = 2000;
const VANISHING = 1e-3, EXPLODING = 1e3, DEAD = 0.2;
export const FLAT_SLOPE = 0.05;   // a slope below this share of the steepest is flat
export const SATURATED = 0.5;   // a unit is saturated that is flat for more than this share of the samples
export const STEEPEST = { sigmoid: 0.25, tanh: 1 };
const NOT_SHOWN = ['rescale', 'standardize', 'dropout'];

// The links whose activations are shown, and how many neurons of each.
export function layoutOf(model) {
  const links = model.links.filter(({ kind }, at) => !NOT_SHOWN.includes(kind) && (kind !== 'identity' || at === model.links.length - 1)).slice(-MAX_ROWS), most = Math.max(1, Math.floor(MAX_VALUES / links.length));
  return links.map(({ name, kind, fan_out: width }) => ({ name, kind, width, shown: Math.min(width, most) }));
}

// A row for each layer with weights.
function flowOf(graph) {
  const followers = activationsAfter(graph.model.links), byName = new Map(graph.variables.filter(({ link }) => link).map((variable) => [variable.link.name, variable]));
  const rows = [...graph.owners].filter(([, edge]) => edge.kind === 'dense').map(([name, edge]) => {
    const delta = rms(graph.delta(edge.target)), follower = followers.get(name), width = edge.target.width, slopes = follower ? graph.owners.get(follower).slopes : null, kind = follower ? byName.get(follower).link.kind : null;
    let dead = null, saturated = null;
    if (slopes) {
      const alive = new Set();
      slopes.forEach((slope, at) => { if (slope !== 0) alive.add(at % width); });
      dead = width - alive.size;
      if (kind in STEEPEST) saturated = slopes.reduce((all, slope) => all + (slope < FLAT_SLOPE * STEEPEST[kind] ? 1 : 0), 0) / slopes.length;
    }
    const W = graph.model.arrays[`${name}.W`], g = graph.gradientOf(`${name}.W`);
    return { name, width, delta, dead, saturated, gradient: rms(g.map((v, k) => v - graph.slopeOfPenalty(W[k]))), weight: rms(Float64Array.from(W)) };
  });
  const last = rows.length ? rows[rows.length - 1].delta : 0;
  return rows.map((row) => ({ ...row, ratio: last ? row.delta / last : 0 }));
}

// The problems of a flow as codes with the worst layer, the most serious first.
function hintsOfFlow(rows) {
  if (!rows.length) return [];
  const hint = (code, row, value) => ({ code, layer: row.name, value }), last = rows[rows.length - 1], bad = rows.find((row) => !Number.isFinite(row.delta));
  if (bad) return [hint('not_finite', bad, bad.ratio)];
  if (!last.delta) return [hint('no_gradient', last, last.ratio)];
  const worst = (value, holds, code, said) => {
    const [row] = rows.filter(holds).sort((one, two) => value(two) - value(one));
    return row ? [hint(code, row, said(row))] : [];
  };
  return [...worst((row) => -row.ratio, (row) => row.ratio < VANISHING, 'vanishing', (row) => row.ratio), ...worst((row) => row.ratio, (row) => row.ratio > EXPLODING, 'exploding', (row) => row.ratio),
    ...worst((row) => row.saturated ?? 0, (row) => (row.saturated ?? 0) > SATURATED, 'saturated', (row) => row.saturated), ...worst((row) => (row.dead ?? 0) / row.width, (row) => (row.dead ?? 0) > DEAD * row.width, 'dead', (row) => row.dead / row.width)];
}

// Hints of the curves: a loss that rises by more than it varies, and over-fitting.
function hintsOfLoss(values, records) {
  const found = [], window = 8;
  if (values.length >= 2 * window) {
    const means = Array.from({ length: values.length - window + 1 }, (_, k) => values.slice(k, k + window).reduce((all, v) => all + v, 0) / window);
    const end = means[means.length - 1], spread = Math.sqrt(values.slice(-window).reduce((all, v) => all + (v - end) ** 2, 0) / (window - 1));
    if (end - 3 * spread / Math.sqrt(window) > 1.3 * Math.min(...means.slice(0, -window)) + 1e-6) found.push({ code: 'rising' });
  }
  const held = records.map((record) => record.val_loss);
  if (held.length >= 4 && held.every((value) => value !== undefined)) {
    const best = held.indexOf(Math.min(...held)), last = held.length - 1;
    if (held[last] > 1.02 * held[best] && best <= held.length - 3 && records[last].loss < records[best].loss) found.push({ code: 'overfitting' });
  }
  return found;
}

// The newest measurements of a run. few: a model's samples for gradients; pinned: the sample whose activations are shown.
export function createLooks(data) {
  const few = thinned(data.train.n, FEW), judged = thinned(data.test.n, JUDGED), asked = (part, rows) => Float64Array.from(rowsOf(part.X, rows, data.features));
  const X = asked(data.train, few), looks = { found: null, hints: [], confusion: null, judged: judged.length, at: 0, cost: 0, isDue, look, judge, pinned: asked(data.test, [0]) };
  const judgedX = rowsOf(data.test.X, judged, data.features);

  function isDue(now) {
    return now - looks.at > 1000 * Math.max(SECONDS, looks.cost / SHARE);
  }

  function look(model, step, values, records) {
    const start = performance.now(), targets = targetsOf(model, few.map((row) => data.train.y[row]));
    const graph = createGraph(model, X, targets, few.length, { isTraining: true }), rows = flowOf(graph), shown = rows.slice(-MAX_ROWS);
    const one = createGraph(model, looks.pinned, new Float64Array(model.outputs), 1), byName = new Map(one.variables.filter(({ link }) => link).map((variable) => [variable.link.name, variable.value]));
    const column = (of) => Float32Array.from(shown, (row) => of(row) ?? NaN);
    looks.found = { gradient: column((row) => row.gradient), weight: column((row) => row.weight), dead: column((row) => (row.dead === null ? null : row.dead / row.width)), saturated: column((row) => row.saturated),
      layers: shown.map(({ name }) => name), step, activations: Float32Array.from(layoutOf(model).flatMap(({ name, shown: count }) => [...byName.get(name).subarray(0, count)])) };
    looks.hints = [...hintsOfLoss(values, records), ...hintsOfFlow(rows)];
    looks.at = performance.now();
    looks.cost = (looks.at - start) / 1000;
  }

  // Counts (class, answer) of the samples as classes * classes; null for numbers.
  function judge(model, network) {
    if (!['multiclass', 'binary'].includes(model.task)) return;
    const classes = Math.max(2, model.outputs), out = network.outputsOf(judgedX, judged.length), counts = new Int32Array(classes * classes);
    judged.forEach((row, i) => { counts[data.test.y[row] * classes + decided(model, Array.from(out.subarray(i * model.outputs, (i + 1) * model.outputs)))] += 1; });
    looks.confusion = counts;
  }
  return looks;
}
