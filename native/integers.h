// Networks of 8-bit integers: a chain of dense layers, and functions of each integer, as chainrule/graph/integers.py has them. All sums are
// exact, so their bits are the same on every instruction set.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "program.h"

namespace chainrule {

// A dense layer, out = clip(scaled(sum) + zero_out, low, 127), sum = (q - zero) W + bias, and then perhaps a function by a table.
struct IntegerLayer {
    int64_t K, N;
    std::vector<int8_t> W;  // (K, N)
    std::vector<int32_t> bias, multiplier, shift;  // (N,)
    int zero, zero_out, low;
    std::vector<int8_t> table;  // (256,) results for -128 to 127; empty for none
};
struct IntegerChain {
    float scale;  // of the inputs' integers, whose zero is the first layer's
    std::vector<IntegerLayer> layers;
    std::vector<float> numbers;  // (256,) the outputs for -128 to 127
};

// How integers are multiplied: in pairs of 16 bits, in quads of 8 bits (VPDPBUSD), or quads in tiles (TDPBUSD).
enum class IntegerProducts { pairs, quads, tiles };

// The chain with its weights in the order that the products read. Threads may share it.
class IntegerNet {
   public:
    virtual ~IntegerNet() = default;
    // out (n, outputs) for samples (n, inputs), which are dense; false if one is not finite.
    virtual bool run(const Samples& samples, int64_t n, float* out, int threads) const = 0;
};

#define CHAINRULE_DECLARE(isa) \
    namespace chainrule::isa { \
    std::unique_ptr<IntegerNet> make_integers(const IntegerChain& chain, IntegerProducts products); \
    }
}  // namespace chainrule
CHAINRULE_DECLARE(avx512)
CHAINRULE_DECLARE(avx2)
CHAINRULE_DECLARE(wide)
CHAINRULE_DECLARE(baseline)
#undef CHAINRULE_DECLARE
