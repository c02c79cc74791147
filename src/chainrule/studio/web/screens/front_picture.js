// The picture of the first screen: the neurons that fire, the strongest links between them, and on top of it the weight at hand.
import { h, svg } from '../dom.js';
import { cssOf, largest, palette, sharePlace } from '../colors.js';

const SOURCES = 3;   // links into a neuron that are drawn, the strongest
const FAINT = 0.12;   // of the strongest link's share, below which none is drawn

// The strongest sources of neuron j: [place, share] of those that make it larger.
function strongest(from, W, j, width) {
  const found = [];
  for (let i = 0; i < from.length; ++i) {
    const share = from[i] * W[i * width + j];
    if (share <= 0 || (found.length === SOURCES && share <= found[SOURCES - 1][1])) continue;
    found.push([i, share]);
    found.sort((one, two) => two[1] - one[1]);
    found.length = Math.min(SOURCES, found.length);
  }
  return found;
}

// The divisor of n that is nearest to a number.
const divisor = (n, wanted) => Array.from({ length: n }, (_, k) => k + 1).filter((k) => n % k === 0).reduce((best, k) => (Math.abs(k - wanted) < Math.abs(best - wanted) ? k : best));

// The box [left, top, width, height] of what is not 0 in a picture of so many columns.
function boxOf(values, columns) {
  let [left, top, right, bottom] = [columns, Infinity, -1, -1];
  for (let at = 0; at < values.length; ++at) {
    if (!values[at]) continue;
    const x = at % columns, y = Math.floor(at / columns);
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
  }
  return right < 0 ? null : [left, top, right - left + 1, bottom - top + 1];
}

/**
 * stage: the element that it lies in, over its whole size; layers: the elements of the hidden layers; ends: those of the answers.
 * @param {import('../store.js').Store} store  @param {HTMLElement} stage  @param {{pad: HTMLElement, layers: HTMLElement[], ends: HTMLElement[]}} places
 */
export function frontPicture(store, stage, { pad, layers, ends }) {
  const canvas = h('canvas.front-net', { 'aria-hidden': 'true' });
  const link = svg('path.front-link'), rings = [svg('circle.front-ring', { r: 8 }), svg('circle.front-ring', { r: 8 })], lead = svg('path.front-lead'), knob = svg('circle.front-knob', { r: 7 });
  const over = svg('svg.front-over', { 'aria-hidden': 'true' }, lead, link, rings, knob);
  let at = null, drawn = null, chosen = null;

  // Where everything is, in pixels of the stage; asked for anew where the stage has another size.
  function measured() {
    if (at) return at;
    const box = stage.getBoundingClientRect(), of = (element) => {
      const { left, top, width, height } = element.getBoundingClientRect();
      return { left: left - box.left, top: top - box.top, width, height };
    };
    const ratio = Math.min(2, devicePixelRatio || 1), [paper, last] = [of(pad), ends.map(of)];
    const grids = layers.map((element) => {
      const { left, top, width, height } = of(element), n = Number(element.dataset.width), columns = divisor(n, Math.sqrt((n * width) / height)), rows = n / columns;
      return { n, radius: Math.min(width / columns, height / rows) * 0.33, spot: (k) => [left + ((k % columns) + 0.5) * (width / columns), top + (Math.floor(k / columns) + 0.5) * (height / rows)] };
    });
    canvas.width = Math.round(box.width * ratio);
    canvas.height = Math.round((Math.max(...grids.flatMap(({ n, spot }) => spot(n - 1)[1]), paper.top + paper.height) + 20) * ratio);
    canvas.style.height = `${canvas.height / ratio}px`;
    over.setAttribute('viewBox', `0 0 ${box.width} ${box.height}`);
    at = { ratio, paper, grids, isNarrow: grids[0].spot(0)[1] > paper.top + paper.height, end: (k) => [last[k].left - 4, last[k].top + last[k].height / 2] };
    return at;
  }

  // A link bends where it leaves and where it arrives: sideways, or down from the pad where the layers lie below it.
  /** @param {number[]} from  @param {number[]} to  @param {boolean} isDown */
  const bend = ([x, y], [u, v], isDown) => (isDown ? [x, (y + v) / 2, u, (y + v) / 2, u, v] : [(x + u) / 2, y, (x + u) / 2, v, u, v]);

  function draw() {
    if (!drawn || !stage.clientWidth) return;
    const { ratio, paper, grids, isNarrow, end } = measured(), { x, ink, seen, arrays, marked } = drawn, { strong } = palette(store.get('theme')), colors = cssOf(strong);
    const c = canvas.getContext('2d'), dense = seen.filter(({ kind }) => kind === 'dense'), fired = dense.slice(0, -1).map((one) => seen[seen.indexOf(one) + 1].a);
    const inner = boxOf(x, 28), outer = boxOf(ink.grey, ink.width);
    // A pixel of the inputs, back in what was drawn: a drawing is scaled and centred before the network reads it.
    const pixel = (k) => [0, 1].map((axis) => {
      const place = (axis ? Math.floor(k / 28) : k % 28) + 0.5, share = (outer[axis] + ((place - inner[axis]) / inner[2 + axis]) * outer[2 + axis]) / (axis ? ink.height : ink.width);
      return axis ? paper.top + share * paper.height : paper.left + share * paper.width;
    });
    const spots = [...(inner && outer ? [pixel] : [null]), ...grids.map(({ spot }) => spot), end];
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, canvas.width, canvas.height);
    dense.forEach(({ from, a, link: { name } }, k) => {
      if (!spots[k]) return;
      const isLast = !fired[k], isOn = fired[k] ?? a.map((_, j) => Number(!isNarrow || marked.includes(j))), found = [];
      for (let j = 0; j < a.length; ++j) if (isOn[j] > 0) found.push(...strongest(from, arrays[`${name}.W`], j, a.length).slice(0, k ? SOURCES : 1).map(([i, share]) => ({ i, j, share })));
      const most = Math.max(1e-9, ...found.map(({ share }) => share));
      c.strokeStyle = colors[255];
      for (const { i, j, share } of found) {
        if (share < FAINT * most) continue;
        const [one, two] = [spots[k](i), spots[k + 1](j)];
        c.globalAlpha = (0.08 + 0.4 * (share / most) ** 1.5) * (isNarrow && k === 0 ? 0.5 : 1);
        c.lineWidth = 0.7 + 1.5 * (share / most);
        c.beginPath();
        c.moveTo(...one);
        if (isNarrow && isLast) c.bezierCurveTo(two[0] - 4, one[1], two[0] - 12, two[1], ...two);   // beside the bars
        else c.bezierCurveTo(...bend(one, two, isNarrow && k === 0));
        c.stroke();
      }
    });
    c.globalAlpha = 1;
    grids.forEach(({ n, spot, radius }, k) => {
      const most = largest(fired[k]);
      for (let j = 0; j < n; ++j) {
        c.fillStyle = colors[sharePlace(fired[k][j], most)];
        c.beginPath();
        c.arc(...spot(j), radius, 0, 7);
        c.fill();
      }
    });
  }

  // The weight at hand, and the dotted line to its point on the curve. to(): that point, in pixels of the window.
  function point() {
    over.style.visibility = chosen ? 'visible' : 'hidden';
    if (!chosen || !stage.clientWidth) return;
    const { grids, isNarrow } = measured(), one = grids[0].spot(chosen.i), two = grids[1].spot(chosen.j), middle = [(one[0] + two[0]) / 2, (one[1] + two[1]) / 2];
    const box = stage.getBoundingClientRect(), to = chosen.to(), goal = [to[0] - box.left, to[1] - box.top];
    link.setAttribute('d', `M${one}C${bend(one, two, false)}`);
    [one, two].forEach(([x, y], k) => { rings[k].setAttribute('cx', x); rings[k].setAttribute('cy', y); });
    knob.setAttribute('cx', middle[0]);
    knob.setAttribute('cy', middle[1]);
    lead.setAttribute('d', isNarrow ? '' : `M${middle}C${bend(middle, goal, true)}`);
  }

  const resized = new ResizeObserver(() => {
    at = null;
    draw();
    point();
  });
  resized.observe(stage);
  return {
    elements: [canvas, over],
    /** What the network gives of inputs; ink: what is on the pad; marked: the answers whose links are drawn where there is little room. */
    show(pass) {
      drawn = pass;
      draw();
    },
    choose(weight) {
      chosen = weight;
      point();
    },
    point,
    stop: () => resized.disconnect(),
  };
}
