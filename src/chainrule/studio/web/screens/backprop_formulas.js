// Formulas of a walk: typeset so that long ones wrap, and numbers that light up with their place in the picture.
import { h, math } from '../dom.js';
import { formula } from '../formula.js';

const SIGNS = new Set(['·', '+', '−']);

// A formula of the server. Its signs are those of mathematics, whatever the reader's language.
export function typeset(tree) {
  const made = formula(tree);
  made.setAttribute('lang', 'en');
  return made;
}

// The factors and terms of a formula: [[sign|null, tree]].
/** @param {any[]} tree */
function parts(tree) {
  const [, attributes, ...children] = tree;
  const isList = !Object.keys(attributes).length && children.some((child) => isSign(child));
  if (!isList) return null;
  const found = [];
  let sign = null;
  for (const child of children) {
    if (isSign(child)) {
      sign = child[2];
      continue;
    }
    const inner = Array.isArray(child) && child[0] === 'mrow' ? parts(child) : null;
    if (inner) found.push(...inner.map(([own, tree], k) => [k ? own : sign, tree]));
    else found.push([sign, child]);
    sign = null;
  }
  return found;
}

const isSign = (child) => Array.isArray(child) && child[0] === 'mo' && !child[1].form && SIGNS.has(child[2]);

// A sign before what it stands at, as wide as within a formula.
const before = (text) => (text ? [['mo', { form: 'infix', lspace: '0', rspace: text === '·' ? '0.2em' : '0.3em' }, text]] : []);

// A formula that may go on in the next line before a sign: each factor and term is a formula of its own. lead: a sign before all.
export function wrapped(tree, lead = null) {
  const inner = tree.length === 3 && Array.isArray(tree[2]) ? tree[2] : ['mrow', {}, ...tree.slice(2)], found = parts(inner) || [[null, inner]];
  return h('span.formula', found.map(([sign, part], k) => [' ', typeset(['math', {}, ...before(k ? sign : lead), part])]));
}

export const sign = (text) => math('math', { lang: 'en' }, math('mo', text));

// Words like "= 24" at the end of a line, which stay together.
export const whole = (...children) => h('span.whole', ...children);

const same = (mark, data) => data.link === mark.link && data.index === mark.index && (mark.role === 'weight') === (data.role === 'weight');

// Lights the numbers of the formulas below `root` that a mark is about.
export function lightFormulas(root, mark) {
  for (const element of root.querySelectorAll('[data-role].lit')) element.classList.remove('lit');
  if (!mark) return;
  for (const element of root.querySelectorAll(`[data-role][data-link="${mark.link}"]`)) if (same(mark, element.dataset)) element.classList.add('lit');
}

// Calls on(mark|null) when a mouse comes to a number of a formula or leaves it, and choose(mark) when that is clicked.
// A finger's first tap lights a number, which stays lit; tapped again it is chosen, and a tap beside the numbers ends it.
export function watchFormulas(root, on, choose) {
  let isFinger = false, tapped = null;
  const markOf = (target) => {
    const found = target.closest('[data-role]');
    return found ? { ...found.dataset } : null;
  };
  root.addEventListener('pointerdown', (event) => { isFinger = event.pointerType === 'touch'; }, true);
  root.addEventListener('pointerover', (event) => { if (event.pointerType !== 'touch') on(markOf(event.target)); });
  root.addEventListener('pointerleave', (event) => { if (event.pointerType !== 'touch') on(null); });
  root.addEventListener('click', (event) => {
    const mark = markOf(event.target);
    if (isFinger && !(mark && tapped && same(mark, tapped) && mark.role === tapped.role)) {
      tapped = mark;
      on(mark);
    } else if (mark) choose(mark);
  });
}
