// Training steps: what each thread does.
//
// A step is a sequence of phases (phases.h). Each ends at a barrier, at which one thread decides for all:
//
//     walks       each thread takes its rows of the batch forward and backward; no parameter changes
//                 -> the call ends if it was stopped, has failed, or the loss is not finite
//     gradients   only with clip_norm, or if a gradient might overflow: all are computed, none is used
//                 -> the call ends if one is not finite
//     update      each thread updates strips of the weights; nothing here throws
//     norms       only with max_norm: the columns of the weights are scaled
//                 -> the call ends if a parameter is not finite; otherwise the step counts
//
// So a step that ends before its update changes nothing. A large batch of a small network is cut into micro-batches
// (microbatches.h).
#pragma once

#include <chrono>

#include "microbatches.h"
#include "update.h"

namespace chainrule::CHAINRULE_ISA {

constexpr double LONG_STEP = 1e8;  // operations from which a step asks before each operation whether to stop

template <class T>
Outcome Engine<T>::steps(const Samples& samples, const int64_t* rows, int64_t n_rows, const StepSettings& settings,
                         int64_t n_steps, int64_t first, int64_t step_offset, double* sums, const Stop& stop) {
    Call call{samples, rows, n_rows, settings, first, step_offset, sums, stop, {0, End::done}};
    count_frozen_penalty();
    net_.is_sparse = !program_.slopes && is_mostly_zero(samples, rows, n_rows);
    while (call.goes_on() && call.outcome.steps < n_steps) {
        const int64_t k0 = call.outcome.steps, k1 = std::min(n_steps, k0 + team_.steps());
        Workers workers(team_.count());
        phases_.begin(net_.present = workers.count());
        const auto start = std::chrono::steady_clock::now();
        workers.run([&](int number) {
            const TilesInUse here(net_.has_tiles());
            some_steps(call, k0, k1, {number, workers.count()});
        });
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
        team_.took(spent.count() / double(k1 - k0));
    }
    overflow_.store(false);
    return call.outcome;
}

template <class T>
Batch Engine<T>::batch_of(const Call& call, int64_t k) const {
    const int64_t begin = k * run_.batch_size, size = std::min(run_.batch_size, call.n_rows - begin);
    Batch batch{begin, call.rows + begin, size, static_cast<uint32_t>(call.step_offset + call.first + k), double(size),
                call.settings.dropout[k], call.settings.penalty[k], call.settings.smoothing[k]};
    if (const double* weight = call.samples.weight; weight != nullptr) {
        batch.total = 0;
        for (int64_t i = 0; i < size; ++i) batch.total += weight[batch.rows[i]];
    }
    return batch;
}

// What one thread does in steps k0 to k1. No decision changes between two barriers, so all threads come to the same barriers.
template <class T>
void Engine<T>::some_steps(Call& call, int64_t k0, int64_t k1, const Member& me) noexcept {
    for (int64_t k = k0; k < k1; ++k) {
        const Batch batch = batch_of(call, k);
        if (net_.microbatch > 0)
            walk_microbatches(call, batch, me);
        else
            walk_rows(call, batch, me);
        task_shares_[me.number].deal(first_task(me.number, me.present), first_task(me.number + 1, me.present));
        phases_.meet([&] { decide_on_update(call, batch, k, me.present); });
        if (!call.goes_on()) return;
        if (call.looks_first) {
            make_gradients(batch, me);
            phases_.meet([&] { decide_on_gradients(call, batch, me.present); });
            if (!call.goes_on()) return;
        }
        if (waits_for_norm())
            update_clipped(me);
        else
            update_strips(batch, me);
        if (program_.max_norm > 0) {
            phases_.meet();
            bound_all_norms(me);
        }
        phases_.meet([&] { finish_step(call, batch); });
        if (!call.goes_on()) return;
    }
}

// After the walks: ends the call, or prepares the update and decides whether to check the gradients first.
template <class T>
void Engine<T>::decide_on_update(Call& call, const Batch& batch, int64_t k, int present) {
    if (phases_.is_lost()) {
        call.outcome.failure = phases_.failure();
        call.outcome.end = call.outcome.failure ? End::failed : End::stopped;
        return;
    }
    call.score = net_.microbatch > 0 ? sum(part_scores_.data(), parts_of(batch.size)) : sum(row_scores_.data(), batch.size);
    if (!std::isfinite(call.score.loss)) {
        call.outcome.end = End::loss;
        return;
    }
    const Corrections corrections(settings_, call.first + k, mu_product_);
    call.mu_product = T(corrections.mu_product);  // in the precision of a checkpoint
    for (size_t i = 0; i < groups_.size(); ++i) {
        const auto [rate, decays] = groups_[i];
        steps_[i] = prepare<T>(settings_, corrections, call.settings.rate[k] * rate, call.settings.decay[k] * decays);
    }
    call.looks_first = waits_for_norm() || !is_bounded(batch, present);
    overflow_.store(false, std::memory_order_relaxed);
}

// Whether no gradient of the batch can overflow: |sum_i a_i delta_i| <= n max |a| max |delta| times the growth between the
// measured operations, and the penalty's gradient is small unless weights are huge. It nearly always holds, and then no
// gradient has to be checked before it is used.
template <class T>
bool Engine<T>::is_bounded(const Batch& batch, int present) {
    constexpr double LIMIT = double(std::numeric_limits<T>::max() / 4);
    if (are_weights_large_.load(std::memory_order_relaxed)) return false;
    if (!(std::max(program_.l2, program_.l1) * batch.penalty < MOST_PENALTY)) return false;
    if (net_.microbatch > 0) {  // |sum over parts| <= parts max |g|
        Largest<T> gradient;
        for (int number = 0; number < present; ++number) gradient.add(net_.workspaces[number].largest_gradient);
        return double(parts_of(batch.size)) * double(gradient.value()) < LIMIT;
    }
    Largest<T> a, delta, slope, dot;
    for (int number = 0; number < present; ++number) {
        const Workspace<T>& own = net_.workspaces[number];
        a.add(own.largest_a), delta.add(own.largest_delta), slope.add(own.largest_slope), dot.add(own.largest_dot);
    }
    const double along = double(net_.sloped_outputs()) * double(slope.value()) * double(dot.value());
    const double factor = a.value() < 1 ? 1 : double(a.value());  // a bias has a = 1
    const double growth = measures_all_.load(std::memory_order_relaxed) ? own_growth_ : growth_;
    if (!(double(batch.size * sharing_) * (factor * double(delta.value()) * growth + along * own_growth_) < LIMIT)) {  // or NaN
        measures_all_.store(true, std::memory_order_relaxed);
        return false;
    }
    for (const ops::Operation<T>* operation : summing_)
        if (operation->is_trained && !operation->are_sums_finite()) return false;
    return true;
}

// After the gradients: ends the call if one of them, or the loss with its penalty, is not finite.
template <class T>
void Engine<T>::decide_on_gradients(Call& call, const Batch& batch, int present) {
    if (phases_.is_lost()) {
        call.outcome.failure = phases_.failure();
        call.outcome.end = call.outcome.failure ? End::failed : End::stopped;
    } else if (overflow_.load(std::memory_order_relaxed)) {
        call.outcome.end = End::gradient;
    } else if (!std::isfinite(T(call.score.loss + penalty_of(batch)))) {
        call.outcome.end = End::loss;
    }
    for (int number = 0; number < present; ++number)
        task_shares_[number].deal(first_task(number, present), first_task(number + 1, present));
}

// After the update, which is kept even if a parameter is not finite: ends the call then, otherwise counts the step.
template <class T>
void Engine<T>::finish_step(Call& call, const Batch& batch) {
    mu_product_ = call.mu_product;
    if (overflow_.load(std::memory_order_relaxed)) {
        call.outcome.end = End::update;
        return;
    }
    for (ops::Operation<T>* operation : summing_) operation->end_step();
    const double penalty = penalty_of(batch), loss = call.score.loss + penalty;
    call.sums[0] += loss * batch.total, call.sums[1] += batch.total;
    call.sums[2] += call.score.correct;
    call.sums[3] += loss * double(batch.size), call.sums[4] += penalty * double(batch.size);
    ++call.outcome.steps;
}

// Thread 0 asks the caller whether to stop; all threads then skip the rest of the walks.
template <class T>
void Engine<T>::look(const Call& call, const Member& me) {
    if (me.number != 0 || phases_.is_lost()) return;
    if (call.stop() || passes(Place::stop)) phases_.stop();
    phases_.look_around();
}

// Forward and backward for a thread's rows of a batch.
template <class T>
void Engine<T>::walk_rows(const Call& call, const Batch& batch, const Member& me) {
    const int64_t r0 = first_sample(me.number, me.present, batch.size), r1 = first_sample(me.number + 1, me.present, batch.size);
    Workspace<T>& own = net_.workspaces[me.number];
    own.largest_a = own.largest_delta = own.largest_slope = own.largest_dot = {};
    look(call, me);
    const Following following = call.from(batch.begin + batch.size + r0, me.present == 1 ? call.n_rows : r1 - r0);
    Together together{call, batch, me, {*this, me.number, me.present, batch.size, {r0, r1}}, operations_ * double(batch.size) > LONG_STEP};
    walk(call, batch, {r0, r1, r0, following}, own, &together);
}

// The block of an operation that the thread computes next. All threads wait before and after an operation's sums over all rows.
template <class T>
Block Engine<T>::next(Together& together, ops::Operation<T>& operation, bool is_forth) {
    const Member& me = together.me;
    if (together.is_long) look(together.call, me);
    const Block block = together.cut(operation, is_forth);
    if (operation.sums_batch) {
        phases_.meet();
        const auto [n0, n1] = columns(operation.width_in(), me.number, me.present);
        if (n1 > n0)
            phases_.attempt([&] {
                passes(Place::statistics);
                operation.sum(is_forth, n0, n1, together.batch.size);
            });
        phases_.meet();
    }
    return block;
}

}  // namespace chainrule::CHAINRULE_ISA
