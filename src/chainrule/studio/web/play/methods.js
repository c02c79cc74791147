// The methods that train without backpropagation, and backpropagation beside them: training/without_backprop/ in JavaScript, with its random
// numbers. `estimate` gives a gradient for the optimizer, `move` the next parameters; settings: those of the library's method.
import { legacy, purposeful } from '../random.js';

const WIDENING = 1.3;   // of the steps of a random search, by a success; four failures undo it

const total = (values) => values.reduce((all, value) => all + value, 0);
/** x + factor d.  @param {Float64Array} x  @param {Float64Array} d  @param {number} factor */
const moved = (x, d, factor) => x.map((value, k) => value + factor * d[k]);

// The mean of factors[k] * directions[k].
function weighted(factors, directions) {
  const g = new Float64Array(directions[0].length);
  directions.forEach((direction, k) => direction.forEach((value, i) => { g[i] += factors[k] * value; }));
  return g;
}

const several = (n, draw) => Array.from({ length: n }, draw);

// h_i as it is rounded: (x + h max(1, |x|)) - x.
const widthOf = (x, h) => x.map((value) => (value + h * Math.max(1, Math.abs(value))) - value);

// L(x + h_i e_i) for each i.
function shifted(here, h) {
  const { theta } = here, point = theta.slice(), widths = widthOf(theta, h);
  return theta.map((value, i) => {
    point[i] = value + widths[i];
    const loss = here.lossAt(point);
    point[i] = value;
    return loss;
  });
}

// From -1/2 for the smallest to 1/2; ties share the mean of their ranks, and NaN is the largest.
function centeredRanks(values) {
  const known = values.map((value) => (Number.isNaN(value) ? Infinity : value));
  return known.map((value) => {
    const below = known.filter((other) => other < value).length, same = known.filter((other) => other === value).length;
    return (below + (same - 1) / 2) / (known.length - 1) - 0.5;
  });
}

/**
 * sep-CMA-ES: x_k ~ N(mean, sigma^2 diag C), with mean, sigma and C from the ranks of the losses. Sources: Hansen, "The CMA evolution strategy: a tutorial", 2016;
 * Ros, Hansen, "A simple modification in CMA-ES achieving linear time and space complexity", PPSN 2008; constants and draws as in the library cmaes.
 */
function separableCma({ sigma, population }, { theta, rngOf }) {
  const P = theta.length, size = population ?? 4 + Math.floor(3 * Math.log(P)), mu = Math.floor(size / 2);
  const raw = several(mu, (_, i) => Math.log(mu + 1) - Math.log(i + 1)), weights = raw.map((w) => w / total(raw)), mass = 1 / total(weights.map((w) => w * w));
  const full = 2 / mass / (P + Math.SQRT2) ** 2 + (1 - 1 / mass) * Math.min(1, (2 * mass - 1) / ((P + 2) ** 2 + mass));
  const c1 = 2 / ((P + 1.3) ** 2 + mass), cMu = ((P + 2) / 3) * full, cc = 4 / (P + 4), cSigma = (mass + 2) / (P + mass + 3), damping = 1 + 2 * Math.max(0, Math.sqrt((mass - 1) / (P + 1)) - 1) + cSigma;
  const chi = Math.sqrt(P) * (1 - 1 / (4 * P) + 1 / (21 * P ** 2));   // E |N(0, I)|
  let C = new Float64Array(P).fill(1), path = new Float64Array(P), pathSigma = new Float64Array(P), generation = 0;

  return (here) => {
    const mean = here.theta, D = C.map(Math.sqrt), rng = legacy(rngOf(here).integers(2 ** 32 - 1, 1)[0]);
    const points = several(size, () => rng.normal(P).map((z, i) => mean[i] + sigma * (D[i] * z))), losses = points.map((point) => here.lossAt(point));
    const order = [...losses.keys()].sort((one, two) => (Number.isFinite(losses[one]) ? losses[one] : Infinity) - (Number.isFinite(losses[two]) ? losses[two] : Infinity) || one - two);
    const y = order.slice(0, mu).map((k) => points[k].map((value, i) => (value - mean[i]) / sigma)), step = weighted(weights, y);
    generation += 1;
    const next = moved(mean, step, sigma), drift = Math.sqrt(cSigma * (2 - cSigma) * mass);
    pathSigma = pathSigma.map((p, i) => (1 - cSigma) * p + drift * (step[i] / D[i]));
    const length = Math.sqrt(total(pathSigma.map((p) => p * p)));
    sigma *= Math.exp((cSigma / damping) * (length / chi - 1));
    const isShort = length / Math.sqrt(1 - (1 - cSigma) ** (2 * (generation + 1))) < (1.4 + 2 / (P + 1)) * chi;
    path = path.map((p, i) => (1 - cc) * p + (isShort ? Math.sqrt(cc * (2 - cc) * mass) * step[i] : 0));
    const kept = 1 + (isShort ? 0 : c1 * cc * (2 - cc)) - c1 - cMu * total(weights);
    C = C.map((value, i) => kept * value + c1 * path[i] ** 2 + cMu * total(y.map((each, k) => weights[k] * each[i] ** 2)));
    return next;
  };
}

// The weights of the backward pass, once for a run; 0 for other parameters.
function feedbackOf({ slots, size }, scale, seed) {
  const found = new Float64Array(size), rng = purposeful(seed, 'method', 0);
  for (const { start, stop, isWeight, fanOut } of slots) if (isWeight) found.set(rng.normal(stop - start).map((value) => value * (scale / Math.sqrt(fanOut))), start);
  return found;
}

/**
 * A method of a run. here: a landscape, with the number of its step in `t`.
 * @param {any} settings  with the kind  @param {{chain: any, theta: Float64Array, seed: number}} of
 * @returns {{estimate?: (here: any) => Float64Array, move?: (here: any) => Float64Array, first: number}}  first: the first parameter that is trained
 */
export function createMethod({ kind, ...settings }, { chain, theta, seed }) {
  const rngOf = ({ t }) => purposeful(seed, 'method', t), P = chain.size;
  const { h, c, directions, pairs, sigma } = settings, last = chain.slots[chain.slots.length - 2].start;
  let width = sigma;
  const makes = {
    backpropagation: () => ({ estimate: (here) => here.gradient() }),
    forward_differences: () => ({ estimate(here) { const high = shifted(here, h), widths = widthOf(here.theta, h); return high.map((loss, i) => (loss - here.value) / widths[i]); } }),
    central_differences: () => ({
      estimate(here) {
        const high = shifted(here, h), low = shifted(here, -h), up = widthOf(here.theta, h), down = widthOf(here.theta, -h);
        return high.map((loss, i) => (loss - low[i]) / (up[i] - down[i]));
      },
    }),
    forward_gradient: () => ({ estimate(here) { const rng = rngOf(here), v = several(directions, () => rng.normal(P)); return weighted(v.map((one) => here.slope(one) / directions), v); } }),
    spsa: () => ({
      estimate(here) {
        const rng = rngOf(here), signs = rng.integers(1, directions * P), d = several(directions, (_, k) => Float64Array.from({ length: P }, (__, i) => 2 * signs[k * P + i] - 1));
        return weighted(d.map((one) => (here.lossAt(moved(here.theta, one, c)) - here.lossAt(moved(here.theta, one, -c))) / (2 * c * directions)), d);
      },
    }),
    openai_es: () => ({
      estimate(here) {
        const rng = rngOf(here), e = several(pairs, () => rng.normal(P)), losses = [sigma, -sigma].flatMap((factor) => e.map((one) => here.lossAt(moved(here.theta, one, factor)))), ranks = centeredRanks(losses);
        return weighted(e.map((_, k) => (ranks[k] - ranks[pairs + k]) / (2 * pairs * sigma)), e);
      },
    }),
    cma_es: () => ({ move: separableCma(settings, { theta, rngOf }) }),
    random_search: () => ({
      move(here) {
        const candidate = moved(here.theta, rngOf(here).normal(P), width), isBetter = here.lossAt(candidate) < here.value;
        width *= isBetter ? WIDENING : WIDENING ** -0.25;
        return isBetter ? candidate : here.theta;
      },
    }),
    feedback_alignment() {
      const feedback = feedbackOf(chain, settings.scale, seed);
      return { estimate: (here) => here.gradient(feedback) };
    },
    random_features: () => ({ estimate: (here) => here.gradient(), first: last }),
    none: () => ({ move: (here) => here.theta }),
  };
  return { first: 0, ...makes[kind]() };
}
