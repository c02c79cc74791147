// Vectors of the widest registers that this translation unit is compiled for, by GCC's and Clang's vector extension.
//
// The same sources are compiled once for each instruction set (CHAINRULE_ISA names the namespace); one of them is
// chosen when the module is imported.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace chainrule::CHAINRULE_ISA {

#if defined(__AVX512F__)
constexpr int VECTOR_BYTES = 64;  // 32 registers: a tile of 12 rows x 2 vectors leaves 8 for operands
constexpr int TILE_ROWS = 12;
#elif defined(__AVX2__)
constexpr int VECTOR_BYTES = 32;  // 16 registers: 6 rows x 2 vectors leaves 4
constexpr int TILE_ROWS = 6;
#else
constexpr int VECTOR_BYTES = 16;  // SSE2 has 16 registers, NEON 32
constexpr int TILE_ROWS = 6;
#endif

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
    static inline Vector fill(T x) { return Vector{} + x; }
};

// Columns of a panel: two vectors.
template <class T>
constexpr int PANEL = 2 * Simd<T>::LANES;

// A width rounded up to whole panels: the distance between rows of every activation.
template <class T>
constexpr int64_t padded(int64_t width) {
    return (width + PANEL<T> - 1) / PANEL<T> * PANEL<T>;
}

}  // namespace chainrule::CHAINRULE_ISA
