// What a person writes for a number: 12, −0,5 or a sum such as 0.5 × (2 − 3) / 4, which is worked out.

const PIECES = /\s*(?:(\d+(?:\.\d*)?|\.\d+)(e[-+]?\d+)?|([-+*/()]))/iy;

function piecesOf(text) {
  const found = [], plain = text.replace(/[\s\u202f]/g, '').replaceAll('−', '-').replaceAll('–', '-').replace(/[×·]/g, '*').replaceAll('÷', '/').replaceAll(',', '.');
  PIECES.lastIndex = 0;
  while (PIECES.lastIndex < plain.length) {
    const match = PIECES.exec(plain);
    if (!match) return null;
    found.push(match[3] ?? Number(match[1] + (match[2] ?? '')));
  }
  return found;
}

// The number of a text; NaN for what is none.
export function numberOf(text) {
  const pieces = piecesOf(text);
  if (!pieces?.length) return NaN;
  let at = 0;
  const isNext = (signs) => typeof pieces[at] === 'string' && signs.includes(pieces[at]);

  function unit() {
    const piece = pieces[at++];
    if (typeof piece === 'number') return piece;
    if (piece === '-') return -unit();
    if (piece === '+') return unit();
    if (piece !== '(') return NaN;
    const inside = sum();
    return pieces[at++] === ')' ? inside : NaN;
  }

  function product() {
    let value = unit();
    while (isNext('*/')) value = pieces[at++] === '*' ? value * unit() : value / unit();
    return value;
  }

  function sum() {
    let value = product();
    while (isNext('+-')) value += pieces[at++] === '+' ? product() : -product();
    return value;
  }

  const value = sum();
  return at === pieces.length ? value : NaN;
}
