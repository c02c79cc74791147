// The three products of a dense layer, with the weights in panels (panels.h).
//
//     forward   z = a W + b              z (rows, N)   a (rows, K)   W (K, N)
//     backward  dL/da = delta W^T        the same product, on panels of W^T
//     gradient  dL/dW = a^T delta        contraction over the batch
//
// Rows of a, z and delta are `ld` apart; rows that are written have room for whole panels.
//
// Each element is one sum in one order, k or the batch ascending, whatever the tile, the block and the thread. So its bits
// depend on none of them.
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "activations.h"
#include "terms.h"

namespace chainrule::CHAINRULE_ISA {

constexpr Index PIECE = 16;  // terms of a sum between two prefetches

// What is applied to the sums of a tile while they are in registers: nothing, ReLU, or, with `at`, the factor relu'(at).
template <class T>
struct Epilogue {
    bool is_relu = false;
    const T* at = nullptr;
    int64_t ld = 0;
};

// The operands of a tile of a product: rows of a, a panel, and the bias (lds 0), the sums of earlier k (rows lds apart), or null
// for 0 to start from. `soon` rows of a panel are prefetched from `next`, a few at a time: many prefetches at once stall.
template <class T>
struct Tile {
    const T* a;
    int64_t lda;
    const T* panel;
    const T* start;
    int64_t lds;
    T* z;
    int64_t ldz;
    const T* next;
    int64_t soon;
};

// The micro-kernel: z = start + a W for ROWS rows of a and the first VECTORS vectors of a panel, over the k of `which`. Only whole
// tiles have an epilogue. Not inlined: every product has the same kernels.
template <class T, int ROWS, int VECTORS, class Which>
[[gnu::noinline]] void forward_tile(const Tile<T>& of, Which which, const Epilogue<T>& epilogue) {
    using S = Simd<T>;
    using V = typename S::Vector;
    constexpr int L = S::LANES;
    const T *a = of.a, *panel = of.panel;
    const Index lda = static_cast<Index>(of.lda), lds = static_cast<Index>(of.lds), ldz = static_cast<Index>(of.ldz);
    const Index soon = static_cast<Index>(of.soon), count = static_cast<Index>(which.count);
    V sum[ROWS][VECTORS];
#pragma GCC unroll 12
    for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
        for (int j = 0; j < VECTORS; ++j) sum[i][j] = of.start ? S::load(of.start + i * lds + j * L) : V{};
    const auto terms = [&](Index c, Index end) __attribute__((always_inline)) {
        for (; c < end; ++c) {
            const Index k = which[c];
            const T* row = a + k;
            V w[VECTORS];
#pragma GCC unroll 2
            for (int j = 0; j < VECTORS; ++j) w[j] = S::load(panel + (k * 2 + j) * L);
#pragma GCC unroll 12
            for (int i = 0; i < ROWS; ++i, row += lda) {
                const T x = *row;
#pragma GCC unroll 2
                for (int j = 0; j < VECTORS; ++j) sum[i][j] = multiply_add(x, w[j], sum[i][j]);
                after(row, sum[i][0]);
            }
        }
    };
    Index c = 0;
    if (VECTORS == 2 && soon > 0)
        for (Index row = 0; c + PIECE <= count; c += PIECE) {
            for (const Index end = soon * (c + PIECE) / count; row < end; ++row)
                prefetch(of.next + row * PANEL<T>, PANEL<T> * sizeof(T));
            terms(c, c + PIECE);
        }
    terms(c, count);
    const auto store = [&](auto&& changed) __attribute__((always_inline)) {
#pragma GCC unroll 12
        for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
            for (int j = 0; j < VECTORS; ++j) S::store(of.z + i * ldz + j * L, changed(sum[i][j], i, j * L));
    };
    if constexpr (ROWS == TILE_ROWS || ROWS == GAP_ROWS) {
        if (epilogue.is_relu) return store([](V z, int, int) { return activate<Activation::relu>(z, V{}); });
        if (epilogue.at != nullptr)
            return store([&](V z, int i, int j) {
                const V at = S::load(epilogue.at + i * static_cast<Index>(epilogue.ld) + j);
                return z * activate_prime<Activation::relu>(at, at, V{});
            });
    }
    store([](V z, int, int) { return z; });
}

// The micro-kernel of the gradient: g (ROWS, PANEL) = a[:, :ROWS]^T delta[:, panel] over the samples of `which`, added to g if
// `more`.
template <class T, int ROWS, int VECTORS, class Which>
[[gnu::noinline]] void gradient_tile(const T* a, int64_t row_a, const T* delta, int64_t row_delta, T* g, Which which, bool more) {
    using S = Simd<T>;
    using V = typename S::Vector;
    constexpr int L = S::LANES;
    const Index lda = static_cast<Index>(row_a), ldd = static_cast<Index>(row_delta), count = static_cast<Index>(which.count);
    V sum[ROWS][VECTORS];
#pragma GCC unroll 12
    for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
        for (int j = 0; j < VECTORS; ++j) sum[i][j] = more ? S::load(g + (i * 2 + j) * L) : V{};
    for (Index c = 0; c < count; ++c) {
        const Index s = which[c];
        V d[VECTORS];
#pragma GCC unroll 2
        for (int j = 0; j < VECTORS; ++j) d[j] = S::load(delta + s * ldd + j * L);
        const T* row = a + s * lda;
#pragma GCC unroll 12
        for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
            for (int j = 0; j < VECTORS; ++j) sum[i][j] = multiply_add(row[i], d[j], sum[i][j]);
    }
#pragma GCC unroll 12
    for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
        for (int j = 0; j < 2; ++j) S::store(g + (i * 2 + j) * L, j < VECTORS ? sum[i][j % VECTORS] : V{});
}

// The heights of the micro-kernels. Rows that are left over are a tile or two, as every height is code of its own.
constexpr std::array HEIGHTS{1, 2, 3, 4, 6, 8, 12};
// How many of them a tile of `rows` rows needs: up to its own height.
constexpr int heights(int rows) { return static_cast<int>(std::find(HEIGHTS.begin(), HEIGHTS.end(), rows) - HEIGHTS.begin()) + 1; }
static_assert(HEIGHTS[heights(TILE_ROWS) - 1] == TILE_ROWS && heights(GAP_ROWS) == GAP_ROWS);

// A micro-kernel: its height, and its place among those of all heights and of one vector or two.
struct Kernel {
    int64_t rows, place;
};
// The tallest one of at most `rows` rows, for the first `width` columns of a panel.
template <class T>
inline Kernel kernel(int64_t rows, int64_t width) {
    int height = heights(TILE_ROWS) - 1;
    while (HEIGHTS[height] > rows) --height;
    return {HEIGHTS[height], 2 * height + (width > PANEL<T> / 2)};
}
template <class T, class Which, int... I>
constexpr auto forward_kernels(std::integer_sequence<int, I...>) {
    return std::array{&forward_tile<T, HEIGHTS[I / 2], I % 2 + 1, Which>...};
}
template <class T, class Which, int... I>
constexpr auto gradient_kernels(std::integer_sequence<int, I...>) {
    return std::array{&gradient_tile<T, HEIGHTS[I / 2], I % 2 + 1, Which>...};
}
template <int ROWS>
using Tiles = std::make_integer_sequence<int, 2 * heights(ROWS)>;
template <class T, class Which>
constexpr auto FORWARD = forward_kernels<T, Which>(Tiles<std::is_same_v<Which, All> ? TILE_ROWS : GAP_ROWS>{});
template <class T, class Which>
constexpr auto GRADIENT = gradient_kernels<T, Which>(Tiles<TILE_ROWS>{});

// Prefetches a tile's share of the next block's rows (rows, PANEL), `ld` apart: the tile begins at `done` of `all`. The
// hardware prefetcher follows long streams, and these are short. Not inlined, because few products need it.
template <class T>
[[gnu::noinline]] void prefetch_share(const T* next, int64_t ld, int64_t rows, int64_t done, int64_t all) {
    const int64_t end = rows * std::min<int64_t>(all, done + TILE_ROWS) / all;
    for (int64_t row = rows * done / all; row < end; ++row) prefetch(next + row * ld, PANEL<T> * sizeof(T));
}

// z (rows, N) = a (rows, K) W (K, N) + b. `finish` is applied once to each tile, rows i0 to i1 of the panel at column n: to
// whole tiles in registers, by finish.epilogue(i0, n) if finish.in_registers, to all others in the cache, by finish(i0, i1, n).
// gaps: skips the k at which all rows of a tile are 0, in tiles of GAP_ROWS rows: fewer rows are more often 0 together.
template <bool MAY_HAVE_GAPS, class T, class Finish>
void forward_rows(const T* a, int64_t lda, const T* panels, const T* b, T* z, int64_t ldz, int64_t rows, int64_t K,
                  int64_t N, const Finish& finish, bool gaps = false) {
    constexpr int P = PANEL<T>;
    constexpr int64_t TILES = BLOCK_ROWS / GAP_ROWS;
    const int64_t height = MAY_HAVE_GAPS && gaps ? GAP_ROWS : TILE_ROWS;
    uint8_t at[MAY_HAVE_GAPS ? TILES : 1][PLACES];
    int64_t counts[TILES];
    const bool is_far = K * N * static_cast<int64_t>(sizeof(T)) > NEAR;
    for (int64_t i0 = 0; i0 < rows; i0 += BLOCK_ROWS)
        for (int64_t k = 0; k < K; k += BLOCK_K) {
            const int64_t i1 = std::min(rows, i0 + BLOCK_ROWS), depth = std::min(BLOCK_K, K - k);
            const bool is_done = k + depth == K;
            if (MAY_HAVE_GAPS && gaps)
                for (int64_t i = i0, tile = 0; i < i1; i += height, ++tile)
                    counts[tile] = nonzero_columns(a + i * lda + k, lda, std::min(height, i1 - i), depth, at[tile]);
            for (int64_t n = 0; n < N; n += P) {
                const T* next = panels + (n + P < N ? (n + P) * K + k * P : (k + depth) * P);
                for (int64_t i = i0, number = 0; i < i1; ++number) {
                    const auto [count, place] = kernel<T>(std::min(height, i1 - i), N - n);
                    const int64_t asked = is_far ? depth * (i - i0) / (i1 - i0) : 0;
                    const int64_t end = is_far ? depth * (i + count - i0) / (i1 - i0) : 0;
                    T* to = z + i * ldz + n;
                    const T* start = k > 0 ? to : b ? b + n : nullptr;
                    const Tile<T> tile{a + i * lda + k, lda, panels + n * K + k * P, start, k > 0 ? ldz : 0, to, ldz,
                                          next + asked * P, end - asked};
                    const bool is_whole = is_done && count == height && finish.in_registers;
                    const Epilogue<T> epilogue = is_whole ? finish.epilogue(i, n) : Epilogue<T>{};
                    if (MAY_HAVE_GAPS && gaps)
                        FORWARD<T, Places>[place](tile, {at[number], counts[number]}, epilogue);
                    else
                        FORWARD<T, All>[place](tile, {depth}, epilogue);
                    if (is_done && !is_whole) finish(i, i + count, n);
                    i += count;
                }
            }
        }
}

// What the update reads and writes of a panel of W (K, N) from row k and column n on, to be prefetched before it does.
template <class T>
struct Ahead {
    const T* value = nullptr;       // null: nothing is
    const T* moment[3] = {};        // null for those that there are not
    const T* transposed = nullptr;  // panels of W^T, or null
    int64_t k = 0, n = 0, N = 0;

    // Of rows k0 to k1, counted from k.
    void ask(int64_t k0, int64_t k1) const {
        constexpr int P = PANEL<T>, BYTES = P * sizeof(T);
        prefetch(value + k0 * P, (k1 - k0) * BYTES);
        for (const T* each : moment)
            if (each != nullptr) prefetch(each + k0 * P, (k1 - k0) * BYTES);
        if (transposed == nullptr) return;
        for (int64_t row = k + k0; row < k + k1; ++row)  // for P rows, the P rows of W^T's panel that hold them
            prefetch(transposed + (row / P * N + n + row % P) * P, BYTES);
    }
};

// g (K, PANEL) = a^T delta: K rows of one panel of dL/dW, of which `width` columns are used; added to g if `more`. Before each
// tile of the first block it asks for what these rows of the panel need next.
template <class T>
[[gnu::noinline]] void gradient_strip(const Columns<T>& a, const T* delta, int64_t ldd, T* g, int64_t batch, int64_t K, int64_t width,
                    bool more, const Ahead<T>& ahead = {}) {
    constexpr int P = PANEL<T>;
    const bool is_far = batch * ldd * static_cast<int64_t>(sizeof(T)) > NEAR, is_packed = a.reading == Reading::packed;
    int64_t number = 0;
    for (int64_t s = 0; s < batch; s += BLOCK_BATCH) {
        const int64_t size = std::min(BLOCK_BATCH, batch - s);
        const T* with = delta + s * ldd;
        const T* next = s + size < batch ? with + size * ldd : delta + P;  // the next block's rows, or the next panel's
        for (int64_t k = 0; k < K; k += TILE_ROWS, ++number) {
            const int64_t k1 = std::min<int64_t>(K, k + TILE_ROWS);
            if (s == 0 && ahead.value != nullptr) ahead.ask(k, k1);
            if (is_far) prefetch_share(next, ldd, size, k, K);
            const T* from = is_packed ? &a.packed[number * BLOCK_BATCH * TILE_ROWS] : a.a + s * a.lda + k;
            const int64_t lda = is_packed ? TILE_ROWS : a.lda;
            for (int64_t row = k; row < k1;) {
                const auto [rows, place] = kernel<T>(k1 - row, width);
                if (a.reading == Reading::sparse)
                    GRADIENT<T, Places>[place](from, lda, with, ldd, g + row * P, a.places(number), more || s > 0);
                else
                    GRADIENT<T, All>[place](from, lda, with, ldd, g + row * P, {size}, more || s > 0);
                row += rows, from += rows;
            }
        }
    }
}

}  // namespace chainrule::CHAINRULE_ISA
