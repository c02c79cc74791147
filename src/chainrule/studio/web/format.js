// Numbers as people read them.

export function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  const size = Math.abs(value);
  if (value === 0) return '0';
  if (size >= 1e6 || size < 1e-4) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split('e');
    return `${mantissa.replace('-', '−')}e${exponent.replace('+', '').replace('-', '−')}`;
  }
  if (size >= 1e4 && digits <= 5) return count(Math.round(value)).replace('-', '−');
  return value.toFixed(Math.max(0, digits - Math.max(0, Math.floor(Math.log10(size)) + 1))).replace('-', '−');
}

export function percent(share, digits = 1) {
  return `${(100 * share).toFixed(digits)} %`;
}

const groups = new Intl.NumberFormat('en-US');   // toLocaleString makes one each time

export function count(value) {
  return groups.format(value).replace(/,/g, '\u202f');
}
