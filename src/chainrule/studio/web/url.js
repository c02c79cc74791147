// The state in the address's fragment: #screen=draw&lang=zh&sample=3. It never leaves the browser.

export function readUrl(url = location.href) {
  return Object.fromEntries(new URLSearchParams(new URL(url).hash.slice(1)));
}

/**
 * Writes the state into the address: another screen, or step of the course, is an entry of the browser's history, all else belongs to the entry at hand.
 * @param {import('./store.js').Store} store  @param {() => string[]} keys
 */
export function keepInUrl(store, keys) {
  const place = () => [store.get('screen'), store.get('course')].join();
  let entered = null;   // the place of the entry at hand

  function write() {
    const found = new URLSearchParams(), isOther = entered !== null && entered !== place();
    for (const key of keys()) {
      const value = store.get(key);
      if (value !== null && value !== undefined && value !== '') found.set(key, typeof value === 'object' ? JSON.stringify(value) : String(value));
    }
    entered = place();
    const hash = `#${found}`;
    if (hash === location.hash || location.protocol === 'about:') return;   // a frame without an address keeps none
    if (isOther) history.pushState(null, '', hash);
    else history.replaceState(null, '', hash);
  }

  // The state has come from the address, so it makes no entry of its own.
  return { write, arrive() { entered = place(); } };
}

export function parseValue(text) {
  if (text === 'true' || text === 'false') return text === 'true';
  if (/^-?\d+(\.\d+)?(e[-+]?\d+)?$/i.test(text)) return Number(text);
  if (/^[[{]/.test(text)) {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return text;
}
