// The tours of the screens, by the screen's name; tour.js says what a step is.
import { t } from './i18n.js';

// The neuron of a link that gives out most for the sample at hand.
export function loudest(store, place) {
  const network = store.get('network'), sample = store.get('sample');
  if (!network?.runsHere || sample?.x.length !== network.model.inputs) return {};   // none, or one of another network
  const dense = network.forward(sample.x).filter(({ kind }) => kind === 'dense'), { name, a } = dense.at(place);
  return { neuron: { link: name, index: a.indexOf(Math.max(...a)) } };
}

const hasPictures = (store) => Boolean(store.get('model')?.shape);

// A step of the walk by how many links lie before it: forward through all of them, then loss, error, and back.
export const after = (way) => (store) => {
  const network = store.get('network'), links = network ? network.links.length : 0;
  return { 'backprop.step': { start: 0, forward: links, loss: links + 1, error: links + 2, back: links + 4, done: 2 * links + 2 }[way] };
};

// Before a run of the screen Train, what invites to one stands for all that it will show.
const orInvite = (at) => `${at}, [data-state="none"] .invite`;

// Sets the chosen neuron to 0, in the first layer with weights.
function without(store) {
  const network = store.get('network'), neuron = store.get('neuron');
  if (!network || !neuron) return {};
  const layer = Object.keys(network.arrays).find((name) => name.endsWith('.W')).slice(0, -2);
  return { 'neurons.layer': layer, 'neurons.edits': [{ do: 'ablate', layer, neuron: neuron.index, to: 'zero' }] };
}

const hasClasses = (store) => Boolean(store.get('model')?.classes);

// Before a run of vanishing gradients, and for nets that it lacks, the place of all nets stands for one.
const NETS = '[data-test="nets"]';
const orAll = (...found) => `${found.map((one) => `${NETS} ${one}`).join()}, ${NETS}:not(:has(${found.join()}))`;

// Of training without backpropagation: the chips of some methods, and its curves against an axis.
const arms = (...names) => names.map((name) => `[data-arm="${name}"]`).join();
const CURVES = '.without-grid > .panel:first-child';
const against = (axis) => ({ 'without_backprop.axis': axis });

const TERM = '[data-term="chain_rule"]';

export const tours = {
  draw: [
    { at: '[data-test="pad"]', text: 'tour.draw.pad', when: hasPictures },
    { at: '.strip', text: 'tour.draw.samples', needs: 'data.samples' },
    { at: '.extras', text: 'tour.draw.noise', when: hasPictures },
    { at: '[data-test="network"]', text: 'tour.draw.network', set: () => ({ neuron: null }) },
    { at: '.network-foot', text: 'tour.draw.colors' },
    { at: '[data-test="network"]', text: 'tour.draw.neuron', set: (store) => loudest(store, 0) },
    { at: '[data-test="formula"]', text: 'tour.draw.formula' },
    { at: '[data-test="weights"]', text: 'tour.draw.weights' },
    { at: '[data-test="bars"]', text: 'tour.draw.bars' },
    { at: '[data-test="network"]', text: 'tour.draw.output', set: (store) => loudest(store, -1) },
    { at: '.timing', text: 'tour.draw.here' },
    { at: 'details.code', text: 'tour.draw.python' },
  ],
  backprop: [
    { at: '[data-test="source"]', text: 'tour.backprop.source', set: after('start') },
    { at: '.player', text: 'tour.backprop.player' },
    { at: '.walk-picture', text: 'tour.backprop.forward', set: after('forward') },
    { at: '.words', text: 'tour.backprop.loss', set: after('loss') },
    { at: '.walk-picture', text: 'tour.backprop.error', set: after('error') },
    { at: '[data-test="split"]', text: 'tour.backprop.split', set: after('back') },
    { at: '[data-test="weight"] .comparison', text: 'tour.backprop.difference', set: after('done') },
    { at: '[data-test="equations"]', text: 'tour.backprop.equations' },
    { at: '[data-test="neuron"]', text: 'tour.backprop.neuron' },
    { at: '[data-test="update"]', text: 'tour.backprop.update' },
    { at: '.examples', text: 'tour.backprop.example' },
  ],
  train: [
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
  ],
  neurons: [
    { at: '.neurons-body', text: 'tour.neurons.cards' },
    { at: '.neurons-layers', text: 'tour.neurons.layers' },
    { at: '[data-test="summary"]', text: 'tour.neurons.scale' },
    { at: '.neurons-tools', text: 'tour.neurons.sort', set: { 'neurons.sort': 'active' } },
    { at: '[data-test="one"] .neuron-weights', text: 'tour.neurons.weights' },
    { at: '[data-test="one"] .facts', text: 'tour.neurons.facts' },
    { at: '[data-test="one"] .histogram', text: 'tour.neurons.histogram' },
    { at: '[data-test="class-bars"]', text: 'tour.neurons.classes', when: hasClasses },
    { at: '[data-test="most"]', text: 'tour.neurons.examples' },
    { at: '[data-test="ablate-zero"], [data-test="ablate-mean"]', text: 'tour.neurons.ablate', set: without },
    { at: '[data-test="score"]', text: 'tour.neurons.score' },
    { at: '.break-edits', text: 'tour.neurons.edits' },
  ],
  why: [
    { at: '.why-side', text: 'tour.why.sample' },
    { at: '[data-test="verdict"]', text: 'tour.why.verdict' },
    { at: '[data-test="answers"]', text: 'tour.why.answers' },
    { at: '[data-test="target"]', text: 'tour.why.target' },
    { at: '.why-methods', text: 'tour.why.methods' },
    { at: '[data-test="turn"]', text: 'tour.why.turn' },
    { at: '[data-test="evidence"]', text: 'tour.why.evidence' },
    { at: '.why-methods details.code', text: 'tour.why.python' },
  ],
  plane: [
    { at: '.plane-left', text: 'tour.plane.data' },
    { at: '[data-test="points"]', text: 'tour.plane.points' },
    { at: '[data-test="activation"], [data-test="batch"]', text: 'tour.plane.settings' },
    { at: '.plane-columns', text: 'tour.plane.neurons' },
    { at: '.plane-builder', text: 'tour.plane.layers' },
    { at: '.plane-run', text: 'tour.plane.run' },
    { at: '.plane-stats', text: 'tour.plane.stats' },
    { at: '.plane-right > .panel:last-child', text: 'tour.plane.curve' },
  ],
  vanishing: [
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
  ],
  without_backprop: [
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
  ],
  glossary: [
    { at: '.terms', text: 'tour.glossary.all' },
    { at: '[data-test="terms-count"]', text: 'tour.glossary.count' },
    { at: '.terms-head input', text: 'tour.glossary.search', set: (store) => ({ 'glossary.search': t(store, 'glossary.term.chain_rule') }) },
    { at: '.terms', text: 'tour.glossary.found' },
    { at: `${TERM} h2 span:not(.other)`, text: 'tour.glossary.name' },
    { at: `${TERM} h2 .other`, text: 'tour.glossary.other' },
    { at: `${TERM} p:not(.other)`, text: 'tour.glossary.sentence' },
    { at: '.switch', text: 'tour.glossary.language', set: { 'glossary.search': '' } },
  ],
};
