// Draw a digit, and see every neuron.
import { h, fill } from '../dom.js';
import { palette, paint, sharePlace } from '../colors.js';

export function draw(root, store) {
  const layers = h('div.layers');
  const show = () => {
    const network = store.get('network');
    if (!network) return;
    const look = palette(store.get('theme'));
    const x = new Float32Array(network.model.inputs);
    fill(layers, network.forward(x).map(({ name, a }) => {
      const canvas = h('canvas.neurons', { dataset: { link: name } });
      const scale = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      paint(canvas, a, Math.ceil(Math.sqrt(a.length)), look.bright, (value) => sharePlace(Math.abs(value), scale));
      return h('figure', canvas, h('figcaption', name));
    }));
  };
  fill(root, layers);
  show();
  return store.on('network', show);
}
