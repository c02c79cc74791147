// The tour of the glossary.
import { t } from '../i18n.js';

const TERM = '[data-term="chain_rule"]';

export const tour = [
  { at: '.terms', text: 'tour.glossary.all' },
  { at: '[data-test="terms-count"]', text: 'tour.glossary.count' },
  { at: '.terms-head input', text: 'tour.glossary.search', set: (store) => ({ 'glossary.search': t(store, 'glossary.term.chain_rule') }) },
  { at: '.terms', text: 'tour.glossary.found' },
  { at: `${TERM} h2 span:not(.other)`, text: 'tour.glossary.name' },
  { at: `${TERM} h2 .other`, text: 'tour.glossary.other' },
  { at: `${TERM} p:not(.other)`, text: 'tour.glossary.sentence' },
  { at: '.switch', text: 'tour.glossary.language', set: { 'glossary.search': '' } },
];
