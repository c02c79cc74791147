// What follows from a program alone, before there are arrays: which buffers have a gradient, where gradients add up, and what a
// dense does for its neighbors.
#pragma once

#include <vector>

#include "program.h"

namespace chainrule {

struct Layout {
    // Of a buffer.
    struct Values {
        bool needs_gradient = false;  // something at or before it is trained
        bool is_multiplied = false;   // a dense reads it
        int readers = 0;              // operations that read it
    };
    // Of an operation.
    struct Part {
        bool accumulates = false, accumulates2 = false;  // dL/d in (in2) was begun by a later operation: this one adds to it
        int completes = -1;     // the dense whose delta = dL/da f'(z) this one makes complete, of its own dL/da; -1 for none
        bool is_delta = false;  // the gradient of this dense's output is delta already, for the next operation completed it
    };
    std::vector<Values> values;
    std::vector<Part> parts;
    int first_trained = 0;  // the first operation with a trained parameter
    // The factor by which |a|, where it is above 1, and |delta| grow at most, both together, on their way there and back from that
    // operation on, while no parameter is beyond USUAL_PARAMETER. Infinity where that is not known.
    double growth = 1;
};
constexpr double USUAL_PARAMETER = 16;

// Throws std::invalid_argument where the program is not whole: an operation reads a buffer that is not there yet, or a parameter
// or a state of another width than its own.
Layout analyze(const Program& program, bool trains);

}  // namespace chainrule
