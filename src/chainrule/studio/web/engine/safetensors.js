// The package's model files (chainrule.trained.persistence): safetensors, with the architecture as JSON in the metadata.

const FORMAT = 2, COMPRESSED = 3;

// {header, tensor(name, shape)} of a file's bytes.
export function read(buffer) {
  const broken = 'This is not a complete model file of the package (safetensors); save the model again.';
  if (buffer.byteLength < 8) throw new Error(broken);
  const length = Number(new DataView(buffer).getBigUint64(0, true)), begin = 8 + length;
  if (!(begin <= buffer.byteLength)) throw new Error(broken);
  let head;
  try {
    head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  } catch {
    throw new Error(broken);
  }
  const header = headerOf(head.__metadata__?.chainrule);
  return { header, tensor: (name, shape) => tensorOf(buffer, begin, head[name], name, shape, header.dtype) };
}

function headerOf(text) {
  if (typeof text !== 'string') throw new Error('This safetensors file has no network of the package in its metadata.');
  let header;
  try {
    header = JSON.parse(text);
  } catch {
    throw new Error('The metadata of this model file is not valid JSON.');
  }
  if (header.seeds) throw new Error('This file has an ensemble, which the page does not open; save one of its members by the package.');
  if (header.format === COMPRESSED) throw new Error('This is a compact model file, which the page does not open; save it without compact=True by the package.');
  if (header.format !== FORMAT) throw new Error(`This model file has format ${JSON.stringify(header.format)}, and the page reads ${FORMAT}; open it and save it by the package.`);
  if (!['float32', 'float64'].includes(header.dtype) || typeof header.network !== 'object' || !header.network) throw new Error('The metadata of this model file has no network of float32 or float64.');
  return header;
}

function tensorOf(buffer, begin, entry, name, shape, dtype) {
  const size = dtype === 'float32' ? 4 : 8, n = shape.reduce((all, side) => all * side, 1), [first, last] = entry?.data_offsets ?? [];
  if (!entry) throw new Error(`The tensor ${name} is missing in this model file.`);
  if (entry.dtype !== (size === 4 ? 'F32' : 'F64') || String(entry.shape) !== String(shape) || last - first !== n * size || begin + last > buffer.byteLength) throw new Error(`The tensor ${name} of this model file should be ${dtype} of shape (${shape.join(', ')}).`);
  const bytes = buffer.slice(begin + first, begin + last), values = size === 4 ? new Float32Array(bytes) : Float32Array.from(new Float64Array(bytes));
  if (!values.every(Number.isFinite)) throw new Error(`The tensor ${name} of this model file has NaN or infinity, or numbers beyond float32, among its numbers.`);
  return values;
}

// The names and shapes of a network's tensors: parameters, then states.
export function tensorsOf(parameters, links) {
  const states = links.flatMap((link) => link.state.map(({ field, size, isNumber }) => ({ name: `${link.name}.${field}`, link: link.name, field, shape: isNumber ? [] : [size] })));
  return [...parameters.map(({ name, shape, start, stop }) => ({ name, shape, start, stop })), ...states];
}

// A file's bytes, as an ArrayBuffer.
export function write({ config, about, parameters, theta, links, states }) {
  const tensors = tensorsOf(parameters, links).map((each) => ({ ...each, values: each.link ? states[each.link][each.field] : theta.subarray(each.start, each.stop) }));
  const metadata = { ...about, format: FORMAT, network: config, dtype: 'float32' }, head = { __metadata__: { chainrule: JSON.stringify(metadata) } };
  let offset = 0;
  for (const { name, shape, values } of tensors) {
    head[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + 4 * values.length] };
    offset += 4 * values.length;
  }
  let text = JSON.stringify(head);
  const bytes = new TextEncoder().encode(text).length;
  text += ' '.repeat((8 - (bytes % 8)) % 8);
  const encoded = new TextEncoder().encode(text), file = new Uint8Array(8 + encoded.length + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(encoded.length), true);
  file.set(encoded, 8);
  let at = 8 + encoded.length;
  for (const { values } of tensors) {
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength;
  }
  return file.buffer;
}
