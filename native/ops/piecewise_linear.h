// piecewise_linear: formulas/layers/piecewise_linear_embedding.py in C++. A vector is one FMA for its bin and one for its line:
// the sums of the bins below (C) are made where E changes (Engine::refresh), and not for each row.
#pragma once

#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

struct piecewise_linear {
    // The number of x's bin: of the left edges (bins,), which rise, the last one that is not above x. No branch depends on x.
    template <class T>
    static int64_t bin(T x, const T* left, int64_t bins) {
        const T* from = left;
        while (bins > 1) {
            const int64_t half = bins / 2;
            from = from[half] <= x ? from + half : from;
            bins -= half;
        }
        return from - left;
    }

    // e = x w0 + b0 + C_j + h E_j in place of x; all other columns as they are.
    template <class T>
    static void forward(const Forward<T>& at) {
        Cache<T>& cache = at.cache;
        const size_t batch = cache.codes.size() / cache.embedded.size();
        for (const Kept& kept : cache.kept)
            for (int64_t i = at.r0; i < at.r1; ++i) std::copy_n(at.a.row(i) + kept.column, kept.count, at.row(i) + kept.from);
        for (size_t t = 0; t < cache.embedded.size(); ++t) {
            const Embedded& of = cache.embedded[t];
            const T *left = &at.state().a[of.first], *slope = &at.state().b[of.first];
            const T *w0 = at.parameter(of.w0), *b0 = at.parameter(of.b0), *E = at.parameter(of.E), *C = at.engine.sums_of(of.E);
            int32_t* codes = at.draw == nullptr ? nullptr : &cache.codes[t * batch];
            T* parts = at.draw == nullptr ? nullptr : &cache.parts[t * batch];
            for (int64_t i = at.r0; i < at.r1; ++i) {
                const T x = at.a.row(i)[of.column];
                const int64_t j = bin(x, left, of.bins);
                const T part = (x - left[j]) * slope[j];
                if (codes != nullptr) codes[i] = static_cast<int32_t>(j), parts[i] = part;
                embed(at.row(i) + of.from, x, part, w0, b0, C + j * of.size, E + j * of.size, of.size);
            }
            // A part may be larger than the x that it is of, and so make a larger gradient.
            if (parts != nullptr) at.own.largest_a.add(parts + at.r0, at.r1 - at.r0);
        }
    }

    // dL/dx = delta . (w0 + slope_j E_j), summed over every eighth number, and then over these sums.
    template <class T>
    static void backward(const Backward<T>& at) {
        if (at.to == nullptr) return;
        const Cache<T>& cache = at.cache;
        const size_t batch = cache.codes.size() / cache.embedded.size();
        for (int64_t i = at.r0; i < at.r1; ++i) {
            T* to = at.row(i);
            const T* delta = at.delta.row(i);
            for (const Kept& kept : cache.kept)
                for (int64_t k = 0; k < kept.count; ++k) at.put(to, kept.column + k, delta[kept.from + k]);
            for (size_t t = 0; t < cache.embedded.size(); ++t) {
                const Embedded& of = cache.embedded[t];
                const int64_t j = cache.codes[t * batch + static_cast<size_t>(i)];
                at.put(to, of.column, slope_of(delta + of.from, at.state().b[of.first + j], at.parameter(of.w0),
                                               at.parameter(of.E) + j * of.size, of.size));
            }
        }
    }

    // Never called: the gradients are sums over a column (`weights`, `line`).
    template <class T>
    static void gradient(const Gradient<T>&, T*) {}

    // g += dL/dE of a column (bins, size): sum of h delta over the rows in bin b, and of delta over those in later bins.
    // whole (bins, size) is scratch.
    template <class T>
    static void weights(const Embedded& of, const int32_t* codes, const T* parts, Rows<T> delta, int64_t r0, int64_t r1, T* g, T* whole) {
        std::fill_n(whole, of.bins * of.size, T(0));
        for (int64_t i = r0; i < r1; ++i)
            add(delta.row(i) + of.from, parts[i], g + codes[i] * of.size, whole + codes[i] * of.size, of.size);
        for (int64_t n = (of.bins - 1) * of.size - 1; n >= 0; --n) {
            g[n] += whole[n + of.size];
            whole[n] += whole[n + of.size];
        }
    }

    // g += sum_i factor(i) delta_i of a column: dL/dw0 with x_i, dL/db0 with 1. Every fourth row is summed by itself, so that
    // no addition waits for the one before it.
    template <class T, class F>
    static void line(const Embedded& of, Rows<T> delta, int64_t r0, int64_t r1, T* g, F&& factor) {
        constexpr int64_t TOGETHER = 4, P = PANEL<T>;
        for (int64_t k0 = 0; k0 < of.size; k0 += P) {
            const int64_t count = std::min(P, of.size - k0);
            T sums[TOGETHER][P] = {};
            for (int64_t i = r0; i < r1; ++i) {
                const T *from = delta.row(i) + of.from + k0, x = factor(i);
                T* sum = sums[(i - r0) % TOGETHER];
                for (int64_t k = 0; k < count; ++k) sum[k] = fused(x, from[k], sum[k]);
            }
            for (int64_t k = 0; k < count; ++k) g[k0 + k] += (sums[0][k] + sums[1][k]) + (sums[2][k] + sums[3][k]);
        }
    }

   private:
    template <class T>
    static void embed(T* __restrict out, T x, T part, const T* __restrict w0, const T* __restrict b0, const T* __restrict C,
                      const T* __restrict E, int64_t size) {
        for (int64_t k = 0; k < size; ++k) out[k] = fused(part, E[k], C[k]) + fused(x, w0[k], b0[k]);
    }

    template <class T>
    static void add(const T* __restrict delta, T part, T* __restrict g, T* __restrict whole, int64_t size) {
        for (int64_t k = 0; k < size; ++k) whole[k] += delta[k];
        for (int64_t k = 0; k < size; ++k) g[k] = fused(part, delta[k], g[k]);
    }

    template <class T>
    static T slope_of(const T* __restrict delta, T slope, const T* __restrict w0, const T* __restrict E, int64_t size) {
        constexpr int64_t TOGETHER = 8;
        T sums[TOGETHER] = {};
        int64_t k = 0;
        for (; k + TOGETHER <= size; k += TOGETHER)
            for (int64_t m = 0; m < TOGETHER; ++m) sums[m] = fused(delta[k + m], fused(slope, E[k + m], w0[k + m]), sums[m]);
        for (int64_t m = 0; k < size; ++k, ++m) sums[m] = fused(delta[k], fused(slope, E[k], w0[k]), sums[m]);
        return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
