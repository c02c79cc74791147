// Comparison of the kernels with their specifications on random numbers, for the tests.
#pragma once

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "blocks32.h"
#include "epilogues.h"
#include "one_row.h"
#include "sparse.h"

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

// start + the sum of a(k) w(k), in blocks of 32 terms: the specification of blocks32.h.
template <class A, class W>
float sum_in_blocks(float start, int64_t terms, A&& a, W&& w) {
    for (int64_t block = 0; block < terms; block += BLOCK) {
        float chains[2] = {};
        for (int64_t k = block; k < std::min(terms, block + BLOCK); ++k) chains[k % 2] = fused(a(k), w(k), chains[k % 2]);
        start += chains[0] + chains[1];
    }
    return start;
}

// Whether the products of bfloat16 numbers have the bits of their specification, each number finished once: a W + b, delta W^T and
// samples^T delta, after all are rounded. Those of floats, and those of words in ORDER.
template <Order ORDER>
[[gnu::cold]] bool blocks_agree(Array<float> a, Array<float> W, const Array<float>& b, Array<float> samples, Array<float> delta, int64_t rows,
                                int64_t K, int64_t N, int64_t batch, Products products) {
    constexpr int64_t P = PANEL<float>;
    const int64_t lda = distance<float>(K), ldz = distance<float>(N);
    const TilesInUse here(HAS_TILES && products == Products::tiles);
    for (Array<float>* numbers : {&a, &W, &samples, &delta}) round_bf16(numbers->data(), numbers->size());
    Array<float> panels(K * padded<float>(N)), transposed(padded<float>(K) * N);
    to_panels(W.data(), panels.data(), K, N);
    for (int64_t n = 0; n < N; n += P) transpose_strip(&panels[n * K], transposed.data(), 0, K, n, N);
    [[maybe_unused]] Array<Pair> pairs, pairs_transposed;
    if constexpr (HAS_PAIRS) {
        pairs.resize(words(K) * padded<float>(N)), pairs_transposed.resize(padded<float>(K) * words(N));
        for (int64_t n = 0; n < N; n += P) pair_strip<ORDER>(&panels[n * K], pairs.data(), pairs_transposed.data(), 0, K, n, K, N, batch % 2 == 0);
    }
    // z (height, width) from `from` (height, depth), expected at(i, n)
    const auto is_same = [&](const Array<float>& from, int64_t ld, const Array<float>& W, [[maybe_unused]] const Array<Pair>& W2, const float* b,
                             int64_t height, int64_t depth, int64_t width, auto&& weight) {
        const int64_t ldo = distance<float>(width);
        Array<float> expected(height * ldo), z(height * ldo), z2(height * ldo);
        for (int64_t i = 0; i < height; ++i)
            for (int64_t n = 0; n < width; ++n) {
                const float sum = sum_in_blocks(b ? b[n] : 0.0f, depth, [&](int64_t k) { return from[i * ld + k]; }, [&](int64_t k) { return weight(k, n); });
                expected[i * ldo + n] = sum > 0 ? sum : sum * 0.5f;
            }
        const auto agrees = [&](const Array<float>& found) {
            for (int64_t i = 0; i < height; ++i)
                if (!std::equal(&found[i * ldo], &found[i * ldo] + width, &expected[i * ldo])) return false;
            return true;
        };
        forward_chains(from.data(), ld, W.data(), depth, b, z.data(), ldo, height, depth, width, Activate<float>{Activation::leaky_relu, 0.5f, z.data(), ldo});
        if (!agrees(z)) return false;
        if constexpr (HAS_PAIRS) {
            Array<Pair> from2(in_blocks(height) * words(depth));
            pair_columns<ORDER>(from.data(), ld, from2.data(), words(depth), height, depth);
            const Activate<float> once{Activation::leaky_relu, 0.5f, z2.data(), ldo};
            if (products == Products::tiles)
                forward_tiles(from2.data(), words(depth), W2.data(), b, z2.data(), ldo, height, depth, width, once);
            else
                forward_chains(from2.data(), words(depth), W2.data(), words(depth), b, z2.data(), ldo, height, words(depth), width, once);
            return agrees(z2);
        }
        return true;
    };
    if (!is_same(a, lda, panels, pairs, b.data(), rows, K, N, [&](int64_t k, int64_t n) { return W[k * N + n]; })) return false;
    if (!is_same(delta, ldz, transposed, pairs_transposed, nullptr, batch, N, K, [&](int64_t n, int64_t k) { return W[k * N + n]; })) return false;

    Array<float> expected(K * padded<float>(N));
    for (int64_t k = 0; k < K; ++k)
        for (int64_t n = 0; n < N; ++n)
            expected[(n / P * K + k) * P + n % P] = sum_in_blocks(0, batch, [&](int64_t s) { return samples[s * lda + k]; },
                                                                  [&](int64_t s) { return delta[s * ldz + n]; });
    const auto is_expected = [&](int64_t n, const Array<float>& g) { return std::equal(g.begin(), g.end(), &expected[n * K]); };
    for (int64_t n = 0; n < N; n += P) {
        Array<float> g(K * P), g2(K * P);
        gradient_chains(samples.data(), lda, &delta[n], ldz, g.data(), batch, K, N - n, false);
        if (!is_expected(n, g)) return false;
        if constexpr (HAS_PAIRS) {
            Array<Pair> a2(words(batch) * padded<float>(K)), delta2(words(batch) * P);
            pair_rows<ORDER>(&delta[n], ldz, delta2.data(), P, batch, std::min(P, N - n));
            if (products == Products::tiles) {
                const int64_t tiles = words(batch) * SIDE;
                transpose_columns(samples.data(), lda, a2.data(), tiles, batch, K);
                gradient_tiles(a2.data(), tiles, delta2.data(), g2.data(), batch, K, N - n, false);
            } else {
                pair_rows<ORDER>(samples.data(), lda, a2.data(), K, batch, K);
                gradient_chains(a2.data(), K, delta2.data(), P, g2.data(), words(batch), K, N - n, false);
            }
            if (!is_expected(n, g2)) return false;
        }
    }
    return true;
}

// Whether every number of a product is finished once, as the engine finishes it: f(z) on the way there, with gaps, and z f'(at)
// on the way back. ReLU is applied in registers, leaky ReLU in the cache: there twice, never or in part leaves other numbers.
template <class T>
[[gnu::cold]] bool is_finished_once(const Array<T>& a, int64_t lda, const Array<T>& panels, const T* b, const Array<T>& z,
                                    const Array<T>& at, int64_t ldz, int64_t rows, int64_t K, int64_t N) {
    const T slope = T(0.5);
    for (const Activation function : {Activation::identity, Activation::relu, Activation::leaky_relu}) {
        Array<T> there(rows * ldz), back(rows * ldz);
        const Activate<T> over_z{function, slope, there.data(), ldz};
        const TimesPrime<T> by_prime{function, slope, at.data(), back.data(), ldz};
        forward_rows<true, T>(a.data(), lda, panels.data(), b, there.data(), ldz, rows, K, N, over_z, true);
        forward_rows<false, T>(a.data(), lda, panels.data(), b, back.data(), ldz, rows, K, N, by_prime);
        const T below = function == Activation::identity ? T(1) : function == Activation::relu ? T(0) : slope;
        for (int64_t i = 0; i < rows; ++i)
            for (int64_t place = i * ldz; place < i * ldz + N; ++place)
                if (there[place] != (z[place] > 0 ? z[place] : below * z[place]) ||
                    back[place] != (at[place] > 0 ? z[place] : z[place] * below))
                    return false;
    }
    return true;
}

// The largest differences of forward_rows (with a bias and without), gradient_strip and transpose_strip from the naive
// versions, on numbers in [-1, 1), a third of a being 0. Infinity if a number is not finished once, or if forward_row,
// backward_row, a product that skips zeros, one of entries or one of bfloat16 numbers has other bits. It compiles no kernel but the engine's.
template <class T>
[[gnu::cold]] std::array<double, 3> check(int64_t rows, int64_t K, int64_t N, int64_t batch, uint64_t seed, Products products) {
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

    Array<T> a, W, b, at_z, panels(K * padded<T>(N));
    random(W, K, N, N), random(b, 1, N, padded<T>(N)), random(a, rows, K, lda), random(at_z, rows, N, ldz);
    const auto bare = [&](Array<T>& to, int64_t ld) { return TimesPrime<T>{Activation::identity, 0, nullptr, to.data(), ld}; };
    for (int64_t i = 0; i < rows * lda; ++i)
        if (i % 3 == 0 || i % lda % 4 == 1) a[i] = T(0);  // whole columns too
    to_panels(W.data(), panels.data(), K, N);
    std::vector<int32_t> at(K);  // scratch of forward_row
    Array<T> row(padded<T>(N)), row_of_entries(padded<T>(N)), values(K);
    for (const T* bias : {static_cast<const T*>(b.data()), static_cast<const T*>(nullptr)}) {
        Array<T> z(rows * ldz), expected(rows * N);
        forward_naive(a.data(), lda, W.data(), bias, expected.data(), N, rows, K, N);
        forward_rows<false, T>(a.data(), lda, panels.data(), bias, z.data(), ldz, rows, K, N, bare(z, ldz));
        if (!is_finished_once(a, lda, panels, bias, z, at_z, ldz, rows, K, N)) largest[0] = bad;
        for (int64_t i = 0; i < rows; ++i) {
            forward_row(&a[i * lda], panels.data(), bias, row.data(), K, N, at.data());
            const int64_t count = std::count_if(&a[i * lda], &a[i * lda] + K, [](T x) { return x != 0; });
            for (int64_t c = 0; c < count; ++c) values[c] = a[i * lda + at[c]];
            forward_row(Terms<T>{at.data(), values.data(), count}, panels.data(), bias, row_of_entries.data(), K, N);
            for (int64_t n = 0; n < N; ++n) {
                compare(largest[0], z[i * ldz + n], expected[i * N + n]);
                if (row[n] != z[i * ldz + n] || row_of_entries[n] != z[i * ldz + n]) largest[0] = bad;
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
                               false);
        }
    }
    g = again[0];
    Array<StripEntry<T>> entries;
    for (int64_t s = 0; s < batch; ++s)
        for (int64_t k = 0; k < K; ++k)
            if (const T x = samples[s * lda + k]; x != 0) entries.push_back({static_cast<int32_t>(s), static_cast<int32_t>(k), x});
    Array<T> of_entries(g.size());
    for (int64_t n = 0; n < N; n += P)
        add_entries(entries.data(), entries.data() + entries.size(), &delta[n], ldz, N - n, &of_entries[n * K]);
    for (size_t i = 0; i < g.size(); ++i)
        if (again[1][i] != g[i] || again[2][i] != g[i] || of_entries[i] != g[i]) largest[1] = bad;
    from_panels(g.data(), found.data(), K, N);
    for (int64_t i = 0; i < K * N; ++i) compare(largest[1], found[i], dW[i]);

    if constexpr (std::is_same_v<T, float>) {
        const auto agree = order_of(products) == Order::neighbors ? blocks_agree<Order::neighbors> : blocks_agree<Order::crossed>;
        if (!agree(a, W, b, samples, delta, rows, K, N, batch, products)) largest[0] = bad;
    }

    Array<T> transposed(N * padded<T>(K)), back(N * K);
    for (int64_t n = 0; n < N; n += P)
        for (const auto& [k0, k1] : {std::array{int64_t{0}, K / 2}, std::array{K / 2, K}})
            transpose_strip(panels.data() + n * K + k0 * P, transposed.data(), k0, k1, n, N);
    from_panels(transposed.data(), back.data(), N, K);
    for (int64_t k = 0; k < K; ++k)
        for (int64_t n = 0; n < N; ++n) compare(largest[2], back[n * K + k], W[k * N + n]);
    Array<T> a_grad(batch * lda), one(padded<T>(K));
    forward_rows<false, T>(delta.data(), ldz, transposed.data(), static_cast<const T*>(nullptr), a_grad.data(), lda, batch, N, K,
                           bare(a_grad, lda));
    for (int64_t s = 0; s < batch; ++s) {  // no kernel may read a matrix's padding, or write to the result's
        const int64_t half = K / 2 / P * P;
        std::fill(delta.data() + s * ldz + N, delta.data() + (s + 1) * ldz, std::numeric_limits<T>::quiet_NaN());
        backward_row(&delta[s * ldz], panels.data(), one.data(), K, N, 0, half);
        backward_row(&delta[s * ldz], panels.data(), one.data() + half, K, N, half, K);
        const bool is_clean = std::all_of(one.begin() + K, one.end(), [](T x) { return x == T(0); });
        if (!is_clean || !std::equal(one.begin(), one.begin() + K, &a_grad[s * lda])) largest[2] = bad;
    }
    return largest;
}

}  // namespace chainrule::CHAINRULE_ISA
