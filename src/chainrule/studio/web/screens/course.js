// The contents of the course: every step by its title, and where it leads.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { button } from '../ui.js';
import { keepSolved, solvedSteps } from '../course_progress.js';
import { steps } from '../course_steps.js';
import { stepsOf } from '../tour.js';

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function course(root, store) {
  const here = stepsOf(store, steps), at = store.get('course'), solved = solvedSteps().filter((name) => steps.some((step) => step.name === name));
  const open = (step) => store.set({ course: step.name, screen: step.screen });
  const first = here.find(({ name }) => name === at) || here[0];
  const entry = (step) => h('li.panel.course-entry', { dataset: { step: step.name } },
    h('div', h('h2', t(store, `course.step.${step.name}.title`), solved.includes(step.name) ? h('span.course-solved', { role: 'img', 'aria-label': t(store, 'course.solved') }, ' ✓') : null), h('p', t(store, `course.step.${step.name}.goal`)),
      h('p.soft', t(store, 'course.minutes', { n: step.minutes }), ' · ', t(store, 'course.on_screen', { screen: t(store, `screen.${step.screen}`) }))),
    here.includes(step) ? button(t(store, 'course.open'), () => open(step), { 'aria-label': t(store, 'course.open_step', { title: t(store, `course.step.${step.name}.title`) }), 'aria-current': step.name === at ? 'step' : null }) : h('p.soft', t(store, 'course.not_here')));
  fill(root, first ? h('div.row.course-begin', button(t(store, at ? 'course.go_on' : 'course.begin'), () => open(first), { primary: true, 'data-test': 'course-begin' }), h('p.soft', t(store, 'course.about', { n: steps.length }))) : null,
    solved.length ? h('div.row.course-begin', h('p.soft', { dataset: { test: 'course-progress' } }, t(store, 'course.progress', { n: solved.length, all: steps.length })), button(t(store, 'course.forget'), () => { keepSolved([]); course(root, store); }, { quiet: true, 'data-test': 'course-forget' })) : null,
    h('ol.course-list', { dataset: { test: 'course-list' } }, steps.map(entry)));
  return () => {};
}
