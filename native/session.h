// Over 300 lines because it declares the engine, whose methods stand in the files that it names.
// The engine: buffers, parameters, and a workspace per thread. Threads divide the rows of a batch in the walks, and strips of
// the weights in the update. A batch norm synchronizes them, because its statistics are sums over the batch.
#pragma once

#include <atomic>
#include <limits>
#include <memory>
#include <vector>

#include "layout.h"
#include "losses.h"
#include "optimizers.h"
#include "pairs.h"
#include "phases.h"
#include "program.h"
#include "sparse.h"
#include "team_size.h"

namespace chainrule::CHAINRULE_ISA {

namespace ops {
struct dense;
}

// A parameter and its moments in the kernels' layout: W (K, N) in panels (matmul.h), a vector padded to whole panels.
template <class T>
struct Parameter {
    Array<T> value, moment[3];
    Array<T> transposed;  // panels of W^T, for dL/da = delta W^T; empty if no operation needs dL/da. Of a periodic's W2 the rows
                          // of W2^T, (size - 1, padded frequencies)
    Array<T> sums;        // of a piecewise_linear's E (bins, size): the sum of the bins below each
    Array<T> rounded;     // W rounded to bfloat16, which the products read; empty without bf16 and with pairs
    Array<Pair> pairs, transposed_pairs;  // with bf16, if the processor multiplies pairs: replace the two above
    Array<T> g;           // dL/dW; empty without clip_norm, which needs the norm of all gradients before the update
};

// The input (buffer 0) or the output of an operation: a (batch, ld), and grad = dL/da of the same shape if something at or
// before it is trained.
template <class T>
struct Buffer {
    int64_t width, ld;  // buffers of one width have one ld
    bool needs_gradient = false;
    Array<T> a, grad;
    bool is_multiplied = false;  // a is the operand of a dense
    Array<Pair> pairs;           // (batch, distance(width / 2)): rows of a or of grad, as pairs for a product
};

// A matrix that is only read: row i begins at first + i ld.
template <class T>
struct Rows {
    const T* first;
    int64_t ld;

    const T* row(int64_t i) const { return first + i * ld; }
};

// A table of an embedding.
struct Table {
    int slot;
    int64_t column, size, codes, from;  // the column that it is looked up by; codes of `size` numbers; its first output column
};

// A column that a piecewise_linear embeds.
struct Embedded {
    int w0, b0, E;                // slots
    int64_t column, size, bins;   // in the input; numbers of its vector; bins
    int64_t first, from;          // its first bin in the state; its first output column
};

// A column that a periodic embeds.
struct Wavy {
    int w1, b1, W2, b2;                        // slots
    int64_t column, frequencies, sums, from;   // in the input; numbers beside x in the output; its first output column
};

// Neighboring columns that these leave as they are: in the input and in the output.
struct Kept {
    int64_t column, from, count;
};

// What an operation keeps from forward for backward and for the update.
template <class T>
struct Cache {
    Array<T> mask;                               // dropout: (batch, ld)
    Array<T> f;                                  // parametric: f(z) (batch, ld)
    std::vector<Table> tables;                   // embedding
    std::vector<int64_t> rest;                   // embedding: the columns that no table reads
    Array<int32_t> codes;                        // embedding: (tables, batch); piecewise_linear: bins (columns, batch)
    std::vector<Embedded> embedded;              // piecewise_linear
    std::vector<Kept> kept;                      // piecewise_linear, periodic
    Array<T> parts;                              // piecewise_linear: the part of its bin below each x (columns, batch)
    std::vector<Wavy> wavy;                      // periodic
    Array<T> cosines, sines;                     // periodic: (batch, waves_ld); column after column, each of padded frequencies
    int64_t waves_ld = 0;
    Array<T> x_hat;                              // batch norm: (batch, ld)
    Array<T> mean, inv_std;                      // (ld,) of the batch
    Array<T> next_mean, next_var;                // (ld,) running statistics after this step
    Array<T> dgamma, dbeta;                      // (ld,)
    Array<T> mean_delta, mean_delta_x;           // (ld,) means over the batch of delta and of delta x_hat
    bool accumulates = false, accumulates2 = false;  // these, before and is_delta: Layout::Part
    const Op* before = nullptr;                      // the dense before, whose delta this one's backward writes
    bool is_delta = false;
};

template <class T>
struct State {
    Array<T> a, b;  // running mean and variance of a batch norm, mean and std of a standardize; of a piecewise_linear's bins,
                    // column after column, the left edges and the reciprocals of the widths
};

// The columns of a that a strip of dL/dW = a^T delta reads, prepared by a thread: as numbers or as pairs.
template <class T>
struct Reader {
    Columns<T> columns;
    PairedColumns paired;
};

// A thread's scratch memory, allocated before the first step.
template <class T>
struct Workspace {
    Array<T> scratch;  // (rows, ld): dL/da before it is added to another operation's contribution
    Array<T> tile;     // (4, padded outputs, LANES): outputs, targets, gradients and predictions of LANES samples
    Array<T> gradient;  // of a task
    Array<T> whole;     // (bins, size) of a piecewise_linear's column: the sums of delta
    std::vector<int32_t> nonzero;  // (widest layer,) the k at which a single row is not 0
    SparseRows<T> entries;           // the thread's rows of X, if the first dense reads entries
    std::vector<Reader<T>> readers;  // one for each strip of a layer, or a single one for all strips in turn
    Largest<T> largest_a, largest_delta;  // max |a| and max |delta| over the thread's rows, see measures
    Largest<T> largest_gradient;          // max |g| over the thread's parts of a batch (microbatches.h)

    Reader<T>& reader(int64_t strip) { return readers[std::min<int64_t>(strip, static_cast<int64_t>(readers.size()) - 1)]; }
    void forget() {
        for (Reader<T>& reader : readers) reader.columns.a = nullptr, reader.paired.forget();
    }
};

// Rows of W in a strip of the update: whole tiles, and whole panels of W^T, on every instruction set.
constexpr int64_t STRIP_ROWS = 96;

// While every |w| is below this, neither the penalty of a strip nor its gradient overflows.
template <class T>
constexpr T LARGE_WEIGHT = sizeof(T) == 4 ? T(1e16) : T(1e150);

// While l2 and l1 times a step's factor are below this, neither does the gradient of weights that are not large.
constexpr double MOST_PENALTY = 1e16;

// With a larger growth (layout.h), max |a| and max |delta| at the two ends would often not show that all gradients are finite.
template <class T>
constexpr double MOST_GROWTH = double(std::numeric_limits<T>::max()) / 1e14;

// A unit of work of the update: rows k0 to k1 and columns n0 to n1, in panels, of a parameter.
struct Task {
    int op, slot;
    int64_t n0, n1, k0, k1;
    int64_t at;          // where its gradient begins among those of all tasks
    double cost_before;  // summed cost of all tasks before it
};

// The summed loss of some samples, and the summed weight of those that are classified correctly.
struct Score {
    double loss = 0, correct = 0;
};

inline Score sum(const Score* scores, int64_t n, Score all = {}) {
    for (int64_t i = 0; i < n; ++i) all.loss += scores[i].loss, all.correct += scores[i].correct;
    return all;
}

// A batch of a step.
struct Batch {
    int64_t begin;        // index of its first sample in the call's rows
    const int64_t* rows;  // (size,) numbers of its samples
    int64_t size;
    uint32_t step;  // counter of the random draws
    double total;   // sum of the samples' weights
    double dropout;  // factor of every dropout's rate
    double penalty;  // factor of the penalty
    double smoothing;  // factor of the label smoothing
};

// What a step's random draws depend on: the run's seed, the step's number, the index in the batch of the first of some rows,
// and the factor of every dropout's rate.
struct Draw {
    uint32_t seed, step;
    int64_t first;
    double dropout;
};

// Rows that go through the network together: samples `first`, first + 1, ... of the batch, in rows r0 to r1 of the buffers. The
// thread prefetches `following`, which it reads next.
struct Part {
    int64_t r0, r1, first;
    Following following;
};

// The part of an operation's output that a thread computes: rows r0 to r1, columns n0 to n1 (whole panels; by default all).
struct Block {
    int64_t r0, r1;
    int64_t n0 = 0, n1 = std::numeric_limits<int64_t>::max();
};

// Thread `number` of the `present` threads that take a step together.
struct Member {
    int number, present;
};

// The arguments of a call of `steps` and its progress, with the decisions at the end of each phase (phases.h).
struct Call {
    const Samples& samples;
    const int64_t* rows;
    int64_t n_rows;
    const StepSettings& settings;
    int64_t first, step_offset;
    double* sums;
    const Stop& stop;
    Outcome outcome;
    Score score{};            // of the step's batch
    double mu_product = 1;    // Nadam's, after the step
    bool looks_first = false;  // whether the step computes all gradients and checks them before it uses any

    bool goes_on() const { return outcome.end == End::done; }

    // `count` samples from index `at` of rows on, or as many as are left.
    Following from(int64_t at, int64_t count) const {
        return at < n_rows ? Following{rows + at, std::min(count, n_rows - at)} : Following{};
    }
};

template <class T>
class Engine final : public Session {
    // Chooses the block of each operation that a thread computes. It is the thread's own rows, or some columns of all rows if
    // threads share that operation's columns (shares_columns). All threads wait before and after such an operation.
    struct Cut {
        Engine& engine;
        int number, present;
        int64_t rows;
        Block own;
        bool were_columns = false;

        Block operator()(const Op& op, bool is_forth) {
            const bool are_columns = engine.shares_columns(op, rows, present, is_forth);
            if (are_columns || were_columns) engine.phases_.meet();
            were_columns = are_columns;
            if (!are_columns) return own;
            const auto [n0, n1] = columns(engine.buffers_[is_forth ? op.out : op.in].width, number, present);
            return {0, rows, n0, n1};
        }
    };

   public:
    Engine(const Program& program, const Run& run, int64_t capacity, bool trains);

    void set_theta(const void* theta) override;
    void get_theta(void* theta) const override;
    void set_state(int number, const void* a, const void* b) override;
    void get_state(int number, void* a, void* b) const override;
    int moments() const override;
    void set_moment(int number, const void* values) override;
    void get_moment(int number, void* values) const override;
    void keep_moments() override;
    double mu_product() const override { return mu_product_; }
    void set_mu_product(double value) override { mu_product_ = value; }
    Outcome steps(const Samples& samples, const int64_t* rows, int64_t n_rows, const StepSettings& settings, int64_t n_steps,
                  int64_t first, int64_t step_offset, double* sums, const Stop& stop) override;
    bool predict(const Samples& samples, int64_t n, void* out, const Stop& stop = {}) override;

    // For the operations (ops/): a vector parameter, and an operation's state.
    const T* value_of(int slot) const { return parameters_[slot].value.data(); }
    const T* sums_of(int slot) const { return parameters_[slot].sums.data(); }
    const T* transposed_of(int slot) const { return parameters_[slot].transposed.data(); }
    const State<T>& state_of(const Op& op) const { return states_[op.state]; }

   private:
    friend struct ops::dense;

    // engine.cpp
    void allocate_buffers(int64_t capacity);
    void allocate_parameters();
    void allocate_caches(const Layout& layout, int64_t capacity);
    void plan_tables(const Op& op, Cache<T>& cache, int64_t capacity) const;
    void plan_columns(const Op& op, Cache<T>& cache, int64_t capacity);
    void plan_waves(const Op& op, Cache<T>& cache, int64_t capacity);
    // steps.h
    void some_steps(Call& call, int64_t k0, int64_t k1, const Member& me) noexcept;
    Batch batch_of(const Call& call, int64_t k) const;
    void decide_on_update(Call& call, const Batch& batch, int64_t k, int present);
    void decide_on_gradients(Call& call, const Batch& batch, int present);
    void finish_step(Call& call, const Batch& batch);
    bool is_bounded(const Batch& batch, int present);
    void walk_rows(const Call& call, const Batch& batch, const Member& me);
    template <class BlockOf>
    void walk(const Call& call, const Batch& batch, const Part& part, Workspace<T>& own, BlockOf&& block_of);
    void look(const Call& call, const Member& me);
    // microbatches.h
    void plan_microbatches();
    void walk_microbatches(const Call& call, const Batch& batch, const Member& me);
    void sum_parts(const Task& task, int64_t parts, T* g) const;
    int64_t parts_of(int64_t batch) const { return (batch + part_rows_ - 1) / part_rows_; }
    // walks.h: each works on rows r0 to r1 of the buffers, or on a block
    void gather(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, Workspace<T>& own, Following following = {});
    void forward(const Op& op, Cache<T>& cache, const Block& block, const Draw* draw, Rows<T> from, Workspace<T>& own);
    template <bool MAY_HAVE_GAPS, class Finish>
    void product(Buffer<T>& buffer, Rows<T> a, const T* panels, const Array<Pair>& pairs, const T* b, T* z, int64_t ldz,
                 int64_t K, int64_t N, int64_t r0, int64_t r1, Workspace<T>& own, const Finish& finish);
    // objective.h
    void loss(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, const Batch& batch, T* tile);
    void backward(const Op& op, Cache<T>& cache, const Block& block, Workspace<T>& own);
    void sums_over_batch(const Op& op, Cache<T>& cache, int64_t n0, int64_t n1, int64_t batch, bool is_forth);
    // update.h
    void plan_tasks();
    int64_t samples_of(const Op& op) const { return run_.batch_size * (op.shares ? op.groups : 1); }
    bool shares_samples(const Op& op, int64_t columns) const;
    bool is_packed(int64_t columns) const;
    int64_t task_width(const Op& op, const Slot& slot) const;
    void gradient_of_entries(const Task& task, bool more, T* g, const Workspace<T>& own) const;
    bool visits_rows(const Task& task) const;
    void apply_to_rows(const Task& task, const T* g);
    void column_gradient(const Task& task, int64_t r0, int64_t r1, T* g, Workspace<T>& own) const;
    int64_t first_task(int thread, int count) const;
    void ask_for(int slot, int64_t k0, int64_t k1, int64_t n0) const;
    void gradient_of(const Task& task, int64_t r0, int64_t r1, bool has_gaps, bool more, T* g, Workspace<T>& own);
    int64_t place(int slot, int64_t k0, int64_t n) const;
    void count_penalty(int slot, int64_t k0, int64_t k1, int64_t n0);
    void count_frozen_penalty();
    double penalty_of(const Batch& batch) const;
    void add_penalty_and_clip(const Task& task, int64_t n0, double factor, T* g);
    template <class Which, class G>
    void apply(const Task& task, int64_t n0, Which which, G g);
    void apply_all(const Task& task, const T* g);
    bool apply_outer(const Task& task);
    void bound_norms(int slot, int64_t n0);
    void refresh(int slot, int64_t k0, int64_t k1, int64_t n0);
    void refresh_pairs(int slot, int64_t k0, int64_t k1, int64_t n0);
    template <class Use>
    void each_gradient(const Batch& batch, const Member& me, Use&& use);
    void make_gradients(const Batch& batch, const Member& me);
    void update_strips(const Batch& batch, const Member& me) noexcept;
    void update_clipped(const Member& me) noexcept;
    void bound_all_norms(const Member& me) noexcept;
    T* kept_gradient(const Task& task, int64_t n) {
        return &parameters_[task.slot].g[n * program_.slots[task.slot].rows + task.k0 * PANEL<T>];
    }

    const Step<T>& step_of(int slot) const { return steps_[group_of_[slot]]; }
    bool multiplies_pairs() const { return PAIRED<T> && run_.bf16; }
    bool is_trained(int slot) const { return trains_ && slot >= 0 && program_.slots[slot].is_trained; }
    bool is_trained(const Op& op) const { return is_trained(op.slot0) || is_trained(op.slot1); }
    bool waits_for_norm() const { return run_.clip_norm > 0; }
    // Whether a walk measures max |a| of what an operation reads, or max |delta| of its output. It does so at the first trained
    // and the last operation, or at every trained one if the growth in between has no useful bound.
    bool measures(const Op& op, bool is_forth) const {
        if (waits_for_norm() || microbatch_ > 0) return false;
        if (measures_all_.load(std::memory_order_relaxed)) return is_trained(op);
        return &op == (is_forth ? program_.ops.data() + first_trained_ : &program_.ops.back());
    }
    void note_parameter(T largest) {
        if (largest <= T(USUAL_PARAMETER)) return;
        measures_all_.store(true, std::memory_order_relaxed);
        if (!(largest < LARGE_WEIGHT<T>)) are_weights_large_.store(true, std::memory_order_relaxed);
    }
    bool normalizes(const Op& op) const { return op.kind == Kind::batch_norm && op.in_training; }
    void round_rows(Array<T>& values, const Buffer<T>& buffer, int64_t r0, int64_t r1) {
        if (run_.bf16)
            for (int64_t i = r0; i < r1; ++i) round_bf16(&values[i * buffer.ld], buffer.width);
    }
    Rows<T> rows_of(int buffer) const { return {buffers_[buffer].a.data(), buffers_[buffer].ld}; }
    Rows<T> gradient_rows_of(int buffer) const { return {buffers_[buffer].grad.data(), buffers_[buffer].ld}; }
    bool reads_samples(const Samples& samples) const;
    bool is_mostly_zero(const Samples& samples, const int64_t* rows, int64_t n) const;
    // Whether an operation is the first dense and reads the entries of a CSR matrix, in this call.
    bool reads_entries(const Op& op) const { return is_sparse_ && op.in == 0; }
    void count_operations();
    void reserve_workspaces(int count);
    void reserve(Workspace<T>& own, int number, int most) const;
    bool shares_columns(const Op& op, int64_t batch, int present, bool is_forth) const;
    static std::pair<int64_t, int64_t> columns(int64_t width, int thread, int count) {  // whole panels
        const int64_t panels = padded<T>(width) / PANEL<T>;
        return {panels * thread / count * PANEL<T>, panels * (thread + 1) / count * PANEL<T>};
    }
    int64_t first_row(int thread, int count, int64_t batch) const { return batch * thread / count; }
    int team_size(int64_t batch, double work_a_thread) const;

    const Program& program_;  // the caller's, outlives the engine
    const Run run_;
    const Settings settings_;
    const bool trains_, is_one_row_;  // is_one_row_: the buffers have one row
    std::vector<Buffer<T>> buffers_;
    std::vector<Cache<T>> caches_;
    std::vector<Parameter<T>> parameters_;
    std::vector<State<T>> states_;
    std::vector<Task> tasks_;
    std::vector<Score> row_scores_;               // (rows of the buffers,)
    TeamSize team_{1, 1};                         // the number of threads in a step
    std::vector<Workspace<T>> workspaces_;        // (max threads,)
    std::vector<int64_t> first_column_;               // (slots,) index of a parameter's first column in the next two:
    std::vector<double> column_penalty_, column_square_;  // sums over each column of each strip; empty if not used
    int64_t microbatch_ = 0, part_rows_ = 0;          // samples of a micro-batch (0: none), and of a part of the batch
    std::vector<Score> part_scores_;                  // (parts,)
    int64_t gradient_size_ = 0;                       // numbers in the gradients of all tasks
    Array<T> part_gradients_;                         // (parts, gradient_size)
    Phases phases_;
    std::vector<Share> task_shares_, part_shares_;    // (max threads,) work queues of tasks and of parts
    std::vector<std::pair<double, double>> groups_;   // the distinct pairs (rate, decays) of the parameters
    std::vector<int> group_of_;                       // (slots,) the parameter's group
    std::vector<Step<T>> steps_;                      // (groups,) scalars of the current step
    std::atomic<bool> overflow_{false};               // whether a gradient or an updated parameter is not finite
    std::atomic<bool> are_weights_large_{false};      // whether a |w| reaches LARGE_WEIGHT
    std::atomic<bool> measures_all_{true};            // see measures
    int first_trained_ = 0;                           // this, growth_ and own_growth_: see layout.h
    double growth_ = 1, own_growth_ = 1;
    double mu_product_ = 1;
    int consumers_of_input_ = 0;
    bool is_sparse_ = false;        // of the current call: whether X is read as entries, and buffer 0 is not written
    int present_ = 1;               // threads of the current steps
    int64_t sharing_ = 1;           // the most groups of a grouped dense that share weights
    double operations_ = 0;         // arithmetic operations of a step for each sample
    double update_operations_ = 0;  // those of its update, whatever the batch
};

}  // namespace chainrule::CHAINRULE_ISA
