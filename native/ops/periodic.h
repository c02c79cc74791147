// periodic: formulas/layers/periodic_embedding.py in C++. A vector holds frequencies of one number x; their sums over the
// frequencies are sums of every sixteenth, on every instruction set, so that the bits are the same.
#pragma once

#include "../activations.h"
#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

struct periodic {
    static constexpr double TURN = 6.28318530717958647693;
    static constexpr int64_t SUMS = 16;

    // sin(2 pi h) for |h| <= 1/4: an odd polynomial, relative error 7e-9 in float and 4e-19 in double before rounding.
    template <class V>
    static V sine(V h) {
        const V s = h * h;
        if constexpr (sizeof(h[0]) == 4) {
            return h * polynomial(s, 39.759827085f, -76.581172645f, 81.602476369f, -41.341680613f, 6.2831852801f);
        } else {
            V sum = V{} + 0.10089695501646811163;
            for (const double c : {-0.71773379214134533133, 3.8199280942271642021, -15.094641676117900093, 42.058693925428682250,
                                   -76.705859752824919209, 81.605249276073615183, -41.341702240399756862, 6.2831853071795864756})
                sum = fused(sum, s, V{} + c);
            return h * sum;
        }
    }

    // cos(2 pi t), and sin(2 pi t) if it is wanted, of t = w x + b / (2 pi) turns for the frequencies of a column.
    template <class T>
    static void waves(T x, const T* w, const T* b, int64_t frequencies, T* cosine, T* sine_of) {
        using V = typename Simd<T>::Vector;
        constexpr T WHOLE = sizeof(T) == 4 ? T(4194304) : T(2251799813685248);  // half of 2^23 or 2^52: from there on no fractions
        for (int64_t f = 0; f < frequencies; f += Simd<T>::LANES) {
            V t = fused(V{} + x, Simd<T>::load(w + f), Simd<T>::load(b + f) * T(1 / TURN));
            const V nearest = (t + 3 * WHOLE) - 3 * WHOLE, size = choose(t < T(0), -t, t);
            t = t - choose(size < WHOLE, nearest, t);
            const V rest = choose(t < T(0), -t, t);  // up to 1/2
            Simd<T>::store(cosine + f, sine(T(0.25) - rest));
            if (sine_of == nullptr) continue;
            const V near = choose(rest > T(0.25), T(0.5) - rest, rest);
            Simd<T>::store(sine_of + f, sine(choose(t < T(0), -near, near)));
        }
    }

    // The sum of a b over the frequencies: behind the last one both are 0 or finite and 0.
    template <class T>
    static T dot(const T* a, const T* b, int64_t frequencies) {
        constexpr int L = Simd<T>::LANES, N = SUMS / L;
        typename Simd<T>::Vector parts[N] = {};
        for (int64_t f = 0; f < frequencies; f += L) {
            auto& part = parts[f % SUMS / L];
            part = fused(Simd<T>::load(a + f), Simd<T>::load(b + f), part);
        }
        T sums[SUMS];
        for (int v = 0; v < N; ++v) Simd<T>::store(sums + v * L, parts[v]);
        for (int64_t half = SUMS / 2; half > 0; half /= 2)
            for (int64_t j = 0; j < half; ++j) sums[j] += sums[j + half];
        return sums[0];
    }

    // [z W2 + b2, x] in place of x, with z = cos(2 pi w1 x + b1); all other columns as they are. In training z and the sines
    // are kept.
    template <class T>
    static void forward(const Forward<T>& at) {
        Cache<T>& cache = at.cache;
        T own[MAX_FREQUENCIES];
        for (const Kept& kept : cache.kept)
            for (int64_t i = at.r0; i < at.r1; ++i) std::copy_n(at.a.row(i) + kept.column, kept.count, at.row(i) + kept.from);
        int64_t first = 0;
        for (const Wavy& of : cache.wavy) {
            const T *w = at.parameter(of.w1), *b = at.parameter(of.b1), *b2 = at.parameter(of.b2), *W2 = at.engine.transposed_of(of.W2);
            const int64_t F = of.frequencies, ld = padded<T>(F);
            for (int64_t i = at.r0; i < at.r1; ++i) {
                const T x = at.a.row(i)[of.column];
                T *out = at.row(i) + of.from, *z = own, *sines = nullptr;
                if (at.draw != nullptr) z = &cache.cosines[i * cache.waves_ld + first], sines = &cache.sines[i * cache.waves_ld + first];
                waves(x, w, b, F, z, sines);
                for (int64_t k = 0; k < of.sums; ++k) out[k] = b2[k] + dot(z, W2 + k * ld, F);
                out[of.sums] = x;
            }
            first += ld;
        }
    }

    // u = -sin(2 pi w1 x + b1) (delta_e W2^T), in place of the sines      dL/dx = delta_x + 2 pi u . w1
    template <class T>
    static void backward(const Backward<T>& at) {
        using V = typename Simd<T>::Vector;
        Cache<T>& cache = at.cache;
        if (at.to != nullptr)
            for (const Kept& kept : cache.kept)
                for (int64_t i = at.r0; i < at.r1; ++i)
                    for (int64_t j = 0; j < kept.count; ++j) at.put(at.row(i), kept.column + j, at.delta.row(i)[kept.from + j]);
        int64_t first = 0;
        for (const Wavy& of : cache.wavy) {
            const T *w = at.parameter(of.w1), *W2 = at.engine.transposed_of(of.W2);
            const int64_t F = of.frequencies, ld = padded<T>(F);
            for (int64_t i = at.r0; i < at.r1; ++i) {
                const T* delta = at.delta.row(i) + of.from;
                T* u = &cache.sines[i * cache.waves_ld + first];
                for (int64_t f = 0; f < F; f += Simd<T>::LANES) {
                    V back = {};
                    for (int64_t k = 0; k < of.sums; ++k) back = fused(V{} + delta[k], Simd<T>::load(W2 + k * ld + f), back);
                    Simd<T>::store(u + f, -(back * Simd<T>::load(u + f)));
                }
                if (at.to != nullptr) at.put(at.row(i), of.column, fused(T(TURN), dot(u, w, F), delta[of.sums]));
            }
            first += ld;
        }
    }

    // Never called: the gradients are sums over a column (`gradient_of_column`).
    template <class T>
    static void gradient(const Gradient<T>&, T*) {}

    // g += the gradient of a column's parameter of one kind: 0 w1, 1 b1, 2 W2, 3 b2. first: the column's first place among the
    // waves. Every fourth row is summed by itself, so that no addition waits for the one before it.
    template <class T>
    static void gradient_of_column(const Wavy& of, int64_t first, int kind, const Cache<T>& cache, Rows<T> a, Rows<T> delta, int64_t r0,
                                   int64_t r1, T* g) {
        using V = typename Simd<T>::Vector;
        constexpr int64_t TOGETHER = 4;
        const T* kept = kind == 2 ? cache.cosines.data() : cache.sines.data();
        // g[step * f] += scale sum_i factor(i) kept[i, f]
        const auto sum = [&](T* to, int64_t step, T scale, auto&& factor) {
            for (int64_t f = 0; f < of.frequencies; f += Simd<T>::LANES) {
                V sums[TOGETHER] = {};
                for (int64_t i = r0; i < r1; ++i) {
                    V& part = sums[(i - r0) % TOGETHER];
                    part = fused(V{} + factor(i), Simd<T>::load(kept + i * cache.waves_ld + first + f), part);
                }
                const V all = ((sums[0] + sums[1]) + (sums[2] + sums[3])) * scale;
                for (int64_t j = 0; j < std::min<int64_t>(Simd<T>::LANES, of.frequencies - f); ++j) to[(f + j) * step] += all[j];
            }
        };
        if (kind == 0) sum(g, 1, T(TURN), [&](int64_t i) { return a.row(i)[of.column]; });
        if (kind == 1) sum(g, 1, T(1), [](int64_t) { return T(1); });
        for (int64_t k = 0; k < of.sums; ++k) {
            const auto of_sum = [&](int64_t i) { return delta.row(i)[of.from + k]; };
            if (kind == 2) sum(g + k, of.sums, T(1), of_sum);
            if (kind != 3) continue;
            T sums[TOGETHER] = {};
            for (int64_t i = r0; i < r1; ++i) sums[(i - r0) % TOGETHER] += of_sum(i);
            g[k] += (sums[0] + sums[1]) + (sums[2] + sums[3]);
        }
    }
};

}  // namespace chainrule::CHAINRULE_ISA::ops
