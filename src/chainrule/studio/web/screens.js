// Every screen: what shows it, the group that it stands in, its keys in the address, whether it needs nobody who computes (`alone`), and what it cannot do without
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
  course: { show: course, group: 'learn', glyph: '◎' },
  draw: { show: draw, group: 'inside', glyph: '✎', url: drawUrl, alone: true },
  train: { show: train, group: 'train', glyph: '↻', url: trainUrl },
  backprop: { show: backprop, group: 'inside', glyph: '∂', url: backpropUrl, needs: 'model' },
  vanishing: { show: vanishing, group: 'train', glyph: '▟', url: vanishingUrl },
  without_backprop: { show: without_backprop, group: 'train', glyph: '⚄', url: withoutUrl },
  neurons: { show: neurons, group: 'inside', glyph: '⬡', url: neuronsUrl, needs: 'samples' },
  why: { show: why, group: 'inside', glyph: '？', url: whyUrl, needs: 'samples' },
  plane: { show: plane, group: 'train', glyph: '◐', url: planeUrl },
  glossary: { show: glossary, group: 'learn', glyph: '文', url: glossaryUrl, alone: true },
};
