// Vectors of the widest registers that this translation unit is compiled for, by GCC's and Clang's vector extension.
//
// The same sources are compiled once for each instruction set (CHAINRULE_ISA names the namespace); one of them is
// chosen when the module is imported.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "memory.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace chainrule::CHAINRULE_ISA {

#if defined(__AVX512F__) || defined(CHAINRULE_FOR_wide)
constexpr int VECTOR_BYTES = 64;  // 32 registers: a tile of 12 rows x 2 vectors leaves 8 for operands
constexpr int TILE_ROWS = 12;
#elif defined(__AVX2__)
constexpr int VECTOR_BYTES = 32;  // 16 registers: 6 rows x 2 vectors leaves 4
constexpr int TILE_ROWS = 6;
#elif defined(__aarch64__)
constexpr int VECTOR_BYTES = 16;  // 32 registers, as with AVX-512
constexpr int TILE_ROWS = 12;
#elif defined(__wasm__)
constexpr int VECTOR_BYTES = 16;  // the registers are an x86 processor's, of which a page's compiler keeps one for itself
constexpr int TILE_ROWS = 4;
#else
constexpr int VECTOR_BYTES = 16;  // SSE2 has 16 registers
constexpr int TILE_ROWS = 6;
#endif

// A place in an array, for the innermost loops: as wide as a pointer, so that 32-bit addresses cost no conversions.
using Index = std::ptrdiff_t;

template <class T>
struct Simd {
    static constexpr int LANES = VECTOR_BYTES / static_cast<int>(sizeof(T));
    typedef T Vector __attribute__((vector_size(VECTOR_BYTES)));

    static inline Vector load(const T* p) {
        Vector v;
        std::memcpy(&v, p, sizeof v);
        return v;
    }
    static inline void store(T* p, Vector v) { std::memcpy(p, &v, sizeof v); }
};

// Before a loop over the numbers of some vectors. Clang would unroll it before it looks for vectors, find others, and keep them on
// the stack. (WebAssembly has neither registers nor a stack of vectors.)
#if defined(__clang__) && !defined(__wasm__)
#define CHAINRULE_VECTORS _Pragma("clang loop unroll(disable)")
#else
#define CHAINRULE_VECTORS
#endif

// Keeps the reads of a tile's rows in their order, a row's after the product of the row before. Clang, and GCC for Arm, would read
// all rows before the first product, into registers that the sums need.
template <class E, class V>
inline void after([[maybe_unused]] const E*& row, [[maybe_unused]] V& sum) {
#if defined(__clang__) && !defined(__wasm__)
    asm("" : "+r"(row));
#elif defined(__aarch64__)
    asm("" : "+r"(row), "+w"(sum));
#endif
}

// sum + x w, by FMA if the processor has it. Written out, because the compiler must not contract by itself (-ffp-contract=off):
// it fuses one loop and not the next, and then the bits depend on the tile and on the instruction set.
template <class V, class T>
inline V multiply_add(T x, V w, V sum) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) return (V)_mm512_fmadd_ps(_mm512_set1_ps(x), (__m512)w, (__m512)sum);
    else return (V)_mm512_fmadd_pd(_mm512_set1_pd(x), (__m512d)w, (__m512d)sum);
#elif defined(CHAINRULE_FOR_wide)
    for (int i = 0; i < static_cast<int>(sizeof(V) / sizeof(T)); ++i) sum[i] = std::fma(x, w[i], sum[i]);
    return sum;
#elif defined(__FMA__)
    if constexpr (sizeof(T) == 4) return (V)_mm256_fmadd_ps(_mm256_set1_ps(x), (__m256)w, (__m256)sum);
    else return (V)_mm256_fmadd_pd(_mm256_set1_pd(x), (__m256d)w, (__m256d)sum);
#elif defined(__aarch64__)
    if constexpr (sizeof(T) == 4) return (V)vfmaq_n_f32((float32x4_t)sum, (float32x4_t)w, x);
    else return (V)vfmaq_n_f64((float64x2_t)sum, (float64x2_t)w, x);
#else
    return sum + x * w;
#endif
}

// x y + z of numbers or of vectors, by FMA if the processor has it.
template <class V>
inline V fused(V x, V y, V z) {
    if constexpr (std::is_arithmetic_v<V>) {
#if defined(__FMA__) || defined(__aarch64__)
        return std::fma(x, y, z);
#else
        return x * y + z;
#endif
    } else {
#if defined(__AVX512F__)
        if constexpr (sizeof(x[0]) == 4) return (V)_mm512_fmadd_ps((__m512)x, (__m512)y, (__m512)z);
        else return (V)_mm512_fmadd_pd((__m512d)x, (__m512d)y, (__m512d)z);
#elif defined(CHAINRULE_FOR_wide)
        for (int i = 0; i < static_cast<int>(sizeof(V) / sizeof(x[0])); ++i) z[i] = std::fma(x[i], y[i], z[i]);
        return z;
#elif defined(__FMA__)
        if constexpr (sizeof(x[0]) == 4) return (V)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)z);
        else return (V)_mm256_fmadd_pd((__m256d)x, (__m256d)y, (__m256d)z);
#elif defined(__aarch64__)
        if constexpr (sizeof(x[0]) == 4) return (V)vfmaq_f32((float32x4_t)z, (float32x4_t)x, (float32x4_t)y);
        else return (V)vfmaq_f64((float64x2_t)z, (float64x2_t)x, (float64x2_t)y);
#else
        return x * y + z;
#endif
    }
}

// A row of a matrix whose 2 x 2 blocks, DISTANCE numbers on a side, are transposed: [[a, b], [c, d]] becomes [[a, c], [b, d]].
// From rows `upper` (a, b) and `lower` (c, d), the new upper row, or the LOWER one.
template <int DISTANCE, bool LOWER, class V, int... J>
inline V exchanged(V upper, V lower, std::integer_sequence<int, J...>) {
    constexpr int L = sizeof...(J);
#define CHAINRULE_FROM ((J & DISTANCE ? L + J - DISTANCE : J) + (LOWER ? DISTANCE : 0))...
#if defined(__clang__)
    return __builtin_shufflevector(upper, lower, CHAINRULE_FROM);
#else
    using Integer = std::conditional_t<sizeof(V) / L == 4, int32_t, int64_t>;
    typedef Integer From __attribute__((vector_size(sizeof(V))));
    return __builtin_shuffle(upper, lower, From{CHAINRULE_FROM});
#endif
#undef CHAINRULE_FROM
}

// Transposes a square matrix: exchanges blocks of 1 x 1, then of 2 x 2, ... (exchanged).
template <int DISTANCE = 1, class V, int L>
inline void transpose(V (&rows)[L]) {
    if constexpr (DISTANCE < L) {
        const std::make_integer_sequence<int, L> all;
        for (int i = 0; i < L; ++i)
            if ((i & DISTANCE) == 0) {
                const V upper = rows[i], lower = rows[i + DISTANCE];
                rows[i] = exchanged<DISTANCE, false>(upper, lower, all);
                rows[i + DISTANCE] = exchanged<DISTANCE, true>(upper, lower, all);
            }
        transpose<2 * DISTANCE>(rows);
    }
}

// A matrix that is only read: row i begins at first + i ld.
template <class T>
struct Rows {
    const T* first;
    int64_t ld;

    const T* row(int64_t i) const { return first + i * ld; }
    Rows from(int64_t i) const { return {row(i), ld}; }
};

// |x| read as an integer: the order is the same, and NaN and infinity come after all others.
template <class T>
using Magnitude = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
template <class T>
inline Magnitude<T> magnitude(T x) {
    return std::bit_cast<Magnitude<T>>(x) & std::numeric_limits<Magnitude<T>>::max();
}

// The largest |x| of the numbers that were added; NaN counts as larger than infinity. Keeps a vector of maxima.
template <class T>
class Largest {
   public:
    void add(const T* values, int64_t n) {
        constexpr int L = Simd<T>::LANES, TOGETHER = 4;  // independent maxima, which hide the latency of each
        Vector most[TOGETHER] = {all_};
        int64_t i = 0;
        const auto next = [&](Vector& to) {
            const Vector x = std::bit_cast<Vector>(Simd<T>::load(values + i)) & std::numeric_limits<Magnitude<T>>::max();
            to = x > to ? x : to;
            i += L;
        };
        while (i + TOGETHER * L <= n)
            for (Vector& to : most) next(to);
        while (i + L <= n) next(most[0]);
        for (int v = 1; v < TOGETHER; ++v) most[0] = most[v] > most[0] ? most[v] : most[0];
        for (; i < n; ++i) rest_ = std::max<Magnitude<T>>(rest_, magnitude(values[i]));
        all_ = most[0];
    }
    void add(const Largest& other) {
        all_ = other.all_ > all_ ? other.all_ : all_;
        rest_ = std::max(rest_, other.rest_);
    }
    T value() const {
        Magnitude<T> largest = rest_;
        for (int j = 0; j < Simd<T>::LANES; ++j) largest = std::max<Magnitude<T>>(largest, all_[j]);
        return std::bit_cast<T>(largest);
    }

   private:
    typedef Magnitude<T> Vector __attribute__((vector_size(VECTOR_BYTES)));
    Vector all_ = {};
    Magnitude<T> rest_ = 0;  // of the numbers behind the last whole vector: written into a lane of `all_`, they would stall its next read
};

template <class T>
inline T largest_of(const T* values, int64_t n) {
    if (n < Simd<T>::LANES) {  // a short row, for which a vector of maxima is not worth making
        Magnitude<T> largest = 0;
        for (int64_t i = 0; i < n; ++i) largest = std::max<Magnitude<T>>(largest, magnitude(values[i]));
        return std::bit_cast<T>(largest);
    }
    Largest<T> largest;
    largest.add(values, n);
    return largest.value();
}

template <class T>
inline bool all_finite(const T* values, int64_t n) {
    return std::isfinite(largest_of(values, n));
}

}  // namespace chainrule::CHAINRULE_ISA
