"""Make the files in keras/, and the answers of Keras 3.15 to them: `KERAS_BACKEND=jax python make_keras.py`."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
from keras import layers

HERE = Path(__file__).parent / "keras"
RNG = np.random.default_rng(0)


def sequential() -> keras.Model:
    made = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Normalization(),
            layers.Dense(5),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.1),
            layers.Dropout(0.2),
            layers.Dense(4, activation="silu", use_bias=False),
            layers.ELU(0.5),
            layers.Dense(3, activation="softmax"),
        ]
    )
    made.layers[0].adapt(RNG.normal(3, 2, size=(40, 4)))
    return made


def functional() -> keras.Model:
    x = keras.Input((2, 2), name="picture")
    flat = layers.Flatten()(x)
    h = layers.Dense(4, activation="tanh", name="hidden")(flat)
    h = layers.Add()([flat, h])
    h = layers.Concatenate()([h, layers.Dense(2)(h)])
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="gelu")], name="inner")
    h = layers.Reshape((3, 1))(inner(h))
    h = layers.Flatten()(h)
    return keras.Model(x, layers.Dense(2, name="end")(layers.Rescaling(0.5, 1.0)(h)))


def logits() -> keras.Model:
    made = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.ReLU(), layers.Dense(3)])
    made.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return made


def heads() -> keras.Model:
    x = keras.Input((4,))
    h = layers.Dense(5, activation="tanh")(x)
    return keras.Model(x, [layers.Dense(2, name="action")(h), layers.Dense(1, name="value")(h)])


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    rows, answers = RNG.normal(size=(5, 4)).astype(np.float32), {}
    for make in (sequential, functional, logits, heads):
        net = make()
        for variable in net.variables:  # also biases and running statistics, which begin as 0 and 1
            if "float" in str(variable.dtype) and "/normalization/" not in f"/{variable.path}":
                variable.assign(variable + RNG.uniform(0, 0.3, variable.shape))
        net.save(HERE / f"{make.__name__}.keras")
        net = keras.models.load_model(HERE / f"{make.__name__}.keras")
        found = net.predict(rows.reshape(-1, *net.input_shape[1:]), verbose=0)
        named = found if isinstance(found, list) else [found]
        answers[make.__name__] = [np.asarray(each, np.float64).tolist() for each in named]
    (HERE / "answers.json").write_text(json.dumps({"rows": rows.tolist(), **answers}) + "\n")
