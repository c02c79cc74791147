// Answers that were given before: the page that is exported takes those with it that its screen has asked for.

export function keyOf(name, args) {
  const sorted = (value) => (value === null || typeof value !== 'object' ? value
    : Array.isArray(value) ? value.map(sorted)
      : Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])])));
  return `${name} ${JSON.stringify(sorted(args))}`;
}

// Remembers the newest calls, by name and arguments: [[name, args], …].
export function createMemory(most) {
  const calls = new Map();
  return {
    note(name, args) {
      const key = keyOf(name, args);
      calls.delete(key);
      calls.set(key, [name, args]);
      if (calls.size > most) calls.delete(calls.keys().next().value);
    },
    calls: () => [...calls.values()],
    clear: () => calls.clear(),
  };
}
