// The hidden layers, to be added, removed, moved and set; a block has layers of its own.
import { h, fill } from '../dom.js';
import { has, t } from '../i18n.js';
import { button, field, marked, numberInput, select } from '../ui.js';
import { change, isPreset, layersOf, nameOf, valueOf } from './train_form.js';

const BLOCKS = { residual: [{ kind: 'dense', units: 64 }, { kind: 'relu' }, { kind: 'dense', units: 64 }] };
const OFFERED = ['dense', 'batch_norm', 'dropout', 'residual', 'scale'];
const SETTINGS = { dense: ['units'], dropout: ['rate'], leaky_relu: ['slope'], prelu: ['slope'], elu: ['alpha'], batch_norm: ['momentum'] };

const sigmoids = Array.from({ length: 6 }, () => [{ kind: 'dense', units: 48 }, { kind: 'sigmoid' }]).flat();
const PRESETS = {
  small: [{ kind: 'dense', units: 128 }, { kind: 'relu' }, { kind: 'dense', units: 32 }, { kind: 'relu' }],
  wide: [{ kind: 'dense', units: 512 }, { kind: 'relu' }, { kind: 'dense', units: 512 }, { kind: 'relu' }],
  norm: [{ kind: 'dense', units: 128 }, { kind: 'batch_norm' }, { kind: 'relu' }, { kind: 'dropout', rate: 0.2 }],
  residual: [{ kind: 'dense', units: 64 }, { kind: 'relu' }, { kind: 'residual', layers: BLOCKS.residual }, { kind: 'residual', layers: BLOCKS.residual }, { kind: 'relu' }],
  deep: sigmoids,
};

function made(kind, before) {
  const units = [...before].reverse().find((layer) => layer.kind === 'dense')?.units ?? 64;
  if (kind === 'dense') return { kind, units };
  if (kind === 'residual') return { kind, layers: BLOCKS.residual.map((layer) => (layer.kind === 'dense' ? { ...layer, units } : layer)) };
  return kind === 'dropout' ? { kind, rate: 0.2 } : { kind };
}

function kinds(store, value, onchange) {
  const options = store.get('train.options');
  const group = (label, list) => h('optgroup', { label }, list.map((kind) => h('option', { value: kind, selected: kind === value },
    kind in options.layers && OFFERED.includes(kind) ? t(store, `train.kind.${kind}`) : nameOf(store, kind))));
  return h('select', { 'aria-label': t(store, 'train.layer_kind'), onchange: (event) => onchange(event.target.value) },
    group(t(store, 'train.layers_group'), OFFERED), group(t(store, 'train.activations_group'), options.activations));
}

// An editable list of layers; `set` gets the new list.
function layerList(store, layers, set) {
  const options = store.get('train.options');
  const replace = (i, layer) => set(layers.map((old, k) => (k === i ? layer : old)));
  const move = (i, by) => {
    const next = [...layers];
    [next[i], next[i + by]] = [next[i + by], next[i]];
    set(next);
  };
  const rows = layers.map((layer, i) => h('li.layer', { dataset: { kind: layer.kind } },
    h('div.layer-row',
      kinds(store, layer.kind, (kind) => replace(i, made(kind, layers.slice(0, i)))),
      (SETTINGS[layer.kind] || []).map((name) => numberInput(layer[name] ?? (options.layers[layer.kind] || {})[name] ?? '', (value) => replace(i, { ...layer, [name]: value }),
        { 'aria-label': t(store, `train.layer.${name}`), title: t(store, `train.layer.${name}`), step: name === 'units' ? 1 : 'any', min: 0 })),
      h('span.layer-tools',
        button('↑', () => move(i, -1), { quiet: true, disabled: i === 0, 'aria-label': t(store, 'train.up') }),
        button('↓', () => move(i, 1), { quiet: true, disabled: i === layers.length - 1, 'aria-label': t(store, 'train.down') }),
        button('×', () => set(layers.filter((_, k) => k !== i)), { quiet: true, 'aria-label': t(store, 'train.remove') }))),
    layer.layers ? layerList(store, layer.layers, (inner) => replace(i, { ...layer, layers: inner })) : null));
  const last = layers[layers.length - 1];
  const next = last && last.kind === 'dense' ? 'relu' : 'dense';
  return h('ul.layers', rows, h('li', button(`+ ${t(store, 'train.add')}`, () => set([...layers, made(next, layers)]), { quiet: true, 'data-test': 'add-layer' })));
}

export const linkName = (store, kind) => (has(`train.kind.${kind}`) ? t(store, `train.kind.${kind}`) : nameOf(store, kind));

// The widths of a network that was checked, as 784 – 128 – 10.
export const widthsOf = ({ links }) => [links[0].inputs, ...links.filter((link) => link.kind === 'dense').map((link) => link.width)].join(' – ');

// Fills a panel with the layers, below the inputs and above the outputs that the data decide.
/** @param {import('../store.js').Store} store */
export function layerBuilder(store, root, checked) {
  const preset = 'preset' in store.get('train.options').defaults ? field(t(store, 'train.field.preset'), select(store.get('train.options').presets.map((name) => [name, t(store, `train.preset_name.${name}`)]), valueOf(store, 'preset'),
    (name) => change(store, { preset: name, lr: null, momentum: null, weight_decay: null, l2: null }), { dataset: { field: 'preset', test: 'preset' } })) : null;
  if (isPreset(store)) {   // its layers follow from the table
    fill(root, preset, h('p.widths', { dataset: { test: 'widths' } }, checked ? widthsOf(checked) : ''), h('p.help', marked(t(store, 'train.preset_says'))),
      checked ? h('ol.links', checked.links.map(({ kind, width }) => h('li', `${linkName(store, kind)} ${width}`))) : null);
    return;
  }
  const ends = checked ? [checked.links[0], checked.links[checked.links.length - 1]] : null;
  fill(root, preset,
    h('div.row.presets', Object.keys(PRESETS).map((name) => button(t(store, `train.preset.${name}`), () => change(store, { layers: PRESETS[name] }),
      { quiet: true, 'data-preset': name }))),
    h('p.widths', { dataset: { test: 'widths' } }, checked ? widthsOf(checked) : ''),
    h('p.end', ends ? t(store, 'train.inputs', { n: ends[0].inputs }) : ''),
    layerList(store, layersOf(store), (layers) => change(store, { layers })),
    h('p.end', ends ? t(store, 'train.outputs', { n: ends[1].width }) : ''));
}
