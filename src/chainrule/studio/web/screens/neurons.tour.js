// The tour of the screen Neurons: it looks at one neuron and takes it out of a copy.
const ONE = '[data-test="one"]';

// Sets the chosen neuron to 0, in the first layer with weights.
function without(store) {
  const network = store.get('network'), neuron = store.get('neuron');
  if (!network || !neuron) return {};
  const layer = Object.keys(network.arrays).find((name) => name.endsWith('.W')).slice(0, -2);
  return { 'neurons.layer': layer, 'neurons.edits': [{ do: 'ablate', layer, neuron: neuron.index, to: 'zero' }] };
}

const classes = (store) => Boolean(store.get('model')?.classes);

export const tour = [
  { at: '.neurons-body', text: 'tour.neurons.cards' },
  { at: '.neurons-layers', text: 'tour.neurons.layers' },
  { at: '[data-test="summary"]', text: 'tour.neurons.scale' },
  { at: '.neurons-tools', text: 'tour.neurons.sort', set: { 'neurons.sort': 'active' } },
  { at: `${ONE} .neuron-weights`, text: 'tour.neurons.weights' },
  { at: `${ONE} .facts`, text: 'tour.neurons.facts' },
  { at: `${ONE} .histogram`, text: 'tour.neurons.histogram' },
  { at: '[data-test="class-bars"]', text: 'tour.neurons.classes', when: classes },
  { at: '[data-test="most"]', text: 'tour.neurons.examples' },
  { at: '[data-test="ablate-zero"], [data-test="ablate-mean"]', text: 'tour.neurons.ablate', set: without },
  { at: '[data-test="score"]', text: 'tour.neurons.score' },
  { at: '.break-edits', text: 'tour.neurons.edits' },
];
