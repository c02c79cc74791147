// Buttons, keys and words of a walk: first, back, play, next, last; a sentence for the step at hand.
import { h, fill, svg } from '../dom.js';
import { t } from '../i18n.js';
import { slider } from '../ui.js';

const PAUSE = 1600;   // milliseconds of a step at speed 1
const PHASES = { input: 'backprop.phase_forward', forward: 'backprop.phase_forward', loss: 'backprop.phase_loss', error: 'backprop.phase_back', back: 'backprop.phase_back', update: 'backprop.phase_update' };
const CONTROLS = [['first', 'backprop.first'], ['back', 'backprop.back'], ['play', 'backprop.play'], ['next', 'backprop.next'], ['last', 'backprop.last']];
const SHAPES = { first: 'M3 2h2v10H3zM12 2v10L6 7z', back: 'M10 2v10L4 7z', play: 'M4 2v10l7-5z', pause: 'M3 2h3v10H3zM8 2h3v10H8z', next: 'M4 2v10l6-5z', last: 'M2 2v10l6-5zM9 2h2v10H9z' };

const icon = (name) => svg('svg', { viewBox: '0 0 14 14', width: 14, height: 14, 'aria-hidden': 'true' }, svg('path', { d: SHAPES[name], fill: 'currentColor' }));

// go(at): to a step.  keysOn: where keys are heard.  Returns {element, show(steps, at, sentence), arrive(), pause(), stop}.
/** @param {import('../store.js').Store} store */
export function player(store, { go, keysOn }) {
  const sentence = h('p.sentence', { 'aria-live': 'polite', dataset: { test: 'sentence' } }), phase = h('span.phase', { dataset: { test: 'phase' } }), place = h('span.place', { dataset: { test: 'step' } });
  const track = h('div.track', { 'aria-hidden': 'true' });
  const buttons = Object.fromEntries(CONTROLS.map(([name, key]) => [name, h(`button.button.control.${name}`, { type: 'button', 'aria-label': t(store, key), title: t(store, key), dataset: { test: `go-${name}` }, onclick: () => act(name) }, icon(name))]));
  const speed = slider(store.get('backprop.speed'), { min: 0.5, max: 4, step: 0.5, format: (value) => `${value} ×`, oninput: (value) => store.set({ 'backprop.speed': value }), 'aria-label': t(store, 'backprop.speed') });
  const element = h('div.player', h('div.row.controls', { role: 'group', 'aria-label': t(store, 'backprop.walk') }, Object.values(buttons), speed), track, h('div.words', h('div.row', phase, place, h('span.hint.keys', t(store, 'backprop.keys'))), sentence));
  let count = 0, at = 0, timer = 0, isPlaying = false, hasArrived = false;

  function playing(wanted) {
    isPlaying = wanted;
    clearTimeout(timer);
    const label = t(store, wanted ? 'backprop.pause' : 'backprop.play');
    buttons.play.setAttribute('aria-label', label);
    buttons.play.title = label;
    buttons.play.classList.toggle('on', wanted);
    fill(buttons.play, icon(wanted ? 'pause' : 'play'), h('span.word', label));
    if (wanted) timer = setTimeout(tick, PAUSE / store.get('backprop.speed'));
  }

  function tick() {
    if (at < count - 1) go(at + 1);
    if (at + 1 >= count - 1) playing(false);
    else timer = setTimeout(tick, PAUSE / store.get('backprop.speed'));
  }

  function act(name) {
    if (name === 'play') {
      if (!isPlaying && at >= count - 1) go(0);
      playing(!isPlaying);
      return;
    }
    playing(false);
    go({ first: 0, back: at - 1, next: at + 1, last: count - 1 }[name]);
  }

  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !count) return;
    if (event.target.closest && event.target.closest('input, select, textarea, [role="tablist"], [role="dialog"], [contenteditable], pre, .equations')) return;
    const name = { ArrowRight: 'next', ArrowLeft: 'back', Home: 'first', End: 'last' }[event.key];
    if (name) act(name);
    else if (event.key === ' ' && !event.target.closest('button, a, summary')) act('play');
    else return;
    event.preventDefault();
  }

  keysOn.addEventListener('keydown', keys);
  playing(false);

  return {
    element,
    show(steps, now, text) {
      count = steps.length;
      at = now;
      sentence.textContent = text;
      phase.textContent = t(store, PHASES[steps[at].way]);
      phase.dataset.phase = steps[at].way;
      place.textContent = t(store, 'backprop.step', { at: at + 1, all: count });
      buttons.first.disabled = buttons.back.disabled = at === 0;
      buttons.next.disabled = buttons.last.disabled = at === count - 1;
      fill(track, steps.map(({ way }, k) => h(`i.${way === 'input' ? 'forward' : way === 'error' ? 'back' : way}${k <= at ? '.done' : ''}`)));
    },
    // On arrival the walk begins to move by itself, for those who do not mind motion and did not come to a certain step.
    arrive() {
      if (hasArrived) return;
      hasArrived = true;
      if (store.get('motion') && at === 0) playing(true);
    },
    pause: () => playing(false),
    stop() {
      clearTimeout(timer);
      keysOn.removeEventListener('keydown', keys);
    },
  };
}
