// Weights in panels. A panel is PANEL columns of W (K, N), stored row by row, (K, PANEL). The last one is padded with zeros: W[k, n] is
// panels[(n / PANEL * K + k) * PANEL + n % PANEL].
#pragma once

#include <algorithm>

#include "simd.h"

namespace chainrule::CHAINRULE_ISA {

// Columns of a panel: two vectors.
template <class T>
constexpr int PANEL = 2 * Simd<T>::LANES;

// A width rounded up to whole panels.
template <class T>
constexpr int64_t padded(int64_t width) {
    return (width + PANEL<T> - 1) / PANEL<T> * PANEL<T>;
}

// The distance between rows of activations: an odd number of cache lines, or a few. If rows lie a large power of two apart, a
// column falls into a few sets of the cache, and every pass over it misses.
template <class T>
constexpr int64_t distance(int64_t width) {
    constexpr int64_t LINE = CACHE_LINE / static_cast<int64_t>(sizeof(T)), FEW = 4;
    const int64_t lines = (padded<T>(width) + LINE - 1) / LINE;
    return (lines <= FEW ? lines : lines | 1) * LINE;
}

// Cache blocks: BLOCK_K rows of a panel stay in the L1 cache while BLOCK_ROWS rows of a pass, whose BLOCK_K columns stay in L2.
// BLOCK_BATCH is the block of the gradient's contraction.
constexpr int64_t BLOCK_K = 256, BLOCK_ROWS = 192 / TILE_ROWS * TILE_ROWS, BLOCK_BATCH = 128;
constexpr int64_t NEAR = 1 << 20;  // bytes that are assumed to fit the L2 cache

// Row-major W (K, N) to its panels; from_panels is the reverse.
template <class T>
[[gnu::noinline]] void to_panels(const T* W, T* panels, int64_t K, int64_t N) {
    constexpr int P = PANEL<T>;
    for (int64_t n0 = 0; n0 < N; n0 += P) {
        const int64_t columns = std::min<int64_t>(P, N - n0);
        T* to = panels + n0 * K;
        for (int64_t k = 0; k < K; ++k, to += P) {
            if (columns == P) {
                std::memcpy(to, W + k * N + n0, P * sizeof(T));
            } else {
                std::copy(W + k * N + n0, W + k * N + n0 + columns, to);
                std::fill(to + columns, to + P, T(0));
            }
        }
    }
}

template <class T>
[[gnu::noinline]] void from_panels(const T* panels, T* W, int64_t K, int64_t N) {
    constexpr int P = PANEL<T>;
    for (int64_t n0 = 0; n0 < N; n0 += P) {
        const int64_t columns = std::min<int64_t>(P, N - n0);
        const T* from = panels + n0 * K;
        for (int64_t k = 0; k < K; ++k, from += P)
            if (columns == P)
                std::memcpy(W + k * N + n0, from, P * sizeof(T));
            else
                std::copy(from, from + columns, W + k * N + n0);
    }
}

// to (PANEL, PANEL) = from^T.
template <class T>
inline void transpose_block(const T* from, T* to) {
    using S = Simd<T>;
    constexpr int L = S::LANES, P = PANEL<T>;
    for (int i = 0; i < P; i += L)
        for (int j = 0; j < P; j += L) {
            typename S::Vector rows[L];
            for (int r = 0; r < L; ++r) rows[r] = S::load(from + (i + r) * P + j);
            transpose(rows);
            for (int r = 0; r < L; ++r) S::store(to + (j + r) * P + i, rows[r]);
        }
}

// Writes rows k0 to k1 of the panel of W (K, N) at column n0 to the panels of W^T, (N, PANEL) each.
template <class T>
[[gnu::noinline]] void transpose_strip(const T* strip, T* transposed, int64_t k0, int64_t k1, int64_t n0, int64_t N) {
    constexpr int P = PANEL<T>;
    const int64_t columns = std::min<int64_t>(P, N - n0);
    for (int64_t k = k0; k < k1;) {
        const int64_t stop = std::min(k1, (k / P + 1) * P);  // the end of a row of W^T's panel
        T* to = transposed + (k / P * N + n0) * P + k % P;
        const T* from = strip + (k - k0) * P;
        if (columns == P && stop - k == P)
            transpose_block(from, to);
        else
            for (int64_t n = 0; n < columns; ++n)
                for (int64_t j = 0; j < stop - k; ++j) to[n * P + j] = from[j * P + n];
        k = stop;
    }
}

// Sets what panels of a (K, columns) have beyond its columns to 0.
template <class T>
void clear_padding(T* panels, int64_t K, int64_t columns) {
    constexpr int64_t P = PANEL<T>;
    if (columns % P == 0) return;
    T* last = panels + columns / P * P * K;
    for (int64_t k = 0; k < K; ++k) std::fill(last + k * P + columns % P, last + (k + 1) * P, T(0));
}

}  // namespace chainrule::CHAINRULE_ISA
