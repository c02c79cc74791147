// The tour of the screen Without backpropagation; it starts nothing, and shows the curves against each of their three axes.
const arms = (...names) => names.map((name) => `[data-arm="${name}"]`).join();
const CURVES = '.without-grid > .panel:first-child';
const against = (axis) => ({ 'without_backprop.axis': axis });

export const tour = [
  { at: '.lab-arms', text: 'tour.without_backprop.methods' },
  { at: arms('central_differences', 'forward_differences'), text: 'tour.without_backprop.differences' },
  { at: arms('forward_gradient', 'spsa'), text: 'tour.without_backprop.directions' },
  { at: arms('openai_es', 'cma_es'), text: 'tour.without_backprop.evolution' },
  { at: arms('feedback_alignment'), text: 'tour.without_backprop.feedback' },
  { at: '[data-test="depth"], [data-test="activation"], [data-test="passes"]', text: 'tour.without_backprop.settings' },
  { at: '[data-test="start"]', text: 'tour.without_backprop.start' },
  { at: CURVES, text: 'tour.without_backprop.by_steps', set: against('step') },
  { at: CURVES, text: 'tour.without_backprop.by_passes', set: against('passes') },
  { at: CURVES, text: 'tour.without_backprop.by_seconds', set: against('seconds') },
  { at: '.lab-table', text: 'tour.without_backprop.table' },
  { at: '[data-test="ending"]', text: 'tour.without_backprop.ending' },
];
