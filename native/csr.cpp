#include "csr.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "faults.h"

namespace chainrule {
namespace {

constexpr int64_t AHEAD = 4;  // rows

// Prefetches `count` numbers, which are read soon, into the L2 cache.
template <class U>
inline void ask_for(const U* first, int64_t count) {
    constexpr int64_t CACHE_LINE = 64;
    for (int64_t at = 0; at < count * static_cast<int64_t>(sizeof(U)); at += CACHE_LINE)
        __builtin_prefetch(reinterpret_cast<const char*>(first) + at, 0, 2);
}

// Calls f with an array of the matrix as one of its type.
template <class F>
void with_values(const Samples& samples, F&& f) {
    if (samples.type == 0)
        f(static_cast<const uint8_t*>(samples.X));
    else if (samples.type == 1)
        f(static_cast<const float*>(samples.X));
    else
        f(static_cast<const double*>(samples.X));
}
template <class F>
void with_indices(const Samples& samples, const void* indices, F&& f) {
    if (samples.wide)
        f(static_cast<const int64_t*>(indices));
    else
        f(static_cast<const int32_t*>(indices));
}

// The entries begin to end of a row of a matrix, which has `all` entries.
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

template <class U, class I, class T>
void read_dense_rows_of(const Samples& samples, const U* values, const I* columns, const int64_t* rows, int64_t r0, int64_t r1, T* a,
                        int64_t ld, int64_t width, T scale, T shift) {
    const I* indptr = static_cast<const I*>(samples.indptr);
    const auto of = [&](U x) { return static_cast<T>(x) * scale + shift; };
    std::vector<U> sums;  // (width,), only if a row's columns do not ascend
    a += r0 * ld;
    for (int64_t i = r0; i < r1; ++i, a += ld) {
        if (rows != nullptr && i + AHEAD < r1) {
            const Entries next(indptr, rows[i + AHEAD - r0], samples.entries);
            ask_for(values + next.begin, next.end - next.begin), ask_for(columns + next.begin, next.end - next.begin);
        }
        const auto [begin, end, is_right] = Entries(indptr, rows ? rows[i - r0] : i, samples.entries);
        bool fits = is_right, rises = true;
        std::fill(a, a + width, of(U(0)));
        for (int64_t e = begin, before = -1; e < end; ++e) {
            const int64_t column = read_once(columns[e]);
            const bool is_column = 0 <= column && column < width;
            if (is_column) a[column] = of(values[e]);
            fits &= is_column, rises &= before < column, before = column;
        }
        if (!rises && fits) {
            passes(Place::allocation);
            sums.assign(width, U(0));
            for (int64_t e = begin; e < end; ++e)
                if (const int64_t column = read_once(columns[e]); 0 <= column && column < width)
                    sums[column] = static_cast<U>(sums[column] + values[e]);
                else
                    fits = false;
            for (int64_t j = 0; j < width; ++j) a[j] = of(sums[j]);
        }
        if (!fits) refuse_change("X");
    }
}

// An entry of a row: its column, and its place in the row.
struct Stored {
    int32_t column;
    int64_t at;
};

std::vector<Stored> in_order(const int32_t* columns, int64_t count) {
    passes(Place::allocation);
    std::vector<Stored> stored(count);
    for (int64_t e = 0; e < count; ++e) stored[e] = {columns[e], e};
    std::sort(stored.begin(), stored.end(),
              [](const Stored& a, const Stored& b) { return a.column != b.column ? a.column < b.column : a.at < b.at; });
    return stored;
}

// Sorts a row's entries, of which `columns` has the columns, and sums those of one column. Returns the number of columns.
template <class U, class T>
int64_t sum_duplicates(const U* from, int64_t count, T scale, int32_t* columns, T* values) {
    const std::vector<Stored> stored = in_order(columns, count);
    int64_t to = 0;
    for (int64_t e = 0; e < count; ++to) {
        const int32_t column = stored[e].column;
        U sum = 0;
        for (; e < count && stored[e].column == column; ++e) sum = static_cast<U>(sum + from[stored[e].at]);
        columns[to] = column, values[to] = static_cast<T>(sum) * scale;
    }
    return to;
}

template <class U, class I, class T>
void read_entries_of(const U* stored, const I* indices, bool is_shuffled, const int64_t* from, int64_t* begin, int64_t count,
                     int64_t width, T scale, int32_t* columns, T* values) {
    int64_t to = 0;
    for (int64_t i = 0; i < count; ++i) {
        const auto length = [&](int64_t row) { return begin[row + 1] - begin[row]; };
        if (is_shuffled && i + AHEAD < count) {
            ask_for(stored + from[i + AHEAD], length(i + AHEAD));
            ask_for(indices + from[i + AHEAD], length(i + AHEAD));
        }
        const U* x = stored + from[i];
        const I* k = indices + from[i];
        const int64_t size = length(i);
        bool rises = true, fits = true;
        for (int64_t e = 0, before = -1; e < size; ++e) {
            const int64_t column = read_once(k[e]);
            fits &= 0 <= column && column < width, rises &= before < column, before = column;
            columns[to + e] = static_cast<int32_t>(column);
            values[to + e] = static_cast<T>(x[e]) * scale;
        }
        if (!fits) refuse_change("X");
        begin[i] = to;
        to += rises ? size : sum_duplicates(x, size, scale, columns + to, values + to);
    }
    begin[count] = to;
}

}  // namespace

int64_t count_entries(const Samples& samples, const int64_t* rows, int64_t count) {
    int64_t all = 0;
    with_indices(samples, samples.indptr, [&](auto* indptr) {
        for (int64_t i = 0; i < count; ++i) {
            const Entries entries(indptr, rows ? rows[i] : i, samples.entries);
            all += entries.end - entries.begin;
        }
    });
    return all;
}

template <class T>
void read_dense_rows(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, T* a, int64_t ld, int64_t width, T scale,
                     T shift) {
    with_values(samples, [&](auto* values) {
        with_indices(samples, samples.indices, [&](auto* columns) {
            read_dense_rows_of(samples, values, columns, rows, r0, r1, a, ld, width, scale, shift);
        });
    });
}

void place_rows(const Samples& samples, const int64_t* rows, int64_t r0, int64_t count, int64_t* from, int64_t* begin) {
    begin[0] = 0;
    with_indices(samples, samples.indptr, [&](auto* indptr) {
        for (int64_t i = 0; i < count; ++i) {
            const Entries entries(indptr, rows ? rows[i] : r0 + i, samples.entries);
            if (!entries.is_right) refuse_change("X");
            from[i] = entries.begin, begin[i + 1] = begin[i] + entries.end - entries.begin;
        }
    });
}

template <class T>
void read_entries(const Samples& samples, bool is_shuffled, const int64_t* from, int64_t* begin, int64_t count, int64_t width, T scale,
                  int32_t* columns, T* values) {
    with_values(samples, [&](auto* stored) {
        with_indices(samples, samples.indices, [&](auto* indices) {
            read_entries_of(stored, indices, is_shuffled, from, begin, count, width, scale, columns, values);
        });
    });
}

template void read_dense_rows(const Samples&, const int64_t*, int64_t, int64_t, float*, int64_t, int64_t, float, float);
template void read_dense_rows(const Samples&, const int64_t*, int64_t, int64_t, double*, int64_t, int64_t, double, double);
template void read_entries(const Samples&, bool, const int64_t*, int64_t*, int64_t, int64_t, float, int32_t*, float*);
template void read_entries(const Samples&, bool, const int64_t*, int64_t*, int64_t, int64_t, double, int32_t*, double*);

}  // namespace chainrule
