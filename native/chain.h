// Derivatives of a chain of dense layers by its inputs: what the module asks of each instruction set (derivatives.h).
#pragma once

#include <cstdint>
#include <vector>

#include "enumerations.h"

namespace chainrule {

// a_l = f(a_{l-1} W + b), W (K, N) and b (N,) at these places of theta; b is -1 for none.
struct ChainLayer {
    int64_t K, N, W, b;
    Activation function;
    double c;
};

// What is asked for: of k vectors u (1, k, N), or (n, k, N) for each row, the derivatives of u . out by the inputs, once or twice.
struct Derivatives {
    const void *theta, *X;  // X (n, K)
    int64_t n;
    const void* u;
    bool is_for_each_row;
    int64_t k;
    bool twice;
    void* out;  // (n, k, K), or (n, k, K, K)
};

#define CHAINRULE_DECLARE(isa) \
    namespace isa { \
    template <class T> \
    void derive(const std::vector<ChainLayer>& layers, const Derivatives& of, int threads); \
    }
CHAINRULE_DECLARE(avx512)
CHAINRULE_DECLARE(avx2)
CHAINRULE_DECLARE(wide)
CHAINRULE_DECLARE(baseline)
#undef CHAINRULE_DECLARE

}  // namespace chainrule
