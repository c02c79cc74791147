// The formulas of description.json (chainrule.studio.description.expressions): products of settings, and trees of operators.

// The value of a product: a number, a setting's name, or {times, powers}. A setting that is a list stands for itself.
export function product(found, settings) {
  if (typeof found === 'number') return found;
  if (typeof found === 'string') return settings[found];
  return Object.entries(found.powers).reduce((value, [name, power]) => value * settings[name] ** power, found.times);
}

const operators = {
  '+': (x, y) => x + y,
  '-': (x, y) => x - y,
  '*': (x, y) => x * y,
  '/': (x, y) => x / y,
  '<': (x, y) => Number(x < y),
  '<=': (x, y) => Number(x <= y),
  power: (x, y) => x ** y,
  cos: Math.cos,
  log2: Math.log2,
  clip: (x, low, high) => Math.min(Math.max(x, low), high),
};

// The value of a tree: a number, {name}, or [operator, argument, ...]; of "where" only the chosen branch is evaluated.
export function tree(found, settings) {
  if (typeof found === 'number') return found;
  if (!Array.isArray(found)) return settings[found.name];
  const [operator, ...given] = found;
  if (operator === 'where') return tree(given[tree(given[0], settings) ? 1 : 2], settings);
  return operators[operator](...given.map((each) => tree(each, settings)));
}

// The settings of {kind, ...}, with the defaults of what is left out.
export function settingsOf(described, given, what) {
  const settings = { ...described.settings };
  for (const [name, value] of Object.entries(given)) {
    if (name === 'kind') continue;
    if (!(name in settings) && !described.required.includes(name)) throw new Error(`${what} has no setting ${name}; it has ${[...described.required, ...Object.keys(settings)].join(', ') || 'none'}.`);
    settings[name] = value;
  }
  for (const name of described.required) if (settings[name] == null) throw new Error(`${what} needs a value of ${name}.`);
  return settings;
}

// The case of a description that holds for some settings.
export function caseOf(described, settings, what) {
  const holds = (name, wanted) => (wanted === 'other' ? settings[name] !== 0 : settings[name] === wanted);
  const found = described.cases.find(({ when }) => Object.entries(when).every(([name, wanted]) => holds(name, wanted)));
  if (!found) throw new Error(`${what} cannot have these settings together: ${JSON.stringify(settings)}.`);
  return found;
}

// The entry of a table by its kind.
export function known(table, config, what) {
  const kind = config?.kind;
  if (typeof kind !== 'string' || !Object.hasOwn(table, kind)) throw new Error(`This page has no ${what} of kind ${JSON.stringify(kind)}; it has ${Object.keys(table).join(', ')}. The package may have it: train there, by the command chainrule train.`);
  return table[kind];
}
