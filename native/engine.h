// The makers of sessions, one for each instruction set that the module was built for.
#pragma once

#include <array>

#include "layout.h"

#define CHAINRULE_DECLARE(isa) \
    namespace chainrule::isa { \
    Session* make(const Program& program, const Run& run, int64_t capacity, bool trains, bool is_double); \
    Layout layout_of(const Program& program, bool trains); \
    std::array<double, 3> check_kernels(int64_t rows, int64_t K, int64_t N, int64_t batch, uint64_t seed, bool is_double); \
    }
CHAINRULE_DECLARE(avx512bf16)
CHAINRULE_DECLARE(avx512)
CHAINRULE_DECLARE(avx2)
CHAINRULE_DECLARE(wide)
CHAINRULE_DECLARE(baseline)
#undef CHAINRULE_DECLARE
