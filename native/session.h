// A run of training steps over a program, and its walks. Rows of a batch go to threads for the two walks, weights go to
// threads for the update; a batch norm in between makes all wait, for its statistics are sums over the batch.
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
#include "team_size.h"

namespace chainrule::CHAINRULE_ISA {

namespace ops {
struct dense;
}

// A parameter as the kernels keep it: W in panels, a vector padded to whole panels; likewise the optimizer's moments.
template <class T>
struct Parameter {
    Array<T> value, moment[3];
    Array<T> transposed;  // panels of W^T, for dL/da; empty where nothing needs it
    Array<T> rounded;     // W as bfloat16, for the forward product; empty in full precision, or where there are pairs
    Array<Pair> pairs, transposed_pairs;  // in bfloat16, where the processor multiplies pairs: W and W^T in place of these
    Array<T> g;           // the gradient, kept only where the update must wait for the norm of all
};

// A buffer of the walk: activations (batch, ld) and, where something below is trained, dL/d activations.
template <class T>
struct Buffer {
    int64_t width, ld;
    bool needs_gradient = false;
    Array<T> a, grad;
    bool is_multiplied = false;  // whether a dense reads a
    Array<Pair> pairs;           // (batch, distance of half the width): a's or grad's rows as a product reads them
};

// A matrix that is read: its first number, and the distance between its rows.
template <class T>
struct Rows {
    const T* first;
    int64_t ld;

    const T* row(int64_t i) const { return first + i * ld; }
};

// What an operation remembers between the walks.
template <class T>
struct Cache {
    Array<T> mask;                               // dropout: (batch, ld)
    Array<T> x_hat;                              // batch norm: (batch, ld)
    Array<T> mean, inv_std;                      // (ld,) of the batch
    Array<T> next_mean, next_var;                // (ld,) running, after this step
    Array<T> dgamma, dbeta;                      // (ld,)
    Array<T> mean_delta, mean_delta_x;           // (ld,) over the batch
    bool accumulates = false, accumulates2 = false;  // these three: layout.h
    const Op* before = nullptr;                      // the dense that this one completes
    bool is_delta = false;
};

template <class T>
struct State {
    Array<T> a, b;  // (ld,): running mean and var, or mean and std
};

// A thread's reading of some columns, those of a strip of dL/dW.
template <class T>
struct Reader {
    Columns<T> columns;
    PairedColumns paired;
};

// What a thread keeps between steps: all the room that a step needs, made beforehand.
template <class T>
struct Workspace {
    Array<T> scratch;  // dL/da before it is added to what is there
    Array<T> tile;     // (3, padded outputs, LANES): outputs, targets and gradients of a vector's worth of samples
    std::vector<int32_t> nonzero;  // (widest,) columns of a single row
    std::vector<Reader<T>> readers;  // of each strip of a layer, or one for the strip at hand
    Largest<T> largest_a, largest_delta;  // of the thread's rows of a batch, where it is measured
    Largest<T> largest_gradient;          // of the thread's parts of one

    Reader<T>& reader(int64_t strip) { return readers[std::min<int64_t>(strip, static_cast<int64_t>(readers.size()) - 1)]; }
    void forget() {
        for (Reader<T>& reader : readers) reader.columns.a = nullptr, reader.paired.forget();
    }
};

// Where no weight is beyond this, neither the penalty of a strip nor its gradient overflows.
template <class T>
constexpr T LARGE_WEIGHT = sizeof(T) == 4 ? T(1e16) : T(1e150);

// Beyond this growth (layout.h) the ends alone would often leave it open whether the gradients between them are finite.
template <class T>
constexpr double MOST_GROWTH = double(std::numeric_limits<T>::max()) / 1e14;

// A piece of the update that one thread does alone: rows k0 to k1 of the panels from column n0 to n1 of a slot.
struct Task {
    int op, slot;
    int64_t n0, n1, k0, k1;
    int64_t at;          // where its gradient lies among those of all tasks
    double cost_before;  // of all tasks before it
};

// The loss of some samples, and the weight of those that are classified correctly.
struct Score {
    double loss = 0, correct = 0;
};

inline Score sum(const Score* scores, int64_t n, Score all = {}) {
    for (int64_t i = 0; i < n; ++i) all.loss += scores[i].loss, all.correct += scores[i].correct;
    return all;
}

// A batch of a step.
struct Batch {
    int64_t begin;        // its first sample's place in the call's order
    const int64_t* rows;  // (size,) of the samples
    int64_t size;
    uint32_t step;  // for random draws
    double total;   // of the samples' weights
    double dropout;  // factor of every dropout's rate
};

// What a step's random draws depend on: the run's seed, its number, the place in the batch of the first of some rows, and the factor of every
// dropout's rate.
struct Draw {
    uint32_t seed, step;
    int64_t first;
    double dropout;
};

// Some rows of a batch on their way through the buffers, whose rows r0 to r1 they fill; `first` is the first one's place in
// the batch. What the same thread will read next is asked for in time.
struct Part {
    int64_t r0, r1, first;
    Following following;
};

// What a thread makes of an operation's output: rows r0 to r1, and of them columns n0 to n1, whole panels or all there are.
struct Block {
    int64_t r0, r1;
    int64_t n0 = 0, n1 = std::numeric_limits<int64_t>::max();
};

// A thread of those that take steps.
struct Member {
    int number, present;  // of so many
};

// What a call of `steps` was given, and how far it is. What is decided at the end of a phase stands here.
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
    double mu_product = 1;    // after the step
    bool looks_first = false;  // whether all gradients of the step are made before the first of them is used

    bool goes_on() const { return outcome.end == End::done; }

    // So many samples from number `at` of the call's order on, or as many as are left.
    Following from(int64_t at, int64_t count) const {
        return at < n_rows ? Following{rows + at, std::min(count, n_rows - at)} : Following{};
    }
};

template <class T>
class Engine final : public Session {
    // What a thread makes of each operation of a walk over some rows, of which `own` are its own: these, or, where the rows are
    // so few that threads share the columns, some columns of all. Before and after an operation of that kind all wait.
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
    double mu_product() const override { return mu_product_; }
    void set_mu_product(double value) override { mu_product_ = value; }
    Outcome steps(const Samples& samples, const int64_t* rows, int64_t n_rows, const StepSettings& settings, int64_t n_steps,
                  int64_t first, int64_t step_offset, double* sums, const Stop& stop) override;
    bool predict(const Samples& samples, int64_t n, void* out, const Stop& stop = {}) override;

    // For the operations (ops/): a parameter that is a vector, and an operation's state.
    const T* value_of(int slot) const { return parameters_[slot].value.data(); }
    const State<T>& state_of(const Op& op) const { return states_[op.state]; }

   private:
    friend struct ops::dense;

    // engine.cpp
    void allocate_buffers(int64_t capacity);
    void allocate_parameters();
    void allocate_caches(const Layout& layout, int64_t capacity);
    // steps.h
    void some_steps(Call& call, int64_t k0, int64_t k1, const Member& me) noexcept;
    Batch batch_of(const Call& call, int64_t k) const;
    void decide_on_update(Call& call, const Batch& batch, int64_t k, int present);
    void decide_on_gradients(Call& call, int present);
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
    void gather(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, Following following = {});
    void forward(const Op& op, Cache<T>& cache, const Block& block, const Draw* draw, Rows<T> from, Workspace<T>& own);
    template <bool MAY_HAVE_GAPS, class Finish>
    void product(Buffer<T>& buffer, Rows<T> a, const T* panels, const Array<Pair>& pairs, const T* b, T* z, int64_t ldz,
                 int64_t N, int64_t r0, int64_t r1, Workspace<T>& own, const Finish& finish);
    // objective.h
    void loss(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, double total, T* tile);
    void backward(const Op& op, Cache<T>& cache, const Block& block, Workspace<T>& own);
    void sums_over_batch(const Op& op, Cache<T>& cache, int64_t n0, int64_t n1, int64_t batch, bool is_forth);
    // update.h
    void plan_tasks();
    bool shares_samples(int64_t columns) const;
    bool is_packed(int64_t columns) const;
    int64_t first_task(int thread, int count) const;
    void ask_for(int slot, int64_t k0, int64_t k1, int64_t n0) const;
    void gradient_of(const Task& task, int64_t r0, int64_t r1, bool has_gaps, bool more, T* g, Workspace<T>& own);
    int64_t place(int slot, int64_t k0, int64_t n) const;
    void count_penalty(int slot, int64_t k0, int64_t k1, int64_t n0);
    void count_frozen_penalty();
    void add_penalty_and_clip(const Task& task, int64_t n0, T* g);
    template <class G>
    void apply(const Task& task, int64_t n0, G g);
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
    // Whether the walks find out how large what an operation reads is, a forward and delta back: at the ends of what is trained,
    // or wherever a parameter is, if how much they grow in between is not known.
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
    void count_operations();
    void reserve_workspaces(int count);
    void reserve(Workspace<T>& own, int number, int most) const;
    bool shares_columns(const Op& op, int64_t batch, int present, bool is_forth) const;
    static std::pair<int64_t, int64_t> columns(int64_t width, int thread, int count) {  // whole panels of them
        const int64_t panels = padded<T>(width) / PANEL<T>;
        return {panels * thread / count * PANEL<T>, panels * (thread + 1) / count * PANEL<T>};
    }
    int64_t first_row(int thread, int count, int64_t batch) const { return batch * thread / count; }
    int team_size(int64_t batch, double work_a_thread) const;

    const Program& program_;  // of whoever made this, and as long there
    const Run run_;
    const Settings settings_;
    const bool trains_, is_one_row_;  // whether it has room for one row alone
    std::vector<Buffer<T>> buffers_;
    std::vector<Cache<T>> caches_;
    std::vector<Parameter<T>> parameters_;
    std::vector<State<T>> states_;
    std::vector<Task> tasks_;
    std::vector<Score> row_scores_;               // (rows of the buffers,) of each sample
    TeamSize team_{1, 1};                         // that takes steps
    std::vector<Workspace<T>> workspaces_;        // (the most threads,)
    std::vector<int64_t> first_column_;               // (slots,) of the slot's among the columns of all strips
    std::vector<double> column_penalty_, column_square_;  // (columns of all strips,) empty where nobody asks for them
    int64_t microbatch_ = 0, part_rows_ = 0;          // samples of a micro-batch, 0 for none, and of a part of the batch
    std::vector<Score> part_scores_;                  // (parts,) of a part's samples
    int64_t gradient_size_ = 0;                       // of all tasks
    Array<T> part_gradients_;                         // (parts, all tasks)
    Phases phases_;                                   // of the threads at work
    std::vector<Share> task_shares_, part_shares_;    // (most threads,) of the pieces of work
    std::vector<std::pair<double, double>> groups_;   // the rates and decays that parameters have
    std::vector<int> group_of_;                       // (slots,)
    std::vector<Step<T>> steps_;                      // (groups,) the step at hand
    std::atomic<bool> overflow_{false};               // whether a gradient of the phase, or a parameter after it, is not finite
    std::atomic<bool> are_weights_large_{false};      // whether a penalty or its gradient might overflow
    std::atomic<bool> measures_all_{true};            // see measures
    int first_trained_ = 0;                           // these two: layout.h
    double growth_ = 1;
    double mu_product_ = 1;
    int consumers_of_input_ = 0;
    double operations_ = 0;         // of one sample's step
    double update_operations_ = 0;  // of a step, whatever its batch
};

}  // namespace chainrule::CHAINRULE_ISA
