// The steps of the course whose question was answered right, kept by the browser for the next visit; nowhere else.
const KEY = 'chainrule.course';

/** @returns {string[]} the names of the steps */
export function solvedSteps() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) || '[]');
    return Array.isArray(kept) ? kept.filter((name) => typeof name === 'string') : [];
  } catch {   // a page without storage, such as one in a notebook, remembers nothing
    return [];
  }
}

/** @param {string[]} names */
export function keepSolved(names) {
  try {
    localStorage.setItem(KEY, JSON.stringify([...new Set(names)]));
  } catch { /* as above */ }
}
