// Over 300 lines because the three products share their tiles, and a change to one is a change to all.
// The three products of a dense layer, with the weights in panels.
//
//     forward   z = a W + b              z (rows, N)   a (rows, K)   W (K, N)
//     backward  dL/da = delta W^T        the same product, on panels of W^T
//     gradient  dL/dW = a^T delta        contraction over the batch
//
// Panels: a panel is PANEL columns of W, stored row by row, (K, PANEL). The last one is padded with zeros: W[k, n] is panels[(n
// / PANEL * K + k) * PANEL + n % PANEL]. Rows of a, z and delta are `ld` apart; rows that are written have room for whole
// panels.
//
// Each element is one sum in one order, k or the batch ascending, whatever the tile, the block and the thread. So its bits
// depend on none of them.
#pragma once

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "activations.h"
#include "simd.h"

namespace chainrule::CHAINRULE_ISA {

// z = a W + b with row-major W: the specification of forward_rows.
template <class T>
void forward_naive(const T* a, int64_t lda, const T* W, const T* b, T* z, int64_t ldz, int64_t rows, int64_t K,
                   int64_t N) {
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t n = 0; n < N; ++n) {
            T sum = b ? b[n] : T(0);
            for (int64_t k = 0; k < K; ++k) sum += a[i * lda + k] * W[k * N + n];
            z[i * ldz + n] = sum;
        }
}

// The terms of a tile's sums: all, or those at places where a is not 0 (most pixels and word counts are 0). A product with 0
// adds nothing, so the bits are the same, except for the sign of a sum that is 0.
struct Places {
    const uint8_t* at;
    int64_t count;

    Index operator[](Index i) const { return at[i]; }
};
struct All {
    int64_t count;

    Index operator[](Index i) const { return i; }
};

// Rows of a tile that skips zeros: few, which are more often 0 together, but enough for sums that do not wait for each other.
constexpr int GAP_ROWS = 4;
static_assert(GAP_ROWS <= TILE_ROWS && 192 % GAP_ROWS == 0);

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

// Cache blocks: BLOCK_K rows of a panel stay in the L1 cache while BLOCK_ROWS rows of a pass, whose BLOCK_K columns stay in L2.
// BLOCK_BATCH is the block of the gradient's contraction.
constexpr int64_t BLOCK_K = 256, BLOCK_ROWS = 192 / TILE_ROWS * TILE_ROWS, BLOCK_BATCH = 128;
constexpr int64_t NEAR = 1 << 20;  // bytes that are assumed to fit the L2 cache

// Prefetches a tile's share of the next block's rows (rows, PANEL), `ld` apart: the tile begins at `done` of `all`. The
// hardware prefetcher follows long streams, and these are short. Not inlined, because few products need it.
template <class T>
[[gnu::noinline]] void prefetch_share(const T* next, int64_t ld, int64_t rows, int64_t done, int64_t all) {
    const int64_t end = rows * std::min<int64_t>(all, done + TILE_ROWS) / all;
    for (int64_t row = rows * done / all; row < end; ++row) prefetch(next + row * ld, PANEL<T> * sizeof(T));
}

// The bits of x without its sign: 0 for 0 and -0 alone. Their OR tests many x for zero without a comparison for each.
template <class T>
inline auto bits_of(T x) {
    std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t> bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits << 1;
}

// Writes to at the k < depth at which any row of a (rows, depth) is not 0, and returns their number. at has PLACES numbers.
constexpr int64_t PLACES = BLOCK_K + 16;  // 16 are written at a time
template <class T>
int64_t nonzero_columns(const T* a, int64_t lda, int64_t rows, int64_t depth, uint8_t* at) {
    decltype(bits_of(T(0))) any[BLOCK_K] = {};
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t k = 0; k < depth; ++k) any[k] |= bits_of(a[i * lda + k]);
    int64_t count = 0;
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) {
        __m512i place = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        for (int64_t k = 0; k < depth; k += 16, place = _mm512_add_epi32(place, _mm512_set1_epi32(16))) {
            const __m512i bits = _mm512_loadu_si512(any + k);
            const __mmask16 is_there = _mm512_test_epi32_mask(bits, bits);
            const __m128i found = _mm512_cvtepi32_epi8(_mm512_maskz_compress_epi32(is_there, place));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(at + count), found);
            count += std::popcount(static_cast<unsigned>(is_there));
        }
        return count;
    }
#endif
    for (int64_t k = 0; k < depth; ++k) at[count] = static_cast<uint8_t>(k), count += any[k] != 0;
    return count;
}

// Writes to at (batch,) the rows of a (batch, columns) that are not all 0, and returns their number.
template <class T>
int64_t nonzero_rows(const T* a, int64_t lda, int64_t batch, int64_t columns, uint8_t* at) {
    int64_t count = 0;
    for (int64_t s = 0; s < batch; ++s) {
        decltype(bits_of(T(0))) any = 0;
        for (int64_t k = 0; k < columns; ++k) any |= bits_of(a[s * lda + k]);
        at[count] = static_cast<uint8_t>(s), count += any != 0;
    }
    return count;
}

// The share of k at which a tile of GAP_ROWS rows must be 0 for a product with N columns to skip them: such tiles take a fifth longer
// a k, and their places are listed once for all columns, which takes a k as long as three vectors of a panel, or one where sixteen
// are listed at a time. Measured on AVX-512 with K of 64 to 784 and N of 8 to 256.
template <class T>
double share_that_pays(int64_t N) {
    constexpr int64_t L = Simd<T>::LANES;
#if defined(__AVX512F__)
    constexpr double LISTING = sizeof(T) == 4 ? 0.9 : 2.8;
#else
    constexpr double LISTING = 2.8;
#endif
    return 1.0 / 6 + LISTING / double((N + L - 1) / L + 1);
}

// Whether it pays to skip zeros: in LOOKS tiles of a, more than a share of the k are 0 in all rows.
template <class T>
bool has_gaps(const T* a, int64_t lda, int64_t rows, int64_t K, double share = 1.0 / 8) {
    constexpr int64_t LOOKS = 4, NARROW = 64;
    if (K < NARROW || rows < GAP_ROWS) return false;
    int64_t empty = 0;
    for (int64_t look = 0; look < LOOKS; ++look) {
        const T* tile = a + (rows - GAP_ROWS) * look / (LOOKS - 1) * lda;
        for (int64_t k = 0; k < K; ++k) {
            decltype(bits_of(T(0))) any = 0;
            for (int64_t i = 0; i < GAP_ROWS; ++i) any |= bits_of(tile[i * lda + k]);
            empty += any == 0;
        }
    }
    return double(empty) > share * double(LOOKS * K);
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

// The terms of one row's sums: the k at which it is not 0, ascending, and its values there.
template <class T>
struct Terms {
    const int32_t* at;
    const T* values;
    int64_t count;
};

// z = a W + b for one row of a and PANELS panels, over the `count` k in `at`, at which a is not 0. After a ReLU or in an image
// most numbers are 0, and their rows of W are not read. Several panels give enough independent sums. value(c): a at k = at[c].
template <class T, int PANELS, class Value>
inline void forward_row_tile(Value value, const int32_t* at, int64_t count, const T* panels, const T* b, T* z, int64_t K) {
    using S = Simd<T>;
    using V = typename S::Vector;
    constexpr int L = S::LANES;
    V sum[PANELS * 2];
    for (int j = 0; j < PANELS * 2; ++j) sum[j] = b ? S::load(b + j * L) : V{};
    for (int64_t c = 0; c < count; ++c) {
        const int64_t k = at[c];
        const T x = value(c);
#pragma GCC unroll 8
        for (int j = 0; j < PANELS * 2; ++j)
            sum[j] = multiply_add(x, S::load(panels + (j / 2 * K + k) * PANEL<T> + j % 2 * L), sum[j]);
    }
    for (int j = 0; j < PANELS * 2; ++j) S::store(z + j * L, sum[j]);
}

// z = a W + b for one row and all panels, over the `count` k in `at`.
template <class T, class Value>
void forward_terms(Value value, const int32_t* at, int64_t count, const T* panels, const T* b, T* z, int64_t K, int64_t N) {
    constexpr int P = PANEL<T>;
    const int64_t all = (N + P - 1) / P;
    for (int64_t p = 0; p < all;) {
        const T *from = panels + p * P * K, *with = b ? b + p * P : nullptr;
        if (all - p >= 4)
            forward_row_tile<T, 4>(value, at, count, from, with, z + p * P, K), p += 4;
        else if (all - p >= 2)
            forward_row_tile<T, 2>(value, at, count, from, with, z + p * P, K), p += 2;
        else
            forward_row_tile<T, 1>(value, at, count, from, with, z + p * P, K), p += 1;
    }
}

// z = a W + b for one row, with the bits of forward_rows if W is finite. at (K,) is scratch.
template <class T>
void forward_row(const T* a, const T* panels, const T* b, T* z, int64_t K, int64_t N, int32_t* at) {
    int64_t count = 0;
    for (int64_t k = 0; k < K; ++k) {
        at[count] = static_cast<int32_t>(k);
        count += a[k] != 0;
    }
    forward_terms([=](int64_t c) { return a[at[c]]; }, at, count, panels, b, z, K, N);
}

// The same for a row of entries.
template <class T>
void forward_row(const Terms<T>& a, const T* panels, const T* b, T* z, int64_t K, int64_t N) {
    forward_terms([values = a.values](int64_t c) { return values[c]; }, a.at, a.count, panels, b, z, K, N);
}

// sum + sum_j W[:, j] delta[j] for a block (LANES, LANES) of a panel, of which `rows` rows and `columns` columns are used.
template <class T>
inline typename Simd<T>::Vector backward_block(const T* delta, const T* block, typename Simd<T>::Vector sum, int64_t rows,
                                               int64_t columns) {
    constexpr int L = Simd<T>::LANES;
    typename Simd<T>::Vector w[L] = {};
    for (int i = 0; i < L; ++i)
        if (i < rows) w[i] = Simd<T>::load(block + i * PANEL<T>);
    transpose(w);
    for (int j = 0; j < L; ++j)
        if (j < columns) sum = multiply_add(delta[j], w[j], sum);
    return sum;
}

// a_grad (k1 - k0,) = W[k0 : k1] delta for one row, with the bits of forward_rows on panels of W^T. It reads the panels of W
// and transposes their blocks in registers. a_grad has room for whole panels.
template <class T>
void backward_row(const T* delta, const T* panels, T* a_grad, int64_t K, int64_t N, int64_t k0, int64_t k1) {
    using S = Simd<T>;
    constexpr int L = S::LANES, P = PANEL<T>;
    std::fill(a_grad, a_grad + padded<T>(k1 - k0), T(0));
    for (int64_t n = 0; n < N; n += L)
        for (int64_t k = k0; k < k1; k += L) {
            const T* block = panels + (n / P * K + k) * P + n % P;
            T* to = a_grad + k - k0;
            const bool is_whole = k1 - k >= L && N - n >= L;
            S::store(to, is_whole ? backward_block<T>(delta + n, block, S::load(to), L, L)
                                  : backward_block<T>(delta + n, block, S::load(to), k1 - k, N - n));
        }
}

// dW = a^T delta, row-major: the specification of gradient_strip.
template <class T>
void gradient_naive(const T* a, int64_t lda, const T* delta, int64_t ldd, T* dW, int64_t batch, int64_t K, int64_t N) {
    for (int64_t k = 0; k < K; ++k)
        for (int64_t n = 0; n < N; ++n) {
            T sum = 0;
            for (int64_t s = 0; s < batch; ++s) sum += a[s * lda + k] * delta[s * ldd + n];
            dW[k * N + n] = sum;
        }
}

// How the gradient's kernel reads a: in place, packed tile by tile, or without the samples in which a tile's columns are all 0.
enum class Reading { in_place, packed, sparse };

// The columns of a for a strip of dL/dW, packed or searched for zeros once for all panels of the strip.
template <class T>
struct Columns {
    const T* a = nullptr;  // null: nothing was read
    int64_t lda = 0, samples = 0;
    Reading reading = Reading::in_place;
    Array<T> packed;              // (blocks, tiles, BLOCK_BATCH, TILE_ROWS)
    Array<uint8_t> at;            // (blocks, tiles, BLOCK_BATCH): samples of a block that are not 0
    Array<int64_t> counts;        // (blocks, tiles)

    // Allocates for up to `batch` samples of up to K columns.
    [[gnu::cold]] void reserve(int64_t batch, int64_t K, bool is_packed, bool is_sparse) {
        const int64_t all = (K + TILE_ROWS - 1) / TILE_ROWS * ((batch + BLOCK_BATCH - 1) / BLOCK_BATCH);
        if (is_packed) packed.reserve(all * BLOCK_BATCH * TILE_ROWS);
        if (is_sparse) at.reserve(all * BLOCK_BATCH), counts.reserve(all);
    }
    Places places(int64_t tile) const { return {&at[tile * BLOCK_BATCH], counts[tile]}; }

    void read(const T* from, int64_t ld, int64_t batch, int64_t K, Reading how) {
        if (a == from && samples == batch && reading == how) return;
        a = from, lda = ld, samples = batch, reading = how;
        if (how == Reading::in_place) return;
        const int64_t tiles = (K + TILE_ROWS - 1) / TILE_ROWS, blocks = (batch + BLOCK_BATCH - 1) / BLOCK_BATCH;
        if (how == Reading::packed)
            packed.resize(blocks * tiles * BLOCK_BATCH * TILE_ROWS);
        else
            at.resize(blocks * tiles * BLOCK_BATCH), counts.resize(blocks * tiles);
        for (int64_t t = 0; t < blocks * tiles; ++t) {
            const int64_t s = t / tiles * BLOCK_BATCH, k = t % tiles * TILE_ROWS;
            const int64_t size = std::min(BLOCK_BATCH, batch - s), columns = std::min<int64_t>(TILE_ROWS, K - k);
            if (how == Reading::packed)
                pack(a + s * lda + k, size, columns, &packed[t * BLOCK_BATCH * TILE_ROWS]);
            else
                counts[t] = nonzero_rows(a + s * lda + k, lda, size, columns, &at[t * BLOCK_BATCH]);
        }
    }

   private:
    void pack(const T* from, int64_t size, int64_t columns, T* to) const {
        for (int64_t s = 0; s < size; ++s, from += lda, to += TILE_ROWS)
            if (columns == TILE_ROWS)
                std::memcpy(to, from, TILE_ROWS * sizeof(T));
            else
                std::copy(from, from + columns, to);
    }
};

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

}  // namespace chainrule::CHAINRULE_ISA
