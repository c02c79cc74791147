// The frame of all screens: their names, language, theme, the connection, and the state in the address.
import { beginAt, h, fill, focused, focusedIn } from './dom.js';
import { t, languages, preferred } from './i18n.js';
import { courseMode } from './course.js';
import { stepOf } from './course_steps.js';
import { readUrl, keepInUrl, parseValue } from './url.js';
import { drawnIn, keepDrawing } from './drawing.js';
import { count } from './format.js';
import { opener } from './opener.js';
import { makeNetwork } from './network.js';
import { screens } from './screens.js';
import { createStore, isServed } from './store.js';
import { startTour, stepsOf } from './tour.js';
import { tours } from './tours.js';
import { button } from './ui.js';

const THEMES = ['light', 'dark'];
const GROUPS = ['learn', 'inside', 'train'];   // of the screens, in their order
const SHARED = ['screen', 'lang', 'theme', 'sample.index', 'sample.drawn', 'neuron', 'weight', 'course'];

// Every screen of a host: those that all have, behind its own.
const screensOf = (host) => ({ ...host.screens, ...screens });

// The keys of the state that an address may name.
const keysOf = (host) => new Set([...SHARED, ...(host.kept || []), ...Object.values(screensOf(host)).flatMap(({ url }) => url || [])]);

// The state that an address names, as far as this page knows it. A step of the course leads to its screen, unless it is the one at hand and the
// address names another, which its reader looks at meanwhile.
function named(host, address, step = null) {
  const known = keysOf(host), found = Object.fromEntries(Object.entries(address).filter(([key]) => known.has(key)).map(([key, text]) => [key, parseValue(text)]));
  const isOne = { screen: (name) => Object.hasOwn(screensOf(host), name), lang: (name) => Object.hasOwn(languages, name), theme: (name) => THEMES.includes(name), course: (name) => Boolean(stepOf(name)) };
  for (const [key, holds] of Object.entries(isOne)) if (key in found && !holds(found[key])) delete found[key];
  if (found.course && (found.course !== step || !found.screen)) found.screen = stepOf(found.course).screen;
  return found;
}

function initial(host, address) {
  const dark = typeof matchMedia === 'function' && matchMedia('(prefers-color-scheme: dark)').matches;
  const still = typeof matchMedia === 'function' && matchMedia('(prefers-reduced-motion: reduce)').matches;
  return { screen: host.firstScreen || 'draw', lang: preferred(), theme: dark ? 'dark' : 'light', motion: !still, model: null, network: null, data: null, sample: null,
    neuron: null, weight: null, connection: 'open', ...named(host, address) };
}

// What the host says of the state, with a sample's numbers as an array of them.
function stateOf(host) {
  const state = { ...(host.state || {}) };
  if (state.sample) state.sample = { ...state.sample, x: Float32Array.from(state.sample.x) };
  return state;
}

// Fills a part of the frame anew; what has the focus in it keeps it.
function anew(element, made) {
  const { screen, lang, test } = element.contains(document.activeElement) ? focused().dataset : {};
  fill(element, made());
  const found = [['screen', screen], ['lang', lang], ['test', test]].find(([, value]) => value);
  if (found) element.querySelector(`[data-${found[0]}="${found[1]}"]`)?.focus();
}

// Asks for the model and the data, and again when they change; new numbers of a network that learns leave the data alone. An answer
// that comes behind one of a later question is older than what is on show, and is left out.
async function follow(store) {
  const shown = { model: 0, data: 0 };   // the questions whose answers are on show
  let asked = 0;
  const refresh = (withData) => async () => {
    const mine = ++asked;
    try {
      const [{ model }, found] = await Promise.all([store.call('model.get'), withData ? store.call('data.get') : null]);
      if (found && mine > shown.data) {
        shown.data = mine;
        store.set({ data: found.data });
      }
      if (mine > shown.model) {
        shown.model = mine;
        const network = model ? makeNetwork(model) : null;
        store.set({ isKnown: true, model, network, ...drawnIn(store, network) });
      }
    } catch (error) {
      if (error.message !== 'lost') throw error;   // the socket is opened again, and says so
    }
  };
  store.listen('model.changed', refresh(false));
  for (const event of ['data.changed', 'connected']) store.listen(event, refresh(true));
}

// Whether this host can show a screen: a file has the one that it was made of, and those that need nobody.
function offered(store, name) {
  const { kind, screen, model } = store.host;
  return kind !== 'offline' || name === screen || (Boolean(screens[name].alone) && (name !== 'draw' || Boolean(model)));
}

// Whether the network on show takes pictures, or the rows of a table: on the screen Draw nobody draws these.
function kindOf(store) {
  const model = store.get('model');
  return model && !model.shape ? 'rows' : 'pictures';
}

const titleOf = (store, name) => (name === 'draw' && kindOf(store) === 'rows' ? 'draw.rows' : name);

function navigation(store) {
  const list = h('nav.screens', { 'aria-label': t(store, 'common.screens') }), all = screensOf(store.host);
  const entry = (name) => h('button', {
    type: 'button', dataset: { screen: name }, 'aria-current': store.get('screen') === name ? 'page' : null,
    title: t(store, `screen.${titleOf(store, name)}`), onclick: () => store.set({ screen: name }),
  }, h('span.glyph', { 'aria-hidden': 'true' }, all[name].glyph), h('span', t(store, `screen.${titleOf(store, name)}`)));
  const names = Object.keys(all).filter((name) => offered(store, name));
  return fill(list, GROUPS.map((group) => [t(store, `common.group.${group}`), names.filter((name) => all[name].group === group)]).filter(([, own]) => own.length)
    .map(([label, own]) => h('div.group', { role: 'group', 'aria-label': label }, h('span.group-name', { 'aria-hidden': 'true' }, label), own.map(entry))));
}

/** @param {import('./store.js').Store} store  @param {ReturnType<typeof opener> | null} files */
function topBar(store, files) {
  const language = h('div.switch', { role: 'group', 'aria-label': t(store, 'common.language') }, Object.entries(languages).map(([key, label]) => h('button', {
    type: 'button', lang: key === 'zh' ? 'zh-Hant-TW' : key, 'aria-pressed': String(store.get('lang') === key), dataset: { lang: key },
    onclick: () => store.set({ lang: key }),
  }, label)));
  const theme = h('button.button.quiet', { type: 'button', dataset: { test: 'theme' },
    onclick: () => store.set({ theme: store.get('theme') === 'dark' ? 'light' : 'dark' }) },
  t(store, store.get('theme') === 'dark' ? 'common.light' : 'common.dark'));
  const model = store.get('model');
  const about = model && { name: model.name, size: model.size.toLocaleString('en-US'), n: model.networks };
  const line = model ? t(store, model.networks > 1 ? 'common.model_of_several' : 'common.model_line', about) : t(store, 'common.no_model');
  return h('header.top-bar', h('div.brand', store.host.screens?.front ? h('button.home', { type: 'button', dataset: { test: 'home' }, onclick: () => store.set({ screen: 'front' }) }, 'Chainrule') : h('strong', 'Chainrule'), h('span.model-line', { dataset: { test: 'model-line' } }, line)),
    store.get('connection') === 'lost' ? h('span.lost', { role: 'status' }, t(store, 'common.lost')) : null,
    files ? files.button() : null,
    store.host.kind === 'server' && screens[store.get('screen')] ? exportButton(store) : null,
    language, theme);
}

// What a screen cannot do without: null, or what is said in its place.
function lacking(store, name) {
  const { needs } = screensOf(store.host)[name], model = store.get('model'), data = store.get('data');
  if (!needs || (isServed(store.host) && !store.get('isKnown'))) return null;
  if (!model) return t(store, 'common.needs_model', { screen: t(store, `screen.${name}`) });
  if (needs === 'model' || !data || data.features === model.inputs) return null;
  return t(store, 'common.other_data', { model: model.name, inputs: count(model.inputs), data: data.name, features: count(data.features) });
}

// In place of such a screen: the sentence, and the way to Train.
function invitation(store, body, sentence) {
  fill(body, h('section.panel.lacking', { role: 'status', dataset: { test: 'lacking' } }, h('p', sentence),
    store.can('train.start') ? button(t(store, 'common.go_train'), () => store.set({ screen: 'train' }), { primary: true, 'data-test': 'go-train' }) : null));
}

function exportButton(store) {
  const label = t(store, 'common.export');
  return button([h('span.wide', label), h('span.narrow', { 'aria-hidden': 'true' }, '⤓')], () => exported(store), {
    quiet: true, title: t(store, 'common.export.says'), 'aria-label': label, 'data-test': 'export' });
}

// Downloads the screen at hand as one file that needs no server.
async function exported(store) {
  const state = {};
  const name = store.get('screen');
  for (const key of [...SHARED, ...(screens[name].url || [])]) state[key] = store.get(key);
  const sample = store.get('sample');
  if (sample) state.sample = { ...sample, x: Array.from(sample.x) };
  const { download } = await store.call('export.page', { state, calls: store.memory.calls() });
  const link = h('a', { href: `/download/chainrule.html?made=${download}`, download: `chainrule-${name}.html` });
  link.click();
}

// Fills `root` with the studio and returns {store, stop}.
/** @param {HTMLElement} root  @param {import('./store.js').Host} host */
export function mount(root, host) {
  const address = host.kind === 'notebook' ? {} : readUrl();
  const store = createStore({ ...initial(host, address), ...stateOf(host), ...(host.kind === 'offline' ? named(host, address) : {}) }, host);
  let stop = null, shown = null, framed = null, leave = null, placed = null, at = null, heading = null;   // at: the screen on show
  const bar = h('div.top'), aside = h('aside'), main = h('main');
  root.classList.add('chainrule');
  const course = courseMode(root, store, (name) => offered(store, name), new Set(Object.keys({ ...address, ...stateOf(host) })));
  fill(root, bar);
  const files = isServed(host) ? opener(root, store) : null;
  const columns = h('div.columns', aside, course.element, main);
  root.append(...(files ? [files.element] : []), columns);
  const all = screensOf(host), keys = () => [...SHARED, ...(host.kept || []), ...(all[store.get('screen')].url || [])];
  const { write, arrive } = host.kind === 'notebook' ? { write() {}, arrive() {} } : keepInUrl(store, keys);

  function frame() {
    const { name, size } = store.get('model') || {}, form = JSON.stringify([...['theme', 'lang', 'screen', 'connection'].map(store.get), name, size, kindOf(store)]);
    if (form === framed) return;   // new numbers of the same model
    framed = form;
    root.dataset.theme = store.get('theme');
    root.setAttribute('lang', store.get('lang') === 'zh' ? 'zh-Hant-TW' : 'en');
    if (host.kind !== 'notebook') document.documentElement.lang = root.getAttribute('lang');
    anew(bar, () => topBar(store, files));
    const list = navigation(store), place = `${store.get('screen')} ${kindOf(store)}`, before = placed === place ? aside.firstChild.scrollLeft : null;
    anew(aside, () => list);
    placed = place;
    root.dataset.screen = store.get('screen');
    if ((columns.lastChild === aside) !== (root.dataset.screen === 'front')) columns.insertBefore(aside, root.dataset.screen === 'front' ? null : columns.firstChild);   // the first screen comes before the ways to others
    const chosen = list.querySelector('[aria-current]');   // where the screens stand in a row that is too long, the one at hand is in sight
    list.scrollLeft = before !== null || !chosen ? before : chosen.offsetLeft - list.offsetLeft - (list.clientWidth - chosen.offsetWidth) / 2;
  }

  function tourButton(name) {
    const tour = tours[name];
    if (!tour || !stepsOf(store, tour).length) return null;
    const ended = () => {
      leave = null;
      if (at === name) main.querySelector('[data-test="tour-start"]')?.focus();
    };
    return button(t(store, 'tour.start'), () => { leave = startTour(root, store, name, tour, ended); }, { 'data-test': 'tour-start' });
  }

  function screen() {
    const name = store.get('screen'), lacks = lacking(store, name), form = [titleOf(store, name), store.get('lang'), store.get('theme'), lacks].join(' ');
    if (form === shown) return;
    const isOther = at !== null && at !== name, isFocused = heading && focusedIn(root) === heading;
    [shown, at] = [form, name];
    if (stop) stop();
    store.memory.clear();
    heading = h('h1', { tabindex: -1 }, t(store, `screen.${titleOf(store, name)}`));
    const body = h('div.screen', { dataset: { screen: name } });
    fill(main, h('div.heading', h('div', heading, h('p', t(store, `screen.${titleOf(store, name)}.says`))), lacks ? null : tourButton(name)), body);
    if (lacks) invitation(store, body, lacks);
    stop = (!lacks && all[name].show(body, store)) || (() => {});
    if (isOther) beginAt(heading, host);
    else if (isFocused) heading.focus({ preventScroll: true });
    if (host.kind !== 'notebook') document.title = `${t(store, `screen.${titleOf(store, name)}`)} – Chainrule Studio`;
  }

  // Another address in this page, by the browser's arrows or by hand, opens as in a new one; what it does not name stays, but for the screen's own state.
  // The event's address counts: a change of the state before the event may have written over the browser's.
  function open({ newURL }) {
    const step = store.get('course'), found = named(host, readUrl(newURL), step), own = (all[found.screen || store.get('screen')].url || []).filter((key) => !host.kept?.includes(key));
    for (const key of host.kept || []) delete found[key];
    const given = Object.keys(found).filter((key) => found.course === step || JSON.stringify(found[key]) !== JSON.stringify(store.get(key)));   // else it is left from the step before
    const isOther = ['sample.index', 'sample.drawn'].some((key) => key in found && found[key] !== store.get(key)), sample = isOther ? { sample: null, 'sample.index': null, 'sample.drawn': null } : {};
    store.set({ ...Object.fromEntries(own.map((key) => [key, undefined])), course: null, ...sample, ...found });
    if (isOther) store.set(drawnIn(store, store.get('network')));
    course.open(new Set(given));
    arrive();
    shown = null;
    screen();
    write();
  }

  const offs = [
    store.on(['lang', 'theme', 'screen', 'model', 'connection'], frame),
    store.on(['lang', 'theme', 'screen', 'model', 'data', 'isKnown'], screen),
    store.on(SHARED, write),
    store.on([...new Set(Object.values(all).flatMap((found) => found.url || []))], write),
  ];
  if (isServed(host)) offs.push(keepDrawing(store));
  if (host.kind !== 'notebook') {
    history.scrollRestoration = 'manual';   // each screen begins at its top, also by the browser's arrows
    addEventListener('hashchange', open);
    offs.push(() => removeEventListener('hashchange', open));
  }
  frame();
  screen();
  write();
  if (host.model || host.data) store.set({ model: host.model || null, data: host.data || null, network: host.model ? makeNetwork(host.model) : null });
  // Numbers of a network that learns, without the rest of the model, from a host that cannot be asked meanwhile.
  store.listen('model.frame', ({ arrays, steps }) => {
    const model = { ...store.get('model'), arrays, steps };
    store.set({ model, network: makeNetwork(model) });
  });
  store.listen('model.boot', ({ model, data }) => store.set({ model, data, network: model && makeNetwork(model) }));
  if (host.kind === 'server') follow(store);
  if (host.start) host.start(store);
  return { store, stop: () => { offs.forEach((off) => off()); files?.stop(); course.stop(); if (leave) leave(); if (stop) stop(); } };
}
