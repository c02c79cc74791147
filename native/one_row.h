// The products of products.h for one row of a or delta, on the panels of W both ways.
#pragma once

#include "terms.h"

namespace chainrule::CHAINRULE_ISA {

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

}  // namespace chainrule::CHAINRULE_ISA
