// The state in the address's fragment: #screen=draw&lang=zh&sample=3. It never leaves the browser.

export function readUrl() {
  return Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
}

/** @param {import('./store.js').Store} store */
export function keepInUrl(store, keys) {
  const write = () => {
    const found = new URLSearchParams();
    for (const key of keys()) {
      const value = store.get(key);
      if (value !== null && value !== undefined && value !== '') found.set(key, typeof value === 'object' ? JSON.stringify(value) : String(value));
    }
    const hash = `#${found}`;
    if (hash !== location.hash && location.protocol !== 'about:') history.replaceState(null, '', hash);   // a frame without an address keeps none
  };
  return write;
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
