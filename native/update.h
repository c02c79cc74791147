// Over 300 lines because a strip's way from dL/dW to the new weights is read in one piece.
// The update, one strip of W at a time: dL/dW = a^T delta, penalty, clipping, the optimizer's rule, all while the strip is in
// the L1 cache. With clip_norm all gradients are stored first, because the rule needs their norm.
#pragma once

#include "ops/all.h"
#include "session.h"

namespace chainrule::CHAINRULE_ISA {

constexpr int64_t SHORT_BATCH = 512;  // largest batch for which reading a again is faster than reading W again
constexpr int64_t NEAR_BATCH = 512;  // samples whose columns of a strip stay in the L2 cache
constexpr int64_t GROUP = 4;         // panels that read these samples together
constexpr int64_t MANY_PANELS = 32;  // number of panels from which packing a strip's columns of a pays
static_assert(STRIP_ROWS % TILE_ROWS == 0 && STRIP_ROWS % PANEL<float> == 0 && STRIP_ROWS % PANEL<double> == 0);

template <class T>
constexpr int64_t STRIP = STRIP_ROWS * PANEL<T>;

// Whether a task has GROUP panels and takes NEAR_BATCH samples at a time, rather than one panel and the whole batch. A shared W
// takes the samples once for each group.
template <class T>
bool Engine<T>::shares_samples(const Op& op, int64_t columns) const {
    return samples_of(op) > NEAR_BATCH && columns < MANY_PANELS * PANEL<T>;
}

// The columns of a task. One of an embedding's table looks at every code of the batch; one of a column's bins has all of them,
// because dL/dW of a bin is a sum over the bins above it too; one of a column's waves too.
template <class T>
int64_t Engine<T>::task_width(const Op& op, const Slot& slot) const {
    if (op.kind == Kind::piecewise_linear || op.kind == Kind::periodic) return padded<T>(slot.columns);
    if (op.kind == Kind::embedding) return run_.batch_size > SHORT_BATCH ? GROUP * STRIP<T> : STRIP<T>;
    return shares_samples(op, slot.columns) ? GROUP * PANEL<T> : PANEL<T>;
}

// Whether the columns of a are packed for dL/dW (K, columns).
template <class T>
bool Engine<T>::is_packed(int64_t columns) const {
    return columns >= MANY_PANELS * PANEL<T>;
}

template <class T>
void Engine<T>::plan_tasks() {
    double cost = 0;
    for (int o = 0; o < static_cast<int>(program_.ops.size()); ++o)
        for (const int number : program_.ops[o].slots()) {
            if (!program_.slots[number].is_trained) continue;
            const Slot& slot = program_.slots[number];
            const int64_t width = task_width(program_.ops[o], slot);
            const auto add = [&](int64_t k0, int64_t n0) {
                const int64_t k1 = std::min(slot.rows, k0 + STRIP_ROWS), n1 = std::min(slot.columns, n0 + width);
                tasks_.push_back({o, number, n0, n1, k0, k1, gradient_size_, cost});
                gradient_size_ += (k1 - k0) * padded<T>(n1 - n0);
                const auto panels = double(padded<T>(n1 - n0) / PANEL<T>);
                cost += slot.size > 0 ? panels + 4 : double(k1 - k0 + 4) * panels;
            };
            if (samples_of(program_.ops[o]) <= SHORT_BATCH)  // panel by panel, as the walks read W
                for (int64_t n0 = 0; n0 < slot.columns; n0 += width)
                    for (int64_t k0 = 0; k0 < slot.rows; k0 += STRIP_ROWS) add(k0, n0);
            else  // a strip's columns of a stay in the cache for all panels
                for (int64_t k0 = 0; k0 < slot.rows; k0 += STRIP_ROWS)
                    for (int64_t n0 = 0; n0 < slot.columns; n0 += width) add(k0, n0);
        }
    int64_t columns = 0;
    for (const Slot& slot : program_.slots) {
        first_column_.push_back(columns);
        columns += (slot.rows + STRIP_ROWS - 1) / STRIP_ROWS * slot.columns;
    }
    if (program_.l2 > 0 || program_.l1 > 0) column_penalty_.resize(columns);
    if (run_.clip_norm > 0) column_square_.resize(columns);
}

// The index, in column_penalty_ and column_square_, of column n of the strip that begins at row k0.
template <class T>
int64_t Engine<T>::place(int slot, int64_t k0, int64_t n) const {
    return first_column_[slot] + k0 / STRIP_ROWS * program_.slots[slot].columns + n;
}

// Sums each of the first `columns` columns of a panel (rows, PANEL): sum_j = add(sum_j, x_kj), k ascending. The order is the
// same for every width of a panel.
template <class T, class Add>
void sum_columns(const T* panel, int64_t rows, int64_t columns, double* sums, Add&& add) {
    constexpr int64_t P = PANEL<T>;
    T sum[P] = {};
    for (int64_t k = 0; k < rows; ++k)
        for (int64_t j = 0; j < P; ++j) sum[j] = add(sum[j], panel[k * P + j]);
    std::copy(sum, sum + std::min(P, columns), sums);
}

// The sum of all values, in an order that depends on their number alone. Eight partial sums hide the latency of an addition.
inline double sum_of(const std::vector<double>& values) {
    constexpr size_t TOGETHER = 8;
    double sums[TOGETHER] = {}, all = 0;
    size_t i = 0;
    for (; i + TOGETHER <= values.size(); i += TOGETHER)
        for (size_t j = 0; j < TOGETHER; ++j) sums[j] += values[i + j];
    for (; i < values.size(); ++i) sums[i % TOGETHER] += values[i];
    for (const double sum : sums) all += sum;
    return all;
}

// Stores l2/2 sum_k w^2 + l1 sum_k |w| of each column, over rows k0 to k1 of a panel.
template <class T>
void Engine<T>::count_penalty(int slot, int64_t k0, int64_t k1, int64_t n0) {
    const Slot& W = program_.slots[slot];
    const T* panel = &parameters_[slot].value[n0 * W.rows + k0 * PANEL<T>];
    const int64_t columns = std::min<int64_t>(PANEL<T>, W.columns - n0);
    double square[PANEL<T>], absolute[PANEL<T>], *penalty = &column_penalty_[place(slot, k0, n0)];
    sum_columns(panel, k1 - k0, columns, square, [](T sum, T w) { return fused(w, w, sum); });
    for (int64_t j = 0; j < columns; ++j) penalty[j] = program_.l2 / 2 * square[j];
    if (program_.l1 == 0) return;
    sum_columns(panel, k1 - k0, columns, absolute, [](T sum, T w) { return sum + std::abs(w); });
    for (int64_t j = 0; j < columns; ++j) penalty[j] += program_.l1 * absolute[j];
}

// The penalty in a batch's loss: the sum of what is stored, times the step's factor.
template <class T>
double Engine<T>::penalty_of(const Batch& batch) const {
    return batch.penalty * sum_of(column_penalty_);
}

// Stores the penalty of the frozen weights, which is part of the loss and stays constant.
template <class T>
void Engine<T>::count_frozen_penalty() {
    for (int s = 0; s < static_cast<int>(program_.slots.size()); ++s) {
        const Slot& slot = program_.slots[s];
        if (!slot.is_weight || slot.is_trained || column_penalty_.empty()) continue;
        for (int64_t k = 0; k < slot.rows; k += STRIP_ROWS)
            for (int64_t n = 0; n < slot.columns; n += PANEL<T>) count_penalty(s, k, std::min(slot.rows, k + STRIP_ROWS), n);
    }
}

// The first task of a thread: the threads' shares have about the same cost.
template <class T>
int64_t Engine<T>::first_task(int thread, int count) const {
    if (thread == count) return static_cast<int64_t>(tasks_.size());
    const double all = tasks_.empty() ? 0 : tasks_.back().cost_before;
    const auto begin = std::partition_point(tasks_.begin(), tasks_.end(),
                                            [&](const Task& task) { return task.cost_before < all * thread / count; });
    return begin - tasks_.begin();
}

// Prefetches what the update of rows k0 to k1 of W's panel at column n0 reads and writes.
template <class T>
void Engine<T>::ask_for(int slot, int64_t k0, int64_t k1, int64_t n0) const {
    constexpr int P = PANEL<T>, BYTES = P * sizeof(T);
    const Parameter<T>& parameter = parameters_[slot];
    const int64_t at = n0 * program_.slots[slot].rows + k0 * P;
    prefetch(&parameter.value[at], (k1 - k0) * BYTES);
    for (int k = 0; k < moments(); ++k) prefetch(&parameter.moment[k][at], (k1 - k0) * BYTES);
    if (parameter.transposed.empty()) return;
    for (int64_t k = k0; k < k1; ++k)  // for P values of k, the P rows of W^T's panel that hold them
        prefetch(parameter.transposed.data() + (k / P * program_.slots[slot].columns + n0 + k % P) * P, BYTES);
}

// Sets what a gradient g (panels, K, PANEL) has beyond its columns to 0: the last panel of a group has read the next group's delta.
template <class T>
void clear_padding(const Op& op, T* g, int64_t K, int64_t columns) {
    constexpr int64_t P = PANEL<T>;
    if (op.groups == 1 || columns % P == 0) return;
    T* last = g + columns / P * P * K;
    for (int64_t k = 0; k < K; ++k) std::fill(last + k * P + columns % P, last + (k + 1) * P, T(0));
}

// g (panels, k1 - k0, PANEL) = the gradient of a task's parameter from rows r0 to r1 of the buffers, added to g if `more`.
// has_gaps: many numbers of the input are 0.
template <class T>
void Engine<T>::gradient_of(const Task& task, int64_t r0, int64_t r1, bool has_gaps, bool more, T* g, Workspace<T>& own) {
    constexpr int64_t P = PANEL<T>;
    const Op& op = program_.ops[task.op];
    const Buffer<T>&in = buffers_[op.in], &out = buffers_[op.out];
    const Cache<T>& cache = caches_[task.op];
    const int64_t K = task.k1 - task.k0, N = program_.slots[task.slot].columns;
    const bool is_first = task.slot >= op.slot0 && task.slot < op.slot0 + op.copies();  // W, gamma, ...
    const int g0 = op.shares ? 0 : task.slot - (is_first ? op.slot0 : op.slot1), g1 = op.shares ? op.groups : g0 + 1;
    if (op.is_dense() && is_first) {  // dL/dW = a^T delta, summed over the groups that share W
        if (reads_entries(op)) return gradient_of_entries(task, more, g, own);
        const int64_t width = in.width / op.groups;
        const bool is_far = width * N * static_cast<int64_t>(sizeof(T)) > NEAR;
        const Reading reading = op.in == 0 && has_gaps ? Reading::sparse
                                : is_packed(N)         ? Reading::packed
                                                       : Reading::in_place;
        Reader<T>& reader = own.reader(task.k0 / STRIP_ROWS);
        const int64_t most = shares_samples(op, N) ? NEAR_BATCH : r1 - r0;
        for (int group = g0; group < g1; ++group)
            for (int64_t s = r0; s < r1; s += most) {
                const int64_t size = std::min(most, r1 - s);
                const bool begins = s == r0 && group == g0;
                const T* a = &in.a[s * in.ld + group * width + task.k0];
                for (int64_t n = task.n0; n < task.n1; n += P) {
                    const T* delta = &out.grad[s * out.ld + group * N + n];
                    const auto strip = [&](const auto& columns, const auto* panel, int64_t ld, int64_t samples) {
                        gradient_strip(columns, panel, ld, g + (n - task.n0) * K, samples, K, N - n, more || !begins,
                                       [&](int64_t k0, int64_t k1) {
                                           if (is_far && begins) ask_for(task.slot, task.k0 + k0, task.k0 + k1, n);
                                       });
                    };
                    if (!multiplies_pairs()) {
                        reader.columns.read(a, in.ld, size, K, reading);
                        strip(reader.columns, delta, out.ld, size);
                    } else if constexpr (PAIRED<T>) {
                        reader.paired.read(a, in.ld, size, K, reading);
                        strip(reader.paired.columns, reader.paired.panel(delta, out.ld), P, halved(size));
                    }
                }
            }
        return clear_padding(op, g, K, task.n1 - task.n0);
    }
    if (op.kind == Kind::embedding) {
        const auto t = static_cast<size_t>(task.slot - op.slot0), batch = cache.codes.size() / cache.tables.size();
        if (!more) std::fill_n(g, padded<T>(task.n1 - task.n0), T(0));
        return ops::embedding::sum_by_code(cache.tables[t], &cache.codes[t * batch], gradient_rows_of(op.out), r0, r1, task.n0,
                                           task.n1, g);
    }
    if (op.kind == Kind::piecewise_linear || op.kind == Kind::periodic) {
        if (!more) std::fill_n(g, padded<T>(task.n1 - task.n0), T(0));
        return column_gradient(task, r0, r1, g, own);
    }
    for (int64_t n = task.n0; n < task.n1; n += P) {
        T sum[P] = {}, *to = g + n - task.n0;
        if (more) std::copy(to, to + P, sum);
        for (int group = g0; group < g1; ++group)
            ops::gradient(ops::Gradient<T>{op, cache, task.slot, rows_of(op.in), gradient_rows_of(op.out), r0, r1, group * N + n}, sum);
        std::copy(sum, sum + P, to);
    }
    clear_padding(op, g, 1, task.n1 - task.n0);
}

// gradient_of for a dense that reads entries: those of all threads' rows, or of its own thread's with micro-batches. Threads have
// rows in the order of their numbers. A strip's few entries leave no time to prefetch in, and the processor follows the strips.
template <class T>
void Engine<T>::gradient_of_entries(const Task& task, bool more, T* g, const Workspace<T>& own) const {
    const Buffer<T>& out = buffers_[program_.ops[task.op].out];
    const int64_t K = task.k1 - task.k0, strip = task.k0 / STRIP_ROWS;
    const Workspace<T>* first = microbatch_ > 0 ? &own : workspaces_.data();
    const Workspace<T>* last = first + (microbatch_ > 0 ? 1 : present_);
    for (int64_t n = task.n0; n < task.n1; n += PANEL<T>, g += K * PANEL<T>) {
        if (!more) std::fill_n(g, K * PANEL<T>, T(0));
        for (const Workspace<T>* each = first; each != last; ++each)
            add_entries(each->entries.begin(strip), each->entries.end(strip), out.grad.data() + n, out.ld, out.width - n, g);
    }
}

// g += the gradient of one of a piecewise_linear's or a periodic's parameters.
template <class T>
void Engine<T>::column_gradient(const Task& task, int64_t r0, int64_t r1, T* g, Workspace<T>& own) const {
    const Op& op = program_.ops[task.op];
    const Cache<T>& cache = caches_[task.op];
    const auto t = static_cast<size_t>((task.slot - op.slot0) % op.embeds());
    if (op.kind == Kind::periodic) {
        const int64_t first = static_cast<int64_t>(t) * padded<T>(cache.wavy[t].frequencies);
        return ops::periodic::gradient_of_column(cache.wavy[t], first, (task.slot - op.slot0) / op.embeds(), cache, rows_of(op.in),
                                                 gradient_rows_of(op.out), r0, r1, g);
    }
    const auto batch = cache.codes.size() / cache.embedded.size();
    const Embedded& of = cache.embedded[t];
    const Rows<T> a = rows_of(op.in), delta = gradient_rows_of(op.out);
    if (task.slot == of.E)
        ops::piecewise_linear::weights(of, &cache.codes[t * batch], &cache.parts[t * batch], delta, r0, r1, g, own.whole.data());
    else if (task.slot == of.w0)
        ops::piecewise_linear::line(of, delta, r0, r1, g, [&](int64_t i) { return a.row(i)[of.column]; });
    else
        ops::piecewise_linear::line(of, delta, r0, r1, g, [](int64_t) { return T(1); });
}

// g = clip(g + factor (l2 W + l1 sign(W)), -clip_value, clip_value) for a panel of a task. Stores the penalty of W before the
// step, without the factor.
template <class T>
void Engine<T>::add_penalty_and_clip(const Task& task, int64_t n0, double factor, T* g) {
    const Slot& slot = program_.slots[task.slot];
    const int64_t n = (task.k1 - task.k0) * PANEL<T>;
    if (slot.is_weight && !column_penalty_.empty()) {
        const T l2 = T(program_.l2 * factor), l1 = T(program_.l1 * factor);
        const T* W = &parameters_[task.slot].value[n0 * slot.rows + task.k0 * PANEL<T>];
        count_penalty(task.slot, task.k0, task.k1, n0);
        if (l1 == 0)
            for (int64_t i = 0; i < n; ++i) g[i] += l2 * W[i];
        else
            for (int64_t i = 0; i < n; ++i) g[i] += l2 * W[i] + (W[i] > 0 ? l1 : W[i] < 0 ? -l1 : T(0));
    }
    if (run_.clip_value > 0) {
        const T limit = T(run_.clip_value);
        for (int64_t i = 0; i < n; ++i) g[i] = g[i] > limit ? limit : g[i] < -limit ? -limit : g[i];
    }
}

// refresh, for pairs: rounds W to bfloat16, and pairs neighbors in its columns for W and in its rows for W^T.
template <class T>
void Engine<T>::refresh_pairs(int slot, int64_t k0, int64_t k1, int64_t n0) {
    constexpr int64_t P = PANEL<T>;
    alignas(CACHE_LINE) T strip[STRIP<T>];        // (rows, PANEL)
    alignas(CACHE_LINE) Pair words[STRIP<T>];
    Parameter<T>& parameter = parameters_[slot];
    const Slot& W = program_.slots[slot];
    Pair* transposed = parameter.transposed_pairs.empty() ? nullptr : parameter.transposed_pairs.data();
    for (int64_t k = k0; k < k1; k += STRIP_ROWS) {
        const int64_t rows = std::min(STRIP_ROWS, k1 - k);
        std::copy_n(&parameter.value[n0 * W.rows + k * P], rows * P, strip);
        round_bf16(strip, rows * P);
        pair_strip(strip, parameter.pairs.data(), transposed, k, k + rows, n0, W.rows, W.columns, words);
    }
}

// Updates the copies of W that products read (rounded, transposed, paired), after a change of rows k0 to k1 of its panel at n0;
// and a column's sums of bins or W2^T, whose panels change together.
template <class T>
void Engine<T>::refresh(int slot, int64_t k0, int64_t k1, int64_t n0) {
    Parameter<T>& parameter = parameters_[slot];
    if (!parameter.sums.empty()) {
        const int64_t size = program_.slots[slot].size, numbers = program_.slots[slot].columns;
        for (int64_t n = size; n < numbers && n0 == 0; ++n) parameter.sums[n] = parameter.sums[n - size] + parameter.value[n - size];
        return;
    }
    if (program_.slots[slot].size > 0) {
        if (parameter.transposed.empty() || n0 > 0) return;
        const int64_t sums = program_.slots[slot].size, frequencies = program_.slots[slot].columns / sums;
        for (int64_t k = 0; k < sums; ++k)
            for (int64_t f = 0; f < frequencies; ++f) parameter.transposed[k * padded<T>(frequencies) + f] = parameter.value[f * sums + k];
        return;
    }
    const int64_t at = n0 * program_.slots[slot].rows + k0 * PANEL<T>, n = (k1 - k0) * PANEL<T>;
    const T* W = &parameter.value[at];
    if constexpr (PAIRED<T>)
        if (!parameter.pairs.empty()) return refresh_pairs(slot, k0, k1, n0);
    if (!parameter.rounded.empty()) {
        T* to = &parameter.rounded[at];
        std::copy(W, W + n, to);
        round_bf16(to, n);
        W = to;
    }
    if (!parameter.transposed.empty())
        transpose_strip(W, parameter.transposed.data(), k0, k1, n0, program_.slots[slot].columns);
}

// Applies the rule to the rows `which` of a task's panel that begins at column n0.
template <class T>
template <class Which, class G>
void Engine<T>::apply(const Task& task, int64_t n0, Which which, G g) {
    Parameter<T>& parameter = parameters_[task.slot];
    const int64_t at = n0 * program_.slots[task.slot].rows + task.k0 * PANEL<T>;
    auto moment = [&](int k) { return parameter.moment[k].empty() ? nullptr : &parameter.moment[k][at]; };
    const T largest = update(settings_.rule, step_of(task.slot), which, g, &parameter.value[at], moment(0), moment(1), moment(2));
    if (!std::isfinite(largest) || passes(Place::rule)) overflow_.store(true, std::memory_order_relaxed);
    note_parameter(largest);
    refresh(task.slot, task.k0, task.k1, n0);
}

// Applies the rule to all panels of a task, with the gradient g (panels, k1 - k0, PANEL). Those of a table, of one row each, lie
// as the rows of a panel do.
template <class T>
void Engine<T>::apply_all(const Task& task, const T* g) {
    const int64_t K = task.k1 - task.k0;
    if (visits_rows(task) && microbatch_ == 0) return apply_to_rows(task, g);
    if (program_.slots[task.slot].size > 0) return apply(task, task.n0, All{padded<T>(task.n1 - task.n0) / PANEL<T>}, Stored<T>{g});
    for (int64_t n = task.n0; n < task.n1; n += PANEL<T>) apply(task, n, All{K}, Stored<T>{g + (n - task.n0) * K});
}

// Whether the rule changes nothing where the gradient is 0, so that only rows of W with an entry in the batch need a visit.
template <class T>
bool Engine<T>::visits_rows(const Task& task) const {
    const Op& op = program_.ops[task.op];
    return reads_entries(op) && task.slot == op.slot0 && settings_.rule == Rule::gradient_descent && column_penalty_.empty();
}

// apply_all for these rows.
template <class T>
void Engine<T>::apply_to_rows(const Task& task, const T* g) {
    bool is_there[STRIP_ROWS] = {};
    uint8_t at[STRIP_ROWS];
    for (int number = 0; number < present_; ++number) workspaces_[number].entries.mark(task.k0 / STRIP_ROWS, is_there);
    int64_t count = 0;
    for (int64_t k = 0; k < task.k1 - task.k0; ++k) at[count] = static_cast<uint8_t>(k), count += is_there[k];
    for (int64_t n = task.n0; n < task.n1; n += PANEL<T>)
        apply(task, n, Places{at, count}, Stored<T>{g + (n - task.n0) * (task.k1 - task.k0)});
}

// The update of a dense's W from one sample: the rule computes dL/dW[k, n] = a[k] delta[n] itself. Returns false, and does
// nothing, for another parameter, or if a penalty, clip_value or micro-batches need the gradient.
template <class T>
bool Engine<T>::apply_outer(const Task& task) {
    const Op& op = program_.ops[task.op];
    const bool is_wanted = run_.clip_value > 0 || program_.l2 > 0 || program_.l1 > 0;
    if (is_wanted || microbatch_ > 0 || op.kind != Kind::dense || task.slot != op.slot0 || reads_entries(op)) return false;
    const T *a = &buffers_[op.in].a[task.k0], *delta = &buffers_[op.out].grad[task.n0];
    for (int64_t n = task.n0; n < task.n1; n += PANEL<T>) apply(task, n, All{task.k1 - task.k0}, Outer<T>{a, delta + n - task.n0});
    return true;
}

// Scales each column of a panel of W to a norm of at most max_norm.
template <class T>
void Engine<T>::bound_norms(int slot, int64_t n0) {
    const int64_t rows = program_.slots[slot].rows;
    T* W = &parameters_[slot].value[n0 * rows];
    const T limit = T(program_.max_norm);
    T square[PANEL<T>] = {};
    for (int64_t k = 0; k < rows; ++k)
        for (int64_t j = 0; j < PANEL<T>; ++j) square[j] = fused(W[k * PANEL<T> + j], W[k * PANEL<T> + j], square[j]);
    for (int64_t j = 0; j < PANEL<T>; ++j) {
        const T norm = std::sqrt(square[j]);
        if (norm > limit)
            for (int64_t k = 0; k < rows; ++k) W[k * PANEL<T> + j] *= limit / norm;
    }
    refresh(slot, 0, rows, n0);
}

// Calls use(task, g) for each task that this thread takes: g (panels, k1 - k0, PANEL) is its gradient with penalty, clipped by
// value. Skips the tasks that use.takes(task) has done.
template <class T>
template <class Use>
void Engine<T>::each_gradient(const Batch& batch, const Member& me, Use&& use) {
    T* group = workspaces_[me.number].gradient.data();
    const Buffer<T>& input = buffers_[0];
    const bool gaps = microbatch_ == 0 && !is_sparse_ && has_gaps(input.a.data(), input.ld, batch.size, input.width);
    Workspace<T>& own = workspaces_[me.number];
    own.forget();
    for (int64_t t; (t = take(task_shares_, me.number, me.present)) >= 0;) {
        const Task& task = tasks_[t];
        if (use.takes(task)) continue;
        if (microbatch_ > 0)
            sum_parts(task, parts_of(batch.size), group);
        else
            gradient_of(task, 0, batch.size, gaps, false, group, own);
        for (int64_t n = task.n0; n < task.n1; n += PANEL<T>)
            add_penalty_and_clip(task, n, batch.penalty, group + (n - task.n0) * (task.k1 - task.k0));
        use(task, group);
    }
}

// Computes all gradients and checks that they are finite. With clip_norm, stores them and the squared norms of their columns.
template <class T>
void Engine<T>::make_gradients(const Batch& batch, const Member& me) {
    struct Look {
        Engine& engine;

        bool takes(const Task&) const { return false; }
        void operator()(const Task& task, const T* g) const {
            const int64_t size = (task.k1 - task.k0) * PANEL<T>;
            for (int64_t n = task.n0; n < task.n1; n += PANEL<T>, g += size) {
                if (!all_finite(g, size) || passes(Place::gradient)) engine.overflow_.store(true, std::memory_order_relaxed);
                if (!engine.waits_for_norm()) continue;
                sum_columns(g, task.k1 - task.k0, engine.program_.slots[task.slot].columns - n,
                            &engine.column_square_[engine.place(task.slot, task.k0, n)], [](T sum, T x) { return fused(x, x, sum); });
                std::copy(g, g + size, engine.kept_gradient(task, n));
            }
        }
    };
    phases_.attempt([&] { each_gradient(batch, me, Look{*this}); });
}

// Computes the gradient and applies the rule, strip by strip. All gradients are known to be finite.
template <class T>
void Engine<T>::update_strips(const Batch& batch, const Member& me) noexcept {
    struct Apply {
        Engine& engine;
        bool is_one_sample;

        bool takes(const Task& task) const { return is_one_sample && engine.apply_outer(task); }
        void operator()(const Task& task, const T* g) const { engine.apply_all(task, g); }
    };
    each_gradient(batch, me, Apply{*this, batch.size == 1});
}

// Applies the rule to a thread's tasks, with the stored gradients scaled to a norm of at most clip_norm.
template <class T>
void Engine<T>::update_clipped(const Member& me) noexcept {
    const double norm = std::sqrt(sum_of(column_square_));
    const T scale = T(norm > run_.clip_norm ? run_.clip_norm / norm : 1.0);
    for (int64_t t = first_task(me.number, me.present); t < first_task(me.number + 1, me.present); ++t) {
        const Task& task = tasks_[t];
        const int64_t panels = padded<T>(task.n1 - task.n0) / PANEL<T>, rows = task.k1 - task.k0;
        const bool is_table = program_.slots[task.slot].size > 0;  // its panels, of one row each, lie side by side
        for (int64_t p = 0; p < (is_table ? 1 : panels); ++p) {
            T* g = kept_gradient(task, task.n0 + p * PANEL<T>);
            const int64_t together = is_table ? panels : rows;
            for (int64_t i = 0; i < together * PANEL<T>; ++i) g[i] *= scale;
            apply(task, task.n0 + p * PANEL<T>, All{together}, Stored<T>{g});
        }
    }
}

// Scales each column of a thread's weights to a norm of at most max_norm.
template <class T>
void Engine<T>::bound_all_norms(const Member& me) noexcept {
    passes(Place::norms);
    for (int64_t t = first_task(me.number, me.present); t < first_task(me.number + 1, me.present); ++t) {
        const Task& task = tasks_[t];
        if (task.k0 != 0 || !program_.slots[task.slot].is_weight) continue;
        for (int64_t n = task.n0; n < task.n1; n += PANEL<T>) bound_norms(task.slot, n);
    }
}

}  // namespace chainrule::CHAINRULE_ISA
