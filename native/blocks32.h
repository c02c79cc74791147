// The three products of a dense layer on bfloat16 numbers, with sums in float32: those of products.h, in blocks of 32 terms.
//
//     sum_0 = bias or 0        sum_{b+1} = sum_b + (even_b + odd_b)
//
// with even_b the chain of fused multiply-adds, from 0, of the terms at even places of block b, and odd_b that of the others. A product of
// two bfloat16 numbers is exact in float32, and results below 2^-126 are 0. So are the sums of a processor's tiles (AMX), and the bits are
// the same by
//
//     Products::numbers   fused multiply-adds of floats, on every instruction set that has them
//     Products::pairs     the processor's dot products of pairs (VDPBF16PS), on words in crossed order (halves.h)
//     Products::tiles     products of tiles, on words of neighbors
#pragma once

#include "halves.h"
#include "products.h"

namespace chainrule::CHAINRULE_ISA {

// --- by numbers or pairs: E is float or Pair

// Rows of a tile: each has two chains a vector, half as many rows as a tile of products.h.
constexpr int CHAIN_ROWS = TILE_ROWS / 2;
template <class E>
constexpr int64_t TERMS = std::is_same_v<E, float> ? BLOCK : BLOCK_WORDS;  // of a block

// The operands of a tile: term t of row i is a[i row + t term], its numbers of the panel are panel[t ldp ...]. The sums begin with
// `start`, whose rows are lds apart, or null for 0.
template <class E>
struct Chains {
    const E* a;
    int64_t row, term;
    const E* panel;
    int64_t ldp;
    const float* start;
    int64_t lds;
    float* z;
    int64_t ldz, terms;
};

template <class E, int ROWS, int VECTORS>
[[gnu::noinline]] void chain_tile(const Chains<E>& of) {
    using S = Simd<float>;
    using V = typename S::Vector;
    constexpr int L = S::LANES;
    const Index to_row = static_cast<Index>(of.row), to_term = static_cast<Index>(of.term), ldp = static_cast<Index>(of.ldp);
    const E *a = of.a, *panel = of.panel;
    const float* from = of.start;
    int64_t lds = of.lds;
    for (Index left = static_cast<Index>(of.terms); left > 0; left -= TERMS<E>) {
        V sum[2][ROWS][VECTORS] = {};
        const auto add = [&](V (&to)[ROWS][VECTORS]) __attribute__((always_inline)) {
            typename Simd<E>::Vector w[VECTORS];
#pragma GCC unroll 2
            for (int j = 0; j < VECTORS; ++j) w[j] = Simd<E>::load(panel + j * L);
            const E* row = a;
#pragma GCC unroll 12
            for (int i = 0; i < ROWS; ++i, row += to_row) {
                const E x = *row;
#pragma GCC unroll 2
                for (int j = 0; j < VECTORS; ++j) to[i][j] = multiply_add(x, w[j], to[i][j]);
                after(row, to[i][0]);
            }
            a += to_term, panel += ldp;
        };
        const Index terms = std::min<Index>(left, TERMS<E>);
        for (Index t = 0; t + 1 < terms; t += 2) add(sum[0]), add(sum[1]);
        if (terms % 2 != 0) add(sum[0]);
#pragma GCC unroll 12
        for (int i = 0; i < ROWS; ++i)
#pragma GCC unroll 2
            for (int j = 0; j < VECTORS; ++j) {
                const V before = from ? S::load(from + i * lds + j * L) : V{};
                S::store(of.z + i * of.ldz + j * L, before + (sum[0][i][j] + sum[1][i][j]));
            }
        from = of.z, lds = of.ldz;
    }
}

constexpr std::array CHAIN_HEIGHTS{1, 2, 3, 6};
static_assert(std::find(CHAIN_HEIGHTS.begin(), CHAIN_HEIGHTS.end(), CHAIN_ROWS) != CHAIN_HEIGHTS.end());
template <class E, int... I>
constexpr auto chain_tiles(std::integer_sequence<int, I...>) {
    return std::array{&chain_tile<E, CHAIN_HEIGHTS[I / 2], I % 2 + 1>...};
}
constexpr int CHAINS_KERNELS = 2 * (static_cast<int>(std::find(CHAIN_HEIGHTS.begin(), CHAIN_HEIGHTS.end(), CHAIN_ROWS) - CHAIN_HEIGHTS.begin()) + 1);
template <class E>
constexpr auto CHAIN = chain_tiles<E>(std::make_integer_sequence<int, CHAINS_KERNELS>{});

// The tallest tile of at most `rows` rows, for the first `width` columns of a panel.
inline Kernel chain_kernel(int64_t rows, int64_t width) {
    int height = CHAINS_KERNELS / 2 - 1;
    while (CHAIN_HEIGHTS[height] > rows) --height;
    return {CHAIN_HEIGHTS[height], 2 * height + (width > PANEL<float> / 2)};
}

// z (rows, N) = a (rows, K) W (K, N) + b: rows of a have `terms` numbers or words, panels of W are `depth` rows long. finish(i0, i1, n)
// is applied once to rows i0 to i1 of the panel at column n.
template <class E, class Finish>
void forward_chains(const E* a, int64_t lda, const E* panels, int64_t depth, const float* b, float* z, int64_t ldz, int64_t rows,
                    int64_t terms, int64_t N, const Finish& finish) {
    constexpr int64_t P = PANEL<float>, NEAR_TERMS = BLOCK_K / BLOCK * TERMS<E>;
    for (int64_t i0 = 0; i0 < rows; i0 += BLOCK_ROWS)
        for (int64_t k = 0; k < terms; k += NEAR_TERMS) {
            const int64_t i1 = std::min(rows, i0 + BLOCK_ROWS), count = std::min(NEAR_TERMS, terms - k);
            for (int64_t n = 0; n < N; n += P)
                for (int64_t i = i0; i < i1;) {
                    const auto [height, place] = chain_kernel(std::min<int64_t>(CHAIN_ROWS, i1 - i), N - n);
                    float* to = z + i * ldz + n;
                    const float* start = k > 0 ? to : b ? b + n : nullptr;
                    CHAIN<E>[place]({a + i * lda + k, lda, 1, panels + n * depth + k * P, P, start, k > 0 ? ldz : 0, to, ldz, count});
                    if (k + count == terms) finish(i, i + height, n);
                    i += height;
                }
        }
}

// g (K, PANEL) = a^T delta: K columns of a, whose rows of `terms` samples or words of samples are lda apart, and a panel of delta, of
// which `width` columns are used; added to g if `more`.
template <class E>
void gradient_chains(const E* a, int64_t lda, const E* delta, int64_t ldd, float* g, int64_t terms, int64_t K, int64_t width, bool more) {
    constexpr int64_t P = PANEL<float>, NEAR_TERMS = BLOCK_BATCH / BLOCK * TERMS<E>;
    if (width <= P / 2 && !more) std::fill(g, g + K * P, 0.0f);
    for (int64_t s = 0; s < terms; s += NEAR_TERMS)
        for (int64_t k = 0; k < K;) {
            const auto [height, place] = chain_kernel(std::min<int64_t>(CHAIN_ROWS, K - k), width);
            float* to = g + k * P;
            CHAIN<E>[place]({a + s * lda + k, 1, lda, delta + s * ldd, ldd, more || s > 0 ? to : nullptr, P, to, P, std::min(NEAR_TERMS, terms - s)});
            k += height;
        }
}

// --- by tiles of 16 rows of 16 words

constexpr int64_t SIDE = 16;         // rows and columns of a tile of sums
constexpr int64_t NEAR_DEPTH = 512;  // terms of a panel that stay in the L1 cache while rows pass

// A rectangle of ROWS x COLUMNS tiles of sums: z = start + a b over some blocks. Tiles of a: ROWS of them, `next` words apart, their rows
// lda words apart, `step` words to the next block. b: words of a panel. `start` as in Chains.
struct Rectangle {
    const Pair* a;
    int64_t next, lda, step;
    const Pair* b;
    int64_t blocks;
    const float* start;
    int64_t lds;
    float* z;
    int64_t ldz;
};

#if defined(CHAINRULE_TILES)
// The shape of the tiles, for a thread while this lives: 8 tiles of 16 rows of 64 bytes. The instructions are written out, so that the
// rest of the engine need not be compiled for the processors that have them.
class TilesInUse {
   public:
    explicit TilesInUse(bool is_used) : is_used_(is_used) {
        if (!is_used_) return;
        struct alignas(CACHE_LINE) {
            uint8_t palette = 1, start = 0, reserved[14] = {};
            uint16_t bytes[16] = {};
            uint8_t rows[16] = {};
        } shape;
        for (int tile = 0; tile < 8; ++tile) shape.bytes[tile] = CACHE_LINE, shape.rows[tile] = SIDE;
        asm volatile("ldtilecfg %0" ::"m"(shape));
    }
    ~TilesInUse() {
        if (is_used_) asm volatile("tilerelease");
    }
    TilesInUse(const TilesInUse&) = delete;

   private:
    bool is_used_;
};
template <int TILE>
inline void load_tile(const void* from, int64_t words) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(words * 4), "i"(TILE) : "memory");
}
template <int TILE>
inline void store_tile(void* to, int64_t words) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(words * 4), "i"(TILE) : "memory");
}
template <int SUM, int A, int B>
inline void multiply_tile() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(SUM), "i"(A), "i"(B));
}

template <int ROWS, int COLUMNS>
[[gnu::noinline]] void multiply_tiles(const Rectangle& of) {  // sums in tiles 0 to 3, a in 4 and 5, b in 6 and 7
    constexpr bool LOWER = ROWS > 1, RIGHT = COLUMNS > 1;
    if (of.start != nullptr) {
        const float* lower = of.start + SIDE * of.lds;
        load_tile<0>(of.start, of.lds);
        if constexpr (RIGHT) load_tile<1>(of.start + SIDE, of.lds);
        if constexpr (LOWER) load_tile<2>(lower, of.lds);
        if constexpr (LOWER && RIGHT) load_tile<3>(lower + SIDE, of.lds);
    } else {
        asm volatile("tilezero %tmm0\n\ttilezero %tmm1\n\ttilezero %tmm2\n\ttilezero %tmm3");
    }
    const Pair *a = of.a, *b = of.b;
    for (int64_t block = 0; block < of.blocks; ++block, a += of.step, b += BLOCK_WORDS * PANEL<float>) {
        load_tile<4>(a, of.lda);
        load_tile<6>(b, PANEL<float>);
        multiply_tile<0, 4, 6>();
        if constexpr (RIGHT) {
            load_tile<7>(b + SIDE, PANEL<float>);
            multiply_tile<1, 4, 7>();
        }
        if constexpr (LOWER) {
            load_tile<5>(a + of.next, of.lda);
            multiply_tile<2, 5, 6>();
            if constexpr (RIGHT) multiply_tile<3, 5, 7>();
        }
    }
    float* lower = of.z + SIDE * of.ldz;
    store_tile<0>(of.z, of.ldz);
    if constexpr (RIGHT) store_tile<1>(of.z + SIDE, of.ldz);
    if constexpr (LOWER) store_tile<2>(lower, of.ldz);
    if constexpr (LOWER && RIGHT) store_tile<3>(lower + SIDE, of.ldz);
}
#elif defined(CHAINRULE_FOR_wide)
struct TilesInUse {
    explicit TilesInUse(bool) {}
};
template <int ROWS, int COLUMNS>
[[gnu::noinline]] void multiply_tiles(const Rectangle& of) {  // what a processor with tiles computes
    constexpr int64_t P = PANEL<float>, WIDTH = COLUMNS * SIDE;
    for (int64_t i = 0; i < ROWS * SIDE; ++i) {
        float sum[WIDTH] = {};
        if (of.start != nullptr) std::copy_n(of.start + i * of.lds, WIDTH, sum);
        const Pair* a = of.a + i / SIDE * of.next + i % SIDE * of.lda;
        const Pair* b = of.b;
        for (int64_t block = 0; block < of.blocks; ++block, a += of.step, b += BLOCK_WORDS * P) {
            float even[WIDTH] = {}, odd[WIDTH] = {};
            for (int64_t w = 0; w < BLOCK_WORDS; ++w)
                for (int64_t j = 0; j < WIDTH; ++j) {
                    const Pair x = a[w], y = b[w * P + j];
                    even[j] = std::fma(std::bit_cast<float>(x << 16), std::bit_cast<float>(y << 16), even[j]);
                    odd[j] = std::fma(std::bit_cast<float>(x & 0xffff0000u), std::bit_cast<float>(y & 0xffff0000u), odd[j]);
                }
            for (int64_t j = 0; j < WIDTH; ++j) sum[j] += even[j] + odd[j];
        }
        std::copy_n(sum, WIDTH, of.z + i * of.ldz);
    }
}
#else
struct TilesInUse {
    explicit TilesInUse(bool) {}
};
template <int ROWS, int COLUMNS>
void multiply_tiles(const Rectangle&) {}  // never called: HAS_TILES is false
#endif

// The part of a rectangle that `rows` rows and `width` columns need. Rows of z beyond them are not written.
inline void multiply_rows(Rectangle of, int64_t rows, int64_t width) {
    const bool is_tall = rows > SIDE, is_wide = width > SIDE;
    const auto run = [&](const Rectangle& part) {
        if (is_tall)
            is_wide ? multiply_tiles<2, 2>(part) : multiply_tiles<2, 1>(part);
        else
            is_wide ? multiply_tiles<1, 2>(part) : multiply_tiles<1, 1>(part);
    };
    const int64_t height = is_tall ? 2 * SIDE : SIDE, columns = is_wide ? 2 * SIDE : SIDE;
    if (rows >= height) return run(of);
    alignas(CACHE_LINE) float sums[2 * SIDE * 2 * SIDE];
    float* z = std::exchange(of.z, sums);
    const int64_t ldz = std::exchange(of.ldz, 2 * SIDE);
    if (of.start != nullptr && of.lds != 0) {  // its rows beyond are not there to be read
        for (int64_t i = 0; i < height; ++i)
            if (i < rows) std::copy_n(of.start + i * of.lds, columns, sums + i * 2 * SIDE);
            else std::fill_n(sums + i * 2 * SIDE, columns, 0.0f);
        of.start = sums, of.lds = 2 * SIDE;
    }
    run(of);
    for (int64_t i = 0; i < rows; ++i) std::copy_n(sums + i * 2 * SIDE, columns, z + i * ldz);
}

// forward_chains by tiles. a has whole blocks of rows. With plane > 0 z has the rows of one panel alone, of the panels in turn at z and
// `plane` numbers behind it.
template <class Finish>
void forward_tiles(const Pair* a, int64_t lda, const Pair* panels, const float* b, float* z, int64_t ldz, int64_t rows, int64_t K, int64_t N,
                   const Finish& finish, int64_t plane = 0) {
    constexpr int64_t P = PANEL<float>;
    int64_t done = -1, ready = 0, column = 0;  // a tile to be finished: after the next one was begun, or it would wait for its sums
    const auto finish_last = [&] {
        if (done >= 0) finish(done, ready, column);
    };
    for (int64_t n = 0; n < N; n += P)
        for (int64_t k = 0; k < K; k += NEAR_DEPTH) {
            const int64_t depth = in_blocks(std::min(NEAR_DEPTH, K - k));
            const Pair* panel = panels + (n / P * words(K) + k / 2) * P;
            for (int64_t i = 0; i < rows; i += 2 * SIDE) {
                const int64_t height = std::min(2 * SIDE, rows - i);
                float* to = z + i * ldz + (plane > 0 ? n / P % 2 * plane : n);
                const float* start = k > 0 ? to : b ? b + n : nullptr;
                multiply_rows({a + i * lda + k / 2, SIDE * lda, lda, BLOCK_WORDS, panel, depth / BLOCK, start, k > 0 ? ldz : 0, to, ldz}, height, N - n);
                if (k + depth < K) continue;
                finish_last();
                done = i, ready = i + height, column = n;
            }
        }
    finish_last();
}

// gradient_chains by tiles: `a` are the columns of a, transposed (transpose_columns), `tiles` words apart.
inline void gradient_tiles(const Pair* a, int64_t tiles, const Pair* delta, float* g, int64_t samples, int64_t K, int64_t width, bool more) {
    constexpr int64_t P = PANEL<float>;
    if (width <= SIDE && !more) std::fill(g, g + K * P, 0.0f);
    for (int64_t k = 0; k < K; k += 2 * SIDE) {
        const int64_t height = std::min(2 * SIDE, K - k);
        float* to = g + k * P;
        multiply_rows({a + k / SIDE * tiles, tiles, SIDE, SIDE * SIDE, delta, in_blocks(samples) / BLOCK, more ? to : nullptr, P, to, P}, height, width);
    }
}

}  // namespace chainrule::CHAINRULE_ISA
