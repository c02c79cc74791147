// periodic: formulas/layers/periodic_embedding.py in C++. A vector holds frequencies of one number x; their sums over the
// frequencies are sums of every sixteenth, on every instruction set, so that the bits are the same.
#pragma once

#include "../activations.h"
#include "by_column.h"

namespace chainrule::CHAINRULE_ISA::ops {

// Parameters: w1 and b1 (columns, frequencies), W2 (columns, frequencies, sums), b2 (columns, sums).
template <class T>
class periodic : public ByColumn<T> {
    enum Field { w1, b1, W2, b2 };
    static constexpr double TURN = 6.28318530717958647693;
    static constexpr int64_t SUMS = 16, MAX_FREQUENCIES = 1024;

   public:
    using ByColumn<T>::ByColumn;
    using Operation<T>::op, Operation<T>::net;
    using ByColumn<T>::embeds, ByColumn<T>::from_;

    int64_t width() const override {
        require(this->has_parameters(4), "a periodic has no columns");
        require(frequencies() <= MAX_FREQUENCIES, "a periodic has too many frequencies");
        const int64_t numbers[] = {frequencies(), frequencies(), frequencies() * sums(), sums()};
        for (int field = 0; field < 4; ++field) require(this->slot_of(field, 0).columns == numbers[field], "a wave has another shape");
        this->require_columns("a periodic reads another column");
        return this->width_in() + embeds() * sums();
    }
    double own_growth() const override { return 7 * double(frequencies()) * double(LARGE_WEIGHT<T>); }  // of 2 pi x sin(...) sum_k delta_k W2_k
    double work() const override { return double(this->width_in()) * 8 + double(embeds() * frequencies()) * (net.trains ? 80 : 30); }

    [[gnu::cold]] void allocate(int64_t capacity) override {
        this->place(sums() + 1);
        transposed_.resize(embeds() * sums() * each());
        ld_ = distance<T>(embeds() * each());
        if (net.trains) cosines_.resize(capacity * ld_), sines_.resize(capacity * ld_);
    }
    bool is_derived_from(int place) const override { return place / embeds() == W2; }
    void refresh(int place, int64_t, int64_t, int64_t, int64_t) override {
        T* to = rows_of_W2(place % embeds());
        for (int64_t k = 0; k < sums(); ++k)
            for (int64_t f = 0; f < frequencies(); ++f) to[k * each() + f] = this->values[place][f * sums() + k];
    }

    // out (batch, width + columns sums): [z W2 + b2, x] in place of x, with z = cos(2 pi w1 x + b1); all other columns as they are.
    // In training z and the sines are kept.
    void forward(const Forward<T>& at) override {
        T own[MAX_FREQUENCIES];
        const int64_t F = frequencies(), ld = each(), count = sums();
        this->keep_forward(at);
        for (int t = 0; t < embeds(); ++t) {
            const T *w = value(w1, t), *b = value(b1, t), *start = value(b2, t), *W = rows_of_W2(t);
            for (int64_t i = at.r0; i < at.r1; ++i) {
                const T x = at.a.row(i)[op.columns[t]];
                T *out = at.row(i) + from_[t], *z = own, *sines = nullptr;
                if (at.draw != nullptr) z = &cosines_[i * ld_ + t * ld], sines = &sines_[i * ld_ + t * ld];
                waves(x, w, b, F, z, sines);
                for (int64_t k = 0; k < count; ++k) out[k] = start[k] + dot(z, W + k * ld, F);
                out[count] = x;
            }
        }
    }

    // u (batch, frequencies) = -sin(2 pi w1 x + b1) (delta_e W2^T), in place of the sines
    // dL/dx (batch, width) = delta_x + 2 pi u . w1
    void backward(const Backward<T>& at) override {
        using V = typename Simd<T>::Vector;
        const int64_t F = frequencies(), ld = each(), count = sums();
        for (int64_t i = at.r0; at.to != nullptr && i < at.r1; ++i) this->keep_backward(at, i);
        for (int t = 0; t < embeds(); ++t) {
            const T *w = value(w1, t), *W = rows_of_W2(t);
            for (int64_t i = at.r0; i < at.r1; ++i) {
                const T* delta = at.delta.row(i) + from_[t];
                T* u = &sines_[i * ld_ + t * ld];
                for (int64_t f = 0; f < F; f += Simd<T>::LANES) {
                    V back = {};
                    for (int64_t k = 0; k < count; ++k) back = fused(V{} + delta[k], Simd<T>::load(W + k * ld + f), back);
                    Simd<T>::store(u + f, -(back * Simd<T>::load(u + f)));
                }
                if (at.to != nullptr) at.put(at.row(i), op.columns[t], fused(T(TURN), dot(u, w, F), delta[count]));
            }
        }
    }

    // dL/dw1 = 2 pi sum_i x_i u_i, dL/db1 = sum_i u_i (frequencies,)
    // dL/dW2 = sum_i z_i^T delta_i (frequencies, sums)      dL/db2 = sum_i delta_i (sums,)
    // Every fourth row is summed by itself, so that no addition waits for the one before it.
    void gradient(const Gradient<T>& at, T* g) override {
        using V = typename Simd<T>::Vector;
        constexpr int64_t TOGETHER = 4;
        const int t = at.task.place % embeds(), field = at.task.place / embeds();
        const int64_t r0 = at.r0, r1 = at.r1, F = frequencies(), count = sums(), ld = ld_, from = from_[t];
        const T* kept = (field == W2 ? cosines_ : sines_).data() + t * each();
        if (!at.more) std::fill_n(g, padded<T>(at.task.columns()), T(0));
        // g[step * f] += scale sum_i factor(i) kept[i, f]
        const auto sum = [&](T* to, int64_t step, T scale, auto&& factor) {
            for (int64_t f = 0; f < F; f += Simd<T>::LANES) {
                V sums[TOGETHER] = {};
                for (int64_t i = r0; i < r1; ++i) {
                    V& part = sums[(i - r0) % TOGETHER];
                    part = fused(V{} + factor(i), Simd<T>::load(kept + i * ld + f), part);
                }
                const V all = ((sums[0] + sums[1]) + (sums[2] + sums[3])) * scale;
                for (int64_t j = 0; j < std::min<int64_t>(Simd<T>::LANES, F - f); ++j) to[(f + j) * step] += all[j];
            }
        };
        if (field == w1) sum(g, 1, T(TURN), [&, column = op.columns[t]](int64_t i) { return at.a.row(i)[column]; });
        if (field == b1) sum(g, 1, T(1), [](int64_t) { return T(1); });
        for (int64_t k = 0; k < count; ++k) {
            const auto of_sum = [&](int64_t i) { return at.delta.row(i)[from + k]; };
            if (field == W2) sum(g + k, count, T(1), of_sum);
            if (field != b2) continue;
            T sums[TOGETHER] = {};
            for (int64_t i = r0; i < r1; ++i) sums[(i - r0) % TOGETHER] += of_sum(i);
            g[k] += (sums[0] + sums[1]) + (sums[2] + sums[3]);
        }
    }

   private:
    int64_t frequencies() const { return this->slot_of(w1, 0).columns; }
    int64_t sums() const { return this->slot_of(b2, 0).columns; }
    int64_t each() const { return padded<T>(frequencies()); }
    const T* value(Field field, int t) const { return this->values[field * embeds() + t]; }
    T* rows_of_W2(int t) { return &transposed_[t * sums() * each()]; }

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

    Array<T> transposed_;       // W2^T (columns, sums, padded frequencies)
    Array<T> cosines_, sines_;  // (batch, ld_); column after column, each of padded frequencies
    int64_t ld_ = 0;
};

}  // namespace chainrule::CHAINRULE_ISA::ops
