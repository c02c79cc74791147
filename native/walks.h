// The forward and the backward walk over the program, for some rows of the batch. The operations are in ops/.
#pragma once

#include "losses.h"
#include "slopes.h"
#include "samples.h"
#include "session.h"

namespace chainrule::CHAINRULE_ISA {

// a0 = scale X[rows] + offset for rows r0 to r1 of the buffers, in the network's precision: the only copy of the samples. Or
// their entries, if the first operation reads those.
template <class T>
void Engine<T>::gather(const Samples& samples, const int64_t* rows, int64_t r0, int64_t r1, Workspace<T>& own, Following following) {
    Buffer<T>& input = net_.buffers[0];
    if (net_.is_sparse) {
        own.entries.read(samples, rows, r0, r1, input.width, T(program_.scale));
        if (ops_[0]->is_trained) own.entries.template sort<STRIP_ROWS>(input.width);
        return;
    }
    const Target<T> to{input.a.data(), input.ld, input.width, T(program_.scale), T(program_.offset)};
    if (samples.indptr != nullptr)
        read_dense_rows(samples, rows, r0, r1, to.a, to.ld, to.width, to.scale, to.shift);
    else if (samples.type == 0)
        gather_as<uint8_t>(samples, rows, r0, r1, following, to);
    else if (samples.type == 1)
        gather_as<float>(samples, rows, r0, r1, following, to);
    else
        gather_as<double>(samples, rows, r0, r1, following, to);
    if (input.is_multiplied) net_.round_rows(input.a, input, r0, r1);
}

template <class T>
void Engine<T>::forward(size_t o, const Block& block, const Draw* draw, Rows<T> from, Workspace<T>& own) {
    const Op& op = program_.ops[o];
    const int second = op.in2 < 0 ? op.in : op.in2;
    Buffer<T>& out = net_.buffers[op.out];
    ops_[o]->forward({{*ops_[o], own, block, block.r0, block.r1, from, net_.buffers[op.in].width, net_.buffers[second].width},
                      net_.rows_of(second), out.a.data(), out.ld, draw});
    if (out.is_multiplied && !ops_[o]->rounds_out()) net_.round_rows(out.a, out, block.r0, block.r1);
}

template <class T>
void Engine<T>::backward(size_t o, const Block& block, Workspace<T>& own) {
    const Op& op = program_.ops[o];
    Buffer<T>&in = net_.buffers[op.in], &in2 = net_.buffers[op.in2 < 0 ? op.in : op.in2];
    const auto gradient = [](Buffer<T>& buffer) { return buffer.needs_gradient ? buffer.grad.data() : nullptr; };
    ops_[o]->backward({{*ops_[o], own, block, block.r0, block.r1, net_.rows_of(op.in), in.width, in2.width},
                       net_.rows_of(op.out), net_.gradient_rows_of(op.out), gradient(in), op.in2 < 0 ? nullptr : gradient(in2),
                       in.ld, in2.ld, ops_[o]->part.accumulates, ops_[o]->part.accumulates2});
}

// Forward, loss and backward for a part of a batch, unless the phase is lost. `together`, if the whole batch is walked, has the block
// of each operation to compute. It is always asked, because threads may wait for each other in it.
template <class T>
void Engine<T>::walk(const Call& call, const Batch& batch, const Part& part, Workspace<T>& own, Together* together) {
    const int64_t r0 = part.r0, r1 = part.r1;
    const int64_t* rows = batch.rows + part.first;
    const Draw draw{run_.seed, batch.step, part.first, batch.dropout};
    for (int64_t i = 0; i < std::min<int64_t>(r1 - r0, Simd<T>::LANES); ++i)
        ask_for_target(call.samples, rows[i], program_.outputs());
    phases_.attempt([&] {
        passes(Place::gather);
        gather(call.samples, rows, r0, r1, own, part.following);
    });
    for (size_t o = 0; o < ops_.size(); ++o) {
        const Op& op = program_.ops[o];
        const Block block = together ? next(*together, *ops_[o], true) : Block{r0, r1};
        phases_.attempt([&] {
            passes(Place::forward);
            if (measures(o, true) && net_.is_sparse && op.in == 0)
                own.entries.measure(own.largest_a);
            else if (measures(o, true))
                ops_[o]->measure_a(own.largest_a, r0, r1);
            forward(o, block, &draw, net_.rows_of(op.in), own);
        });
    }
    if (!is_of_batches(program_.loss)) {
        phases_.attempt([&] { loss(call.samples, rows, r0, r1, batch, own.tile.data()); });
    } else {
        phases_.meet();
        if (together->me.number == 0)  // the calling thread
            phases_.attempt([&] { is_of_groups(program_.loss) ? group_losses(call.samples, batch) : own_loss(call.samples, batch); });
        phases_.meet();
    }
    if (net_.sloped_outputs() > 0) phases_.attempt([&] { slopes(call.samples, rows, r0, r1, batch, own); });
    for (size_t o = ops_.size(); o-- > 0;) {
        const Buffer<T>& out = net_.buffers[program_.ops[o].out];
        if (!out.needs_gradient) continue;
        const Block block = together ? next(*together, *ops_[o], false) : Block{r0, r1};
        phases_.attempt([&] {
            passes(Place::backward);
            backward(o, block, own);
            bend(o, block.r0, block.r1, own);
            if (measures(o, false)) ops_[o]->measure_delta(own.largest_delta, r0, r1);
        });
    }
}

}  // namespace chainrule::CHAINRULE_ISA
