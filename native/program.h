// A network as a list of operations on numbered buffers, as engines/native/program.py writes it. Buffer 0 is the input.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <vector>

#include "enumerations.h"

namespace chainrule {

struct Op {
    Kind kind;
    int in, in2, out;             // buffers; in2 is -1 if there is none
    std::vector<int> parameters;  // their numbers, in the order that the operation's file has (ops/)
    int state;                    // running statistics or fitted constants: their number, or -1
    Activation function;          // of an elementwise; of a dense, the activation fused into it
    double c0, c1;                // its constants, or those of its function: enumerations.h names them
    uint32_t stream;              // key of its random draws
    bool in_training;             // false for a frozen link, which behaves as in prediction
    int groups;                   // equal parts of the columns of in and of out, each multiplied by its own W
    bool shares;                  // whether all groups have one W and one b
    std::vector<int32_t> columns;  // of in: those that the operation reads
};

// A parameter: row-major in theta.
struct Parameter {
    int64_t start;
    std::vector<int64_t> shape;
    bool is_weight, is_trained;
    double rate, decays;  // factors of the learning rate and of the weight decay

    int64_t numbers(size_t from = 0) const {  // the product of the shape, or of all of it but the first axes
        int64_t all = 1;
        for (size_t axis = from; axis < shape.size(); ++axis) all *= shape[axis];
        return all;
    }
};

// A loss that the caller computes: of each step's batch, the kernels write `out` (width, rows) and `y` (outputs, rows), call `compute`,
// and read the rest. Numbers are of the session's type; a column is one after the other, by which NumPy's sums over the outputs take
// half the time. The thread that calls `steps` calls it.
struct OwnLoss {
    void *out, *y;
    const void *value, *gradient;  // (rows,) and (width, rows)
    const bool* is_correct;        // (rows,); null where the largest output and the largest y of a row say it, or nothing is correct
    int64_t rows;                  // for which there is room
    bool is_double;                // the type of the numbers
    std::function<void(int64_t n, double smoothing)> compute;  // of the first n rows, with the step's factor of the smoothing; may throw
};

struct Program {
    std::vector<Op> ops;
    std::vector<Parameter> parameters;
    std::vector<int64_t> widths;  // of the buffers
    std::vector<int64_t> states;  // width of each pair (mean, var) or (mean, std)
    int64_t size;                 // of theta
    Loss loss;
    std::vector<double> loss_c;   // the loss's constant: of all outputs, or of each
    double smoothing;             // of labels
    double scale, offset;         // of the samples: a0 = scale X + offset
    bool y_binary, y_classes;     // whether y holds 0 and 1, or classes
    int64_t members;              // networks side by side in the last buffer; the loss is the mean of theirs
    double l2, l1, max_norm;      // max_norm 0 for none
    std::vector<double> lower, upper;  // (size,) the bounds of each number of theta after a step; empty for none
    std::optional<OwnLoss> own_loss{};
    bool slopes = false;  // whether it is trained on slopes as well; no activation is fused then, and scale is 1

    int64_t outputs() const { return widths.back() / members; }  // of a member, and the columns of y
    ~Program();
};

// The settings that are fixed for a run.
struct Run {
    Rule rule;
    double beta1, beta2, eps, decay;
    bool uncorrected_eps;
    double clip_norm, clip_value;  // 0 for none
    int64_t batch_size;
    uint32_t seed;
    int threads;
    bool bf16;  // operands of products are rounded to bfloat16; sums, weights and the update are not
};

// The settings of each step: the learning rate, and the factors of the weight decay, of every dropout's rate, of the penalty and
// of the label smoothing.
struct StepSettings {
    const double *rate, *decay, *dropout, *penalty, *smoothing;  // (n_steps,)
};

// The samples that are read next, to prefetch them.
struct Following {
    const int64_t* rows = nullptr;
    int64_t count = 0;
};

// The samples in the caller's memory. An array X (n, width): rows `stride` bytes apart, columns `column` elements apart, of
// which either may be negative. Or, if indptr is not null, a CSR matrix: row i has the values X[indptr[i] : indptr[i + 1]] in
// the columns indices[indptr[i] : indptr[i + 1]].
struct Samples {
    const void* X;
    int64_t stride;
    int type;  // 0 uint8, 1 float32, 2 float64
    const int64_t* labels;  // (n,) or null
    const double* y;        // (n, outputs) or null
    const double* weight;   // (n,) or null for ones
    int64_t column = 1;
    const void *indices = nullptr, *indptr = nullptr;
    bool wide = false;  // whether indices and indptr are int64 rather than int32
    int64_t entries = 0;  // length of X and of indices
    const double *slopes = nullptr, *slope_weight = nullptr;  // (n, outputs, width), or null without

    // The samples from a row on, for prediction: labels, y and weight stay where they are.
    Samples from(int64_t row) const {
        Samples rest = *this;
        if (indptr != nullptr)
            rest.indptr = static_cast<const char*>(indptr) + row * (wide ? 8 : 4);
        else
            rest.X = static_cast<const char*>(X) + row * stride;
        return rest;
    }
};

// Called now and then by the thread that made the call; true ends the call.
using Stop = std::function<bool()>;

struct Outcome {
    int64_t steps;  // completed
    End end;
    std::exception_ptr failure{};  // if it has failed
};

// Thrown if the samples were changed during the call.
struct Changed : std::runtime_error {
    using std::runtime_error::runtime_error;
    ~Changed() override;
};
[[noreturn]] void refuse_change(const char* what);

// Throws std::invalid_argument unless a program is what it must be: the kernels check nothing.
[[noreturn]] void refuse_program(const char* what);
inline void require(bool condition, const char* what) {
    if (!condition) refuse_program(what);
}

class Session {
   public:
    virtual ~Session();
    virtual void set_theta(const void* theta) = 0;                 // (size,) row-major, of the session's type
    virtual void get_theta(void* theta) const = 0;
    virtual void set_state(int number, const void* a, const void* b) = 0;
    virtual void get_state(int number, void* a, void* b) const = 0;
    virtual int moments() const = 0;                               // number of the rule's moments
    virtual void set_moment(int number, const void* values) = 0;   // (size,) in theta's order
    virtual void get_moment(int number, void* values) const = 0;
    virtual void keep_moments() = 0;                               // frees all else; only get_moment may follow
    virtual double mu_product() const = 0;
    virtual void set_mu_product(double value) = 0;
    // Throws nothing once it has begun: the outcome holds the exception, and the step that failed changes nothing.
    // rows: samples in order; first: number of the first step, from 1; step_offset: added to the step for random draws.
    // Adds to sums (5,), for each step: loss * weight, weight, weight of the correct samples, loss * n, penalty * n.
    virtual Outcome steps(const Samples& samples, const int64_t* rows, int64_t n_rows, const StepSettings& settings,
                          int64_t n_steps, int64_t first, int64_t step_offset, double* sums, const Stop& stop) = 0;
    // Writes out (n, outputs). Returns whether all samples, in the network's precision, are finite. Throws if it fails.
    virtual bool predict(const Samples& samples, int64_t n, void* out, const Stop& stop = {}) = 0;
};

}  // namespace chainrule
