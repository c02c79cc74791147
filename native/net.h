// A network in the kernels' memory: what the engine schedules and the operations (ops/) read and write.
#pragma once

#include <limits>
#include <vector>

#include "blocks32.h"
#include "program.h"
#include "sparse.h"

namespace chainrule::CHAINRULE_ISA {

// A parameter, or a part of one, as the kernels hold it: a matrix; a vector has one row. An operation cuts its parameters (ops/).
struct Slot {
    int64_t start, rows, columns;  // start: in theta
    bool is_weight, is_trained;
    double rate, decays;  // factors of the learning rate and of the weight decay

    bool operator==(const Slot&) const = default;
};

// A parameter without its first axes, of which it is one part: as a matrix (the last two axes) or a vector.
inline Slot whole(const Parameter& given, size_t axes = 0, int64_t part = 0) {
    const size_t left = given.shape.size() - axes;
    return {given.start + part * given.numbers(axes), left > 1 ? given.shape[given.shape.size() - 2] : 1, given.shape.back(),
            given.is_weight, given.is_trained, given.rate, given.decays};
}
// The same as one vector, row after row.
inline Slot flat(const Parameter& given, size_t axes = 0, int64_t part = 0) {
    const int64_t numbers = given.numbers(axes);
    return {given.start + part * numbers, 1, numbers, given.is_weight, given.is_trained, given.rate, given.decays};
}

// A slot's numbers: W (K, N) in panels (panels.h), a vector padded to whole panels; and its moments likewise.
template <class T>
struct Panels {
    Array<T> value, moment[3];
    Array<T> g;  // dL/dW; empty without clip_norm, which needs the norm of all gradients before the update
    Array<T> lower, upper;  // the bounds of value after a step; empty for none
};

// The input (buffer 0) or the output of an operation: a (batch, ld), and grad = dL/da of the same shape if something at or
// before it is trained.
template <class T>
struct Buffer {
    int64_t width, ld;  // buffers of one width have one ld
    bool needs_gradient = false, is_multiplied = false;  // is_multiplied: a is the operand of a product
    Array<T> a{}, grad{};
    Array<T> slope{}, dot{};  // (outputs, batch, ld), with slopes.h: of each output d out / da, and a'
};

// Running statistics or fitted constants of an operation, which says what they are.
template <class T>
struct State {
    Array<T> a, b;
};

// A thread's own memory, allocated before the first step.
template <class T>
struct Workspace {
    Array<T> scratch;   // of the operation at work
    Array<Pair> words;  // the same, of bfloat16 numbers
    Array<T> tile;      // (4, padded outputs, LANES): outputs, targets, gradients and predictions of LANES samples
    Array<T> gradient;  // of a task
    std::vector<int32_t> nonzero;  // (widest layer,) the k at which a single row is not 0
    SparseRows<T> entries;           // the thread's rows of X, if the first operation reads entries
    std::vector<Columns<T>> readers;  // the columns of a that a strip of dL/dW reads: one for each strip of a layer, or a single one for all strips in turn
    Largest<T> largest_a, largest_delta;  // max |a| and max |delta| over the thread's rows, see Engine::measures
    Largest<T> largest_slope, largest_dot;  // the same of slopes.h, at what is trained
    Largest<T> largest_gradient;          // max |g| over the thread's parts of a batch (microbatches.h)

    void need(int64_t numbers) { scratch.resize(std::max(scratch.size(), static_cast<size_t>(numbers))); }
    void need_words(int64_t count) { words.resize(std::max(words.size(), static_cast<size_t>(count))); }
    Columns<T>& reader(int64_t strip) { return readers[std::min<int64_t>(strip, static_cast<int64_t>(readers.size()) - 1)]; }
    void forget() {
        for (Columns<T>& reader : readers) reader.a = nullptr;
    }
};

// Rows of W in a strip of the update: whole tiles, and whole panels of W^T, on every instruction set.
constexpr int64_t STRIP_ROWS = 96;
static_assert(STRIP_ROWS % TILE_ROWS == 0 && STRIP_ROWS % PANEL<float> == 0 && STRIP_ROWS % PANEL<double> == 0);
template <class T>
constexpr int64_t STRIP = STRIP_ROWS * PANEL<T>;

constexpr int64_t SHORT_BATCH = 512;  // largest batch for which reading a again is faster than reading W again
constexpr int64_t NEAR_BATCH = 512;   // samples whose columns of a strip stay in the L2 cache
constexpr int64_t GROUP = 4;          // panels that read these samples together
constexpr int64_t FEW_ROWS = 256;     // rows per thread up to which threads share columns
constexpr int64_t MANY_PANELS = 32;   // number of panels from which packing a strip's columns of a pays

// While every |w| is below this, neither the penalty of a strip nor its gradient overflows.
template <class T>
constexpr T LARGE_WEIGHT = sizeof(T) == 4 ? T(1e16) : T(1e150);

// A unit of work of the update: rows k0 to k1 and columns n0 to n1, in panels, of a slot.
struct Task {
    int op, place, slot;  // place: among the slots of the operation
    int64_t n0, n1, k0, k1;
    int64_t at;          // where its gradient begins among those of all tasks
    double cost_before;  // summed cost of all tasks before it

    int64_t rows() const { return k1 - k0; }
    int64_t columns() const { return n1 - n0; }
};

// What a step's random draws depend on: the run's seed, the step's number, the index in the batch of the first of some rows,
// and the factor of every dropout's rate.
struct Draw {
    uint32_t seed, step;
    int64_t first;
    double dropout;
};

// The part of an operation's output that a thread computes: rows r0 to r1, columns n0 to n1 (whole panels; by default all).
struct Block {
    int64_t r0, r1;
    int64_t n0 = 0, n1 = std::numeric_limits<int64_t>::max();
};

template <class T>
struct Net {
    const Program& program;  // the caller's, outlives the engine
    const Run run;
    const bool trains, is_one_row;  // is_one_row: the buffers have one row
    const Products products;        // of bfloat16 numbers
    std::vector<Slot> slots{};
    std::vector<Panels<T>> panels{};  // (slots,)
    std::vector<State<T>> states{};
    std::vector<Buffer<T>> buffers{};
    std::vector<Workspace<T>> workspaces{};  // (max threads,)
    int64_t microbatch = 0;                  // samples of a micro-batch (microbatches.h); 0: none
    bool is_sparse = false;                  // of the current call: whether X is read as entries, and buffer 0 is not written
    int present = 1;                         // threads of the current steps

    bool is_trained(int slot) const { return trains && slots[slot].is_trained; }
    bool is_bf16() const { return HAS_BF16 && std::is_same_v<T, float> && run.bf16; }
    // Whether products read words (halves.h). Gradients then take whole blocks of samples: each thread's rows begin with one.
    bool has_words() const { return HAS_WORDS<T> && run.bf16 && products != Products::numbers; }
    bool has_tiles() const { return HAS_TILES && has_words() && products == Products::tiles; }
    Rows<T> rows_of(int buffer) const { return {buffers[buffer].a.data(), buffers[buffer].ld}; }
    Rows<T> gradient_rows_of(int buffer) const { return {buffers[buffer].grad.data(), buffers[buffer].ld}; }
    Rows<T> slope_rows_of(int buffer, int64_t k) { return {slope_of(buffer, k), buffers[buffer].ld}; }
    Rows<T> dot_rows_of(int buffer, int64_t k) { return {dot_of(buffer, k), buffers[buffer].ld}; }
    T* slope_of(int buffer, int64_t k) { return part_of(buffers[buffer].slope, k); }
    T* dot_of(int buffer, int64_t k) { return part_of(buffers[buffer].dot, k); }
    int64_t sloped_outputs() const { return program.slopes && trains ? program.widths.back() : 0; }
    void round_rows(Array<T>& values, const Buffer<T>& buffer, int64_t r0, int64_t r1) const {
        if (run.bf16)
            for (int64_t i = r0; i < r1; ++i) round_bf16(&values[i * buffer.ld], buffer.width);
    }

   private:
    T* part_of(Array<T>& all, int64_t k) const { return all.data() + k * (static_cast<int64_t>(all.size()) / program.widths.back()); }
};

}  // namespace chainrule::CHAINRULE_ISA
