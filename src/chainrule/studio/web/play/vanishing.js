// The screen Vanishing gradients in the page: networks that are trained side by side, with the gradient at every layer.
// studio/screens/labs/{vanishing,side_by_side}.py in JavaScript; the networks, their rates and sizes are the laboratory's.
import { purposeful } from '../random.js';
import { rms, rowsOf, shaped, thinned } from './studio.js';

const LOOKS = 100, FRAME_MS = 50, SLICE_MS = 12, MAX_DEPTH = 20;
const COLUMNS = ['step', 'passes', 'seconds', 'loss'];

// soon(f): a function that has f called behind what waits.
/** @param {any} studio  @param {(f: () => void) => () => void} soon */
export function vanishing(studio, soon) {
  const lab = studio.given.vanishing;
  let run = null, count = 0;

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
    const every = Math.max(1, Math.floor(training.total / LOOKS)), arm = { name, rate, rows: [], profile: new Float32Array(0), peak: {}, facts: {}, done: false, error: null, seconds: 0, look, advance, free };

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
    return arm;
  }

  function codeOf({ arms, settings, images }) {
    const rates = arms.map(({ name, rate }) => `"${name}": ${rate}`).join(', ');
    return ['from chainrule import SGD, Model', 'from chainrule.core.random import generator', 'from chainrule.datasets import load_mnist', 'from chainrule.lab.vanishing import ARMS, make_network', '', 'train, test = load_mnist()',
      `rows = generator(${settings.seed}, "shuffle", 0).permutation(len(train))[:${images}]`, 'X, y = train.X[rows], train.y[rows]', `for arm, rate in {${rates}}.items():`, `    model = Model(make_network(ARMS[arm](${settings.depth}, ${lab.width})), seed=${settings.seed})`,
      `    flow = model.gradient_flow(X[:${lab.watched}], y[:${lab.watched}], samples=None)`, `    model.fit(X, y, epochs=${lab.epochs}, batch_size=${lab.batch}, optimizer=SGD(rate, momentum=${lab.momentum}))`, '    loss = model.evaluate(X, y)["loss"]', '    print(f"{arm}: first layer\'s gradient {flow[\'dense_1\'].delta_ratio:.2g}, loss {loss:.3f}")', ''].join('\n');
  }

  function stated() {
    if (!run) return { run: null };
    const arms = run.arms.map((arm) => ({ name: arm.name, ...Object.fromEntries(COLUMNS.map((column, i) => [column, Float32Array.from(arm.rows, (row) => row[i])])), profile: arm.profile, peak: arm.peak, done: arm.done, error: arm.error, facts: arm.facts }));
    return { run: { id: run.id, running: run.isRunning, settings: run.settings, arms, ending: run.ending, code: codeOf(run) } };
  }

  function tell() {
    run.sent = performance.now();
    studio.send('vanishing.frame', { id: run.id, running: run.isRunning, arms: run.arms.map(({ name, rows, profile, peak, done }) => ({ name, row: rows.length ? rows[rows.length - 1] : null, profile: shaped(profile.slice(), [profile.length]), peak, done })) });
  }

  function end(isWhole) {
    run.isRunning = false;
    if (isWhole) run.ending = { learned: run.arms.filter(({ facts }) => facts.loss !== null && facts.loss < lab.learns).map(({ name }) => name), sentence: null };
    run.arms.forEach((arm) => arm.free());
    tell();
    studio.send('vanishing.ended', { id: run.id });
  }

  const again = soon(() => {
    if (!run?.isRunning) return;
    const until = performance.now() + SLICE_MS;
    while (performance.now() < until && run.isRunning) {
      const [arm] = run.turns;
      if (arm.rows.length) arm.advance();
      else arm.look();
      run.turns.shift();
      if (!arm.done) run.turns.push(arm);
      if (!run.turns.length) end(true);
    }
    if (!run.isRunning) return;
    if (performance.now() - run.sent >= FRAME_MS) tell();
    again();
  });

  function start({ arms, depth = MAX_DEPTH, budget = 0.5, rate = null, seed = 0 }) {
    const names = Object.keys(lab.arms).filter((name) => arms.includes(name)), settings = { arms: names, depth, budget, rate, seed };
    if (!names.length) throw new Error(`arms must name at least one of ${Object.keys(lab.arms).join(', ')}, not none.`);
    if (!(depth >= 1 && depth <= MAX_DEPTH)) throw new Error(`depth must be from 1 to ${MAX_DEPTH}, not ${depth}.`);
    stop();
    const images = Math.max(4, Math.round(lab.batches * budget)) * lab.batch, data = dataOf(seed, images), made = names.map((name) => armOf(name, data, { depth, rate: rate ?? rateOf(name, depth), seed }));
    count += 1;
    run = { id: count, settings, images, arms: made, turns: [...made], isRunning: true, ending: {}, sent: 0 };
    again();
    return stated();
  }

  function stop() {
    if (run?.isRunning) end(false);
    return stated();
  }
  return { 'vanishing.start': start, 'vanishing.get': stated, 'vanishing.stop': stop };
}
