// What a page that was exported says of a run in place of the controls: its data, its network and its settings as text.
import { h } from '../dom.js';
import { t } from '../i18n.js';
import { count, number } from '../format.js';
import { isPreset, layersOf, nameOf, valueOf } from './train_form.js';
import { linkName } from './train_layers.js';

const isText = (store, name) => store.get('train.options').fields.some((one) => one.name === name && one.of_table);
const said = (store, name, value) => (isText(store, name) ? String(value) : name === 'preset' ? t(store, `train.preset_name.${value}`) : (Number.isInteger(value) ? count(value) : typeof value === 'number' ? number(value, 3) : nameOf(store, String(value))));

/** @param {import('../store.js').Store} store */
export function dataLine(store) {
  const data = store.get('data');
  if (data && data.columns) return t(store, 'train.table_line', { name: data.name, n: count(data.parts.train), test: count(data.parts.test), columns: count(data.columns.length), target: data.target });
  return data ? t(store, 'train.data_line', { name: data.name, n: count(data.parts.train), features: count(data.features) }) : t(store, 'train.no_data');
}

const layerOf = (store, layer) => h('li', [linkName(store, layer.kind), layer.units ?? layer.rate ?? ''].join(' '), layer.layers ? h('ul', layer.layers.map((one) => layerOf(store, one))) : null);

// {data, network, settings}: elements. checked: the server's answer about the form.
/** @param {import('../store.js').Store} store */
export function toldForm(store, checked) {
  const given = ['preset', ...store.get('train.options').fields.map(({ name }) => name)].map((name) => [name, valueOf(store, name) ?? (checked ? checked[name] : null)]).filter(([, value]) => value !== null && value !== undefined);
  return {
    data: h('p.data-line', dataLine(store)),
    network: h('ul.told', isPreset(store) ? (checked ? checked.links.map(({ kind, width }) => h('li', `${linkName(store, kind)} ${width}`)) : null) : layersOf(store).map((layer) => layerOf(store, layer))),
    settings: h('dl.told', given.map(([name, value]) => h('div', h('dt', t(store, `train.field.${name}`)), h('dd', said(store, name, value))))),
  };
}
