// Rows of the samples, read in place: chainrule/data/samples.py in C++.
#pragma once

#include <algorithm>

#include "csr.h"
#include "simd.h"

namespace chainrule::CHAINRULE_ISA {

// How many rows ahead to prefetch, about 8 KiB: the hardware does not foresee shuffled rows.
inline int64_t rows_ahead(int64_t bytes) { return std::clamp<int64_t>(8192 / std::max<int64_t>(bytes, 1), 4, 64); }

constexpr int64_t SHORT_ROW = 512;  // bytes up to which a row is prefetched into the L1 cache, and beyond into L2

inline double weight_of(const Samples& samples, int64_t row) { return samples.weight == nullptr ? 1.0 : samples.weight[row]; }

inline void ask_for_target(const Samples& samples, int64_t row, int64_t outputs) {
    if (samples.labels != nullptr)
        prefetch<1>(samples.labels + row, 1);
    else
        prefetch<1>(samples.y + row * outputs, outputs * static_cast<int64_t>(sizeof(double)));
    if (samples.weight != nullptr) prefetch<1>(samples.weight + row, 1);
}

// The destination of the samples: a (batch, ld), of which the first `width` columns are written, a0 = scale x + shift.
template <class T>
struct Target {
    T* a;
    int64_t ld, width;
    T scale, shift;

    T* row(int64_t i) const { return a + i * ld; }
    template <class U>
    T of(U x) const {
        return static_cast<T>(x) * scale + shift;
    }
};

// Contiguous rows. Prefetches the rows ahead, and near the end those of `following`.
template <class U, class T>
void gather_rows(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, Following following, const Target<T>& to) {
    const char* X = static_cast<const char*>(samples.X);
    const int64_t width = to.width, bytes = width * static_cast<int64_t>(sizeof(U)), ahead = rows_ahead(bytes);
    const T scale = to.scale, shift = to.shift;  // copies: for the compiler, a might alias the members
    for (int64_t i = r0; i < r1; ++i) {
        const int64_t past = i + ahead - r1;
        if (rows != nullptr && past < following.count) {
            const char* next = X + (past < 0 ? rows[i + ahead - r0] : following.rows[past]) * samples.stride;
            bytes > SHORT_ROW ? prefetch<2>(next, bytes) : prefetch<1>(next, bytes);
        }
        const U* __restrict from = reinterpret_cast<const U*>(X + (rows ? rows[i - r0] : i) * samples.stride);
        T* __restrict a = to.row(i);
        for (int64_t j = 0; j < width; ++j) a[j] = static_cast<T>(from[j]) * scale + shift;
    }
}

// Rows that are not contiguous, as in Fortran order: a few columns at a time for all rows, so that neighboring rows share cache
// lines and pages.
template <class U, class T>
void gather_columns(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, const Target<T>& to) {
    const char* X = static_cast<const char*>(samples.X);
    constexpr int64_t TOGETHER = CACHE_LINE / static_cast<int64_t>(sizeof(T));
    for (int64_t j0 = 0; j0 < to.width; j0 += TOGETHER) {
        const int64_t j1 = std::min(to.width, j0 + TOGETHER);
        for (int64_t i = r0; i < r1; ++i) {
            const U* from = reinterpret_cast<const U*>(X + (rows ? rows[i - r0] : i) * samples.stride);
            T* a = to.row(i);
            for (int64_t j = j0; j < j1; ++j) a[j] = to.of(from[j * samples.column]);
        }
    }
}

// Rows of an array of U.
template <class U, class T>
void gather_as(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, Following following, const Target<T>& to) {
    if (samples.column != 1)
        gather_columns<U>(samples, rows, r0, r1, to);
    else
        gather_rows<U>(samples, rows, r0, r1, following, to);
}

}  // namespace chainrule::CHAINRULE_ISA
