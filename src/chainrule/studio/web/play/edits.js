// Edits of a trained network, to test it without a neuron, with other weights, or with lower precision: studio/screens/neurons/edits.py in JavaScript.
import { activations } from '../activations.js';
import { flat } from '../network.js';
import { purposeful } from '../random.js';
import { activationsAfter } from './letters.js';
import { rms, shaped } from './studio.js';

const MAX_EDITS = 64, BISECTIONS = 80;

export const layersOf = (model) => flat(model.links).filter(({ kind }) => kind === 'dense').map(({ name }) => name);
export const widthOf = (model, layer) => model.arrays[`${layer}.W`].shape[1];

// The links of a layer's neurons: the dense one, and those after it up to its activation.
export function neuronsOf(model, layer) {
  const chain = model.links, at = chain.findIndex(({ name }) => name === layer), last = activationsAfter(model.links).get(layer);
  if (at < 0) {
    const own = flat(model.links).find(({ name, kind }) => name === layer && kind === 'dense');
    if (!own) throw new Error(`layer must be one of ${layersOf(model).join(', ')}, not '${layer}'.`);
    const after = last && flat(model.links).find(({ name }) => name === last);
    return after ? [own, after] : [own];
  }
  const end = last ? chain.findIndex(({ name }) => name === last) : at, links = chain.slice(at, end + 1);
  return links.slice(1).every(({ kind }) => kind !== 'softmax') ? links : [links[0]];
}

// Elementwise links for one number of a neuron.
export function through(model, links, neuron, z) {
  return links.reduce((v, link) => {
    const of = (field) => model.arrays[`${link.name}.${field}`][neuron];
    if (link.kind === 'batch_norm') return (of('gamma') * (v - of('mean'))) / Math.sqrt(of('var') + link.eps) + of('beta');
    return link.kind === 'dropout' ? v : activations[link.kind].f(v, link);
  }, z);
}

// z with f(z) = c, or null.
function solved(model, links, neuron, c, values) {
  const f = (z) => Math.fround(through(model, links.slice(1), neuron, z)) - c;
  if (f(c) === 0) return c;
  let [low, high] = values.reduce(([least, most], v) => [Math.min(least, v), Math.max(most, v)], [Infinity, -Infinity]), [down, up] = [f(low), f(high)];
  if (down * up > 0) [low, high, down, up] = [0, 0, f(0), f(0)];
  if (down === 0 || up === 0) return down === 0 ? low : high;
  if (down * up > 0 || !Number.isFinite(down) || !Number.isFinite(up)) return null;
  for (let k = 0; k < BISECTIONS; ++k) {
    const middle = (low + high) / 2;
    if ((f(middle) > 0) === (down > 0)) low = middle;
    else high = middle;
  }
  return high;
}

// Sets a neuron's output to c for every sample, in place, and returns the Python: its weights become 0 and its bias the z with f(z) = c; where there is
// none, the next dense layer is changed instead. values: its z on samples.
export function ablate(model, arrays, name, neuron, c, values) {
  const links = neuronsOf(model, name), last = links[links.length - 1].name, width = widthOf(model, name), about = `# neuron ${neuron} of ${last} is ${Number(c.toPrecision(6))}`, z = solved({ ...model, arrays }, links, neuron, c, values);
  if (z !== null) {
    const W = arrays[`${name}.W`], b = arrays[`${name}.b`];
    for (let k = neuron; k < W.length; k += width) W[k] = 0;
    b[neuron] = z;
    return [`p["${name}"].W[:, ${neuron}] = 0  ${about}`, `p["${name}"].b[${neuron}] = ${b[neuron]}`];
  }
  const at = model.links.findIndex((link) => link.name === last), rest = at < 0 ? [] : model.links.slice(at + 1), to = rest.findIndex(({ kind }) => kind === 'dense');
  if (to < 0 || rest.slice(0, to).some(({ branches, kind }) => branches.length || kind === 'softmax')) throw new Error(`neuron ${neuron} of ${last} cannot be set to ${c}: no bias yields it, and no dense layer is its only reader; set its mean instead.`);
  const reader = rest[to], given = Math.fround(through({ ...model, arrays }, rest.slice(0, to), neuron, c)), W = arrays[`${reader.name}.W`], b = arrays[`${reader.name}.b`];
  for (let j = 0; j < reader.fan_out; ++j) {
    b[j] += given * W[neuron * reader.fan_out + j];
    W[neuron * reader.fan_out + j] = 0;
  }
  return [`p["${reader.name}"].b[:] += np.float32(${given}) * p["${reader.name}"].W[${neuron}]  ${about}`, `p["${reader.name}"].W[${neuron}] = 0`];
}

const ofLayers = {
  * noise(arrays, names, { sigma, seed }) {
    const random = purposeful(seed, 'weights', 0);
    yield `rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([${seed}, 1, 0])))`;
    for (const name of names) {
      const W = arrays[`${name}.W`], size = sigma * rms(W), drawn = random.normal(W.length);
      W.forEach((w, k) => { W[k] = w + size * drawn[k]; });
      yield `W = p["${name}"].W`;
      yield `W += ${sigma} * np.sqrt(np.mean(W**2)) * rng.standard_normal(W.shape)`;
    }
  },
  * biases(arrays, names) {
    for (const name of names) {
      arrays[`${name}.b`].fill(0);
      yield `p["${name}"].b[:] = 0`;
    }
  },
  * zero(arrays, names) {
    for (const name of names) {
      arrays[`${name}.W`].fill(0);
      yield `p["${name}"].W[:] = 0`;
    }
    yield* ofLayers.biases(arrays, names);
  },
  * round(arrays, names, { bits }) {
    for (const name of names) {
      const W = arrays[`${name}.W`], most = W.reduce((all, w) => Math.max(all, Math.abs(w)), 0), step = most / (2 ** (bits - 1) - 1);
      if (!(step > 0)) continue;
      W.forEach((w, k) => { W[k] = Math.round(w / step) * step; });
      yield `W = p["${name}"].W`;
      yield `step = np.abs(W).max() / ${2 ** (bits - 1) - 1}  # ${bits} bits`;
      yield 'W[:] = np.round(W / step) * step';
    }
  },
};

// The numbers with all edits, and the Python lines that make them. outputsOf(model, layer): z and a of a layer on the samples.
export function applied(model, edits, outputsOf) {
  if (edits.length > MAX_EDITS) throw new Error(`there may be at most ${MAX_EDITS} edits, not ${edits.length}; undo some.`);
  const arrays = Object.fromEntries(Object.entries(model.arrays).map(([name, values]) => [name, shaped(values.slice(), values.shape)])), lines = [];
  for (const edit of edits) {
    const { do: what, layer: name, neuron } = edit;
    if (what === 'ablate') {
      const found = outputsOf({ ...model, arrays }, name), width = widthOf(model, name), column = (values) => Array.from({ length: values.length / width }, (_, i) => values[i * width + neuron]);
      const a = column(found.a), c = edit.to === 'zero' ? 0 : a.reduce((all, v) => all + v, 0) / a.length;
      lines.push(...ablate(model, arrays, name, neuron, c, column(found.z)));
    } else if (what === 'set') {
      const isBias = edit.row === null || edit.row === undefined, width = widthOf(model, name);
      arrays[`${name}.${isBias ? 'b' : 'W'}`][isBias ? neuron : edit.row * width + neuron] = edit.value;
      lines.push(isBias ? `p["${name}"].b[${neuron}] = ${edit.value}` : `p["${name}"].W[${edit.row}, ${neuron}] = ${edit.value}`);
    } else if (what in ofLayers) lines.push(...ofLayers[what](arrays, name === null || name === undefined ? layersOf(model) : [name], edit));
    else throw new Error(`an edit must do one of ablate, set, ${Object.keys(ofLayers).join(', ')}, not ${what}.`);
  }
  return { arrays, lines };
}
