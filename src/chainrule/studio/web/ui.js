// Controls that all screens share. Each is an element; labels come as texts that are already in the reader's language.
import { h, fill } from './dom.js';
import { t } from './i18n.js';
import { isNetwork } from './networks.js';

/** @param {any} label  @param {(event: any) => void} onclick  @param {import('./dom.js').Props & {primary?: boolean, quiet?: boolean}} [props] */
export function button(label, onclick, { primary = false, quiet = false, ...props } = {}) {
  return h(`button.button${primary ? '.primary' : ''}${quiet ? '.quiet' : ''}`, { type: 'button', onclick, ...props }, label);
}

let fields = 0;

export function field(label, control) {
  const own = control.matches('input, select, textarea') ? control : control.querySelector('input, select, textarea') || control;   // of a slider, its input
  const id = own.id || `field-${++fields}`;
  own.id = id;
  return h('div.field', h('label', { for: id }, label), control);
}

// options: [[value, label], …]
/** @param {any[][]} options  @param {any} value  @param {(value: string) => void} onchange  @param {import('./dom.js').Props} [props] */
export function select(options, value, onchange, props = {}) {
  return h('select', { onchange: (event) => onchange(event.target.value), ...props },
    options.map(([key, label]) => h('option', { value: key, selected: String(key) === String(value) }, label)));
}

/** @param {number} value  @param {import('./dom.js').Props & {step?: number, format?: (value: number) => string, oninput: (value: number) => void}} props */
export function slider(value, { min, max, step = 1, format = String, oninput, ...props }) {
  const shown = h('output', format(value));
  const input = h('input', { type: 'range', min, max, step, value, ...props,
    oninput: (event) => { shown.textContent = format(Number(event.target.value)); oninput(Number(event.target.value)); } });
  return h('span.slider', input, shown);
}

/** @param {number | ''} value  @param {(value: number) => void} onchange  @param {import('./dom.js').Props} [props] */
export function numberInput(value, onchange, props = {}) {
  return h('input', { type: 'number', value, onchange: (event) => { if (event.target.value !== '' && event.target.checkValidity()) onchange(Number(event.target.value)); }, ...props });
}

/** @param {any} label  @param {boolean} checked  @param {(value: boolean) => void} onchange  @param {import('./dom.js').Props} [props] */
export function toggle(label, checked, onchange, props = {}) {
  return h('label.toggle', h('input', { type: 'checkbox', checked, onchange: (event) => onchange(event.target.checked), ...props }), h('span', label));
}

export function panel(title, ...children) {
  return h('section.panel', title ? h('h2', title) : null, children);
}

// One of several views: options [[key, label], …].
/** @param {string[][]} options  @param {string} value  @param {(key: string) => void} onchange  @param {string} label */
export function tabs(options, value, onchange, label) {
  const list = h('div.tabs', { role: 'tablist', 'aria-label': label });
  const show = (chosen) => fill(list, options.map(([key, text]) => h('button', {
    type: 'button', role: 'tab', 'aria-selected': String(key === chosen), tabindex: key === chosen ? 0 : -1, dataset: { key },
    onclick: () => { show(key); onchange(key); },
  }, text)));
  list.addEventListener('keydown', (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!move) return;
    const all = [...list.children], at = all.findIndex((tab) => tab.getAttribute('aria-selected') === 'true');
    const next = all[(at + move + all.length) % all.length];
    next.click();
    list.querySelector(`[data-key="${next.dataset.key}"]`).focus();
    event.preventDefault();
  });
  show(value);
  return list;
}

// "This is the Python that does it": text that can be copied.
/** @param {import('./store.js').Store} store  @param {string} text */
export function code(store, text) {
  const title = t(store, 'common.python'), label = t(store, 'common.copy');
  const copy = h('button.button.quiet.copy', { type: 'button', onclick: async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = t(store, 'common.copied');
    setTimeout(() => { copy.textContent = label; }, 1500);
  } }, label);
  return h('details.code', h('summary', title), h('div.code-body', copy, h('pre', { tabindex: 0, role: 'group', 'aria-label': title, dataset: { test: 'code' } }, text)));
}

// A text in which `code` stands between grave accents, as elements; and without the accents, for where there are none.
export const marked = (text) => text.split('`').map((part, k) => (k % 2 ? h('code', part) : part));
export const plain = (text) => text.replaceAll('`', '');

export function message(text, kind = '') {
  return h(`p.message${kind ? `.${kind}` : ''}`, { role: kind === 'error' ? 'alert' : 'status' }, marked(text));
}

// A line that says what is wrong: say(null) takes it away. Of a connection that is lost the frame of the screens speaks.
/** @param {import('./dom.js').Props} [props] */
export function fault(props = {}) {
  const element = h('p.message.error', { role: 'alert', hidden: true, ...props });
  const say = (text) => {
    element.hidden = !text;
    element.textContent = text || '';
  };
  return { element, say, failed: ({ message: text }) => { if (text !== 'lost') say(text); } };
}

// Lets files be dropped on an element.
export function takesFiles(element, take) {
  element.addEventListener('dragover', (event) => { event.preventDefault(); element.classList.add('over'); });
  element.addEventListener('dragleave', () => element.classList.remove('over'));
  element.addEventListener('drop', (event) => {
    const files = [...event.dataTransfer.files];
    element.classList.remove('over');
    if (files.some(({ name }) => isNetwork(name))) return;   // which is for the whole page
    event.preventDefault();
    if (files.length) take(files);
  });
}
