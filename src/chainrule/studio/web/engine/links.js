// A network from its config: links, parameters and operations, as chainrule.network.network and chainrule.network.ops make them, from what
// the description says of each layer.
import { caseOf, known, product, settingsOf } from './expressions.js';

const LAST = { kind: 'glorot_uniform' };   // what a dense layer without an activation after it starts with
const MOST = 10000;

// {inputs, fanOut, outputs, links, walk, parameters, size, ops, widths, loss, ...} of a config.
export function networkOf(description, config) {
  if (!Number.isInteger(config?.inputs) || config.inputs < 1) throw new Error(`inputs must be the number of features, not ${JSON.stringify(config?.inputs)}.`);
  if (!Array.isArray(config.layers) || !config.layers.length) throw new Error('layers must be a list with at least one layer.');
  if (config.constraints) throw new Error('This network has constraints, which the page does not keep; train it by the package.');
  const counts = {}, walk = [];
  const links = chainOf(description, config.layers, config.inputs, LAST, { counts, walk }, 0);
  const parameters = placesOf(walk), fanOut = links.length ? links.at(-1).fanOut : config.inputs;
  const loss = lossOf(description, config.loss, fanOut);
  const { l2, l1, max_norm } = { ...description.network, ...Object.fromEntries(['l2', 'l1', 'max_norm'].filter((name) => config[name] != null).map((name) => [name, config[name]])) };
  return { inputs: config.inputs, fanOut, outputs: fanOut, links, walk, parameters, size: parameters.at(-1)?.stop ?? 0, ...operationsOf(links, config.inputs), loss, l2, l1, maxNorm: max_norm ?? 0 };
}

function chainOf(description, layers, fanIn, after, seen, depth) {
  const defaults = [];
  for (const layer of [...layers].reverse()) {
    defaults.unshift(after);
    after = passedOn(description, layer, after);
  }
  return layers.map((layer, i) => {
    const link = linkOf(description, layer, fanIn, defaults[i], seen, depth);
    fanIn = link.fanOut;
    return link;
  });
}

// What a dense layer before this one starts with.
function passedOn(description, layer, after) {
  const table = Object.hasOwn(description.blocks, layer?.kind) ? description.blocks : description.layers;
  const { passes } = known(table, layer, 'layer');
  if (passes === 'after') return after;
  return passes === 'function' ? passedOn(description, layer.function, after) : passes;
}

function linkOf(description, layer, fanIn, initializer, seen, depth) {
  const { kind } = layer, name = `${kind}_${(seen.counts[kind] = (seen.counts[kind] ?? 0) + 1)}`;
  if (seen.walk.length >= MOST || depth > 64) throw new Error(`A network has at most ${MOST} layers and 64 blocks within each other.`);
  const link = { name, kind, number: seen.walk.length, layer, fanIn, fanOut: fanIn, depth, parameters: [], ops: [], state: [], steps: false };
  seen.walk.push(link);
  if (Object.hasOwn(description.blocks, kind)) return blockOf(description, link, initializer, seen);
  const described = description.layers[kind], what = `The layer ${name}`, settings = settingsOf(described, layer, what);
  const found = caseOf(described, settings, what), numbers = { ...settings, fan_in: fanIn };
  link.fanOut = product(found.width, numbers);
  if (!Number.isInteger(link.fanOut) || link.fanOut < 1) throw new Error(`${what} must have a whole number of outputs of at least 1, not ${JSON.stringify(link.fanOut)}.`);
  link.parameters = found.parameters.map((each) => ({
    ...each,
    shape: each.shape.map((side) => product(side, numbers)),
    rate: product(each.rate, numbers),
    decays: product(each.decays, numbers),
    initializer: initializerOf(each.initializer, settings, initializer),
    fans: [fanIn, link.fanOut],
  }));
  const inner = settings.function ? innerOf(description, settings.function) : null;
  link.ops = found.ops.map((op) => ({
    ...op,
    function: inner ? inner.function : op.function,
    constants: inner ? inner.constants : constantsOf(op.constants, numbers),
  }));
  link.state = found.state.map((each) => ({ ...each, size: product(each.size, numbers) }));
  link.steps = found.steps;
  return link;
}

const constantsOf = (constants, numbers) => Object.fromEntries(Object.entries(constants).map(([name, value]) => [name, product(value, numbers)]));

// The function of a parametric activation, with its constants.
function innerOf(description, layer) {
  const described = known(description.layers, layer, 'activation'), settings = settingsOf(described, layer, `The activation ${layer.kind}`);
  if (!description.layers.parametric_activation.functions.includes(layer.kind)) throw new Error(`A parametric activation cannot be of ${layer.kind}.`);
  const [op] = caseOf(described, settings, layer.kind).ops;
  return { function: op.function, constants: constantsOf(op.constants, settings) };
}

function initializerOf({ isSetting, otherwise }, settings, fromAfter) {
  if (isSetting && settings.initializer) return settings.initializer;
  if (otherwise === 'default') return fromAfter;
  return Object.fromEntries(Object.entries(otherwise).map(([name, value]) => [name, name === 'kind' ? value : product(value, settings)]));
}

function blockOf(description, link, initializer, seen) {
  const { layers } = link.layer, block = description.blocks[link.kind], deeper = link.depth + 1;
  if (!Array.isArray(layers) || !layers.length) throw new Error(`The block ${link.name} needs a list of layers.`);
  const branch = chainOf(description, layers, link.fanIn, initializer, seen, deeper), width = branch.at(-1).fanOut;
  const shortcut = block.shortcut && width !== link.fanIn ? [{ kind: block.shortcut, units: width }] : [];
  link.branches = [branch, chainOf(description, shortcut, link.fanIn, initializer, seen, deeper)];
  link.fanOut = block.width === 'sum' ? width + link.fanIn : width;
  link.ops = [{ name: block.op, function: null, parameters: [], constants: {}, hasState: false }];
  return link;
}

// The places of all parameters in theta.
function placesOf(walk) {
  let start = 0;
  return walk.flatMap((link) => link.parameters.map((each) => {
    const numbers = each.shape.reduce((all, side) => all * side, 1), place = { ...each, name: `${link.name}.${each.field}`, link: link.name, start, stop: start + numbers };
    start = place.stop;
    return place;
  }));
}

// The operations of a chain of links on numbered values, of which 0 is the input; widths of the values.
function operationsOf(links, inputs) {
  const ops = [], widths = [inputs];
  const add = (link, op, read) => {
    ops.push({ ...op, link, inputs: read, output: widths.length });
    widths.push(link.fanOut);
    return widths.length - 1;
  };
  const chain = (each, value) => each.reduce((from, link) => {
    let read = link.branches ? link.branches.map((branch) => chain(branch, from)) : [from], last = from;
    for (const op of link.ops) {
      last = add(link, op, read);
      read = [last];
    }
    return last;
  }, value);
  chain(links, 0);
  return { ops, widths };
}

function lossOf(description, config, fanOut) {
  const described = known(description.losses, config, 'loss'), settings = settingsOf(described, config, `The loss ${config.kind}`);
  const { formula, constants } = caseOf(described, settings, `The loss ${config.kind}`), found = constantsOf(constants, settings);
  for (const [name, value] of Object.entries(found)) if (Array.isArray(value) && value.length !== fanOut) throw new Error(`The loss ${config.kind} has ${value.length} values of ${name}, but the network ${fanOut} outputs.`);
  return { kind: config.kind, formula, constants: found, targets: described.targets, predict: described.predict };
}
