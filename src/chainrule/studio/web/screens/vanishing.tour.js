// The tour of the screen Vanishing gradients; it starts nothing. Before a run, and for nets that it lacks, the place of all nets stands for one.
const NETS = '[data-test="nets"]';
const orAll = (...found) => `${found.map((one) => `${NETS} ${one}`).join()}, ${NETS}:not(:has(${found.join()}))`;

export const tour = [
  { at: '.lab-arms', text: 'tour.vanishing.nets' },
  { at: '[data-test="depth"]', text: 'tour.vanishing.depth' },
  { at: '[data-test="rate"], [data-test="budget"]', text: 'tour.vanishing.settings' },
  { at: '[data-test="start"]', text: 'tour.vanishing.start' },
  { at: NETS, text: 'tour.vanishing.bars' },
  { at: orAll('[data-net="sigmoid"]'), text: 'tour.vanishing.sigmoid' },
  { at: orAll('[data-net="relu"]', '[data-net="relu_batch_norm"]'), text: 'tour.vanishing.relu' },
  { at: orAll('[data-net="sigmoid_skip"]', '[data-net="sigmoid_residual"]'), text: 'tour.vanishing.skip' },
  { at: orAll('dl'), text: 'tour.vanishing.first' },
  { at: 'canvas.chart', text: 'tour.vanishing.curve' },
  { at: '[data-test="ending"]', text: 'tour.vanishing.ending' },
];
