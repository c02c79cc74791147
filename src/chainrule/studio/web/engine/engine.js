// The package's engine in a page, a worker or Node: networks that predict, train, are looked into, opened and saved.
import { Kernels } from './kernels.js';
import { networkOf } from './links.js';
import { Network } from './network.js';
import { initialStates } from './start.js';
import { read, tensorsOf } from './safetensors.js';

const MOST_WIDTHS = 1 << 20;   // of all values of a network that is opened

// wasm: the bytes of engine.wasm, or a WebAssembly.Module.  description: what description.json has.
export async function load(wasm, description) {
  return new Engine(await Kernels.load(wasm), description);
}

class Engine {
  constructor(kernels, description) {
    this.kernels = kernels;
    this.description = description;
  }

  // A network with initial weights, or with those that are given. config: that of a model file; settings left out have the package's defaults.
  network(config, { seed = 0, theta = null, states = null } = {}) {
    return new Network(this.kernels, this.description, completed(this.description, config), { seed, theta, states });
  }

  // {network, extra} of the bytes of a model file; extra: the rest of its metadata. isRounded: it had float64.
  open(buffer) {
    const { header, tensor } = read(buffer), { network: config, dtype, ...extra } = header;
    delete extra.format;
    const plan = networkOf(this.description, config);
    if (4 * plan.size > buffer.byteLength || plan.widths.reduce((all, width) => all + width, 0) > MOST_WIDTHS) throw new Error('This model file has a network that is larger than its numbers, or than the page opens.');
    const theta = new Float32Array(plan.size), states = initialStates(plan);
    for (const { name, shape, start, link, field } of tensorsOf(plan.parameters, plan.walk)) {
      const values = tensor(name, shape);
      if (link) states[link][field] = values;
      else theta.set(values, start);
    }
    return { network: new Network(this.kernels, this.description, config, { seed: extra.seed, theta, states }), extra, isRounded: dtype === 'float64' };
  }
}

// A config with every setting, as the package writes it.
function completed(description, config) {
  const whole = (table, each) => {
    if (!each || typeof each !== 'object' || !Object.hasOwn(table, each.kind)) return each;
    const { settings } = table[each.kind], found = { kind: each.kind, ...settings, ...each };
    if (found.function && typeof found.function === 'object') found.function = whole(table, found.function);
    if (found.initializer) found.initializer = whole(description.initializers, found.initializer);
    if (Array.isArray(found.layers)) found.layers = found.layers.map((inner) => whole(table, inner));
    return found;
  };
  const layers = { ...description.layers, ...description.blocks };
  if (!Array.isArray(config?.layers)) return config;   // refused when the network is built
  return { ...description.network, ...config, layers: config.layers.map((layer) => whole(layers, layer)), loss: whole(description.losses, config.loss) };
}
