// Break it: edits of a copy, one after the other, and how well it then does beside the untouched model.
import { createNewest } from '../calls.js';
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { number, percent, count } from '../format.js';
import { button, code, fault, field, numberInput, select } from '../ui.js';

// The edits that are in the address may be anything.
/** @param {import('../store.js').Store} store */
export function editsOf(store) {
  const found = store.get('neurons.edits');
  return Array.isArray(found) ? found : [];
}

const TOOLS = ['noise', 'round', 'biases', 'zero'];

/** @param {HTMLElement} root  @param {import('../store.js').Store} store */
export function breakIt(root, store, state) {
  const score = h('div.score', { 'aria-live': 'polite', dataset: { test: 'score' } }), classes = h('div.score-classes'), list = h('div.edits', { dataset: { test: 'edits' } });
  const python = h('div'), error = fault();
  const settings = { tool: 'noise', layer: '', sigma: 0.5, seed: 0, bits: 4 };
  const newest = createNewest();
  let last = null, built = null, canTakeBack = false;

  const put = (edits) => store.set({ 'neurons.edits': edits.length ? edits : null });
  const form = h('div.row.break-tools');

  function tools() {
    const layers = [...(settings.tool === 'zero' ? [] : [['', t(store, 'neurons.all_layers')]]), ...state.found.layers.map(({ name, last: of }) => [name, of])];
    if (!layers.some(([name]) => name === settings.layer)) settings.layer = layers[0][0];
    const set = (key) => (value) => { settings[key] = value; };
    const fields = {
      noise: () => [field(t(store, 'neurons.sigma'), numberInput(settings.sigma, set('sigma'), { min: 0, max: 10, step: 0.1, 'data-test': 'sigma' })),
        field(t(store, 'neurons.seed'), numberInput(settings.seed, set('seed'), { min: 0, step: 1, 'data-test': 'seed' }))],
      round: () => [field(t(store, 'neurons.bits'), numberInput(settings.bits, set('bits'), { min: 2, max: 16, step: 1, 'data-test': 'bits' }))],
      biases: () => [],
      zero: () => [],
    }[settings.tool]();
    fill(form,
      field(t(store, 'neurons.tool'), select(TOOLS.map((tool) => [tool, t(store, `neurons.tool_${tool}`)]), settings.tool, (tool) => { settings.tool = tool; tools(); }, { dataset: { test: 'tool' } })),
      field(t(store, 'word.layer'), select(layers, settings.layer, set('layer'), { dataset: { test: 'tool-layer' } })), fields,
      button(t(store, 'neurons.break'), () => state.edit(edit()), { primary: true, 'data-test': 'break' }));
  }

  function edit() {
    const layer = settings.layer || null;
    if (settings.tool === 'noise') return { do: 'noise', layer, sigma: settings.sigma, seed: settings.seed };
    if (settings.tool === 'round') return { do: 'round', layer, bits: settings.bits };
    return { do: settings.tool, layer };
  }

  // What an edit does, in words. Edits of the address may have anything in them.
  function words(one) {
    const last_ = (name) => (state.found.layers.find((layer) => layer.name === name) || { last: String(name) }).last;
    const layer = one && one.layer ? last_(one.layer) : t(store, 'neurons.all_layers');
    switch (one && one.do) {
      case 'ablate': return t(store, one.to === 'mean' ? 'neurons.edit_mean' : 'neurons.edit_zero', { j: one.neuron, layer });
      case 'set': return one.row === null || one.row === undefined ? t(store, 'neurons.edit_bias', { j: one.neuron, layer, value: number(one.value, 4) })
        : t(store, 'neurons.edit_weight', { i: one.row, j: one.neuron, layer, value: number(one.value, 4) });
      case 'noise': return t(store, 'neurons.edit_noise', { layer, sigma: one.sigma, seed: one.seed });
      case 'round': return t(store, 'neurons.edit_round', { layer, bits: one.bits });
      case 'biases': return t(store, 'neurons.edit_biases', { layer });
      case 'zero': return t(store, 'neurons.edit_layer', { layer });
      default: return t(store, 'neurons.edit_unknown');
    }
  }

  function chips() {
    const edits = editsOf(store);
    fill(list, edits.length ? h('ol', edits.map((one, at) => h('li.chip', h('span', words(one)),
      h('button', { type: 'button', 'aria-label': t(store, 'neurons.take_out', { what: words(one) }), onclick: () => put(edits.filter((_, i) => i !== at)) }, '×')))) : h('p.soft', t(store, 'neurons.no_edits')),
    h('div.row', button(t(store, 'neurons.undo'), () => put(edits.slice(0, -1)), { disabled: !edits.length, 'data-test': 'undo' }),
      button(t(store, 'neurons.restore'), () => put([]), { disabled: !edits.length, 'data-test': 'restore' }),
      button(t(store, 'neurons.keep'), keep, { disabled: !edits.length, quiet: true, title: t(store, 'neurons.keep_says'), 'data-test': 'keep' }),
      canTakeBack ? button(t(store, 'neurons.back'), takeBack, { quiet: true, title: t(store, 'neurons.back_says'), 'data-test': 'back' }) : null));
  }

  async function keep() {
    await attempt(async () => {
      await store.call('neurons.keep', { edits: editsOf(store) });
      put([]);
    });
  }

  const takeBack = () => attempt(() => store.call('neurons.back'));

  async function attempt(what) {
    try {
      await what();
      error.say(null);
    } catch (problem) {
      error.failed(problem);
    }
  }

  function scores({ before, after, changed, n, metric }) {
    const shares = metric === 'accuracy', show = (v) => (shares ? percent(v, 2) : number(v, 4));
    const difference = after.score - before.score, better = shares ? difference > 0 : difference < 0;
    const sign = difference === 0 ? '' : better ? '.good' : '.bad';
    fill(score,
      h('div.big', h('span.name', t(store, `neurons.metric_${metric}`)), h('span.before', { dataset: { test: 'before', value: before.score } }, show(before.score)), h('span.arrow', { 'aria-hidden': 'true' }, '→'),
        h(`strong.after${sign}`, { dataset: { test: 'after', value: after.score } }, show(after.score))),
      h('div.small', h('span', t(store, 'word.loss')), h('span', { dataset: { value: before.loss } }, number(before.loss, 4)), h('span', { 'aria-hidden': 'true' }, '→'),
        h('b', { dataset: { test: 'loss-after', value: after.loss } }, number(after.loss, 4))),
      changed === null ? null : h('div.small', { dataset: { test: 'changed', value: changed } }, t(store, 'neurons.changed', { changed: count(changed), n: count(n) })));
  }

  function byClass({ before, after, labels }) {
    if (!before.by_class) {
      fill(classes);
      return;
    }
    const points = (v) => `${v > 0 ? '+' : '−'}${Math.abs(100 * v).toFixed(Math.abs(v) < 0.0995 ? 1 : 0)}`;
    fill(classes, h('h2.quiet', t(store, 'neurons.score_by_class')), h('div.class-columns', { dataset: { test: 'by-class' } }, labels.map((label, c) => {
      const was = before.by_class[c], is = after.by_class[c], difference = is - was;
      const says = t(store, 'neurons.class_score', { label, before: percent(was), after: percent(is) });
      return h('div.class-column', { title: says, dataset: { value: is } },
        h('div.column', { role: 'img', 'aria-label': says }, h(`i${difference < 0 ? '.bad' : ''}`, { style: { height: `${100 * is || 0}%` } }), h('i.was', { style: { bottom: `${100 * was || 0}%` } })),
        h('span', label), h(`span.delta${difference < 0 ? '.bad' : '.good'}`, difference ? points(difference) : ''));
    })));
  }

  async function show(what) {
    if (what === 'neuron') return;
    if (!built) {
      built = true;
      fill(root, h('section.panel.break', { 'aria-label': t(store, 'neurons.break_title') },
        h('div.break-score', score), classes,
        h('div.break-edits', h('h2', t(store, 'neurons.break_title')), list, error.element),
        h('div.break-form', form, python)));
    }
    if (last !== state.found) {
      last = state.found;
      tools();
    }
    chips();
    await newest.ask(Promise.all([store.call('neurons.try', { edits: editsOf(store) }), store.call('neurons.kept')]), ([found, { kept }]) => {
      canTakeBack = kept;
      error.say(null);
      scores(found);
      byClass(found);
      chips();
      fill(python, code(store, found.code));
    }, error.say);
  }

  return { show };
}
