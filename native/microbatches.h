// Micro-batches of a large batch. A thread takes one forward and backward and adds its gradient to the sum of its part of the
// batch, before it takes the next. So the data that it reads stay in its own cache. A larger network has larger micro-batches,
// because adding up its gradient costs more.
//
// The cut depends on the network and on the batch's size alone, and the parts' gradients are summed in the batch's order. So
// the bits depend neither on the number of threads nor on the instruction set.
#pragma once

#include <numeric>

#include "walks.h"

namespace chainrule::CHAINRULE_ISA {

constexpr int64_t SMALL_THETA = 1 << 18;            // parameters of a network whose gradient stays in the cache
constexpr int64_t LARGE_THETA = 1 << 20;            // most parameters for which each part stores a gradient
constexpr int64_t NEAR_ACTIVATIONS = 1 << 18;       // most numbers of a micro-batch in all buffers
constexpr int64_t FEWEST_ROWS = 64, MOST_ROWS = 512;  // of a micro-batch
constexpr int64_t FEWEST_PARTS = 8, MOST_PARTS = 32;  // of a batch, which so many threads can share

template <class T>
void Engine<T>::plan_microbatches() {
    const int64_t batch = run_.batch_size;
    const int64_t widths = std::accumulate(program_.widths.begin(), program_.widths.end(), int64_t{0}) * (1 + net_.sloped_outputs());
    // A row of groups that share weights counts as so many.
    const int64_t most = std::max<int64_t>(1, MOST_ROWS / sharing_), fewest = std::max<int64_t>(1, FEWEST_ROWS / sharing_);
    const bool is_small = program_.size <= SMALL_THETA;
    const int64_t near = is_small ? NEAR_ACTIVATIONS / widths : most;
    const int64_t rows = std::min({batch / FEWEST_PARTS, near, most}) / fewest * fewest;
    if (is_of_batches(program_.loss)) return;  // which is computed of whole batches
    if (rows == 0 || program_.size > LARGE_THETA || (!is_small && rows < most)) return;
    if (std::any_of(ops_.begin(), ops_.end(), [](const auto& operation) { return operation->sums_batch; })) return;
    net_.microbatch = rows;
    part_rows_ = ((batch + rows - 1) / rows + MOST_PARTS - 1) / MOST_PARTS * rows;
    part_scores_.resize(parts_of(batch));
    part_gradients_.resize(parts_of(batch) * gradient_size_);
}

template <class T>
void Engine<T>::walk_microbatches(const Call& call, const Batch& batch, const Member& me) {
    const int64_t parts = parts_of(batch.size);
    Workspace<T>& own = net_.workspaces[me.number];
    own.largest_gradient = {};
    part_shares_[me.number].deal(parts * me.number / me.present, parts * (me.number + 1) / me.present);
    for (int64_t part; (part = take(part_shares_, me.number, me.present)) >= 0;) {
        const int64_t begin = part * part_rows_, end = std::min(batch.size, begin + part_rows_);
        T* gradients = &part_gradients_[part * gradient_size_];
        Score score;
        for (int64_t first = begin; first < end; first += net_.microbatch) {
            const int64_t r0 = me.number * part_distance(), r1 = r0 + std::min(net_.microbatch, end - first);
            look(call, me);
            const Following following = call.from(batch.begin + first + r1 - r0, net_.microbatch);
            walk(call, batch, {r0, r1, first, following}, own, nullptr);
            phases_.attempt([&] {
                passes(Place::gradient);
                score = sum(&row_scores_[r0], r1 - r0, score);
                const Buffer<T>& input = net_.buffers[0];
                const bool gaps = !net_.is_sparse && has_gaps(&input.a[r0 * input.ld], input.ld, r1 - r0, input.width);
                own.forget();
                for (const Task& task : tasks_) gradient_of(task, r0, r1, gaps, first > begin, gradients + task.at, own);
            });
        }
        part_scores_[part] = score;
        if (!waits_for_norm())
            own.largest_gradient.add(gradients, gradient_size_);
    }
}

// g = the sum of a task's gradients over the parts, in their order.
template <class T>
void Engine<T>::sum_parts(const Task& task, int64_t parts, T* g) const {
    const int64_t n = task.rows() * padded<T>(task.columns());
    const T* part = &part_gradients_[task.at];
    std::copy(part, part + n, g);
    while (--parts > 0) {
        part += gradient_size_;
        for (int64_t i = 0; i < n; ++i) g[i] += part[i];
    }
}

}  // namespace chainrule::CHAINRULE_ISA
