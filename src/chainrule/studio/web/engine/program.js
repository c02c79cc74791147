// A network's operations as a program of native/program.h: chainrule.engines.native.program in JavaScript. What it puts together, the kernels
// compute in one pass: an activation with the dense before it, a rescale with the reading of the samples.
import { caseOf, known, product, settingsOf } from './expressions.js';

const DENSE = ['dense', 'grouped_dense'];

// The rule of an optimizer's config, with its settings, and its learning rate.
export function ruleOf(description, config) {
  const what = `The optimizer ${config?.kind}`, described = known(description.optimizers, config, 'optimizer'), settings = settingsOf(described, config, what);
  const { rule, learningRate } = caseOf(described, settings, what);
  const { name, uncorrected_eps, ...numbers } = rule;
  const found = Object.fromEntries(Object.entries(numbers).map(([key, value]) => [key, product(value, settings)]));
  return { ...found, name, isUncorrected: uncorrected_eps, learningRate: product(learningRate, settings) };
}

const PLAIN = { name: 'gradient_descent', beta1: 0, beta2: 0, eps: 0, decay: 0, isUncorrected: false };

// {words, buffers, states}: the program as numbers for `make`, the buffer of each value, and the links of its states in their order.
// fuses: whether operations are put together. inTraining(link), isTrained(link): see native/program.h.
export function programOf(names, network, { fuses = true, inTraining = (_link) => true, isTrained = (_link) => true, penalizes = true, rule = PLAIN, clipNorm = 0, clipValue = 0, batchSize, seed = 0 }) {
  const { written, buffers, states, widths, scale, offset } = writeOps(names, network, fuses, inTraining);
  const numbers = (values) => [values.length, ...values];
  const number = (table, name) => table.findIndex((each) => (Array.isArray(each) ? each[0] : each) === name);
  const constant = names.losses[number(names.losses, network.loss.formula)][1], given = constant ? network.loss.constants[constant] : 0;
  const { l2, l1, maxNorm } = penalizes ? network : { ...network, maxNorm: 0 };
  const words = [
    written.length, ...written.flat(),
    network.parameters.length, ...network.parameters.flatMap(({ start, shape, isWeight, rate, decays, link }) => [start, ...numbers(shape), Number(isWeight), Number(isTrained(link)), rate, decays]),
    ...numbers(widths), ...numbers(states.map((link) => link.state[0].size)), network.size,
    number(names.losses, network.loss.formula), ...numbers([given].flat()), network.loss.constants.label_smoothing ?? 0, scale, offset,
    Number(network.loss.targets === 'binary'), Number(network.loss.targets === 'classes'), 1, l2, l1, maxNorm, 0, 0,
    names.rules.indexOf(rule.name), rule.beta1, rule.beta2, rule.eps, rule.decay, Number(rule.isUncorrected), clipNorm, clipValue, batchSize, seed,
  ];
  return { words: Float64Array.from(words), buffers, states };
}

function writeOps(names, network, fuses, inTraining) {
  const { ops, parameters } = network, written = [], buffers = [0], states = [], widths = [network.inputs];
  const readers = ops.flatMap((op) => op.inputs), reads = (value) => readers.filter((each) => each === value).length;
  const place = new Map(parameters.map(({ name }, i) => [name, i]));
  const activations = new Map(names.activations.map(([name, constant, isFused], i) => [name, { number: i, constant, isFused }]));
  const numbers = new Map(names.ops.map(([name, ...constants], i) => [name, { number: i, constants }]));
  // The constants of an operation, in the engine's order.
  function constantsOf(op) {
    const order = op.function ? [activations.get(op.function).constant] : numbers.get(op.name).constants;
    return [0, 1].map((i) => (order[i] ? op.constants[order[i]] : 0));
  }
  let scale = 1, offset = 0;
  function write(op, over = op) {
    const state = op.hasState ? states.push(op.link) - 1 : -1;
    widths.push(network.widths[op.output]);
    buffers[op.output] = widths.length - 1;
    const [first, second = -1] = op.inputs.map((value) => buffers[value]), slots = op.parameters.map((field) => place.get(`${op.link.name}.${field}`));
    written.push([
      numbers.get(op.name).number, first, second, buffers[op.output], slots.length, ...slots, state, activations.get(over.function ?? 'identity').number,
      ...constantsOf(over), op.link.number, Number(inTraining(op.link.name)), 1, 0, 0,
    ]);
  }
  for (let i = 0; i < ops.length; ++i) {
    const op = ops[i], following = ops[i + 1];
    const isOver = fuses && DENSE.includes(op.name) && following?.name === 'elementwise' && activations.get(following.function).isFused
      && following.inputs[0] === op.output && reads(op.output) === 1 && constantsOf(following)[0] >= 0;
    if (fuses && op.name === 'rescale' && buffers[op.inputs[0]] === 0 && reads(op.inputs[0]) === 1) {
      ({ scale, offset } = { scale: scale * op.constants.scale, offset: offset * op.constants.scale + op.constants.offset });
      buffers[op.output] = 0;
    } else if (isOver) {
      write(op, following);
      buffers[following.output] = buffers[op.output];
      ++i;
    } else write(op);
  }
  return { written, buffers, states, widths, scale, offset };
}
