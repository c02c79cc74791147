// Elements from calls: h('button.primary', {onclick: f}, 'text', child). Text is text: no markup is ever read.

/** @typedef {Record<string, any>} Props  attributes, listeners as onclick, `style` and `dataset` as objects */

/** @param {any} element  @param {Props} props */
function assign(element, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'style') Object.entries(value).forEach(([key, text]) => element.style.setProperty(key, text));
    else if (name === 'dataset') Object.assign(element.dataset, value);
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value' || name === 'checked' || name === 'disabled' || name === 'selected') element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** @param {string | null} namespace  @param {string} selector  @param {any[]} rest */
function make(namespace, selector, rest) {
  const [tag, ...classes] = selector.split('.');
  const element = namespace ? document.createElementNS(namespace, tag) : document.createElement(tag || 'div');
  if (classes.length) element.setAttribute('class', classes.join(' '));
  const plain = rest.length && rest[0] !== null && typeof rest[0] === 'object' && !(rest[0] instanceof Node) && !Array.isArray(rest[0]);
  if (plain) assign(element, rest[0]);
  append(element, plain ? rest.slice(1) : rest);
  return element;
}

/** @param {string} selector  @param {...any} rest  @returns {any} */
export function h(selector, ...rest) {
  return make(null, selector, rest);
}

/** @param {string} selector  @param {...any} rest  @returns {any} */
export function svg(selector, ...rest) {
  return make('http://www.w3.org/2000/svg', selector, rest);
}

/** @param {string} selector  @param {...any} rest  @returns {any} */
export function math(selector, ...rest) {
  return make('http://www.w3.org/1998/Math/MathML', selector, rest);
}

export function clear(element) {
  element.replaceChildren();
  return element;
}

export function fill(element, ...children) {
  clear(element);
  append(element, children);
  return element;
}

// Writes a text where it is another one: the page is laid out anew for each that is written.
export function write(element, text) {
  const node = element.firstChild;
  if (node && node === element.lastChild && node.nodeType === Node.TEXT_NODE) {
    if (node.data !== text) node.data = text;
  } else element.textContent = text;
}

// What has the focus.
export const focused = () => /** @type {HTMLElement} */ (document.activeElement);

// The same within an element that may be in a shadow of its page.
export const focusedIn = (element) => element.getRootNode().activeElement;

// Where what is new on the page begins: its heading has the focus, and the page is at its top. A notebook's page is not ours to scroll.
/** @param {HTMLElement} heading  @param {{kind: string}} host */
export function beginAt(heading, { kind }) {
  heading.focus({ preventScroll: kind !== 'notebook' });
  if (kind !== 'notebook') scrollTo({ top: 0, behavior: 'instant' });
}
