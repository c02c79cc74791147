// Rows of the samples, read in place: chainrule/data/samples.py in C++.
#pragma once

#include <algorithm>

#include "program.h"
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

// Reads an index once: another thread may write a CSR matrix meanwhile, and the value that was checked must be the one used.
template <class I>
inline int64_t read_once(const I& index) {
    return *static_cast<const volatile I*>(&index);
}

// The entries begin to end of a row of a CSR matrix, which has `all` entries.
struct Entries {
    int64_t begin, end;
    bool is_right;  // whether they are within bounds; otherwise begin = end = 0

    template <class I>
    Entries(const I* indptr, int64_t row, int64_t all) {
        const int64_t from = read_once(indptr[row]), to = read_once(indptr[row + 1]);
        is_right = 0 <= from && from <= to && to <= all;
        begin = is_right ? from : 0, end = is_right ? to : 0;
    }
};

// Rows of a CSR matrix. Entries of one column are summed in their stored order and type. Indices are checked again, as another
// thread may have changed the matrix after the call's check: Changed is thrown, and nothing out of bounds is read or written.
template <class U, class I, class T>
void gather_sparse(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, const Target<T>& to) {
    const U* values = static_cast<const U*>(samples.X);
    const I *columns = static_cast<const I*>(samples.indices), *indptr = static_cast<const I*>(samples.indptr);
    const uint64_t width = static_cast<uint64_t>(to.width);
    constexpr int64_t AHEAD = 4;
    Array<U> sums;  // (width,), only if a row's columns do not ascend
    for (int64_t i = r0; i < r1; ++i) {
        if (rows != nullptr && i + AHEAD < r1) {
            const Entries next(indptr, rows[i + AHEAD - r0], samples.entries);
            prefetch(values + next.begin, (next.end - next.begin) * static_cast<int64_t>(sizeof(U)));
            prefetch(columns + next.begin, (next.end - next.begin) * static_cast<int64_t>(sizeof(I)));
        }
        const auto [begin, end, is_right] = Entries(indptr, rows ? rows[i - r0] : i, samples.entries);
        bool fits = is_right;
        T* a = to.row(i);
        bool rises = true;
        for (int64_t e = begin + 1; e < end; ++e) rises &= columns[e - 1] < columns[e];
        const auto each = [&](auto&& put) {
            for (int64_t e = begin; e < end; ++e)
                if (const uint64_t column = static_cast<uint64_t>(read_once(columns[e])); column < width)
                    put(column, values[e]);
                else
                    fits = false;
        };
        if (rises) {
            std::fill(a, a + to.width, to.of(U(0)));
            each([&](uint64_t column, U value) { a[column] = to.of(value); });
        } else {
            sums.assign(to.width, U(0));
            each([&](uint64_t column, U value) { sums[column] = static_cast<U>(sums[column] + value); });
            for (int64_t j = 0; j < to.width; ++j) a[j] = to.of(sums[j]);
        }
        if (!fits) refuse_change("X");
    }
}

// Calls f(values, columns, indptr) with the arrays of a CSR matrix, of their types.
template <class F>
void with_types(const Samples& samples, F&& f) {
    const auto with = [&](auto* values) {
        if (samples.wide)
            f(values, static_cast<const int64_t*>(samples.indices), static_cast<const int64_t*>(samples.indptr));
        else
            f(values, static_cast<const int32_t*>(samples.indices), static_cast<const int32_t*>(samples.indptr));
    };
    if (samples.type == 0)
        with(static_cast<const uint8_t*>(samples.X));
    else if (samples.type == 1)
        with(static_cast<const float*>(samples.X));
    else
        with(static_cast<const double*>(samples.X));
}

template <class U, class T>
void gather_as(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, Following following, const Target<T>& to) {
    if (samples.indptr != nullptr && samples.wide)
        gather_sparse<U, int64_t>(samples, rows, r0, r1, to);
    else if (samples.indptr != nullptr)
        gather_sparse<U, int32_t>(samples, rows, r0, r1, to);
    else if (samples.column != 1)
        gather_columns<U>(samples, rows, r0, r1, to);
    else
        gather_rows<U>(samples, rows, r0, r1, following, to);
}

}  // namespace chainrule::CHAINRULE_ISA
