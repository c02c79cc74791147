// The same in Python: text that runs beside the model's file.
import { placeName } from './backprop_names.js';
import { indicesOf } from './backprop_weight.js';

const MAX_WRITTEN = 64;   // inputs that are written out

const written = (value) => String(Number(value.toPrecision(9)));
const list = (values) => `[${Array.from(values, written).join(', ')}]`;

// The lines that give x and y: written out where they are few, or taken from the data.
function sampleLines(model, data, walk) {
  const load = 'model = chainrule.load("model.safetensors")', outputs = walk.target.shape[1];
  if (walk.n === 1 && model.inputs <= MAX_WRITTEN) {
    const numbers = outputs === 1 ? written(walk.target[0]) : list(walk.target.subarray(0, outputs));
    return ['', load, `x, y = ${list(walk.x)}, ${walk.labels === null ? numbers : `model.labels[${walk.labels[0]}]`}`];
  }
  const first = walk.rows ? walk.rows[0] : 0, at = walk.n === 1 ? `[${first}]` : `[${first}:${first + walk.n}]`;
  if (data && data.name === 'mnist') return ['from chainrule.datasets import load_mnist', '', load, 'train, test = load_mnist()', `x, y = test.X${at}, test.y${at}`];
  return ['import numpy', '', load, 'with numpy.load("data.npz") as data:', `    x, y = data["X"]${at}, data["y"]${at}`];
}

/** @param {import('../store.js').Store} store */
export function pythonOf(store, walk) {
  const weight = store.get('weight'), name = weight ? placeName(weight.name, indicesOf(weight)) : 'input[0]';
  return ['import chainrule', ...sampleLines(store.get('model'), store.get('data'), walk), '',
    'trace = model.trace(x, y)', 'print(trace)  # z, a and delta of every link',
    `derivation = trace.derive("${name}")`, 'print(derivation)  # the chain rule with its numbers, and a finite difference',
    'print(derivation.value, derivation.numeric, derivation.relative_difference)',
    `print(derivation.step(${store.get('backprop.rate')}))  # the update of this number alone`,
    walk.n > 1 ? 'loss, gradients = model.loss_and_gradients(x, y)' : 'loss, gradients = model.loss_and_gradients([x], [y], training=False)'].join('\n');
}
