// What to do about a problem that was found, as a change of the settings that one click makes.
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { percent } from '../format.js';
import { button } from '../ui.js';
import { change, layersOf, mapLayers, valueOf } from './train_form.js';

const SHARES = ['dead', 'saturated'];
const NOT_ACTIVATIONS = ['dense', 'batch_norm', 'dropout', 'residual', 'skip', 'scale', 'projection'];

export const isActivation = (layer) => !NOT_ACTIVATIONS.includes(layer.kind);

const swapped = (store, from, to) => ({ layers: mapLayers(layersOf(store), (layer) => [from.includes(layer.kind) ? { kind: to } : layer]) });

function normalized(store) {
  const layers = layersOf(store);
  return { layers: layers.flatMap((layer, i) => (layer.kind === 'dense' && layers[i + 1]?.kind !== 'batch_norm' ? [layer, { kind: 'batch_norm' }] : [layer])) };
}

function thinnedOut(store) {
  const layers = layersOf(store).filter((layer) => layer.kind !== 'dropout');
  return { layers: layers.flatMap((layer) => (isActivation(layer) ? [layer, { kind: 'dropout', rate: 0.3 }] : [layer])) };
}

const REMEDIES = {
  lower: (store, checked) => ({ lr: Number(((valueOf(store, 'lr') ?? checked?.lr ?? 0.001) * 0.3).toPrecision(2)) }),
  clip: () => ({ clip_norm: 1 }),
  leaky: (store) => swapped(store, ['relu'], 'leaky_relu'),
  relu: (store) => swapped(store, ['sigmoid', 'tanh'], 'relu'),
  norm: normalized,
  dropout: thinnedOut,
  early: () => ({ validation_fraction: 0.1, patience: 3 }),
  seed: (store) => ({ seed: valueOf(store, 'seed') + 1 }),
};
const FOR = { rising: ['lower', 'clip'], not_finite: ['lower', 'clip'], exploding: ['clip', 'norm'], dead: ['leaky', 'lower'], saturated: ['norm', 'relu'], vanishing: ['relu', 'norm'],
  overfitting: ['dropout', 'early'], no_gradient: ['seed', 'leaky'] };

// Adds the columns of one text to those of another, for a form that leaves some out already.
const joined = (before, more) => (before ? `${before},${more}` : more);

// Fills `root` with what the fit noticed of its table, each with a button that sets the form; none where nothing can be started.
/** @param {import('../store.js').Store} store */
export function showNotices(store, root, notices, canTrain) {
  const set = ({ exclude_columns, ...rest }) => change(store, exclude_columns ? { exclude_columns: joined(valueOf(store, 'exclude_columns'), exclude_columns) } : rest);
  const label = (change_) => Object.entries(change_).map(([name, value]) => t(store, 'train.notice_set', { field: t(store, `train.field.${name}`), value }));
  fill(root, notices.map(({ what, said, change: change_ }) => h('div.hint', { dataset: { notice: what } }, h('p', first(said[store.get('lang')] ?? said.en)),
    !canTrain || !Object.keys(change_).length ? null : h('div.row', button(label(change_), () => set(change_), { 'data-remedy': what })))));
}

const first = (text) => text[0].toUpperCase() + text.slice(1);

// Fills `root` with the hints of a run; `restart` starts anew after a remedy, null where nothing can be started.
/** @param {import('../store.js').Store} store */
export function showHints(store, root, run, checked, restart) {
  const isPreset = ![undefined, null, 'none'].includes(run.preset);   // which stops by itself, and has layers of its own
  const known = run.hints.filter((hint) => hint.code in FOR && !(isPreset && ['overfitting', 'rising'].includes(hint.code)));
  const key = JSON.stringify(known.map((hint) => [hint.code, hint.layer]));
  if (root.dataset.key === key) return;
  root.dataset.key = key;
  fill(root, known.map((hint) => h('div.hint', { dataset: { code: hint.code } },
    h('p', t(store, `train.hint.${hint.code}`, { layer: hint.layer ?? '', share: SHARES.includes(hint.code) ? percent(hint.value, 0) : '' })),
    !restart || isPreset ? null : h('div.row', FOR[hint.code].filter((remedy) => remedy !== 'early' || store.get('train.options').fields.some(({ name }) => name === 'patience')).map((remedy) => button(t(store, `train.remedy.${remedy}`), () => {
      change(store, REMEDIES[remedy](store, checked()));
      restart();
    }, { 'data-remedy': remedy }))))));
}
