// The course: the lesson as a path through the screens. A step is one of a tour (tour.js: at, set, needs, when) with its name, its
// screen, the minutes that a class needs, and `facts`: the numbers that its question and its answer are made of. Its texts are
// course.step.NAME with title, goal, text, do, ask and answer. `example`: the chain of single neurons that is on show during the step. `figure`: what the step shows beside its texts.
import { ofChain, ofDelta, ofGradient, ofLayer, ofLoss, ofNetwork, ofNeuron, ofOwn, ofSlope, ofStep, ofWeight, ofZoom } from './course_facts.js';
import { ofCures, ofNorm, ofOverfitting, ofRegression, ofUniversality, ofVanishing, ofWithout } from './course_facts_runs.js';
import { histograms, recursion, width } from './course_figures.js';
import { isMistake } from './screens/backprop_question.js';
import { after, loudest } from './tours.js';

// An exported page has the chain if it was made of it.
const hasChain = (store) => store.can('backprop.example') || store.get('model')?.example === 'lesson';

// What the network reads rightly says little: unless it is a drawing, a mistake takes its place, or what has the largest loss.
function telling(store) {
  const shown = store.get('shown.backprop'), sample = store.get('sample'), network = store.get('network');
  if (shown) return shown.walk.rows && shown.walk.n === 1 && !isMistake(store, shown.walk) ? { 'backprop.sample': null } : {};
  if (sample?.x.length === network.model.inputs && (sample.index === null || network.labels()[network.ranked(sample.x)[0]] !== String(sample.y))) return {};
  return { 'backprop.sample': null, 'backprop.adopted': sample };
}

const FIRST = (store) => loudest(store, 0);
const SINGLE = (way) => (store) => ({ ...after(way)(store), ...(store.get('backprop.source') === 'batch' ? { 'backprop.source': null } : {}) });
const AT = (way) => (store) => ({ ...after(way)(store), ...telling(store) });
const ONE = (way) => (store) => ({ ...SINGLE(way)(store), ...telling(store) });
const PLANE = { 'plane.seed': 1, 'plane.activation': 'tanh', 'plane.norm': false, 'plane.residual': false, 'plane.optimizer': 'adam', 'plane.rate': 0.03, 'plane.batch': 16, 'plane.points': '', 'plane.tests': false };
const NOISY = { ...PLANE, 'plane.kind': 'moons', 'plane.noise': 0.35, 'plane.activation': 'relu', 'plane.batch': 8, 'plane.layers': [12, 12], 'plane.tests': true };
const SURFACE = { ...PLANE, 'plane.kind': 'surface', 'plane.n': 400, 'plane.noise': 0 };

export const steps = [
  { name: 'network', screen: 'draw', minutes: 4, at: '[data-test="network"]', facts: ofNetwork },
  { name: 'neuron', screen: 'draw', minutes: 4, at: '[data-test="formula"]', set: FIRST, facts: ofNeuron },
  { name: 'weight', screen: 'draw', minutes: 4, at: '[data-test="weights"]', set: FIRST, facts: ofWeight },
  { name: 'layer', screen: 'draw', minutes: 5, at: '[data-test="network"]', set: FIRST, facts: ofLayer },
  { name: 'loss', screen: 'backprop', minutes: 6, at: '.words', set: AT('loss'), needs: 'backprop.walk', facts: ofLoss },
  { name: 'downhill', screen: 'backprop', minutes: 6, at: '[data-test="update"]', set: AT('done'), needs: 'backprop.update', facts: ofStep },
  { name: 'chain', screen: 'backprop', minutes: 10, at: '[data-test="lines"]:not([hidden])', set: SINGLE('done'), needs: 'backprop.walk', when: hasChain, example: 'lesson', facts: ofChain },
  { name: 'own', screen: 'backprop', minutes: 8, at: '[data-test="weight"]', set: ONE('done'), needs: 'backprop.weight', facts: ofOwn },
  { name: 'zoom', screen: 'backprop', minutes: 6, at: '[data-test="zoom"]', set: ONE('done'), needs: 'backprop.walk', facts: ofZoom },
  { name: 'delta', screen: 'backprop', minutes: 8, at: '[data-test="split"]', set: ONE('back'), needs: 'backprop.walk', facts: ofDelta, figure: recursion },
  { name: 'gradient', screen: 'backprop', minutes: 8, at: '[data-test="exercise"]', set: ONE('done'), needs: 'backprop.weight', facts: ofGradient },
  { name: 'activation', screen: 'backprop', minutes: 5, at: '[data-test="split"]', set: ONE('back'), needs: 'backprop.walk', facts: ofSlope },
  { name: 'vanishing', screen: 'vanishing', minutes: 6, at: '[data-test="nets"]', needs: 'vanishing.start', facts: ofVanishing },
  { name: 'cures', screen: 'vanishing', minutes: 6, at: '[data-test="nets"]', needs: 'vanishing.start', facts: ofCures },
  { name: 'norm', screen: 'plane', minutes: 6, at: '[data-test="norm"]', set: { ...PLANE, 'plane.kind': 'circles', 'plane.n': 200, 'plane.noise': 0.1, 'plane.layers': [6, 6], 'plane.norm': true }, needs: 'plane.build', facts: ofNorm, figure: histograms },
  { name: 'overfitting', screen: 'plane', minutes: 8, at: '.plane-right > .panel:last-child', set: { ...NOISY, 'plane.n': 40 }, needs: 'plane.build', facts: ofOverfitting },
  { name: 'remedies', screen: 'plane', minutes: 6, at: '.plane-left', set: { ...NOISY, 'plane.n': 400 }, needs: 'plane.build', facts: ofOverfitting },
  { name: 'regression', screen: 'plane', minutes: 5, at: '.plane-kinds', set: { ...SURFACE, 'plane.layers': [8, 8] }, needs: 'plane.build', facts: ofRegression },
  { name: 'universality', screen: 'plane', minutes: 6, at: '.plane-right > .panel:first-child', set: { ...SURFACE, 'plane.layers': [1], 'course.widths': {} }, needs: 'plane.build', facts: ofUniversality, figure: width },
  { name: 'without', screen: 'without_backprop', minutes: 6, at: '.lab-table', needs: 'without_backprop.start', facts: ofWithout },
];

/** The step of a name.  @param {unknown} name */
export const stepOf = (name) => steps.find((step) => step.name === name);
