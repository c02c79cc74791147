// What follows from a program before arrays are allocated: which buffers have a gradient, which gradients are sums of several
// operations' contributions, and which derivatives f'(z) a dense's backward product applies.
#pragma once

#include <vector>

#include "program.h"

namespace chainrule {

struct Layout {
    // Of a buffer.
    struct Values {
        bool needs_gradient = false;  // something at or before it is trained
        bool is_multiplied = false;   // it is the operand of a dense
        int readers = 0;              // number of operations that read it
    };
    // Of an operation.
    struct Part {
        bool accumulates = false, accumulates2 = false;  // a later operation has written dL/d in (in2): add to it
        int completes = -1;     // the dense that made `in`, if this one's backward writes its delta = dL/da f'(z); else -1
        bool is_delta = false;  // grad of this dense's output is delta = dL/da f'(z) already, written by the next one
    };
    std::vector<Values> values;
    std::vector<Part> parts;
    int first_trained = 0;  // the first operation with a trained parameter
    // A bound on the growth of max(1, |a|) forward times that of |delta| backward, from first_trained to the last operation,
    // while every |parameter| <= USUAL_PARAMETER. Infinity if none is known.
    double growth = 1;
    // A bound on |dL/d parameter| of one sample over max(1, |a|) |delta|, of the operation that the parameter is of.
    double own_growth = 1;
    bool multiplies_weights = false;  // times the largest weight
};
constexpr double USUAL_PARAMETER = 16;

// Throws std::invalid_argument if an operation reads a buffer that no earlier one writes, or has a parameter or a state of
// another width.
Layout analyze(const Program& program, bool trains);

}  // namespace chainrule
