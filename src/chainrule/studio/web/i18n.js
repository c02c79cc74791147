// Texts in the reader's language, from one table.
// @ts-expect-error: it is made of the tables in texts/
import { texts } from './texts.js';

export const languages = { en: 'English', zh: '繁體中文' };

// A text with the word that goes with a number: {n:neuron|neurons}.
export const agreeing = (text, values) => text.replace(/\{(\w+):([^|}]*)\|([^}]*)\}/g, (_, name, one, many) => (String(values[name]) === '1' ? one : many));

// A text with the names of its values.
/** @param {import('./store.js').Store} store  @param {string} key */
export const raw = (store, key) => (texts[key] ? texts[key][store.get('lang')] : key);

/** @param {import('./store.js').Store} store  @param {string} key  @param {Record<string, any>} [values] */
export function t(store, key, values = {}) {
  return agreeing(raw(store, key), values).replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all));
}

export function has(key) {
  return key in texts;
}

export function preferred() {
  return (navigator.language || 'en').toLowerCase().startsWith('zh') ? 'zh' : 'en';
}
