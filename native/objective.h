// The loss and dL/d out, for LANES rows of the batch at a time. Their outputs are transposed, so that output k of all rows is
// one vector, and a row's bits do not depend on its place in the batch.
#pragma once

#include "losses.h"
#include "samples.h"
#include "session.h"

namespace chainrule::CHAINRULE_ISA {

constexpr int64_t FEW_NUMBERS = 64;  // up to so many, copying one by one is faster than a transpose in registers

// lanes (columns, LANES) = rows (count, columns)^T with count <= LANES, and 0 beyond; rows have room for whole panels.
template <class T>
void to_lanes(const T* rows, int64_t ld, int64_t count, int64_t columns, T* lanes) {
    using S = Simd<T>;
    constexpr int L = S::LANES;
    if (count * columns <= FEW_NUMBERS) {
        std::fill(lanes, lanes + columns * L, T(0));
        for (int64_t i = 0; i < count; ++i)
            for (int64_t k = 0; k < columns; ++k) lanes[k * L + i] = rows[i * ld + k];
        return;
    }
    for (int64_t k = 0; k < columns; k += L) {
        typename S::Vector block[L];
        for (int i = 0; i < L; ++i) block[i] = i < count ? S::load(rows + i * ld + k) : typename S::Vector{};
        transpose(block);
        for (int i = 0; i < L; ++i) S::store(lanes + (k + i) * L, block[i]);
    }
}

// rows (count, columns) = lanes (columns, LANES)^T; both have room for whole panels, lanes with zeros there.
template <class T>
void from_lanes(const T* lanes, int64_t count, int64_t columns, T* rows, int64_t ld) {
    using S = Simd<T>;
    constexpr int L = S::LANES;
    if (count * columns <= FEW_NUMBERS) {
        for (int64_t i = 0; i < count; ++i)
            for (int64_t k = 0; k < columns; ++k) rows[i * ld + k] = lanes[k * L + i];
        return;
    }
    for (int64_t k = 0; k < columns; k += L) {
        typename S::Vector block[L];
        for (int i = 0; i < L; ++i) block[i] = S::load(lanes + (k + i) * L);
        transpose(block);
        for (int i = 0; i < count; ++i) S::store(rows + i * ld + k, block[i]);
    }
}

// at (LANES,) = argmax over the n numbers of each lane, the first of equal ones.
template <class T>
void greatest(const T* lanes, int64_t n, Magnitude<T>* at) {
    constexpr int L = Simd<T>::LANES;
    T most[L];
    std::copy(lanes, lanes + L, most);
    std::fill(at, at + L, 0);
    for (int64_t k = 1; k < n; ++k)
        for (int i = 0; i < L; ++i) {
            const T x = lanes[k * L + i];
            at[i] = x > most[i] ? static_cast<Magnitude<T>>(k) : at[i];
            most[i] = x > most[i] ? x : most[i];
        }
}

constexpr double LEVELS = 32;  // of relevance

// A sample's class, from 0 to n - 1; throws Changed otherwise.
inline int64_t label_of(const Samples& samples, int64_t row, int64_t n) {
    const int64_t label = read_once(samples.labels[row]);
    if (static_cast<uint64_t>(label) >= static_cast<uint64_t>(n)) refuse_change("y");
    return label;
}

// mean (n, LANES) = the members' predictions of `count` samples, averaged. out (members, n, LANES).
template <class T>
void mean_prediction(Loss kind, const T* out, int64_t members, int64_t n, int64_t count, T* mean) {
    constexpr int L = Simd<T>::LANES;
    const int64_t end = sizeof(T) == 4 ? L : count;  // of floats all lanes cost no more than some
    std::fill(mean, mean + n * L, T(0));
    for (int64_t m = 0; m < members; ++m, out += n * L) {
        T top[L], sum[L] = {};
        std::copy(out, out + L, top);
        for (int64_t k = 1; k < n; ++k)
            for (int i = 0; i < L; ++i) top[i] = std::max(top[i], out[k * L + i]);
        const auto each = [&](auto&& use) {
            for (int64_t k = 0; k < n; ++k)
                for (int64_t i = 0; i < end; ++i) use(k * L + i, i);
        };
        if (kind == Loss::ordinal_cross_entropy) {
            T t[L], below[L] = {};
            each([&](int64_t at, int64_t i) {
                t[i] = at < L ? out[i] - out[(n - 1) * L + i] : t[i] + softplus(out[at]);
                const T upto = at < (n - 1) * L ? sigmoid(t[i]) : T(1);
                mean[at] += (upto - below[i]) / T(members), below[i] = upto;
            });
        } else if (is_of_softmax(kind)) {
            each([&](int64_t at, int64_t i) { sum[i] += exp_(out[at] - top[i]); });
            each([&](int64_t at, int64_t i) { mean[at] += exp_(out[at] - top[i]) / sum[i] / T(members); });
        } else {
            each([&](int64_t at, int64_t) { mean[at] += (kind == Loss::sigmoid_cross_entropy ? sigmoid(out[at]) : out[at]) / T(members); });
        }
    }
}

// delta_i = s_i / batch.total d loss_i / d out_i for rows r0 to r1 of the buffers, s the samples' weights; and the rows' scores. Of
// several members side by side: the mean of their losses, and the score of their averaged prediction.
template <class T>
void Engine<T>::loss(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, const Batch& batch, T* tile) {
    constexpr int L = Simd<T>::LANES;
    Buffer<T>& out = net_.buffers.back();
    const int64_t members = program_.members, n = program_.outputs();
    const Loss kind = program_.loss;
    const T threshold = kind == Loss::sigmoid_cross_entropy && members == 1 ? T(0) : T(0.5);
    const double smoothing = batch.smoothing * program_.smoothing;
    const T keep = T(1 - smoothing), floor = T(smoothing / (program_.y_binary ? 2.0 : double(n)));
    const double divisor = std::max(batch.total, std::numeric_limits<double>::min());
    T *z = tile, *y = z + padded<T>(out.width) * L, *delta = y + padded<T>(out.width) * L, *mean = delta + padded<T>(out.width) * L;
    for (int64_t i0 = r0; i0 < r1; i0 += L) {
        const int64_t count = std::min<int64_t>(L, r1 - i0), *chosen = rows + i0 - r0;
        for (int64_t i = L; i < std::min<int64_t>(r1 - i0, 2 * L); ++i) ask_for_target(samples, chosen[i], n);
        to_lanes(&out.a[i0 * out.ld], out.ld, count, out.width, z);
        const T* said = z;
        if ((members > 1 && (program_.y_classes || program_.y_binary)) || kind == Loss::ordinal_cross_entropy)
            mean_prediction(kind, z, members, n, count, mean), said = mean;

        Magnitude<T> label[L] = {}, is_correct[L] = {};
        if (samples.labels != nullptr || count < L) std::fill(y, y + n * L, T(0));
        for (int64_t i = 0; i < count; ++i)
            if (samples.labels != nullptr)
                label[i] = static_cast<Magnitude<T>>(label_of(samples, chosen[i], n)), y[label[i] * L + i] = T(1);
            else
                for (int64_t k = 0; k < n; ++k) y[k * L + i] = static_cast<T>(samples.y[chosen[i] * n + k]);
        if (program_.y_classes) {
            Magnitude<T> found[L];
            if (samples.labels == nullptr) greatest(y, n, label);
            greatest(said, n, found);
            for (int i = 0; i < L; ++i) is_correct[i] = found[i] == label[i];
        } else if (program_.y_binary) {
            std::fill(is_correct, is_correct + L, 1);
            for (int64_t k = 0; k < n; ++k)
                for (int i = 0; i < L; ++i) is_correct[i] &= (said[k * L + i] > threshold) == (y[k * L + i] > T(0.5));
        }
        if (smoothing > 0)
            for (int64_t k = 0; k < n * L; ++k) y[k] = keep * y[k] + floor;

        double weight[L];
        T share[L] = {}, value[L] = {};
        for (int64_t i = 0; i < count; ++i) {
            weight[i] = weight_of(samples, chosen[i]);
            share[i] = static_cast<T>((samples.weight == nullptr ? 1 : weight[i]) / divisor / double(members));
        }
        with_loss(kind, [&](auto which) {
            for (int64_t m = 0; m < members; ++m) {
                T of_member[L];
                loss_lanes<which()>(z + m * n * L, y, delta + m * n * L, n, count, share, program_.loss_c, of_member);
                for (int i = 0; i < L; ++i) value[i] = m > 0 ? value[i] + of_member[i] : of_member[i];
            }
        });
        from_lanes(delta, count, out.width, &out.grad[i0 * out.ld], out.ld);
        for (int64_t i = 0; i < count; ++i)
            row_scores_[i0 + i] = {double(share[i]) * double(value[i]), is_correct[i] ? weight[i] : 0.0};
    }
}

// The same of a whole batch, by a loss that the caller computes.
template <class T>
void Engine<T>::own_loss(const Samples& samples, const Batch& batch) {
    const OwnLoss& own = *program_.own_loss;
    Buffer<T>& out = net_.buffers.back();
    const int64_t n = program_.outputs(), rows = own.rows, size = batch.size;
    T *said = static_cast<T*>(own.out), *y = static_cast<T*>(own.y);
    if (samples.labels != nullptr) std::fill(y, y + n * rows, T(0));
    for (int64_t i = 0; i < size; ++i) {
        const int64_t row = batch.rows[i];
        for (int64_t k = 0; k < out.width; ++k) said[k * rows + i] = out.a[i * out.ld + k];
        if (samples.labels != nullptr)
            y[label_of(samples, row, n) * rows + i] = T(1);
        else
            for (int64_t k = 0; k < n; ++k) y[k * rows + i] = static_cast<T>(samples.y[row * n + k]);
    }
    own.compute(size, batch.smoothing);
    const T *value = static_cast<const T*>(own.value), *gradient = static_cast<const T*>(own.gradient);
    const auto greatest_of = [&](const T* columns, int64_t i) {
        int64_t at = 0;
        for (int64_t k = 1; k < n; ++k) at = columns[k * rows + i] > columns[at * rows + i] ? k : at;
        return at;
    };
    const double divisor = std::max(batch.total, std::numeric_limits<double>::min());
    for (int64_t i = 0; i < size; ++i) {
        const double weight = weight_of(samples, batch.rows[i]);
        const T share = static_cast<T>((samples.weight == nullptr ? 1 : weight) / divisor);
        for (int64_t k = 0; k < out.width; ++k) out.grad[i * out.ld + k] = share * gradient[k * rows + i];
        const bool is_correct = own.is_correct != nullptr ? own.is_correct[i] : program_.y_classes && greatest_of(said, i) == greatest_of(y, i);
        row_scores_[i] = {double(share) * double(value[i]), is_correct ? weight : 0.0};
    }
}

// The same, by a loss that compares the rows of a group: those with the same y - floor(y).
template <class T>
void Engine<T>::group_losses(const Samples& samples, const Batch& batch) {
    Buffer<T>& out = net_.buffers.back();
    const int64_t n = batch.size, members = program_.members;
    const double divisor = std::max(batch.total, std::numeric_limits<double>::min());
    std::vector<std::pair<double, int64_t>> place(n);  // the group and the row
    std::vector<T> gain(n), s(n), r(n), value(n), slope(n), work(3 * n);
    for (int64_t i = 0; i < n; ++i) {
        const int64_t row = batch.rows[i];
        const double y = samples.labels != nullptr ? 0 : samples.y[row], floor = std::floor(y);
        if (!(y >= 0 && y < LEVELS)) refuse_change("y");
        gain[i] = T(std::exp2(floor)), place[i] = {y - floor, i}, row_scores_[i] = {};
    }
    std::sort(place.begin(), place.end());
    for (int64_t m = 0; m < members; ++m) {
        std::fill(value.begin(), value.end(), T(0));
        std::fill(slope.begin(), slope.end(), T(0));
        for (int64_t i = 0; i < n; ++i) s[i] = out.a[place[i].second * out.ld + m], r[i] = gain[place[i].second];
        for (int64_t begin = 0, end; begin < n; begin = end) {
            for (end = begin + 1; end < n && place[end].first == place[begin].first;) ++end;
            group_loss(program_.loss, &s[begin], &r[begin], end - begin, &value[begin], &slope[begin], work.data());
        }
        for (int64_t i = 0; i < n; ++i) {
            const int64_t at = place[i].second;
            const T share = static_cast<T>(weight_of(samples, batch.rows[at]) / divisor / double(members));
            out.grad[at * out.ld + m] = share * slope[i];
            row_scores_[at].loss += double(share) * double(value[i]);
        }
    }
}

}  // namespace chainrule::CHAINRULE_ISA
