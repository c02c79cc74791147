// The tour of the screen Why.
export const tour = [
  { at: '.why-side', text: 'tour.why.sample' },
  { at: '[data-test="verdict"]', text: 'tour.why.verdict' },
  { at: '[data-test="answers"]', text: 'tour.why.answers' },
  { at: '[data-test="target"]', text: 'tour.why.target' },
  { at: '.why-methods', text: 'tour.why.methods' },
  { at: '[data-test="turn"]', text: 'tour.why.turn' },
  { at: '[data-test="evidence"]', text: 'tour.why.evidence' },
  { at: '.why-methods details.code', text: 'tour.why.python' },
];
