// A run of training steps: what each member of the team does in them.
//
// A member walks there and back with its rows of the batch, all wait, and weights go to members for their update. Where the
// batch is large and the network small, the batch is cut into micro-batches instead: a member takes one there and back and
// adds up its gradient, all in its own cache, before it takes the next.
#pragma once

#include <chrono>

#include "microbatches.h"
#include "update.h"

namespace chainrule::CHAINRULE_ISA {

constexpr double LONG_STEP = 1e8;  // operations of a step that looks between its links whether it must stop

template <class T>
Outcome Engine<T>::steps(const Samples& samples, const int64_t* rows, int64_t n_rows, const double* rates,
                         int64_t n_steps, int64_t first, int64_t clock, double* tally, const Stop& stop) {
    Call call{samples, rows, n_rows, rates, first, clock, tally, stop, 0, {0, End::done}};
    stopped_.store(false);
    for (size_t s = 0; s < parameters_.size(); ++s)
        if (program_.slots[s].is_weight && !program_.slots[s].is_trained)
            for (const T w : parameters_[s].value)
                call.frozen_penalty += program_.l2 / 2 * double(w) * double(w) + program_.l1 * std::abs(double(w));
    while (call.outcome.end == End::done && call.outcome.steps < n_steps) {
        const int64_t k0 = call.outcome.steps, k1 = std::min(n_steps, k0 + team_.steps());
        const int count = team_.count();
        Common common(count);
        const auto start = std::chrono::steady_clock::now();
        with_team(count, [&](int member, int present) {
            Barrier alone(1);  // the team was busy: one thread does all
            some_steps(call, k0, k1, {member, present, common, present == count ? common.barrier : alone});
        });
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
        team_.took(spent.count() / double(k1 - k0));
    }
    overflow_.store(false);
    return call.outcome;
}

// A member's part of the steps k0 to k1 of a call.
template <class T>
void Engine<T>::some_steps(Call& call, int64_t k0, int64_t k1, const Member& me) {
    double mu_product = mu_product_;
    for (int64_t k = k0; k < k1; ++k) {
        const int64_t begin = k * run_.batch_size, size = std::min(run_.batch_size, call.n_rows - begin);
        Batch batch{begin, call.rows + begin, size, static_cast<uint32_t>(call.clock + call.first + k), double(size)};
        if (const double* weight = call.samples.weight; weight != nullptr) {
            batch.total = 0;
            for (int64_t i = 0; i < size; ++i) batch.total += weight[batch.rows[i]];
        }
        if (microbatch_ > 0)
            walk_microbatches(call, batch, me);
        else
            walk_rows(call, batch, me);
        me.common.tasks[me.number].deal(first_task(me.number, me.present), first_task(me.number + 1, me.present));
        me.barrier.wait();

        // How a call ends is the same for every member; the first one says it.
        const auto end = [&](End how) {
            if (me.number == 0) call.outcome.end = how;
        };
        if (!is_on()) return end(End::stopped);  // nobody writes it before the next step
        const Score score = microbatch_ > 0 ? sum(part_scores_.data(), parts_of(size)) : sum(row_scores_.data(), size);
        if (!std::isfinite(score.loss)) return end(End::loss);
        run_update(batch, prepare<T>(settings_, call.rates[k], call.first + k, mu_product), me);
        me.barrier.wait();
        if (overflow_.load(std::memory_order_relaxed)) return end(End::update);
        if (me.number != 0) continue;
        for (size_t o = 0; o < program_.ops.size(); ++o)
            if (normalizes(program_.ops[o])) {
                State<T>& state = states_[program_.ops[o].state];
                state.a = caches_[o].next_mean, state.b = caches_[o].next_var;
            }
        double penalty = call.frozen_penalty;
        for (const double part : task_penalty_) penalty += part;
        call.tally[0] += (score.loss + penalty) * batch.total, call.tally[1] += batch.total, call.tally[2] += score.correct;
        mu_product_ = mu_product;
        ++call.outcome.steps;
    }
}

// A step that is stopped before its update leaves no trace; what is left of its walks is passed over.
template <class T>
void Engine<T>::look(const Call& call, const Member& me) {
    if (me.number == 0 && is_on() && call.stop()) stopped_.store(true, std::memory_order_relaxed);
}

// A member's share of a batch, there and back. Before and after the sums of a batch norm over all rows, all wait.
template <class T>
void Engine<T>::walk_rows(const Call& call, const Batch& batch, const Member& me) {
    const int64_t r0 = first_row(me.number, me.present, batch.size), r1 = first_row(me.number + 1, me.present, batch.size);
    const bool is_long = operations_ * double(batch.size) > LONG_STEP;
    Cut cut{*this, me.barrier, me.number, me.present, batch.size, {r0, r1}};
    look(call, me);
    const Following following = call.from(batch.begin + batch.size + r0, me.present == 1 ? call.n_rows : r1 - r0);
    walk(call, batch, {r0, r1, r0, following}, workspaces_[me.number], [&](const Op& op, Cache<T>& cache, bool is_forth) {
        if (is_long) look(call, me);
        const Block block = cut(op, is_forth);
        if (normalizes(op)) {
            me.barrier.wait();
            const auto [n0, n1] = columns(buffers_[op.in].width, me.number, me.present);
            if (n1 > n0 && is_forth) batch_statistics(op, cache, n0, n1, batch.size);
            if (n1 > n0 && !is_forth) batch_gradients(op, cache, n0, n1, batch.size);
            me.barrier.wait();
        }
        return block;
    });
}

}  // namespace chainrule::CHAINRULE_ISA
