// The course: the lesson as a path through the screens. A step is one of a tour (tour.js: at, set, needs, when) with its name, its
// screen, and `facts`: the numbers that its question and its answer are made of. Its texts are course.step.NAME with title, text, do,
// ask and answer. `example`: the chain of single neurons that is on show during the step.
import { ofChain, ofLayer, ofLoss, ofNetwork, ofNeuron, ofStep, ofWeight } from './course_facts.js';
import { loudest } from './screens/draw.tour.js';
import { after } from './screens/backprop.tour.js';

const FIRST = (store) => loudest(store, 0);

export const steps = [
  { name: 'network', screen: 'draw', at: '[data-test="network"]', facts: ofNetwork },
  { name: 'neuron', screen: 'draw', at: '[data-test="formula"]', set: FIRST, facts: ofNeuron },
  { name: 'weight', screen: 'draw', at: '[data-test="weights"]', set: FIRST, facts: ofWeight },
  { name: 'layer', screen: 'draw', at: '[data-test="network"]', set: FIRST, facts: ofLayer },
  { name: 'loss', screen: 'backprop', at: '.words', set: after('loss'), needs: 'backprop.walk', facts: ofLoss },
  { name: 'downhill', screen: 'backprop', at: '[data-test="update"]', set: after('done'), needs: 'backprop.update', facts: ofStep },
  { name: 'chain', screen: 'backprop', at: '[data-test="lines"]', set: after('done'), needs: 'backprop.example', example: 'lesson', facts: ofChain },
];

/** The step of a name.  @param {unknown} name */
export const stepOf = (name) => steps.find((step) => step.name === name);
