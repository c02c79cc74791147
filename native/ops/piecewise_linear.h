// piecewise_linear: formulas/layers/piecewise_linear_embedding.py in C++. A vector is one FMA for its bin and one for its line:
// the sums of the bins below (C) are made where E changes (refresh), and not for each row.
#pragma once

#include "by_column.h"

namespace chainrule::CHAINRULE_ISA::ops {

// Parameters: w0 and b0 (columns, size), E (columns, bins, size). State: of all bins the left edges and the reciprocals of the widths.
template <class T>
class piecewise_linear : public ByColumn<T> {
    enum Field { w0, b0, E };

   public:
    using ByColumn<T>::ByColumn;
    using Operation<T>::op, Operation<T>::net;
    using ByColumn<T>::embeds, ByColumn<T>::from_;

    int64_t width() const override {
        require(this->has_parameters(3), "a piecewise_linear has no columns");
        require(this->shape(E).size() == 3 && bins() < INT32_MAX, "an E of bins has another shape");
        require(this->slot_of(w0, 0).columns == size() && this->slot_of(b0, 0).columns == size(), "a line has another shape");
        this->require_columns("an E of bins reads another column");
        return this->width_in() + embeds() * (size() - 1);
    }
    int64_t state_width() const override { return embeds() * bins(); }
    double work() const override { return double(this->width_out()) * 8; }

    [[gnu::cold]] void allocate(int64_t capacity) override {
        this->place(size());
        sums_.resize(embeds() * bins() * size());
        batch_ = capacity;
        if (net.trains) codes_.resize(embeds() * capacity), parts_.resize(embeds() * capacity);
    }
    [[gnu::cold]] void reserve(Workspace<T>& own, int64_t, int64_t) const override { own.need(bins() * size()); }
    bool is_derived_from(int place) const override { return place / embeds() == E; }
    void refresh(int place, int64_t, int64_t, int64_t, int64_t) override {
        const T* of = this->values[place];
        T* sums = sums_of(place - E * embeds());
        by_size([&](auto count) {
            for (int64_t b = 1; b < bins(); ++b) sum(sums + b * count, sums + (b - 1) * count, of + (b - 1) * count, count);
        });
    }

    // out (batch, width + columns (size - 1)): e (size,) = x w0 + b0 + C_j + h E_j in place of x; all other columns as they are.
    void forward(const Forward<T>& at) override {
        this->keep_forward(at);
        by_size([&](auto count) { embed_columns(at, count); });
    }

    // dL/dx (batch, width) = delta . (w0 + slope_j E_j), summed over every eighth number, and then over these sums.
    void backward(const Backward<T>& at) override {
        if (at.to == nullptr) return;
        const int64_t count = size(), each = bins();
        for (int64_t i = at.r0; i < at.r1; ++i) {
            T* to = at.row(i);
            const T* delta = at.delta.row(i);
            this->keep_backward(at, i);
            for (int t = 0; t < embeds(); ++t) {
                const int64_t j = codes_[t * batch_ + i];
                at.put(to, op.columns[t], slope_of(delta + from_[t], at.state().b[t * each + j], value(w0, t), value(E, t) + j * count, count));
            }
        }
    }

    // dL/dw0 (size,) = sum_i x_i delta_i      dL/db0 (size,) = sum_i delta_i      dL/dE (bins, size) as in `weights`
    void gradient(const Gradient<T>& at, T* g) override {
        const int t = at.task.place % embeds(), field = at.task.place / embeds();
        if (!at.more) std::fill_n(g, padded<T>(at.task.columns()), T(0));
        if (field == E) by_size([&](auto count) { weights(t, at, g, count); });
        if (field == w0) line(t, at, g, [&, column = op.columns[t]](int64_t i) { return at.a.row(i)[column]; });
        if (field == b0) line(t, at, g, [](int64_t) { return T(1); });
    }

   private:
    // Calls f(size) with a constant where size() is one of those that tables of few rows have, as loops over so few numbers need.
    template <class F>
    void by_size(F&& f) const {
        if (size() == 4) return f(std::integral_constant<int64_t, 4>());
        if (size() == 8) return f(std::integral_constant<int64_t, 8>());
        f(size());
    }

    template <class Size>
    void embed_columns(const Forward<T>& at, Size count) {
        const int64_t each = bins();
        for (int t = 0; t < embeds(); ++t) {
            const T *left = &at.state().a[t * each], *slope = &at.state().b[t * each];
            const T *line = value(w0, t), *start = value(b0, t), *of = value(E, t), *C = sums_of(t);
            int32_t* codes = at.draw == nullptr ? nullptr : &codes_[t * batch_];
            T* parts = at.draw == nullptr ? nullptr : &parts_[t * batch_];
            for (int64_t i = at.r0; i < at.r1; ++i) {
                const T x = at.a.row(i)[op.columns[t]];
                const int64_t j = bin(x, left, each);
                const T part = (x - left[j]) * slope[j];
                if (codes != nullptr) codes[i] = static_cast<int32_t>(j), parts[i] = part;
                embed(at.row(i) + from_[t], x, part, line, start, C + j * count, of + j * count, count);
            }
            // A part may be larger than the x that it is of, and so make a larger gradient.
            if (parts != nullptr) at.own.largest_a.add(parts + at.r0, at.r1 - at.r0);
        }
    }

    int64_t bins() const { return this->shape(E)[1]; }
    int64_t size() const { return this->shape(E)[2]; }
    const T* value(Field field, int t) const { return this->values[field * embeds() + t]; }
    T* sums_of(int t) { return &sums_[t * bins() * size()]; }

    // The number of x's bin: of the left edges (bins,), which rise, the last one that is not above x. No branch depends on x.
    static int64_t bin(T x, const T* left, int64_t bins) {
        const T* from = left;
        while (bins > 1) {
            const int64_t half = bins / 2;
            from = from[half] <= x ? from + half : from;
            bins -= half;
        }
        return from - left;
    }

    // g += dL/dE of a column (bins, size): sum of h delta over the rows in bin b, and of delta over those in later bins.
    template <class Size>
    void weights(int t, const Gradient<T>& at, T* g, Size count) const {
        const int64_t numbers = bins() * count;
        T* whole = at.own.scratch.data();  // (bins, size)
        const int32_t* codes = &codes_[t * batch_];
        const T* parts = &parts_[t * batch_];
        std::fill_n(whole, numbers, T(0));
        for (int64_t i = at.r0; i < at.r1; ++i)
            add(at.delta.row(i) + from_[t], parts[i], g + codes[i] * count, whole + codes[i] * count, count);
        for (int64_t n = numbers - 2 * count; n >= 0; n -= count) {
            sum(g + n, g + n, whole + n + count, count);
            sum(whole + n, whole + n, whole + n + count, count);
        }
    }

    // g += sum_i factor(i) delta_i of a column: dL/dw0 with x_i, dL/db0 with 1. Every fourth row is summed by itself, so that
    // no addition waits for the one before it.
    template <class F>
    void line(int t, const Gradient<T>& at, T* g, F&& factor) const {
        constexpr int64_t TOGETHER = 4, P = PANEL<T>;
        for (int64_t k0 = 0; k0 < size(); k0 += P) {
            const int64_t count = std::min(P, size() - k0), first = from_[t] + k0;
            T sums[TOGETHER][P] = {};
            for (int64_t i = at.r0; i < at.r1; ++i) {
                const T *from = at.delta.row(i) + first, x = factor(i);
                T* sum = sums[(i - at.r0) % TOGETHER];
                for (int64_t k = 0; k < count; ++k) sum[k] = fused(x, from[k], sum[k]);
            }
            for (int64_t k = 0; k < count; ++k) g[k0 + k] += (sums[0][k] + sums[1][k]) + (sums[2][k] + sums[3][k]);
        }
    }

    template <class Size>
    static void embed(T* __restrict out, T x, T part, const T* __restrict w0, const T* __restrict b0, const T* __restrict C,
                      const T* __restrict E, Size size) {
        for (int64_t k = 0; k < size; ++k) out[k] = fused(part, E[k], C[k]) + fused(x, w0[k], b0[k]);
    }

    // to = a + b (size,): `to` may be a, but overlaps b nowhere.
    template <class Size>
    static void sum(T* to, const T* a, const T* __restrict b, Size size) {
        for (int64_t k = 0; k < size; ++k) to[k] = a[k] + b[k];
    }

    template <class Size>
    static void add(const T* __restrict delta, T part, T* __restrict g, T* __restrict whole, Size size) {
        for (int64_t k = 0; k < size; ++k) whole[k] += delta[k];
        for (int64_t k = 0; k < size; ++k) g[k] = fused(part, delta[k], g[k]);
    }

    static T slope_of(const T* __restrict delta, T slope, const T* __restrict w0, const T* __restrict E, int64_t size) {
        constexpr int64_t TOGETHER = 8;
        T sums[TOGETHER] = {};
        int64_t k = 0;
        for (; k + TOGETHER <= size; k += TOGETHER)
            for (int64_t m = 0; m < TOGETHER; ++m) sums[m] = fused(delta[k + m], fused(slope, E[k + m], w0[k + m]), sums[m]);
        for (int64_t m = 0; k < size; ++k, ++m) sums[m] = fused(delta[k], fused(slope, E[k], w0[k]), sums[m]);
        return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
    }

    Array<T> sums_;         // C (columns, bins, size): of E the sum of the bins below each
    Array<int32_t> codes_;  // bins (columns, batch)
    Array<T> parts_;        // the part of its bin below each x (columns, batch)
    int64_t batch_ = 0;
};

}  // namespace chainrule::CHAINRULE_ISA::ops
