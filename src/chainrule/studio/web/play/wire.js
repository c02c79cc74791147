// Messages between the page and its worker: a typed array has its shape with it, which a copy of the array alone would lose.

const isPlain = (value) => value !== null && typeof value === 'object' && (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype);

function mapped(value, f) {
  const found = f(value);
  if (found !== value || !isPlain(value)) return found;
  return Array.isArray(value) ? value.map((item) => mapped(item, f)) : Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapped(item, f)]));
}

export const packed = (message) => mapped(message, (value) => (ArrayBuffer.isView(value) && 'shape' in value ? { $array: value, shape: value.shape } : value));

export const unpacked = (message) => mapped(message, (value) => (isPlain(value) && '$array' in value ? Object.assign(value.$array, { shape: value.shape }) : value));
