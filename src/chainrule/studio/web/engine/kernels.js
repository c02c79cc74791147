// The engine's module (native/web.cpp): its functions and its memory. Pointers are numbers; every array that is put there is freed again.

const imports = (memory) => ({
  env: { emscripten_notify_memory_growth() {} },
  wasi_snapshot_preview1: {
    clock_time_get(_clock, _precision, at) {
      new DataView(memory().buffer).setBigUint64(at, BigInt(Math.round(performance.now() * 1e6)), true);
      return 0;
    },
  },
});

export class Kernels {
  // source: a WebAssembly.Module, or its bytes.
  static async load(source) {
    const module = source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source);
    let exports = null;
    const instance = await WebAssembly.instantiate(module, imports(() => exports.memory));
    ({ exports } = /** @type {any} */ (instance));
    exports._initialize();
    return new Kernels(exports);
  }

  constructor(exports) {
    this.call = exports;
    this.names = JSON.parse(this.text(exports.names()));
  }

  view(Type, at, n) {
    return new Type(this.call.memory.buffer, at, n);
  }

  text(at) {
    const bytes = new Uint8Array(this.call.memory.buffer), end = bytes.indexOf(0, at);
    return new TextDecoder().decode(bytes.slice(at, end));
  }

  // Room for n numbers of a type; Type: Uint8Array, Float32Array, ...
  allocate(Type, n) {
    const at = this.call.malloc(Math.max(n, 1) * Type.BYTES_PER_ELEMENT);
    if (at === 0) throw new Error('There is not enough memory in the page for this; take fewer rows or a smaller network.');
    return at;
  }

  put(array) {
    const at = this.allocate(array.constructor, array.length);
    this.view(array.constructor, at, array.length).set(array);
    return at;
  }

  take(Type, at, n) {
    return this.view(Type, at, n).slice();
  }

  // work(...pointers) with arrays in the engine's memory for its time.
  with(arrays, work) {
    const at = [];
    try {
      for (const array of arrays) at.push(array === null ? 0 : this.put(array));
      return work(...at);
    } finally {
      for (const each of at) if (each) this.call.free(each);
    }
  }

  // The result of a function that can fail.
  checked(result, failed = -1) {
    if (result === failed) throw new Error(this.text(this.call.message()));
    return result;
  }
}

// Rows and targets in the engine's memory. data: {x, n, y, weight}; x: Float32Array or Uint8Array (n * inputs); y: classes as whole
// numbers (n), or numbers (n * outputs).
export class Placed {
  constructor(kernels, data, { inputs, outputs, hasClasses }, needsTargets = true) {
    const { x, n, y, weight } = checked(data, inputs, outputs, hasClasses, needsTargets);
    this.kernels = kernels;
    this.n = n;
    this.type = x instanceof Uint8Array ? 0 : 1;
    this.stride = inputs * x.BYTES_PER_ELEMENT;
    this.x = kernels.put(x);
    this.labels = y && hasClasses ? kernels.put(BigInt64Array.from(y, (label) => BigInt(label))) : 0;
    this.y = y && !hasClasses ? kernels.put(Float64Array.from(y)) : 0;
    this.weight = weight ? kernels.put(Float64Array.from(weight)) : 0;
  }

  free() {
    for (const at of [this.x, this.labels, this.y, this.weight]) if (at) this.kernels.call.free(at);
    this.x = this.labels = this.y = this.weight = 0;
  }
}

function checked({ x, n, y = null, weight = null }, inputs, outputs, hasClasses, needsTargets) {
  if (!(x instanceof Float32Array || x instanceof Uint8Array)) throw new Error('x must be a Float32Array or a Uint8Array of rows one after the other.');
  if (!Number.isInteger(n) || n < 1 || x.length !== n * inputs) throw new Error(`x must have n rows of ${inputs} numbers, but has ${x.length} numbers for n = ${n}.`);
  if (needsTargets || y) {
    const size = n * (hasClasses ? 1 : outputs);
    if (y?.length !== size) throw new Error(`y must have ${size} numbers for ${n} rows, but has ${y?.length ?? 'none'}.`);
    if (hasClasses && !y.every((label) => Number.isInteger(label) && label >= 0 && label < outputs)) throw new Error(`y must have classes from 0 to ${outputs - 1}.`);
  }
  if (weight && weight.length !== n) throw new Error(`weight must have ${n} numbers, but has ${weight.length}.`);
  return { x, n, y, weight };
}
