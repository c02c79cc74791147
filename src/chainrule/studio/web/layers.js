// The layers that pictures of a network show: the inputs, every link with weights, every take, every block, each with the links behind it
// that work neuron by neuron; and what is known of a neuron: its numbers and what comes into it.

const WITH_WEIGHTS = new Set(['dense', 'projection']);
const OWN_COLUMNS = new Set([...WITH_WEIGHTS, 'grouped_dense', 'take']);
const NEVER_NEGATIVE = new Set(['relu', 'sigmoid', 'softplus', 'softmax']);
const KEEPS = new Set(['dropout']);

// -> [{name, kind, link, width, from: [places of layers], links: [those behind it], signed, shape}], sources before targets.
export function layersOf(network) {
  const { model } = network, layers = [{ name: 'input', kind: 'input', link: null, width: model.inputs, from: [], links: [], shape: model.shape }];
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
export function layerOf(layers, name) {
  return layers.findIndex((layer) => layer.name === name || layer.links.some((link) => link.name === name));
}

// {z, a} of each layer from a forward pass: z as it comes in, a as it goes on. z of the inputs are those that were given.
export function valuesOf(layers, seen) {
  const out = new Map(seen.map((step) => [step.name, step.a]));
  return layers.map((layer) => {
    const z = layer.link ? out.get(layer.name) : seen[0].from;
    return { z, a: layer.links.length ? out.get(layer.links[layer.links.length - 1].name) : z };
  });
}

// Calls f(place of the layer, index, weight) for all that comes into neuron j of a layer.
export function eachInput(network, layers, place, j, f) {
  const layer = layers[place];
  if (WITH_WEIGHTS.has(layer.kind)) {
    const W = network.arrays[`${layer.name}.W`], columns = layer.width, rows = layers[layer.from[0]].width;
    for (let i = 0; i < rows; ++i) f(layer.from[0], i, W[i * columns + j]);
  } else if (layer.kind === 'grouped_dense') {
    const { groups, shared } = layer.link, W = network.arrays[`${layer.name}.W`], rows = layers[layer.from[0]].width / groups;
    const columns = layer.width / groups, group = Math.floor(j / columns), at = shared ? 0 : group * rows * columns;
    for (let i = 0; i < rows; ++i) f(layer.from[0], group * rows + i, W[at + i * columns + (j % columns)]);
  } else if (layer.kind === 'take') {
    f(layer.from[0], layer.link.columns[j], 1);
  } else if (layer.kind === 'skip') {
    const first = layers[layer.from[0]].width;
    if (j < first) f(layer.from[0], j, 1);
    else f(layer.from[1], j - first, 1);
  } else {
    for (const from of layer.from) f(from, j, 1);
  }
}

// The k strongest inputs of a neuron by |w a|, the strongest first: [{layer, index, weight, value}].
export function strongest(network, layers, values, place, j, k) {
  const found = [];
  let least = 0;
  eachInput(network, layers, place, j, (layer, index, weight) => {
    const value = weight * values[layer].a[index], size = Math.abs(value);
    if (!(size > 0) || (found.length === k && size <= least)) return;
    let at = found.length;
    while (at > 0 && Math.abs(found[at - 1].value) < size) --at;
    found.splice(at, 0, { layer, index, weight, value });
    if (found.length > k) found.pop();
    if (found.length === k) least = Math.abs(found[k - 1].value);
  });
  return found;
}

const SMALL = 64, FEW = 28;

// The edges worth drawing: of each neuron of a small layer, and of the most active ones of a wide layer, the k strongest.
// -> for each layer [{from, i, j, share}], share from -1 to 1 of the largest in the layer.
export function edgesOf(network, layers, values, k = 3) {
  return layers.map((layer, place) => {
    if (!layer.from.length) return [];
    let neurons = Array.from({ length: layer.width }, (_, j) => j);
    if (layer.width > SMALL) {
      const { a } = values[place];
      neurons = neurons.filter((j) => a[j] !== 0).sort((i, j) => Math.abs(a[j]) - Math.abs(a[i])).slice(0, FEW);
    }
    const found = [];
    let most = 0;
    for (const j of neurons) {
      for (const { layer: from, index: i, value } of strongest(network, layers, values, place, j, k)) {
        found.push({ from, i, j, share: value });
        most = Math.max(most, Math.abs(value));
      }
    }
    for (const edge of found) edge.share /= most;
    return found;
  });
}

// The scale of the activations of the layers between the inputs and the outputs, or of each layer.
export function scalesOf(layers, values, { byLayer = false } = {}) {
  const most = values.map(({ a }) => a.reduce((all, value) => Math.max(all, Math.abs(value)), 0));
  const inner = Math.max(0, ...most.slice(1, -1));
  return most.map((own, place) => (byLayer || place === 0 || place === layers.length - 1 ? own : inner));
}

// All edges into a neuron of a picture's scene, in the form of edgesOf with `to`.
export function incoming({ network, layers, values }, { place, index }) {
  const found = [];
  let most = 0;
  eachInput(network, layers, place, index, (from, i, weight) => {
    const value = weight * values[from].a[i];
    most = Math.max(most, Math.abs(value));
    if (value !== 0) found.push({ to: place, from, i, j: index, share: value });
  });
  for (const edge of found) edge.share /= most;
  return found;
}
