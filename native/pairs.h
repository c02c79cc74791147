// Products in bfloat16 by the processor's dot product (VDPBF16PS), which multiplies pairs of neighbors in a sum. The kernels of
// matmul.h take pairs in place of numbers, with half as many terms.
#pragma once

#include <type_traits>

#include "matmul.h"

namespace chainrule::CHAINRULE_ISA {

// Whether an engine in T has kernels of pairs.
template <class T>
constexpr bool PAIRED = HAS_PAIRS && std::is_same_v<T, float>;

inline int64_t halved(int64_t n) { return (n + 1) / 2; }

inline Pair pair(float first, float second) {
    return (std::bit_cast<uint32_t>(first) & 0xffff0000u) | (std::bit_cast<uint32_t>(second) >> 16);
}

// Pairs neighbors in a row: a (rows, K) to (rows, ceil(K/2)), an odd last one with 0.
[[gnu::noinline]] inline void pair_columns(const float* a, int64_t lda, Pair* to, int64_t ld, int64_t rows, int64_t K) {
    for (int64_t i = 0; i < rows; ++i, a += lda, to += ld) {
        for (int64_t k = 0; k < K / 2; ++k) to[k] = pair(a[2 * k], a[2 * k + 1]);
        if (K % 2 != 0) to[K / 2] = pair(a[K - 1], 0.0f);
    }
}

// Pairs neighbors in a column: a (rows, columns) to (ceil(rows/2), columns), an odd last one with 0.
[[gnu::noinline]] inline void pair_rows(const float* a, int64_t lda, Pair* to, int64_t ld, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < rows / 2; ++i, a += 2 * lda, to += ld)
        for (int64_t k = 0; k < columns; ++k) to[k] = pair(a[k], a[lda + k]);
    if (rows % 2 != 0)
        for (int64_t k = 0; k < columns; ++k) to[k] = pair(a[k], 0.0f);
}

// Writes rows k0 (even) to k1 of the panel of W (K, N) at column n0 to the panels of pairs of W, (K/2, PANEL) each, and, unless
// null, to those of W^T, (N/2, PANEL) each. words (k1 - k0, PANEL) is scratch.
inline void pair_strip(const float* strip, Pair* pairs, Pair* transposed, int64_t k0, int64_t k1, int64_t n0, int64_t K,
                       int64_t N, Pair* words) {
    constexpr int P = PANEL<float>;
    pair_rows(strip, P, pairs + n0 * halved(K) + k0 / 2 * P, P, k1 - k0, P);
    if (transposed == nullptr) return;
    pair_columns(strip, P, words, P, k1 - k0, P);
    transpose_strip<Pair, P / 2>(words, transposed, k0, k1, n0 / 2, halved(N));
}

// The operands of a strip of dL/dW in pairs of samples: the columns of a, and a panel of delta.
struct PairedColumns {
    Columns<Pair> columns;

    // Allocates for up to `batch` samples of up to K columns.
    [[gnu::cold]] void reserve(int64_t batch, int64_t K, bool is_sparse) {
        a_.reserve(halved(batch) * K), delta_.reserve(halved(batch) * PANEL<float>);
        columns.reserve(halved(batch), K, false, is_sparse);
    }
    void read(const float* a, int64_t lda, int64_t batch, int64_t K, Reading how) {
        if (from_ == a && batch_ == batch) return;
        from_ = a, batch_ = batch;
        a_.resize(halved(batch) * K), delta_.resize(halved(batch) * PANEL<float>);
        pair_rows(a, lda, a_.data(), K, batch, K);
        columns.a = nullptr;
        columns.read(a_.data(), K, halved(batch), K, how == Reading::packed ? Reading::in_place : how);
    }
    // A panel of delta (batch/2, PANEL), valid until the next call.
    const Pair* panel(const float* delta, int64_t ldd) {
        pair_rows(delta, ldd, delta_.data(), PANEL<float>, batch_, PANEL<float>);
        return delta_.data();
    }
    void forget() { from_ = nullptr; }

   private:
    const float* from_ = nullptr;
    int64_t batch_ = 0;
    Array<Pair> a_;      // (batch/2, K)
    Array<Pair> delta_;  // (batch/2, PANEL)
};

}  // namespace chainrule::CHAINRULE_ISA
