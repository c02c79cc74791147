// The course beside the screens: the step at hand with its sentence, what to do, a question, and an answer made of the screen's numbers.
import { numberOf } from './arithmetic.js';
import { beginAt, h, fill, write } from './dom.js';
import { agreeing, raw, t } from './i18n.js';
import { button } from './ui.js';
import { judged } from './course_facts.js';
import { keepSolved, solvedSteps } from './course_progress.js';
import { stepOf, steps } from './course_steps.js';
import { isServed } from './store.js';
import { stepsOf } from './tour.js';

const FOLLOWED = ['network', 'model', 'data', 'sample', 'neuron', 'weight', 'screen', 'shown.backprop', 'backprop.row', 'backprop.rate', 'shown.plane', 'shown.vanishing', 'shown.without_backprop', 'course.widths'];
const PAUSE = 250;   // milliseconds between two changes of what is read, as on the screens
const FLASH = 1600;   // milliseconds that what a step is about stays framed

/** The steps that this host can show.  @param {import('./store.js').Store} store  @param {(screen: string) => boolean} offered */
const courseOf = (store, offered) => stepsOf(store, steps.filter(({ screen }) => offered(screen)));

/** The address of a step, for others to open.  @param {import('./store.js').Store} store */
const addressOf = (store, name) => `${location.href.split('#')[0]}#${new URLSearchParams({ course: name, lang: store.get('lang') })}`;

// A text of a step with its values in it, each factor in its color.
function rich(store, key, values) {
  return agreeing(raw(store, key), values).split(/\{(\w+)\}/).map((part, k) => {
    const value = k % 2 ? values[part] : part;
    return value && typeof value === 'object' ? h(`b.factor.${value.factor}`, value.text) : value;
  });
}

// Returns {element, stop}: the step at hand; on a phone a strip below the screen leads to it. offered(screen): whether the host can show it.  given: the keys
// of the state that came with the address.
/** @param {HTMLElement} root  @param {import('./store.js').Store} store  @param {(screen: string) => boolean} offered  @param {Set<string>} given */
export function courseMode(root, store, offered, given) {
  const element = h('section.course', { hidden: true, dataset: { test: 'course' } }), strip = h('div.course-strip');
  let step = null, isOpen = false, asked = '', pending = null, wanted = undefined, flash = 0, picture = null, seen = 0, late = 0, asking = undefined;   // pending: the keys that stay as they are, of a step that waits for the network or a sample; wanted: the example that is to come, null for none
  const title = h('p.course-title', { tabindex: -1, dataset: { test: 'course-title' } });
  const problem = h('p.message.error', { role: 'alert', hidden: true });
  const question = h('p.course-question', { dataset: { test: 'course-question' } }), answer = h('div.course-answer', { 'aria-live': 'polite', dataset: { test: 'course-answer' } });
  const verdict = h('p.course-verdict', { role: 'status', dataset: { test: 'course-verdict' } });
  const guess = h('input', { type: 'text', inputmode: 'text', autocomplete: 'off', dataset: { test: 'course-guess' } });
  const tried = h('form.row.course-try', { onsubmit: (event) => { event.preventDefault(); judge(); } }), reveal = button('', () => { isOpen = !isOpen; follow(); }, { quiet: true, 'data-test': 'course-reveal' });
  const elsewhere = h('div.course-elsewhere');

  const onShow = () => store.get('model')?.example || null;   // the example in the network's place
  const key = (part, form = '') => `course.step.${step.name}.${part}${form && `_${form}`}`;
  const isHere = () => store.get('screen') === step.screen && (wanted !== undefined || !step.example || onShow() === step.example);
  const found = () => (isHere() && wanted === undefined ? step.facts(store) : null);

  function judge() {
    const facts = found(), given = numberOf(guess.value);
    if (!facts || facts.expected === undefined) return;
    const slip = Object.entries(facts.slips || {}).find(([, value]) => value === given && value !== facts.expected);
    const kind = Number.isNaN(given) ? 'number' : slip ? 'wrong' : judged(given, facts.expected);
    verdict.className = `course-verdict ${kind}`;
    verdict.dataset.verdict = kind;
    verdict.textContent = t(store, `course.verdict.${slip ? slip[0] : kind}`);
    if (kind === 'right') {
      isOpen = true;
      keepSolved([...solvedSteps(), step.name]);
    }
    follow();
  }

  // The texts follow a network that trains at most four times a second.
  function soon() {
    if (late || !step) return;
    const wait = seen + PAUSE - performance.now();
    if (wait > 0) late = setTimeout(() => { late = 0; follow(); }, wait);
    else follow();
  }

  // The texts with the numbers that there are now.
  function follow() {
    if (!step) return;
    seen = performance.now();
    const facts = found(), isThere = isHere(), where_ = store.get('screen') === step.screen ? t(store, 'backprop.example') : t(store, `screen.${step.screen}`);
    fill(elsewhere, isThere ? null : h('p', t(store, 'course.elsewhere', { screen: where_ })), isThere ? null : button(t(store, 'course.return'), () => enter(step), { primary: true, 'data-test': 'course-return' }));
    const text = facts ? rich(store, key('ask', facts.form), facts.values) : [t(store, 'course.wait')], plain = text.map((part) => part?.textContent ?? part).join('');
    if (plain !== asked) {
      asked = plain;
      fill(question, text);
      verdict.textContent = '';
      delete verdict.dataset.verdict;
    }
    if (picture && isThere) picture.show();
    tried.hidden = !facts || facts.expected === undefined;
    reveal.hidden = !facts;
    reveal.setAttribute('aria-expanded', String(isOpen));
    write(reveal, t(store, isOpen ? 'course.hide' : 'course.reveal'));
    fill(answer, facts && isOpen ? h('p', { dataset: { expected: facts.expected ?? '' } }, rich(store, key('answer', facts.form), facts.values)) : null);
  }

  // Shows the state that a step sets, as soon as there is what it is taken from; what an address has given stays.
  function apply() {
    const isTaken = typeof step?.set === 'function';
    if (!pending || (isTaken && (wanted !== undefined || !store.get('network')))) return;
    const state = isTaken ? step.set(store) : step.set || {};
    if (isTaken && !Object.keys(state).length) return;
    store.set(Object.fromEntries(Object.entries(state).filter(([name]) => !pending.has(name))));
    pending = null;
  }

  // Puts the example that a step is about in the network's place, or the network back, as soon as it is known what is on show.
  async function show() {
    const next = wanted;
    if (next === undefined || (isServed(store.host) && !store.get('isKnown'))) return;
    if (!store.can('backprop.example') || onShow() === next) {
      wanted = undefined;
      apply();
      follow();
    } else if (asking !== next) {
      asking = next;
      try {
        if (next) await store.call('backprop.example', { kind: next });
        else await store.call('backprop.example_end');
      } catch (error) {
        wanted = undefined;
        if (error.message === 'lost' || !next) return;
        problem.hidden = false;
        problem.textContent = error.message;
        follow();
      } finally {
        asking = undefined;
      }
    }
  }

  // kept: the keys of the state that stay as they are.
  function enter(next, kept = new Set()) {
    const isOther = step !== next;
    step = next;
    if (isOther) {
      isOpen = false;
      guess.value = '';
      asked = '';
      problem.hidden = true;
    }
    store.set({ course: step.name, screen: step.screen });
    pending = kept;
    wanted = step.example || null;
    apply();
    show();
    build();
  }

  function where() {
    const about = root.querySelector(step.at);
    if (!about) return;
    about.classList.add('course-here');
    about.scrollIntoView({ block: 'start', behavior: store.get('motion') ? 'smooth' : 'instant' });
    clearTimeout(flash);
    flash = setTimeout(() => about.classList.remove('course-here'), FLASH);
  }

  async function copy(event) {
    const copied = event.currentTarget;
    await navigator.clipboard.writeText(addressOf(store, step.name));
    copied.textContent = t(store, 'common.copied');
  }

  const go = (to) => {
    enter(to);
    begin();
  };

  function begin() {
    element.scrollTop = 0;
    beginAt(title, store.host);   // on another screen its name will have the focus
  }

  function build() {
    const all = courseOf(store, offered), at = all.indexOf(step);
    element.hidden = false;
    if (!strip.isConnected) root.append(strip);
    element.parentElement?.classList.add('in-course');
    element.setAttribute('aria-label', t(store, 'screen.course'));
    picture = step.figure ? step.figure(store) : null;
    fill(title, t(store, key('title')));
    fill(tried, h('label', t(store, 'course.guess'), guess), button(t(store, 'course.check'), judge, { 'data-test': 'course-check' }));
    const back = button(t(store, 'tour.back'), () => go(all[at - 1]), { disabled: at <= 0, 'data-test': 'course-back' });
    const next = at + 1 < all.length ? button(t(store, 'tour.next'), () => go(all[at + 1]), { primary: true, 'data-test': 'course-next' }) : button(t(store, 'tour.done'), leave, { primary: true, 'data-test': 'course-next' });
    fill(element, h('div.course-head', h('span', t(store, 'course.step_of', { n: at + 1, all: all.length })),
      button(t(store, 'course.contents'), () => store.set({ screen: 'course' }), { quiet: true, 'data-test': 'course-contents' }),
      h('button.button.quiet.course-leave', { type: 'button', 'aria-label': t(store, 'course.leave'), onclick: leave, dataset: { test: 'course-leave' } }, '×')),
    title, h('p.course-goal', t(store, 'course.minutes', { n: step.minutes }), ' · ', t(store, key('goal'))), h('p.course-text', t(store, key('text'))), h('p.course-do', t(store, key('do')), button(t(store, 'course.where'), where, { quiet: true, 'data-test': 'course-where' })), elsewhere, problem, picture && picture.element,
    h('div.course-ask', question, tried, verdict, reveal, answer),
    h('div.row.course-foot', back, next, h('span.course-links', location.protocol === 'about:' || store.host.kind === 'notebook' ? null : button(t(store, 'course.link'), copy, { quiet: true, 'data-test': 'course-link' }),
      button(t(store, 'course.print'), () => print(), { quiet: true, 'data-test': 'course-print' }))));
    fill(strip, button([h('b', `${at + 1}/${all.length}`), ' ', t(store, key('title'))], () => title.scrollIntoView({ block: 'center' }), { quiet: true }), at + 1 < all.length ? button(t(store, 'tour.next'), () => go(all[at + 1]), { primary: true }) : null);
    follow();
  }

  function leave() {
    store.set({ course: null });
  }

  function close() {
    if (step.example) wanted = null;
    step = pending = null;
    element.hidden = true;
    strip.remove();
    element.parentElement?.classList.remove('in-course');
    show();
  }

  const offs = [
    store.on('course', () => {
      const wanted = stepOf(store.get('course'));
      if (!wanted && step) close();
      else if (wanted && wanted !== step) enter(wanted);
    }),
    store.on(['lang', 'theme'], () => { if (step) { asked = ''; verdict.textContent = ''; build(); } }),
    store.on(['network', 'sample'], apply),
    store.on(['model', 'isKnown'], show),
    store.on(FOLLOWED, soon),
    store.on('isKnown', () => { if (step) build(); }),
  ];
  const first = stepOf(store.get('course'));
  if (first) queueMicrotask(() => enter(first, given));   // once the host and the frame are there
  // given: the keys of an address that has come in this page.
  function open(fresh) {
    const to = stepOf(store.get('course'));
    if (!to || store.get('screen') !== to.screen) return;
    enter(to, fresh);
    begin();
  }
  return { element, open, stop: () => { clearTimeout(flash); clearTimeout(late); offs.forEach((off) => off()); } };
}
