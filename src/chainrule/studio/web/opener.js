// Files that are dropped on the page, or chosen: a network, which goes on show, and rows for the network that is. Who computes reads them: the worker of a
// page without a server, or the server on this machine.
import { fill, h } from './dom.js';
import { t } from './i18n.js';
import { isNetwork } from './networks.js';
import { button, field, message, select } from './ui.js';

const isRows = ({ name }) => /\.(csv|tsv|txt)$/i.test(name);
const LABELS = { pixels: 'open.pixels', answers: 'open.answers' };   // of the guesses whose options have words

// Returns {element, button, stop}: what is said of the newest file, and a button that asks for one, made anew at each call.
/** @param {HTMLElement} root  @param {import('./store.js').Store} store */
export function opener(root, store) {
  const element = h('div.opened', { hidden: true, dataset: { test: 'opened' } }), target = h('div.drop-here', { hidden: true, 'aria-hidden': 'true' });
  let chosen = {};

  async function open(args, name) {
    store.set({ opened: { reading: name } });
    try {
      store.set({ opened: { network: await store.call('model.open', args) }, sample: null, 'sample.index': null, 'sample.drawn': null, screen: 'draw' });
    } catch (error) {
      store.set({ opened: { error: error.message } });
    }
  }

  async function bring(files) {
    const network = files.find(({ name }) => isNetwork(name)), rows = files.find(isRows), [first] = files;
    try {
      if (network) {
        chosen = {};
        await open({ upload: await store.upload(network) }, network.name);
      } else if (rows) {
        store.set({ opened: { reading: rows.name } });
        store.set({ opened: { rows: await store.call('model.rows', { upload: await store.upload(rows) }) }, sample: null, 'sample.index': null, 'sample.drawn': null, screen: 'draw' });
      } else if (first) store.set({ opened: { error: t(store, 'open.kind', { name: first.name }) } });
    } catch (error) {
      store.set({ opened: { error: error.message } });
    }
  }

  const wordOf = (key, value) => (LABELS[key] ? t(store, `${LABELS[key]}.${value}`) : value);
  const choice = ({ key, value, options }) => field(t(store, `open.guess.${key}`), select(options.map((each) => [each, wordOf(key, each)]), value, (other) => {
    chosen = { ...chosen, [key]: other };
    open({ chosen }, '');
  }, { dataset: { guess: key } }));

  function show() {
    const opened = store.get('opened'), { network, rows, error, reading } = opened || {};
    element.hidden = !opened;
    if (!opened) return;
    const words = reading !== undefined ? [t(store, 'open.reading', { name: reading })] : rows ? [t(store, 'open.rows', rows)]
      : network ? [t(store, 'open.done', { name: network.name, size: network.size.toLocaleString('en-US') }), ...(network.trial ? [t(store, 'open.trial', network.trial)] : [])] : [];
    fill(element, h('div.opened-words', { role: 'status' }, error ? message(error, 'error') : words.map((text) => h('p', text))),
    button('×', () => store.set({ opened: null }), { quiet: true, 'aria-label': t(store, 'open.close'), title: t(store, 'open.close'), 'data-test': 'opened-close' }),
    network?.guesses.length ? h('div.opened-guesses', h('p', t(store, 'open.guessed')), network.guesses.map(choice)) : null);
  }

  const lit = (is) => { target.hidden = !is; target.textContent = is ? t(store, 'open.drop') : ''; };
  const listeners = {
    dragover(event) {
      event.preventDefault();
      if (event.dataTransfer?.types.includes('Files')) lit(true);
    },
    dragleave(event) { if (!event.relatedTarget) lit(false); },
    drop(event) {
      lit(false);
      if (event.defaultPrevented) return;
      event.preventDefault();
      bring([...event.dataTransfer.files]);
    },
  };
  for (const [name, f] of Object.entries(listeners)) addEventListener(name, f);
  const offs = [store.on(['opened', 'lang'], show), store.listen('files.brought', bring)];
  root.append(target);
  return {
    element,
    button() {
      const input = h('input.visually-hidden', { type: 'file', accept: '.onnx,.safetensors,.csv,.tsv,*', tabindex: -1, 'aria-label': t(store, 'open.button'), dataset: { test: 'open-file' }, onchange: () => { if (input.files.length) bring([...input.files]); input.value = ''; } });
      const label = t(store, 'open.button');
      return [input, button([h('span.wide', label), h('span.narrow', { 'aria-hidden': 'true' }, '⤒')], () => input.click(), { quiet: true, title: t(store, 'open.button_title'), 'aria-label': label, 'data-test': 'open' })];
    },
    stop() {
      for (const [name, f] of Object.entries(listeners)) removeEventListener(name, f);
      offs.forEach((off) => off());
    },
  };
}
