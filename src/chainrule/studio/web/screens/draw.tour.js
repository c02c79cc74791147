// The tour of the screen Draw: from the pad through the network to the answer.

// The neuron of a link that gives out most for the sample at hand.
export function loudest(store, place) {
  const network = store.get('network'), sample = store.get('sample');
  if (!network || !sample || !network.runsHere) return {};
  const dense = network.forward(sample.x).filter(({ kind }) => kind === 'dense'), { name, a } = dense.at(place);
  return { neuron: { link: name, index: a.indexOf(Math.max(...a)) } };
}

const hasPictures = (store) => Boolean(store.get('model')?.shape);

export const tour = [
  { at: '[data-test="pad"]', text: 'tour.draw.pad', when: hasPictures },
  { at: '.strip', text: 'tour.draw.samples', needs: 'data.samples' },
  { at: '.extras', text: 'tour.draw.noise', when: hasPictures },
  { at: '[data-test="network"]', text: 'tour.draw.network', set: () => ({ neuron: null }) },
  { at: '.network-foot', text: 'tour.draw.colors' },
  { at: '[data-test="network"]', text: 'tour.draw.neuron', set: (store) => loudest(store, 0) },
  { at: '[data-test="formula"]', text: 'tour.draw.formula' },
  { at: '[data-test="weights"]', text: 'tour.draw.weights' },
  { at: '[data-test="bars"]', text: 'tour.draw.bars' },
  { at: '[data-test="network"]', text: 'tour.draw.output', set: (store) => loudest(store, -1) },
  { at: '.timing', text: 'tour.draw.here' },
  { at: 'details.code', text: 'tour.draw.python' },
];
