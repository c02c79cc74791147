// The tour of the screen Train; it starts nothing. Before a run, what invites to one stands for all that it will show.
const orInvite = (at) => `${at}, [data-state="none"] .invite`;

export const tour = [
  { at: '.side > .panel:nth-child(1)', text: 'tour.train.data' },
  { at: '.side > .panel:nth-child(2)', text: 'tour.train.network' },
  { at: '.settings', text: 'tour.train.settings' },
  { at: '.controls', text: 'tour.train.controls' },
  { at: orInvite('.tiles'), text: 'tour.train.numbers' },
  { at: orInvite('.charts'), text: 'tour.train.curves' },
  { at: orInvite('.timeline'), text: 'tour.train.timeline' },
  { at: orInvite('.pair'), text: 'tour.train.inside' },
  { at: '.compare', text: 'tour.train.compare' },
  { at: orInvite('[data-test="save"]'), text: 'tour.train.save' },
];
