// Every screen: what shows it, its keys in the address, and whether this host can show it.
import { draw } from './screens/draw.js';
import { glossary, url as glossaryUrl } from './screens/glossary.js';

const always = () => true;

export const screens = {
  draw: { show: draw, glyph: '✎', url: [], shown: always },
  glossary: { show: glossary, glyph: '文', url: glossaryUrl, shown: always },
};
