// The tours of the screens, by the screen's name; tour.js says what a step is.
import { tour as backprop } from './screens/backprop.tour.js';
import { tour as draw } from './screens/draw.tour.js';
import { tour as glossary } from './screens/glossary.tour.js';
import { tour as neurons } from './screens/neurons.tour.js';

export const tours = {
  draw,
  backprop,
  glossary,
  neurons,
};
