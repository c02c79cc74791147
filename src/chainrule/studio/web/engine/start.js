// A network's initial parameters, as the package draws them from a seed: each parameter by its own generator, from its initializer's
// distribution in float64, rounded to float32.
import { caseOf, known, product, settingsOf } from './expressions.js';
import { purposeful } from '../random.js';

export function initialTheta(description, network, seed) {
  const theta = new Float32Array(network.size);
  network.parameters.forEach(({ start, stop, initializer, fans: [fanIn, fanOut] }, i) => {
    const described = known(description.initializers, initializer, 'initializer'), settings = settingsOf(described, initializer, `The initializer ${initializer.kind}`);
    const { draw, scale } = caseOf(described, settings, initializer.kind), size = product(scale, { ...settings, fan_in: fanIn, fan_out: fanOut, fans: fanIn + fanOut });
    if (draw === 'constant') theta.fill(size, start, stop);
    else {
      const numbers = purposeful(seed, 'weights', i);
      theta.set(draw === 'uniform' ? numbers.uniform(-size, size, stop - start) : numbers.normal(stop - start).map((value) => value * size), start);
    }
  });
  return theta;
}

// The state of every link that has one, before training: {link: {field: Float32Array}}.
export function initialStates(network) {
  const has = network.walk.filter((link) => link.state.length);
  return Object.fromEntries(has.map((link) => [link.name, Object.fromEntries(link.state.map(({ field, size, value }) => [field, new Float32Array(size).fill(value)]))]));
}
