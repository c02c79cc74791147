// The settings of a run: what differs from the defaults is kept in the address.
import { h } from '../dom.js';
import { has, t } from '../i18n.js';
import { number } from '../format.js';
import { field, select, numberInput } from '../ui.js';

// Names of the library's classes, the same in every language.
const NAMES = { relu: 'ReLU', leaky_relu: 'leaky ReLU', prelu: 'PReLU', elu: 'ELU', selu: 'SELU', gelu: 'GELU', gelu_tanh: 'GELU (tanh)', silu: 'SiLU', mish: 'Mish',
  softplus: 'softplus', sigmoid: 'sigmoid', tanh: 'tanh', identity: 'identity', adam: 'Adam', adamw: 'AdamW', amsgrad: 'AMSGrad', nadam: 'Nadam', sgd: 'SGD', rmsprop: 'RMSprop',
  adagrad: 'Adagrad', cmaes: 'CMA-ES' };

export const nameOf = (store, kind) => (has(`train.name.${kind}`) ? t(store, `train.name.${kind}`) : NAMES[kind] || kind.replaceAll('_', ' '));

export const formOf = (store) => store.get('train.form') || {};

/** @param {import('../store.js').Store} store */
export function valueOf(store, name) {
  const form = formOf(store), options = store.get('train.options');
  return name in form ? form[name] : options.defaults[name] ?? null;
}

// Changes settings; those at their defaults leave the address.
/** @param {import('../store.js').Store} store */
export function change(store, patch) {
  const options = store.get('train.options'), form = { ...formOf(store), ...patch };
  for (const [name, value] of Object.entries(form))
    if (value === undefined || JSON.stringify(value) === JSON.stringify(options.defaults[name] ?? null)) delete form[name];
  store.set({ 'train.form': form });
}

// Whether a table is trained by a preset, which has layers and numbers of its own.
/** @param {import('../store.js').Store} store */
export function isPreset(store) {
  return !['none', null].includes(valueOf(store, 'preset'));
}

export const layersOf = (store) => valueOf(store, 'layers') || [];

// Applies f to every layer, also to those in blocks; f returns a list of layers in its place.
export function mapLayers(layers, f) {
  return layers.flatMap((layer) => f(layer.layers ? { ...layer, layers: mapLayers(layer.layers, f) } : layer));
}

// A setting with its unit and a line of help.
function setting(store, name, control, unit) {
  const box = field(t(store, `train.field.${name}`), control);
  box.dataset.setting = name;
  box.append(h('small.help', unit ? `${unit} · ` : '', t(store, `train.help.${name}`)));
  return box;
}

function numeric(store, name, { placeholder = null, ...props }) {
  const value = valueOf(store, name);
  const input = numberInput(value ?? '', (found) => change(store, { [name]: found }), { step: 'any', placeholder, dataset: { field: name }, ...props });
  input.addEventListener('change', () => { if (input.value === '') change(store, { [name]: null }); });
  return input;
}

// What a table's rows or columns are told by: a column of it, or text.
function ofTable(store, { name, is_column }) {
  const value = valueOf(store, name) ?? '', props = { dataset: { field: name } }, keep = (found) => change(store, { [name]: found || null });
  if (!is_column) return h('input', { type: 'text', value, placeholder: '–', onchange: (event) => keep(event.target.value.trim()), ...props });
  return select([['', '–'], ...store.get('train.options').columns.map((column) => [column, column])], value, keep, props);
}

// The library's name of a setting in an optimizer, which has its default.
const ofOptimizer = (own, name) => own[name === 'lr' ? 'learning_rate' : name];

// The fields of the panel "training". `checked` is the server's answer about the form, or null.
/** @param {import('../store.js').Store} store */
export function trainingFields(store, checked) {
  const options = store.get('train.options'), optimizer = valueOf(store, 'optimizer'), own = options.optimizers[optimizer] || {}, preset = isPreset(store);
  const open = (name) => (checked && options.defaults[name] === null ? checked[name] : null);   // what the data, or the preset, decide
  const blank = (name) => (options.defaults[name] === null ? t(store, 'train.auto_short', { name: open(name) ? nameOf(store, open(name)) : '–' }) : null);
  const lists = { loss: options.losses, optimizer: Object.keys(options.optimizers), schedule: options.schedules };
  const empty = {   // what is written in a field without a number
    samples: checked ? checked.all : '', l2: 0, clip_norm: '∞', patience: (checked && checked.patience) ?? '–',
    validation_fraction: checked && checked.held_out ? checked.validation_fraction ?? 0.2 : '–',
  };
  const units = { batch_size: 'train.unit.samples', samples: 'train.unit.samples', epochs: 'train.unit.epochs', patience: 'train.unit.epochs' };
  const choose = (name) => {
    const nothing = name === 'loss' ? t(store, 'train.auto', { name: checked ? nameOf(store, checked.default_loss) : '' }) : blank(name);
    return select([...(nothing ? [['', nothing]] : []), ...lists[name].map((kind) => [kind, nameOf(store, kind)])], valueOf(store, name) ?? '',
      (value) => change(store, name === 'optimizer' ? { optimizer: value || null, lr: null, momentum: null, weight_decay: null } : { [name]: value || null }), { dataset: { field: name } });
  };
  const fill = ({ name, numbers }) => {
    const usual = ofOptimizer(own, name) ?? open(name);
    return numeric(store, name, { ...numbers, placeholder: name in empty ? empty[name] : name === 'lr' ? number(checked?.lr ?? usual, 3) : usual ?? '' });
  };
  const isThere = ({ name, of_optimizer, of_presets, of_table }) => (!of_table || (preset && options.columns.length)) && (!preset || of_presets) && (!of_optimizer || name in lists || (name === 'lr' ? !preset || optimizer : name in own));
  return options.fields.filter(isThere).map((one) => setting(store, one.name, one.of_table ? ofTable(store, one) : one.name in lists ? choose(one.name) : fill(one), one.name in units ? t(store, units[one.name]) : ''));
}
