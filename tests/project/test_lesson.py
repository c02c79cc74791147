"""The lesson's derivations with numbers worked by hand, each step shown.

The lesson writes z = W a + b with column vectors. Here samples are rows and z = a W + b: its W is the transpose of this
W, and where it has one sample, a batch contains one row.
"""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose

from chainrule import (
    BatchNorm,
    CategoricalCrossEntropy,
    Dense,
    GradientDescent,
    MeanSquaredError,
    Model,
    Network,
    ReLU,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
)


def model_with(network: Network, **parameters: dict[str, object]) -> Model:
    """A float64 model whose parameters have these values: model_with(net, dense_1={"W": ..., "b": ...})."""
    model = Model(network, dtype="float64")
    for name, values in parameters.items():
        for field, value in values.items():
            getattr(model.parameters[name], field)[...] = value  # the parameters are views of model.theta
    return model


# --- A chain of four single neurons, without biases and activations: C = (a0 - y)^2


class TestChainOfFourNeurons:
    """a4 --w3--> a3 --w2--> a2 --w1--> a1 --w0--> a0, and C = (a0 - y)^2.

    The input is a4 = 2. With w3, w2, w1, w0 = 0.5, 3, -1, 2 the walk forward is

        a3 = w3 a4 = 0.5 * 2 = 1
        a2 = w2 a3 = 3 * 1 = 3
        a1 = w1 a2 = -1 * 3 = -3
        a0 = w0 a1 = 2 * -3 = -6

    and for y = -5: C = (-6 + 5)^2 = 1, dC/da0 = 2 (a0 - y) = -2. The walk back multiplies one factor a link:

        dC/dw0 = a1 * 2 (a0 - y)                  = -3 * -2              = 6
        dC/dw1 = a2 * w0 * 2 (a0 - y)             = 3 * 2 * -2           = -12
        dC/dw2 = a3 * w1 * w0 * 2 (a0 - y)        = 1 * -1 * 2 * -2      = 4
        dC/dw3 = a4 * w2 * w1 * w0 * 2 (a0 - y)   = 2 * 3 * -1 * 2 * -2  = 24
    """

    a4, w3, w2, w1, w0, y = 2.0, 0.5, 3.0, -1.0, 2.0, -5.0
    x, target = [[a4]], [y]

    def model(self) -> Model:
        # The lesson counts from the output, the network from the input: dense_1 contains w3, dense_4 contains w0.
        network = Network(1, [Dense(1), Dense(1), Dense(1), Dense(1)], loss=MeanSquaredError())
        return model_with(
            network,
            dense_1={"W": self.w3, "b": 0},
            dense_2={"W": self.w2, "b": 0},
            dense_3={"W": self.w1, "b": 0},
            dense_4={"W": self.w0, "b": 0},
        )

    def test_forward(self):
        model = self.model()
        assert model.predict(self.x) == [-6]
        assert model.evaluate(self.x, self.target)["loss"] == 1

    def test_the_four_lines_of_derivatives(self):
        cost, grads = self.model().loss_and_gradients(self.x, self.target)
        assert cost == 1
        assert grads["dense_4"].W == 6  # dC/dw0
        assert grads["dense_3"].W == -12  # dC/dw1
        assert grads["dense_2"].W == 4  # dC/dw2
        assert grads["dense_1"].W == 24  # dC/dw3

    def test_each_line_is_the_product_of_its_factors(self):
        a4, w3, w2, w1, w0, y = self.a4, self.w3, self.w2, self.w1, self.w0, self.y
        a3 = w3 * a4
        a2 = w2 * a3
        a1 = w1 * a2
        a0 = w0 * a1
        dC_da0 = 2 * (a0 - y)
        _, grads = self.model().loss_and_gradients(self.x, self.target)
        dC_dw0, dC_dw1, dC_dw2, dC_dw3 = (grads[f"dense_{l}"].W for l in (4, 3, 2, 1))
        assert dC_dw0 == a1 * dC_da0
        assert dC_dw1 == a2 * w0 * dC_da0
        assert dC_dw2 == a3 * w1 * w0 * dC_da0
        assert dC_dw3 == a4 * w2 * w1 * w0 * dC_da0

    def test_the_update_of_w3(self):
        """w3' = w3 - r a4 w2 w1 w0 2 (a0 - y) = 0.5 - 0.01 * 24 = 0.26 for the rate r = 0.01."""
        model = self.model()
        model.freeze("dense_2", "dense_3", "dense_4")  # w3 alone
        model.fit(self.x, self.target, epochs=1, optimizer=GradientDescent(0.01))
        # The bias, which the lesson leaves out, takes its step as well; it is no part of the line.
        assert_allclose(model.parameters["dense_1"].W, 0.26, rtol=1e-15)

    def test_all_four_updates_use_the_weights_before_the_step(self):
        """w' = w - r dC/dw: 0.5 - 0.24, 3 - 0.04, -1 + 0.12, 2 - 0.06, although w0' is known before w3' is."""
        model = self.model()
        model.fit(self.x, self.target, epochs=1, optimizer=GradientDescent(0.01))
        updated = [model.parameters[f"dense_{l}"].W.item() for l in (1, 2, 3, 4)]
        assert_allclose(updated, [0.26, 2.96, -0.88, 1.94], rtol=1e-15)


# --- One hidden layer: h(x) = sigma(W1 x + b1), y = W2 h(x) + b2, L = 1/2 (y_true - y)^2


class TestOneHiddenLayer:
    """Two inputs, two hidden neurons with the sigmoid, one output, half the squared error.

    x = (1, 2). The first hidden neuron has the weights (1, 0) and the bias ln 3 - 1, the second (0, -1) and 2:

        z1 = (1 * 1 + 0 * 2 + ln 3 - 1,  0 * 1 - 1 * 2 + 2) = (ln 3, 0)
        h  = sigma(z1) = (3/4, 1/2)              sigma(ln 3) = 1 / (1 + 1/3) = 3/4
        y  = 4 * 3/4 - 2 * 1/2 + 1 = 3           with W2 = (4, -2), b2 = 1
        L  = 1/2 (5 - 3)^2 = 2                   for y_true = 5

    The walk back, with dL/dy = -(y_true - y) = -2 and sigma'(z) = h (1 - h) = (3/16, 1/4):

        dL/dW2 = -(y_true - y) h                     = -2 * (3/4, 1/2)                      = (-3/2, -1)
        dL/db2 = -(y_true - y)                                                             = -2
        dL/db1 = -(y_true - y) W2 sigma'(W1 x + b1)  = -2 * (4, -2) * (3/16, 1/4)           = (-3/2, 1)
        dL/dW1 = -(y_true - y) W2 sigma'(W1 x + b1) x: row j is x_j times that              = ((-3/2, 1), (-3, 2))
    """

    x, y_true = [[1.0, 2.0]], [5.0]
    W1, b1 = np.array([[1.0, 0.0], [0.0, -1.0]]), np.array([log(3) - 1, 2.0])
    W2, b2 = np.array([[4.0], [-2.0]]), np.array([1.0])
    dW1, db1 = np.array([[-3 / 2, 1.0], [-3.0, 2.0]]), np.array([-3 / 2, 1.0])
    dW2, db2 = np.array([[-3 / 2], [-1.0]]), np.array([-2.0])

    def model(self) -> Model:
        network = Network(2, [Dense(2), Sigmoid(), Dense(1)], loss=MeanSquaredError(half=True))
        return model_with(network, dense_1={"W": self.W1, "b": self.b1}, dense_2={"W": self.W2, "b": self.b2})

    def test_forward(self):
        model = self.model()
        assert_allclose(model.predict(self.x), 3, rtol=1e-15)
        assert_allclose(model.evaluate(self.x, self.y_true)["loss"], 2, rtol=1e-15)

    def test_all_four_gradients(self):
        loss, grads = self.model().loss_and_gradients(self.x, self.y_true)
        assert_allclose(loss, 2, rtol=1e-15)
        assert_allclose(grads["dense_2"].W, self.dW2, rtol=1e-14)
        assert_allclose(grads["dense_2"].b, self.db2, rtol=1e-14)
        assert_allclose(grads["dense_1"].W, self.dW1, rtol=1e-14)
        assert_allclose(grads["dense_1"].b, self.db1, rtol=1e-14)

    def test_update(self):
        """W := W - alpha dL/dW, b := b - alpha dL/db, all four, for alpha = 0.1."""
        model = self.model()
        model.fit(self.x, self.y_true, epochs=1, optimizer=GradientDescent(0.1))
        p = model.parameters
        assert_allclose(p["dense_1"].W, [[1.15, -0.1], [0.3, -1.2]], rtol=1e-14)
        assert_allclose(p["dense_1"].b, [log(3) - 0.85, 1.9], rtol=1e-14)
        assert_allclose(p["dense_2"].W, [[4.15], [-1.9]], rtol=1e-14)
        assert_allclose(p["dense_2"].b, [1.2], rtol=1e-14)

    def test_repeated_updates_lower_the_loss(self):
        model = self.model()
        history = model.fit(self.x, self.y_true, epochs=60, optimizer=GradientDescent(0.05))
        losses = [record["loss"] for record in history.records]
        assert losses == sorted(losses, reverse=True)
        assert losses[-1] < 1e-6

    def test_a_batch_averages_its_samples(self):
        """L = sum_i loss_i / n. With a second sample that is predicted exactly, every gradient is half as large."""
        other = [0.5, -1.0]
        model = self.model()
        exact = model.predict([other]).item()
        loss, grads = model.loss_and_gradients([*self.x, other], [*self.y_true, exact])
        assert_allclose(loss, 1, rtol=1e-14)
        assert_allclose(grads["dense_1"].W, self.dW1 / 2, rtol=1e-14)
        assert_allclose(grads["dense_2"].b, self.db2 / 2, rtol=1e-14)


# --- L layers in matrix form, softmax at the end, cross-entropy


class TestRecursionOverLayers:
    """Three layers: ReLU, ReLU, softmax; L = - sum_k y_k log a_k; y is the second of three classes.

    a0 = (1, 2)
    z1 = a0 W1 + b1 = (1 + 2, 2 - 1 * 2 - 1)  = (3, -1)          W1 = ((1, 2), (1, -1)), b1 = (0, -1)
    a1 = relu(z1)                             = (3, 0)
    z2 = a1 W2 + b2 = (3 * 1 - 2, 3 * -1 + 4) = (1, 1)           W2 = ((1, -1), (5, 7)), b2 = (-2, 4)
    a2 = relu(z2)                             = (1, 1)
    z3 = a2 W3 + b3                           = (0, ln 2, 0)     W3 = ((1, ln 2, 2), (-1, 0, -2)), b3 = 0
    a3 = softmax(z3) = (1, 2, 1) / 4          = (1/4, 1/2, 1/4)
    L  = - log 1/2                            = ln 2
    """

    x, y = [[1.0, 2.0]], [1]
    W1, b1 = np.array([[1.0, 2.0], [1.0, -1.0]]), np.array([0.0, -1.0])
    W2, b2 = np.array([[1.0, -1.0], [5.0, 7.0]]), np.array([-2.0, 4.0])
    W3, b3 = np.array([[1.0, log(2), 2.0], [-1.0, 0.0, -2.0]]), np.zeros(3)
    a1, a2, a3 = np.array([3.0, 0.0]), np.array([1.0, 1.0]), np.array([1 / 4, 1 / 2, 1 / 4])
    one_hot = np.array([0.0, 1.0, 0.0])
    delta3 = np.array([1 / 4, -1 / 2, 1 / 4])  # a3 - y: shown below

    def model(self, in_the_loss: bool) -> Model:
        """Softmax inside the loss, or as a layer before it."""
        layers = [Dense(2), ReLU(), Dense(2), ReLU(), Dense(3)]
        network = (
            Network(2, layers, loss=SoftmaxCrossEntropy())
            if in_the_loss
            else Network(2, [*layers, Softmax()], loss=CategoricalCrossEntropy())
        )
        values = ({"W": self.W1, "b": self.b1}, {"W": self.W2, "b": self.b2}, {"W": self.W3, "b": self.b3})
        return model_with(network, **dict(zip(("dense_1", "dense_2", "dense_3"), values, strict=True)))

    def test_the_error_of_the_last_layer_through_the_jacobian(self):
        """delta3 = dL/da3 applied to d a3 / d z3, both written out.

        dL/da = -y / a = (0, -2, 0)
        d a_k / d z_j = a_k (1 if k = j else 0) - a_k a_j, the Jacobian diag(a) - a a^T:

             3/16  -1/8  -1/16
            -1/8    1/4  -1/8          delta = (0, -2, 0) times it = -2 times its second row = (1/4, -1/2, 1/4)
            -1/16  -1/8   3/16
        """
        dL_da = -self.one_hot / self.a3
        jacobian = np.array([[3 / 16, -1 / 8, -1 / 16], [-1 / 8, 1 / 4, -1 / 8], [-1 / 16, -1 / 8, 3 / 16]])
        assert_allclose(np.diag(self.a3) - np.outer(self.a3, self.a3), jacobian, rtol=1e-15)
        assert_allclose(dL_da @ jacobian, self.delta3, rtol=1e-15)

    def test_the_error_of_the_last_layer_as_a_minus_y(self):
        assert_allclose(self.a3 - self.one_hot, self.delta3, rtol=1e-15)

    @pytest.mark.parametrize("in_the_loss", [True, False], ids=["a - y", "Jacobian"])
    def test_both_ways_are_what_the_package_does(self, in_the_loss):
        """dL/db of the last layer is its delta, for one sample: the package's own two ways."""
        model = self.model(in_the_loss)
        loss, grads = model.loss_and_gradients(self.x, self.y)
        assert_allclose(model.predict_proba(self.x), [self.a3], rtol=1e-15)
        assert_allclose(loss, log(2), rtol=1e-15)
        assert_allclose(grads["dense_3"].b, self.delta3, rtol=1e-15)

    @pytest.mark.parametrize("in_the_loss", [True, False], ids=["a - y", "Jacobian"])
    def test_the_recursion(self, in_the_loss):
        """delta_l = (delta_{l+1} W_{l+1}^T) * sigma'(z_l), then dW_l = a_{l-1}^T delta_l and db_l = delta_l.

        delta2 = (1/4 - ln 2 / 2 + 1/2,  -1/4 - 1/2) * (1, 1)       both z2 are positive
        delta1 = (delta2_1 - delta2_2,  5 delta2_1 + 7 delta2_2) * (1, 0)       z1_2 = -1 lets nothing through
        """
        c = 3 / 4 - log(2) / 2
        delta2 = np.array([c, -3 / 4])
        delta1 = np.array([c + 3 / 4, 0.0])
        assert_allclose(self.delta3 @ self.W3.T * [1, 1], delta2, rtol=1e-15)
        assert_allclose(delta2 @ self.W2.T * [1, 0], delta1, rtol=1e-15)

        _, grads = self.model(in_the_loss).loss_and_gradients(self.x, self.y)
        for l, delta, before in ((3, self.delta3, self.a2), (2, delta2, self.a1), (1, delta1, [1.0, 2.0])):
            assert_allclose(grads[f"dense_{l}"].b, delta, rtol=1e-14, atol=1e-16)
            assert_allclose(grads[f"dense_{l}"].W, np.outer(before, delta), rtol=1e-14, atol=1e-16)

    def test_the_update_of_every_layer(self):
        """W := W - eta dL/dW, b := b - eta dL/db with eta = 0.5, layer by layer."""
        model = self.model(in_the_loss=True)
        _, grads = model.loss_and_gradients(self.x, self.y)
        model.fit(self.x, self.y, epochs=1, optimizer=GradientDescent(0.5))
        for l, W, b in ((1, self.W1, self.b1), (2, self.W2, self.b2), (3, self.W3, self.b3)):
            assert_allclose(model.parameters[f"dense_{l}"].W, W - 0.5 * grads[f"dense_{l}"].W, rtol=1e-15)
            assert_allclose(model.parameters[f"dense_{l}"].b, b - 0.5 * grads[f"dense_{l}"].b, rtol=1e-15)
        # One of them by hand: b3 = 0 - 0.5 * (1/4, -1/2, 1/4)
        assert_allclose(model.parameters["dense_3"].b, [-1 / 8, 1 / 4, -1 / 8], rtol=1e-15)

    def test_the_softmax_output_is_a_distribution(self):
        assert_allclose(np.exp([0, log(2), 0]) / (exp(0) + exp(log(2)) + exp(0)), self.a3, rtol=1e-15)


# --- Batch normalization


class TestBatchNormalization:
    """x_hat_i = (x_i - mu_B) / sqrt(var_B + epsilon), out_i = gamma x_hat_i + beta, on a batch of four.

    x = 1, 3, 5, 7:  mu_B = 16/4 = 4,  var_B = (9 + 1 + 1 + 9)/4 = 5; epsilon = 4 makes the root 3:

        x_hat = (-1, -1/3, 1/3, 1)
        out   = 6 x_hat + 10 = (4, 8, 12, 16)        for gamma = 6, beta = 10
    """

    x = np.array([[1.0], [3.0], [5.0], [7.0]])
    out = np.array([4.0, 8.0, 12.0, 16.0])

    def model(self) -> Model:
        network = Network(1, [BatchNorm(momentum=0.9, eps=4.0)], loss=MeanSquaredError(half=True))
        return model_with(network, batch_norm_1={"gamma": 6.0, "beta": 10.0})

    def test_the_formula(self):
        """With the targets 0 the loss is the mean of out^2 / 2 = (16 + 64 + 144 + 256) / 8 = 60."""
        loss, _ = self.model().loss_and_gradients(self.x, np.zeros(4))
        assert_allclose(loss, 60, rtol=1e-15)
        loss, _ = self.model().loss_and_gradients(self.x, self.out)
        assert_allclose(loss, 0, atol=1e-28)

    def test_its_gradients(self):
        """delta = (out - 0) / 4 = (1, 2, 3, 4).

        dL/dbeta  = 1 + 2 + 3 + 4 = 10
        dL/dgamma = -1 - 2/3 + 1 + 4 = 10/3
        """
        _, grads = self.model().loss_and_gradients(self.x, np.zeros(4))
        assert_allclose(grads["batch_norm_1"].beta, [10], rtol=1e-14)
        assert_allclose(grads["batch_norm_1"].gamma, [10 / 3], rtol=1e-14)

    def test_running_statistics_serve_prediction(self):
        """After one step: mean 0.9 * 0 + 0.1 * 4 = 0.4, var 0.9 * 1 + 0.1 * (5 * 4/3) = 0.9 + 2/3.

        The batch's variance counts as an estimate from four samples: 20/3, not 20/4.
        """
        model = self.model()
        model.fit(
            self.x, np.zeros(4), epochs=1, optimizer=GradientDescent(1e-300)
        )  # a step that moves nothing
        mean, var = model.states["batch_norm_1"]
        assert_allclose(mean, [0.4], rtol=1e-15)
        assert_allclose(var, [0.9 + 2 / 3], rtol=1e-15)
        expected = 6 * (self.x - 0.4) / sqrt(0.9 + 2 / 3 + 4) + 10
        assert_allclose(model.predict(self.x), expected[:, 0], rtol=1e-14)

    def test_between_weights_and_activation_the_mean_is_0_and_the_variance_1(self):
        """gamma = 1, beta = 0: whatever the weights, the activation sees mean 0 and variance var / (var + eps)."""
        rng = np.random.default_rng(0)
        X = rng.normal(5, 3, size=(200, 4))
        network = Network(4, [Dense(3), BatchNorm(momentum=0.0), ReLU(), Dense(1)], loss=MeanSquaredError())
        model = Model(network, dtype="float64")
        model.fit(X, X[:, 0], epochs=1, batch_size=None, optimizer=GradientDescent(1e-300))
        z = X @ model.parameters["dense_1"].W
        mean, var = model.states["batch_norm_1"]  # momentum 0: the last batch's
        x_hat = (z - mean) / np.sqrt(var * 199 / 200 + 1e-5)
        assert_allclose(x_hat.mean(0), 0, atol=1e-14)
        assert_allclose(x_hat.var(0), 1, rtol=1e-4)
