// MNIST as the builder of the page has packed it: gzip files of images and labels, read by the browser's own DecompressionStream.

// A gzip file as bytes; told(bytes) is called with what has arrived of it.
async function unzipped(url, told) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} cannot be read (${answer.status}); reload the page.`);
  const counted = new TransformStream({ transform(chunk, controller) { told(chunk.length); controller.enqueue(chunk); } });
  const stream = answer.body.pipeThrough(counted).pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// A part of the builder's list: {n, files: [[url, images, bytes], …]}, each with its images and then their labels.
async function readPart({ n, files }, inputs, base, told) {
  const X = new Uint8Array(n * inputs), y = new Uint8Array(n);
  let start = 0;
  const all = await Promise.all(files.map(([file]) => unzipped(new URL(file, base).href, told)));
  files.forEach(([, images], k) => {
    X.set(all[k].subarray(0, images * inputs), start * inputs);
    y.set(all[k].subarray(images * inputs), start);
    start += images;
  });
  return { X, y, told: y, n };
}

// told(share): of the bytes that have arrived.
/** @returns {Promise<any>} */
export async function readMnist(given, base, told) {
  const { train, test, shape } = given, inputs = shape[0] * shape[1], most = [...train.files, ...test.files].reduce((all, [, , bytes]) => all + bytes, 0);
  let arrived = 0;
  const count = (bytes) => { arrived += bytes; told(Math.min(1, arrived / most)); };
  const held = await readPart(test, inputs, base, count), learned = await readPart(train, inputs, base, count);
  return { name: 'mnist', X_kind: 'pixels', features: inputs, shape, labels: Array.from({ length: 10 }, (_, k) => String(k)), train: learned, test: held };
}
