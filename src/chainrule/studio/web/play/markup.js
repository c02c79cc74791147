// Formulas with numbers, as the trees that the page shows: inspection/derivation/markup.py and writing.py in JavaScript.
//
// An expression is written in symbols, or with each symbol's number in its place; its value is computed from its parts. A tree is
// [tag, {attributes}, ...children] of MathML; a symbol with a place is in an <mrow> that says which number it stands for.

const GREEK = { alpha: 'α', beta: 'β', gamma: 'γ', delta: 'δ', sigma: 'σ', lambda: 'λ', Sigma: 'Σ' };

// Python's %.6g.
export function sixDigits(value) {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (value === 0) return '0';
  const [mantissa, exponent] = value.toExponential(5).split('e'), power = Number(exponent);
  if (power < -4 || power >= 6) return `${trimmed(mantissa)}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  return trimmed(value.toFixed(5 - power));
}

const trimmed = (digits) => (digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits);

const text = {
  number: sixDigits,
  symbol: ({ plain }) => plain,
  call: (name, argument, prime, below) => `${name}${prime ? '′' : ''}(${argument})${below ? `[${below}]` : ''}`,
  partial: (top, bottom) => `∂${top}/∂${bottom}`,
  fraction: (top, bottom, isTopSum, isBottomMany) => `${isTopSum ? `(${top})` : top}/${isBottomMany ? `(${bottom})` : bottom}`,
  brackets: (inner) => `(${inner})`,
  product: (parts) => parts.join(' · '),
  sum: (parts) => (parts[0][0] < 0 ? '-' : '') + parts[0][1] + parts.slice(1).map(([sign, part]) => ` ${sign < 0 ? '-' : '+'} ${part}`).join(''),
  row: (parts) => parts.join(''),
  marked: (place, value, inner) => inner,
};

/** @param {string} tag  @param {...any} children  @returns {any[]} */
const node = (tag, ...children) => [tag, {}, ...children];
const prefixed = () => ['mo', { form: 'prefix' }, '−'];
const between = (parts, sign) => parts.flatMap((part, k) => (k ? [node('mo', sign), part] : [part]));

const mathml = {
  number(value) {
    const [mantissa, exponent] = sixDigits(value).split('e'), isNegative = mantissa.startsWith('-');
    const digits = [node('mn', mantissa.replace(/^-/, '').replace('inf', '∞'))];
    if (exponent) digits.push(node('mo', '×'), node('msup', node('mn', '10'), node('mn', String(Number(exponent)).replace('-', '−'))));
    return isNegative || exponent ? node('mrow', ...(isNegative ? [prefixed()] : []), ...digits) : digits[0];
  },
  symbol({ letter, above, below }) {
    const base = letter.endsWith('_hat') ? node('mover', node('mi', letter.slice(0, -4)), ['mo', { stretchy: 'false' }, '^']) : node('mi', (GREEK[letter] ?? letter).replaceAll('\'', '′'));
    const low = node('mtext', below), high = node('mtext', above);
    if (above && below) return node('msubsup', base, low, high);
    return above ? node('msup', base, high) : below ? node('msub', base, low) : base;
  },
  call(name, argument, prime, below) {
    const inner = mathml.brackets(argument);
    return node('mrow', node('mi', `${name}${prime ? '′' : ''}`), below ? node('msub', inner, node('mtext', below)) : inner);
  },
  partial: (top, bottom) => node('mfrac', node('mrow', node('mo', '∂'), top), node('mrow', node('mo', '∂'), bottom)),
  fraction: (top, bottom) => node('mfrac', node('mrow', top), node('mrow', bottom)),
  brackets: (inner) => node('mrow', node('mo', '('), inner, node('mo', ')')),
  product: (parts) => node('mrow', ...between(parts, '·')),
  sum: (parts) => node('mrow', ...(parts[0][0] < 0 ? [prefixed()] : []), parts[0][1], ...parts.slice(1).flatMap(([sign, part]) => [node('mo', sign < 0 ? '−' : '+'), part])),
  row: (parts) => node('mrow', ...parts),
  marked(place, value, inner) {
    const attributes = Object.fromEntries(Object.entries(place).map(([key, said]) => [`data-${key}`, String(said)]));
    return ['mrow', { ...attributes, 'data-value': String(value) }, inner];
  },
};

/** @param {any[]} tree */
const hasFraction = ([tag, , ...children]) => tag === 'mfrac' || children.some((child) => Array.isArray(child) && hasFraction(child));

// Brackets around what has no fraction are one line high.
/** @param {any} tree */
function leveled(tree, isFlat = false) {
  if (!Array.isArray(tree)) return tree;
  const [tag, attributes, ...children] = tree, flat = isFlat || !hasFraction(tree);
  if (tag === 'mo' && flat && '()'.includes(children[0])) return [tag, { ...attributes, stretchy: 'false' }, ...children];
  return [tag, attributes, ...children.map((child) => leveled(child, flat))];
}

/**
 * A formula with a value.
 * @typedef {object} Expression
 * @property {number} value
 * @property {boolean} isSum  whether it needs brackets in a product
 * @property {(withNumbers: boolean) => boolean} beginsNegative
 * @property {(writer: any, withNumbers: boolean) => any} write
 * @property {boolean} [isNumber]
 * @property {Expression[]} [factors]
 */

const bySign = (value) => (withNumbers) => withNumbers && value < 0;

// What has a given value, written in place of the symbols where numbers are asked for; place: the number that it stands for, or null.
function given(value, symbols, { place = null, negative = bySign(value) } = {}) {
  const write = (writer, withNumbers) => {
    const inner = withNumbers ? writer.number(value) : symbols(writer);
    return place ? writer.marked(place, value, inner) : inner;
  };
  return { value, isSum: false, beginsNegative: negative, write };
}

/** @returns {Expression} */
export const number = (value) => ({ ...given(value, (writer) => writer.number(value), { negative: () => value < 0 }), isNumber: true });

/** @param {{plain: string, letter: string, above?: string, below?: string, value: number, place?: any}} about */
export function symbol({ plain, letter, above = '', below = '', value, place = null }) {
  const about = { plain, letter, above, below };
  return { ...given(value, (writer) => writer.symbol(about), { place }), plain, place, isSymbol: true, bare: (writer) => writer.symbol(about) };
}

// name(argument), name′(argument): the argument is a symbol, or another formula.
export function call(name, argument, value, { prime = false, below = '' } = {}) {
  const inner = argument.bare ?? ((writer) => argument.write(writer, false));
  const place = argument.isSymbol && argument.place ? { ...argument.place, role: prime ? 'slope' : 'call', ...(below ? { index: below } : {}) } : null;
  return given(value, (writer) => writer.call(name, inner(writer), prime, below), { place });
}

// d top / d bottom, two symbols; isLoss: whether the loss is derived.
export function partial(top, bottom, value, isLoss) {
  const place = bottom.place ? { ...bottom.place, role: isLoss ? 'delta' : 'factor' } : null;
  return given(value, (writer) => writer.partial(top.bare(writer), bottom.bare(writer)), { place });
}

/** @param {Expression[]} parts  @returns {Expression} */
export function product(...parts) {
  const factors = parts.flatMap((part) => part.factors ?? [part]).filter((part) => !(part.isNumber && part.value === 1));
  return {
    factors,
    value: factors.reduce((all, factor) => all * factor.value, 1),
    isSum: factors.length === 1 && factors[0].isSum,
    beginsNegative: (withNumbers) => factors.length > 0 && !factors[0].isSum && factors[0].beginsNegative(withNumbers),
    write(writer, withNumbers) {
      if (factors.length < 2) return factors.length ? factors[0].write(writer, withNumbers) : writer.number(1);
      const written = [];
      let joins = false;   // 2(a0 - y) without a dot, as in handwriting
      factors.forEach((factor, i) => {
        const inner = factor.write(writer, withNumbers), part = factor.isSum || (i > 0 && factor.beginsNegative(withNumbers)) ? writer.brackets(inner) : inner;
        if (joins && factor.isSum) written.push(writer.row([written.pop(), part]));
        else written.push(part);
        joins = Boolean(factor.isNumber);
      });
      return writer.product(written);
    },
  };
}

// [[sign, expression], …], or expressions that are added.
/** @returns {Expression} */
export function sum(...terms) {
  const all = terms.map((term) => (Array.isArray(term) ? term : [1, term]));
  return {
    value: all.reduce((total, [sign, term]) => total + sign * term.value, 0),
    isSum: true,
    beginsNegative: (withNumbers) => withNumbers && all.reduce((total, [sign, term]) => total + sign * term.value, 0) < 0,
    write: (writer, withNumbers) => writer.sum(all.map(([sign, term], i) => {
      const part = term.write(writer, withNumbers);
      return [sign, term.isSum || ((i > 0 || sign < 0) && term.beginsNegative(withNumbers)) ? writer.brackets(part) : part];
    })),
  };
}

/** @returns {Expression} */
export const fraction = (top, bottom) => ({
  value: top.value / bottom.value,
  isSum: false,
  beginsNegative: (withNumbers) => !top.isSum && top.beginsNegative(withNumbers),
  write: (writer, withNumbers) => writer.fraction(top.write(writer, withNumbers), bottom.write(writer, withNumbers), top.isSum, bottom.isSum || Boolean(bottom.factors)),
});

export const textOf = (expression, withNumbers = false) => expression.write(text, withNumbers);

export const treeOf = (expression, withNumbers = false) => leveled(node('math', expression.write(mathml, withNumbers)));
