// Messages of Protocol Buffers, in which an ONNX file is written: their fields by number, with every length checked.

// What a file cannot be read for: a text of texts/open.json, by its key and its values.
class Refusal extends Error {
  /** @param {string} key  @param {Record<string, any>} values */
  constructor(key, values) {
    super(key);
    this.says = [key, values];
  }
}

/** @param {string} key  @param {Record<string, any>} [values]  @returns {never} */
export function refuse(key, values = {}) {
  throw new Refusal(key, values);
}

const view = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const decoder = new TextDecoder();

// A number of seven bits a byte, of two's complement in 64 bits: {value, next}.
function varint(bytes, at) {
  let value = 0, bits = 0n;
  for (let k = 0; k < 10 && at + k < bytes.length; ++k) {
    const byte = bytes[at + k];
    if (k < 4) value += (byte & 127) * 2 ** (7 * k);
    else bits |= BigInt(byte & 127) << BigInt(7 * k);
    if (byte < 128) return { value: bits ? Number(BigInt.asIntN(64, bits | BigInt(value))) : value, next: at + k + 1 };
  }
  return refuse('open.damaged');
}

// A message's fields by number, in their order: numbers, and bytes of all else. left: how many fields there may be, which falls.
/** @param {Uint8Array} bytes  @param {{fields: number}} left  @returns {any} */
export function message(bytes, left) {
  const found = new Map();
  for (let at = 0; at < bytes.length;) {
    if (--left.fields < 0) refuse('open.too_large');
    const tag = varint(bytes, at), number = Math.floor(tag.value / 8), kind = tag.value % 8;
    if (number < 1) refuse('open.damaged');
    const length = kind === 2 ? varint(bytes, tag.next) : { value: { 1: 8, 5: 4 }[kind], next: tag.next };
    let value = null;
    if (kind === 0) ({ value, next: at } = varint(bytes, tag.next));
    else {
      if (!(length.value >= 0 && length.value <= bytes.length - length.next)) refuse('open.damaged');
      at = length.next + length.value;
      value = bytes.subarray(length.next, at);
    }
    if (!found.has(number)) found.set(number, []);
    found.get(number).push(value);
  }
  const all = (number) => found.get(number) ?? [], last = (number) => all(number).at(-1);
  const bytesOf = (number) => all(number).filter((value) => typeof value !== 'number'), text = (value) => decoder.decode(value);
  return {
    has: (number) => found.has(number),
    integer: (number) => (typeof last(number) === 'number' ? last(number) : 0),
    real: (number) => (last(number)?.length === 4 ? view(last(number)).getFloat32(0, true) : 0),
    text: (number) => text(bytesOf(number).at(-1)),
    texts: (number) => bytesOf(number).map(text),
    bytes: (number) => bytesOf(number).at(-1) ?? new Uint8Array(0),
    message: (number) => message(bytesOf(number).at(-1) ?? new Uint8Array(0), left),
    messages: (number) => bytesOf(number).map((value) => message(value, left)),
    integers: (number) => all(number).flatMap((value) => (typeof value === 'number' ? [value] : unpacked(value))),
    reals: (number, size = 4) => joined(bytesOf(number), size),
  };
}

function unpacked(bytes) {
  const found = [];
  for (let at = 0; at < bytes.length;) {
    const { value, next } = varint(bytes, at);
    found.push(value);
    at = next;
  }
  return found;
}

// The numbers of some pieces of bytes, of 4 or 8 bytes each.
function joined(pieces, size) {
  const bytes = new Uint8Array(pieces.reduce((all, { length }) => all + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return numbersOf(bytes, size === 4 ? 'f4' : 'f8');
}

// Halves, by their sign, their exponent and their fraction.
function half(bits) {
  const sign = bits >> 15 ? -1 : 1, power = (bits >> 10) & 31, part = bits & 1023;
  return power === 31 ? (part ? NaN : sign * Infinity) : sign * (power ? 2 ** (power - 25) * (1024 + part) : 2 ** -24 * part);
}

const READERS = {
  f4: [4, Float32Array, (of, at) => of.getFloat32(at, true)],
  f8: [8, Float64Array, (of, at) => of.getFloat64(at, true)],
  f2: [2, Float32Array, (of, at) => half(of.getUint16(at, true))],
  b2: [2, Float32Array, (of, at) => { const bits = new DataView(new ArrayBuffer(4)); bits.setUint16(0, of.getUint16(at, true)); return bits.getFloat32(0); }],
  i4: [4, Float64Array, (of, at) => of.getInt32(at, true)],
  i8: [8, Float64Array, (of, at) => Number(of.getBigInt64(at, true))],
  u1: [1, Float64Array, (of, at) => of.getUint8(at)],
};

// The numbers of some bytes, least byte first; kind: f4, f8, f2 (halves), b2 (bfloat16), i4, i8, u1.
/** @param {Uint8Array} bytes  @param {string} kind  @returns {Float32Array | Float64Array} */
export function numbersOf(bytes, kind) {
  const [size, Type, read] = READERS[kind], of = view(bytes), found = new Type(Math.floor(bytes.length / size));
  if (bytes.length % size) refuse('open.damaged');
  for (let k = 0; k < found.length; ++k) found[k] = read(of, k * size);
  return found;
}

export const halves = (bits) => Float32Array.from(bits, half);
