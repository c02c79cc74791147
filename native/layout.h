// What follows from a program before arrays are allocated: which buffers have a gradient, which gradients are sums of several
// operations' contributions, and which derivatives f'(z) a product's way back applies.
#pragma once

#include <functional>
#include <vector>

#include "program.h"

namespace chainrule {

// What an operation says of itself (ops/base.h).
struct Facts {
    bool is_product;            // it multiplies by weights: of two in a row, the second one's backward applies f'(z) of the first
    double growth, own_growth;  // its part of Layout's
};

struct Layout {
    // Of a buffer.
    struct Values {
        bool needs_gradient = false;  // something at or before it is trained
        bool is_multiplied = false;   // it is the operand of a product
        int readers = 0;              // number of operations that read it
    };
    // Of an operation.
    struct Part {
        bool accumulates = false, accumulates2 = false;  // a later operation has written dL/d in (in2): add to it
        int completes = -1;     // the product that made `in`, if this one's backward writes its delta = dL/da f'(z); else -1
        bool is_delta = false;  // grad of this product's output is delta = dL/da f'(z) already, written by the next one
    };
    std::vector<Values> values;
    std::vector<Part> parts;
    int first_trained = 0;  // the first operation with a trained parameter
    // A bound on the growth of max(1, |a|) forward times that of |delta| backward, from first_trained to the last operation,
    // while every |parameter| <= USUAL_PARAMETER. Infinity if none is known.
    double growth = 1;
    // A bound on |dL/d parameter| of one sample over max(1, |a|) |delta|, of the operation that the parameter is of.
    double own_growth = 1;
};
constexpr double USUAL_PARAMETER = 16;

// Throws std::invalid_argument if an operation reads a buffer that no earlier one writes, or a parameter lies outside theta.
void check(const Program& program);
// facts_of(o): those of operation o.
Layout analyze(const Program& program, bool trains, const std::function<Facts(int)>& facts_of);

}  // namespace chainrule
