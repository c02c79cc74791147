// Painted points: [x1, x2, class] each, on a grid fine enough that two characters a coordinate keep them in the address.

const STEPS = 1295;   // zz in base 36
export const MAX_POINTS = 400;

const snapped = (value, edge) => {
  const k = Math.max(0, Math.min(STEPS, Math.round(((value + edge) / (2 * edge)) * STEPS)));
  return [k, Math.round(1000 * (-edge + (2 * edge * k) / STEPS)) / 1000];
};

export function point(x1, x2, k, edge) {
  return [snapped(x1, edge)[1], snapped(x2, edge)[1], k];
}

export function encode(points, edge) {
  const two = (value) => snapped(value, edge)[0].toString(36).padStart(2, '0');
  return `p${points.map(([x1, x2, k]) => `${k}${two(x1)}${two(x2)}`).join('')}`;
}

export function decode(text, edge) {
  const found = [], body = String(text ?? '').slice(1), pattern = /([0-3])([0-9a-z]{2})([0-9a-z]{2})/y;
  for (let match = pattern.exec(body); match && found.length < MAX_POINTS; match = pattern.exec(body)) {
    const [x1, x2] = [match[2], match[3]].map((two) => -edge + (2 * edge * parseInt(two, 36)) / STEPS);
    found.push(point(x1, x2, Number(match[1]), edge));
  }
  return found;
}
