// The tour of the screen Plane.
export const tour = [
  { at: '.plane-left', text: 'tour.plane.data' },
  { at: '[data-test="points"]', text: 'tour.plane.points' },
  { at: '[data-test="activation"], [data-test="batch"]', text: 'tour.plane.settings' },
  { at: '.plane-columns', text: 'tour.plane.neurons' },
  { at: '.plane-builder', text: 'tour.plane.layers' },
  { at: '.plane-run', text: 'tour.plane.run' },
  { at: '.plane-stats', text: 'tour.plane.stats' },
  { at: '.plane-right > .panel:last-child', text: 'tour.plane.curve' },
];
