// dense: formulas/layers/dense.py in C++, by the products of matmul.h. An activation after it is fused into forward, f'(z) of
// the dense before it into backward (Layout::Part). The first one may read the entries of a CSR matrix (sparse.h).
//
// grouped_dense (formulas/layers/grouped_dense.py) is a product for each group, on its columns of a and of out. A product writes
// whole panels, so it may write beyond its group's columns: the next group, which comes after it, writes over that.
#pragma once

#include "../epilogues.h"
#include "base.h"

namespace chainrule::CHAINRULE_ISA::ops {

struct dense {
    // out = f(a W + b)
    template <class T>
    static void forward(const Forward<T>& at) {
        Engine<T>& engine = at.engine;
        const int64_t K = at.width / at.op.groups, width = engine.buffers_[at.op.out].width / at.op.groups;
        const int64_t n0 = at.block.n0, N = std::min(at.block.n1, width) - n0;  // n0 = 0 and N = width if there are groups
        for (int group = 0; group < at.op.groups; ++group) {
            const Parameter<T>& W = engine.parameters_[at.op.of_group(at.op.slot0, group)];
            const T* panels = W.rounded.empty() ? W.value.data() : W.rounded.data();
            const T* b = at.op.slot1 < 0 ? nullptr : at.parameter(at.op.of_group(at.op.slot1, group)) + n0;
            T* to = at.row(at.r0) + group * width + n0;
            const Activate<T> over_z{at.op.function, at.c0(), to, at.ld};
            if (engine.reads_entries(at.op)) {  // one group
                for (int64_t i = at.r0; i < at.r1; ++i, to += at.ld) {
                    forward_row(at.own.entries.row(i), panels, b, to, at.width, N);
                    for (int64_t n = 0; n < N; n += PANEL<T>) over_z(i - at.r0, i - at.r0 + 1, n);
                }
                return;
            }
            engine.template product<true>(engine.buffers_[at.op.in], {at.a.first + group * K, at.a.ld}, panels + n0 * K, W.pairs, b, to,
                                          at.ld, K, N, at.r0, at.r1, at.own, over_z);
        }
    }

    // dL/da = delta W^T with delta = dL/d out f'(z). If `before`, multiplies dL/da by f'(z) of the dense that made a.
    template <class T>
    static void backward(const Backward<T>& at) {
        Engine<T>& engine = at.engine;
        Buffer<T>&in = engine.buffers_[at.op.in], &out = engine.buffers_[at.op.out];
        if (!at.cache.is_delta) {
            const TimesPrime<T> to_delta{at.op.function, at.c0(), out.a.data(), out.grad.data(), out.ld};
            for (int64_t n = 0; n < out.width; n += PANEL<T>) to_delta(at.r0, at.r1, n);
        }
        engine.round_rows(out.grad, out, at.r0, at.r1);
        if (at.to == nullptr) return;
        const int64_t width = in.width / at.op.groups, N = out.width / at.op.groups;
        const int64_t k0 = at.block.n0, K = std::min(at.block.n1, width) - k0;  // columns of dL/da of a group
        const Op* before = at.cache.before;
        for (int group = 0; group < at.op.groups; ++group) {
            const int64_t from = group * width + k0;
            T *a_grad = at.row(at.r0) + from, *to = at.cache.accumulates ? at.own.scratch.data() + from : a_grad;
            const Parameter<T>& W = engine.parameters_[at.op.of_group(at.op.slot0, group)];
            const Rows<T> delta{at.delta.first + group * N, at.delta.ld};
            const TimesPrime<T> finish{before ? before->function : Activation::identity, before ? T(before->c0) : T(0),
                                       &in.a[at.r0 * in.ld + from], a_grad, in.ld};
            if (!engine.is_one_row_ || engine.multiplies_pairs()) {
                engine.template product<false>(out, delta, W.transposed.data() + k0 * N, W.transposed_pairs, nullptr, to, in.ld, N, K,
                                               at.r0, at.r1, at.own, finish);
            } else if (at.r0 < at.r1) {
                const T* panels = W.rounded.empty() ? W.value.data() : W.rounded.data();
                backward_row(delta.row(at.r0), panels, to, width, N, k0, k0 + K);
                for (int64_t n = 0; n < K; n += PANEL<T>) finish(0, 1, n);
            }
            if (at.cache.accumulates)
                for (int64_t i = 0; i < at.r1 - at.r0; ++i)
                    for (int64_t j = 0; j < K; ++j) a_grad[i * in.ld + j] += to[i * in.ld + j];
        }
    }

    // dL/db = sum_i delta_i. dL/dW = a^T delta is computed in strips (update.h).
    template <class T>
    static void gradient(const Gradient<T>& at, T* sum) {
        constexpr int64_t P = PANEL<T>;
        T sums[P];  // in registers
        std::copy(sum, sum + P, sums);
        const T* delta = at.delta.first + at.n;
        for (int64_t i = at.r0; i < at.r1; ++i)
            for (int64_t j = 0; j < P; ++j) sums[j] += delta[i * at.delta.ld + j];
        std::copy(sums, sums + P, sum);
    }
};

using grouped_dense = dense;

}  // namespace chainrule::CHAINRULE_ISA::ops
