// The tour of the screen Train; it starts nothing.
export const tour = [
  { at: '.side > .panel:nth-child(1)', text: 'tour.train.data' },
  { at: '.side > .panel:nth-child(2)', text: 'tour.train.network' },
  { at: '.settings', text: 'tour.train.settings' },
  { at: '.controls', text: 'tour.train.controls' },
  { at: '.tiles', text: 'tour.train.numbers' },
  { at: '.charts', text: 'tour.train.curves' },
  { at: '.timeline', text: 'tour.train.timeline' },
  { at: '.pair', text: 'tour.train.inside' },
  { at: '.compare', text: 'tour.train.compare' },
  { at: '[data-test="save"]', text: 'tour.train.save' },
];
