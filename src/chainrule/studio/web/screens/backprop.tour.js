// The tour of backpropagation: forward, loss, back, one weight, one step.

// A step of the walk by how many links lie before it: forward through all of them, then loss, error, and back.
export const after = (way) => (store) => {
  const network = store.get('network'), links = network ? network.links.length : 0;
  return { 'backprop.step': { start: 0, forward: links, loss: links + 1, error: links + 2, back: links + 4, done: 2 * links + 2 }[way] };
};

export const tour = [
  { at: '[data-test="source"]', text: 'tour.backprop.source', set: after('start') },
  { at: '.player', text: 'tour.backprop.player' },
  { at: '.walk-picture', text: 'tour.backprop.forward', set: after('forward') },
  { at: '.words', text: 'tour.backprop.loss', set: after('loss') },
  { at: '.walk-picture', text: 'tour.backprop.error', set: after('error') },
  { at: '[data-test="split"]', text: 'tour.backprop.split', set: after('back') },
  { at: '[data-test="weight"] .comparison', text: 'tour.backprop.difference', set: after('done') },
  { at: '[data-test="equations"]', text: 'tour.backprop.equations' },
  { at: '[data-test="neuron"]', text: 'tour.backprop.neuron' },
  { at: '[data-test="update"]', text: 'tour.backprop.update' },
  { at: '.examples', text: 'tour.backprop.example' },
];
