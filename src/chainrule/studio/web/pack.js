// Messages with arrays: the reader of chainrule/studio/session/messages.py.

const KINDS = { float64: Float64Array, float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 0x1f, fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let halves = null;   // every float16 as a float32, made when the first is read

function fromHalves(bits) {
  if (!halves) {
    halves = new Float32Array(65536);
    for (let i = 0; i < 65536; ++i) halves[i] = halfToFloat(i);
  }
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; ++i) out[i] = halves[bits[i]];
  return out;
}

function readArray(buffer, start, [dtype, shape, offset]) {
  const size = shape.reduce((n, axis) => n * axis, 1);
  const array = dtype === 'float16'
    ? fromHalves(new Uint16Array(buffer, start + offset, size))
    : new KINDS[dtype](buffer, start + offset, size);
  array.shape = shape;
  return array;
}

function filled(value, arrays) {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map((item) => filled(item, arrays));
  if ('$array' in value) return arrays[value.$array];
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, filled(item, arrays)]));
}

export function unpack(data) {
  if (typeof data === 'string') return JSON.parse(data);
  const length = new DataView(data).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  return filled(head.message, head.arrays.map((place) => readArray(data, 4 + length, place)));
}
