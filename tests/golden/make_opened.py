"""Make the files in opened/: networks as the exporters of other libraries write them, with the answers of these.

    python make_opened.py torch sklearn tables own      in the tests' environment, with onnxscript
    KERAS_BACKEND=torch python make_opened.py keras      with Keras 3.15
    python make_opened.py stable_baselines3      with Stable-Baselines3 2.9 and gymnasium[box2d] in it
    python make_opened.py tensorflow             with TensorFlow 2.15 (Keras 2) and tf2onnx 1.16

ONNX files need no answers, since ONNX Runtime gives them; those of the others are in answers.json.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent / "opened"
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(40, 6)).astype(np.float32)
LABELS = np.arange(40) % 3


def keep(name: str, answers: Any) -> None:
    """Write the answers to ROWS, or to as many of their columns as a network takes, beside those of other files."""
    path = HERE / "answers.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[name] = np.asarray(answers, np.float64).tolist()
    path.write_text(json.dumps(dict(sorted(known.items()))) + "\n")


def torch() -> None:
    """The two exporters of PyTorch, and a state_dict."""
    import torch
    from safetensors.torch import save_file
    from torch import nn

    def net(*layers: nn.Module) -> nn.Module:
        return nn.Sequential(nn.Linear(6, 8), *layers, nn.Linear(8, 3))

    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pi, self.vf = (nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, n)) for n in (3, 1))

        def forward(self, x: Any) -> Any:
            return self.pi(x), self.vf(x)

    class Dueling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 3), nn.Linear(8, 2)
            self.last = nn.Linear(5, 2)

        def forward(self, x: Any) -> Any:
            h = torch.relu(self.first(x))
            return self.last(torch.cat([torch.tanh(self.a(h)), torch.sigmoid(self.b(h))], -1))

    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.last = nn.Linear(2, 4), nn.Linear(4, 4), nn.Linear(8, 2)

        def forward(self, x: Any) -> Any:
            left, right = torch.split(x, [2, 4], -1)
            return self.last(torch.cat([torch.relu(self.a(left)), torch.relu(self.b(right))], -1))

    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.inner = (
                nn.Linear(6, 8),
                nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8), nn.SiLU()),
            )
            self.last = nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            h = self.first(x)
            return self.last(h + self.inner(h))

    made: dict[str, nn.Module] = {
        "relu": net(nn.ReLU()),
        "bounded": net(
            nn.ReLU6(), nn.Linear(8, 8), nn.Hardtanh(-0.5, 0.7), nn.Linear(8, 8), nn.Hardsigmoid()
        ),
        "gelu": net(nn.GELU(), nn.Dropout(0.1), nn.Linear(8, 8), nn.GELU("tanh")),
        "smooth": net(
            nn.SiLU(),
            nn.Linear(8, 8),
            nn.Mish(),
            nn.Linear(8, 8),
            nn.Softplus(),
            nn.Linear(8, 8),
            nn.ELU(0.5),
        ),
        "normalized": net(
            nn.BatchNorm1d(8), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(8, 8), nn.PReLU(8)
        ),
        "picture": nn.Sequential(nn.Flatten(), nn.Linear(6, 8), nn.SELU(), nn.Linear(8, 3), nn.Softmax(-1)),
        "layer_norm": net(nn.LayerNorm(8), nn.ReLU()),
        "pre_norm": Gated(),
        "hard_swish": net(nn.Hardswish()),
        "heads": Heads(),
        "two_ways": Dueling(),
        "split": Split(),
    }
    for name, each in made.items():
        for part in each.modules():
            if isinstance(part, nn.BatchNorm1d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
                nn.init.normal_(part.weight)
            if isinstance(part, nn.LayerNorm):
                nn.init.normal_(part.weight)
                nn.init.normal_(part.bias)
        given = torch.tensor(ROWS[:2]).reshape((2, 2, 3) if name == "picture" else (2, 6))
        path = HERE / f"torch_{name}.onnx"
        torch.onnx.export(
            each.eval(), given, path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}}
        )
        shapes = ({0: torch.export.Dim("n")},)
        path = HERE / f"dynamo_{name}.onnx"
        torch.onnx.export(
            each, (given,), path, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False
        )
    save_file(made["relu"].state_dict(), HERE / "torch_relu.safetensors")
    keep("torch_relu.safetensors", made["relu"](torch.tensor(ROWS)).detach())


def sklearn() -> None:
    """skl2onnx: scalers, one-hot encoders, columns."""
    from skl2onnx import to_onnx
    from sklearn.compose import make_column_transformer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, RobustScaler, StandardScaler

    few = {"hidden_layer_sizes": (8,), "max_iter": 40, "random_state": 0}
    mixed = ROWS.copy()
    mixed[:, 4:] = RNG.integers(0, 4, (len(ROWS), 2))
    mixed[:, 5] = np.array([1, 2, 5, 9])[mixed[:, 5].astype(int)]
    columns = make_column_transformer(
        (StandardScaler(), [1, 0, 3]), (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), [4, 5])
    )
    rest = make_column_transformer((MinMaxScaler(), [0, 1]), remainder="passthrough")
    for name, theirs, X, y in (
        ("classifier", make_pipeline(StandardScaler(), MLPClassifier(**few)), ROWS, LABELS),
        ("binary", make_pipeline(RobustScaler(), MLPClassifier(activation="tanh", **few)), ROWS, LABELS > 0),
        (
            "regressor",
            make_pipeline(MinMaxScaler(), MLPRegressor(activation="logistic", **few)),
            ROWS,
            ROWS[:, :2] * 9,
        ),
        ("columns", make_pipeline(columns, MLPClassifier(**few)), mixed, np.array(["a", "b", "c"])[LABELS]),
        ("remainder", make_pipeline(rest, MLPRegressor(**few)), ROWS, ROWS[:, 0]),
    ):
        theirs.fit(X, y)
        options = {"zipmap": False} if name == "columns" else None
        (HERE / f"sklearn_{name}.onnx").write_bytes(
            to_onnx(theirs, X[:1], options=options).SerializeToString()
        )


def tables() -> None:
    """skl2onnx: pipelines from the columns of a table, text among them, to the tip and to whether somebody smokes."""
    from plotly.express import data
    from skl2onnx import to_onnx
    from sklearn.compose import ColumnTransformer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

    tips = data.tips(return_type="pandas")
    unknown = OneHotEncoder(handle_unknown="ignore")
    few = {"hidden_layer_sizes": (16,), "max_iter": 300, "random_state": 0}
    for target, columns, net in (
        (
            "tip",
            ColumnTransformer(
                [
                    ("num", StandardScaler(), ["total_bill", "size"]),
                    ("cat", unknown, ["day", "time", "smoker"]),
                ]
            ),
            MLPRegressor(**few),
        ),
        (
            "smoker",
            ColumnTransformer(
                [
                    ("cat", OneHotEncoder(drop="first", handle_unknown="ignore"), ["sex", "day"]),
                    ("num", MinMaxScaler(), ["tip", "total_bill"]),
                ],
                remainder="passthrough",
            ),
            MLPClassifier(activation="tanh", **few),
        ),
    ):
        X = tips.drop(columns=[target, *([] if target == "tip" else ["time"])])
        if target == "smoker":  # in float64 skl2onnx mixes types
            X = X.astype(dict.fromkeys(("tip", "total_bill", "size"), np.float32))
        made = Pipeline([("columns", columns), ("net", net)]).fit(X, tips[target])
        options = {"zipmap": False} if target == "smoker" else None
        content = to_onnx(made, X[:1], options=options).SerializeToString()
        (HERE / f"table_{target}.onnx").write_bytes(content)


def own() -> None:
    """The package's own exporter."""
    import chainrule as c

    for name, layers, loss, y in (
        (
            "classifier",
            [c.Standardize(), c.Dense(8), c.BatchNorm(), c.GELU(), c.Dense(3)],
            c.SoftmaxCrossEntropy(),
            LABELS,
        ),
        (
            "residual",
            [c.Dense(8), c.Residual([c.Dense(8), c.Mish()]), c.Dense(2)],
            c.MeanSquaredError(),
            ROWS[:, :2],
        ),
    ):
        model = c.Model(c.Network(6, layers, loss))
        model.fit(ROWS, y, epochs=3)
        model.export(HERE / f"chainrule_{name}.onnx", ROWS)


def keras_layers(keras: Any) -> dict[str, Any]:
    """Networks that both Keras 2 and Keras 3 have."""
    layers, Input = keras.layers, keras.Input

    def functional() -> Any:
        x = Input((6,), name="row")
        h = layers.Dense(6, activation="tanh", name="hidden")(x)
        h = layers.Add(name="sum")([x, h])
        h = layers.Concatenate(name="joined")([h, layers.Dense(2, name="two")(h)])
        return keras.Model(x, layers.Dense(2, name="end")(layers.Rescaling(0.5, 1.0)(h)))

    def heads() -> Any:
        x = Input((6,))
        h = layers.Dense(8, activation="tanh", name="trunk")(x)
        return keras.Model(x, [layers.Dense(3, name="action")(h), layers.Dense(1, name="value")(h)])

    normalization = layers.Normalization(axis=-1)
    normalization.adapt(ROWS * 2 + 1)
    return {
        "sequential": keras.Sequential(
            [
                *(
                    Input((6,)),
                    normalization,
                    layers.Dense(8),
                    layers.BatchNormalization(),
                    layers.LeakyReLU(),
                ),
                *(layers.Dropout(0.2), layers.Dense(8, activation="swish", use_bias=False), layers.ELU(0.5)),
                *(layers.Dense(8), layers.PReLU(), layers.Dense(3, activation="softmax")),
            ]
        ),
        "activations": keras.Sequential(
            [
                *(Input((6,)), layers.Dense(8, activation="gelu"), layers.Dense(8, activation="selu")),
                *(layers.Dense(8, activation="softplus"), layers.Dense(8), layers.ReLU(max_value=6)),
                *(layers.Dense(8, activation="hard_sigmoid"), layers.Dense(1, activation="sigmoid")),
            ]
        ),
        "functional": functional(),
        "heads": heads(),
        "nested": keras.Sequential(
            [
                Input((2, 3)),
                layers.Flatten(),
                keras.Sequential([Input((6,)), layers.Dense(8, activation="relu")], name="inner"),
                layers.Dense(2),
            ]
        ),
    }


def drawn(net: Any) -> None:
    """Change what begins as 0 and 1."""
    for layer in net.layers:
        for variable in () if type(layer).__name__ == "Normalization" else layer.weights:
            variable.assign(variable + RNG.uniform(0, 0.3, tuple(variable.shape)))


def answers_of(net: Any) -> Any:
    found = net.predict(ROWS.reshape(-1, *net.input_shape[1:]), verbose=0)
    return np.concatenate(found, -1) if isinstance(found, list) else found


def keras() -> None:
    """Keras 3: its own files, and its exporter of ONNX files."""
    import keras

    keras.utils.set_random_seed(0)
    for name, net in keras_layers(keras).items():
        drawn(net)
        net.save(HERE / f"keras3_{name}.keras")
        keep(f"keras3_{name}.keras", answers_of(net))
        if name != "nested":
            net.export(HERE / f"keras3_{name}.onnx", format="onnx", verbose=False)


def tensorflow() -> None:
    """Keras 2: its two forms of files, and tf2onnx."""
    import tensorflow as tf
    import tf2onnx

    tf.keras.utils.set_random_seed(0)
    for name, net in keras_layers(tf.keras).items():
        drawn(net)
        if name == "activations":
            net.compile(loss=tf.keras.losses.BinaryCrossentropy())
        for ending in ("h5", "keras"):
            net.save(HERE / f"keras2_{name}.{ending}")
            keep(f"keras2_{name}.{ending}", answers_of(net))
        if name != "heads":
            given = [tf.TensorSpec((None, *net.input_shape[1:]), tf.float32, name="x")]
            tf2onnx.convert.from_keras(net, given, output_path=str(HERE / f"tf2onnx_{name}.onnx"))


def stable_baselines3() -> None:
    """Policies of the default shape, 64-64 of tanh for each of two heads, exported as its documentation does.

    Those of "sb3" have not learned and have their heads alone; those of "sb3_recipe" have learned for 6,000 steps.
    """
    import torch
    from gymnasium import spaces
    from stable_baselines3 import PPO
    from stable_baselines3.common.policies import ActorCriticPolicy

    class OnnxablePolicy(torch.nn.Module):
        def __init__(self, policy: Any) -> None:
            super().__init__()
            self.policy = policy

        def forward(self, observation: Any) -> Any:
            return self.policy(observation, deterministic=True)

    class Heads(OnnxablePolicy):
        def forward(self, observation: Any) -> Any:
            pi, vf = self.policy.mlp_extractor(self.policy.extract_features(observation))
            return self.policy.action_net(pi), self.policy.value_net(vf)

    torch.manual_seed(0)
    for name, world, inputs, actions in (
        ("cart_pole", "CartPole-v1", 4, spaces.Discrete(2)),
        ("acrobot", "Acrobot-v1", 6, spaces.Discrete(3)),
        ("lunar_lander", "LunarLander-v3", 8, spaces.Discrete(4)),
        ("pendulum", "Pendulum-v1", 3, spaces.Box(-2, 2, (1,))),
        ("walker", "BipedalWalker-v3", 24, spaces.Box(-1, 1, (4,))),
    ):
        new = ActorCriticPolicy(spaces.Box(-np.inf, np.inf, (inputs,)), actions, lambda _: 1e-3)
        for of, policy, kind, outputs in (
            ("sb3", new, Heads, ["action", "value"]),
            (
                "sb3_recipe",
                PPO("MlpPolicy", world, seed=0, device="cpu").learn(6_000).policy,
                OnnxablePolicy,
                ["action", "value", "log_prob"],
            ),
        ):
            policy.eval()
            torch.onnx.export(
                kind(policy),
                torch.zeros(1, inputs),
                HERE / f"{of}_{name}.onnx",
                dynamo=False,
                opset_version=17,
                input_names=["input"],
                output_names=outputs,
                dynamic_axes={"input": {0: "n"}},
            )


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    warnings.simplefilter("ignore")
    for of in sys.argv[1:]:
        globals()[of]()
