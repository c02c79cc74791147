// Copies of W (K, N), which is in panels, as products read it.
#pragma once

#include "net.h"

namespace chainrule::CHAINRULE_ISA {

template <class T>
struct Copies {
    Array<T> transposed;  // panels of W^T, for dL/da = delta W^T; empty if no operation needs dL/da
    Array<T> rounded;     // W rounded to bfloat16; empty without bf16 and with pairs
    Array<Pair> pairs, transposed_pairs;  // with bf16, if products are of words: replace W and the two above

    [[gnu::cold]] void allocate(const Net<T>& net, int64_t K, int64_t N, bool goes_back) {
        if (net.has_words()) {
            pairs.resize(words(K) * padded<T>(N));
            if (goes_back) transposed_pairs.resize(padded<T>(K) * words(N));
        } else {
            if (net.is_bf16()) rounded.resize(K * padded<T>(N));
            if (goes_back && (net.is_bf16() || !net.is_one_row)) transposed.resize(padded<T>(K) * N);
        }
    }
    bool empty() const { return transposed.empty() && rounded.empty() && pairs.empty(); }
    // The panels that a W + b reads.
    const T* forth(const T* W) const { return rounded.empty() ? W : rounded.data(); }

    // Reads rows k0 to k1 and columns n0 to n1 of W. is_far: they are written past the caches.
    void refresh(const Net<T>& net, const T* W, int64_t k0, int64_t k1, int64_t n0, int64_t n1, int64_t K, int64_t N, bool is_far) {
        for (int64_t n = n0; n < n1; n += PANEL<T>) {
            const int64_t at = n * K + k0 * PANEL<T>, numbers = (k1 - k0) * PANEL<T>;
            const T* strip = W + at;
            if constexpr (HAS_WORDS<T>)
                if (net.has_words()) {
                    Pair* back = transposed_pairs.empty() ? nullptr : transposed_pairs.data();
                    with_order(net.has_tiles(), [&](auto order) { pair_strip<order()>(strip, pairs.data(), back, k0, k1, n, K, N, is_far); });
                    continue;
                }
            if (!rounded.empty()) {
                std::copy(strip, strip + numbers, &rounded[at]);
                round_bf16(&rounded[at], numbers);
                strip = &rounded[at];
            }
            if (!transposed.empty()) transpose_strip(strip, transposed.data(), k0, k1, n, N);
        }
    }
};

}  // namespace chainrule::CHAINRULE_ISA
