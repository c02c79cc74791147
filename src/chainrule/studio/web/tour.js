// A tour of a screen: steps whose text, view and highlighted elements move together. It leaves the screen as it found it.
//
// A step is {at, text, set, needs, when}: the selector of what it is about, the key of its text, the state that it shows
// (an object, or a function of the store that returns one), the command without which it is left out, and whether it
// applies, as a function of the store. Steps that follow keep what earlier ones have set.
import { h } from './dom.js';
import { createFrame } from './frame.js';
import { t } from './i18n.js';
import { button } from './ui.js';

const GAP = 14;      // pixels between an element and its card
const ROUND = 8;     // pixels around an element that its frame leaves
const NARROW = 760;  // pixels, as in style.css: the card lies at the bottom

/** @param {import('./store.js').Store} store */
export function stepsOf(store, steps) {
  return steps.filter(({ needs, when }) => (!needs || store.can(needs)) && (!when || when(store)));
}

// The rectangle around all elements that a step is about and that can be seen; null where there is none.
function around(root, at) {
  const boxes = [...root.querySelectorAll(at)].map((element) => element.getBoundingClientRect()).filter(({ width, height }) => width > 0 && height > 0);
  if (!boxes.length) return null;
  const left = Math.min(...boxes.map((box) => box.left)), top = Math.min(...boxes.map((box) => box.top));
  return { left, top, width: Math.max(...boxes.map((box) => box.right)) - left, height: Math.max(...boxes.map((box) => box.bottom)) - top };
}

// What scrolls an element: {box, element} from the nearest to the page itself.
function scrollers(element) {
  const found = [];
  for (let one = element.parentElement; one; one = one.parentElement) {
    const { overflowX, overflowY } = getComputedStyle(one);
    if (one === document.scrollingElement || one === document.body) break;
    const scrolls = (overflow, size, inner) => ['auto', 'scroll'].includes(overflow) && size > inner + 1;
    if (scrolls(overflowX, one.scrollWidth, one.clientWidth) || scrolls(overflowY, one.scrollHeight, one.clientHeight)) found.push(one);
  }
  return [...found, document.scrollingElement];
}

// By how much to scroll so that [start, start + size) lies between from and to; of what is too large, its beginning.
function distance(start, size, from, to) {
  const space = to - from;
  if (size >= space) return start >= from && start < from + space / 3 ? 0 : start - from;
  return start >= from && start + size <= to ? 0 : start + size / 2 - (from + to) / 2;
}

// Scrolls until the rectangle is seen between `top` and `bottom` of the window. Returns where it will be then, and how far
// the page went.
function reveal(element, box, top, bottom, smooth) {
  const moved = { ...box };
  let page = 0;
  for (const one of scrollers(element)) {
    const last = one === document.scrollingElement, frame = one.getBoundingClientRect();
    const from = last ? top : Math.max(frame.top, top), to = last ? bottom : Math.min(frame.bottom, bottom);
    const down = Math.min(Math.max(distance(moved.top, box.height, from, to), -one.scrollTop), one.scrollHeight - one.clientHeight - one.scrollTop);
    const aside = last ? 0 : distance(moved.left, box.width, frame.left, frame.right);
    if (!down && !aside) continue;
    one.scrollBy({ left: aside, top: down, behavior: smooth && last ? 'smooth' : 'instant' });
    moved.top -= down;
    moved.left -= aside;
    if (last) page = down;
  }
  return { then: moved, page };
}

// Where a card of a size goes: beside the rectangle, above or below it, or else into a corner of the window.
function place(box, width, height, top, bottom) {
  const right = document.documentElement.clientWidth;
  const middle = Math.min(Math.max(box.top + box.height / 2 - height / 2, top + GAP), bottom - height - GAP);
  const center = Math.min(Math.max(box.left + box.width / 2 - width / 2, GAP), right - width - GAP);
  const space = GAP + ROUND;
  if (box.left + box.width + space + width <= right - GAP) return [box.left + box.width + space, middle];
  if (box.top + box.height + space + height <= bottom - GAP) return [center, box.top + box.height + space];
  if (box.left - space - width >= GAP) return [box.left - space - width, middle];
  if (box.top - space - height >= top + GAP) return [center, box.top - space - height];
  return [right - width - GAP, bottom - height - GAP];
}

// Begins a tour in the studio's root, over everything else, and returns what ends it. `ended` is called when it has ended.
/** @param {any} root  @param {import('./store.js').Store} store */
export function startTour(root, store, name, allSteps, ended) {
  const steps = stepsOf(store, allSteps);
  const behind = [...root.children];
  const before = new Map();   // the state that the tour found
  let at = 0, last = '', over = false;
  const frame = createFrame(follow);

  const count = h('p.tour-count'), text = h('p.tour-text');
  const said = h('div', { 'aria-live': 'polite', 'aria-atomic': 'true', dataset: { test: 'tour-says' } }, count, text);
  const dots = h('div.tour-dots', { 'aria-hidden': 'true' }, steps.map(() => h('i')));
  const back = button(t(store, 'tour.back'), () => go(at - 1), { 'data-test': 'tour-back' });
  const next = button('', () => (at + 1 < steps.length ? go(at + 1) : end()), { primary: true, 'data-test': 'tour-next' });
  const leave = h('button.button.quiet.tour-leave', { type: 'button', onclick: () => end(), dataset: { test: 'tour-leave' } }, '×');
  const card = h('div.tour-card', { role: 'dialog', 'aria-modal': 'true', tabindex: -1 }, leave, said, h('div.tour-foot', dots, back, next));
  const hole = h('div.tour-hole', { 'aria-hidden': 'true' });
  const layer = h('div.tour', { dataset: { test: 'tour' } }, hole, card);

  const narrow = () => root.clientWidth <= NARROW;

  // The state of a step: what the tour found, and what the steps up to it set.
  function state() {
    const found = Object.fromEntries(before);
    for (const { set } of steps.slice(0, at + 1)) {
      for (const [key, value] of Object.entries(typeof set === 'function' ? set(store) : set || {})) {
        if (!before.has(key)) before.set(key, store.get(key));
        found[key] = value;
      }
    }
    return found;
  }

  function write() {
    card.setAttribute('aria-label', t(store, 'tour.of', { name: t(store, `screen.${name}`) }));
    count.textContent = t(store, 'tour.step', { n: at + 1, all: steps.length });
    text.textContent = t(store, steps[at].text);
    back.textContent = t(store, 'tour.back');
    next.textContent = t(store, at + 1 < steps.length ? 'tour.next' : 'tour.done');
    leave.setAttribute('aria-label', t(store, 'tour.leave'));
    if (at === 0 && root.getRootNode().activeElement === back) next.focus();
    back.disabled = at === 0;
    [...dots.children].forEach((dot, i) => dot.classList.toggle('on', i === at));
  }

  function go(to) {
    at = to;
    last = '';
    layer.dataset.step = at;
    layer.dataset.found = 'false';
    store.set(state());
    write();
  }

  // Puts frame and card where the elements are, and shows these: in `box`, or nowhere.
  function arrange(box, own) {
    const [bar] = root.children, element = box && root.querySelector(steps[at].at);
    const small = narrow(), still = !store.get('motion');
    layer.classList.toggle('still', still);
    layer.classList.toggle('narrow', small);
    layer.dataset.found = String(Boolean(box));
    hole.hidden = !box;
    for (const side of ['left', 'top']) if (small) card.style.removeProperty(side);   // it lies at the bottom, and the page ends above it
    root.style.paddingBottom = small ? `${card.offsetHeight}px` : '';
    if (!box && !small) {
      card.style.left = `${(own.width - card.offsetWidth) / 2}px`;
      card.style.top = `${Math.max(-own.top, 0) + innerHeight / 3}px`;
    }
    if (!box) return;
    const covered = bar.firstChild.getBoundingClientRect().bottom, tabs = small ? root.querySelector('aside').offsetHeight : 0, kept = root.querySelector('[data-covers="top"]')?.offsetHeight ?? 0;
    const top = bar.contains(element) ? 0 : Math.max(covered, 0) + tabs + kept + ROUND, bottom = innerHeight - (small ? card.offsetHeight : 0) - ROUND;
    const { then, page } = reveal(element, box, top, bottom, !still);
    const sides = { left: box.left - own.left - ROUND, top: box.top - own.top - ROUND, width: box.width + 2 * ROUND, height: box.height + 2 * ROUND };
    for (const [side, value] of Object.entries(sides)) hole.style[side] = `${value}px`;
    if (small) return;
    const [x, y] = place(then, card.offsetWidth, card.offsetHeight, 0, innerHeight);
    card.style.left = `${x - own.left}px`;
    card.style.top = `${y - own.top + page}px`;
  }

  // Follows the elements where they are; they may come later, and move.
  function follow() {
    frame.ask();
    const box = around(root, steps[at].at), own = root.getBoundingClientRect();
    const sizes = [own.width, innerWidth, innerHeight, card.offsetHeight];
    const form = (box ? [box.left - own.left, box.top - own.top, box.width, box.height, ...sizes] : sizes).map(Math.round).join(' ');
    if (form !== last) arrange(box, own);
    last = form;
  }

  function keys(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === 'Escape') end();
    else if (by && steps[at + by]) go(at + by);
    else if (event.key === 'Tab') {
      const stops = [leave, back, next].filter((one) => !one.disabled), here = stops.indexOf(root.getRootNode().activeElement);
      stops[(here + (event.shiftKey ? stops.length - 1 : 1)) % stops.length].focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();   // in a notebook these keys mean something else
  }

  function end() {
    if (over) return;
    over = true;
    frame.stop();
    offs.forEach((off) => off());
    for (const one of behind) one.inert = false;
    layer.remove();
    root.style.paddingBottom = '';
    store.set(Object.fromEntries(before));
    ended();
  }

  const offs = [store.on('lang', write), store.on('screen', end)];
  layer.addEventListener('keydown', keys);
  layer.addEventListener('mousedown', (event) => { if (!card.contains(event.target)) event.preventDefault(); });   // the card keeps the focus
  for (const one of behind) one.inert = true;
  root.append(layer);
  go(0);
  next.focus();
  follow();
  return end;
}
