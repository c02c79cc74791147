// Optimizers: theta after a step, element by element. chainrule/optimizers.py in C++, with the papers' letters.
#pragma once

#include <cmath>
#include <cstdint>

namespace chainrule::CHAINRULE_ISA {

// In the order of engines/native.py.
enum class Rule : int { gradient_descent, momentum, nesterov, rmsprop, rmsprop_momentum, adagrad, adam, amsgrad, adamw, nadam };

// A rule's settings. `beta1` is SGD's and RMSprop's momentum, `beta2` RMSprop's rho; `decay` AdamW's weight_decay or
// Nadam's psi.
struct Settings {
    Rule rule;
    double beta1, beta2, eps, decay;
};

// What a step needs beside its arrays, in theta's precision.
template <class T>
struct Step {
    T lr, beta1, beta2, eps;
    T one_beta1, one_beta2;  // 1 - beta
    T eps_r, scale;          // Adam: eps r and lr r / (1 - beta1^t), r = sqrt(1 - beta2^t)
    T shrink;                // AdamW: 1 - lr weight_decay
    T g_scale, m_scale;      // Nadam: what multiplies g and m
};

// Step t (from 1) of a run. mu_product: Nadam's product of mu, updated.
template <class T>
Step<T> prepare(const Settings& s, double lr, int64_t t, double& mu_product) {
    Step<T> p{};
    p.lr = T(lr), p.beta1 = T(s.beta1), p.beta2 = T(s.beta2), p.eps = T(s.eps);
    p.one_beta1 = T(1 - s.beta1), p.one_beta2 = T(1 - s.beta2);
    const double c1 = 1 - std::pow(s.beta1, double(t)), r = std::sqrt(1 - std::pow(s.beta2, double(t)));
    p.eps_r = T(s.eps * r), p.scale = T(lr * r / c1), p.shrink = T(1 - lr * s.decay);
    if (s.rule == Rule::nadam) {
        const double mu = s.beta1 * (1 - 0.5 * std::pow(0.96, double(t) * s.decay));
        const double mu_next = s.beta1 * (1 - 0.5 * std::pow(0.96, double(t + 1) * s.decay));
        mu_product *= mu;
        p.g_scale = T(lr * (1 - mu) / (1 - mu_product) * r);
        p.m_scale = T(lr * mu_next / (1 - mu_product * mu_next) * r);
        mu_product = T(mu_product);  // as a checkpoint keeps it
    }
    return p;
}

// w (n,) updated in place from g (n,), with the state's arrays s0, s1, s2 (n,) where the rule has them.
template <class T>
void update(Rule rule, const Step<T>& p, int64_t n, const T* __restrict g, T* __restrict w, T* __restrict s0,
            T* __restrict s1, T* __restrict s2) {
    switch (rule) {
        case Rule::gradient_descent:
            for (int64_t i = 0; i < n; ++i) w[i] -= p.lr * g[i];
            return;
        case Rule::momentum:  // v = momentum v + g
            for (int64_t i = 0; i < n; ++i) {
                s0[i] = p.beta1 * s0[i] + g[i];
                w[i] -= p.lr * s0[i];
            }
            return;
        case Rule::nesterov:
            for (int64_t i = 0; i < n; ++i) {
                s0[i] = p.beta1 * s0[i] + g[i];
                w[i] -= p.lr * (g[i] + p.beta1 * s0[i]);
            }
            return;
        case Rule::rmsprop:  // v = rho v + (1 - rho) g^2
            for (int64_t i = 0; i < n; ++i) {
                s0[i] = p.beta2 * s0[i] + p.one_beta2 * (g[i] * g[i]);
                w[i] -= p.lr * (g[i] / (std::sqrt(s0[i]) + p.eps));
            }
            return;
        case Rule::rmsprop_momentum:  // b = momentum b + g / (sqrt(v) + eps)
            for (int64_t i = 0; i < n; ++i) {
                s0[i] = p.beta2 * s0[i] + p.one_beta2 * (g[i] * g[i]);
                s1[i] = p.beta1 * s1[i] + g[i] / (std::sqrt(s0[i]) + p.eps);
                w[i] -= p.lr * s1[i];
            }
            return;
        case Rule::adagrad:  // s = s + g^2
            for (int64_t i = 0; i < n; ++i) {
                s0[i] += g[i] * g[i];
                w[i] -= p.lr * (g[i] / (std::sqrt(s0[i]) + p.eps));
            }
            return;
        case Rule::adam:
        case Rule::adamw:  // m, v; w = shrink w - lr m_hat / (sqrt(v_hat) + eps); shrink is 1 for Adam
            for (int64_t i = 0; i < n; ++i) {
                s0[i] = p.beta1 * s0[i] + p.one_beta1 * g[i];
                s1[i] = p.beta2 * s1[i] + p.one_beta2 * (g[i] * g[i]);
                w[i] = p.shrink * w[i] - p.scale * (s0[i] / (std::sqrt(s1[i]) + p.eps_r));
            }
            return;
        case Rule::amsgrad:
            for (int64_t i = 0; i < n; ++i) {
                s0[i] = p.beta1 * s0[i] + p.one_beta1 * g[i];
                s1[i] = p.beta2 * s1[i] + p.one_beta2 * (g[i] * g[i]);
                s2[i] = s1[i] > s2[i] ? s1[i] : s2[i];
                w[i] -= p.scale * (s0[i] / (std::sqrt(s2[i]) + p.eps_r));
            }
            return;
        case Rule::nadam:  // with both corrections over r = sqrt(1 - beta2^t), as in Adam
            for (int64_t i = 0; i < n; ++i) {
                s0[i] = p.beta1 * s0[i] + p.one_beta1 * g[i];
                s1[i] = p.beta2 * s1[i] + p.one_beta2 * (g[i] * g[i]);
                w[i] -= (p.g_scale * g[i] + p.m_scale * s0[i]) / (std::sqrt(s1[i]) + p.eps_r);
            }
            return;
    }
}

}  // namespace chainrule::CHAINRULE_ISA
