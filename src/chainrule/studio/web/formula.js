// MathML from trees of the server: [tag, {attributes}, ...children], where a text is a text.
import { math } from './dom.js';

const TAGS = new Set(['math', 'mrow', 'mi', 'mn', 'mo', 'mtext', 'ms', 'mspace', 'msub', 'msup', 'msubsup', 'mfrac', 'msqrt', 'mroot', 'munder', 'mover',
  'munderover', 'mtable', 'mtr', 'mtd', 'mstyle', 'mpadded', 'mphantom', 'merror', 'semantics', 'annotation']);
const ATTRIBUTES = new Set(['display', 'mathvariant', 'stretchy', 'fence', 'separator', 'form', 'lspace', 'rspace', 'width', 'height', 'depth', 'columnalign',
  'columnspacing', 'rowspacing', 'linethickness', 'displaystyle', 'scriptlevel', 'accent', 'largeop', 'movablelimits', 'symmetric', 'minsize', 'maxsize', 'class']);

export function formula(tree) {
  if (typeof tree === 'string') return document.createTextNode(tree);
  const [tag, attributes, ...children] = tree;
  if (!TAGS.has(tag)) throw new Error(`no MathML element: ${tag}`);
  const kept = {}, data = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('data-')) data[name.slice(5).replace(/-(\w)/g, (all, letter) => letter.toUpperCase())] = value;
    else if (ATTRIBUTES.has(name)) kept[name] = value;
  }
  const element = math(tag, kept, children.map(formula));
  Object.assign(element.dataset, data);
  return element;
}
