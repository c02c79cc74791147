// The terms of a product's sums: all, or those at which a is not 0, and how a product finds them.
#pragma once

#include <bit>

#include "panels.h"

namespace chainrule::CHAINRULE_ISA {

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

// The terms of one row's sums: the k at which it is not 0, ascending, and its values there.
template <class T>
struct Terms {
    const int32_t* at;
    const T* values;
    int64_t count;
};

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

}  // namespace chainrule::CHAINRULE_ISA
