// The answer to a row: a graph's steps, one after the other.

import { operations } from './operations.js';
import { cell, numbers } from './reading.js';

/**
 * @typedef {{label: string, holds: string, columns: number, names: string[], reads: string, has_words: boolean}} Input
 * @typedef {[name: string, reads: number[], settings: any]} Step
 * @typedef {{task: string, labels: any[], outputs: Record<string, number>, steps: Step[]}} Graph
 */

// An array as the file has it, by its place in the bytes: numbers of 8 or 4 bytes each.
export function arrays(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer;
  return (size, at, ...shape) => {
    const length = shape.reduce((product, n) => product * n, 1);
    return Object.assign(size === 8 ? new Float64Array(bytes, at, length) : new Float32Array(bytes, at, length), { shape });
  };
}

/** The function from a row to its answer. @param {Graph} graph */
export function predictor({ task, labels, outputs, steps }) {
  const inputs = /** @type {Input[]} */ (steps.filter(([name]) => name === 'input').map(([, , input]) => input));
  const isMatrix = inputs.length === 1 && inputs[0].holds === 'numbers';
  const known = new Set(inputs.map((input) => input.label));
  const ready = steps.map(([name, reads, settings]) => (name === 'input' ? { input: settings, reads, apply: null } : { input: null, reads, apply: operations[name](settings) }));

  function cellsOf(row) {
    if (isMatrix) return new Map([[inputs[0], numbers(inputs[0], row)]]);
    const inOrder = Array.isArray(row);
    if (inOrder ? row.length !== inputs.length : !Object.keys(row).some((name) => known.has(name))) {
      const names = inputs.map((input) => input.label);
      throw new RangeError(`a row has the columns ${names.slice(0, 8).join(', ')}${names.length > 8 ? ', ...' : ''}; give an object with their values, or the values in this order`);
    }
    const missing = inOrder ? undefined : inputs.find((input) => !(input.label in row));
    if (missing) throw new RangeError(`the row has no column '${missing.label}'; give it, or null for a missing value`);
    return new Map(inputs.map((input, k) => [input, cell(input, inOrder ? row[k] : row[input.label])]));
  }

  return function predict(row) {
    const given = cellsOf(row), values = [];
    for (const { input, reads, apply } of ready) values.push(apply ? apply(...reads.map((k) => values[k])) : given.get(input));
    const of = (name) => values[outputs[name]];
    if (task === 'regression') return of('predictions').length === 1 ? of('predictions')[0] : [...of('predictions')];
    const probabilities = [...of('probabilities')], places = [...of('label')];
    return { label: task === 'multilabel' ? labels.filter((_, k) => places[k]) : labels[places[0]] ?? places[0], probabilities };
  };
}
