// The kernels against their specifications on random numbers, for the tests.
#pragma once

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "matmul.h"

namespace chainrule::CHAINRULE_ISA {

// The largest differences of forward_rows (with a bias and without), gradient_strip and transpose_strip from the naive
// versions, on numbers in [-1, 1), a third of a being 0. Infinity where a tile is finished twice, never, or not whole, and
// where forward_row, or what passes over zeros, gives another number than the whole.
template <class T>
std::array<double, 3> check(int64_t rows, int64_t K, int64_t N, int64_t batch, uint64_t seed) {
    constexpr int P = PANEL<T>;
    auto random = [&](Array<T>& to, int64_t height, int64_t width, int64_t ld) {  // (height, ld), zero beyond the width
        to.assign(height * ld, T(0));
        for (int64_t i = 0; i < height; ++i)
            for (int64_t j = 0; j < width; ++j) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                to[i * ld + j] = static_cast<T>(static_cast<double>(static_cast<int64_t>(seed) >> 11) / 4503599627370496.0);
            }
    };
    const int64_t lda = distance<T>(K), ldz = distance<T>(N);
    const double bad = std::numeric_limits<double>::infinity();
    std::array<double, 3> largest{};
    auto compare = [&](double& most, T x, T y) {
        const double difference = std::abs(double(x) - double(y));
        most = difference >= most || std::isnan(difference) ? (std::isnan(difference) ? bad : difference) : most;
    };

    Array<T> a, W, b, panels(K * padded<T>(N));
    random(W, K, N, N), random(b, 1, N, padded<T>(N)), random(a, rows, K, lda);
    for (int64_t i = 0; i < rows * lda; ++i)
        if (i % 3 == 0 || i % lda % 4 == 1) a[i] = T(0);  // whole columns too
    to_panels(W.data(), panels.data(), K, N);
    std::vector<int32_t> at(K);  // scratch of forward_row
    Array<T> row(padded<T>(N));
    for (const T* bias : {static_cast<const T*>(b.data()), static_cast<const T*>(nullptr)}) {
        Array<T> z(rows * ldz), expected(rows * N), finished(rows * padded<T>(N));
        forward_naive(a.data(), lda, W.data(), bias, expected.data(), N, rows, K, N);
        forward_rows<false, T>(a.data(), lda, panels.data(), bias, z.data(), ldz, rows, K, N, [&](int64_t i0, int64_t i1, int64_t n) {
            for (int64_t i = i0; i < i1; ++i)
                for (int64_t j = n; j < n + P; ++j) finished[i * padded<T>(N) + j] += z[i * ldz + j];
        });
        Array<T> without(rows * ldz);
        forward_rows<true, T>(a.data(), lda, panels.data(), bias, without.data(), ldz, rows, K, N,
                              [](int64_t, int64_t, int64_t) {}, true);
        for (int64_t i = 0; i < rows; ++i) {
            forward_row(&a[i * lda], panels.data(), bias, row.data(), K, N, at.data());
            for (int64_t n = 0; n < N; ++n) {
                compare(largest[0], z[i * ldz + n], expected[i * N + n]);
                if (finished[i * padded<T>(N) + n] != z[i * ldz + n] || row[n] != z[i * ldz + n] ||
                    without[i * ldz + n] != z[i * ldz + n])
                    largest[0] = bad;
            }
        }
    }

    Array<T> samples, delta, dW(K * N), g(K * padded<T>(N)), found(K * N);
    random(samples, batch, K, lda), random(delta, batch, N, ldz);
    for (int64_t s = 0; s < batch; ++s)  // tiles whose columns are all 0 in some rows
        for (int64_t k = 0; k < K; ++k)
            if ((s + k / TILE_ROWS) % 3 == 0) samples[s * lda + k] = T(0);
    gradient_naive(samples.data(), lda, delta.data(), ldz, dW.data(), batch, K, N);
    constexpr Reading WAYS[] = {Reading::in_place, Reading::packed, Reading::sparse};
    Array<T> again[] = {g, g, g};
    for (const auto& [k0, k1] : {std::array{int64_t{0}, K / 2}, std::array{K / 2, K}}) {  // as the update takes strips
        Columns<T> columns;
        for (int way = 0; way < 3; ++way) {
            columns.read(samples.data() + k0, lda, batch, k1 - k0, WAYS[way]);
            for (int64_t n = 0; n < N; n += P)
                gradient_strip(columns, delta.data() + n, ldz, again[way].data() + n * K + k0 * P, batch, k1 - k0, N - n,
                               false, [](int64_t, int64_t) {});
        }
    }
    g = again[0];
    for (size_t i = 0; i < g.size(); ++i)
        if (again[1][i] != g[i] || again[2][i] != g[i]) largest[1] = bad;
    from_panels(g.data(), found.data(), K, N);
    for (int64_t i = 0; i < K * N; ++i) compare(largest[1], found[i], dW[i]);

    Array<T> transposed(N * padded<T>(K)), back(N * K);
    for (int64_t n = 0; n < N; n += P)
        for (const auto& [k0, k1] : {std::array{int64_t{0}, K / 2}, std::array{K / 2, K}})
            transpose_strip(panels.data() + n * K + k0 * P, transposed.data(), k0, k1, n, N);
    from_panels(transposed.data(), back.data(), N, K);
    for (int64_t k = 0; k < K; ++k)
        for (int64_t n = 0; n < N; ++n) compare(largest[2], back[n * K + k], W[k * N + n]);
    return largest;
}

}  // namespace chainrule::CHAINRULE_ISA
