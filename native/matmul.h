// The three products of a dense layer, on weights that lie in panels.
//
//     forward   z = a W + b              z (rows, N)   a (rows, K)   W (K, N)
//     backward  dL/da = delta W^T        the same product, on panels of W^T
//     gradient  dL/dW = a^T delta        contraction over the batch
//
// Panels: W is cut into strips of PANEL columns; a strip is stored row after row, (K, PANEL), the last one padded with
// zeros: W[k, n] lies at panels[(n / PANEL * K + k) * PANEL + n % PANEL]. Rows of a, z and delta are `ld` apart, with ld
// a whole number of panels for what is written.
//
// Every element is one sum in one order, k or the batch ascending, whatever the tile and the thread: so the bits depend
// on neither.
#pragma once

#include "simd.h"

namespace chainrule::CHAINRULE_ISA {

// The specification of `forward_rows`, for tests and for reading.
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

// ROWS rows of a times one panel, plus the bias.
template <class T, int ROWS>
inline void forward_tile(const T* a, int64_t lda, const T* panel, const T* b, T* z, int64_t ldz, int64_t K) {
    using S = Simd<T>;
    using V = typename S::Vector;
    constexpr int L = S::LANES;
    V sum[ROWS][2];
    const V b0 = b ? S::load(b) : V{}, b1 = b ? S::load(b + L) : V{};
    for (int i = 0; i < ROWS; ++i) sum[i][0] = b0, sum[i][1] = b1;
    for (int64_t k = 0; k < K; ++k) {
        const V w0 = S::load(panel + k * 2 * L), w1 = S::load(panel + k * 2 * L + L);
#pragma GCC unroll 12
        for (int i = 0; i < ROWS; ++i) {
            const T x = a[i * lda + k];
            sum[i][0] += x * w0;
            sum[i][1] += x * w1;
        }
    }
    for (int i = 0; i < ROWS; ++i) {
        S::store(z + i * ldz, sum[i][0]);
        S::store(z + i * ldz + L, sum[i][1]);
    }
}

// ROWS rows of W's gradient in one panel: sum over the batch of a[:, k .. k+ROWS]^T delta[:, panel].
template <class T, int ROWS>
inline void gradient_tile(const T* a, int64_t lda, const T* delta, int64_t ldd, T* g, int64_t batch) {
    using S = Simd<T>;
    using V = typename S::Vector;
    constexpr int L = S::LANES;
    V sum[ROWS][2];
    for (int i = 0; i < ROWS; ++i) sum[i][0] = V{}, sum[i][1] = V{};
    for (int64_t s = 0; s < batch; ++s) {
        const V d0 = S::load(delta + s * ldd), d1 = S::load(delta + s * ldd + L);
        const T* row = a + s * lda;
#pragma GCC unroll 12
        for (int i = 0; i < ROWS; ++i) {
            sum[i][0] += row[i] * d0;
            sum[i][1] += row[i] * d1;
        }
    }
    for (int i = 0; i < ROWS; ++i) {
        S::store(g + i * 2 * L, sum[i][0]);
        S::store(g + i * 2 * L + L, sum[i][1]);
    }
}

// Calls f<ROWS>() for a count from 1 to TILE_ROWS.
template <int ROWS = TILE_ROWS, class F>
inline void with_rows(int64_t count, F&& f) {
    if constexpr (ROWS > 0) {
        if (count == ROWS)
            f(std::integral_constant<int, ROWS>{});
        else
            with_rows<ROWS - 1>(count, f);
    }
}

// z = a W + b for some rows. Panels outside, so that a panel stays in the first-level cache while the rows pass.
template <class T>
void forward_rows(const T* a, int64_t lda, const T* panels, const T* b, T* z, int64_t ldz, int64_t rows, int64_t K,
                  int64_t N) {
    constexpr int P = PANEL<T>;
    for (int64_t n = 0; n < N; n += P)
        for (int64_t i = 0; i < rows; i += TILE_ROWS)
            with_rows(std::min<int64_t>(TILE_ROWS, rows - i), [&](auto count) {
                forward_tile<T, count()>(a + i * lda, lda, panels + n * K, b ? b + n : nullptr, z + i * ldz + n, ldz, K);
            });
}

// The specification of `gradient_strip`.
template <class T>
void gradient_naive(const T* a, int64_t lda, const T* delta, int64_t ldd, T* dW, int64_t batch, int64_t K, int64_t N) {
    for (int64_t k = 0; k < K; ++k)
        for (int64_t n = 0; n < N; ++n) {
            T sum = 0;
            for (int64_t s = 0; s < batch; ++s) sum += a[s * lda + k] * delta[s * ldd + n];
            dW[k * N + n] = sum;
        }
}

// Rows k0 to k1 of one panel of dL/dW, written as they lie in the panel.
template <class T>
void gradient_strip(const T* a, int64_t lda, const T* delta, int64_t ldd, T* g, int64_t batch, int64_t k0, int64_t k1) {
    for (int64_t k = k0; k < k1; k += TILE_ROWS)
        with_rows(std::min<int64_t>(TILE_ROWS, k1 - k), [&](auto count) {
            gradient_tile<T, count()>(a + k, lda, delta, ldd, g + (k - k0) * PANEL<T>, batch);
        });
}

// Rows k0 to k1 of one panel of W (columns n0 on), into the panels of W^T (K in strips, N rows each).
template <class T>
void transpose_strip(const T* strip, T* transposed, int64_t k0, int64_t k1, int64_t n0, int64_t N) {
    constexpr int P = PANEL<T>;
    const int64_t columns = std::min<int64_t>(P, N - n0);
    for (int64_t k = k0; k < k1; ++k) {
        T* to = transposed + (k / P * N + n0) * P + k % P;
        const T* from = strip + (k - k0) * P;
        for (int64_t n = 0; n < columns; ++n) to[n * P] = from[n];
    }
}

// Between row-major W (K, N) and its panels.
template <class T, class U>
void to_panels(const U* W, T* panels, int64_t K, int64_t N) {
    constexpr int P = PANEL<T>;
    for (int64_t n0 = 0; n0 < N; n0 += P)
        for (int64_t k = 0; k < K; ++k)
            for (int64_t j = 0; j < P; ++j)
                panels[(n0 / P * K + k) * P + j] = n0 + j < N ? static_cast<T>(W[k * N + n0 + j]) : T(0);
}

template <class T, class U>
void from_panels(const T* panels, U* W, int64_t K, int64_t N) {
    constexpr int P = PANEL<T>;
    for (int64_t n0 = 0; n0 < N; n0 += P)
        for (int64_t k = 0; k < K; ++k)
            for (int64_t j = 0; j < P && n0 + j < N; ++j)
                W[k * N + n0 + j] = static_cast<U>(panels[(n0 / P * K + k) * P + j]);
}

}  // namespace chainrule::CHAINRULE_ISA
