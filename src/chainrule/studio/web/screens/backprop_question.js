// The question that a walk answers, from its numbers: a digit taken for another one, and what should change.
import { t } from '../i18n.js';
import { count } from '../format.js';
import { answerOf, chance, figure, listed, saysLoss, sentences } from './backprop_steps.js';

function ofBatch(store, walk) {
  if (walk.labels === null || walk.shown < walk.n) return t(store, 'backprop.question_batch', { n: walk.n });
  const wrong = Array.from({ length: walk.n }, (_, row) => answerOf(walk, row)).filter(({ best, right }) => best !== right).length;
  return t(store, wrong ? 'backprop.question_batch_wrong' : 'backprop.question_batch_right', { n: walk.n, wrong });
}

// start: what backprop.mistake found, if the walk is of that sample.
/** @param {import('../store.js').Store} store */
export function questionOf(store, walk, start) {
  if (walk.n > 1) return ofBatch(store, walk);
  const found = answerOf(walk, 0);
  if (found.labels === null) {
    const values = { said: listed(found.said), target: listed(found.target) };
    if (walk.assumed) return t(store, 'backprop.question_numbers_assumed', values);
    return t(store, values.said === values.target ? 'backprop.question_numbers_right' : 'backprop.question_numbers', values);
  }
  const values = { said: found.labels[found.best], right: found.labels[found.right], p: chance(found.p[found.right]) };
  if (walk.assumed) return t(store, found.best === found.right ? 'backprop.question_assumed' : 'backprop.question_if', values);
  if (found.best !== found.right) return t(store, 'backprop.question', values);
  return t(store, start && start.mistakes === 0 && start.rank === 1 ? 'backprop.question_hardest' : 'backprop.question_right', values);
}

// What stands below it: the loss, and where the sample comes from.
/** @param {import('../store.js').Store} store */
export function contextOf(store, walk, start) {
  const loss = walk.n > 1 ? t(store, 'backprop.says.loss_batch', { n: walk.n, loss: figure(walk.loss, 4) }) : saysLoss(store, walk, 0);
  if (!start) return loss;
  const values = { mistakes: count(start.mistakes || 0), searched: count(start.searched), rank: count(start.rank) };
  return sentences(store, loss, t(store, start.mistakes === null ? 'backprop.start_numbers' : start.mistakes ? 'backprop.start' : 'backprop.start_right', values));
}

// Whether a model of classes is wrong about the sample of a walk.
/** @param {import('../store.js').Store} store */
export function isMistake(store, walk) {
  const found = answerOf(walk, 0);
  return found.labels === null || found.best !== found.right;
}
