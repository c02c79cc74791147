// Four by four matrices in column order, as WebGL takes them.

export function multiply(a, b) {
  const out = new Float32Array(16);
  for (let column = 0; column < 4; ++column)
    for (let row = 0; row < 4; ++row)
      for (let k = 0; k < 4; ++k) out[4 * column + row] += a[4 * k + row] * b[4 * column + k];
  return out;
}

// field: the vertical angle that is seen, in radians.
export function perspective(field, aspect, near, far) {
  const f = 1 / Math.tan(field / 2), depth = near - far;
  return Float32Array.from([f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, (far + near) / depth, -1, 0, 0, (2 * far * near) / depth, 0]);
}

// From a camera that looks at the origin from `away`, turned by yaw about the vertical axis and lifted by pitch.
export function view(yaw, pitch, away) {
  const [sy, cy, sp, cp] = [Math.sin(yaw), Math.cos(yaw), Math.sin(pitch), Math.cos(pitch)];
  return Float32Array.from([cy, -sy * sp, sy * cp, 0, 0, cp, sp, 0, -sy, -cy * sp, cy * cp, 0, 0, 0, -away, 1]);
}

// Where a point is on a canvas, and how far away: [x, y, w].
export function project(m, [x, y, z], width, height) {
  const w = m[3] * x + m[7] * y + m[11] * z + m[15];
  return [((m[0] * x + m[4] * y + m[8] * z + m[12]) / w / 2 + 0.5) * width, (0.5 - (m[1] * x + m[5] * y + m[9] * z + m[13]) / w / 2) * height, w];
}
