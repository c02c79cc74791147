// The form of the screen Train in the page: what it offers, what it means for the engine, and the Python that does the same.
// studio/screens/train/{form,python,commands}.py in JavaScript, with the choices that the builder of the page has taken from there.

const MAX_PARAMETERS = 2_000_000, MAX_EPOCHS = 10_000;
const NAMES = ['loss', 'optimizer', 'lr', 'momentum', 'weight_decay', 'schedule', 'batch_size', 'epochs', 'samples', 'seed', 'l2', 'clip_norm'];
const ARRAY_LOSS = { numbers: 'mean_squared_error', two: 'sigmoid_cross_entropy', classes: 'softmax_cross_entropy' };

const isWhole = (value) => Number.isInteger(value);

// The loss for the data's targets.
const defaultLoss = (data) => (!data.labels ? ARRAY_LOSS.numbers : data.labels.length <= 2 ? ARRAY_LOSS.two : ARRAY_LOSS.classes);

export function optionsOf({ given, data }) {
  const { options } = given, isPictures = !data || data.X_kind === 'pixels';
  return { ...options, losses: data && !data.labels ? ['mean_squared_error'] : ['softmax_cross_entropy', ...(!data || data.labels.length === 2 ? ['sigmoid_cross_entropy'] : [])],
    fields: options.fields.filter(({ name }) => NAMES.includes(name)), columns: data?.columns ? data.columns.map(({ name }) => name) : [],
    defaults: { ...options.defaults, ...(isPictures ? given.first : {}), ...(isPictures ? {} : given.table) } };
}

// A form with everything that it leaves open: {layers, loss, optimizer, schedule, epochs, batch, seed, samples, config, …}. Throws what is wrong with it.
export function planOf(studio, given) {
  const data = studio.needData(), { defaults, optimizers, schedules, losses } = optionsOf(studio), form = { ...defaults, ...given };
  for (const name of Object.keys(form)) if (name !== 'layers' && !NAMES.includes(name)) throw new Error(`${name} is not offered in a page; use chainrule studio.`);
  const count = (name, most) => {
    const value = form[name];
    if (!isWhole(value) || value < 1 || value > most) throw new Error(`${name} must be a whole number from 1 to ${most.toLocaleString('en-US')}, not ${value}.`);
    return value;
  };
  const number = (name, low, high) => {
    const value = form[name];
    if (value === null || value === undefined) return null;
    if (!(typeof value === 'number' && value >= low && value <= high)) throw new Error(`${name} must be a number of at least ${low}${high < Infinity ? ` and at most ${high}` : ''}, not ${value}.`);
    return value;
  };
  const choice = (name, known) => {
    if (!known.includes(form[name])) throw new Error(`${name} must be one of ${known.join(', ')}, not ${form[name]}.`);
    return form[name];
  };
  if (!isWhole(form.seed) || form.seed < 0 || form.seed >= 2 ** 32) throw new Error(`seed must be a whole number from 0 to 4,294,967,295, not ${form.seed}.`);
  const loss = form.loss ?? defaultLoss(data), kind = choice('optimizer', Object.keys(optimizers)), usual = optimizers[kind];
  if (!losses.includes(loss)) throw new Error(`loss must be one of ${losses.join(', ')} for these data, not ${loss}.`);
  const schedule = choice('schedule', schedules), samples = form.samples === null || form.samples === undefined ? data.train.n : Math.min(count('samples', 2 ** 31), data.train.n);
  const isCycle = schedule === 'one_cycle' && studio.given.adam.includes(kind), lr = number('lr', 0, Infinity) ?? (isCycle ? studio.given.peaks[data.X_kind] : usual.learning_rate);
  const optimizer = { kind, learning_rate: lr };
  for (const name of ['momentum', 'weight_decay']) {
    const value = number(name, 0, name === 'momentum' ? 1 : Infinity);
    if (value === null) continue;
    if (!(name in usual)) throw new Error(`${kind} has no ${name.replace('_', ' ')}; omit ${name}.`);
    optimizer[name] = value;
  }
  if (!Array.isArray(form.layers)) throw new Error('layers must be a list of layers.');
  const first = data.X_kind === 'pixels' ? { kind: 'rescale', scale: 1 / 255, offset: 0 } : { kind: 'standardize' };
  const outputs = loss === 'softmax_cross_entropy' ? Math.max(2, data.labels.length) : 1;
  const config = { inputs: data.features, layers: [first, ...form.layers, { kind: 'dense', units: outputs }], loss: { kind: loss }, l2: number('l2', 0, Infinity) ?? 0, l1: 0, max_norm: null };
  const epochs = count('epochs', MAX_EPOCHS), batch = Math.min(count('batch_size', 2 ** 31), samples);
  return { form: given, loss, optimizer, schedule: { kind: schedule }, epochs, batch, seed: form.seed, samples, config, clip: number('clip_norm', 0, Infinity), perEpoch: Math.ceil(samples / batch), layers: form.layers };
}

// The network of a plan, with the weights of its seed. To be freed.
export function networkOf(studio, plan) {
  const network = studio.engine.network(plan.config, { seed: plan.seed });
  if (network.size > MAX_PARAMETERS) {
    const { size } = network;
    network.free();
    throw new Error(`this network has ${size.toLocaleString('en-US')} parameters; a page trains up to ${MAX_PARAMETERS.toLocaleString('en-US')}. Use narrower layers, or chainrule studio.`);
  }
  return network;
}

const flatLinks = (links) => links.flatMap((link) => [...(link.branches ?? []).flatMap(flatLinks), link]);

export function checked(studio, given) {
  const plan = planOf(studio, given), { data } = studio, network = networkOf(studio, plan);
  try {
    return {
      size: network.size, default_loss: defaultLoss(data), preset: null, loss: plan.loss, optimizer: plan.optimizer.kind, lr: plan.optimizer.learning_rate, momentum: plan.optimizer.momentum ?? null,
      weight_decay: plan.optimizer.weight_decay ?? null, schedule: plan.schedule.kind, batch_size: plan.batch, epochs: plan.epochs, clip_norm: plan.clip, validation_fraction: null, patience: null,
      is_table: Boolean(data.columns), samples: plan.samples, all: data.train.n, outputs: data.labels ? data.labels.length : 1,
      links: flatLinks(network.links).map(({ name, layer, fanIn, fanOut }) => ({ name, kind: layer.kind, width: fanOut, inputs: fanIn })), steps: plan.perEpoch, held_out: false, advice: [], notices: [], code: codeOf(studio, plan),
    };
  } finally {
    network.free();
  }
}

// --- the Python that does it -----------------------------------------------------------------------------------------

const literal = (value) => (value === true ? 'True' : value === false ? 'False' : value === null ? 'None' : typeof value === 'string' ? `"${value}"` : String(value).replace(/e([-+])(\d)$/, 'e$10$2'));

// The constructor call of a layer, loss, optimizer or schedule, without settings at their defaults.
function written(studio, { kind, layers, ...settings }) {
  const { classes, options } = studio.given, usual = { ...(options.layers[kind] ?? {}), ...(options.optimizers[kind] ?? {}) };
  if (kind === 'rescale' && settings.scale === 1 / 255) return 'Rescale(1 / 255)';
  const parts = layers ? [`[${layers.map((layer) => written(studio, layer)).join(', ')}]`] : [];
  for (const [name, value] of Object.entries(settings)) {
    if (value === usual[name] || value === null) continue;
    parts.push(['units', 'rate'].includes(name) && !(name in usual && name !== 'rate') ? literal(value) : `${name}=${literal(value)}`);
  }
  return `${classes[kind]}(${parts.join(', ')})`;
}

const namesIn = (text, known) => known.filter((name) => new RegExp(`\\b${name}\\(`).test(text)).sort((one, two) => one.toLowerCase().localeCompare(two.toLowerCase()));

function codeOf(studio, plan) {
  const { data, given } = studio, isMnist = data.name === 'mnist', isFew = plan.samples < data.train.n;
  const lines = isMnist ? ['train, test = load_mnist()'] : data.source === 'points' ? pointsOf(data) : [`X, y = …   # the columns of ${data.name} as numbers, and ${data.target}`];
  let [X, y] = isMnist ? ['train.X', 'train.y'] : ['X', 'y'];
  if (isFew) {
    lines.push(`rows = np.linspace(0, len(${isMnist ? 'train' : 'X'}) - 1, ${plan.samples}).astype(np.int64)`);
    [X, y] = [`${X}[rows]`, `${y}[rows]`];
  }
  const { config } = plan, penalty = config.l2 ? `, l2=${literal(config.l2)}` : '';
  lines.push('network = Network(', `    ${config.inputs},`, '    [', ...config.layers.map((layer) => `        ${written(studio, layer)},`), '    ],', `    ${written(studio, config.loss)}${penalty},`, ')', `model = Model(network, seed=${plan.seed})`);
  const settings = [`epochs=${plan.epochs}`, `batch_size=${plan.batch}`, `optimizer=${written(studio, plan.optimizer)}`, ...(plan.schedule.kind === 'constant' ? [] : [`schedule=${written(studio, plan.schedule)}`]),
    isMnist ? 'validation_data=(test.X, test.y)' : 'validation_fraction=0.2', ...(plan.loss === 'mean_squared_error' ? ['scale_targets=True'] : []), ...(plan.clip === null ? [] : [`clip=${literal(plan.clip)}`])];
  lines.push('history = model.fit(', `    ${X},`, `    ${y},`, ...settings.map((one) => `    ${one},`), ')', 'print(history["val_loss"][-1])', 'model.save("model.safetensors")');
  const text = lines.join('\n'), imports = [...(/\bnp\./.test(text) ? ['import numpy as np'] : []), `from chainrule import ${namesIn(text, [...new Set([...Object.values(given.classes), 'Model', 'Network'])]).join(', ')}`, ...(isMnist ? ['from chainrule.datasets import load_mnist'] : [])];
  return [...imports, '', ...lines, ''].join('\n');
}

function pointsOf(data) {
  const { X, y, n } = data.train;
  return ['X = np.array([', ...Array.from({ length: n }, (_, i) => `    [${X[2 * i]}, ${X[2 * i + 1]}],`), '])', `y = np.array([${Array.from(y, (k) => data.labels[k]).join(', ')}])`];
}
