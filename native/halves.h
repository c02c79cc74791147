// bfloat16 numbers, in words of two as the products in blocks of 32 read them (blocks32.h), and their writers. A bfloat16 number is the
// upper half of a float: what is written has been rounded (round_bf16), or is rounded here where that is said.
//
// The terms of a sum lie in blocks of 32, a block in 16 words; terms beyond the last are 0. The two of a word are, in
//
//     Order::neighbors   2w and 2w + 1, the earlier one in the lower half: as they lie in memory. Tiles read them.
//     Order::crossed     4(w/2) + w%2 and two further, the earlier one in the upper half, which the processor's dot product of pairs adds
//                        first: words of an even number hold the even terms, in their order.
#pragma once

#include <type_traits>

#include "engine.h"
#include "panels.h"

namespace chainrule::CHAINRULE_ISA {

// Two bfloat16 numbers.
using Pair = uint32_t;

#if defined(__wasm__)
constexpr bool HAS_BF16 = false;  // a page's engine computes in float alone
#else
constexpr bool HAS_BF16 = true;
#endif
#if defined(CHAINRULE_PAIRS) || defined(CHAINRULE_FOR_wide)
constexpr bool HAS_PAIRS = true;  // kernels of words, for processors that multiply them
#else
constexpr bool HAS_PAIRS = false;  // bfloat16 numbers are multiplied as floats, to the same bits
#endif
// Whether an engine in T has products of words.
template <class T>
constexpr bool HAS_WORDS = HAS_PAIRS && std::is_same_v<T, float>;
#if defined(CHAINRULE_TILES) || defined(CHAINRULE_FOR_wide)
constexpr bool HAS_TILES = HAS_PAIRS;
#else
constexpr bool HAS_TILES = false;
#endif

constexpr int64_t BLOCK = 32, BLOCK_WORDS = BLOCK / 2;
constexpr int64_t in_blocks(int64_t terms) { return (terms + BLOCK - 1) / BLOCK * BLOCK; }
// Words of so many terms.
constexpr int64_t words(int64_t terms) { return in_blocks(terms) / 2; }

enum class Order { neighbors, crossed };
constexpr Order order_of(Products products) { return products == Products::tiles ? Order::neighbors : Order::crossed; }

// Calls use with the order of the words that these products read.
template <class Use>
void with_order(bool has_tiles, Use&& use) {
    if (has_tiles)
        use(std::integral_constant<Order, Order::neighbors>{});
    else
        use(std::integral_constant<Order, Order::crossed>{});
}

// The two terms of word w of a block.
template <Order ORDER>
constexpr int64_t first_of(int64_t w) { return ORDER == Order::neighbors ? 2 * w : 4 * (w / 2) + w % 2; }
template <Order ORDER>
constexpr int64_t second_of(int64_t w) { return first_of<ORDER>(w) + (ORDER == Order::neighbors ? 1 : 2); }

// A word, or a vector of them, from the bits of floats.
template <Order ORDER, class Bits>
inline Bits pair(Bits earlier, Bits later) {
    return ORDER == Order::neighbors ? earlier >> 16 | (later & 0xffff0000u) : (earlier & 0xffff0000u) | later >> 16;
}
template <Order ORDER>
inline Pair pair(float earlier, float later) {
    return pair<ORDER>(std::bit_cast<Pair>(earlier), std::bit_cast<Pair>(later));
}

// sum + x[0] w[0] + x[1] w[1], in this order; 0 is the upper half. A product of two bfloat16 numbers is exact in float, so the bits are those of
// floats. The processor's dot product is written out, so that the rest of the engine of AVX-512 need not be compiled for the
// processors that have it.
template <class V, class W>
inline V multiply_add(Pair x, W w, V sum) {
#if defined(CHAINRULE_PAIRS)
    const W both = W{} + x;
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(both), "v"(w));
    return sum;
#else
    const W first = w & 0xffff0000u, second = w << 16;
    sum = multiply_add(std::bit_cast<float>(x & 0xffff0000u), (V)first, sum);
    return multiply_add(std::bit_cast<float>(x << 16), (V)second, sum);
#endif
}

// x, a float or a vector of them, rounded to bfloat16, to nearest and ties to even; NaN stays NaN.
template <class V>
inline void round_bf16(V& x) {
    using Bits = std::conditional_t<std::is_same_v<V, float>, Pair, std::remove_cvref_t<decltype(x > x)>>;
    const Bits bits = std::bit_cast<Bits>(x), odd = bits >> 16 & 1, rounded = (bits + 0x7fff + odd) & ~0xffff;
    x = std::bit_cast<V>((bits & 0x7fffffff) > 0x7f800000 ? bits : rounded);
}
// The same of an array. In double nothing happens.
inline void round_bf16(float* values, int64_t n) {
    for (int64_t i = 0; i < n; ++i) round_bf16(values[i]);
}
inline void round_bf16(double*, int64_t) {}

// The words of BLOCK terms that lie one after the other.
template <Order ORDER>
inline void pair_block(const float* from, Pair* to) {
    if constexpr (ORDER == Order::neighbors) {
        uint16_t halves[BLOCK];
        for (int64_t k = 0; k < BLOCK; ++k) halves[k] = static_cast<uint16_t>(std::bit_cast<Pair>(from[k]) >> 16);
        std::memcpy(to, halves, sizeof halves);
    } else {
        for (int64_t w = 0; w < BLOCK_WORDS; ++w) to[w] = pair<ORDER>(from[first_of<ORDER>(w)], from[second_of<ORDER>(w)]);
    }
}

// Terms that lie in a row: a (rows, K) to (rows, words(K)).
template <Order ORDER>
[[gnu::noinline]] void pair_columns(const float* a, int64_t lda, Pair* to, int64_t ld, int64_t rows, int64_t K) {
    const int64_t whole = K / BLOCK * BLOCK;
    for (int64_t i = 0; i < rows; ++i, a += lda, to += ld) {
        for (int64_t k = 0; k < whole; k += BLOCK) pair_block<ORDER>(a + k, to + k / 2);
        if (whole == K) continue;
        float rest[BLOCK] = {};
        std::copy(a + whole, a + K, rest);
        pair_block<ORDER>(rest, to + whole / 2);
    }
}

// Terms that lie in a column: a (rows, columns) to (words(rows), columns).
template <Order ORDER>
[[gnu::noinline]] void pair_rows(const float* a, int64_t lda, Pair* to, int64_t ld, int64_t rows, int64_t columns) {
    for (int64_t block = 0; block < rows; block += BLOCK, a += BLOCK * lda)
        for (int64_t w = 0; w < BLOCK_WORDS; ++w, to += ld) {
            const int64_t first = first_of<ORDER>(w), second = second_of<ORDER>(w);
            const float *earlier = a + first * lda, *later = a + second * lda;
            if (block + second < rows)
                for (int64_t k = 0; k < columns; ++k) to[k] = pair<ORDER>(earlier[k], later[k]);
            else if (block + first < rows)
                for (int64_t k = 0; k < columns; ++k) to[k] = pair<ORDER>(earlier[k], 0.0f);
            else
                std::fill(to, to + columns, Pair(0));
        }
}

// Sixteen words, a vector of the engines that have words.
typedef Pair WordVector __attribute__((vector_size(sizeof(Pair) * BLOCK_WORDS)));
inline void read(WordVector& to, const void* from) { std::memcpy(&to, from, sizeof to); }
// `is_far`: past the caches, which would lose what is read sooner.
inline void write(const WordVector& from, Pair* to, [[maybe_unused]] bool is_far) {
#if defined(__AVX512F__)
    if (is_far) return _mm512_stream_si512(reinterpret_cast<__m512i*>(to), reinterpret_cast<const __m512i&>(from));
#endif
    std::memcpy(to, &from, sizeof from);
}
// What was written past the caches can be read by other threads after this.
inline void end_far_writes() {
#if defined(__AVX512F__)
    _mm_sfence();
#endif
}

// The columns of a (rows, K) as rows of terms, in squares: (tiles of K, `tiles` apart; blocks of rows; 16 columns; 16 words).
[[gnu::noinline]] inline void transpose_columns(const float* a, int64_t lda, Pair* to, int64_t tiles, int64_t rows, int64_t K) {
    constexpr int64_t W = BLOCK_WORDS;
    for (int64_t block = 0; block < rows; block += BLOCK, a += BLOCK * lda, to += W * W)
        for (int64_t k = 0; k < K; k += W) {
            WordVector square[W], earlier, later;
            Pair* there = to + k / W * tiles;
            const auto read_row = [&](WordVector& row, int64_t i) {
                float rest[W] = {};
                const bool is_whole = block + i < rows && K - k >= W;
                if (!is_whole && block + i < rows) std::copy(a + i * lda + k, a + i * lda + K, rest);
                read(row, is_whole ? a + i * lda + k : rest);
            };
            for (int64_t w = 0; w < W; ++w) {
                read_row(earlier, 2 * w), read_row(later, 2 * w + 1);
                square[w] = pair<Order::neighbors>(earlier, later);
            }
            transpose(square);
            for (int64_t column = 0; column < W; ++column) std::memcpy(there + column * W, &square[column], sizeof square[column]);
        }
}

// Rounds rows k0 (at the start of a block) to k1 of the panel of W (K, N) at column n0, and writes them to the panels of W in words of k,
// (words(K), PANEL) each, and, unless null, to those of W^T in words of n, (words(N), PANEL) each. is_far as in `write`.
template <Order ORDER>
[[gnu::noinline]] void pair_strip(const float* strip, Pair* pairs, Pair* transposed, int64_t k0, int64_t k1, int64_t n0, int64_t K,
                                  int64_t N, bool is_far) {
    constexpr int64_t P = PANEL<float>, W = BLOCK_WORDS;
    static_assert(P == BLOCK || !HAS_PAIRS);
    alignas(CACHE_LINE) float rounded[BLOCK * P];
    for (int64_t k = k0; k < k1; k += BLOCK) {
        const int64_t rows = std::min(BLOCK, k1 - k);
        std::copy_n(strip + (k - k0) * P, rows * P, rounded);
        std::fill(rounded + rows * P, rounded + BLOCK * P, 0.0f);
        round_bf16(rounded, rows * P);
        Pair* pairs_of_rows = pairs + n0 * words(K) + k / 2 * P;
        for (int64_t w = 0; w < W; ++w)
            for (int64_t j = 0; j < P; j += W) {
                WordVector earlier, later;
                read(earlier, rounded + first_of<ORDER>(w) * P + j), read(later, rounded + second_of<ORDER>(w) * P + j);
                write(pair<ORDER>(earlier, later), pairs_of_rows + w * P + j, is_far);
            }
        if (transposed == nullptr) continue;
        Pair* to = transposed + (k / P * words(N) + n0 / 2) * P;
        for (int64_t half = 0; half < P && half < rows; half += W) {
            WordVector square[W];
            for (int64_t i = 0; i < W; ++i) {
                Pair row[W];
                pair_block<ORDER>(rounded + (half + i) * P, row);
                read(square[i], row);
            }
            transpose(square);
            for (int64_t w = 0; w < W; ++w) write(square[w], to + w * P + half, is_far);
        }
    }
    if (is_far) end_far_writes();
}

}  // namespace chainrule::CHAINRULE_ISA
