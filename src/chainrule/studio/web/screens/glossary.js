// The words of the field in both languages, and a search over all of them.
import { h, fill } from '../dom.js';
import { t, languages } from '../i18n.js';
// @ts-expect-error: it is made of the tables in texts/
import { texts } from '../texts.js';

export const url = ['glossary.search'];

const TERM = 'glossary.term.';
const TAGS = { en: 'en', zh: 'zh-Hant-TW' };

const plain = (text) => text.normalize('NFKC').toLowerCase().trim();

// Every term as {key, names, abouts}, texts by language, in the order of the reader's language.
function terms(store) {
  const order = new Intl.Collator(TAGS[store.get('lang')]);
  return Object.keys(texts).filter((key) => key.startsWith(TERM)).map((whole) => {
    const key = whole.slice(TERM.length);
    return { key, name: t(store, `glossary.term.${key}`), names: texts[`glossary.term.${key}`], abouts: texts[`glossary.about.${key}`] };
  }).sort((one, other) => order.compare(one.name, other.name));
}

// 2 where a name has the words, 1 where a sentence does, else 0.
function rank({ names, abouts }, words) {
  const has = (table) => Object.values(table).some((text) => plain(text).includes(words));
  if (has(names)) return 2;
  return has(abouts) ? 1 : 0;
}

// The text with every place that has the words marked.
function marked(text, words) {
  const found = [], low = text.toLowerCase();
  let at = 0;
  for (let next = words ? low.indexOf(words) : -1; next >= 0; next = low.indexOf(words, at)) {
    found.push(text.slice(at, next), h('mark', text.slice(next, next + words.length)));
    at = next + words.length;
  }
  return [...found, text.slice(at)];
}

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function glossary(root, store) {
  const all = terms(store), own = store.get('lang');
  const other = Object.keys(languages).find((lang) => lang !== own);
  const list = h('ul.terms', { dataset: { test: 'terms' } });
  const count = h('output.terms-count', { dataset: { test: 'terms-count' } });
  const input = h('input', { type: 'search', placeholder: t(store, 'glossary.search'), 'aria-label': t(store, 'glossary.search'),
    autocomplete: 'off', spellcheck: 'false', oninput: () => store.set({ 'glossary.search': input.value }) });

  const entry = ({ key, names, abouts }, words) => h('li.panel.term', { dataset: { term: key } },
    h('h2', h('span', { lang: TAGS[own] }, marked(names[own], words)), h('span.other', { lang: TAGS[other] }, marked(names[other], words))),
    h('p', { lang: TAGS[own] }, marked(abouts[own], words)),
    h('p.other', { lang: TAGS[other] }, marked(abouts[other], words)));

  function show() {
    const text = String(store.get('glossary.search') ?? ''), words = plain(text);
    if (input.value !== text) input.value = text;
    const ranks = new Map(all.map((term) => [term, rank(term, words)]));
    const found = all.filter((term) => ranks.get(term)).sort((one, two) => ranks.get(two) - ranks.get(one));
    fill(list, found.map((term) => entry(term, words)));
    const form = words ? (found.length ? 'glossary.count' : 'glossary.nothing') : 'glossary.all';
    count.textContent = t(store, form, { n: found.length, all: all.length });
  }

  fill(root, h('div.terms-head', input, count), list);
  show();
  return store.on('glossary.search', show);
}
