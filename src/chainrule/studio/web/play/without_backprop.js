// The screen Without backpropagation in the page: one small network, trained by several methods side by side in float64, each with the same number
// of forward passes. studio/screens/labs/methods.py in JavaScript; the methods, their step sizes and the sizes of the run are the laboratory's.
import { forward, update } from '../passes.js';
import { purposeful } from '../random.js';
import { createChain, createLandscape, meanLoss } from './landscape.js';
import { createMethod } from './methods.js';
import { chosen, createArm, sideBySide, within } from './side_by_side.js';

const CLASSES = 10, TURN_MS = 12;

// The number of passes of each of `count` records, evenly spaced in the logarithm.
const marksOf = (count, budget) => Array.from({ length: count }, (_, k) => budget ** (k / (count - 1)));

// Images averaged over squares of `pool` pixels, from 0 to 1.
function pooled({ X, y }, n, pool) {
  const side = 28 / pool, x = new Float64Array(n * side * side);
  for (let i = 0; i < n; ++i)
    for (let at = 0; at < 784; ++at) x[(i * side + Math.floor(at / 28 / pool)) * side + Math.floor((at % 28) / pool)] += X[i * 784 + at];
  return { x: x.map((sum) => sum / pool ** 2 / 255), y: Int32Array.from({ length: n }, (_, i) => y[i]), n };
}

/** @param {any} studio  @param {(f: () => void) => () => void} soon */
export function withoutBackprop(studio, soon) {
  const lab = studio.given.without_backprop, runs = sideBySide(studio, soon, 'without_backprop');
  let samples = null;

  function dataOf() {
    const { train, test, name } = studio.needData();
    if (name !== 'mnist') throw new Error('these methods learn MNIST; choose it on the screen Train.');
    if (samples?.of !== train) samples = { of: train, train: pooled(train, Math.min(train.n, lab.images), lab.pool), test: pooled(test, test.n, lab.pool) };
    return samples;
  }

  function armOf(name, { train, test }, { depth, activation, passes: budget, seed }) {
    const { size, method: settings } = lab.arms[name], inputs = train.x.length / train.n, chain = createChain([inputs, ...Array(depth).fill(lab.hidden), CLASSES], activation);
    const theta = chain.initial(seed), method = createMethod(settings, { chain, theta, seed }), moments = {}, marks = marksOf(lab.looks, budget), perEpoch = Math.ceil(train.n / lab.batch), arm = createArm(name);
    let step = 0, passes = 0, order = null;

    const outputsOf = ({ x, n }) => forward(chain.links, x, n, chain.named(theta), false).a;
    const record = () => arm.rows.push([step, passes, arm.seconds, meanLoss(outputsOf(train), train.y)]);

    function batch() {
      const at = step % perEpoch;
      if (at === 0) order = purposeful(seed, 'shuffle', step / perEpoch).permutation(train.n);
      const rows = order.slice(at * lab.batch, (at + 1) * lab.batch), x = new Float64Array(rows.length * inputs);
      rows.forEach((row, i) => x.set(train.x.subarray(row * inputs, (row + 1) * inputs), i * inputs));
      return { x, y: Int32Array.from(rows, (row) => train.y[row]) };
    }

    // One step; false if a number was not finite.
    function take() {
      const here = Object.assign(createLandscape(chain, theta, batch(), method.first), { t: step + 1 });
      if (!Number.isFinite(here.value)) return false;
      const found = method.estimate ? method.estimate(here) : method.move(here);
      if (!found.every(Number.isFinite)) return false;
      step += 1;
      if (method.estimate) update('adam', theta, found, moments, size, step);
      else theta.set(found);
      passes += here.passes;
      return true;
    }

    function finish() {
      const out = outputsOf(test), right = test.y.reduce((all, label, i) => {
        const one = out.subarray(i * CLASSES, (i + 1) * CLASSES);
        return all + Number(one.indexOf(Math.max(...one)) === label);
      }, 0);
      arm.done = true;
      arm.facts = { accuracy: right / test.n, size, passes_a_step: passes / Math.max(1, step) };
    }

    arm.advance = () => {
      if (!arm.rows.length) {
        record();
        return;
      }
      const begun = performance.now();
      let isDue = false;
      do {
        if (!take()) {
          Object.assign(arm, { done: true, error: `a number was not finite at step ${step + 1}.` });
          return;
        }
        while (marks.length && passes >= marks[0]) {
          marks.shift();
          isDue = true;
        }
      } while (!isDue && passes < budget && performance.now() - begun < TURN_MS);
      arm.seconds += (performance.now() - begun) / 1000;
      if (isDue || passes >= budget) record();
      if (passes >= budget) finish();
    };
    return arm;
  }

  // Backpropagation's accuracy, that of the best method that hands no error back, and after how many passes backpropagation had its loss.
  function conclude(arms) {
    const whole = arms.filter(({ error }) => error === null), back = whole.find(({ name }) => name === 'backpropagation'), lossOf = ({ rows }) => rows[rows.length - 1][3];
    if (!back) return { sentence: null };
    const others = whole.filter(({ name }) => name !== 'none' && !lab.hands_back.includes(name)), best = others.length ? others.reduce((one, two) => (lossOf(two) < lossOf(one) ? two : one)) : null;
    const ending = { sentence: null, accuracy: back.facts.accuracy, best: null };
    return best ? { ...ending, best: best.name, best_accuracy: best.facts.accuracy, at: back.rows.find(([, , , loss]) => loss <= lossOf(best))?.[1] ?? null } : ending;
  }

  function codeOf({ arms, depth, activation, passes, seed }) {
    const kind = lab.activations[activation], sizes = arms.map((name) => `'${name}': ${lab.arms[name].size}`).join(', '), layers = Array(depth).fill(`Dense(${lab.hidden}), ${kind}()`).join(', ');
    return [`from chainrule import Adam, Dense, Model, Network, SoftmaxCrossEntropy, ${kind}`, 'from chainrule.lab.without_backprop import ARMS, samples', 'from chainrule.studio.screens.labs.methods import PassBudget', 'from chainrule.training.without_backprop import Search', '',
      'train, test = samples()', `for arm, size in {${sizes}}.items():`, `    network = Network(${(28 / lab.pool) ** 2}, [${layers}, Dense(${CLASSES})], SoftmaxCrossEntropy())`, `    model, method = Model(network, seed=${seed}, dtype="float64"), ARMS[arm].make(size)`,
      `    model.fit(train, epochs=${lab.epochs}, batch_size=${lab.batch}, optimizer=None if isinstance(method, Search) else Adam(size),`, `              method=method, engine="reference", callbacks=[PassBudget(${passes})])`, '    print(arm, model.evaluate(test, metrics=["accuracy"]))', ''].join('\n');
  }

  function start({ arms: asked, depth = 1, activation = 'tanh', passes = 4000, seed = 0 }) {
    const names = chosen(lab.arms, [...asked, 'backpropagation']);
    within('depth', depth, 1, lab.depths);
    within('passes', passes, lab.passes[0], lab.passes[1]);
    if (!Object.hasOwn(lab.activations, activation)) throw new Error(`activation must be one of ${Object.keys(lab.activations).join(', ')}, not ${activation}.`);
    const settings = { arms: names, depth, activation, passes, seed }, data = dataOf();
    return runs.start({ settings, arms: names.map((name) => armOf(name, data, settings)), code: codeOf(settings), conclude });
  }
  return { 'without_backprop.start': start, ...runs.commands };
}
