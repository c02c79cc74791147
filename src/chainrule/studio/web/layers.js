// What the screen Draw shows of a forward pass, as data: the layers (the inputs, every link with weights, every take, every block, each
// with the links behind it that work neuron by neuron), their numbers, the answer, and what comes into each neuron.
import { largest } from './colors.js';
import { t } from './i18n.js';

const WITH_WEIGHTS = new Set(['dense', 'projection']);
const OWN_COLUMNS = new Set([...WITH_WEIGHTS, 'grouped_dense', 'take']);
const NEVER_NEGATIVE = new Set(['relu', 'sigmoid', 'softplus', 'softmax']);
const KEEPS = new Set(['dropout']);

/** @import { Link, Network } from './network.js' */
/**
 * @typedef {object} Layer
 * @property {string} name
 * @property {string} kind
 * @property {Link | null} link  null of the inputs
 * @property {number} width
 * @property {number[]} from  places of the layers that come into it
 * @property {Link[]} links  those behind it
 * @property {[number, number] | null} shape  of a picture
 * @property {boolean} [signed]
 * @property {string} [title]
 * @property {string} [about]
 * @typedef {{place: number, index: number}} Place  a neuron by the place of its layer
 * @typedef {{to: number, from: number, i: number, j: number, share: number}} Edge
 * @typedef {object} Pass  a forward pass
 * @property {Network} network
 * @property {Layer[]} layers
 * @property {ReturnType<Network['forward']>} seen  what the network gave, link by link
 * @property {{z: Float32Array, a: Float32Array}[]} values  of each layer, as they come in and as they go on
 * @property {Float32Array | number[]} answer
 * @property {string[] | null} labels  of classes
 */

// The layers, sources before targets.
/** @param {Network} network */
function layersOf(network) {
  const { model } = network, layers = /** @type {Layer[]} */ ([{ name: 'input', kind: 'input', link: null, width: model.inputs, from: [], links: [], shape: model.shape }]);
  const add = (link, from) => layers.push({ name: link.name, kind: link.kind, link, width: link.fan_out, from, links: [], shape: null }) - 1;

  function chain(links, at, isOwn) {
    for (const link of links) {
      if (link.branches.length) at = add(link, link.branches.map((branch) => chain(branch, at, false)));
      else if (OWN_COLUMNS.has(link.kind) || !isOwn) at = add(link, [at]);
      else layers[at].links.push(link);
      isOwn = true;
    }
    return at;
  }

  chain(model.links, 0, true);
  for (const layer of layers) {
    const last = [layer.kind, ...layer.links.map((link) => link.kind)].filter((kind) => !KEEPS.has(kind)).pop();
    layer.signed = !NEVER_NEGATIVE.has(last);
  }
  return layers;
}

// The place of the layer that a link belongs to, by the link's name; -1 for none.
function layerOf(layers, name) {
  return layers.findIndex((layer) => layer.name === name || layer.links.some((link) => link.name === name));
}

// {z, a} of each layer from a forward pass: z as it comes in, a as it goes on. z of the inputs are those that were given.
function valuesOf(layers, seen) {
  const out = new Map(seen.map((step) => [step.name, step.a]));
  return layers.map((layer) => {
    const z = layer.link ? out.get(layer.name) : seen[0].from;
    return { z, a: layer.links.length ? out.get(layer.links[layer.links.length - 1].name) : z };
  });
}

function titled(store, layers) {
  for (const layer of layers) {
    const behind = layer.links.map((link) => link.kind).filter((kind) => kind !== 'dropout');
    layer.title = layer.link ? layer.name : t(store, 'network.input');
    layer.about = [...behind, layer.width.toLocaleString('en-US')].join(' · ');
  }
  return layers;
}

// The forward pass of x. before: another one, whose layers stay if they are the network's.
/** @param {import('./store.js').Store} store  @param {Network} network  @param {ArrayLike<number>} x  @param {Pass | null} [before]  @returns {Pass} */
export function passOf(store, network, x, before = null) {
  const { model } = network, isSame = before && before.network.model.links === model.links;
  const layers = isSame ? before.layers : titled(store, layersOf(network)), seen = network.forward(x);
  return { network, layers, seen, values: valuesOf(layers, seen), answer: network.answer(seen[seen.length - 1].a),
    labels: model.task === 'regression' ? null : network.labels() };
}

// The place of a neuron {link, index} in the layers: {place, index}, or null where there is none.
/** @param {Layer[]} layers  @param {{link: string, index: number} | null} neuron  @returns {Place | null} */
export function placeIn(layers, neuron) {
  const place = neuron ? layerOf(layers, neuron.link) : -1;
  return place >= 0 && neuron.index < layers[place].width ? { place, index: neuron.index } : null;
}

// What comes into neuron j of a layer, in runs: `count` neurons of the layer `from`, the first of them `first`, with the weights
// W[at], W[at + step], ...; with 1 where W is null.
/** @param {Pass} pass  @param {number} place  @param {number} j */
export function inputsOf({ network, layers }, place, j) {
  const layer = layers[place], W = network.arrays[`${layer.name}.W`], [from, other] = layer.from, one = (of, first) => ({ from: of, first, count: 1, W: null, at: 0, step: 0 });
  if (WITH_WEIGHTS.has(layer.kind)) return [{ from, first: 0, count: layers[from].width, W, at: j, step: layer.width }];
  if (layer.kind === 'grouped_dense') {
    const { groups, shared } = layer.link, count = layers[from].width / groups, step = layer.width / groups, group = Math.floor(j / step);
    return [{ from, first: group * count, count, W, at: (shared ? 0 : group * count * step) + (j % step), step }];
  }
  if (layer.kind === 'take') return [one(from, layer.link.columns[j])];
  if (layer.kind !== 'skip') return layer.from.map((of) => one(of, j));
  const first = layers[from].width;
  return [j < first ? one(from, j) : one(other, j - first)];
}

// The k strongest inputs of a neuron by |w a|, the strongest first: [{layer, index, weight, value}].
/** @param {Pass} pass  @param {number} place  @param {number} j  @param {number} k */
export function strongest(pass, place, j, k) {
  const found = [];
  let least = 0;
  for (const { from, first, count, W, at, step } of inputsOf(pass, place, j)) {
    const { a } = pass.values[from];
    for (let i = 0; i < count; ++i) {
      const weight = W ? W[at + i * step] : 1, value = weight * a[first + i], size = Math.abs(value);
      if (!(size > 0) || (found.length === k && size <= least)) continue;
      let to = found.length;
      while (to > 0 && Math.abs(found[to - 1].value) < size) --to;
      found.splice(to, 0, { layer: from, index: first + i, weight, value });
      if (found.length > k) found.pop();
      if (found.length === k) least = Math.abs(found[k - 1].value);
    }
  }
  return found;
}

const SMALL = 64, FEW = 28;

// The edges worth drawing: of each neuron of a small layer, and of the most active ones of a wide layer, the k strongest.
// -> for each layer [{to, from, i, j, share}], from neuron i of the layer `from` to neuron j of `to`, share from -1 to 1 of the largest there.
/** @param {Pass} pass  @returns {Edge[][]} */
export function edgesOf(pass, k = 3) {
  return pass.layers.map((layer, place) => {
    let neurons = layer.from.length ? Array.from({ length: layer.width }, (_, j) => j) : [];
    if (neurons.length > SMALL) {
      const { a } = pass.values[place];
      neurons = neurons.filter((j) => a[j] !== 0).sort((i, j) => Math.abs(a[j]) - Math.abs(a[i])).slice(0, FEW);
    }
    const found = [];
    for (const j of neurons) for (const { layer: from, index: i, value } of strongest(pass, place, j, k)) found.push({ to: place, from, i, j, share: value });
    return shared(found);
  });
}

// All edges into a neuron, in the form of edgesOf.
/** @param {Pass} pass  @param {Place} neuron */
export function incoming(pass, { place, index }) {
  const found = [];
  for (const { from, first, count, W, at, step } of inputsOf(pass, place, index)) {
    const { a } = pass.values[from];
    for (let i = 0; i < count; ++i) {
      const value = (W ? W[at + i * step] : 1) * a[first + i];
      if (value !== 0) found.push({ to: place, from, i: first + i, j: index, share: value });
    }
  }
  return shared(found);
}

function shared(edges) {
  const most = largest(edges.map(({ share }) => share)) || 1;   // nothing flows where every input is 0
  for (const edge of edges) edge.share /= most;
  return edges;
}

// The scale of the activations of the layers between the inputs and the outputs, or of each layer.
/** @param {Pass} pass */
export function scalesOf({ layers, values }, byLayer = false) {
  const most = values.map(({ a }) => largest(a)), inner = Math.max(0, ...most.slice(1, -1));
  return most.map((own, place) => (byLayer || place === 0 || place === layers.length - 1 ? own : inner));
}
