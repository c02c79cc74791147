// What simpler models reach on a table's rows to test on: the mean, or the most frequent class, and a linear model.
import { labelsOf } from './training.js';

const MOST_ROWS = 5000, EPOCHS = 40;

// A network without hidden layers, trained by the engine, on at most MOST_ROWS rows.
function linear({ engine, data }) {
  const loss = !data.labels ? 'mean_squared_error' : data.labels.length > 2 ? 'softmax_cross_entropy' : 'sigmoid_cross_entropy', outputs = loss === 'softmax_cross_entropy' ? data.labels.length : 1;
  const network = engine.network({ inputs: data.features, layers: [{ kind: 'standardize' }, { kind: 'dense', units: outputs }], loss: { kind: loss } }, { seed: 0 }), n = Math.min(MOST_ROWS, data.train.n);
  const of = (part, rows) => ({ x: part.X.subarray(0, rows * data.features), n: rows, y: data.labels ? labelsOf({ loss }, part.y.slice(0, rows)) : Float32Array.from(part.y.slice(0, rows)) }), train = of(data.train, n);
  network.standardize(train);
  const training = network.training(train, { optimizer: { kind: 'adam', learning_rate: 0.05 }, schedule: { kind: 'one_cycle' }, batchSize: 64, epochs: EPOCHS, seed: 0 });
  try {
    while (!training.done) training.run(1000);
    const found = network.evaluate(of(data.test, data.test.n));
    return data.labels ? found.accuracy : Math.sqrt(found.loss) * data.scale.std[0];
  } finally {
    training.free();
    network.free();
  }
}

function constant({ data: { labels, scale, train, test } }) {
  if (!labels) return scale.std[0] * Math.sqrt(test.y.reduce((all, y) => all + y * y, 0) / test.n);   // standardized: the mean is 0
  const counts = new Float64Array(labels.length);
  train.y.forEach((label) => { counts[label] += 1; });
  const most = counts.indexOf(Math.max(...counts));
  return Array.from(test.y).filter((label) => label === most).length / test.n;
}

/** @param {any} studio */
export function reference(studio) {
  const { data } = studio;
  if (!data?.columns) return { metric: null };
  return { metric: data.labels ? 'test_accuracy' : 'test_rmse', rows: data.test.n, constant: constant(studio), linear: linear(studio) };
}
