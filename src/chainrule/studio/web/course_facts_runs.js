// The numbers of the course's questions about networks that train: on the plane, and side by side in the laboratory. As course_facts.js.
import { bracketed } from './course_facts.js';
import { count, percent } from './format.js';
import { t } from './i18n.js';
import { makeNetwork } from './network.js';
import { figure } from './screens/backprop_steps.js';
import { NETS } from './screens/vanishing.js';

/** @import { Facts, Store } from './course_facts.js' */

const SOME = 5;   // epochs before a curve says anything
const QUARTER = 0.25;   // the greatest slope of a sigmoid

const last = (values) => values[values.length - 1];

// --- networks side by side

const armOf = (run, name) => run?.arms.find((arm) => arm.name === name && arm.step.length);

/** What sigmoids' slopes leave of an error.  @param {Store} store  @returns {Facts | null} */
export function ofVanishing(store) {
  const run = store.get('shown.vanishing'), plain = armOf(run, 'sigmoid');
  if (!plain?.profile.length) return null;
  const { depth } = run.settings, most = QUARTER ** depth;
  return { expected: most, values: { depth: count(depth), most: figure(most, 4), first: figure(plain.profile[0], 3), loss: figure(last(plain.loss), 4) } };
}

/** How much more of the gradient a cure leaves.  @param {Store} store  @returns {Facts | null} */
export function ofCures(store) {
  const run = store.get('shown.vanishing'), plain = armOf(run, 'sigmoid'), cures = (run?.arms || []).filter((arm) => arm.name !== 'sigmoid' && arm.name !== 'tanh' && arm.profile.length);
  if (!plain?.profile.length || !(plain.profile[0] > 0) || !cures.length) return null;
  const best = cures.reduce((one, two) => (two.profile[0] > one.profile[0] ? two : one)), ratio = best.profile[0] / plain.profile[0], name = (arm) => t(store, NETS.find(([key]) => key === arm.name)[1]);
  const all = [plain, ...cures].map((arm) => `${name(arm)} ${figure(last(arm.loss), 3)}`).join(', ');
  return { expected: ratio, values: { cure: name(best), first: figure(best.profile[0], 4), plain: figure(plain.profile[0], 4), ratio: figure(ratio, 4), losses: all } };
}

/** What one gradient costs without backpropagation.  @param {Store} store  @returns {Facts | null} */
export function ofWithout(store) {
  const run = store.get('shown.without_backprop'), central = armOf(run, 'central_differences'), back = armOf(run, 'backpropagation');
  if (!central || !back || !(last(central.step) > 0) || !(last(back.step) > 0)) return null;
  const size = Math.floor(last(central.passes) / last(central.step) / 2), own = last(back.passes) / last(back.step), said = ({ facts }) => (facts?.accuracy == null ? '–' : percent(facts.accuracy));
  return { expected: 2 * size, values: { size: count(size), each: count(2 * size), own: figure(own, 3), steps: count(last(central.step)), back_steps: count(last(back.step)), loss: figure(last(central.loss), 3), back_loss: figure(last(back.loss), 3), accuracy: said(central), back_accuracy: said(back) } };
}

// --- the plane

// A network of the plane with a curve: {model, settings, X, frame, curve}.
function planeOf(store, kinds = null) {
  const shown = store.get('shown.plane');
  return shown && last(shown.curve.epoch) >= SOME && (!kinds || kinds.includes(shown.settings.kind)) ? shown : null;
}

/** The first batch normalization of a network on the plane: the sums of all its neurons for every point, and normalized, before γ and β.  @param {Store} store */
export function normOf(store) {
  const shown = planeOf(store), at = shown ? shown.model.links.findIndex(({ kind }) => kind === 'batch_norm') : -1;
  if (at < 0) return null;
  const { model, X } = shown, network = makeNetwork(model), link = model.links[at], [mean, variance] = ['mean', 'var'].map((field) => model.arrays[`${link.name}.${field}`]), before = [], after = [];
  for (let p = 0; p < X.length / 2; ++p) {
    const { from } = network.forward([X[2 * p], X[2 * p + 1]])[at];
    before.push(...from);
    after.push(...from.map((z, j) => (z - mean[j]) / Math.sqrt(variance[j] + link.eps)));
  }
  return { link, arrays: model.arrays, before, after };
}

/** What batch normalization makes of a sum.  @param {Store} store  @returns {Facts | null} */
export function ofNorm(store) {
  const found = normOf(store);
  if (!found) return null;
  const { link, arrays } = found, [gamma, beta, mean, variance] = ['gamma', 'beta', 'mean', 'var'].map((field) => arrays[`${link.name}.${field}`][0]), spread = Math.sqrt(variance), z = mean + 2 * spread;
  const expected = (gamma * (z - mean)) / Math.sqrt(variance + link.eps) + beta;
  return { expected, values: { mean: figure(mean, 3), spread: figure(spread, 3), z: figure(z, 4), gamma: figure(gamma, 4), beta: figure(beta, 3), shift: bracketed(figure(beta, 3)), out: figure(expected, 4) } };
}

// The curve's ends, and where the loss of the test points was lowest.
function ends({ curve, settings }) {
  const tests = curve.val_loss.map((value) => (Number.isFinite(value) ? value : Infinity)), at = tests.indexOf(Math.min(...tests));
  return { epoch: last(curve.epoch), loss: last(curve.loss), test: last(curve.val_loss), best: curve.val_loss[at], bestEpoch: curve.epoch[at], n: settings.n };
}

/** When training should have ended.  @param {Store} store  @returns {Facts | null} */
export function ofOverfitting(store) {
  const shown = planeOf(store);
  if (!shown || !Number.isFinite(last(shown.curve.val_loss))) return null;
  const { epoch, loss, test, best, bestEpoch, n } = ends(shown);
  return { expected: test - loss, values: { n: count(n), size: count(sizeOf(shown.model)), epoch: count(epoch), loss: figure(loss, 3), test: figure(test, 3), gap: figure(test - loss, 3), best: figure(best, 3), best_epoch: count(bestEpoch) } };
}

const sizeOf = ({ links, arrays }) => links.reduce((n, { name }) => n + ['W', 'b', 'gamma', 'beta'].reduce((all, field) => all + (arrays[`${name}.${field}`]?.length || 0), 0), 0);

/** What a regression's loss says in the target's own units.  @param {Store} store  @returns {Facts | null} */
export function ofRegression(store) {
  const shown = planeOf(store, ['surface']);
  if (!shown) return null;
  const loss = last(shown.curve.loss);
  return { expected: Math.sqrt(loss), values: { loss: figure(loss, 3), root: figure(Math.sqrt(loss), 3), outputs: count(shown.model.outputs) } };
}

/** What one hidden layer of a width costs, and how well each width that was tried fits.  @param {Store} store  @returns {Facts | null} */
export function ofUniversality(store) {
  const shown = planeOf(store, ['surface']), widths = store.get('course.widths') || {};
  if (!shown || shown.settings.layers.length !== 1) return null;
  const [width] = shown.settings.layers, tried = Object.keys(widths).map(Number).sort((a, b) => a - b);
  return { expected: 4 * width + 1, values: { width: count(width), inputs: count(2 * width), size: count(4 * width + 1), loss: figure(last(shown.curve.loss), 3), tried: tried.map((w) => `${w}: ${figure(widths[w], 2)}`).join('; ') } };
}
