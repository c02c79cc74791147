// The makers of sessions, one for each instruction set that the module was built for and each type of numbers.
#pragma once

#include <array>

#include "layout.h"

namespace chainrule {
// How bfloat16 numbers are multiplied (blocks32.h): as floats, in pairs, or in tiles.
enum class Products { numbers, pairs, tiles };
}  // namespace chainrule

#define CHAINRULE_DECLARE(isa) \
    namespace chainrule::isa { \
    template <class T> \
    Session* make(const Program& program, const Run& run, int64_t capacity, bool trains, Products products); \
    template <class T> \
    std::array<double, 3> check(int64_t rows, int64_t K, int64_t N, int64_t batch, uint64_t seed, Products products); \
    Layout layout_of(const Program& program, bool trains); \
    }
CHAINRULE_DECLARE(avx512)
CHAINRULE_DECLARE(avx2)
CHAINRULE_DECLARE(wide)
CHAINRULE_DECLARE(baseline)
#undef CHAINRULE_DECLARE
