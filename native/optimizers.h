// Optimizers: the update of theta, element by element. chainrule/formulas/optimizers.py in C++, with the papers' letters.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "enumerations.h"
#include "terms.h"

namespace chainrule::CHAINRULE_ISA {

// A rule's settings. `beta1` is SGD's and RMSprop's momentum, `beta2` RMSprop's rho; `decay` AdamW's weight_decay or
// Nadam's psi; `uncorrected_eps` of Adam and its variants.
struct Settings {
    Rule rule;
    double beta1, beta2, eps, decay;
    bool uncorrected_eps;
};

// The scalars of a step, in theta's precision.
template <class T>
struct Step {
    T lr, beta1, beta2, eps;
    T one_beta1, one_beta2;  // 1 - beta
    T eps_r, scale;          // Adam: eps r (uncorrected: eps) and lr r / (1 - beta1^t), r = sqrt(1 - beta2^t)
    T shrink;                // AdamW: 1 - lr weight_decay
    T g_scale, m_scale;      // Nadam: the factors of g and m
};

// The bias corrections of step t (from 1): Adam's, and Nadam's mu_t and mu_(t+1) with the product of all mu up to t, which is
// `mu_product` up to t - 1.
struct Corrections {
    double c1, r, mu = 0, mu_next = 0, mu_product;  // 1 - beta1^t, sqrt(1 - beta2^t)

    Corrections(const Settings& s, int64_t t, double mu_product)
        : c1(1 - std::pow(s.beta1, double(t))), r(std::sqrt(1 - std::pow(s.beta2, double(t)))), mu_product(mu_product) {
        if (s.rule != Rule::nadam) return;
        mu = s.beta1 * (1 - 0.5 * std::pow(0.96, double(t) * s.decay));
        mu_next = s.beta1 * (1 - 0.5 * std::pow(0.96, double(t + 1) * s.decay));
        this->mu_product *= mu;
    }
};

// The scalars of a step with learning rate lr; decay is a factor of the weight decay.
template <class T>
Step<T> prepare(const Settings& s, const Corrections& c, double lr, double decay) {
    Step<T> p{};
    p.lr = T(lr), p.beta1 = T(s.beta1), p.beta2 = T(s.beta2), p.eps = T(s.eps);
    p.one_beta1 = T(1 - s.beta1), p.one_beta2 = T(1 - s.beta2);
    p.eps_r = T(s.uncorrected_eps ? s.eps : s.eps * c.r), p.scale = T(lr * c.r / c.c1);
    p.shrink = s.rule == Rule::adamw ? T(1 - lr * s.decay * decay) : T(1);
    if (s.rule == Rule::nadam) {
        p.g_scale = T(lr * (1 - c.mu) / (1 - c.mu_product) * c.r);
        p.m_scale = T(lr * c.mu_next / (1 - c.mu_product * c.mu_next) * c.r);
    }
    return p;
}

// A gradient (rows, PANEL): stored, or the outer product of one sample's a (rows,) and delta (PANEL,).
template <class T>
struct Stored {
    const T* g;

    T operator()(Index k, Index j) const { return g[k * PANEL<T> + j]; }
};
template <class T>
struct Outer {
    const T *a, *delta;

    T operator()(Index k, Index j) const { return a[k] * delta[j]; }
};

// Updates the rows `which` of w (rows, PANEL) in place from g, and of the rule's moments s0, s1, s2 of the same shape; null if it
// has fewer. Returns max |w|, NaN if there is one.
template <class T, class Which, class G>
T update(Rule rule, const Step<T>& p, Which which, G gradient, T* __restrict w, T* __restrict s0, T* __restrict s1,
         T* __restrict s2) {
    constexpr Index P = PANEL<T>;
    Magnitude<T> largest[P] = {};
    // next(i, g): updates the moments at i, and returns the new w
    const auto each = [&](auto&& next) {
#if defined(__wasm__)  // one loop, which its compiler takes in vectors; of two it makes vectors across the rows
        if constexpr (std::is_same_v<Which, All> && std::is_same_v<G, Stored<T>>) {
            for (Index i = 0, count = static_cast<Index>(which.count) * P; i < count; ++i) {
                const T value = next(i, gradient.g[i]);
                largest[0] = std::max(largest[0], magnitude(value));
                w[i] = value;
            }
            return;
        }
#endif
        for (Index c = 0, count = static_cast<Index>(which.count); c < count; ++c) {
            const Index k = which[c];
            CHAINRULE_VECTORS
            for (Index j = 0; j < P; ++j) {
                const T value = next(k * P + j, gradient(k, j));
                largest[j] = std::max(largest[j], magnitude(value));
                w[k * P + j] = value;
            }
        }
    };
    const auto descend = [=](Index i, T g) { return fused(-p.lr, g, w[i]); };
    if constexpr (std::is_same_v<Which, Places>)  // apply_all: no other rule leaves rows out
        each(descend);
    else switch (rule) {
        case Rule::gradient_descent: each(descend); break;
        case Rule::momentum:  // v = momentum v + g
            each([=](Index i, T g) {
                s0[i] = fused(p.beta1, s0[i], g);
                return fused(-p.lr, s0[i], w[i]);
            });
            break;
        case Rule::nesterov:
            each([=](Index i, T g) {
                s0[i] = fused(p.beta1, s0[i], g);
                return fused(-p.lr, fused(p.beta1, s0[i], g), w[i]);
            });
            break;
        case Rule::rmsprop:  // v = rho v + (1 - rho) g^2
            each([=](Index i, T g) {
                s0[i] = fused(p.beta2, s0[i], p.one_beta2 * (g * g));
                return fused(-p.lr, g / (std::sqrt(s0[i]) + p.eps), w[i]);
            });
            break;
        case Rule::rmsprop_momentum:  // b = momentum b + g / (sqrt(v) + eps)
            each([=](Index i, T g) {
                s0[i] = fused(p.beta2, s0[i], p.one_beta2 * (g * g));
                s1[i] = fused(p.beta1, s1[i], g / (std::sqrt(s0[i]) + p.eps));
                return fused(-p.lr, s1[i], w[i]);
            });
            break;
        case Rule::adagrad:  // s = s + g^2
            each([=](Index i, T g) {
                s0[i] = fused(g, g, s0[i]);
                return fused(-p.lr, g / (std::sqrt(s0[i]) + p.eps), w[i]);
            });
            break;
        case Rule::adam:
        case Rule::adamw:  // m, v; w = shrink w - lr m_hat / (sqrt(v_hat) + eps); shrink is 1 for Adam
            each([=](Index i, T g) {
                s0[i] = fused(p.beta1, s0[i], p.one_beta1 * g);
                s1[i] = fused(p.beta2, s1[i], p.one_beta2 * (g * g));
                return fused(p.shrink, w[i], -(p.scale * (s0[i] / (std::sqrt(s1[i]) + p.eps_r))));
            });
            break;
        case Rule::amsgrad:
            each([=](Index i, T g) {
                s0[i] = fused(p.beta1, s0[i], p.one_beta1 * g);
                s1[i] = fused(p.beta2, s1[i], p.one_beta2 * (g * g));
                s2[i] = s1[i] > s2[i] ? s1[i] : s2[i];
                return fused(-p.scale, s0[i] / (std::sqrt(s2[i]) + p.eps_r), w[i]);
            });
            break;
        case Rule::nadam:  // g_scale and m_scale contain r = sqrt(1 - beta2^t), as Adam's scale does
            each([=](Index i, T g) {
                s0[i] = fused(p.beta1, s0[i], p.one_beta1 * g);
                s1[i] = fused(p.beta2, s1[i], p.one_beta2 * (g * g));
                return w[i] - fused(p.m_scale, s0[i], p.g_scale * g) / (std::sqrt(s1[i]) + p.eps_r);
            });
            break;
    }
    return std::bit_cast<T>(*std::max_element(largest, largest + P));
}

}  // namespace chainrule::CHAINRULE_ISA
