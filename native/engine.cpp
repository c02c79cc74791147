// Over 300 lines because it is what a session does beside its steps: allocation, access to parameters, prediction.
// The engine: allocation, access to parameters, prediction. Compiled once for each instruction set.
#include <array>
#include <stdexcept>

#include "checks.h"
#include "engine.h"
#include "steps.h"

namespace chainrule::CHAINRULE_ISA {

constexpr double WORK_OF_ONE_ROW = 1e7; // operations per thread for a single row, where waking a thread counts
constexpr double WORK_A_THREAD = 1e6;  // operations per thread of a step, at first; TeamSize goes down to half of it
constexpr double WORTH_OF_AN_ENTRY = 6;  // numbers of a dense row that take as long as an entry
constexpr double WORK_AN_UPDATE = 24;  // operations that take as long as the update of a weight

template <class T>
Engine<T>::Engine(const Program& program, const Run& run, int64_t capacity, bool trains)
    : program_(program),
      run_(run),
      settings_{run.rule, run.beta1, run.beta2, run.eps, run.decay, run.uncorrected_eps},
      trains_(trains),
      is_one_row_(capacity == 1) {
    const Layout layout = analyze(program, trains);
    int64_t room = 0;  // behind each row: a product of a grouped dense's last group writes whole panels
    for (const Op& op : program_.ops)
        for (const int buffer : {op.in, op.out}) {
            const int64_t each = program_.widths[buffer] / op.groups;
            if (op.groups > 1) room = std::max(room, padded<T>(each) - each);
        }
    for (size_t i = 0; i < program_.widths.size(); ++i) {
        const int64_t width = program_.widths[i];
        const auto& [needs_gradient, is_multiplied, readers] = layout.values[i];
        buffers_.push_back({width, distance<T>(width + room), needs_gradient, {}, {}, is_multiplied, {}});
    }
    consumers_of_input_ = layout.values[0].readers;
    first_trained_ = layout.first_trained, growth_ = layout.growth, own_growth_ = layout.own_growth * (layout.multiplies_weights ? double(LARGE_WEIGHT<T>) : 1);
    count_operations();
    const int most = trains ? team_size(run_.batch_size, WORK_A_THREAD / 2) : 0;
    if (trains) {
        team_ = TeamSize(most, team_size(run_.batch_size, WORK_A_THREAD));
        plan_tasks();
        plan_microbatches();
        if (microbatch_ > 0) capacity = most * microbatch_;
    }
    allocate_buffers(capacity);
    allocate_parameters();
    allocate_caches(layout, capacity);
    reserve_workspaces(most);
}

template <class T>
void Engine<T>::allocate_buffers(int64_t capacity) {
    for (Buffer<T>& buffer : buffers_) {
        buffer.a.resize(capacity * buffer.ld);
        if (buffer.needs_gradient) buffer.grad.resize(capacity * buffer.ld);
    }
    row_scores_.resize(capacity);
}

template <class T>
void Engine<T>::allocate_parameters() {
    parameters_.resize(program_.slots.size());
    for (size_t s = 0; s < parameters_.size(); ++s) {
        const Slot& slot = program_.slots[s];
        const std::pair group{slot.rate, slot.decays};
        const auto found = std::find(groups_.begin(), groups_.end(), group);
        group_of_.push_back(static_cast<int>(found - groups_.begin()));
        if (found == groups_.end()) groups_.push_back(group);
        const int64_t n = slot.rows * padded<T>(slot.columns);
        parameters_[s].value.resize(n);
        if (!is_trained(static_cast<int>(s))) continue;
        for (int k = 0; k < moments(); ++k) parameters_[s].moment[k].resize(n);
        if (run_.clip_norm > 0) parameters_[s].g.resize(n);
    }
    steps_.resize(groups_.size());
    states_.resize(program_.states.size());
    for (size_t s = 0; s < states_.size(); ++s) {
        states_[s].a.resize(padded<T>(program_.states[s]));
        states_[s].b.resize(padded<T>(program_.states[s]));
    }
}

// Allocates the operations' caches, and the copies of W that products read (transposed, rounded, paired).
template <class T>
void Engine<T>::allocate_caches(const Layout& layout, int64_t capacity) {
    caches_.resize(program_.ops.size());
    for (size_t o = 0; o < program_.ops.size(); ++o) {
        const Op& op = program_.ops[o];
        const Buffer<T>& in = buffers_[op.in];
        Cache<T>& cache = caches_[o];
        const Layout::Part& part = layout.parts[o];
        cache.accumulates = part.accumulates, cache.accumulates2 = part.accumulates2, cache.is_delta = part.is_delta;
        if (part.completes >= 0) cache.before = &program_.ops[part.completes];
        if (op.kind == Kind::dropout && trains_) cache.mask.resize(capacity * in.ld);
        if (op.kind == Kind::parametric && trains_) cache.f.resize(capacity * in.ld);
        if (op.kind == Kind::batch_norm) {
            if (trains_) cache.x_hat.resize(capacity * in.ld);
            for (Array<T>* array : {&cache.mean, &cache.inv_std, &cache.next_mean, &cache.next_var,
                                    &cache.dgamma, &cache.dbeta, &cache.mean_delta, &cache.mean_delta_x})
                array->resize(in.ld);
        }
        if (op.kind == Kind::embedding) plan_tables(op, cache, capacity);
        if (op.kind == Kind::piecewise_linear) plan_columns(op, cache, capacity);
        if (op.kind == Kind::periodic) plan_waves(op, cache, capacity);
        if (!op.is_dense()) continue;
        if (multiplies_pairs())
            for (Buffer<T>* buffer : {&buffers_[op.in], &buffers_[op.out]})
                buffer->pairs.resize(capacity * distance<Pair>(halved(buffer->width)));
        const int64_t K = in.width / op.groups, N = buffers_[op.out].width / op.groups;
        for (int group = 0; group < op.copies(); ++group) {
            Parameter<T>& W = parameters_[op.slot0 + group];
            if (multiplies_pairs()) {
                W.pairs.resize(halved(K) * padded<T>(N));
                if (in.needs_gradient) W.transposed_pairs.resize(padded<T>(K) * halved(N));
            } else {
                if (run_.bf16) W.rounded.resize(W.value.size());
                if (trains_ && in.needs_gradient && !is_one_row_) W.transposed.resize(padded<T>(K) * N);
            }
        }
    }
}

// The tables of an embedding, the columns that they leave, and room for the codes of a batch.
template <class T>
void Engine<T>::plan_tables(const Op& op, Cache<T>& cache, int64_t capacity) const {
    const int64_t width = buffers_[op.in].width;
    std::vector<bool> is_read(static_cast<size_t>(width), false);
    int64_t from = width - (op.slot1 - op.slot0 + 1);
    for (int s = op.slot0; s <= op.slot1; ++s) {
        const Slot& slot = program_.slots[s];
        cache.tables.push_back({s, slot.column, slot.size, slot.columns / slot.size, from});
        is_read[static_cast<size_t>(slot.column)] = true;
        from += slot.size;
    }
    for (int64_t j = 0; j < width; ++j)
        if (!is_read[static_cast<size_t>(j)]) cache.rest.push_back(j);
    if (trains_) cache.codes.resize(cache.tables.size() * static_cast<size_t>(capacity));
}

// The first output column of each input column j, in whose place sizes[j] numbers stand; those of 0 stay, and go to `kept`.
inline std::vector<int64_t> places(const std::vector<int64_t>& sizes, std::vector<Kept>& kept) {
    std::vector<int64_t> found;
    int64_t from = 0;
    for (const int64_t size : sizes) {
        const auto j = static_cast<int64_t>(found.size());
        if (size == 0 && !kept.empty() && kept.back().column + kept.back().count == j)
            ++kept.back().count;
        else if (size == 0)
            kept.push_back({j, from, 1});
        found.push_back(from);
        from += std::max<int64_t>(size, 1);
    }
    return found;
}

// The columns of a piecewise_linear, those that it leaves as they are, the sums of its weights, and room for a batch.
template <class T>
void Engine<T>::plan_columns(const Op& op, Cache<T>& cache, int64_t capacity) {
    std::vector<int64_t> sizes(static_cast<size_t>(buffers_[op.in].width));
    const int k = op.embeds();
    int64_t first = 0;
    for (int t = 0; t < k; ++t) {
        const int E = op.slot0 + 2 * k + t;
        const Slot& slot = program_.slots[E];
        cache.embedded.push_back({op.slot0 + t, op.slot0 + k + t, E, slot.column, slot.size, slot.columns / slot.size, first, 0});
        parameters_[E].sums.resize(slot.columns);
        sizes[static_cast<size_t>(slot.column)] = slot.size;
        first += slot.columns / slot.size;
    }
    const std::vector<int64_t> from = places(sizes, cache.kept);
    for (Embedded& each : cache.embedded) each.from = from[static_cast<size_t>(each.column)];
    if (!trains_) return;
    cache.codes.resize(cache.embedded.size() * static_cast<size_t>(capacity));
    cache.parts.resize(cache.codes.size());
}

// The columns of a periodic, those that it leaves as they are, its W2^T, and room for a batch.
template <class T>
void Engine<T>::plan_waves(const Op& op, Cache<T>& cache, int64_t capacity) {
    std::vector<int64_t> sizes(static_cast<size_t>(buffers_[op.in].width));
    const int k = op.embeds();
    for (int t = 0; t < k; ++t) {
        const int w1 = op.slot0 + t, b1 = w1 + k, W2 = b1 + k, b2 = W2 + k;
        const Slot& wave = program_.slots[w1];
        cache.wavy.push_back({w1, b1, W2, b2, wave.column, wave.columns, program_.slots[b2].columns, 0});
        parameters_[W2].transposed.resize(padded<T>(wave.columns) * program_.slots[b2].columns);
        sizes[static_cast<size_t>(wave.column)] = program_.slots[b2].columns + 1;
        cache.waves_ld += padded<T>(wave.columns);
    }
    const std::vector<int64_t> from = places(sizes, cache.kept);
    for (Wavy& each : cache.wavy) each.from = from[static_cast<size_t>(each.column)];
    cache.waves_ld = distance<T>(cache.waves_ld);
    if (trains_) cache.cosines.resize(capacity * cache.waves_ld), cache.sines.resize(capacity * cache.waves_ld);
}

template <class T>
void Engine<T>::count_operations() {
    for (const Op& op : program_.ops) {
        if (op.shares) sharing_ = std::max<int64_t>(sharing_, op.groups);
        const double width = double(program_.widths[op.kind == Kind::piecewise_linear ? op.out : op.in]);
        operations_ += op.is_dense() ? width * double(program_.widths[op.out]) / op.groups * (trains_ ? 6 : 2) : width * 8;
        if (op.kind == Kind::periodic)
            operations_ += double(op.embeds()) * double(program_.slots[op.slot0].columns) * (trains_ ? 80 : 30);
    }
    for (const Slot& slot : program_.slots)
        if (trains_ && slot.is_trained) update_operations_ += double(slot.rows * padded<T>(slot.columns)) * WORK_AN_UPDATE;
}

// Allocates the workspaces of `count` threads.
template <class T>
void Engine<T>::reserve_workspaces(int count) {
    if (static_cast<int>(task_shares_.size()) < count) task_shares_ = std::vector<Share>(count), part_shares_ = std::vector<Share>(count);
    workspaces_.reserve(count);
    while (static_cast<int>(workspaces_.size()) < count) {
        Workspace<T>& own = workspaces_.emplace_back();
        own.tile.resize(4 * padded<T>(buffers_.back().width) * Simd<T>::LANES);
        if (is_one_row_) own.nonzero.resize(*std::max_element(program_.widths.begin(), program_.widths.end()));
        if (trains_) reserve(own, static_cast<int>(workspaces_.size()) - 1, count);
    }
}

// Allocates what thread `number` of at most `most` needs in a step, so that no step allocates.
template <class T>
void Engine<T>::reserve(Workspace<T>& own, int number, int most) const {
    const int64_t batch = run_.batch_size;
    const bool may_share_columns = most > 1 && batch <= FEW_ROWS * most;
    const int64_t rows = microbatch_ > 0 ? microbatch_ : may_share_columns ? batch : (batch + number) / (number + 1);
    const int64_t samples = microbatch_ > 0 ? microbatch_ : batch;  // samples that a strip of dL/dW sums over
    int64_t scratch = 0, strips = 1, gradient = GROUP * STRIP<T>, whole = 0;
    for (const Task& task : tasks_) {
        gradient = std::max(gradient, (task.k1 - task.k0) * padded<T>(task.n1 - task.n0));
        if (!parameters_[task.slot].sums.empty()) whole = std::max(whole, task.n1);
    }
    own.gradient.resize(gradient), own.whole.resize(whole);
    for (const Op& op : program_.ops) {
        if (!op.is_dense()) continue;
        const Buffer<T>& in = buffers_[op.in];
        if (in.needs_gradient && caches_[&op - program_.ops.data()].accumulates) scratch = std::max(scratch, rows * in.ld);
        if (is_trained(op.slot0) && samples_of(op) <= SHORT_BATCH)
            strips = std::max(strips, (in.width / op.groups + STRIP_ROWS - 1) / STRIP_ROWS);
    }
    own.scratch.resize(scratch);
    own.readers.resize(strips);
    for (const Op& op : program_.ops) {
        if (!op.is_dense() || !is_trained(op.slot0)) continue;
        const int64_t width = buffers_[op.in].width / op.groups, outputs = buffers_[op.out].width / op.groups;
        const int64_t together = shares_samples(op, outputs) ? std::min(NEAR_BATCH, samples) : samples;
        for (int64_t strip = 0; strip < (width + STRIP_ROWS - 1) / STRIP_ROWS; ++strip) {
            const int64_t K = std::min(STRIP_ROWS, width - strip * STRIP_ROWS);
            Reader<T>& reader = own.reader(strip);
            if (multiplies_pairs())
                reader.paired.reserve(together, K, op.in == 0);
            else
                reader.columns.reserve(together, K, is_packed(outputs), op.in == 0);
        }
    }
}

template <class T>
int Engine<T>::moments() const {
    switch (settings_.rule) {
        case Rule::gradient_descent: return 0;
        case Rule::momentum:
        case Rule::nesterov:
        case Rule::rmsprop:
        case Rule::adagrad: return 1;
        case Rule::amsgrad: return 3;
        default: return 2;
    }
}

template <class T>
void Engine<T>::set_theta(const void* theta) {
    for (size_t s = 0; s < parameters_.size(); ++s) {
        const Slot& slot = program_.slots[s];
        to_panels(static_cast<const T*>(theta) + slot.start, parameters_[s].value.data(), slot.rows, slot.columns);
        for (int64_t n0 = 0; n0 < slot.columns; n0 += PANEL<T>) refresh(static_cast<int>(s), 0, slot.rows, n0);
    }
    are_weights_large_.store(false);
    measures_all_.store(growth_ > MOST_GROWTH<T>);
    note_parameter(largest_of(static_cast<const T*>(theta), program_.size));
}

template <class T>
void Engine<T>::get_theta(void* theta) const {
    for (size_t s = 0; s < parameters_.size(); ++s) {
        const Slot& slot = program_.slots[s];
        from_panels(parameters_[s].value.data(), static_cast<T*>(theta) + slot.start, slot.rows, slot.columns);
    }
}

template <class T>
void Engine<T>::set_state(int number, const void* a, const void* b) {
    const int64_t n = program_.states[number];
    std::copy(static_cast<const T*>(a), static_cast<const T*>(a) + n, states_[number].a.begin());
    std::copy(static_cast<const T*>(b), static_cast<const T*>(b) + n, states_[number].b.begin());
}

template <class T>
void Engine<T>::get_state(int number, void* a, void* b) const {
    const int64_t n = program_.states[number];
    std::copy(states_[number].a.begin(), states_[number].a.begin() + n, static_cast<T*>(a));
    std::copy(states_[number].b.begin(), states_[number].b.begin() + n, static_cast<T*>(b));
}

template <class T>
void Engine<T>::set_moment(int number, const void* values) {
    for (size_t s = 0; s < parameters_.size(); ++s) {
        const Slot& slot = program_.slots[s];
        if (parameters_[s].moment[number].empty()) continue;
        to_panels(static_cast<const T*>(values) + slot.start, parameters_[s].moment[number].data(), slot.rows, slot.columns);
    }
}

template <class T>
void Engine<T>::get_moment(int number, void* values) const {
    for (size_t s = 0; s < parameters_.size(); ++s) {
        const Slot& slot = program_.slots[s];
        if (parameters_[s].moment[number].empty()) continue;
        from_panels(parameters_[s].moment[number].data(), static_cast<T*>(values) + slot.start, slot.rows, slot.columns);
    }
}

template <class T>
void Engine<T>::keep_moments() {
    for (Parameter<T>& parameter : parameters_) {
        for (Array<T>* array : {&parameter.value, &parameter.transposed, &parameter.rounded, &parameter.g}) Array<T>().swap(*array);
        for (Array<Pair>* array : {&parameter.pairs, &parameter.transposed_pairs}) Array<Pair>().swap(*array);
    }
    std::vector<Buffer<T>>().swap(buffers_), std::vector<Cache<T>>().swap(caches_);
    std::vector<Workspace<T>>().swap(workspaces_), Array<T>().swap(part_gradients_);
}

template <class T>
int Engine<T>::team_size(int64_t batch, double work_a_thread) const {
    const double work = (operations_ * double(batch) + update_operations_) / work_a_thread;
    return std::max(1, std::min<int>(run_.threads, static_cast<int>(std::min(work, 1024.0))));
}

// Each thread computes a fixed range of the rows, as many at a time as its rows of the buffers; of a few rows, threads share
// the columns. After a stop or a failure every thread still comes to every barrier, and skips the work in between.
template <class T>
bool Engine<T>::predict(const Samples& samples, int64_t n, void* out, const Stop& stop) {
    const int64_t capacity = std::min(n, static_cast<int64_t>(row_scores_.size())), outputs = buffers_.back().width;
    const int wanted = team_size(n, is_one_row_ ? WORK_OF_ONE_ROW : WORK_A_THREAD);
    // At most one thread per row of the buffers: a thread without a row would never come to its end.
    Workers workers(static_cast<int>(std::clamp<int64_t>(capacity, 1, wanted)));
    const int present = workers.count();
    is_sparse_ = is_mostly_zero(samples, nullptr, n);
    const bool in_place = reads_samples(samples), is_long = operations_ * double(capacity) > LONG_STEP;
    std::atomic<bool> is_finite{true};
    reserve_workspaces(present);
    phases_.begin(present);
    workers.run([&](int number) {
        const int64_t r0 = first_row(number, present, capacity), room = first_row(number + 1, present, capacity) - r0;
        const int64_t last = first_row(number + 1, present, n);
        int64_t row = first_row(number, present, n);
        const auto look = [&] {
            if (number != 0 || !stop || phases_.is_lost()) return;
            if (stop() || passes(Place::stop)) phases_.stop();
            phases_.look_around();
        };
        do {
            if (row > 0) look();
            const int64_t r1 = r0 + std::min(room, last - row);
            const Samples part = samples.from(row - r0);  // row r0 of part is row `row` of samples
            const Rows<T> X{static_cast<const T*>(part.X), samples.stride / static_cast<int64_t>(sizeof(T))};
            const Rows<T> input = in_place ? X : rows_of(0);
            phases_.attempt([&] {
                passes(Place::gather);
                if (!in_place) gather(part, nullptr, r0, r1, workspaces_[number]);
                bool are_finite = true;
                if (is_sparse_)
                    are_finite = workspaces_[number].entries.are_finite();
                else
                    for (int64_t i = r0; i < r1; ++i) are_finite &= all_finite(input.row(i), program_.widths.front());
                if (!are_finite) is_finite.store(false, std::memory_order_relaxed);
            });
            Cut cut{*this, number, present, n <= capacity ? n : std::numeric_limits<int64_t>::max(), {r0, r1}};
            for (size_t o = 0; o < program_.ops.size(); ++o) {
                const Op& op = program_.ops[o];
                if (is_long) look();
                const Block block = cut(op, true);
                phases_.attempt([&] {
                    passes(Place::forward);
                    forward(op, caches_[o], block, nullptr, op.in == 0 ? input : rows_of(op.in), workspaces_[number]);
                });
            }
            phases_.attempt([&] {
                const Rows<T> a = rows_of(static_cast<int>(buffers_.size()) - 1);
                for (int64_t i = r0; i < r1; ++i)
                    std::copy(a.row(i), a.row(i) + outputs, static_cast<T*>(out) + (row + i - r0) * outputs);
            });
            row += room;
        } while (row < last);
    });
    if (phases_.failure()) std::rethrow_exception(phases_.failure());
    return is_finite.load(std::memory_order_relaxed);
}

// Whether the first dense reads the samples in place: they have its type and layout, and no other operation reads them.
template <class T>
bool Engine<T>::reads_samples(const Samples& samples) const {
    if (program_.ops.empty() || !program_.ops[0].is_dense()) return false;
    if (samples.indptr != nullptr || samples.column != 1) return false;
    if (samples.type != (sizeof(T) == 4 ? 1 : 2) || program_.scale != 1 || program_.offset != 0) return false;
    return consumers_of_input_ == 1 && samples.stride % static_cast<int64_t>(sizeof(T)) == 0;
}

// Whether X is a CSR matrix of few entries that the first dense alone reads, without an offset: its products then take the
// entries. Of more, dense rows are faster.
template <class T>
bool Engine<T>::is_mostly_zero(const Samples& samples, const int64_t* rows, int64_t n) const {
    const int64_t width = program_.widths.front();
    const bool may_be = samples.indptr != nullptr && !program_.ops.empty() && program_.ops[0].kind == Kind::dense &&
                        consumers_of_input_ == 1 && program_.offset == 0 && !run_.bf16 && width <= INT32_MAX;
    if (!may_be) return false;
    int64_t all = 0;
    with_types(samples, [&](auto*, auto*, auto* indptr) {
        for (int64_t i = 0; i < n; ++i) {
            const Entries entries(indptr, rows ? rows[i] : i, samples.entries);
            all += entries.end - entries.begin;
        }
    });
    return double(all) * WORTH_OF_AN_ENTRY < double(n) * double(width);
}

Session* make(const Program& program, const Run& run, int64_t capacity, bool trains, bool is_double) {
    if (is_double) return new Engine<double>(program, run, capacity, trains);
    return new Engine<float>(program, run, capacity, trains);
}

std::array<double, 3> check_kernels(int64_t rows, int64_t K, int64_t N, int64_t batch, uint64_t seed, bool is_double) {
    return is_double ? check<double>(rows, K, N, batch, seed) : check<float>(rows, K, N, batch, seed);
}

}  // namespace chainrule::CHAINRULE_ISA
