// The network in depth, by WebGL2: each layer a sheet of points in space, all of them one instanced draw, and the connections
// between them another. Drag to turn it, the wheel or + and - to come nearer.
import { h } from './dom.js';
import { middle, neighbour, beside } from './arrange.js';
import { incoming } from './layers.js';
import { multiply, perspective, view, project } from './matrix.js';

const GAP = 1.2, WIDEST = 1.5, SHEET = 1.6, FIELD = 0.6, TURN = 0.008, YAW = -0.82, PITCH = 0.2;
const FRAME = { light: [160, 170, 182], dark: [74, 86, 100] };
const EDGE = { light: [[179, 71, 0], [0, 114, 178]], dark: [[240, 163, 94], [86, 180, 233]] };   // below and above zero

const POINT = [`#version 300 es
layout(location = 0) in vec2 corner;
layout(location = 1) in vec4 center;   // and its size
layout(location = 2) in vec4 color;
layout(location = 3) in float round;
uniform mat4 camera;
out vec2 at;
out vec4 tint;
flat out float is_round;
void main() {
  at = corner;
  tint = color;
  is_round = round;
  gl_Position = camera * vec4(center.xyz + vec3(0.0, corner.y, corner.x) * center.w * 0.5, 1.0);
}`, `#version 300 es
precision mediump float;
in vec2 at;
in vec4 tint;
flat in float is_round;
out vec4 pixel;
void main() {
  if (is_round > 0.5 && dot(at, at) > 1.0) discard;
  pixel = vec4(tint.rgb * tint.a, tint.a);
}`];

const LINE = [`#version 300 es
layout(location = 0) in vec3 place;
layout(location = 1) in vec4 color;
uniform mat4 camera;
out vec4 tint;
void main() {
  tint = color;
  gl_Position = camera * vec4(place, 1.0);
}`, `#version 300 es
precision mediump float;
in vec4 tint;
out vec4 pixel;
void main() { pixel = vec4(tint.rgb * tint.a, tint.a); }`];

export function hasDepth() {
  return Boolean(document.createElement('canvas').getContext('webgl2'));
}

function program(gl, sources) {
  const made = gl.createProgram();
  [gl.VERTEX_SHADER, gl.FRAGMENT_SHADER].forEach((kind, k) => {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, sources[k]);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  });
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(made));
  return { made, camera: gl.getUniformLocation(made, 'camera') };
}

// Sheets in space: of each layer its grid, in the plane across the direction of flow, further apart where the picture is wide.
function sheets(layers, aspect) {
  const gap = GAP * Math.max(1, Math.min(WIDEST, aspect));
  return layers.map(({ width: n, shape }, k) => {
    const columns = shape ? shape[1] : n <= 12 ? 1 : Math.ceil(Math.sqrt(n)), rows = Math.ceil(n / columns);
    const cell = Math.min(n <= 12 ? 0.15 : 0.13, SHEET / Math.max(rows, columns));
    return { x: (-columns * cell) / 2, y: (-rows * cell) / 2, cell, columns, rows, depth: (k - (layers.length - 1) / 2) * gap };
  });
}

// A painter, as flat.js has it.
/** @type {import('./netview.js').MakePainter} */
export function depthPainter(store, { height: most, redraw }) {
  const canvas = h('canvas.depth'), names = h('div.depth-names', { 'aria-hidden': 'true' }), element = h('div.depth-box', canvas, names);
  const gl = canvas.getContext('webgl2', { antialias: true, premultipliedAlpha: true });
  let kit = null, places = null, width = 0, height = most, turn = { yaw: YAW, pitch: PITCH, zoom: 1 }, camera = null, fitted = null, drag = null, labels = [], began = performance.now();

  function setup() {
    kit = { point: program(gl, POINT), line: program(gl, LINE), points: gl.createVertexArray(), lines: gl.createVertexArray(),
      corner: gl.createBuffer(), center: gl.createBuffer(), color: gl.createBuffer(), round: gl.createBuffer(), line_place: gl.createBuffer(), line_color: gl.createBuffer() };
    const bind = (buffer, location, size, kind, divisor) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(location);
      gl.vertexAttribPointer(location, size, kind, kind === gl.UNSIGNED_BYTE, 0, 0);
      gl.vertexAttribDivisor(location, divisor);
    };
    gl.bindVertexArray(kit.points);
    bind(kit.corner, 0, 2, gl.FLOAT, 0);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
    bind(kit.center, 1, 4, gl.FLOAT, 1);
    bind(kit.color, 2, 4, gl.UNSIGNED_BYTE, 1);
    bind(kit.round, 3, 1, gl.FLOAT, 1);
    gl.bindVertexArray(kit.lines);
    bind(kit.line_place, 0, 3, gl.FLOAT, 0);
    bind(kit.line_color, 1, 4, gl.UNSIGNED_BYTE, 0);
  }

  const load = (buffer, data) => {
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
  };

  /** @returns {[number, number, number]} */
  function spot(place, index) {
    const [z, y] = middle(places[place], index);
    return [places[place].depth, -y, z];
  }

  function resize(scene, wide) {
    width = wide;
    height = Math.round(Math.min(most, Math.max(300, 0.85 * wide)));
    places = sheets(scene.layers, width / height);
    fitted = fit();
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
    const centers = scene.layers.flatMap((layer, place) => Array.from({ length: layer.width }, (_, j) => [...spot(place, j), places[place].cell * (layer.shape ? 1 : 0.8)]).flat());
    load(kit.center, new Float32Array(centers));
    load(kit.round, new Float32Array(scene.layers.flatMap((layer) => new Array(layer.width).fill(layer.shape ? 0 : 1))));
    labels = scene.layers.map((layer) => h('span', h('b', layer.title), width < 520 ? null : [h('br'), layer.about]));
    names.replaceChildren(...labels);
  }

  // How far away and how far to the side the camera must be for all sheets to be seen at first.
  function fit() {
    const corners = places.flatMap(({ x, y, depth }) => /** @type {[number, number, number][]} */ ([[depth, y - 0.22, x], [depth, y, -x], [depth, -y, x], [depth, -y + 0.3, -x]]));
    for (let away = 1; away < 60; away *= 1.04) {
      const m = multiply(perspective(FIELD, width / height, 0.05, 100), view(YAW, PITCH, away));
      const seen = corners.map((corner) => project(m, corner, 2, 2)), xs = seen.map(([x]) => x), ys = seen.map(([, y]) => y);
      const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
      if (seen.every(([, , w]) => w > 0.2) && right - left < 1.84 && bottom - top < 1.8) return { away, pan: [1 - (left + right) / 2, (top + bottom) / 2 - 1] };
    }
    return { away: 60, pan: [0, 0] };
  }

  function look() {
    const eased = store.get('motion') ? 1 - (1 - Math.min(1, (performance.now() - began) / 900)) ** 3 : 1;
    const aside = Float32Array.from([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, ...fitted.pan, 0, 1]);
    camera = multiply(aside, multiply(perspective(FIELD, width / height, 0.05, 100), view(turn.yaw * eased, turn.pitch * eased, Math.max(0.6, fitted.away * turn.zoom))));
    return eased < 1;
  }

  function edges(scene) {
    const found = [], asked = scene.hover || scene.selected, [below, above] = EDGE[store.get('theme')];
    const add = (from, to, [r, g, b], alpha) => found.push({ from, to, color: [r, g, b, Math.round(255 * Math.min(1, alpha))] });
    const faded = asked ? 0.22 : 1;
    scene.edges.forEach((list, to) => {
      const reveal = Math.max(0, Math.min(1, scene.progress - to + 1));
      for (const { from, i, j, share } of list) add(spot(from, i), spot(to, j), share < 0 ? below : above, faded * reveal * (0.06 + 0.7 * Math.abs(share)));
    });
    for (const { from, to, i, j, share } of asked ? incoming(scene, asked) : []) add(spot(from, i), spot(to, j), share < 0 ? below : above, 0.12 + 0.88 * Math.abs(share));
    scene.layers.forEach(({ shape }, place) => {   // round a picture, which may be as light as the ground
      const { x, y, depth } = places[place], corners = [[depth, -y, x], [depth, -y, -x], [depth, y, -x], [depth, y, x]];
      if (shape) corners.forEach((corner, k) => add(corner, corners[(k + 1) % 4], FRAME[store.get('theme')], 1));
    });
    load(kit.line_place, new Float32Array(found.flatMap(({ from, to }) => [...from, ...to])));
    load(kit.line_color, new Uint8Array(found.flatMap(({ color }) => [...color, ...color])));
    return 2 * found.length;
  }

  function colors(scene) {
    const out = new Uint32Array(scene.layers.reduce((sum, layer) => sum + layer.width, 0));
    let k = 0;
    scene.shades.forEach(({ lookup, places: shades }, place) => {
      const alpha = Math.round(255 * (0.15 + 0.85 * Math.max(0, Math.min(1, scene.progress - place + 1))));
      for (let j = 0; j < shades.length; ++j, ++k) out[k] = (lookup[shades[j]] & 0xffffff) | (alpha << 24);
    });
    const start = (place) => scene.layers.slice(0, place).reduce((sum, layer) => sum + layer.width, 0);
    const [below, above] = EDGE[store.get('theme')].map(([r, g, b]) => 0xff000000 | (b << 16) | (g << 8) | r);
    if (scene.selected) out[start(scene.selected.place) + scene.selected.index] = below;
    if (scene.hover) out[start(scene.hover.place) + scene.hover.index] = above;
    return out;
  }

  function draw(scene) {
    if (!places || gl.isContextLost()) return false;
    const moves = look(), count = scene.layers.reduce((sum, layer) => sum + layer.width, 0);
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    load(kit.color, new Uint8Array(colors(scene).buffer));
    gl.useProgram(kit.point.made);
    gl.uniformMatrix4fv(kit.point.camera, false, camera);
    gl.bindVertexArray(kit.points);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, count);
    const lines = edges(scene);
    gl.depthMask(false);   // lines are behind points, and never before one another
    gl.useProgram(kit.line.made);
    gl.uniformMatrix4fv(kit.line.camera, false, camera);
    gl.bindVertexArray(kit.lines);
    gl.drawArrays(gl.LINES, 0, lines);
    gl.depthMask(true);
    labels.forEach((label, place) => {
      const top = places[place].y - 0.1, [x, y] = project(camera, [places[place].depth, -top, 0], width, height);
      label.style.transform = `translate(${Math.max(36, Math.min(width - 36, x)).toFixed(1)}px, ${y.toFixed(1)}px) translate(-50%, -100%)`;
    });
    return moves;
  }

  function at(scene, px, py) {
    let best = null, least = Infinity;
    for (let place = 0; place < scene.layers.length; ++place) {
      for (let index = 0; index < scene.layers[place].width; ++index) {
        const [x, y, w] = project(camera, spot(place, index), width, height);
        const radius = Math.max(5, (places[place].cell * height) / (3.2 * FIELD * w)), far = (x - px) ** 2 + (y - py) ** 2;
        if (far < radius ** 2 && far + w < least) [best, least] = [{ place, index }, far + w];
      }
    }
    return best;
  }

  function turned(yaw, pitch, zoom = 1) {
    began = -Infinity;
    turn = { yaw: turn.yaw + yaw, pitch: Math.max(-1.3, Math.min(1.3, turn.pitch + pitch)), zoom: Math.max(0.25, Math.min(2.5, turn.zoom * zoom)) };
    redraw();
  }

  const painter = { canvas, element, resize, draw, at, dragged: false, place: ({ place, index }) => project(camera, spot(place, index), width, height).slice(0, 2),
    move: (scene, from, key) => neighbour(scene.layers, { down: false, places }, from, key),
    beside: (scene, from, step) => beside(scene.layers, { places }, from, step),
    key(event) {   // Shift with arrows turns, + and - zoom
      const step = event.shiftKey && { ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, 0.12], ArrowDown: [0, -0.12] }[event.key];
      if (step) turned(...step);
      else if (event.key === '+' || event.key === '-') turned(0, 0, event.key === '+' ? 0.85 : 1 / 0.85);
      else return false;
      return true;
    },
    angles: () => ({ ...turn }),
    stop() { const lost = gl.getExtension('WEBGL_lose_context'); canvas.removeEventListener('webglcontextlost', kept); if (lost) lost.loseContext(); } };

  const kept = (event) => event.preventDefault();
  canvas.addEventListener('webglcontextlost', kept);
  canvas.addEventListener('webglcontextrestored', () => { setup(); places = null; painter.renew = true; redraw(); });
  canvas.addEventListener('pointerdown', (event) => {
    drag = { x: event.clientX, y: event.clientY };
    painter.dragged = false;
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!drag || !event.buttons) return;
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    if (!painter.dragged && Math.hypot(dx, dy) < 4) return;
    if (!painter.dragged) canvas.setPointerCapture(event.pointerId);
    painter.dragged = true;
    turned(-dx * TURN, dy * TURN);
    drag = { x: event.clientX, y: event.clientY };
  });
  canvas.addEventListener('pointerup', () => { drag = null; });
  canvas.addEventListener('wheel', (event) => {   // of a page that scrolls: only where the picture has the keyboard, or with Ctrl
    if (!event.ctrlKey && !element.parentElement.contains(document.activeElement)) return;
    event.preventDefault();
    turned(0, 0, Math.exp(event.deltaY * 0.0012));
  }, { passive: false });
  setup();
  return painter;
}
