// Rows for the network on show, of a CSV file of numbers: they light its neurons up, and with a target are walked back through.
import { isEmpty, parseCsv, readText } from './files.js';
import { refuse } from './protobuf.js';
import { shaped } from './studio.js';

const MOST_ROWS = 20_000;

// Numbers of the cells, or NaN.
const numbersOf = (cells) => cells.map((cell) => (isEmpty(cell) ? NaN : Number(cell)));

/**
 * The rows of a file as data of the studio. model: the one on show; network: of the engine. Columns are those of the model's names where the header has them,
 * else as many as the network takes; one more is the target, the column y or the last. Rows without a target have the network's own answer.
 * @param {File} file  @param {any} model  @param {any} network
 */
export async function openRows(file, model, network) {
  const rows = parseCsv(await readText(file)), { name } = file, { inputs, outputs, task, features } = model, labels = model.classes ?? Array.from({ length: task === 'binary' ? 2 : outputs }, (_, k) => String(k));
  const hasHeader = rows.length > 0 && rows[0].some((cell) => !isEmpty(cell) && !Number.isFinite(Number(cell))), header = (hasHeader ? rows.shift() : rows[0] ?? []).map((cell) => cell.trim());
  if (!rows.length || rows.length > MOST_ROWS) refuse('open.rows_count', { name, n: rows.length, most: MOST_ROWS });
  const named = hasHeader && features ? features.map((feature) => header.indexOf(feature)) : [], byName = named.length === inputs && named.every((k) => k >= 0), others = header.map((_, k) => k).filter((k) => !named.includes(k));
  const isOneMore = header.length === inputs + 1, target = byName ? others.find((k) => header[k] === 'y') ?? (others.length === 1 ? others[0] : -1) : isOneMore ? (header.includes('y') ? header.indexOf('y') : inputs) : -1;
  if (!byName && header.length !== inputs && !isOneMore) refuse('open.rows_width', { name, columns: header.length, inputs });
  const columns = byName ? named : header.map((_, k) => k).filter((k) => k !== target), n = rows.length, X = new Float32Array(n * inputs);
  rows.forEach((row, i) => {
    const own = row.length === header.length ? numbersOf(columns.map((k) => row[k])) : [NaN], bad = own.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) refuse('open.rows_cell', { name, row: i + 1 + Number(hasHeader), column: hasHeader ? header[columns[bad]] : columns[bad] + 1 });
    X.set(own, i * inputs);
  });
  const isNumbers = task === 'regression', hasTarget = target >= 0 && task !== 'multilabel' && (!isNumbers || outputs === 1), out = hasTarget ? null : network.predict(X, n), scaled = (v, k) => (model.scale ? v * model.scale.std[k] + model.scale.mean[k] : v);
  const answers = rows.map((row, i) => {
    if (hasTarget) return given(row[target].trim(), i);
    const own = Array.from(out.subarray(i * outputs, (i + 1) * outputs));
    if (task === 'multiclass') return { y: own.indexOf(Math.max(...own)) };
    if (!isNumbers) return { y: outputs === 1 ? Number(own[0] > 0.5) : own.map((p) => Number(p > 0.5)) };
    return outputs === 1 ? { y: own[0], told: scaled(own[0], 0) } : { y: own, told: own.map(scaled) };
  });
  function given(cell, i) {
    const value = isNumbers ? Number(cell) : labels.indexOf(labels.includes(cell) ? cell : String(Number(cell)));
    if (!Number.isFinite(value) || cell === '' || (!isNumbers && value < 0)) refuse('open.rows_target', { name, row: i + 1 + Number(hasHeader), value: cell.slice(0, 40) });
    return isNumbers ? { y: model.scale ? (value - model.scale.mean[0]) / model.scale.std[0] : value, told: value } : { y: value };
  }
  const part = { X: shaped(X, [n, inputs]), n, y: answers.map(({ y }) => y), told: answers.map(({ y, told }) => told ?? (Array.isArray(y) ? y : labels[y])) };
  return { name: name.replace(/\.(csv|tsv|txt)$/i, ''), source: 'rows', X_kind: 'numbers', features: inputs, shape: model.shape, labels: isNumbers || task === 'multilabel' ? null : labels, scale: model.scale, train: part, test: part, isAssumed: !hasTarget };
}
