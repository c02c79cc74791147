// The chain rule of one weight with its numbers, and a finite difference beside it; and the weights of one neuron.
import { createNewest } from '../calls.js';
import { h, fill } from '../dom.js';
import { t } from '../i18n.js';
import { count } from '../format.js';
import { button, select, field, message } from '../ui.js';
import { sign, typeset, watchFormulas, wrapped } from './backprop_formulas.js';
import { linkName, longName, numberName, placeName, pointHint } from './backprop_names.js';
import { errorOf, figure, outOf, refill } from './backprop_steps.js';
import { factorsOf } from './backprop_tasks.js';

const FEW = { terms: 3, nodes: 8 }, MANY = { terms: 8, nodes: 24 };
const ROWS = 10;
const DEAD = 0.01;   // of the largest gradient of its parameter, below which a weight that nobody chose gives way to the largest

export function indicesOf({ i, j }) {
  return [i, j].filter((index) => index !== null && index !== undefined);
}

// How many leading digits two numbers share.
function digits(relative) {
  return relative > 0 ? Math.max(0, Math.min(15, Math.floor(-Math.log10(relative)))) : 15;
}

// Rows of an equation: left = right, each right in a line of its own.
/** @param {import('../store.js').Store} store */
export function equation({ left, rows, terms, value, others, rest }, store) {
  const line = (head, sort, body, kind = '') => h(`div.line${kind}`, h('span.left', head ? typeset(head) : null), h('span.sign', sign(sort)), h('span.right', body));
  const total = line(null, '=', h('b', { dataset: { value } }, figure(value, 6)), '.total');
  if (rows) return h('div.equation', rows.map((row, k) => line(k ? null : left, '=', wrapped(row))), total);
  return h('div.equation.sum', terms.map((term, k) => line(k ? null : left, k ? '+' : '=', [wrapped(term.symbols), term.numbers ? h('span.numbers', wrapped(term.numbers)) : null, h('span.value', { dataset: { value: term.value } }, figure(term.value, 4))])),
    others ? line(null, '+', [h('span.others', t(store, 'backprop.others', { n: count(others) })), h('span.value', { dataset: { value: rest } }, figure(rest, 4))]) : null, total);
}

// on: {hover(mark), choose(mark), derived(found)}.  Returns {element, show(walk), stop}.
/** @param {import('../store.js').Store} store */
export function weightPanel(store, on) {
  const choice = h('div.row.choice'), body = h('div.weight-body');
  const element = h('section.panel.weight', { dataset: { test: 'weight' } }, h('h2', t(store, 'backprop.weight')), choice, body);
  let walk = null, turn = 0, isLong = false, own = null, input = '';   // own: the weight that this panel chose; input: what it was chosen for
  watchFormulas(body, on.hover, on.choose);

  const parameters = () => walk.links.flatMap((link) => Object.entries(link.fields).map(([name, { shape, largest }]) => ({ name: `${link.name}.${name}`, shape, largest, size: shape.reduce((n, axis) => n * axis, 1) })))
    .filter(({ size }) => size > 0);

  function strongest(name) {
    const { largest } = parameters().find((one) => one.name === name), [i, j] = largest.index;
    return { name, i: i === undefined ? null : i, j: j === undefined ? null : j };
  }

  // The weight in the store if this network has it, else the one of its first parameter where most happens; what nobody
  // chose is chosen anew for other samples, and where the network has learned until it is as good as dead.
  function chosen() {
    const weight = store.get('weight'), found = weight && parameters().find(({ name }) => name === weight.name);
    if (found && (weight !== own || (sampleOf(walk) === input && !isDead(weight, found.largest.value)))) {
      const indices = indicesOf(weight);
      if (indices.length === found.shape.length && indices.every((index, k) => Number.isInteger(index) && index >= 0 && index < found.shape[k])) return weight;
    }
    const all = parameters();
    if (!all.length) return null;
    input = sampleOf(walk);
    own = strongest((found || all.find(({ shape }) => shape.length === 2) || all[0]).name);
    return own;
  }

  function isDead(weight, largest) {
    const factors = factorsOf({ walk, network: walk.network, row: 0 }, weight);
    return factors !== null && Math.abs(factors.outer * factors.middle * factors.inner) < DEAD * Math.abs(largest);
  }

  const sampleOf = ({ rows, labels, target }) => JSON.stringify([rows, labels, Array.from(target.slice(0, 8))]);

  const choose = (weight) => store.set({ weight });

  function controls(weight) {
    const all = parameters(), { shape } = all.find(({ name }) => name === weight.name), indices = indicesOf(weight);
    const labels = shape.length === 2 ? ['backprop.from', 'backprop.to'] : ['backprop.of'];
    refill(choice, field(t(store, 'backprop.parameter'), select(all.map(({ name }) => [name, longName(numberName(walk, name), name)]), weight.name, (name) => choose(strongest(name)), { dataset: { test: 'parameter' } })),
      shape.every((n) => n === 1) ? null : indices.map((index, k) => field(t(store, labels[k]), h('input', { type: 'number', min: 0, max: shape[k] - 1, value: index, dataset: { test: k ? 'index-j' : 'index-i' },
        onchange: (event) => {
          const wanted = Math.max(0, Math.min(shape[k] - 1, Math.round(Number(event.target.value)) || 0)), next = [...indices];
          next[k] = wanted;
          choose({ name: weight.name, i: next[0], j: next.length > 1 ? next[1] : null });
        } }))),
      shape.every((n) => n === 1) ? null : button(t(store, 'backprop.strongest'), () => choose(strongest(weight.name)), { quiet: true, 'data-test': 'strongest' }));
  }

  function comparison(found) {
    const { value, difference, relative } = found;
    const both = [['backprop.by_chain_rule', value, 'gradient'], ['backprop.by_difference', difference.value, 'difference']];
    const agreement = value === 0 && difference.value === 0 ? t(store, 'backprop.both_zero') : t(store, 'backprop.digits', { n: digits(relative) });
    const isGood = relative < 1e-4 || difference.kink === 0;
    return h('div.comparison', both.map(([label, shown, test]) => h('div.compared', h('span', t(store, label)), h('b', { dataset: { value: shown, test } }, figure(shown, 7)))),
      h('div.compared', h('span', t(store, 'backprop.relative'), ' · ', h('small', agreement)), h(`b.${isGood ? 'good' : 'bad'}`, { dataset: { value: relative, test: 'relative' } }, relative === 0 ? '0' : relative.toExponential(1).replace('-', '−').replace('+', ''))));
  }

  function remarks({ difference, paths }) {
    const kink = difference.kink === null ? null : difference.kink === 0 ? t(store, 'backprop.at_kink') : t(store, 'backprop.kink', { kink: figure(difference.kink) });
    const ways = paths.every === 1 ? t(store, 'backprop.path') : t(store, 'backprop.paths', { every: count(paths.every), live: count(paths.live) });
    return h('p.remarks', h('span', { dataset: { test: 'paths', value: paths.every } }, ways), ' ', t(store, 'backprop.difference_says', { step: figure(difference.step) }), kink ? ` ${kink}` : null);
  }

  async function show(next) {
    walk = next;
    const weight = chosen(), mine = ++turn;
    if (!weight) {
      fill(choice);
      fill(body);
      return;
    }
    if (weight !== store.get('weight')) {
      choose(weight);   // and come again
      return;
    }
    controls(weight);
    element.classList.add('busy');
    try {
      const found = await store.call('backprop.weight', { walk: walk.walk, name: weight.name, index: indicesOf(weight), ...(isLong ? MANY : FEW) });
      if (mine !== turn) return;
      on.hover(null);   // what was lit is about to go
      on.derived(found);
      fill(body, h('p.headline', typeset(found.partial), ' ', h('span.at', typeset(found.symbol), ' = ', h('span', { dataset: { value: found.at, test: 'at' } }, figure(found.at, 6)))), comparison(found), remarks(found),
        pointHint(store),
        h('div.equations', { tabindex: 0, dataset: { test: 'equations' } }, found.equations.map((one) => equation(one, store))),
        h('div.row', found.left_out ? h('span.hint', t(store, 'backprop.left_out', { n: count(found.left_out) })) : null,
          found.left_out || isLong ? button(t(store, isLong ? 'backprop.less' : 'backprop.more'), () => { isLong = !isLong; show(walk); }, { quiet: true, 'data-test': 'more' }) : null));
      element.dataset.shown = placeName(weight.name, indicesOf(weight));
    } catch (error) {
      if (mine === turn && error.message !== 'lost') fill(body, message(error.message, 'error'));
    } finally {
      if (mine === turn) element.classList.remove('busy');
    }
  }

  const off = store.on('weight', () => { if (walk) show(walk); });
  // clear: while another network is on its way, nothing is chosen for the one before.
  return { element, body, show, clear: () => { walk = null; turn += 1; }, stop: off };
}

// The neuron that is selected: its numbers, and its weights with the largest gradients.
/** @param {import('../store.js').Store} store */
export function neuronPanel(store, on) {
  const head = h('div'), body = h('div.unit'), element = h('section.panel.one-neuron', { dataset: { test: 'neuron' } }, head, body);
  const newest = createNewest();
  let walk = null, row = 0;

  // The link with parameters whose output the neuron is, or is made of.
  function owner(name) {
    for (let at = name; at && at !== 'input';) {
      const link = walk.links.find((one) => one.name === at);
      if (!link || link.is_block) return null;
      if (Object.keys(link.fields).length) return link;
      if (link.kind === 'softmax') return null;
      at = link.sources[0];
    }
    return null;
  }

  function rowsOf(link, index, fields) {
    const all = [];
    for (const [name, { values, gradients }] of Object.entries(fields))
      for (let k = 0; k < values.length; ++k) {
        const isMatrix = link.fields[name].shape.length === 2;
        const weight = { name: `${link.name}.${name}`, i: isMatrix ? k : link.fields[name].shape.length ? index : null, j: isMatrix ? index : null };
        all.push({ weight, value: values[k], gradient: gradients[k] });
      }
    return all.sort((one, two) => Math.abs(two.gradient) - Math.abs(one.gradient)).slice(0, ROWS);
  }

  function listing(rows) {
    const most = Math.max(...rows.map(({ gradient }) => Math.abs(gradient))) || 1;
    return h('div.scroll', h('table.weights', h('caption', t(store, 'backprop.neuron_weights')), h('thead', h('tr', ['backprop.column_weight', 'backprop.column_value', 'backprop.column_gradient'].map((key, k) => h(k ? 'th.number' : 'th', { scope: 'col' }, t(store, key))), h('td'))),
      h('tbody', rows.map(({ weight, value, gradient }) => {
        const indices = indicesOf(weight), mark = { role: 'weight', link: weight.name.split('.')[0], field: weight.name.split('.')[1], index: indices.join(',') };
        return h('tr', { onpointerenter: () => on.hover(mark), onpointerleave: () => on.hover(null) },
          h('td', h('button.link', { type: 'button', dataset: { test: 'pick', name: placeName(weight.name, indices) }, onfocus: () => on.hover(mark), onblur: () => on.hover(null), onclick: () => store.set({ weight }) }, numberName(walk, weight.name, indices))),
          h('td.number', { dataset: { value } }, figure(value, 4)), h('td.number', { dataset: { value: gradient } }, figure(gradient, 4)),
          h('td.gauge', h(`i.${gradient < 0 ? 'minus' : 'plus'}`, { style: { width: `${(100 * Math.abs(gradient)) / most}%` } })));
      }))));
  }

  const widths = () => [['input', walk.x.shape[1]], ...walk.links.map(({ name, out }) => [name, out.shape[1]])];

  // For those who do not point at the picture: the link and the number of the neuron.
  function controls(name, index, width) {
    const go = (link, k) => store.set({ neuron: { link, index: Math.max(0, Math.min(new Map(widths()).get(link) - 1, Math.round(k) || 0)) } });
    return h('div.row.choice', field(t(store, 'word.layer'), select(widths().map(([link]) => [link, walk.letters ? longName(linkName(store, walk, link), link === 'input' ? t(store, 'backprop.input') : link) : linkName(store, walk, link)]), name, (link) => go(link, index), { dataset: { test: 'neuron-link' } })),
      field(t(store, 'word.neuron'), h('input', { type: 'number', min: 0, max: width - 1, value: index, dataset: { test: 'neuron-index' }, onchange: (event) => go(name, Number(event.target.value)) })));
  }

  async function show(next, at) {
    walk = next;
    row = at;
    newest.forget();
    const chosen = store.get('neuron'), width = chosen ? new Map(widths()).get(chosen.link) : 0;
    if (!chosen || !(chosen.index < width)) {
      fill(head, h('h2', t(store, 'backprop.neuron_one')), h('p.hint', t(store, 'backprop.neuron_none')));
      fill(body);
      return;
    }
    const { link: name, index } = chosen, link = owner(name);
    const values = { out: figure(outOf(walk, name, row)[index], 5), error: figure(errorOf(walk, name, row)[index], 5) };
    refill(head, h('h2', walk.letters ? t(store, 'backprop.neuron_letter', { link: linkName(store, walk, name) }) : t(store, 'backprop.neuron', { k: index, link: linkName(store, walk, name) })), controls(name, index, width), h('p.remarks', { 'aria-live': 'polite' }, t(store, 'backprop.neuron_says', values)));
    if (!link) {
      fill(body);
      return;
    }
    await newest.ask(store.call('backprop.neuron', { walk: walk.walk, link: link.name, index }), ({ fields }) => fill(body, listing(rowsOf(link, index, fields))),
      (text) => fill(body, message(text, 'error')));
  }

  const off = store.on('neuron', () => { if (walk) show(walk, row); });
  return { element, show, clear: () => { walk = null; newest.forget(); }, stop: off };
}
