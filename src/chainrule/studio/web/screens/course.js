// The contents of the course: every step by its title, and where it leads.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { button } from '../ui.js';
import { steps } from '../course_steps.js';
import { stepsOf } from '../tour.js';

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function course(root, store) {
  const here = stepsOf(store, steps), at = store.get('course');
  const open = (step) => store.set({ course: step.name, screen: step.screen });
  const first = here.find(({ name }) => name === at) || here[0];
  const entry = (step) => h('li.panel.course-entry', { dataset: { step: step.name } },
    h('div', h('h2', t(store, `course.step.${step.name}.title`)), h('p', t(store, `course.step.${step.name}.text`)), h('p.soft', t(store, 'course.on_screen', { screen: t(store, `screen.${step.screen}`) }))),
    here.includes(step) ? button(t(store, 'course.open'), () => open(step), { 'aria-label': t(store, 'course.open_step', { title: t(store, `course.step.${step.name}.title`) }), 'aria-current': step.name === at ? 'step' : null }) : h('p.soft', t(store, 'course.not_here')));
  fill(root, first ? h('div.row.course-begin', button(t(store, at ? 'course.go_on' : 'course.begin'), () => open(first), { primary: true, 'data-test': 'course-begin' }), h('p.soft', t(store, 'course.about', { n: steps.length }))) : null,
    h('ol.course-list', { dataset: { test: 'course-list' } }, steps.map(entry)));
  return () => {};
}
