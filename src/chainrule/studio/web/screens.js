// Every screen: what shows it, its keys in the address, whether it needs nobody who computes (`alone`), and what it cannot do without
// (`needs`): a model, or samples of the data that the model can take.
import { backprop, url as backpropUrl } from './screens/backprop.js';
import { course } from './screens/course.js';
import { draw, url as drawUrl } from './screens/draw.js';
import { glossary, url as glossaryUrl } from './screens/glossary.js';
import { neurons, url as neuronsUrl } from './screens/neurons.js';
import { plane, url as planeUrl } from './screens/plane.js';
import { train, url as trainUrl } from './screens/train.js';
import { vanishing, url as vanishingUrl } from './screens/vanishing.js';
import { why, url as whyUrl } from './screens/why.js';
import { without_backprop, url as withoutUrl } from './screens/without_backprop.js';

export const screens = {
  course: { show: course, glyph: '◎' },
  draw: { show: draw, glyph: '✎', url: drawUrl, alone: true },
  train: { show: train, glyph: '↻', url: trainUrl },
  backprop: { show: backprop, glyph: '∂', url: backpropUrl, needs: 'model' },
  vanishing: { show: vanishing, glyph: '▟', url: vanishingUrl },
  without_backprop: { show: without_backprop, glyph: '⚄', url: withoutUrl },
  neurons: { show: neurons, glyph: '⬡', url: neuronsUrl, needs: 'samples' },
  why: { show: why, glyph: '？', url: whyUrl, needs: 'samples' },
  plane: { show: plane, glyph: '◐', url: planeUrl },
  glossary: { show: glossary, glyph: '文', url: glossaryUrl, alone: true },
};
