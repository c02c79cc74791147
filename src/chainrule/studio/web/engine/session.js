// A session of the kernels for a network: its program, and the network's numbers when it last took them.
import { programOf } from './program.js';

export class KernelSession {
  // network: a Network, see network.js. how: of programOf.
  constructor(network, { trains, capacity, ...how }) {
    const { kernels, plan } = network, { words, buffers, states } = programOf(kernels.names, plan, { batchSize: capacity, ...how });
    this.network = network;
    this.kernels = kernels;
    this.buffers = buffers;
    this.states = states;
    this.version = -1;
    this.at = kernels.with([words], (at) => kernels.checked(kernels.call.make(at, words.length, capacity, Number(trains)), 0));
    cleaner.register(this, { kernels, at: this.at }, this);
  }

  // Takes over the network's numbers, if they have changed or have been given away.
  push(always = false) {
    const { kernels, network } = this;
    if (!always && this.version === network.version) return;
    kernels.with([network.numbers], (at) => kernels.call.set_theta(this.at, at));
    this.states.forEach((link, i) => {
      const [first, second] = link.state.map(({ field }) => network.stateOf(link.name)[field]);
      kernels.with([first, second], (a, b) => kernels.call.set_state(this.at, i, a, b));
    });
    this.version = network.version;
  }

  // {theta, states}: the numbers after steps; of the states those that steps change.
  pull() {
    const { kernels, network } = this, size = network.size, at = kernels.allocate(Float32Array, size);
    kernels.call.get_theta(this.at, at);
    const theta = kernels.take(Float32Array, at, size), states = {};
    kernels.call.free(at);
    this.states.forEach((link, i) => {
      if (!link.steps) return;
      const [first, second] = link.state, n = first.size, a = kernels.allocate(Float32Array, 2 * n);
      kernels.call.get_state(this.at, i, a, a + 4 * n);
      states[link.name] = { [first.field]: kernels.take(Float32Array, a, n), [second.field]: kernels.take(Float32Array, a + 4 * n, n) };
      kernels.call.free(a);
    });
    return { theta, states };
  }

  // out (n, outputs) of placed rows from the first on.
  predict(placed, first, n) {
    const { kernels, network } = this, numbers = n * network.plan.fanOut, at = kernels.allocate(Float32Array, numbers);
    try {
      kernels.checked(kernels.call.predict(this.at, placed.x + first * placed.stride, placed.type, n, at));
      return kernels.take(Float32Array, at, numbers);
    } finally {
      kernels.call.free(at);
    }
  }

  // The numbers (rows, width) of a buffer, or its errors dL/d them; null where the kernels have none.
  kept(value, rows, isError) {
    const { kernels, network } = this, numbers = rows * network.plan.widths[value], at = kernels.allocate(Float32Array, numbers);
    try {
      const found = kernels.checked(kernels.call.kept(this.at, this.buffers[value], Number(isError), rows, at));
      return found ? kernels.take(Float32Array, at, numbers) : null;
    } finally {
      kernels.call.free(at);
    }
  }

  free() {
    if (!this.at) return;
    cleaner.unregister(this);
    this.kernels.call.release(this.at);
    this.at = 0;
  }
}

const cleaner = new FinalizationRegistry(({ kernels, at }) => kernels.call.release(at));
