// Texts in the reader's language, from one table.
// @ts-expect-error: it is made of the tables in texts/
import { texts } from './texts.js';

export const languages = { en: 'English', zh: '繁體中文' };

/** @param {import('./store.js').Store} store  @param {string} key  @param {Record<string, any>} [values] */
export function t(store, key, values = {}) {
  const found = texts[key];
  const text = found ? found[store.get('lang')] : key;
  return text.replace(/\{(\w+)\}/g, (all, name) => (name in values ? values[name] : all));
}

export function has(key) {
  return key in texts;
}

export function preferred() {
  return (navigator.language || 'en').toLowerCase().startsWith('zh') ? 'zh' : 'en';
}
