// What the network says: the class with its probability large, a bar for each class, or the numbers of a regression; and on a
// phone the same in a line, which stays in sight while one draws.
import { h } from '../dom.js';
import { t } from '../i18n.js';
import { number, percent } from '../format.js';

const IN_SIGHT = 11;   // rows of bars; more are scrolled

/** @param {import('../store.js').Store} store */
export function answerPanel(store, network) {
  const { task } = network.model, isNumbers = task === 'regression', labels = isNumbers ? [] : network.labels();
  const big = h(`output.answer-big${isNumbers ? '.amount' : ''}`, { dataset: { test: 'prediction' } }), sure = h('span.answer-sure');
  const target = store.get('data')?.target, isOne = isNumbers && network.model.outputs === 1;
  const names = isOne && target ? [target] : isNumbers ? Array.from({ length: network.model.outputs }, (_, k) => t(store, 'draw.output', { k })) : labels;
  const parts = names.map((name) => {
    const fillBar = h('i'), shown = h('span.bar-number');
    return { row: h('div.bar-row', h('span.bar-name', { title: name }, name), isNumbers ? null : h('span.bar-track', fillBar), shown), fillBar, shown };
  });
  const element = h('div.answer', h('div.answer-head', big, sure), h('div.bars', { tabindex: parts.length > IN_SIGHT ? 0 : null, dataset: { test: 'bars' } }, parts.map(({ row }) => row)));
  if (isOne) element.lastChild.hidden = true;   // the large number says it
  const first = h('b'), share = h('span'), next = h('span.strip-next');
  const strip = h('div.answer-strip', { 'aria-hidden': 'true', dataset: { test: 'answer-strip', covers: 'top' } }, first, share, next);

  // The second likeliest class, where there is one answer of several.
  function runnerUp(answer, best) {
    if (task !== 'multiclass' && task !== 'binary') return '';
    const other = answer.reduce((found, value, k) => (k !== best && (found < 0 || value > answer[found]) ? k : found), -1);
    return other < 0 ? '' : t(store, 'draw.runner_up', { label: labels[other], share: percent(answer[other]) });
  }

  return {
    element,
    strip,
    update(answer) {
      const best = answer.indexOf(Math.max(...answer));
      if (isNumbers) {
        big.textContent = number(answer[0], 5);
        sure.textContent = answer.length > 1 || target ? names[0] : '';
      } else if (task === 'multilabel') {
        const said = labels.filter((_, k) => answer[k] > 0.5);
        big.textContent = said.length ? said.join(', ') : '–';
        sure.textContent = '';
      } else {
        big.textContent = labels[best];
        sure.textContent = percent(answer[best]);
      }
      [first.textContent, share.textContent, next.textContent] = [big.textContent, sure.textContent, runnerUp(answer, best)];
      big.dataset.value = isNumbers ? answer[0] : labels[best];
      parts.forEach(({ row, fillBar, shown }, k) => {
        row.classList.toggle('best', !isNumbers && (task === 'multilabel' ? answer[k] > 0.5 : k === best));
        fillBar.style.transform = `scaleX(${answer[k]})`;
        shown.textContent = isNumbers ? number(answer[k], 5) : percent(answer[k]);
        row.dataset.value = answer[k];
      });
    },
  };
}
