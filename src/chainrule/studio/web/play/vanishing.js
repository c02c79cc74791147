// The screen Vanishing gradients in the page: networks that are trained side by side, with the gradient at every layer.
// studio/screens/labs/vanishing.py in JavaScript; the networks, their rates and sizes are the laboratory's.
import { purposeful } from '../random.js';
import { chosen, createArm, sideBySide, within } from './side_by_side.js';
import { rms, rowsOf, thinned } from './studio.js';

const LOOKS = 100, MAX_DEPTH = 20;

// soon(f): a function that has f called behind what waits.
/** @param {any} studio  @param {(f: () => void) => () => void} soon */
export function vanishing(studio, soon) {
  const lab = studio.given.vanishing, runs = sideBySide(studio, soon, 'vanishing');

  const rateOf = (arm, depth) => lab.rates[Object.keys(lab.rates).map(Number).sort((one, two) => Math.abs(one - depth) - Math.abs(two - depth) || one - two)[0]][arm];

  function dataOf(seed, images) {
    const { train, test, features, name } = studio.needData();
    if (name !== 'mnist') throw new Error('these networks learn MNIST; choose it on the screen Train.');
    const few = (part, rows) => ({ x: rowsOf(part.X, rows, features), n: rows.length, y: Int32Array.from(rows, (row) => part.y[row]) });
    return { train: few(train, purposeful(seed, 'shuffle', 0).permutation(train.n).slice(0, images)), test: few(test, thinned(test.n, lab.tested)) };
  }

  function armOf(name, data, { depth, rate, seed }) {
    const { first, more } = lab.arms[name], layers = [{ kind: 'rescale', scale: 1 / 255, offset: 0 }, ...first, ...Array.from({ length: depth - 1 }, () => more).flat(), { kind: 'dense', units: 10 }];
    const network = studio.engine.network({ inputs: 784, layers, loss: { kind: 'softmax_cross_entropy' } }, { seed }), watched = { x: data.train.x.subarray(0, lab.watched * 784), n: Math.min(lab.watched, data.train.n), y: data.train.y.slice(0, lab.watched) };
    const training = network.training(data.train, { optimizer: { kind: 'sgd', learning_rate: rate, momentum: lab.momentum }, batchSize: lab.batch, epochs: lab.epochs, seed, shuffle: 'package' }), dense = network.values.filter(({ op }) => op === 'dense').map(({ value }) => value);
    const every = Math.max(1, Math.floor(training.total / LOOKS)), arm = createArm(name);

    function look() {
      const { loss, values } = network.trace(watched, { training: true, step: training.step + 1 }), deltas = dense.map((value) => rms(values[value].error)), last = deltas[deltas.length - 1];
      arm.profile = Float32Array.from(deltas, (delta) => (last ? delta / last : 0));
      if (loss > (arm.peak.loss ?? lab.high) && Number.isFinite(loss)) {
        const out = network.outputsOf(watched.x, watched.n), spreads = Array.from({ length: watched.n }, (_, i) => { const one = out.subarray(10 * i, 10 * i + 10); return Math.max(...one) - Math.min(...one); });
        arm.peak = { step: training.step, loss, spread: spreads.reduce((all, v) => all + v, 0) / watched.n };
      }
      if (!arm.rows.length) arm.facts = { ratio: arm.profile[0], rate, parameters: network.size, loss: null, accuracy: null };
      arm.rows.push([training.step, training.step, arm.seconds, loss]);
    }

    // Takes the steps of one turn; the last one measures how well it reads.
    function advance() {
      if (!arm.rows.length) {
        look();
        return;
      }
      const begun = performance.now(), found = training.steps(Math.min(every, training.total - training.step));
      arm.seconds += (performance.now() - begun) / 1000;
      if (found.ended !== 'done') {
        arm.error = `the ${found.ended} was not a finite number at step ${training.step}.`;
        arm.done = true;
        return;
      }
      look();
      if (training.step < training.total) return;
      arm.done = true;
      arm.facts = { ...arm.facts, loss: network.evaluate(data.train).loss, accuracy: network.evaluate(data.test).accuracy };
    }

    function free() {
      training.free();
      network.free();
    }
    return Object.assign(arm, { rate, advance, free });
  }

  function codeOf(arms, settings, images) {
    const rates = arms.map(({ name, rate }) => `"${name}": ${rate}`).join(', ');
    return ['from chainrule import SGD, Model', 'from chainrule.core.random import generator', 'from chainrule.datasets import load_mnist', 'from chainrule.lab.vanishing import ARMS, make_network', '', 'train, test = load_mnist()',
      `rows = generator(${settings.seed}, "shuffle", 0).permutation(len(train))[:${images}]`, 'X, y = train.X[rows], train.y[rows]', `for arm, rate in {${rates}}.items():`, `    model = Model(make_network(ARMS[arm](${settings.depth}, ${lab.width})), seed=${settings.seed})`,
      `    flow = model.gradient_flow(X[:${lab.watched}], y[:${lab.watched}], samples=None)`, `    model.fit(X, y, epochs=${lab.epochs}, batch_size=${lab.batch}, optimizer=SGD(rate, momentum=${lab.momentum}))`, '    loss = model.evaluate(X, y)["loss"]', '    print(f"{arm}: first layer\'s gradient {flow[\'dense_1\'].delta_ratio:.2g}, loss {loss:.3f}")', ''].join('\n');
  }

  // The networks that learned, by the laboratory's measure.
  const conclude = (arms) => ({ learned: arms.filter(({ facts }) => facts.loss !== null && facts.loss < lab.learns).map(({ name }) => name), sentence: null });

  function start({ arms: asked, depth = MAX_DEPTH, budget = 0.5, rate = null, seed = 0 }) {
    const names = chosen(lab.arms, asked), settings = { arms: names, depth, budget, rate, seed };
    within('depth', depth, 1, MAX_DEPTH);
    runs.commands['vanishing.stop']();
    const images = Math.max(4, Math.round(lab.batches * budget)) * lab.batch, data = dataOf(seed, images), arms = names.map((name) => armOf(name, data, { depth, rate: rate ?? rateOf(name, depth), seed }));
    return runs.start({ settings, arms, code: codeOf(arms, settings, images), conclude });
  }
  return { 'vanishing.start': start, ...runs.commands };
}
