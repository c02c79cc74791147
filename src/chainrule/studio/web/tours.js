// The tours of the screens, by the screen's name; tour.js says what a step is.
import { tour as backprop } from './screens/backprop.tour.js';
import { tour as draw } from './screens/draw.tour.js';
import { tour as glossary } from './screens/glossary.tour.js';
import { tour as neurons } from './screens/neurons.tour.js';
import { tour as plane } from './screens/plane.tour.js';
import { tour as train } from './screens/train.tour.js';
import { tour as vanishing } from './screens/vanishing.tour.js';
import { tour as why } from './screens/why.tour.js';
import { tour as without_backprop } from './screens/without_backprop.tour.js';

export const tours = {
  draw,
  backprop,
  train,
  neurons,
  why,
  plane,
  vanishing,
  without_backprop,
  glossary,
};
