// One weight of the network on the first screen: the loss over it, its derivative by the chain rule and by a finite difference.
import { activations } from '../activations.js';

const STEP = 1e-4;   // of the finite difference
const POINTS = 81;   // of the curve
const MOST = 12;   // of how far the curve goes on

// The place of the largest of `n` numbers.
function placeOfMost(n, value) {
  let best = 0, most = -Infinity;
  for (let k = 0; k < n; ++k) {
    const now = value(k);
    if (now > most) [best, most] = [k, now];
  }
  return best;
}

// What a pass gives around the last two layers with weights: `out`, the last one, and `inner`, the one before it, whose output a function has gone through.
function aroundOf(seen, arrays) {
  const [inner, out] = seen.filter(({ kind }) => kind === 'dense').slice(-2), slope = seen[seen.indexOf(inner) + 1];
  return { inner, out, slope, W: arrays[`${out.name}.W`], into: arrays[`${inner.name}.W`] };
}

/**
 * The weight by which the answer turns to the target soonest: it leaves the neuron that fires most, and comes to one that speaks for the target against the answer.
 * seen: what the network gives of the inputs. Returns {name, i, j, value, range, curve, target, at}; at(w) gives everything at another value of the weight.
 * @param {import('../network.js').Network} network  @param {ReturnType<import('../network.js').Network['forward']>} seen  @param {number} target
 */
export function weightOf(network, seen, target) {
  const { inner, out, slope, W, into } = aroundOf(seen, network.arrays), classes = out.a.length, width = inner.a.length;
  const rival = placeOfMost(classes, (k) => (k === target ? -Infinity : out.a[k]));
  const i = placeOfMost(inner.from.length, (k) => inner.from[k]), isOn = (k) => inner.a[k] > 0;
  const j = placeOfMost(width, (k) => W[k * classes + target] - W[k * classes + rival] - (isOn(k) ? 0 : 100));
  const place = i * width + j, value = into[place], came = inner.from[i], { f, prime } = activations[slope.kind];

  // The network from this weight on; what lies before it stays.
  function at(w) {
    const z = inner.a[j] + (w - value) * came, a = f(z, slope.link), logits = Array.from(out.a, (o, k) => o + (a - slope.a[j]) * W[j * classes + k]);
    const top = Math.max(...logits), powers = logits.map((o) => Math.exp(o - top)), sum = powers.reduce((all, p) => all + p, 0), shares = powers.map((p) => p / sum);
    const error = shares.reduce((all, p, k) => all + W[j * classes + k] * (p - Number(k === target)), 0), rate = prime(z, a, slope.link);
    return { shares, loss: Math.log(sum) + top - logits[target], came, slope: rate, error, gradient: came * rate * error };
  }
  const needed = Math.max(0, out.a[rival] - out.a[target]) / (came * (W[j * classes + target] - W[j * classes + rival]) || 1);
  const reach = Math.min(MOST, Math.max(0.8, Number.isFinite(needed) ? 1.9 * needed : 1)), range = [value - 0.35 * reach, value + reach];
  const curve = Array.from({ length: POINTS }, (_, k) => {
    const w = range[0] + ((range[1] - range[0]) * k) / (POINTS - 1), { loss, shares } = at(w);
    return { w, loss, turns: shares[target] === Math.max(...shares) };
  });
  return { name: `${inner.name}.W`, i, j, value, range, curve, target,
    at: (w) => ({ ...at(w), difference: (at(w + STEP).loss - at(w - STEP).loss) / (2 * STEP) }) };
}
