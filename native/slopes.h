// Training on slopes: network/objective.py and Network.with_slopes in C++.
//
//     S_i = 1/2 sum_kj w_ikj (g_ikj - d_ikj)^2          g_ik = d out_ik / d x_i
//
// For each output k a walk back makes the slopes of every buffer, and a walk forth the tangents a' along v_ik = s_i / total dS_i / dg_ik.
// The walk back of the loss then adds what bends, and a task's gradient a'^T slope.
#pragma once

#include "objective.h"

namespace chainrule::CHAINRULE_ISA {

// v = share w (g - d), all (width,); returns 1/2 sum_j w_j (g_j - d_j)^2, in one order.
template <class T>
[[gnu::noinline]] double slope_loss(const T* g, const double* d, const double* w, T share, int64_t width, T* v) {
    constexpr int64_t TOGETHER = 16;
    double sums[TOGETHER] = {}, all = 0;
    const auto add = [&](int64_t j, int64_t at) __attribute__((always_inline)) {
        const T r = g[j] - static_cast<T>(d[j]), by = static_cast<T>(w[j]) * r;
        v[j] = share * by;
        sums[at] += static_cast<double>(by) * static_cast<double>(r);
    };
    int64_t j = 0;
    for (; j + TOGETHER <= width; j += TOGETHER)
        CHAINRULE_VECTORS
        for (int64_t at = 0; at < TOGETHER; ++at) add(j + at, at);
    for (; j < width; ++j) add(j, j % TOGETHER);
    for (const double sum : sums) all += sum;
    return 0.5 * all;
}

// Both walks of each output, and S_i added to the rows' scores, for rows r0 to r1 of the buffers.
template <class T>
void Engine<T>::slopes(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, const Batch& batch, Workspace<T>& own) {
    const int last = static_cast<int>(net_.buffers.size()) - 1;
    const int64_t outputs = net_.sloped_outputs(), n = program_.outputs(), width = program_.widths.front();
    const double divisor = std::max(batch.total, std::numeric_limits<double>::min()) * double(program_.members);
    for (int64_t k = 0; k < outputs; ++k) {
        T* seed = net_.slope_of(last, k);
        const int64_t ld = net_.buffers[last].ld;
        std::fill(seed + r0 * ld, seed + r1 * ld, T(0));
        for (int64_t i = r0; i < r1; ++i) seed[i * ld + k] = T(1);
        for (size_t o = ops_.size(); o-- > 0;) {
            const Op& op = program_.ops[o];
            const int second = op.in2 < 0 ? op.in : op.in2;
            if (ops_[o]->is_trained) own.largest_slope.add(net_.slope_of(op.out, k) + r0 * net_.buffers[op.out].ld, (r1 - r0) * net_.buffers[op.out].ld);
            ops_[o]->backward({ops_[o]->at(own, r0, r1), net_.rows_of(op.out), net_.slope_rows_of(op.out, k), net_.slope_of(op.in, k),
                               op.in2 < 0 ? nullptr : net_.slope_of(second, k), net_.buffers[op.in].ld, net_.buffers[second].ld,
                               ops_[o]->part.accumulates, ops_[o]->part.accumulates2});
        }
        const Rows<T> g = net_.slope_rows_of(0, k);
        for (int64_t i = r0; i < r1; ++i) {
            const int64_t at = (rows[i - r0] * n + k % n) * width;
            const T share = static_cast<T>(weight_of(samples, rows[i - r0]) / divisor);
            row_scores_[i].loss += double(share) * slope_loss(g.row(i), samples.slopes + at, samples.slope_weight + at, share, width,
                                                              net_.dot_of(0, k) + i * g.ld);
        }
        for (size_t o = 0; o < ops_.size(); ++o) {
            const Op& op = program_.ops[o];
            const int second = op.in2 < 0 ? op.in : op.in2;
            if (ops_[o]->is_trained) own.largest_dot.add(net_.dot_of(op.in, k) + r0 * net_.buffers[op.in].ld, (r1 - r0) * net_.buffers[op.in].ld);
            ops_[o]->tangent({ops_[o]->at(own, r0, r1), net_.rows_of(op.out), net_.dot_rows_of(op.in, k), net_.dot_rows_of(second, k), net_.dot_of(op.out, k),
                              net_.buffers[op.out].ld});
        }
    }
}

// Adds the change of the slopes along the tangents to dL/d in of an operation, for rows r0 to r1.
template <class T>
void Engine<T>::bend(size_t o, int64_t r0, int64_t r1, Workspace<T>& own) {
    const Op& op = program_.ops[o];
    Buffer<T>& in = net_.buffers[op.in];
    if (!in.needs_gradient) return;
    for (int64_t k = 0; k < net_.sloped_outputs(); ++k)
        ops_[o]->bend({ops_[o]->at(own, r0, r1), net_.rows_of(op.out),
                       net_.slope_rows_of(op.out, k), in.grad.data(), nullptr, in.ld, 0, true, false},
                      net_.dot_rows_of(op.in, k));
}

}  // namespace chainrule::CHAINRULE_ISA
