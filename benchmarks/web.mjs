// A contestant of web.py under Node.js: trains a network for some processor seconds when asked, and says how many samples that was.
//     node web.mjs NAME FOLDER; each line of stdin is a number of seconds, and the answer a line of JSON.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [name, folder] = process.argv.slice(2), about = JSON.parse(readFileSync(`${folder}/about.json`, 'utf8'));
const { config, n, batchSize } = about, { inputs } = config, hasClasses = config.loss.kind === 'softmax_cross_entropy', outputs = config.layers.at(-1).units;
const numbers = (file, Type) => new Type(new Uint8Array(readFileSync(`${folder}/${file}`)).buffer);
const x = numbers('x', about.isBytes ? Uint8Array : Float32Array), y = hasClasses ? numbers('y', Int32Array) : numbers('y', Float32Array);

// {epoch()}: a function that trains once through all samples.
async function ours() {
  const { built } = about, { load } = await import(pathToFileURL(`${built}/engine/engine.js`).href);
  const engine = await load(readFileSync(`${built}/engine.wasm`), JSON.parse(readFileSync(`${built}/description.json`, 'utf8')));
  const training = engine.network(config).training({ x, n, y }, { optimizer: { kind: 'adam' }, batchSize, epochs: 1e9 });
  return () => training.steps(training.stepsPerEpoch);
}

// The same network in TensorFlow.js; `kernels`: its backend.
async function tensorflow(kernels) {
  const require = createRequire(`${about.packages}/`), tf = require('@tensorflow/tfjs');
  tf.env().set('PROD', true);
  if (kernels === 'wasm') {
    require('@tensorflow/tfjs-backend-wasm').setWasmPaths(`${about.packages}/node_modules/@tensorflow/tfjs-backend-wasm/dist/`);
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  }
  await tf.setBackend(kernels);
  await tf.ready();
  const scale = config.layers[0].kind === 'rescale' ? config.layers[0].scale : 1, model = tf.sequential();
  const dense = config.layers.filter(({ kind }) => kind === 'dense'), activations = config.layers.filter(({ kind }) => ['relu', 'tanh'].includes(kind));
  dense.forEach(({ units }, i) => model.add(tf.layers.dense({ units, activation: i + 1 < dense.length ? activations[i].kind : hasClasses ? 'softmax' : 'linear', inputShape: i ? undefined : [inputs], kernelInitializer: 'heUniform' })));
  model.compile({ optimizer: tf.train.adam(0.001), loss: hasClasses ? 'categoricalCrossentropy' : 'meanSquaredError' });
  const xs = tf.tensor2d(Float32Array.from(x, (value) => value * scale), [n, inputs]), ys = hasClasses ? tf.oneHot(tf.tensor1d(y, 'int32'), outputs).toFloat() : tf.tensor2d(y, [n, outputs]);
  return () => model.fit(xs, ys, { batchSize, epochs: 1, shuffle: true, yieldEvery: 'never', verbose: 0 });
}

const epoch = await (name === 'ours' ? ours() : tensorflow(name));
await epoch();
console.log('{}');
for await (const line of createInterface({ input: process.stdin })) {
  const begun = process.cpuUsage(), seconds = () => { const { user, system } = process.cpuUsage(begun); return (user + system) / 1e6; };
  let samples = 0;
  while (seconds() < Number(line) || samples === 0) {
    await epoch();
    samples += n;
  }
  console.log(JSON.stringify({ samples, seconds: seconds() }));
}
process.exit(0);
