// The engine: it schedules a network's operations (ops/) in its memory (net.h). Threads divide the rows of a batch in the walks, and
// strips of the weights in the update. An operation that sums over the batch synchronizes them.
#pragma once

#include <atomic>
#include <limits>
#include <memory>
#include <vector>

#include "ops/all.h"
#include "phases.h"
#include "team_size.h"

namespace chainrule::CHAINRULE_ISA {

constexpr double WORK_A_THREAD = 1e6;  // operations per thread of a step, at first; TeamSize goes down to half of it

// While l2 and l1 times a step's factor are below this, neither does the gradient of weights that are not large.
constexpr double MOST_PENALTY = 1e16;

// With a larger growth (layout.h), max |a| and max |delta| at the two ends would often not show that all gradients are finite.
template <class T>
constexpr double MOST_GROWTH = double(std::numeric_limits<T>::max()) / 1e14;

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

// Rows that go through the network together: samples `first`, first + 1, ... of the batch, in rows r0 to r1 of the buffers. The
// thread prefetches `following`, which it reads next.
struct Part {
    int64_t r0, r1, first;
    Following following;
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
    // An operation that derives something from a slot, and the slot's place among its own.
    struct Derived {
        ops::Operation<T>* by;
        int place;
    };

    // Chooses the block of each operation that a thread computes. It is the thread's own rows, or some columns of all rows if
    // threads share that operation's columns (shares_columns). All threads wait before and after such an operation.
    struct Cut {
        Engine& engine;
        int number, present;
        int64_t rows;
        Block own;
        bool were_columns = false;

        Block operator()(const ops::Operation<T>& operation, bool is_forth) {
            const bool are_columns = present > 1 && operation.shares_columns(rows, present, is_forth);
            if (are_columns || were_columns) engine.phases_.meet();
            were_columns = are_columns;
            if (!are_columns) return own;
            const auto [n0, n1] = columns(is_forth ? operation.width_out() : operation.width_in(), number, present);
            return {0, rows, n0, n1};
        }
    };

    // All threads walk the batch together, each its rows or its columns (Cut).
    struct Together {
        const Call& call;
        const Batch& batch;
        const Member& me;
        Cut cut;
        bool is_long;
    };

   public:
    [[gnu::cold]] Engine(const Program& program, const Run& run, int64_t capacity, bool trains, Products products);
    const Net<T>& net() const { return net_; }  // what the last step has left

    void set_theta(const void* theta) override;
    void get_theta(void* theta) const override;
    void set_state(int number, const void* a, const void* b) override;
    void get_state(int number, void* a, void* b) const override;
    int moments() const override;
    void set_moment(int number, const void* values) override;
    void get_moment(int number, void* values) const override;
    [[gnu::cold]] void keep_moments() override;
    double mu_product() const override { return mu_product_; }
    void set_mu_product(double value) override { mu_product_ = value; }
    Outcome steps(const Samples& samples, const int64_t* rows, int64_t n_rows, const StepSettings& settings, int64_t n_steps,
                  int64_t first, int64_t step_offset, double* sums, const Stop& stop) override;
    bool predict(const Samples& samples, int64_t n, void* out, const Stop& stop = {}) override;

   private:
    // engine_of.h
    [[gnu::cold]] void allocate_buffers(int64_t capacity);
    [[gnu::cold]] void allocate_parameters();
    [[gnu::cold]] void count_operations();
    [[gnu::cold]] void reserve_workspaces(int count);
    [[gnu::cold]] void reserve(Workspace<T>& own, int number, int most) const;
    // predict.h
    bool reads_samples(const Samples& samples) const;
    bool is_mostly_zero(const Samples& samples, const int64_t* rows, int64_t n) const;
    // steps.h
    void some_steps(Call& call, int64_t k0, int64_t k1, const Member& me) noexcept;
    Batch batch_of(const Call& call, int64_t k) const;
    void decide_on_update(Call& call, const Batch& batch, int64_t k, int present);
    void decide_on_gradients(Call& call, const Batch& batch, int present);
    void finish_step(Call& call, const Batch& batch);
    bool is_bounded(const Batch& batch, int present);
    void walk_rows(const Call& call, const Batch& batch, const Member& me);
    Block next(Together& together, ops::Operation<T>& operation, bool is_forth);
    void walk(const Call& call, const Batch& batch, const Part& part, Workspace<T>& own, Together* together);
    void look(const Call& call, const Member& me);
    // microbatches.h
    [[gnu::cold]] void plan_microbatches();
    void walk_microbatches(const Call& call, const Batch& batch, const Member& me);
    void sum_parts(const Task& task, int64_t parts, T* g) const;
    int64_t parts_of(int64_t batch) const { return (batch + part_rows_ - 1) / part_rows_; }
    // walks.h: each works on rows r0 to r1 of the buffers, or on a block
    void gather(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, Workspace<T>& own, Following following = {});
    void forward(size_t o, const Block& block, const Draw* draw, Rows<T> from, Workspace<T>& own);
    void backward(size_t o, const Block& block, Workspace<T>& own);
    // objective.h
    void loss(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, const Batch& batch, T* tile);
    void own_loss(const Samples& samples, const Batch& batch);
    void group_losses(const Samples& samples, const Batch& batch);
    void slopes(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, const Batch& batch, Workspace<T>& own);
    void bend(size_t o, int64_t r0, int64_t r1, Workspace<T>& own);
    // update.h
    [[gnu::cold]] void plan_tasks();
    int64_t first_task(int thread, int count) const;
    void gradient_of(const Task& task, int64_t r0, int64_t r1, bool has_gaps, bool more, T* g, Workspace<T>& own);
    int64_t place(int slot, int64_t k0, int64_t n) const;
    void count_penalty(int slot, int64_t k0, int64_t k1, int64_t n0);
    void count_frozen_penalty();
    double penalty_of(const Batch& batch) const;
    void add_penalty_and_clip(const Task& task, int64_t n0, double factor, T* g);
    template <class Use>
    void each_panel(const Task& task, Use&& use) const;
    template <class Which, class G>
    void apply(const Task& task, int64_t n0, int64_t n1, Which which, G g);
    void apply_all(const Task& task, const T* g);
    bool apply_outer(const Task& task);
    void bound_norms(const Task& task);
    void refresh(int slot, int64_t k0, int64_t k1, int64_t n0, int64_t n1) {
        for (const auto& [by, place] : derived_[slot]) by->refresh(place, k0, k1, n0, n1);
    }
    template <class Use>
    void each_gradient(const Batch& batch, const Member& me, Use&& use);
    void make_gradients(const Batch& batch, const Member& me);
    void update_strips(const Batch& batch, const Member& me) noexcept;
    void update_clipped(const Member& me) noexcept;
    void bound_all_norms(const Member& me) noexcept;
    T* kept_gradient(const Task& task, int64_t n) {
        return &net_.panels[task.slot].g[n * net_.slots[task.slot].rows + task.k0 * PANEL<T>];
    }

    const Step<T>& step_of(int slot) const { return steps_[group_of_[slot]]; }
    bool waits_for_norm() const { return run_.clip_norm > 0; }
    // Whether a walk measures max |a| of what an operation reads, or max |delta| of its output. It does so at the first trained
    // and the last operation, or at every trained one if the growth in between has no useful bound.
    bool measures(size_t o, bool is_forth) const {
        if (waits_for_norm() || net_.microbatch > 0) return false;
        if (measures_all_.load(std::memory_order_relaxed)) return ops_[o]->is_trained;
        return o == (is_forth ? static_cast<size_t>(first_trained_) : ops_.size() - 1);
    }
    void note_parameter(T largest) {
        if (largest <= T(USUAL_PARAMETER)) return;
        measures_all_.store(true, std::memory_order_relaxed);
        if (!(largest < LARGE_WEIGHT<T>)) are_weights_large_.store(true, std::memory_order_relaxed);
    }
    static std::pair<int64_t, int64_t> columns(int64_t width, int thread, int count) {  // whole panels
        const int64_t panels = padded<T>(width) / PANEL<T>;
        return {panels * thread / count * PANEL<T>, panels * (thread + 1) / count * PANEL<T>};
    }
    int64_t first_row(int thread, int count, int64_t batch) const { return batch * thread / count; }
    // The first sample of a batch that a thread walks.
    int64_t first_sample(int thread, int count, int64_t batch) const {
        return net_.has_words() ? std::min(batch, in_blocks(batch) / BLOCK * thread / count * BLOCK) : first_row(thread, count, batch);
    }
    int64_t part_distance() const { return net_.has_words() ? in_blocks(net_.microbatch) : net_.microbatch; }  // between threads' rows
    int team_size(int64_t batch, double work_a_thread) const;

    Net<T> net_;
    const Program& program_ = net_.program;
    const Run& run_ = net_.run;
    const Settings settings_;
    Operations<T> ops_;
    std::vector<ops::Operation<T>*> summing_;        // those that sum over the batch
    std::vector<std::vector<Derived>> derived_;      // (slots,) what is derived from each
    std::vector<Task> tasks_;
    std::vector<Score> row_scores_;               // (rows of the buffers,)
    TeamSize team_{1, 1};                         // the number of threads in a step
    std::vector<int64_t> first_column_;               // (slots,) index of a parameter's first column in the next two:
    std::vector<double> column_penalty_, column_square_;  // sums over each column of each strip; empty if not used
    int64_t part_rows_ = 0;                           // samples of a part of the batch
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
    int64_t sharing_ = 1;           // how often a sample enters a gradient, at most
    double operations_ = 0;         // arithmetic operations of a step for each sample
    double update_operations_ = 0;  // those of its update, whatever the batch
};

}  // namespace chainrule::CHAINRULE_ISA
