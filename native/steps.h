// A run of training steps: what each thread does in them.
//
// A step is a sequence of phases (phases.h), each of which ends with a decision that is taken once, for all threads:
//
//     walks       there and back with a thread's rows of the batch; nothing of the network changes
//                 -> stopped or failed, the loss not finite: the call ends; or whether to look at the gradients first
//     gradients   where their norm is asked for, or where one might not be finite: all are made, and none is used
//                 -> one is not finite: the call ends
//     update      strips of weights go to threads; nothing here can throw
//     norms       where they are bounded
//                 -> a parameter is not finite: the call ends with it; otherwise the step counts
//
// So whatever happens before the update leaves no trace. Where the batch is large and the network small, the batch is cut into
// micro-batches: a thread takes one there and back and adds up its gradient, all in its own cache, before it takes the next.
#pragma once

#include <chrono>

#include "microbatches.h"
#include "update.h"

namespace chainrule::CHAINRULE_ISA {

constexpr double LONG_STEP = 1e8;  // operations of a step that looks between its links whether it must stop

template <class T>
Outcome Engine<T>::steps(const Samples& samples, const int64_t* rows, int64_t n_rows, const StepSettings& settings,
                         int64_t n_steps, int64_t first, int64_t step_offset, double* sums, const Stop& stop) {
    Call call{samples, rows, n_rows, settings, first, step_offset, sums, stop, {0, End::done}};
    count_frozen_penalty();
    while (call.goes_on() && call.outcome.steps < n_steps) {
        const int64_t k0 = call.outcome.steps, k1 = std::min(n_steps, k0 + team_.steps());
        Workers workers(team_.count());
        phases_.begin(workers.count());
        const auto start = std::chrono::steady_clock::now();
        workers.run([&](int number) { some_steps(call, k0, k1, {number, workers.count()}); });
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
                call.settings.dropout[k]};
    if (const double* weight = call.samples.weight; weight != nullptr) {
        batch.total = 0;
        for (int64_t i = 0; i < size; ++i) batch.total += weight[batch.rows[i]];
    }
    return batch;
}

// A thread's part of the steps k0 to k1 of a call. Between two meetings no decision changes, so all threads come to the same ones.
template <class T>
void Engine<T>::some_steps(Call& call, int64_t k0, int64_t k1, const Member& me) noexcept {
    for (int64_t k = k0; k < k1; ++k) {
        const Batch batch = batch_of(call, k);
        if (microbatch_ > 0)
            walk_microbatches(call, batch, me);
        else
            walk_rows(call, batch, me);
        task_shares_[me.number].deal(first_task(me.number, me.present), first_task(me.number + 1, me.present));
        phases_.meet([&] { decide_on_update(call, batch, k, me.present); });
        if (!call.goes_on()) return;
        if (call.looks_first) {
            make_gradients(batch, me);
            phases_.meet([&] { decide_on_gradients(call, me.present); });
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

// After the walks.
template <class T>
void Engine<T>::decide_on_update(Call& call, const Batch& batch, int64_t k, int present) {
    if (phases_.is_lost()) {
        call.outcome.failure = phases_.failure();
        call.outcome.end = call.outcome.failure ? End::failed : End::stopped;
        return;
    }
    call.score = microbatch_ > 0 ? sum(part_scores_.data(), parts_of(batch.size)) : sum(row_scores_.data(), batch.size);
    if (!std::isfinite(call.score.loss)) {
        call.outcome.end = End::loss;
        return;
    }
    const Corrections corrections(settings_, call.first + k, mu_product_);
    call.mu_product = T(corrections.mu_product);  // as a checkpoint keeps it
    for (size_t i = 0; i < groups_.size(); ++i) {
        const auto [rate, decays] = groups_[i];
        steps_[i] = prepare<T>(settings_, corrections, call.settings.rate[k] * rate, call.settings.decay[k] * decays);
    }
    call.looks_first = waits_for_norm() || !is_bounded(batch, present);
    overflow_.store(false, std::memory_order_relaxed);
}

// Whether no gradient of the batch can overflow: sum_i a_i delta_i is at most n max |a| max |delta|, times how much they grow
// between where they were measured, and the penalty's part is small where the weights are not huge. Nearly always so, and then no
// gradient has to be looked at before it is used.
template <class T>
bool Engine<T>::is_bounded(const Batch& batch, int present) {
    constexpr double LIMIT = double(std::numeric_limits<T>::max() / 4);
    if (are_weights_large_.load(std::memory_order_relaxed)) return false;
    if (microbatch_ > 0) {  // the sum of the parts' gradients
        Largest<T> gradient;
        for (int number = 0; number < present; ++number) gradient.add(workspaces_[number].largest_gradient);
        return double(parts_of(batch.size)) * double(gradient.value()) < LIMIT;
    }
    Largest<T> a, delta;
    for (int number = 0; number < present; ++number)
        a.add(workspaces_[number].largest_a), delta.add(workspaces_[number].largest_delta);
    const double factor = a.value() < 1 ? 1 : double(a.value());  // 1 for a bias
    const double growth = measures_all_.load(std::memory_order_relaxed) ? 1 : growth_;
    if (!(double(batch.size) * factor * double(delta.value()) * growth < LIMIT)) {  // NaN too
        measures_all_.store(true, std::memory_order_relaxed);
        return false;
    }
    for (size_t o = 0; o < program_.ops.size(); ++o)
        if (is_trained(program_.ops[o]) && normalizes(program_.ops[o]) &&
            !(all_finite(caches_[o].dgamma.data(), static_cast<int64_t>(caches_[o].dgamma.size())) &&
              all_finite(caches_[o].dbeta.data(), static_cast<int64_t>(caches_[o].dbeta.size()))))
            return false;
    return true;
}

// After the gradients: they and the loss with its penalty are all finite, or the step is not made.
template <class T>
void Engine<T>::decide_on_gradients(Call& call, int present) {
    if (phases_.is_lost()) {
        call.outcome.failure = phases_.failure();
        call.outcome.end = call.outcome.failure ? End::failed : End::stopped;
    } else if (overflow_.load(std::memory_order_relaxed)) {
        call.outcome.end = End::gradient;
    } else if (!std::isfinite(T(call.score.loss + sum_of(column_penalty_)))) {
        call.outcome.end = End::loss;
    }
    for (int number = 0; number < present; ++number)
        task_shares_[number].deal(first_task(number, present), first_task(number + 1, present));
}

// After the update, which is there whether or not its result is finite.
template <class T>
void Engine<T>::finish_step(Call& call, const Batch& batch) {
    mu_product_ = call.mu_product;
    if (overflow_.load(std::memory_order_relaxed)) {
        call.outcome.end = End::update;
        return;
    }
    for (size_t o = 0; o < program_.ops.size(); ++o)
        if (normalizes(program_.ops[o])) {
            State<T>& state = states_[program_.ops[o].state];
            std::copy_n(caches_[o].next_mean.begin(), state.a.size(), state.a.begin());
            std::copy_n(caches_[o].next_var.begin(), state.b.size(), state.b.begin());
        }
    call.sums[0] += (call.score.loss + sum_of(column_penalty_)) * batch.total, call.sums[1] += batch.total;
    call.sums[2] += call.score.correct;
    ++call.outcome.steps;
}

// Asks the caller whether to stop. What is left of the step's walks is passed over then.
template <class T>
void Engine<T>::look(const Call& call, const Member& me) {
    if (me.number != 0 || phases_.is_lost()) return;
    if (call.stop() || passes(Place::stop)) phases_.stop();
    phases_.look_around();
}

// A thread's share of a batch, there and back. Before and after the sums of a batch norm over all rows, all wait.
template <class T>
void Engine<T>::walk_rows(const Call& call, const Batch& batch, const Member& me) {
    const int64_t r0 = first_row(me.number, me.present, batch.size), r1 = first_row(me.number + 1, me.present, batch.size);
    const bool is_long = operations_ * double(batch.size) > LONG_STEP;
    Cut cut{*this, me.number, me.present, batch.size, {r0, r1}};
    Workspace<T>& own = workspaces_[me.number];
    own.largest_a = own.largest_delta = {};
    look(call, me);
    const Following following = call.from(batch.begin + batch.size + r0, me.present == 1 ? call.n_rows : r1 - r0);
    walk(call, batch, {r0, r1, r0, following}, own, [&](const Op& op, Cache<T>& cache, bool is_forth) {
        if (is_long) look(call, me);
        const Block block = cut(op, is_forth);
        if (normalizes(op)) {
            phases_.meet();
            const auto [n0, n1] = columns(buffers_[op.in].width, me.number, me.present);
            if (n1 > n0)
                phases_.attempt([&] {
                    passes(Place::statistics);
                    sums_over_batch(op, cache, n0, n1, batch.size, is_forth);
                });
            phases_.meet();
        }
        return block;
    });
}

}  // namespace chainrule::CHAINRULE_ISA
