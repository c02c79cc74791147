// What the worker shows: the model and the data, as studio/session/studio.py and studio/screens/model.py have them for the server's pages.

const MAX_SAMPLES = 512;

// An array of (rows, columns), or of (n).
export const shaped = (array, shape) => Object.assign(array, { shape });

export const rms = (values) => Math.sqrt(values.reduce((all, v) => all + v * v, 0) / values.length);

// The links of the engine's network in the form of a model's description.
function linksOf(links) {
  return links.map(({ name, fanIn, fanOut, layer, branches }) => {
    const settings = Object.fromEntries(Object.entries(layer).filter(([key]) => !['layers', 'initializer'].includes(key)));
    return { ...settings, name, fan_in: fanIn, fan_out: fanOut, branches: (branches ?? []).map(linksOf) };
  });
}

// Every parameter and state of the engine's network by name.
export function arraysOf(network) {
  const theta = network.theta, found = {};
  for (const { name, shape, start, stop } of network.parameters) found[name] = shaped(theta.slice(start, stop), shape);
  for (const [link, fields] of Object.entries(network.states))
    for (const [field, values] of Object.entries(fields)) found[`${link}.${field}`] = shaped(Float32Array.from(values), [values.length]);
  return found;
}

const TASKS = { softmax_cross_entropy: 'multiclass', categorical_cross_entropy: 'multiclass' };

function taskOf(loss, outputs) {
  if (loss in TASKS) return TASKS[loss];
  if (loss === 'sigmoid_cross_entropy' || loss === 'binary_cross_entropy') return outputs === 1 ? 'binary' : 'multilabel';
  return 'regression';
}

/**
 * A model for the page.
 * @param {any} network  of the engine  @param {any} config
 * @param {{name: string, classes?: string[] | null, features?: string[] | null, shape?: number[] | null, seed?: number, epochs?: number, steps?: number, scale?: any}} about
 */
export function describe(network, config, { name, classes = null, features = null, shape = null, seed = 0, epochs = 0, steps = 0, scale = null }) {
  const { inputs, outputs, size } = network, { loss } = config;
  const isPicture = shape && shape[0] * shape[1] === inputs;
  return { name, inputs, outputs, task: taskOf(loss.kind, outputs), classes, features, shape: isPicture ? shape : inputs === 784 ? [28, 28] : null, dtype: 'float32', seed, epochs, steps, size,
    links: linksOf(network.links), loss: { ...loss }, l2: config.l2 ?? 0, l1: config.l1 ?? 0, scale, arrays: arraysOf(network), networks: 1 };
}

/**
 * Samples with their answers.
 * @typedef {{X: Uint8Array | Float32Array, y: ArrayLike<number>, n: number, told: ArrayLike<string | number>, cells?: string[][]}} Part  told: the targets as the pages show them
 * @typedef {object} Data
 * @property {string} name
 * @property {number} features
 * @property {number[] | null} shape
 * @property {string[] | null} labels  of classes; null for numbers
 * @property {Part} train
 * @property {Part} test
 * @property {any[]} [columns]  of a table
 * @property {string} [target]
 * @property {string[]} [names]  of the features
 * @property {any} [scale]  of numbers to be learned
 * @property {(cells: Record<string, any>) => Float32Array} [inputsOf]
 */

// send(event, data): to the page.
/** @param {any} engine  @param {any} given  what the builder of the page has written of the library  @param {(event: string, data: any) => void} send */
export function createStudio(engine, given, send) {
  const studio = {
    engine, given, send,
    /** @type {Data | null} */
    data: null,
    /** @type {any} */
    model: null,
    config: null,
    /** @type {{model: any, config: any, data: Data | null} | null} */
    aside: null,   // what an example has taken the place of
    version: 0,   // of the model's numbers
    commands: /** @type {Record<string, (args: any) => any>} */ ({}),

    /** @param {Data} data */
    showData(data) {
      studio.data = data;
      send('data.shown', { data: described() });
    },
    // model: of describe; its config is kept for a network of the engine with the same numbers.
    showModel(model, config) {
      const isSame = studio.model && studio.config === config && studio.model.name === model.name;
      studio.model = model;
      studio.config = config;
      studio.version += 1;
      if (isSame) send('model.frame', { arrays: model.arrays, steps: model.steps });
      else send('model.shown', { model });
    },
    // The newest model of a run on some data; while an example is on show in their place it waits aside.
    showNewest(model, config, data) {
      if (studio.aside && studio.aside.data === data) studio.aside = { model, config, data };
      else studio.showModel(model, config);
    },
    showExample(example) {
      studio.aside ??= { model: studio.model, config: studio.config, data: studio.data };
      put(example);
    },
    endExample() {
      if (!studio.aside) throw new Error('there is no model to restore; train one, or open a model file.');
      put(studio.aside);
      studio.aside = null;
      return { name: studio.model?.name ?? '' };
    },
    needModel() {
      if (!studio.model) throw new Error('there is no model yet; train one, or open a model file.');
      return studio.model;
    },
    needData() {
      if (!studio.data) throw new Error('there is no data yet; choose some on the screen Train.');
      return studio.data;
    },
    // The model as a network of the engine, to be freed.
    network(model = studio.needModel(), config = studio.config) {
      const network = engine.network(config, { seed: 0 });
      return restored(network, model.arrays);
    },
    ask(name, args) {
      const command = studio.commands[name];
      if (!command) throw new Error(`there is no command ${name}; reload the page.`);
      return command(args);
    },
  };

  // A model and its data at once.
  function put({ model, config, data }) {
    Object.assign(studio, { model, config, data, version: studio.version + 1 });
    send('model.boot', { model, data: described() });
  }

  function described() {
    const { data } = studio;
    if (!data) return null;
    const { name, features, shape, labels, train, test, columns, target } = data;
    return { name, features, shape, parts: { train: train.n, test: test.n }, shown: test.n, labels, ...(columns ? { columns, target } : {}) };
  }

  function samples({ start = 0, count = 1, rows = null }) {
    const { test, features } = studio.needData(), chosen = rows ?? Array.from({ length: count }, (_, k) => start + k);
    if (chosen.length > MAX_SAMPLES || chosen.some((row) => !(row >= 0 && row < test.n))) throw new Error(`at most ${MAX_SAMPLES} samples with numbers from 0 to ${test.n - 1} can be requested.`);
    return { rows: chosen, X: rowsOf(test.X, chosen, features), cells: test.cells ? chosen.map((row) => test.cells[row]) : null, y: chosen.map((row) => answerOf(studio.data, row)) };
  }

  Object.assign(studio.commands, {
    'model.get': () => ({ model: studio.model }),
    'data.get': () => ({ data: described() }),
    'data.samples': samples,
    'table.inputs': ({ cells }) => ({ x: studio.needData().inputsOf(cells) }),
  });
  return studio;
}

// Rows of X (n, width) as an array of its own.
export function rowsOf(X, rows, width) {
  const out = new /** @type {any} */ (X.constructor)(rows.length * width);
  rows.forEach((row, k) => out.set(X.subarray(row * width, (row + 1) * width), k * width));
  return shaped(out, [rows.length, width]);
}

// The target of a row to test on as the pages show it: a class by its label, a number in its own units.
export const answerOf = ({ test }, row) => test.told[row];

// Puts numbers by name into a network of the engine.
function restored(network, arrays) {
  const theta = new Float32Array(network.size), states = network.states;
  for (const { name, start } of network.parameters) theta.set(arrays[name], start);
  network.theta = theta;
  const kept = Object.entries(states).map(([link, fields]) => [link, Object.fromEntries(Object.entries(fields).map(([field, values]) => [field, arrays[`${link}.${field}`] ?? values]))]);
  if (kept.length) network.states = Object.fromEntries(kept);
  return network;
}

// At most `most` rows, evenly spaced.
export const thinned = (n, most) => (n <= most ? Array.from({ length: n }, (_, k) => k) : Array.from({ length: most }, (_, k) => Math.trunc((k * (n - 1)) / (most - 1))));
