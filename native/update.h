// The update, one strip of W at a time: dL/dW = a^T delta, penalty, clipping, the optimizer's rule, all while the strip is in
// the L1 cache. With clip_norm all gradients are stored first, because the rule needs their norm.
#pragma once

#include "session.h"

namespace chainrule::CHAINRULE_ISA {

template <class T>
void Engine<T>::plan_tasks() {
    double cost = 0;
    for (int o = 0; o < static_cast<int>(ops_.size()); ++o)
        for (int place = 0; place < static_cast<int>(ops_[o]->slots.size()); ++place) {
            const int number = ops_[o]->slots[place];
            if (!net_.is_trained(number)) continue;
            const Slot& slot = net_.slots[number];
            const int64_t width = ops_[o]->task_width(slot);
            const auto add = [&](int64_t k0, int64_t n0) {
                const int64_t k1 = std::min(slot.rows, k0 + STRIP_ROWS), n1 = std::min(slot.columns, n0 + width);
                tasks_.push_back({o, place, number, n0, n1, k0, k1, gradient_size_, cost});
                gradient_size_ += (k1 - k0) * padded<T>(n1 - n0);
                const auto panels = double(padded<T>(n1 - n0) / PANEL<T>);
                cost += slot.rows == 1 ? panels + 4 : double(k1 - k0 + 4) * panels;
            };
            if (ops_[o]->samples() <= SHORT_BATCH)  // panel by panel, as the walks read W
                for (int64_t n0 = 0; n0 < slot.columns; n0 += width)
                    for (int64_t k0 = 0; k0 < slot.rows; k0 += STRIP_ROWS) add(k0, n0);
            else  // a strip's columns of a stay in the cache for all panels
                for (int64_t k0 = 0; k0 < slot.rows; k0 += STRIP_ROWS)
                    for (int64_t n0 = 0; n0 < slot.columns; n0 += width) add(k0, n0);
        }
    int64_t columns = 0;
    for (const Slot& slot : net_.slots) {
        first_column_.push_back(columns);
        columns += (slot.rows + STRIP_ROWS - 1) / STRIP_ROWS * slot.columns;
    }
    if (program_.l2 > 0 || program_.l1 > 0) column_penalty_.resize(columns);
    if (run_.clip_norm > 0) column_square_.resize(columns);
}

// The index, in column_penalty_ and column_square_, of column n of the strip that begins at row k0.
template <class T>
int64_t Engine<T>::place(int slot, int64_t k0, int64_t n) const {
    return first_column_[slot] + k0 / STRIP_ROWS * net_.slots[slot].columns + n;
}

// Sums each of the first `columns` columns of a panel (rows, PANEL): sum_j = add(sum_j, x_kj), k ascending. The order is the
// same for every width of a panel.
template <class T, class Add>
void sum_columns(const T* panel, int64_t rows, int64_t columns, double* sums, Add&& add) {
    constexpr int64_t P = PANEL<T>;
    T sum[P] = {};
    for (int64_t k = 0; k < rows; ++k)
        CHAINRULE_VECTORS
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
    const Slot& W = net_.slots[slot];
    const T* panel = &net_.panels[slot].value[n0 * W.rows + k0 * PANEL<T>];
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
    for (int s = 0; s < static_cast<int>(net_.slots.size()); ++s) {
        const Slot& slot = net_.slots[s];
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

// g (panels, k1 - k0, PANEL) = the gradient of a task's slot from rows r0 to r1 of the buffers, added to g if `more`. has_gaps:
// many numbers of the input are 0.
template <class T>
void Engine<T>::gradient_of(const Task& task, int64_t r0, int64_t r1, bool has_gaps, bool more, T* g, Workspace<T>& own) {
    const Op& op = program_.ops[task.op];
    ops_[task.op]->gradient({task, r0, r1, net_.rows_of(op.in), net_.gradient_rows_of(op.out), has_gaps, more, own}, g);
    for (int64_t k = 0; k < net_.sloped_outputs(); ++k)
        ops_[task.op]->gradient_tangent({task, r0, r1, net_.rows_of(op.in), net_.slope_rows_of(op.out, k), false, true, own}, net_.dot_rows_of(op.in, k), g);
}

// g = clip(g + factor (l2 W + l1 sign(W)), -clip_value, clip_value) for a panel of a task. Stores the penalty of W before the
// step, without the factor.
template <class T>
void Engine<T>::add_penalty_and_clip(const Task& task, int64_t n0, double factor, T* g) {
    const Slot& slot = net_.slots[task.slot];
    const int64_t n = (task.k1 - task.k0) * PANEL<T>;
    if (slot.is_weight && !column_penalty_.empty()) {
        const T l2 = T(program_.l2 * factor), l1 = T(program_.l1 * factor);
        const T* W = &net_.panels[task.slot].value[n0 * slot.rows + task.k0 * PANEL<T>];
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

// Calls use(n0, n1, rows) for the panels of a task, columns n0 to n1 and so many rows: one after the other, or all together if they
// have one row each, which then lie as the rows of a panel do.
template <class T>
template <class Use>
void Engine<T>::each_panel(const Task& task, Use&& use) const {
    if (net_.slots[task.slot].rows == 1) return use(task.n0, task.n1, padded<T>(task.columns()) / PANEL<T>);
    for (int64_t n = task.n0; n < task.n1; n += PANEL<T>) use(n, std::min(n + PANEL<T>, task.n1), task.rows());
}

// Moves each number of the rows `which` of w (rows, PANEL) to within(i, w), the nearest one within its bounds.
template <class T, class Which, class Within>
void bound(Which which, T* __restrict w, Within&& within) {
    constexpr int64_t P = PANEL<T>;
    for (int64_t c = 0; c < which.count; ++c)
        for (int64_t i = which[c] * P; i < which[c] * P + P; ++i) w[i] = within(i, w[i]);
}

// Applies the rule to the rows `which` of a task's panel, or panels of one row, columns n0 to n1, and moves them into their bounds.
template <class T>
template <class Which, class G>
void Engine<T>::apply(const Task& task, int64_t n0, int64_t n1, Which which, G g) {
    Panels<T>& panels = net_.panels[task.slot];
    const int64_t at = n0 * net_.slots[task.slot].rows + task.k0 * PANEL<T>;
    auto moment = [&](int k) { return panels.moment[k].empty() ? nullptr : &panels.moment[k][at]; };
    const T largest = update(settings_.rule, step_of(task.slot), which, g, &panels.value[at], moment(0), moment(1), moment(2));
    if (!std::isfinite(largest) || passes(Place::rule)) overflow_.store(true, std::memory_order_relaxed);
    note_parameter(largest);
    if (!panels.lower.empty()) bound(which, &panels.value[at], [lower = &panels.lower[at]](int64_t i, T w) { return std::max(w, lower[i]); });
    if (!panels.upper.empty()) bound(which, &panels.value[at], [upper = &panels.upper[at]](int64_t i, T w) { return std::min(w, upper[i]); });
    refresh(task.slot, task.k0, task.k1, n0, n1);
}

// Applies the rule to a task, with the gradient g (panels, k1 - k0, PANEL). Where it changes nothing if the gradient is 0, it visits
// only the rows whose gradient may be another.
template <class T>
void Engine<T>::apply_all(const Task& task, const T* g) {
    uint8_t at[STRIP_ROWS];
    const bool skips_zeros = settings_.rule == Rule::gradient_descent && column_penalty_.empty() && net_.microbatch == 0;
    const int64_t count = skips_zeros ? ops_[task.op]->rows_of(task, at) : -1;
    if (count < 0)
        return each_panel(task, [&](int64_t n0, int64_t n1, int64_t rows) {
            apply(task, n0, n1, All{rows}, Stored<T>{g + (n0 - task.n0) * task.rows()});
        });
    for (int64_t n = task.n0; n < task.n1; n += PANEL<T>)
        apply(task, n, n + PANEL<T>, Places{at, count}, Stored<T>{g + (n - task.n0) * task.rows()});
}

// The update from one sample of what is the product of two vectors: the rule computes it itself. Returns false, and does nothing, for
// another parameter, or if a penalty, clip_value or micro-batches need the gradient.
template <class T>
bool Engine<T>::apply_outer(const Task& task) {
    if (run_.clip_value > 0 || program_.l2 > 0 || program_.l1 > 0 || net_.microbatch > 0) return false;
    const std::optional<Outer<T>> found = ops_[task.op]->outer(task);
    if (!found) return false;
    for (int64_t n = task.n0; n < task.n1; n += PANEL<T>)
        apply(task, n, n + PANEL<T>, All{task.rows()}, Outer<T>{found->a, found->delta + n - task.n0});
    return true;
}

// Scales each column of a task's panels of W to a norm of at most max_norm.
template <class T>
void Engine<T>::bound_norms(const Task& task) {
    const int64_t rows = net_.slots[task.slot].rows;
    const T limit = T(program_.max_norm);
    for (int64_t n0 = task.n0; n0 < task.n1; n0 += PANEL<T>) {
        T *W = &net_.panels[task.slot].value[n0 * rows], square[PANEL<T>] = {};
        for (int64_t k = 0; k < rows; ++k)
            for (int64_t j = 0; j < PANEL<T>; ++j) square[j] = fused(W[k * PANEL<T> + j], W[k * PANEL<T> + j], square[j]);
        for (int64_t j = 0; j < PANEL<T>; ++j) {
            const T norm = std::sqrt(square[j]);
            if (norm > limit)
                for (int64_t k = 0; k < rows; ++k) W[k * PANEL<T> + j] *= limit / norm;
        }
    }
    refresh(task.slot, 0, rows, task.n0, task.n1);
}

// Calls use(task, g) for each task that this thread takes: g (panels, k1 - k0, PANEL) is its gradient with penalty, clipped by
// value. Skips the tasks that use.takes(task) has done.
template <class T>
template <class Use>
void Engine<T>::each_gradient(const Batch& batch, const Member& me, Use&& use) {
    T* group = net_.workspaces[me.number].gradient.data();
    const Buffer<T>& input = net_.buffers[0];
    const bool gaps = net_.microbatch == 0 && !net_.is_sparse && has_gaps(input.a.data(), input.ld, batch.size, input.width);
    Workspace<T>& own = net_.workspaces[me.number];
    own.forget();
    for (int64_t t; (t = take(task_shares_, me.number, me.present)) >= 0;) {
        const Task& task = tasks_[t];
        if (use.takes(task)) continue;
        if (net_.microbatch > 0)
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
                sum_columns(g, task.k1 - task.k0, engine.net_.slots[task.slot].columns - n,
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
    each_gradient(batch, me, Apply{*this, batch.size == 1 && !program_.slopes});
}

// Applies the rule to a thread's tasks, with the stored gradients scaled to a norm of at most clip_norm.
template <class T>
void Engine<T>::update_clipped(const Member& me) noexcept {
    const double norm = std::sqrt(sum_of(column_square_));
    const T scale = T(norm > run_.clip_norm ? run_.clip_norm / norm : 1.0);
    for (int64_t t = first_task(me.number, me.present); t < first_task(me.number + 1, me.present); ++t) {
        const Task& task = tasks_[t];
        each_panel(task, [&](int64_t n0, int64_t n1, int64_t rows) {
            T* g = kept_gradient(task, n0);
            for (int64_t i = 0; i < rows * PANEL<T>; ++i) g[i] *= scale;
            apply(task, n0, n1, All{rows}, Stored<T>{g});
        });
    }
}

// Scales each column of a thread's weights to a norm of at most max_norm.
template <class T>
void Engine<T>::bound_all_norms(const Member& me) noexcept {
    passes(Place::norms);
    for (int64_t t = first_task(me.number, me.present); t < first_task(me.number + 1, me.present); ++t) {
        const Task& task = tasks_[t];
        if (task.k0 == 0 && net_.slots[task.slot].is_weight) bound_norms(task);
    }
}

}  // namespace chainrule::CHAINRULE_ISA
