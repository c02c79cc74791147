// A person's own data, read in the page and sent nowhere: a table as CSV, or points that were painted.
import { purposeful } from '../random.js';
import { shaped } from './studio.js';

const MOST_BYTES = 200 << 20, MOST_LEVELS = 50, MOST_CLASSES = 100, FEW_NUMBERS = 10, MOST_FEATURES = 5000;

// Rows 0, …, n - 1 in a mixed order: those to train on, and one in `split` to test on.
function divided(n, split) {
  const rows = purposeful(1, 'shuffle', 0).permutation(n);
  const held = Math.max(1, Math.floor(n / split));
  return { train: rows.slice(held), test: rows.slice(0, held) };
}

// --- CSV -------------------------------------------------------------------------------------------------------------

// The character between cells: the one that most rows have as often as the first.
function separatorOf(text) {
  const lines = text.slice(0, 20_000).split('\n').slice(0, 20).filter(Boolean), times = (line, mark) => line.split(mark).length - 1;
  const scored = [',', ';', '\t'].map((mark) => [mark, times(lines[0], mark), lines.filter((line) => times(line, mark) === times(lines[0], mark)).length]);
  return scored.sort((one, two) => Number(two[1] > 0) - Number(one[1] > 0) || two[2] - one[2] || two[1] - one[1])[0][0];
}

// Rows of cells as text; a cell between quotes may have separators, line ends and quotes written twice.
export function parseCsv(text) {
  const separator = separatorOf(text), rows = [];
  let row = [], cell = '', isQuoted = false;
  const endCell = () => { row.push(cell); cell = ''; };
  const endRow = () => { endCell(); if (row.length > 1 || row[0] !== '') rows.push(row); row = []; };
  for (let k = text.charCodeAt(0) === 0xfeff ? 1 : 0; k < text.length; ++k) {
    const c = text[k];
    if (isQuoted) {
      if (c !== '"') cell += c;
      else if (text[k + 1] === '"') { cell += '"'; ++k; } else isQuoted = false;
    } else if (c === '"' && cell === '') isQuoted = true;
    else if (c === separator) endCell();
    else if (c === '\n') endRow();
    else if (c !== '\r') cell += c;
  }
  if (cell !== '' || row.length) endRow();
  return rows;
}

const NOTHING = ['', 'NA', 'NaN', 'nan', 'null', 'None', '?'];
export const isEmpty = (cell) => NOTHING.includes(cell.trim());

// A column: numbers where every cell that is not empty is one, else text.
function columnOf(name, cells) {
  const numbers = cells.map((cell) => (isEmpty(cell) ? NaN : Number(cell)));
  if (cells.some((cell, k) => !isEmpty(cell) && Number.isFinite(numbers[k])) && cells.every((cell, k) => isEmpty(cell) || Number.isFinite(numbers[k]))) return { name, numbers };
  return { name, texts: cells.map((cell) => (isEmpty(cell) ? null : cell.trim())) };
}

// How a column becomes inputs, by the rows to train on: {width, names, put(value, out, at), about}.
function encoderOf(column, train, start) {
  if (column.numbers) {
    const known = train.map((row) => column.numbers[row]).filter(Number.isFinite).sort((one, two) => one - two), middle = known.length ? known[known.length >> 1] : 0;
    const hasGaps = column.numbers.some((value) => Number.isNaN(value)), width = hasGaps ? 2 : 1;
    const about = { name: column.name, inputs: Array.from({ length: width }, (_, k) => start + k), low: known[0] ?? 0, high: known[known.length - 1] ?? 0, categories: null, whole: known.every(Number.isInteger) };
    return { width, about, names: [column.name, ...(hasGaps ? [`${column.name} is missing`] : [])], put(value, out, at) {
      out[at] = Number.isFinite(value) ? value : middle;
      if (hasGaps) out[at + 1] = Number.isFinite(value) ? 0 : 1;
    } };
  }
  const counts = new Map();
  for (const row of train) if (column.texts[row] !== null) counts.set(column.texts[row], (counts.get(column.texts[row]) ?? 0) + 1);
  const levels = [...counts].sort((one, two) => two[1] - one[1]).slice(0, MOST_LEVELS).map(([text]) => text), places = new Map(levels.map((level, k) => [level, k]));
  const about = { name: column.name, inputs: levels.map((_, k) => start + k), low: null, high: null, categories: levels };
  return { width: levels.length, about, names: levels.map((level) => `${column.name} = ${level}`), put(value, out, at) {
    out.fill(0, at, at + levels.length);
    if (places.has(value)) out[at + places.get(value)] = 1;
  } };
}

const valueOf = (column, row) => (column.numbers ? column.numbers[row] : column.texts[row]);

// The targets: {y, labels} of classes, or {y, scale} of numbers, standardized by the rows to train on.
function targetsOf(column, rows, train) {
  const distinct = new Set(rows.map((row) => valueOf(column, row)));
  const isAmount = column.numbers && (distinct.size > FEW_NUMBERS || [...distinct].some((value) => !Number.isInteger(value)));
  if (isAmount) {
    const of = train.map((row) => column.numbers[row]), mean = of.reduce((all, v) => all + v, 0) / of.length, std = Math.sqrt(of.reduce((all, v) => all + (v - mean) ** 2, 0) / of.length) || 1;
    return { labels: null, scale: { mean: [mean], std: [std] }, y: (row) => (column.numbers[row] - mean) / std };
  }
  const labels = [...distinct].sort((one, two) => (column.numbers ? one - two : one < two ? -1 : 1)).map(String);
  if (labels.length < 2) throw new Error(`the target ${column.name} has only one value; choose a column that varies.`);
  if (labels.length > MOST_CLASSES) throw new Error(`the target ${column.name} has ${labels.length} different texts; a page learns up to ${MOST_CLASSES} classes.`);
  const places = new Map(labels.map((label, k) => [label, k]));
  return { labels, scale: null, y: (row) => places.get(String(valueOf(column, row))) };
}

/** @returns {any} */
function tableOf(name, text, split) {
  const rows = parseCsv(text);
  if (rows.length < 6) throw new Error(`${name} has ${Math.max(0, rows.length - 1)} rows below its header; a table needs at least 5.`);
  const [header, ...cells] = rows, names = header.map((title, k) => title.trim() || `column ${k + 1}`), bad = cells.findIndex((row) => row.length !== names.length);
  if (bad >= 0) throw new Error(`row ${bad + 2} of ${name} has ${cells[bad].length} cells, and the header ${names.length}; correct the file.`);
  if (names.length < 2) throw new Error(`${name} has one column; a table needs a target and at least one other.`);
  const target = names.includes('y') ? names.indexOf('y') : names.length - 1, columns = names.map((title, k) => columnOf(title, cells.map((row) => row[k])));
  const known = cells.map((_, row) => row).filter((row) => { const value = valueOf(columns[target], row); return value !== null && !Number.isNaN(value); });
  if (known.length < 5) throw new Error(`${names[target]}, the target of ${name}, has fewer than 5 values.`);
  const parts = divided(known.length, split), train = parts.train.map((k) => known[k]), test = parts.test.map((k) => known[k]), used = columns.filter((_, k) => k !== target);
  let features = 0;
  const encoders = used.map((column) => {
    const made = encoderOf(column, train, features);
    features += made.width;
    return made;
  });
  if (!features || features > MOST_FEATURES) throw new Error(`${name} makes ${features} inputs; a page takes from 1 to ${MOST_FEATURES}.`);
  const answers = targetsOf(columns[target], known, train);
  const put = (values, out, start) => encoders.forEach((encoder, k) => encoder.put(values[k], out, start + encoder.about.inputs[0]));
  const part = (of) => {
    const X = new Float32Array(of.length * features);
    of.forEach((row, i) => put(used.map((column) => valueOf(column, row)), X, i * features));
    return { X, y: Float32Array.from(of, answers.y), told: of.map((row) => valueOf(columns[target], row)), n: of.length, cells: of.map((row) => cells[row].filter((_, k) => k !== target)) };
  };
  return { name: name.replace(/\.(csv|tsv|txt)$/i, ''), source: 'table', X_kind: 'numbers', features, shape: null, labels: answers.labels, scale: answers.scale, target: names[target], columns: encoders.map(({ about }) => about),
    names: encoders.flatMap((encoder) => encoder.names), train: part(train), test: part(test),
    inputsOf(row) {
      const x = new Float32Array(features);
      put(used.map((column) => {
        const cell = row[column.name], empty = cell === null || cell === undefined || isEmpty(String(cell));
        if (!column.numbers) return empty ? null : String(cell).trim();
        if (!empty && !Number.isFinite(Number(cell))) throw new Error(`${column.name} must be a number, not '${String(cell).slice(0, 40)}'.`);
        return empty ? NaN : Number(cell);
      }), x, 0);
      return shaped(x, [features]);
    } };
}

export async function openFiles(files, split) {
  if (files.length !== 1) throw new Error('choose one file: a table with a header, as CSV.');
  const [file] = files;
  if (!/\.(csv|tsv|txt)$/i.test(file.name)) throw new Error(`${file.name} is not CSV, which is what a page reads; chainrule studio opens Parquet, Arrow, Excel and arrays too.`);
  return tableOf(file.name, await readText(file), split);
}

export async function readText(file) {
  if (file.size > MOST_BYTES) throw new Error(`${file.name} has more than 200 MB; use chainrule studio.`);
  return file.text();
}

// Points of the plane, [[x, y, class], …].
export function openPoints(points, split) {
  const classes = [...new Set(points.map(([, , k]) => k))].sort();
  if (points.length < 10 || classes.length < 2) throw new Error('paint at least 10 points of two classes or more.');
  const rows = divided(points.length, split), part = (of) => ({ X: Float32Array.from(of.flatMap((k) => points[k].slice(0, 2))), y: Float32Array.from(of, (k) => classes.indexOf(points[k][2])), told: of.map((k) => String(points[k][2])), n: of.length });
  return { name: 'points', source: 'points', X_kind: 'numbers', features: 2, shape: null, labels: classes.map(String), train: part(rows.train), test: part(rows.test) };
}
